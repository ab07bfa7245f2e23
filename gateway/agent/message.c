/* SPDX-License-Identifier: Apache-2.0
 * Messages between workers and the identity agent; see message.h. Both ends are one program, so a
 * message is a struct and then its bytes of variable length. */
#include "agent/message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/bytes.h"

/* The largest message, and some of them at once. */
#define ROOM_BYTES (1024 * 1024)

struct wire {
	uint32_t type, code;
	uint64_t id;
	uint8_t source[KILN_AGENT_SOURCE];
	char region[sizeof((struct kiln_aws_proof *)0)->region];
	char authorization[KILN_AWS_AUTHORIZATION_MAX + 1];
	char date[sizeof((struct kiln_aws_proof *)0)->date];
	struct kiln_aws_role role;
	char session[KILN_AWS_SESSION_MAX + 1];
	char text[KILN_ERROR_MAX];
	uint32_t token_len, body_len;
};

#define BYTES_MAX (KILN_AWS_TOKEN_MAX + KILN_AWS_BODY_MAX)

bool kiln_agent_pair(int pair[2])
{
	const int room = ROOM_BYTES;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return false;
	for (int i = 0; i < 2; i++) /* as much as the system allows */
		(void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	return true;
}

int kiln_agent_send(int channel, const struct kiln_agent_message *m)
{
	struct wire w;
	memset(&w, 0, sizeof w); /* the padding leaves this process too */
	w.type = m->type;
	w.code = (uint32_t)m->code;
	w.id = m->id;
	memcpy(w.source, m->source, sizeof w.source);
	memcpy(w.region, m->proof.region, sizeof w.region);
	memcpy(w.authorization, m->proof.authorization, sizeof w.authorization);
	memcpy(w.date, m->proof.date, sizeof w.date);
	w.role = m->role;
	memcpy(w.session, m->session, sizeof w.session);
	memcpy(w.text, m->text, sizeof w.text);
	w.token_len = m->proof.token != NULL ? (uint32_t)strlen(m->proof.token) : 0;
	w.body_len = (uint32_t)m->proof.body_len;
	struct iovec parts[] = {
	    {.iov_base = &w, .iov_len = sizeof w},
	    {.iov_base = m->proof.token, .iov_len = w.token_len},
	    {.iov_base = m->proof.body, .iov_len = w.body_len},
	};
	const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
	ssize_t n;
	do
		n = sendmsg(channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	kiln_wipe(&w, sizeof w);
	if (n >= 0)
		return 1;
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? 0 : -1;
}

/* Every text ends inside its field, whoever wrote it. */
static void end_texts(struct wire *w)
{
	w->region[sizeof w->region - 1] = '\0';
	w->authorization[sizeof w->authorization - 1] = '\0';
	w->date[sizeof w->date - 1] = '\0';
	w->role.partition[sizeof w->role.partition - 1] = '\0';
	w->role.account[sizeof w->role.account - 1] = '\0';
	w->role.name[sizeof w->role.name - 1] = '\0';
	w->session[sizeof w->session - 1] = '\0';
	w->text[sizeof w->text - 1] = '\0';
}

static bool take_bytes(struct kiln_agent_message *m, const struct wire *w, const uint8_t *bytes)
{
	if (w->token_len > 0) {
		m->proof.token = strndup((const char *)bytes, w->token_len);
		if (m->proof.token == NULL)
			return false;
	}
	if (w->body_len > 0) {
		m->proof.body = malloc(w->body_len);
		if (m->proof.body == NULL)
			return false;
		memcpy(m->proof.body, bytes + w->token_len, w->body_len);
	}
	m->proof.body_len = w->body_len;
	return true;
}

static bool unpack(struct kiln_agent_message *m, struct wire *w, const uint8_t *bytes, size_t len)
{
	memset(m, 0, sizeof *m);
	if (w->token_len > KILN_AWS_TOKEN_MAX || w->body_len > KILN_AWS_BODY_MAX ||
	    len != (size_t)w->token_len + w->body_len)
		return false;
	end_texts(w);
	m->type = w->type;
	m->code = (enum kiln_code)w->code;
	m->id = w->id;
	memcpy(m->source, w->source, sizeof m->source);
	memcpy(m->proof.region, w->region, sizeof m->proof.region);
	memcpy(m->proof.authorization, w->authorization, sizeof m->proof.authorization);
	memcpy(m->proof.date, w->date, sizeof m->proof.date);
	m->role = w->role;
	memcpy(m->session, w->session, sizeof m->session);
	memcpy(m->text, w->text, sizeof m->text);
	if (take_bytes(m, w, bytes))
		return true;
	kiln_agent_message_clear(m);
	return false;
}

/* As kiln_agent_receive, of one packet; *usable says whether it was a message. */
static int receive_packet(int channel, struct kiln_agent_message *m, bool *usable)
{
	static uint8_t bytes[BYTES_MAX]; /* one thread, and too large for a stack */
	struct wire w;
	struct iovec parts[] = {
	    {.iov_base = &w, .iov_len = sizeof w},
	    {.iov_base = bytes, .iov_len = sizeof bytes},
	};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	ssize_t n;
	do
		n = recvmsg(channel, &message, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? 0 : -1;
	if (n == 0)
		return -1;
	*usable = false;
	if ((size_t)n >= sizeof w) {
		const size_t len = (size_t)n - sizeof w;
		*usable = (message.msg_flags & MSG_TRUNC) == 0 && unpack(m, &w, bytes, len);
		kiln_wipe(bytes, len); /* tokens pass through */
	}
	return 1;
}

/* A worker gets a channel once: a packet that cannot be used, for whatever reason, is lost alone,
 * and whoever waits for an answer to it has a deadline. */
int kiln_agent_receive(int channel, struct kiln_agent_message *m)
{
	bool usable = false;
	int got;
	do
		got = receive_packet(channel, m, &usable);
	while (got == 1 && !usable);
	return got;
}

void kiln_agent_message_clear(struct kiln_agent_message *m)
{
	kiln_aws_proof_clear(&m->proof);
	kiln_wipe(m, sizeof *m);
}

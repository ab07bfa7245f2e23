/* SPDX-License-Identifier: Apache-2.0
 * The worker, the client and the application; see handoff_rig.h. */
#include "handoff_rig.h"

#include <errno.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sys.h"

struct handoff_rig handoff = {.listener = -1, .channel = -1, .notice = -1};

static ssize_t play_sendmsg(int fd, const struct msghdr *message, int flags)
{
	const int failed = handoff.sends < 4 ? handoff.failures[handoff.sends] : 0;
	handoff.sends++;
	if (failed == -1)
		return (ssize_t)message->msg_iov[0].iov_len - 1;
	if (failed == 0)
		return sendmsg(fd, message, flags);
	errno = failed;
	return -1;
}

static const struct kiln_sys sys = {.sendmsg = play_sendmsg};

void handoff_start(int first, int second)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(sa_family_t);
	life_open(&handoff.life, KILN_SERVER, NULL);
	struct kiln_worker *worker = &handoff.life.rig.worker;
	worker->sys = &sys;
	worker->settings.handoff = worker->settings.handoff_any_own = true;
	worker->settings.handoff_label = KILN_HANDOFF_LABEL;
	handoff.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(handoff.listener, (struct sockaddr *)&at, len),
			 0); /* a name of its own */
	assert_int_equal(listen(handoff.listener, 4), 0);
	len = sizeof at;
	assert_int_equal(getsockname(handoff.listener, (struct sockaddr *)&at, &len), 0);
	memcpy(&worker->targets.at[0].addr, &at, sizeof at);
	worker->targets.at[0].len = len;
	handoff.sends = 0;
	handoff.failures[0] = first;
	handoff.failures[1] = second;
	handoff.failures[2] = handoff.failures[3] = 0;
	life_accept(&handoff.life, true);
	life_exchange(&handoff.life, SIZE_MAX);
}

/* The application takes the channel and the next message; -1: there is none. */
int handoff_receive(struct kiln_handoff_message *message)
{
	static uint8_t bytes[KILN_HANDOFF_MESSAGE_MAX];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof control.bytes};
	if (handoff.channel < 0)
		handoff.channel = accept4(handoff.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(handoff.channel >= 0);
	const ssize_t n = recvmsg(handoff.channel, &m, MSG_DONTWAIT);
	if (n <= 0)
		return -1;
	assert_int_equal(kiln_handoff_decode(bytes, (size_t)n, message, NULL), KILN_OK);
	const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	assert_non_null(c);
	assert_int_equal(c->cmsg_len, CMSG_LEN(2 * sizeof(int)));
	int fds[2];
	memcpy(fds, CMSG_DATA(c), sizeof fds);
	if (handoff.notice >= 0)
		(void)close(handoff.notice);
	handoff.notice = fds[1];
	return fds[0];
}

void handoff_answer_unread(enum kiln_handoff_kind kind, uint64_t number)
{
	struct kiln_handoff_message answer;
	uint8_t bytes[KILN_HANDOFF_SHORT_MAX];
	memset(&answer, 0, sizeof answer);
	answer.kind = kind;
	answer.number = number;
	const size_t len = kiln_handoff_encode(&answer, bytes, sizeof bytes);
	assert_int_equal(send(handoff.channel, bytes, len, 0), len);
}

void handoff_say(enum kiln_handoff_kind kind, uint64_t number)
{
	handoff_answer_unread(kind, number);
	script_more(&handoff.life.rig.io, &handoff.life.rig.worker.handoff.in, 1);
	rig_turn(&handoff.life.rig);
}

/* What waits is what was to be handed off, and it begins to be relayed when it is taken. */
void handoff_expect_taken(void)
{
	struct kiln_handoff_message message;
	const int stream = handoff_receive(&message);
	assert_true(stream >= 0);
	assert_int_equal(handoff.life.rig.conn->phase, KILN_PHASE_HANDOFF);
	handoff_say(KILN_HANDOFF_TAKEN, message.number + 1); /* somebody else's */
	assert_int_equal(handoff.life.rig.conn->phase, KILN_PHASE_HANDOFF);
	handoff_say(KILN_HANDOFF_TAKEN, message.number);
	assert_int_equal(handoff.life.rig.conn->phase, KILN_PHASE_RELAY);
	assert_int_equal(handoff.life.rig.counters.handed_off, 1);
	assert_int_equal(handoff.life.rig.counters.handoff_failed, 0);
	(void)close(stream);
}

void handoff_close_channel(void)
{
	struct kiln_worker *worker = &handoff.life.rig.worker;
	if (handoff.channel >= 0)
		(void)close(handoff.channel);
	(void)close(handoff.listener);
	if (handoff.notice >= 0)
		(void)close(handoff.notice);
	handoff.channel = handoff.notice = -1;
	if (worker->handoff.in.armed) {
		script_result(&handoff.life.rig.io, &worker->handoff.in, 1);
		rig_turn(&handoff.life.rig);
		rig_turn(&handoff.life.rig); /* its operations end */
	}
	kiln_deadline_clear(&worker->wheel, &worker->handoff.retry);
	kiln_handoff_end(&worker->handoff);
	life_close(&handoff.life);
}

void handoff_stop(void)
{
	kiln_link_fail(handoff.life.rig.conn, &(struct kiln_error){.code = KILN_E_SYSTEM});
	rig_turn(&handoff.life.rig);
	assert_true(rig_gone(&handoff.life.rig));
	handoff_close_channel();
}

void handoff_expect_refused(enum kiln_code code)
{
	life_exchange(&handoff.life, SIZE_MAX);
	assert_int_equal(life_peer_alert(), KILN_ALERT_INTERNAL_ERROR);
	if (handoff.life.rig.conn != NULL && handoff.life.rig.conn->phase == KILN_PHASE_LINGER) {
		rig_peer_ends(&handoff.life.rig, 0);
		rig_turn(&handoff.life.rig);
	}
	assert_true(rig_gone(&handoff.life.rig));
	assert_int_equal(rig_ended.code, code);
	assert_int_equal(handoff.life.rig.counters.handed_off, 0);
	assert_int_equal(handoff.life.rig.counters.handoff_failed, 1);
	handoff_close_channel();
}

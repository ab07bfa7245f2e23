/* SPDX-License-Identifier: Apache-2.0
 * What comes to a listener: a channel for each worker of a gateway, and on these the messages.
 * docs/handoff.md. */
#include "driver/handoff.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/bytes.h"

#define FDS_ROOM 8u /* in one message; what is too much is closed */

/* So many events that bring no connection end an accept that does not wait. */
#define EVENTS_MAX 64u

/* Without descriptors or memory for a channel, the next try is so much later. */
#define PAUSE_MS 100

/* ---- channels ------------------------------------------------------------------------------ */

static bool is_expected(const struct kiln_handoff *h, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return false;
	return h->own_or_root ? peer.uid == geteuid() || peer.uid == 0 : peer.uid == h->user;
}

static bool watch_listener(const struct kiln_handoff *h, bool on)
{
	struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.fd = h->fd};
	return epoll_ctl(h->epoll, EPOLL_CTL_MOD, h->fd, &event) == 0;
}

/* Who waits stays in the backlog, and would be an event again and again. */
static enum kiln_code pause_channels(struct kiln_handoff *h, int why, struct kiln_error *err)
{
	const struct itimerspec later = {.it_value.tv_nsec = PAUSE_MS * 1000000L};
	if (timerfd_settime(h->pause, 0, &later, NULL) == 0)
		(void)watch_listener(h, false);
	return kiln_fail_errno(err, KILN_E_SYSTEM, why, "a gateway's worker cannot be let in");
}

static enum kiln_code resume_channels(struct kiln_handoff *h, struct kiln_error *err)
{
	uint64_t times;
	if (read(h->pause, &times, sizeof times) < 0 || watch_listener(h, true))
		return KILN_E_AGAIN;
	return pause_channels(h, errno, err);
}

/* Who is not expected finds its channel closed. So does who is one too many, and comes again.
 * KILN_E_AGAIN, or KILN_E_SYSTEM for want of descriptors or memory. */
static enum kiln_code take_channel(struct kiln_handoff *h, struct kiln_error *err)
{
	const int fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS))
		return pause_channels(h, errno, err);
	if (fd < 0)
		return KILN_E_AGAIN;
	if (h->channel_count == h->channels_max || !is_expected(h, fd) ||
	    !kiln_handoff_watch(h, fd))
		(void)close(fd);
	else
		h->channels[h->channel_count++] = fd;
	return KILN_E_AGAIN;
}

static void drop_channel(struct kiln_handoff *h, int fd)
{
	for (unsigned i = 0; i < h->channel_count; i++)
		if (h->channels[i] == fd)
			h->channels[i] = h->channels[--h->channel_count];
	(void)close(fd);
}

/* ---- messages ------------------------------------------------------------------------------ */

/* Tells the worker what became of a connection; false: it does not know. */
static bool answer(int channel, const struct kiln_handoff_message *about,
		   enum kiln_handoff_kind kind, const char *why)
{
	static const struct kiln_handoff_message blank;
	uint8_t bytes[KILN_HANDOFF_SHORT_MAX];
	struct kiln_handoff_message message = blank;
	message.kind = kind;
	message.number = about->number;
	(void)snprintf(message.text, sizeof message.text, "%s", why);
	const size_t len = kiln_handoff_encode(&message, bytes, sizeof bytes);
	ssize_t n;
	do
		n = send(channel, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len;
}

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)close(fds[i]);
}

static size_t take_descriptors(struct msghdr *message, int fds[FDS_ROOM])
{
	size_t count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n && count < FDS_ROOM; i++)
			memcpy(&fds[count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return count;
}

/* What came beside a message's bytes. */
struct beside {
	int fds[FDS_ROOM];
	size_t count;
	bool cut;     /* the bytes were more than there is room for */
	bool fds_cut; /* descriptors came that this process can have no more of */
};

/* Receives one message; its length, 0 at the end of the channel, -1 with errno. */
static ssize_t receive(struct kiln_handoff *h, int channel, struct beside *beside)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_ROOM * sizeof(int))];
	} control;
	struct iovec part = {.iov_base = h->message, .iov_len = sizeof h->message};
	struct msghdr message = {
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes,
	};
	ssize_t n;
	do
		n = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	beside->count = n >= 0 ? take_descriptors(&message, beside->fds) : 0;
	beside->cut = (message.msg_flags & MSG_TRUNC) != 0;
	beside->fds_cut = (message.msg_flags & MSG_CTRUNC) != 0 && beside->count < FDS_ROOM;
	return n;
}

static enum kiln_code open_connection(struct kiln_handoff *h, struct kiln_handoff_message *message,
				      size_t len, const struct beside *beside,
				      struct kiln_conn **conn, struct kiln_error *err)
{
	/* Also of one that is too long, so that the answer has its number. */
	enum kiln_code rc = kiln_handoff_decode(h->message, len, message, err);
	if (beside->cut)
		return kiln_fail(err, KILN_E_HANDOFF, "a hand-off message that is too long");
	if (rc == KILN_OK && message->kind != KILN_HANDOFF_CONNECTION)
		return kiln_fail(err, KILN_E_HANDOFF, "a hand-off message of another kind");
	if (rc == KILN_OK && beside->fds_cut)
		return kiln_fail_errno(err, KILN_E_SYSTEM, EMFILE,
				       "the application cannot have its descriptors");
	if (rc == KILN_OK)
		rc = kiln_driver_handoff_open(message, beside->fds, beside->count, h->nonblocking,
					      conn, err);
	if (*conn != NULL && h->rekey_records != 0)
		(*conn)->session.tx.limit = h->rekey_records;
	return rc;
}

/* What came of one message that was received. KILN_E_AGAIN: nothing that concerns the caller. */
static enum kiln_code take_received(struct kiln_handoff *h, int channel, size_t len,
				    const struct beside *beside, struct kiln_conn **conn,
				    struct kiln_error *err)
{
	struct kiln_handoff_message message;
	struct kiln_error why = {0};
	struct kiln_conn *opened = NULL;
	enum kiln_code rc = open_connection(h, &message, len, beside, &opened, &why);
	if (opened == NULL) {
		(void)answer(channel, &message, KILN_HANDOFF_REFUSED, why.message);
		close_all(beside->fds, beside->count);
	} else if (!answer(channel, &message, KILN_HANDOFF_TAKEN, "")) {
		/* A worker that does not hear of it may give it to somebody else, or end it. */
		(void)close(opened->fd);
		kiln_driver_forget(opened);
		rc = KILN_E_AGAIN;
	} else {
		*conn = opened;
	}
	kiln_wipe(&message, sizeof message);
	if (rc != KILN_E_NO_MEMORY && rc != KILN_E_SYSTEM)
		return rc == KILN_OK ? KILN_OK : KILN_E_AGAIN;
	*err = why;
	return rc;
}

static enum kiln_code take_message(struct kiln_handoff *h, int channel, struct kiln_conn **conn,
				   struct kiln_error *err)
{
	struct beside beside = {0};
	const ssize_t n = receive(h, channel, &beside);
	if (n < 0 && errno == EAGAIN)
		return KILN_E_AGAIN;
	if (n < 0 && (errno == ENOBUFS || errno == ENOMEM))
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "no message can be received");
	if (n <= 0) {
		close_all(beside.fds, beside.count);
		drop_channel(h, channel);
		return KILN_E_AGAIN;
	}
	const enum kiln_code rc = take_received(h, channel, (size_t)n, &beside, conn, err);
	kiln_wipe(h->message, (size_t)n);
	return rc;
}

/* ---- accepting ----------------------------------------------------------------------------- */

static enum kiln_code take_event(struct kiln_handoff *h, int fd, struct kiln_conn **conn,
				 struct kiln_error *err)
{
	if (fd == h->fd)
		return take_channel(h, err);
	if (fd == h->pause)
		return resume_channels(h, err);
	return take_message(h, fd, conn, err);
}

/* Events that bring no connection end neither the wait nor, when it is over, put it off. */
int kiln_handoff_accept(struct kiln_handoff *h, int timeout_ms, struct kiln_conn **conn,
			struct kiln_error *err)
{
	const kiln_time_ms deadline = kiln_driver_now() + timeout_ms;
	int wait = timeout_ms;
	struct kiln_error ignored;
	if (err == NULL)
		err = &ignored;
	*conn = NULL;
	for (unsigned events = 0;; events++) {
		struct epoll_event event;
		const int n = epoll_wait(h->epoll, &event, 1, wait);
		if (n < 0 && errno != EINTR) {
			(void)kiln_fail_errno(err, KILN_E_USAGE, errno,
					      "the listener cannot be waited on");
			return -1;
		}
		const enum kiln_code rc =
		    n > 0 ? take_event(h, event.data.fd, conn, err) : KILN_E_AGAIN;
		if (*conn != NULL)
			return (*conn)->fd;
		if (rc != KILN_E_AGAIN)
			return -1;
		const kiln_time_ms left = deadline - kiln_driver_now();
		const bool over = timeout_ms == 0  ? n == 0 || events == EVENTS_MAX
				  : timeout_ms > 0 ? left <= 0
						   : false;
		if (over) {
			(void)kiln_fail(err, KILN_E_AGAIN, "no connection was handed off");
			return -1;
		}
		if (timeout_ms > 0)
			wait = (int)left;
	}
}

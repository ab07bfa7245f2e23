/* SPDX-License-Identifier: Apache-2.0
 * The channel to the application: connecting with back-off, sending in order, hearing what was
 * taken. Nothing here waits; see handoff.h. */
#include "worker/handoff.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "worker/log_events.h"
#include "worker/worker.h"

#define RETRY_FIRST_MS 10u
#define RETRY_MAX_MS   1000u
#define ANSWERS_MAX    64u /* read in one go, so that an application that talks delays nobody */

static struct kiln_handoff_channel *of(const void *member, size_t offset)
{
	union {
		const char *in;
		void *out;
	} at = {.in = (const char *)member - offset};
	return at.out;
}

static void retry_soon(struct kiln_handoff_channel *c)
{
	const unsigned shift = c->failures < 7 ? c->failures : 7;
	const uint32_t ms = RETRY_FIRST_MS << shift;
	c->failures++;
	kiln_deadline_set(&c->worker->wheel, &c->retry, c->worker->now,
			  ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS);
}

/* ---- what the application says ------------------------------------------------------------- */

/* It answers in order; one that is not here any more has failed meanwhile. */
static struct kiln_handing *find(const struct kiln_handoff_channel *c, uint64_t number)
{
	for (struct kiln_handing *h = c->first; h != NULL && h != c->unsent; h = h->next)
		if (h->message.number == number)
			return h;
	return NULL;
}

/* Said once on each channel. A number that was not given is nonsense, which costs nobody anything.
 */
static void taken_late(struct kiln_handoff_channel *c, uint64_t number)
{
	if (number == 0 || number > c->number)
		return;
	c->worker->counters->handoff_late++;
	if (!c->said_late)
		kiln_log_handoff_late(c->worker);
	c->said_late = true;
}

static void hear(struct kiln_handoff_channel *c, const uint8_t *data, size_t len)
{
	struct kiln_handoff_message answer;
	struct kiln_error err = {0};
	if (kiln_handoff_decode(data, len, &answer, &err) != KILN_OK)
		return; /* of a later version, perhaps: the deadline stands */
	struct kiln_handing *h = find(c, answer.number);
	if (h == NULL) {
		if (answer.kind == KILN_HANDOFF_TAKEN)
			taken_late(c, answer.number);
		return;
	}
	if (answer.kind == KILN_HANDOFF_TAKEN) {
		kiln_handing_taken(h);
	} else if (answer.kind == KILN_HANDOFF_REFUSED) {
		(void)kiln_fail(&err, KILN_E_TARGET, "the application refused it: %.200s",
				answer.text);
		kiln_handing_failed(h, &err);
	}
}

enum heard {
	HEARD_ALL,
	HEARD_SOME, /* there may be more */
	HEARD_END,
};

/* At most so many. An error is told once, and hides nothing that came before. */
static enum heard listen_to(struct kiln_handoff_channel *c, unsigned most, int *why)
{
	uint8_t data[KILN_HANDOFF_SHORT_MAX];
	ssize_t n;
	*why = 0;
	while ((n = recv(c->fd, data, sizeof data, MSG_DONTWAIT)) != 0) {
		if (n > 0)
			hear(c, data, (size_t)n);
		else if (errno == EAGAIN)
			return *why == 0 ? HEARD_ALL : HEARD_END;
		else if (errno != EINTR && *why != 0)
			return HEARD_END;
		else if (errno != EINTR)
			*why = errno;
		if (n > 0 && --most == 0 && *why == 0)
			return HEARD_SOME;
	}
	return HEARD_END;
}

/* ---- the end of a channel ------------------------------------------------------------------ */

/* Everything that was not taken is offered anew. */
static void rewind_queue(struct kiln_handoff_channel *c)
{
	c->unsent = c->first;
	for (struct kiln_handing *h = c->first; h != NULL; h = h->next)
		h->message.number = 0;
}

static void close_when_quiet(struct kiln_handoff_channel *c)
{
	if (c->in.armed || c->room.armed)
		return;
	kiln_io_forget(c->worker->io, c->fd);
	(void)close(c->fd);
	c->fd = -1;
	c->lost = c->full = false;
	kiln_handoff_flush(c);
}

/* What was taken is somebody else's already, and must not be offered again: the answers that are in
 * the channel count, and from here on none can be added, so that nothing more is taken on it. */
static void hear_out(struct kiln_handoff_channel *c)
{
	int why;
	(void)shutdown(c->fd, SHUT_RDWR);
	(void)listen_to(c, UINT_MAX, &why);
}

void kiln_handoff_finish(struct kiln_handoff_channel *c)
{
	if (c->fd < 0 || c->lost)
		return;
	c->lost = true;
	hear_out(c);
}

static void lose(struct kiln_handoff_channel *c, int why)
{
	if (c->lost)
		return;
	c->lost = true;
	hear_out(c);
	c->worker->counters->handoff_lost++;
	kiln_log_handoff_channel(c->worker, "handoff_lost", why);
	rewind_queue(c);
	retry_soon(c); /* who lets us in only to send us away is not asked without a pause */
	kiln_io_cancel(c->worker->io, &c->in);
	kiln_io_cancel(c->worker->io, &c->room);
	close_when_quiet(c);
}

/* ---- events --------------------------------------------------------------------------------- */

static void on_readable(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_handoff_channel *c = of(op, offsetof(struct kiln_handoff_channel, in));
	int why;
	if (c->lost) {
		close_when_quiet(c);
		return;
	}
	const enum heard heard = event->result >= 0 ? listen_to(c, ANSWERS_MAX, &why) : HEARD_ALL;
	if (heard == HEARD_END) {
		lose(c, why);
		return;
	}
	if (heard == HEARD_SOME) /* what is there already makes an event only when armed anew */
		kiln_io_cancel(c->worker->io, op);
	if (!op->armed)
		kiln_io_poll(c->worker->io, op, c->fd);
}

static void on_room(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_handoff_channel *c = of(op, offsetof(struct kiln_handoff_channel, room));
	(void)event;
	c->full = false;
	if (c->lost)
		close_when_quiet(c);
	else
		kiln_handoff_flush(c);
}

/* ---- connecting ---------------------------------------------------------------------------- */

/* Whose socket it is: SO_PEERCRED of a connection tells who listened. */
static bool is_expected(const struct kiln_settings *settings, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return false;
	if (settings->handoff_any_own)
		return peer.uid == geteuid() || peer.uid == 0;
	return peer.uid == settings->handoff_user;
}

/* -1 with *failed. */
static int connect_to(const struct kiln_worker *worker, int *failed)
{
	const struct kiln_endpoint *at = &worker->targets.at[0];
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int why = 0;
	if (fd < 0) {
		*failed = errno;
		return -1;
	}
	if (connect(fd, (const struct sockaddr *)&at->addr, at->len) != 0)
		why = errno; /* also EAGAIN: its backlog is full */
	else if (!is_expected(&worker->settings, fd))
		why = KILN_HANDOFF_STRANGER;
	if (why == 0)
		return fd;
	(void)close(fd);
	*failed = why;
	return -1;
}

static bool open_channel(struct kiln_handoff_channel *c)
{
	int why = 0;
	if (c->fd >= 0)
		return !c->lost;
	if (kiln_deadline_is_set(&c->retry))
		return false;
	c->fd = connect_to(c->worker, &why);
	if (c->fd < 0) {
		if (!c->said)
			kiln_log_handoff_channel(c->worker, "handoff_unreachable", why);
		c->said = true;
		retry_soon(c);
		return false;
	}
	kiln_log_handoff_channel(c->worker, "handoff_connected", 0);
	c->said = c->said_late = false;
	c->in.done = on_readable;
	c->room.done = on_room;
	kiln_io_poll(c->worker->io, &c->in, c->fd);
	return true;
}

/* ---- sending ------------------------------------------------------------------------------- */

/* EAGAIN: the queue is full, and an event tells when it is not. Other shortages (of memory, of
 * descriptors that are on their way: ETOOMANYREFS) have none. */
static void wait_for_room(struct kiln_handoff_channel *c, int why)
{
	if (why != EAGAIN) {
		retry_soon(c);
		return;
	}
	c->full = true;
	kiln_io_writable(c->worker->io, &c->room, c->fd);
}

static void cannot_send(struct kiln_handing *h, int why)
{
	struct kiln_error err = {0};
	(void)kiln_fail_errno(&err, KILN_E_TARGET, why, "it cannot be handed to the application");
	kiln_handing_failed(h, &err);
}

void kiln_handoff_flush(struct kiln_handoff_channel *c)
{
	while (c->unsent != NULL && !c->full && open_channel(c) &&
	       !kiln_deadline_is_set(&c->retry)) {
		struct kiln_handing *h = c->unsent;
		h->message.number = ++c->number;
		const int sent = kiln_handing_send(h, c->fd);
		const int why = errno;
		if (sent == 1) {
			c->unsent = h->next;
			continue;
		}
		h->message.number = 0;
		if (sent == 0)
			wait_for_room(c, why);
		else if (sent == -1)
			lose(c, why);
		else
			cannot_send(h, why);
		if (sent != -2)
			return;
	}
}

static void on_retry(struct kiln_deadline *deadline)
{
	kiln_handoff_flush(of(deadline, offsetof(struct kiln_handoff_channel, retry)));
}

/* ---- the queue ----------------------------------------------------------------------------- */

void kiln_handoff_add(struct kiln_handoff_channel *c, struct kiln_handing *h)
{
	h->next = NULL;
	h->prev = c->last;
	if (c->last != NULL)
		c->last->next = h;
	else
		c->first = h;
	c->last = h;
	if (c->unsent == NULL)
		c->unsent = h;
}

void kiln_handoff_remove(struct kiln_handoff_channel *c, struct kiln_handing *h)
{
	if (c->unsent == h)
		c->unsent = h->next;
	if (h->prev != NULL)
		h->prev->next = h->next;
	else
		c->first = h->next;
	if (h->next != NULL)
		h->next->prev = h->prev;
	else
		c->last = h->prev;
}

void kiln_handoff_prepare(struct kiln_handoff_channel *c, struct kiln_worker *worker)
{
	memset(c, 0, sizeof *c);
	c->worker = worker;
	c->fd = -1;
	c->retry.expired = on_retry;
}

void kiln_handoff_end(struct kiln_handoff_channel *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
}

/* SPDX-License-Identifier: Apache-2.0
 * Driving Roast's machine over a socket, in front of TLS.
 *
 * Bytes are looked at before they are taken (MSG_PEEK), and only those are taken that the machine
 * consumed: what follows the peer's hello is TLS, and stays in the socket. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "driver/identity.h"
#include "roast/roast.h"

struct talk {
	struct kiln_roast *roast;
	struct kiln_aws *aws;
	int fd;
	kiln_time_ms deadline;
	struct kiln_error *err;
};

static uint64_t now_ms(void)
{
	return (uint64_t)kiln_driver_now();
}

/* The machine's own deadline is ours: it says at which step the time was over. */
static enum kiln_roast_step let_it_notice(struct talk *t)
{
	size_t consumed;
	return kiln_roast_step(t->roast, NULL, 0, &consumed, now_ms(), t->err);
}

/* ---- questions ----------------------------------------------------------------------------- */

static enum kiln_roast_step prove(struct talk *t, const struct kiln_roast_question *q)
{
	struct kiln_aws_proof proof;
	struct kiln_error why = {0};
	const enum kiln_code rc =
	    kiln_aws_sign(t->aws, q->as, q->payload, q->payload_len, t->deadline, &proof, &why);
	if (rc == KILN_E_TIMEOUT && let_it_notice(t) == KILN_ROAST_FAILED)
		return KILN_ROAST_FAILED;
	if (rc != KILN_OK)
		return kiln_roast_unanswered(t->roast, &why, t->err);
	const enum kiln_roast_step step = kiln_roast_proved(t->roast, &proof, now_ms(), t->err);
	kiln_aws_proof_clear(&proof);
	return step;
}

static enum kiln_roast_step verify(struct talk *t, const struct kiln_roast_question *q)
{
	struct kiln_aws_role role;
	struct kiln_error why = {0};
	char session[KILN_AWS_SESSION_MAX + 1];
	const enum kiln_code rc =
	    kiln_aws_verify(t->aws, q->proof, t->deadline, &role, session, &why);
	if (rc == KILN_OK)
		return kiln_roast_verified(t->roast, &role, session, now_ms(), t->err);
	if (rc == KILN_E_TIMEOUT && let_it_notice(t) == KILN_ROAST_FAILED)
		return KILN_ROAST_FAILED;
	return kiln_roast_unanswered(t->roast, &why, t->err);
}

static enum kiln_roast_step answer(struct talk *t)
{
	const struct kiln_roast_question *q = kiln_roast_question(t->roast);
	return q->ask == KILN_ROAST_PROVE ? prove(t, q) : verify(t, q);
}

/* ---- bytes --------------------------------------------------------------------------------- */

static bool is_gone(int sys_errno)
{
	return sys_errno == EPIPE || sys_errno == ECONNRESET;
}

/* False: the machine has failed, or *t->err says what has. */
static bool wait_for(struct talk *t, short events)
{
	const enum kiln_code rc = kiln_driver_wait(t->fd, events, t->deadline, t->err);
	if (rc == KILN_E_TIMEOUT)
		(void)let_it_notice(t);
	return rc == KILN_OK;
}

static bool send_output(struct talk *t)
{
	size_t len;
	const uint8_t *output;
	while ((output = kiln_roast_output(t->roast, &len)) != NULL) {
		const ssize_t n = send(t->fd, output, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			kiln_roast_sent(t->roast, (size_t)n);
		} else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (!wait_for(t, POLLOUT))
				return false;
		} else if (n < 0 && is_gone(errno)) {
			(void)kiln_roast_ended(t->roast, t->err);
			return false;
		} else if (n == 0 || errno != EINTR) {
			(void)kiln_fail_errno(t->err, KILN_E_SYSTEM, n < 0 ? errno : EIO,
					      "sending our hello failed");
			return false;
		}
	}
	return true;
}

/* They are there: they were peeked at. */
static bool take(struct talk *t, size_t len)
{
	uint8_t seen[4096];
	while (len > 0) {
		const ssize_t n = recv(t->fd, seen, len, MSG_DONTWAIT);
		if (n <= 0 && (n == 0 || errno != EINTR)) {
			(void)kiln_fail_errno(t->err, KILN_E_SYSTEM, n < 0 ? errno : EIO,
					      "the peer's hello cannot be taken from the socket");
			return false;
		}
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static enum kiln_roast_step receive(struct talk *t)
{
	uint8_t data[4096];
	for (;;) {
		size_t consumed;
		const ssize_t n = recv(t->fd, data, sizeof data, MSG_PEEK | MSG_DONTWAIT);
		if (n > 0) {
			const enum kiln_roast_step step =
			    kiln_roast_step(t->roast, data, (size_t)n, &consumed, now_ms(), t->err);
			if (step == KILN_ROAST_FAILED || take(t, consumed))
				return step;
			return KILN_ROAST_FAILED;
		}
		if (n == 0 || is_gone(errno))
			return kiln_roast_ended(t->roast, t->err);
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			if (!wait_for(t, POLLIN))
				return KILN_ROAST_FAILED;
		} else if (errno != EINTR) {
			(void)kiln_fail_errno(
			    t->err, KILN_E_SYSTEM, errno,
			    "receiving failed while waiting for the peer's hello");
			return KILN_ROAST_FAILED;
		}
	}
}

enum kiln_code kiln_driver_hello(struct kiln_roast *roast, struct kiln_aws *aws, int fd,
				 kiln_time_ms deadline, struct kiln_error *err)
{
	struct talk t = {.roast = roast, .aws = aws, .fd = fd, .deadline = deadline, .err = err};
	enum kiln_roast_step step = let_it_notice(&t); /* which is how it begins, too */
	for (;;) {
		while (step == KILN_ROAST_ASK)
			step = answer(&t);
		if (step == KILN_ROAST_FAILED || !send_output(&t))
			return err->code;
		if (step == KILN_ROAST_DONE)
			return KILN_OK;
		step = receive(&t);
	}
}

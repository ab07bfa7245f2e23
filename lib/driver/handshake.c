/* SPDX-License-Identifier: Apache-2.0
 * Driving the handshaker over a socket, with a deadline for the whole.
 *
 * Exactly one record at a time is read: its five bytes of header, then as many as they say. So
 * nothing is left over when the handshake is done, and data that came in the peer's last flight
 * (RFC 8446 allows it, and clients do it) waits in the socket, where the kernel's record layer or
 * ours finds it with record number 0. The gateway reads in large pieces instead and opens what came
 * too much in user space (gateway/worker/install.c): with thousands of connections per process the
 * system calls count. Here they don't (a handshake is four or five records a side), and what cannot
 * be left over cannot be lost: the plain fd starts at the right byte without another word. */
#include <errno.h>
#include <poll.h>

#include "base/bytes.h"
#include "driver/driver.h"
#include "roast/scan.h"

struct shake {
	struct kiln_handshake *handshake;
	const struct kiln_sys *sys;
	int fd;
	kiln_time_ms deadline;
	uint8_t header[KILN_RECORD_HEADER];
	size_t header_have; /* of the record under way */
	size_t body_left;
	bool began;             /* the first record has */
	struct kiln_error deaf; /* sending failed: the peer left, maybe after telling why */
};

static enum kiln_code wait_for(struct shake *s, short events, struct kiln_error *err)
{
	const enum kiln_code rc = kiln_driver_wait(s->fd, events, s->deadline, err);
	if (rc != KILN_E_TIMEOUT)
		return rc;
	return kiln_fail(err, KILN_E_TIMEOUT, "the TLS handshake was not done in time; the peer %s",
			 events == POLLIN ? "was silent" : "did not read");
}

static enum kiln_code send_output(struct shake *s, struct kiln_error *err)
{
	size_t len;
	const uint8_t *output;
	while ((output = kiln_handshake_output(s->handshake, &len)) != NULL) {
		const ssize_t n =
		    s->deaf.code != KILN_OK
			? (ssize_t)len /* nobody listens */
			: s->sys->send(s->fd, output, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			kiln_handshake_sent(s->handshake, (size_t)n);
		} else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			const enum kiln_code rc = wait_for(s, POLLOUT, err);
			if (rc != KILN_OK)
				return rc;
		} else if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
			/* Its alert may still be in our receive queue: read on. */
			(void)kiln_fail_errno(&s->deaf, KILN_E_TLS_TRUNCATED, errno,
					      "the peer went away during the handshake");
		} else if (n == 0 || errno != EINTR) {
			return kiln_fail_errno(err, KILN_E_SYSTEM, n < 0 ? errno : EIO,
					       "sending failed during the handshake");
		}
	}
	return KILN_OK;
}

/* Receives no byte beyond the record under way. */
static enum kiln_code receive(struct shake *s, uint8_t *data, size_t cap, size_t *len,
			      struct kiln_error *err)
{
	const size_t want = s->header_have < KILN_RECORD_HEADER
				? KILN_RECORD_HEADER - s->header_have
				: s->body_left;
	for (;;) {
		const ssize_t n = s->sys->recv(s->fd, data, want < cap ? want : cap, MSG_DONTWAIT);
		if (n > 0) {
			*len = (size_t)n;
			return KILN_OK;
		}
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			const enum kiln_code rc = wait_for(s, POLLIN, err);
			if (rc != KILN_OK)
				return rc;
		} else if (n == 0) {
			return kiln_fail(err, KILN_E_TLS_TRUNCATED,
					 "the peer closed the connection during the handshake");
		} else if (errno == ECONNRESET) {
			return kiln_fail_errno(
			    err, KILN_E_TLS_TRUNCATED, errno,
			    "the peer reset the connection during the handshake");
		} else if (errno != EINTR) {
			return kiln_fail_errno(err, KILN_E_SYSTEM, errno,
					       "receiving failed during the handshake");
		}
	}
}

/* Keeps track of where the record under way ends. */
static void count(struct shake *s, const uint8_t *data, size_t len)
{
	/* White space from a Roast peer's hello, which the handshaker skips (and refuses
	 * elsewhere): no record's type looks like it. */
	while (!s->began && len > 0 && kiln_roast_is_blank(*data)) {
		data++;
		len--;
	}
	if (len == 0)
		return;
	s->began = true;
	if (s->header_have < KILN_RECORD_HEADER) {
		memcpy(s->header + s->header_have, data, len);
		s->header_have += len;
		if (s->header_have == KILN_RECORD_HEADER)
			s->body_left = kiln_load_be16(s->header + 3);
	} else {
		s->body_left -= len;
	}
	if (s->header_have == KILN_RECORD_HEADER && s->body_left == 0)
		s->header_have = 0;
}

/* Last words: the alert, and then a moment in which the peer's bytes are dropped, because closing a
 * socket that holds unread bytes resets it, and the reset would overtake the alert. */
static void say_alert(struct shake *s)
{
	uint8_t dropped[4096];
	size_t len, total = 0;
	if (kiln_handshake_output(s->handshake, &len) == NULL || s->deaf.code != KILN_OK)
		return;
	const kiln_time_ms patience = kiln_driver_now() + KILN_CONN_LINGER_MS;
	s->deadline = patience < s->deadline ? patience : s->deadline;
	if (send_output(s, NULL) != KILN_OK || shutdown(s->fd, SHUT_WR) != 0)
		return;
	s->header_have = KILN_RECORD_HEADER;
	s->body_left = sizeof dropped;
	while (total < 65536 && receive(s, dropped, sizeof dropped, &len, NULL) == KILN_OK)
		total += len;
}

static enum kiln_code run(struct shake *s, struct kiln_error *err)
{
	uint8_t data[4096];
	size_t len = 0, consumed;
	for (;;) {
		const enum kiln_step step =
		    kiln_handshake_step(s->handshake, data, len, &consumed, err);
		if (step == KILN_STEP_FAILED) {
			say_alert(s);
			return err->code;
		}
		if (consumed != len)
			return kiln_fail(err, KILN_E_TLS_HANDSHAKE,
					 "the handshake ended inside a record (RFC 8446 5.1)");
		count(s, data, len);
		enum kiln_code rc = send_output(s, err);
		if (rc == KILN_OK && step == KILN_STEP_DONE) {
			if (s->deaf.code != KILN_OK)
				*err = s->deaf;
			return s->deaf.code;
		}
		if (rc == KILN_OK)
			rc = receive(s, data, sizeof data, &len, err);
		if (rc != KILN_OK)
			return rc;
	}
}

enum kiln_code kiln_driver_handshake(struct kiln_handshake *handshake, const struct kiln_sys *sys,
				     int fd, kiln_time_ms deadline, struct kiln_error *err)
{
	struct shake s = {
	    .handshake = handshake,
	    .sys = sys,
	    .fd = fd,
	    .deadline = deadline,
	};
	return run(&s, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * The worker's side of a hand-off: every way in which sending fails, and what the client and the
 * application then see. */
#include "life_rig.h"

#include <errno.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/sys.h"
#include "handoff/message.h"

static struct life life;
static int listener = -1, channel = -1;
static int failures[4]; /* errno of the sends to come; 0: it works; -1: it is short */
static unsigned sends;

static ssize_t play_sendmsg(int fd, const struct msghdr *message, int flags)
{
	const int failed = sends < 4 ? failures[sends] : 0;
	sends++;
	if (failed == -1)
		return (ssize_t)message->msg_iov[0].iov_len - 1;
	if (failed == 0)
		return sendmsg(fd, message, flags);
	errno = failed;
	return -1;
}

static const struct kiln_sys sys = {.sendmsg = play_sendmsg};

static void start(int first, int second)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(sa_family_t);
	life_open(&life, KILN_SERVER, NULL);
	struct kiln_worker *worker = &life.rig.worker;
	worker->sys = &sys;
	worker->settings.handoff = worker->settings.handoff_any_own = true;
	worker->settings.handoff_label = KILN_HANDOFF_LABEL;
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0); /* a name of its own */
	assert_int_equal(listen(listener, 4), 0);
	len = sizeof at;
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	memcpy(&worker->targets.at[0].addr, &at, sizeof at);
	worker->targets.at[0].len = len;
	sends = 0;
	failures[0] = first;
	failures[1] = second;
	failures[2] = failures[3] = 0;
	life_accept(&life, true);
	life_exchange(&life, SIZE_MAX);
}

/* The application takes the channel and the next message; -1: there is none. */
static int receive(struct kiln_handoff_message *message)
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
	if (channel < 0)
		channel = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(channel >= 0);
	const ssize_t n = recvmsg(channel, &m, MSG_DONTWAIT);
	if (n <= 0)
		return -1;
	assert_int_equal(kiln_handoff_decode(bytes, (size_t)n, message, NULL), KILN_OK);
	const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	assert_non_null(c);
	assert_int_equal(c->cmsg_len, CMSG_LEN(2 * sizeof(int)));
	int fds[2];
	memcpy(fds, CMSG_DATA(c), sizeof fds);
	(void)close(fds[1]);
	return fds[0];
}

static void answer_unread(enum kiln_handoff_kind kind, uint64_t number)
{
	struct kiln_handoff_message answer;
	uint8_t bytes[KILN_HANDOFF_SHORT_MAX];
	memset(&answer, 0, sizeof answer);
	answer.kind = kind;
	answer.number = number;
	const size_t len = kiln_handoff_encode(&answer, bytes, sizeof bytes);
	assert_int_equal(send(channel, bytes, len, 0), len);
}

static void say(enum kiln_handoff_kind kind, uint64_t number)
{
	answer_unread(kind, number);
	script_more(&life.rig.io, &life.rig.worker.handoff.in, 1);
	rig_turn(&life.rig);
}

/* What waits is what was to be handed off, and it begins to be relayed when it is taken. */
static void expect_taken(void)
{
	struct kiln_handoff_message message;
	const int stream = receive(&message);
	assert_true(stream >= 0);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_HANDOFF);
	say(KILN_HANDOFF_TAKEN, message.number + 1); /* somebody else's */
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_HANDOFF);
	say(KILN_HANDOFF_TAKEN, message.number);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_RELAY);
	assert_int_equal(life.rig.counters.handed_off, 1);
	assert_int_equal(life.rig.counters.handoff_failed, 0);
	(void)close(stream);
}

static void close_channel(void)
{
	struct kiln_worker *worker = &life.rig.worker;
	if (channel >= 0)
		(void)close(channel);
	(void)close(listener);
	channel = -1;
	if (worker->handoff.in.armed) {
		script_result(&life.rig.io, &worker->handoff.in, 1);
		rig_turn(&life.rig);
		rig_turn(&life.rig); /* its operations end */
	}
	kiln_deadline_clear(&worker->wheel, &worker->handoff.retry);
	kiln_handoff_end(&worker->handoff);
	life_close(&life);
}

static void stop(void)
{
	kiln_link_fail(life.rig.conn, &(struct kiln_error){.code = KILN_E_SYSTEM});
	rig_turn(&life.rig);
	assert_true(rig_gone(&life.rig));
	close_channel();
}

static void expect_refused(enum kiln_code code)
{
	life_exchange(&life, SIZE_MAX);
	assert_int_equal(life_peer_alert(), KILN_ALERT_INTERNAL_ERROR);
	if (life.rig.conn != NULL && life.rig.conn->phase == KILN_PHASE_LINGER) {
		rig_peer_ends(&life.rig, 0);
		rig_turn(&life.rig);
	}
	assert_true(rig_gone(&life.rig));
	assert_int_equal(rig_ended.code, code);
	assert_int_equal(life.rig.counters.handed_off, 0);
	assert_int_equal(life.rig.counters.handoff_failed, 1);
	close_channel();
}

static void test_sent(void **state)
{
	(void)state;
	start(0, 0);
	assert_int_equal(sends, 1);
	expect_taken();
	stop();
}

static void test_interrupted(void **state)
{
	(void)state;
	start(EINTR, 0);
	assert_int_equal(sends, 2);
	expect_taken();
	stop();
}

/* A full queue says when it has room. */
static void test_full(void **state)
{
	(void)state;
	start(EAGAIN, EAGAIN);
	struct kiln_op *room = &life.rig.worker.handoff.room;
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(sends, i);
		assert_true(room->armed);
		assert_int_equal(room->kind, KILN_OP_WRITABLE);
		script_result(&life.rig.io, room, 1);
		rig_turn(&life.rig);
	}
	expect_taken();
	stop();
}

/* Other shortages pass without a word, and are tried again. */
static void test_short_of_something(void **state)
{
	static const int errors[] = {ENOBUFS, ENOMEM, ETOOMANYREFS};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		start(errors[i], errors[i]);
		assert_false(life.rig.worker.handoff.room.armed);
		assert_int_equal(sends, 1);
		rig_advance(&life.rig, 10 + KILN_WHEEL_TICK);
		assert_int_equal(sends, 2);
		rig_advance(&life.rig, 20 + KILN_WHEEL_TICK);
		assert_int_equal(sends, 3);
		expect_taken();
		stop();
	}
}

/* The application is gone: another channel, after a pause. A packet that went in part did not go
 * into a socket of packets. */
static void test_broken_channel(void **state)
{
	static const int errors[] = {EPIPE, ECONNRESET, ECONNREFUSED, ENOTCONN, -1};
	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct kiln_handoff_message message;
		start(errors[i], 0);
		assert_int_equal(life.rig.counters.handoff_lost, 1);
		rig_turn(&life.rig);
		assert_int_equal(life.rig.worker.handoff.fd, -1);
		assert_int_equal(receive(&message), -1); /* the first one, which is closed */
		(void)close(channel);
		channel = -1;
		assert_int_equal(sends, 1);
		rig_advance(&life.rig, 10 + KILN_WHEEL_TICK);
		assert_int_equal(sends, 2);
		expect_taken();
		stop();
	}
}

/* What is wrong with one connection ends that one. */
static void test_cannot_be_sent(void **state)
{
	static const int errors[] = {EMSGSIZE, EINVAL, EBADF, EPERM};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		start(errors[i], 0);
		assert_true(life.rig.worker.handoff.fd >= 0);
		assert_null(life.rig.worker.handoff.first);
		expect_refused(KILN_E_TARGET);
	}
}

static void test_refused(void **state)
{
	struct kiln_handoff_message message;
	(void)state;
	start(0, 0);
	(void)close(receive(&message));
	say(KILN_HANDOFF_REFUSED, message.number);
	expect_refused(KILN_E_TARGET);
}

static void test_deadline(void **state)
{
	static const int errors[] = {0, EAGAIN, ENOBUFS, EPIPE};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		start(errors[i], errors[i]);
		failures[2] = failures[3] = errors[i];
		rig_advance(&life.rig, 1000 + KILN_WHEEL_TICK);
		assert_int_equal(life.rig.counters.timeouts, 1);
		if (life.rig.worker.handoff.room.armed) {
			script_result(&life.rig.io, &life.rig.worker.handoff.room, 1);
			rig_turn(&life.rig);
		}
		expect_refused(KILN_E_TIMEOUT);
	}
}

/* Taken and lost before the answer came: it is offered again, once. */
static void test_offered_again(void **state)
{
	struct kiln_handoff_message message;
	(void)state;
	start(0, 0);
	(void)close(receive(&message));
	(void)close(channel);
	channel = -1;
	script_result(&life.rig.io, &life.rig.worker.handoff.in, 1);
	rig_turn(&life.rig);
	assert_int_equal(life.rig.counters.handoff_lost, 1);
	rig_advance(&life.rig, 10 + KILN_WHEEL_TICK);
	expect_taken();
	assert_int_equal(sends, 2);
	stop();
}

/* An answer counts, also when an error stands in front of it. */
static void test_answer_and_end(void **state)
{
	struct kiln_handoff_message message;
	(void)state;
	start(0, 0);
	(void)close(receive(&message));
	answer_unread(KILN_HANDOFF_TAKEN, message.number);
	assert_int_equal(send(life.rig.worker.handoff.fd, "unread", 6, 0), 6);
	(void)close(channel); /* with a message unread: ECONNRESET for the worker */
	channel = -1;
	script_result(&life.rig.io, &life.rig.worker.handoff.in, 1);
	rig_turn(&life.rig);
	assert_int_equal(life.rig.counters.handed_off, 1);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_RELAY);
	stop();
}

/* An answer counts also when it is sending that finds the channel broken: what one application took
 * is not offered to the next. */
static void test_answer_and_broken_channel(void **state)
{
	struct kiln_handoff_message message;
	(void)state;
	start(0, 0);
	(void)close(receive(&message));
	answer_unread(KILN_HANDOFF_TAKEN, message.number);
	(void)close(channel);
	channel = -1;
	/* The next connection is added before the event of the channel's end is seen. */
	struct kiln_handoff_channel *c = &life.rig.worker.handoff;
	struct kiln_link second = {.worker = &life.rig.worker};
	struct kiln_handing next = {.link = &second, .theirs = {STDERR_FILENO, STDERR_FILENO}};
	next.message = c->first->message;
	failures[1] = EPIPE;
	kiln_handoff_add(c, &next);
	kiln_handoff_flush(c);
	assert_int_equal(sends, 2);
	assert_int_equal(life.rig.counters.handed_off, 1);
	assert_int_equal(life.rig.counters.handoff_lost, 1);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_RELAY);
	assert_ptr_equal(c->first, &next); /* alone */
	assert_ptr_equal(c->unsent, &next);
	kiln_handoff_remove(c, &next);
	stop();
}

/* A worker that ends hears first what was taken, so that it does not end that. */
static void test_answer_and_stop(void **state)
{
	struct kiln_handoff_message message;
	(void)state;
	start(0, 0);
	const int taken = receive(&message);
	answer_unread(KILN_HANDOFF_TAKEN, message.number);
	kiln_handoff_finish(&life.rig.worker.handoff);
	assert_int_equal(life.rig.counters.handed_off, 1);
	assert_int_equal(life.rig.conn->phase, KILN_PHASE_RELAY);
	assert_int_equal(send(channel, "late", 4, MSG_NOSIGNAL), -1); /* nothing is taken now */
	(void)close(taken);
	stop();
}

/* Another user listens there. */
static void test_stranger(void **state)
{
	(void)state;
	start(0, 0);
	struct kiln_settings *settings = &life.rig.worker.settings;
	settings->handoff_any_own = false;
	settings->handoff_user = geteuid() + 1;
	(void)close(accept4(listener, NULL, NULL, SOCK_CLOEXEC)); /* the first one: let in */
	script_result(&life.rig.io, &life.rig.worker.handoff.in, 1);
	rig_turn(&life.rig);
	rig_advance(&life.rig, 10 + KILN_WHEEL_TICK);
	assert_int_equal(life.rig.worker.handoff.fd, -1);
	assert_int_equal(sends, 1);
	rig_advance(&life.rig, 1000 + KILN_WHEEL_TICK);
	expect_refused(KILN_E_TIMEOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sent),
	    cmocka_unit_test(test_interrupted),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_short_of_something),
	    cmocka_unit_test(test_broken_channel),
	    cmocka_unit_test(test_cannot_be_sent),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_deadline),
	    cmocka_unit_test(test_offered_again),
	    cmocka_unit_test(test_answer_and_end),
	    cmocka_unit_test(test_answer_and_broken_channel),
	    cmocka_unit_test(test_answer_and_stop),
	    cmocka_unit_test(test_stranger),
	};
	return cmocka_run_group_tests_name("hand-off: sending", tests, life_make_certificates,
					   life_free_certificates);
}

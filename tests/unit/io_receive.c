/* SPDX-License-Identifier: Apache-2.0
 * Receiving through both engines: what comes once comes once, whatever waits in the socket, and not
 * before there is a buffer. A socket without kernel TLS gives records of data only; their types are
 * seen where the kernel has kTLS. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/io.h"

#define TURNS 200

static struct kiln_pool pool;
static struct kiln_io *io;
static int near, far;
static struct {
	unsigned events, bytes;
	int last;
	uint8_t type;
	bool armed, keep;
	struct kiln_buffer *kept;
} got;

static void on_event(struct kiln_op *op, const struct kiln_event *event)
{
	got.events++;
	got.last = event->result;
	got.armed = op->armed;
	if (event->buffer == NULL)
		return;
	assert_int_equal(event->buffer->len, event->result);
	got.bytes += event->buffer->len;
	got.type = event->buffer->type;
	assert_int_equal(event->buffer->data[0], 'k');
	if (got.keep) {
		event->buffer->next = got.kept;
		got.kept = event->buffer;
		return;
	}
	kiln_io_buffer_put(io, event->buffer);
}

static struct kiln_op op;

static void turn(int ms)
{
	assert_int_equal(kiln_io_wait(io, ms, NULL), KILN_OK);
	kiln_io_dispatch(io);
}

static void turn_until(unsigned events)
{
	for (int i = 0; i < TURNS && got.events < events; i++)
		turn(50);
	assert_int_equal(got.events, events);
}

/* False: this engine is refused here. */
static bool start(enum kiln_engine engine)
{
	char why[160];
	int fds[2];
	struct kiln_error err = {0};
	memset(&got, 0, sizeof got);
	memset(&op, 0, sizeof op);
	op.done = on_event;
	assert_int_equal(kiln_pool_init(&pool, 0, NULL), KILN_OK);
	io = kiln_io_open(engine, &pool, why, &err);
	if (io == NULL) {
		print_message("not on io_uring: %s\n", err.message);
		kiln_pool_clear(&pool);
		return false;
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	near = fds[0];
	far = fds[1];
	return true;
}

static void stop(void)
{
	kiln_io_cancel(io, &op);
	for (int i = 0; i < TURNS && op.armed; i++)
		turn(50);
	assert_false(op.armed);
	kiln_io_forget(io, near);
	(void)close(near);
	(void)close(far);
	kiln_io_close(io);
	kiln_pool_clear(&pool);
}

static void say(size_t len)
{
	static uint8_t bytes[3 * KILN_BUFFER_PAYLOAD];
	memset(bytes, 'k', sizeof bytes);
	assert_int_equal(send(far, bytes, len, MSG_DONTWAIT), len);
}

static void arm(bool records)
{
	if (records)
		kiln_io_recv_records_once(io, &op, near);
	else
		kiln_io_recv_once(io, &op, near, KILN_BUFFER_PAYLOAD);
}

static const enum kiln_engine engines[] = {KILN_ENGINE_IO_URING, KILN_ENGINE_EPOLL};

static void test_once_is_once(void **state)
{
	(void)state;
	for (int n = 0; n < 4; n++) {
		const bool records = n % 2;
		if (!start(engines[n / 2]))
			continue;
		arm(records);
		turn(0);
		assert_int_equal(got.events, 0);
		say(2 * KILN_BUFFER_PAYLOAD - 1000);
		turn_until(1);
		assert_false(got.armed);
		assert_in_range(got.last, 1, KILN_BUFFER_PAYLOAD);
		assert_int_equal(got.type, records ? 23 : 0);
		for (int i = 0; i < 5; i++)
			turn(1);
		assert_int_equal(got.events, 1);
		while (got.bytes < 2 * KILN_BUFFER_PAYLOAD - 1000) {
			const unsigned before = got.events;
			arm(records);
			turn_until(before + 1);
			assert_true(got.last > 0);
		}
		const unsigned before = got.events;
		assert_int_equal(shutdown(far, SHUT_WR), 0);
		arm(records);
		turn_until(before + 1);
		assert_int_equal(got.last, 0);
		stop();
	}
}

static void test_once_cancelled(void **state)
{
	(void)state;
	for (int n = 0; n < 4; n++) {
		if (!start(engines[n / 2]))
			continue;
		for (unsigned i = 1; i <= 3; i++) {
			arm(n % 2);
			turn(0);
			kiln_io_cancel(io, &op);
			turn_until(i);
			assert_int_equal(got.last, -ECANCELED);
			assert_false(op.armed);
		}
		say(5);
		arm(n % 2);
		turn_until(4);
		assert_int_equal(got.last, 5);
		stop();
	}
}

static void put_all(struct kiln_buffer **list)
{
	for (struct kiln_buffer *b = *list, *next; b != NULL; b = next) {
		next = b->next;
		kiln_io_buffer_put(io, b);
	}
	*list = NULL;
}

/* Without a buffer it waits, and nobody is told. io_uring has a share of its own, which is used up
 * first: what is received is kept. */
static void test_once_waits_for_a_buffer(void **state)
{
	(void)state;
	for (int n = 0; n < 4; n++) {
		struct kiln_buffer *hoard = NULL, *b;
		if (!start(engines[n / 2]))
			continue;
		while ((b = kiln_io_buffer_take(io)) != NULL) {
			b->next = hoard;
			hoard = b;
		}
		unsigned before;
		got.keep = true;
		do {
			before = got.events;
			assert_true(before < pool.limit);
			say(1);
			arm(n % 2);
			for (int i = 0; i < 5; i++)
				turn(1);
		} while (got.events > before);
		assert_true(op.armed);
		assert_int_equal(n / 2 == 0, before > 0);
		got.keep = false;
		put_all(&hoard);
		turn_until(before + 1);
		assert_int_equal(got.last, 1);
		put_all(&got.kept);
		stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_once_is_once),
	    cmocka_unit_test(test_once_cancelled),
	    cmocka_unit_test(test_once_waits_for_a_buffer),
	};
	return cmocka_run_group_tests_name("io: receive", tests, NULL, NULL);
}

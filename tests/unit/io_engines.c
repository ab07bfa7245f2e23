/* SPDX-License-Identifier: Apache-2.0
 * What both engines owe the relay, over real sockets: streams in order however they are cut,
 * paused and gone on with; sends to a peer that reads slowly; accepting; connecting; more at once
 * than the kernel's queue holds; a descriptor number that is used again. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/io.h"

#define TURNS  2000 /* each at most 50 ms: far more than any of this takes */
#define STREAM ((size_t)10 << 20)

static const enum kiln_engine engines[] = {KILN_ENGINE_IO_URING, KILN_ENGINE_EPOLL};
#define ENGINES (sizeof engines / sizeof engines[0])

static struct kiln_pool pool;
static struct kiln_io *io;

/* One operation and what its events brought. */
struct probe {
	struct kiln_op op;
	unsigned events;
	int last;
	size_t bytes;
	bool pause; /* cancelled at every event */
	int fds[64];
};

static uint8_t byte_at(size_t position)
{
	return (uint8_t)(position * 2654435761u >> 11);
}

static void turn(void)
{
	assert_int_equal(kiln_io_wait(io, 50, NULL), KILN_OK);
	kiln_io_dispatch(io);
}

static void turn_until_ended(const struct kiln_op *op)
{
	for (int i = 0; i < TURNS && op->armed; i++)
		turn();
	assert_false(op->armed);
}

static bool start(enum kiln_engine engine, size_t pool_bytes)
{
	char why[160];
	struct kiln_error err = {0};
	assert_int_equal(kiln_pool_init(&pool, pool_bytes, NULL), KILN_OK);
	io = kiln_io_open(engine, &pool, why, &err);
	if (io != NULL)
		return true;
	print_message("not on io_uring: %s\n", err.message);
	kiln_pool_clear(&pool);
	return false;
}

static void stop(void)
{
	kiln_io_close(io);
	kiln_pool_clear(&pool);
}

static void drop(int fd)
{
	kiln_io_forget(io, fd);
	assert_int_equal(close(fd), 0);
}

static void make_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void on_event(struct kiln_op *op, const struct kiln_event *event)
{
	struct probe *p = (struct probe *)(void *)((char *)op - offsetof(struct probe, op));
	p->last = event->result;
	if (event->buffer != NULL) {
		assert_int_equal(event->buffer->len, event->result);
		for (uint32_t i = 0; i < event->buffer->len; i++)
			assert_int_equal(event->buffer->data[i], byte_at(p->bytes + i));
		p->bytes += event->buffer->len;
		kiln_io_buffer_put(io, event->buffer);
	}
	if (op->kind == KILN_OP_ACCEPT && event->result >= 0)
		p->fds[p->events % 64] = event->result;
	p->events++;
	if (p->pause && op->armed)
		kiln_io_cancel(io, op);
}

static struct probe *new_probe(void)
{
	struct probe *p = calloc(1, sizeof *p);
	assert_non_null(p);
	p->op.done = on_event;
	return p;
}

/* Writes what the socket takes of the stream from *at on. */
static void feed(int fd, size_t *at, size_t end)
{
	static uint8_t chunk[100000];
	while (*at < end) {
		const size_t n = end - *at < sizeof chunk ? end - *at : sizeof chunk;
		for (size_t i = 0; i < n; i++)
			chunk[i] = byte_at(*at + i);
		const ssize_t sent = send(fd, chunk, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		*at += (size_t)sent;
	}
}

static void receive_stream(bool records, bool pause, size_t pool_bytes)
{
	for (size_t e = 0; e < ENGINES; e++) {
		int fds[2];
		size_t fed = 0;
		if (!start(engines[e], pool_bytes))
			continue;
		make_pair(fds);
		struct probe *p = new_probe();
		p->pause = pause;
		for (int i = 0; i < TURNS && p->bytes < STREAM; i++) {
			feed(fds[1], &fed, STREAM);
			if (!p->op.armed && records)
				kiln_io_recv_records(io, &p->op, fds[0]);
			else if (!p->op.armed)
				kiln_io_recv(io, &p->op, fds[0]);
			turn();
		}
		assert_int_equal(p->bytes, STREAM);
		assert_true(p->last > 0 || p->last == -ECANCELED);
		p->pause = false;
		(void)close(fds[1]);
		for (int i = 0; i < TURNS && p->last != 0; i++) {
			if (!p->op.armed && records)
				kiln_io_recv_records(io, &p->op, fds[0]);
			else if (!p->op.armed)
				kiln_io_recv(io, &p->op, fds[0]);
			turn();
		}
		assert_int_equal(p->last, 0); /* the end, and only once */
		assert_false(p->op.armed);
		drop(fds[0]);
		free(p);
		stop();
	}
}

static void test_receives_a_stream(void **state)
{
	(void)state;
	receive_stream(false, false, (size_t)16 << 20);
	receive_stream(true, false, (size_t)16 << 20);
}

/* Cancelled at every event and armed again: nothing that was on its way is lost. */
static void test_receives_with_pauses(void **state)
{
	(void)state;
	receive_stream(false, true, (size_t)16 << 20);
	receive_stream(true, true, (size_t)16 << 20);
}

/* The smallest pool: fewer buffers than a burst. */
static void test_receives_from_a_small_pool(void **state)
{
	(void)state;
	receive_stream(false, false, 0);
	receive_stream(false, true, 0);
}

/* Reads a little of what was sent, and checks it. */
static void sip(int fd, size_t *read_so_far, size_t most)
{
	static uint8_t chunk[100000];
	const ssize_t n = recv(fd, chunk, most < sizeof chunk ? most : sizeof chunk, MSG_DONTWAIT);
	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(chunk[i], byte_at(*read_so_far + (size_t)i));
	*read_so_far += n > 0 ? (size_t)n : 0;
}

static void test_sends_to_a_slow_reader(void **state)
{
	(void)state;
	uint8_t *data = malloc(STREAM);
	assert_non_null(data);
	for (size_t i = 0; i < STREAM; i++)
		data[i] = byte_at(i);
	for (size_t e = 0; e < ENGINES; e++) {
		int fds[2];
		size_t sent = 0, taken = 0;
		if (!start(engines[e], 0))
			continue;
		make_pair(fds);
		struct probe *p = new_probe();
		while (sent < STREAM) {
			const size_t left = STREAM - sent;
			kiln_io_send(io, &p->op, fds[0], data + sent,
				     left < KILN_BUFFER_PAYLOAD ? (uint32_t)left
								: KILN_BUFFER_PAYLOAD);
			for (int i = 0; i < TURNS && p->op.armed; i++) {
				assert_int_equal(kiln_io_wait(io, 0, NULL), KILN_OK);
				kiln_io_dispatch(io);
				if (p->op.armed)
					sip(fds[1], &taken, 30001);
			}
			assert_false(p->op.armed);
			assert_true(p->last > 0);
			sent += (size_t)p->last;
		}
		while (taken < STREAM)
			sip(fds[1], &taken, STREAM);
		/* One that nobody reads can be given up, and then there is no reader at all. */
		do {
			kiln_io_send(io, &p->op, fds[0], data, KILN_BUFFER_PAYLOAD);
			turn();
		} while (!p->op.armed);
		kiln_io_cancel(io, &p->op);
		turn_until_ended(&p->op);
		assert_int_equal(p->last, -ECANCELED);
		assert_int_equal(close(fds[1]), 0);
		kiln_io_send(io, &p->op, fds[0], data, 1);
		turn_until_ended(&p->op);
		assert_true(p->last == -EPIPE || p->last == -ECONNRESET);
		drop(fds[0]);
		free(p);
		stop();
	}
	free(data);
}

static int listen_on_loopback(struct sockaddr_in *address)
{
	socklen_t len = sizeof *address;
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*address =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	assert_int_equal(listen(fd, 128), 0);
	return fd;
}

static int tcp_socket(void)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	return fd;
}

static void test_accepts_and_connects(void **state)
{
	(void)state;
	for (size_t e = 0; e < ENGINES; e++) {
		struct sockaddr_in address;
		int ends[50];
		if (!start(engines[e], 0))
			continue;
		const int listener = listen_on_loopback(&address);
		struct probe *acceptor = new_probe(), *connector = new_probe();
		kiln_io_accept(io, &acceptor->op, listener);
		for (unsigned i = 0; i < 50; i++) {
			ends[i] = tcp_socket();
			kiln_io_connect(io, &connector->op, ends[i], (struct sockaddr *)&address,
					sizeof address);
			turn_until_ended(&connector->op);
			assert_int_equal(connector->last, 0);
		}
		for (int i = 0; i < TURNS && acceptor->events < 50; i++)
			turn();
		assert_int_equal(acceptor->events, 50);
		assert_true(acceptor->op.armed);
		kiln_io_cancel(io, &acceptor->op);
		turn_until_ended(&acceptor->op);
		assert_int_equal(acceptor->last, -ECANCELED);
		for (unsigned i = 0; i < 50; i++) {
			assert_int_equal(close(acceptor->fds[i]), 0);
			drop(ends[i]);
		}
		drop(listener);
		/* Nobody listens there any more. */
		const int fd = tcp_socket();
		kiln_io_connect(io, &connector->op, fd, (struct sockaddr *)&address,
				sizeof address);
		turn_until_ended(&connector->op);
		assert_int_equal(connector->last, -ECONNREFUSED);
		drop(fd);
		free(acceptor);
		free(connector);
		stop();
	}
}

/* The number of a closed descriptor comes back at once, with another socket behind it. */
static void test_descriptor_used_again(void **state)
{
	(void)state;
	for (size_t e = 0; e < ENGINES; e++) {
		int previous = -1;
		if (!start(engines[e], 0))
			continue;
		struct probe *p = new_probe();
		for (unsigned i = 0; i < 20; i++) {
			int fds[2];
			size_t fed = 0;
			make_pair(fds);
			assert_true(previous == -1 || fds[0] == previous);
			previous = fds[0];
			p->bytes = 0;
			kiln_io_recv(io, &p->op, fds[0]);
			feed(fds[1], &fed, 7);
			for (int n = 0; n < TURNS && p->bytes < 7; n++)
				turn();
			assert_int_equal(p->bytes, 7);
			kiln_io_cancel(io, &p->op);
			turn_until_ended(&p->op);
			drop(fds[0]);
			assert_int_equal(close(fds[1]), 0);
		}
		free(p);
		stop();
	}
}

/* More operations in one turn than the submission queue has entries, and all of them cancelled in
 * the next. */
static void test_more_at_once_than_the_queue_holds(void **state)
{
	(void)state;
	enum { MANY = 3000 };
	for (size_t e = 0; e < ENGINES; e++) {
		int fds[2], copies[300];
		if (!start(engines[e], 0))
			continue;
		make_pair(fds);
		struct probe *probes = calloc(MANY, sizeof *probes);
		assert_non_null(probes);
		/* epoll knows one receive for a descriptor: as many descriptors as can be had. */
		const unsigned count = engines[e] == KILN_ENGINE_IO_URING ? MANY : 300;
		for (unsigned i = 0; i < 300; i++) {
			copies[i] = dup(fds[0]);
			assert_true(copies[i] >= 0);
		}
		for (unsigned i = 0; i < count; i++) {
			probes[i].op.done = on_event;
			kiln_io_recv(io, &probes[i].op, copies[i % 300]);
		}
		turn();
		for (unsigned i = 0; i < count; i++) {
			assert_true(probes[i].op.armed);
			kiln_io_cancel(io, &probes[i].op);
		}
		for (unsigned i = 0; i < count; i++) {
			turn_until_ended(&probes[i].op);
			assert_int_equal(probes[i].events, 1);
			assert_int_equal(probes[i].last, -ECANCELED);
		}
		for (unsigned i = 0; i < 300; i++)
			drop(copies[i]);
		assert_int_equal(close(fds[0]), 0);
		assert_int_equal(close(fds[1]), 0);
		free(probes);
		stop();
	}
}

static void test_polls(void **state)
{
	(void)state;
	for (size_t e = 0; e < ENGINES; e++) {
		int fds[2];
		char byte = 'x';
		if (!start(engines[e], 0))
			continue;
		make_pair(fds);
		struct probe *p = new_probe();
		kiln_io_poll(io, &p->op, fds[0]);
		for (unsigned i = 1; i <= 3; i++) {
			const unsigned before = p->events;
			assert_int_equal(send(fds[1], &byte, 1, 0), 1);
			for (int n = 0; n < TURNS && p->events == before; n++)
				turn();
			assert_true(p->events > before && p->last >= 0 && p->op.armed);
			assert_int_equal(recv(fds[0], &byte, 1, 0), 1);
		}
		kiln_io_cancel(io, &p->op);
		turn_until_ended(&p->op);
		drop(fds[0]);
		assert_int_equal(close(fds[1]), 0);
		free(p);
		stop();
	}
}

/* Not while the queue is full; then at once, and also when the other end has gone. */
static void test_waits_for_room(void **state)
{
	(void)state;
	for (size_t e = 0; e < 2 * ENGINES; e++) {
		const bool leaves = e >= ENGINES;
		int fds[2];
		char packet[1024] = "";
		if (!start(engines[e % ENGINES], 0))
			continue;
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
		while (send(fds[0], packet, sizeof packet, MSG_NOSIGNAL) > 0) {
		}
		assert_int_equal(errno, EAGAIN);
		struct probe *p = new_probe();
		kiln_io_writable(io, &p->op, fds[0]);
		turn();
		turn();
		assert_true(p->op.armed && p->events == 0);
		if (leaves)
			assert_int_equal(close(fds[1]), 0);
		while (!leaves && recv(fds[1], packet, sizeof packet, 0) > 0) {
		}
		turn_until_ended(&p->op);
		assert_true(p->events == 1 && p->last > 0);
		drop(fds[0]);
		if (!leaves)
			assert_int_equal(close(fds[1]), 0);
		free(p);
		stop();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_receives_a_stream),
	    cmocka_unit_test(test_receives_with_pauses),
	    cmocka_unit_test(test_receives_from_a_small_pool),
	    cmocka_unit_test(test_sends_to_a_slow_reader),
	    cmocka_unit_test(test_accepts_and_connects),
	    cmocka_unit_test(test_descriptor_used_again),
	    cmocka_unit_test(test_more_at_once_than_the_queue_holds),
	    cmocka_unit_test(test_polls),
	    cmocka_unit_test(test_waits_for_room),
	};
	return cmocka_run_group_tests_name("io: engines", tests, NULL, NULL);
}

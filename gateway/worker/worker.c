/* SPDX-License-Identifier: Apache-2.0
 * The worker's loop and what its connections share. */
#include "worker/worker.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "roast/roast.h"

/* How long the end of a worker waits for operations that were cancelled. */
#define LAST_TURNS   100u
#define LAST_TURN_MS 10

uint64_t kiln_worker_micros(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint64_t monotonic_ms(void)
{
	return kiln_worker_micros() / 1000;
}

static void retry_accept(struct kiln_deadline *deadline);

void kiln_worker_prepare(struct kiln_worker *worker, const struct kiln_settings *settings,
			 unsigned index, struct kiln_counters *counters)
{
	memset(worker, 0, sizeof *worker);
	worker->settings = *settings;
	worker->index = index;
	worker->counters = counters;
	worker->now = monotonic_ms();
	worker->accept_retry.expired = retry_accept;
	kiln_asker_init(&worker->asker, NULL);
	kiln_handoff_prepare(&worker->handoff, worker);
	worker->hungry_tail = &worker->hungry;
	kiln_wheel_init(&worker->wheel, worker->now);
}

static void on_identity(struct kiln_asker *asker)
{
	struct kiln_worker *worker =
	    (struct kiln_worker *)(void *)((char *)asker - offsetof(struct kiln_worker, asker));
	for (struct kiln_link *conn = worker->conns, *next; conn != NULL; conn = next) {
		next = conn->next; /* it may end meanwhile */
		kiln_link_identity(conn);
	}
}

enum kiln_code kiln_worker_init(struct kiln_worker *worker, const struct kiln_settings *settings,
				unsigned index, struct kiln_tls_config *config,
				struct kiln_counters *counters, char engine_why[160],
				struct kiln_error *err)
{
	kiln_worker_prepare(worker, settings, index, counters);
	enum kiln_code rc = kiln_pool_init(&worker->pool, settings->buffer_bytes, err);
	if (rc != KILN_OK)
		return rc;
	worker->io = kiln_io_open(settings->engine, &worker->pool, engine_why, err);
	if (worker->io == NULL) {
		kiln_pool_clear(&worker->pool);
		return err != NULL ? err->code : KILN_E_SYSTEM;
	}
	worker->config = kiln_tls_config_ref(config);
	worker->asker.io = worker->io;
	worker->asker.changed = on_identity;
	return KILN_OK;
}

void kiln_worker_reconfigure(struct kiln_worker *worker, struct kiln_tls_config *config)
{
	kiln_tls_config_unref(worker->config);
	worker->config = config;
}

/* ---- accepting ---------------------------------------------------------------------------- */

static void arm_listeners(struct kiln_worker *worker)
{
	for (unsigned i = 0; i < worker->listener_count; i++) {
		struct kiln_listener *listener = &worker->listeners[i];
		if (!listener->op.armed)
			kiln_io_accept(worker->io, &listener->op, listener->fd);
	}
}

static void disarm_listeners(struct kiln_worker *worker)
{
	for (unsigned i = 0; i < worker->listener_count; i++)
		kiln_io_cancel(worker->io, &worker->listeners[i].op);
}

void kiln_worker_accept(struct kiln_worker *worker, bool on)
{
	worker->accepting = on;
	worker->accept_paused = false;
	kiln_deadline_clear(&worker->wheel, &worker->accept_retry);
	if (on)
		arm_listeners(worker);
	else
		disarm_listeners(worker);
}

/* What was accepted before the cancellation took effect still comes, and is served. */
static void close_listeners(struct kiln_worker *worker)
{
	for (unsigned i = 0; worker->accept_over && i < worker->listener_count; i++) {
		struct kiln_listener *listener = &worker->listeners[i];
		if (listener->fd < 0 || listener->op.armed)
			continue;
		kiln_listener_take_rest(listener);
		kiln_io_forget(worker->io, listener->fd);
		(void)close(listener->fd);
		listener->fd = -1;
	}
}

void kiln_worker_stop_accepting(struct kiln_worker *worker)
{
	kiln_worker_accept(worker, false);
	worker->accept_over = true;
	worker->board = NULL; /* the seat is the successor's now */
	close_listeners(worker);
}

bool kiln_worker_is_accepting(const struct kiln_worker *worker)
{
	for (unsigned i = 0; i < worker->listener_count; i++)
		if (worker->listeners[i].op.armed)
			return true;
	return worker->accepting;
}

bool kiln_worker_done(const struct kiln_worker *worker)
{
	return !kiln_worker_is_accepting(worker) && worker->conn_count == 0;
}

/* Connections that wait in the backlog are better off than ones that are accepted and dropped. */
void kiln_worker_pause_accept(struct kiln_worker *worker, uint32_t retry_ms)
{
	worker->accept_paused = true;
	disarm_listeners(worker);
	if (retry_ms > 0)
		kiln_deadline_set(&worker->wheel, &worker->accept_retry, worker->now, retry_ms);
}

static void resume_accept(struct kiln_worker *worker)
{
	if (!worker->accepting || !worker->accept_paused ||
	    worker->conn_count >= worker->settings.max_connections)
		return;
	worker->accept_paused = false;
	kiln_deadline_clear(&worker->wheel, &worker->accept_retry);
	arm_listeners(worker);
}

static void retry_accept(struct kiln_deadline *deadline)
{
	struct kiln_worker *worker =
	    (struct kiln_worker *)(void *)((char *)deadline -
					   offsetof(struct kiln_worker, accept_retry));
	resume_accept(worker);
}

/* ---- what connections share --------------------------------------------------------------- */

struct kiln_buffer *kiln_worker_take_buffer(struct kiln_link *conn)
{
	struct kiln_worker *worker = conn->worker;
	struct kiln_buffer *buffer = kiln_io_buffer_take(worker->io);
	if (buffer != NULL || conn->hungry)
		return buffer;
	conn->hungry = true;
	conn->next_hungry = NULL;
	*worker->hungry_tail = conn;
	worker->hungry_tail = &conn->next_hungry;
	worker->hungry_count++;
	return NULL;
}

static void forget_hunger(struct kiln_link *conn)
{
	struct kiln_worker *worker = conn->worker;
	struct kiln_link **link = &worker->hungry;
	if (!conn->hungry)
		return;
	while (*link != conn)
		link = &(*link)->next_hungry;
	*link = conn->next_hungry;
	if (*link == NULL)
		worker->hungry_tail = link;
	worker->hungry_count--;
	conn->hungry = false;
}

/* Those that are hungry again wait for the next turn. */
static void feed_the_hungry(struct kiln_worker *worker)
{
	for (unsigned n = worker->hungry_count; n > 0 && kiln_pool_has(&worker->pool); n--) {
		struct kiln_link *conn = worker->hungry;
		forget_hunger(conn);
		kiln_link_install_on(conn);
		kiln_link_pump_down(conn);
		kiln_link_pump_up(conn);
	}
}

bool kiln_worker_may_burst(struct kiln_worker *worker, struct kiln_flow *flow)
{
	if (flow->slow) {
		kiln_worker_end_burst(worker, flow);
	} else if (!flow->bursts && worker->bursting < worker->pool.limit / 4 / KILN_IO_BURST) {
		flow->bursts = true;
		worker->bursting++;
	}
	return flow->bursts;
}

void kiln_worker_end_burst(struct kiln_worker *worker, struct kiln_flow *flow)
{
	worker->bursting -= flow->bursts;
	flow->bursts = false;
}

uint8_t *kiln_worker_take_partial(struct kiln_worker *worker)
{
	void *block = worker->partials;
	if (block == NULL)
		return malloc(KILN_RECORD_MAX); /* kept: as many as were ever needed at once */
	memcpy(&worker->partials, block, sizeof worker->partials);
	return block;
}

void kiln_worker_put_partial(struct kiln_worker *worker, uint8_t *partial)
{
	memcpy(partial, &worker->partials, sizeof worker->partials);
	worker->partials = partial;
}

void kiln_worker_bury(struct kiln_link *conn)
{
	struct kiln_worker *worker = conn->worker;
	forget_hunger(conn);
	if (conn->question != 0)
		kiln_asker_forget(&worker->asker, conn->question);
	conn->question = 0;
	if (conn->prev != NULL)
		conn->prev->next = conn->next;
	else
		worker->conns = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	conn->prev = NULL;
	conn->next = worker->dead;
	worker->dead = conn;
}

static void put_all(struct kiln_worker *worker, struct kiln_buffer *list)
{
	while (list != NULL) {
		struct kiln_buffer *next = list->next;
		kiln_io_buffer_put(worker->io, list);
		list = next;
	}
}

static void free_conn(struct kiln_worker *worker, struct kiln_link *conn)
{
	kiln_link_unhand(conn, NULL);
	kiln_link_log(conn);
	worker->counters->bytes_up += kiln_link_bytes_up(conn, worker->settings.role);
	worker->counters->bytes_down += kiln_link_bytes_down(conn, worker->settings.role);
	kiln_deadline_clear(&worker->wheel, &conn->deadline);
	kiln_handshake_free(conn->handshake);
	kiln_roast_free(conn->roast);
	free(conn->peer_role);
	kiln_traffic_clear(&conn->rx);
	kiln_traffic_clear(&conn->tx);
	put_all(worker, conn->up.head);
	put_all(worker, conn->up.out);
	put_all(worker, conn->down.head);
	put_all(worker, conn->down.out);
	put_all(worker, conn->early);
	kiln_worker_end_burst(worker, &conn->up);
	kiln_worker_end_burst(worker, &conn->down);
	if (conn->partial != NULL)
		kiln_worker_put_partial(worker, conn->partial);
	const int fds[2] = {conn->tls_fd, conn->plain_fd};
	for (int i = 0; i < 2; i++) {
		if (fds[i] < 0)
			continue;
		kiln_io_forget(worker->io, fds[i]);
		(void)close(fds[i]);
	}
	if (conn->has_notice)
		(void)close(conn->notice_fd);
	free(conn->connecting);
	free(conn->proxied);
	free(conn->proxy_header);
	free(conn->peer_name);
	free(conn->why);
	kiln_wipe(conn, sizeof *conn);
	free(conn);
	worker->conn_count--;
	worker->counters->active = worker->conn_count;
	kiln_board_ended(worker->board, worker->index, worker->conn_count,
			 worker->settings.max_connections);
}

static void bury_the_dead(struct kiln_worker *worker)
{
	if (worker->dead == NULL)
		return;
	while (worker->dead != NULL) {
		struct kiln_link *conn = worker->dead;
		worker->dead = conn->next;
		free_conn(worker, conn);
	}
	(void)kiln_heap_note(&worker->heap, worker->conn_count);
	resume_accept(worker);
}

/* ---- the loop ----------------------------------------------------------------------------- */

enum kiln_code kiln_worker_turn(struct kiln_worker *worker, struct kiln_error *err)
{
	const bool can_feed = worker->hungry != NULL && kiln_pool_has(&worker->pool);
	const int timeout = can_feed ? 0 : kiln_wheel_timeout(&worker->wheel, worker->now);
	enum kiln_code rc = kiln_io_wait(worker->io, timeout, err);
	worker->now = monotonic_ms();
	kiln_io_dispatch(worker->io);
	kiln_wheel_run(&worker->wheel, worker->now);
	bury_the_dead(worker);
	feed_the_hungry(worker);
	bury_the_dead(worker);
	close_listeners(worker);
	worker->counters->buffers_peak = worker->pool.peak;
	return rc;
}

/* A connection that is cut must not look like one that came to its end: the peer gets an alert and
 * the plain side a reset (architecture, L5). */
static void cut_off(struct kiln_worker *worker)
{
	struct kiln_error err = {0};
	(void)kiln_fail(&err, KILN_E_TIMEOUT,
			"still open when the gateway had to end (--shutdown-timeout)");
	err.alert = KILN_ALERT_INTERNAL_ERROR;
	kiln_handoff_finish(&worker->handoff); /* what the application took already is not ours */
	for (struct kiln_link *conn = worker->conns, *next; conn != NULL; conn = next) {
		next = conn->next;
		kiln_link_fail(conn, &err);
		kiln_link_drop(conn);
	}
}

void kiln_worker_close(struct kiln_worker *worker)
{
	kiln_worker_accept(worker, false);
	cut_off(worker);
	/* Operations under way may still read their connection's memory: the last events come soon.
	 */
	for (unsigned i = 0; worker->conns != NULL && i < LAST_TURNS; i++) {
		if (kiln_io_wait(worker->io, LAST_TURN_MS, NULL) != KILN_OK)
			break;
		kiln_io_dispatch(worker->io);
	}
	while (worker->conns != NULL)
		kiln_worker_bury(worker->conns);
	bury_the_dead(worker);
	kiln_asker_close(&worker->asker);
	kiln_handoff_end(&worker->handoff);
	kiln_io_close(worker->io);
	kiln_pool_clear(&worker->pool);
	kiln_tls_config_unref(worker->config);
	while (worker->partials != NULL)
		free(kiln_worker_take_partial(worker));
}

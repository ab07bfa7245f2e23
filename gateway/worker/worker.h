/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker: one process, one thread, one event loop, its own listeners and connections. It knows
 * its settings, its TLS configuration and its targets, and opens nothing else.
 */
#ifndef KILN_WORKER_WORKER_H
#define KILN_WORKER_WORKER_H

#include "net/address.h"
#include "steer/board.h"
#include "worker/asker.h"
#include "worker/handoff.h"
#include "worker/heap.h"
#include "worker/link.h"

struct kiln_listener {
	struct kiln_op op;
	struct kiln_worker *worker;
	int fd;
};

struct kiln_worker {
	struct kiln_settings settings;
	unsigned index;
	struct kiln_io *io;
	const struct kiln_sys *sys; /* NULL: the real system calls */
	struct kiln_pool pool;
	struct kiln_wheel wheel;
	uint64_t now; /* ms, monotonic, read once a turn */

	struct kiln_tls_config *config;
	struct kiln_endpoints targets;

	struct kiln_listener listeners[KILN_LISTEN_MAX];
	unsigned listener_count;
	bool accepting, accept_paused, accept_over;
	struct kiln_deadline accept_retry;

	struct kiln_link *conns;                 /* all of them, newest first */
	struct kiln_link *dead;                  /* freed at the end of the turn */
	struct kiln_link *hungry, **hungry_tail; /* wait for a buffer, first come first served */
	unsigned hungry_count;
	unsigned bursting; /* flows that may receive many buffers at once */
	unsigned conn_count;
	struct kiln_heap heap; /* notes how many there are */
	uint64_t next_id;
	void *partials; /* spare blocks of KILN_RECORD_MAX bytes */

	struct kiln_asker asker;             /* questions to the identity agent */
	struct kiln_handoff_channel handoff; /* to the application */
	struct kiln_counters *counters;
	struct kiln_board *board; /* what steering knows of this worker; NULL: nothing */
};

/* Everything but the engine, the pool and the config, which a test brings along. */
void kiln_worker_prepare(struct kiln_worker *worker, const struct kiln_settings *settings,
			 unsigned index, struct kiln_counters *counters);

/* Sets up the engine and the pool; listeners are taken over, the config gains a reference. */
enum kiln_code kiln_worker_init(struct kiln_worker *worker, const struct kiln_settings *settings,
				unsigned index, struct kiln_tls_config *config,
				struct kiln_counters *counters, char engine_why[160],
				struct kiln_error *err) KILN_NODISCARD;

/* Adds a listening socket; accepting begins with kiln_worker_accept. */
void kiln_worker_listen(struct kiln_worker *worker, int fd);
void kiln_worker_accept(struct kiln_worker *worker, bool on);
/* No more connections, for good: when the last event of accepting has come, the listeners are
 * closed here, so that a worker which only finishes what it has keeps no port. */
void kiln_worker_stop_accepting(struct kiln_worker *worker);
bool kiln_worker_is_accepting(const struct kiln_worker *worker);
/* True once nothing is accepted any more and every connection has ended. */
bool kiln_worker_done(const struct kiln_worker *worker);

/* New certificates, roots and rules for the connections to come. Takes over the reference. */
void kiln_worker_reconfigure(struct kiln_worker *worker, struct kiln_tls_config *config);

/* One turn of the loop. */
enum kiln_code kiln_worker_turn(struct kiln_worker *worker, struct kiln_error *err) KILN_NODISCARD;

/* Ends every connection that is left, and frees everything. */
void kiln_worker_close(struct kiln_worker *worker);

/* For the files of this folder. */
void kiln_listener_take_rest(struct kiln_listener *listener);
void kiln_worker_pause_accept(struct kiln_worker *worker, uint32_t retry_ms);
void kiln_worker_bury(struct kiln_link *conn);
/* A buffer to work in. NULL when the pool has none: the connection is hungry then, and its pumps
 * are called again when it has. */
struct kiln_buffer *kiln_worker_take_buffer(struct kiln_link *conn);
/* True when this flow may receive many buffers at once. All that may do so could fill a quarter of
 * the pool; the others take one at a time, and so does who could not get rid of them. */
bool kiln_worker_may_burst(struct kiln_worker *worker, struct kiln_flow *flow);
void kiln_worker_end_burst(struct kiln_worker *worker, struct kiln_flow *flow);
uint8_t *kiln_worker_take_partial(struct kiln_worker *worker);
void kiln_worker_put_partial(struct kiln_worker *worker, uint8_t *partial);
uint64_t kiln_worker_micros(void); /* monotonic; for durations in the log */

#endif

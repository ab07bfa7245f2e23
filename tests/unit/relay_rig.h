/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection of a worker on the scripted engine, with a clock that the test moves:
 *
 *   TLS peer (here, in memory) <-> scripted engine <-> the worker's code <-> scripted engine <->
 * target
 *
 * Two modes: in user space the peer seals and opens real records; "kernel" plays what a kTLS socket
 * does (content with its type, record calls through a table of system calls) and so shows the logic
 * around kernel TLS, not kernel TLS itself.
 *
 * The sockets are real but carry no relayed bytes: only what the code does to them directly shows
 * there (shutdown, an alert sent past the engine, a reset).
 */
#ifndef KILN_TESTS_RELAY_RIG_H
#define KILN_TESTS_RELAY_RIG_H

#include "base/sys.h"
#include "script_io.h"
#include "wire.h"
#include "worker/relay.h"
#include "worker/worker.h"

#define RIG_CALLS 16u
#define RIG_POOL  ((size_t)256 * KILN_BUFFER_SIZE)

/* How a connection ended, as its access line would tell. */
struct rig_end {
	unsigned count;
	enum kiln_code code;
	uint8_t alert_sent, alert_received, path;
	bool unanswered;
	uint64_t bytes_up, bytes_down;
	char why[KILN_ERROR_MAX];
};

/* Calls through struct kiln_sys. */
struct rig_sys {
	unsigned sets, sends;
	int set_errno[RIG_CALLS]; /* answer to call n; 0 is success */
	int set_name[RIG_CALLS];
	uint8_t set_value[RIG_CALLS][64];
	uint8_t sent_type;
	uint8_t sent[16];
	size_t sent_len;
};

struct rig {
	struct kiln_worker worker;
	struct kiln_counters counters;
	struct script_io io;
	struct kiln_link *conn; /* valid until it ended */
	int tls_far, plain_far; /* other ends of its sockets */
	bool kernel;
	struct kiln_traffic peer_tx, peer_rx;
	struct wire from_peer; /* sealed records not yet given to the worker */
	struct wire to_peer;   /* sealed records not yet opened */
	struct wire peer_got, plain_got;
	unsigned peer_key_updates;
	bool peer_close_notify, peer_asked_update;
	uint8_t peer_alert;
};

extern uint64_t rig_ms; /* the clock */
extern struct rig_end rig_ended;
extern struct rig_sys rig_sys;

/* A worker without connections: one second for everything, no idle timeout, kTLS available. */
void rig_open(struct rig *rig, enum kiln_role role);

/* A server's connection that begins to relay now. early is what came with the handshake. */
void rig_relay(struct rig *rig, bool kernel, struct kiln_buffer *early);

/* One more, in user space, under the same keys: for tests of what connections share. */
struct kiln_link *rig_another(struct rig *rig);

/* All must have ended, and everything must have been given back. */
void rig_close(struct rig *rig);

/* One turn of the worker's loop; rig->conn may be gone afterwards. */
void rig_turn(struct rig *rig);
void rig_advance(struct rig *rig, uint64_t ms); /* moves the clock, then a turn */
bool rig_gone(const struct rig *rig);

/* The peer: seals into from_peer, then gives n of its bytes (or all) to the worker's receive. */
void rig_peer_seals(struct rig *rig, uint8_t type, const void *data, size_t len);
void rig_peer_gives(struct rig *rig, size_t n);
/* Both in one; in kernel mode the content goes as it is. */
void rig_peer_says(struct rig *rig, uint8_t type, const void *data, size_t len);
void rig_peer_close_notify(struct rig *rig);
void rig_peer_ends(struct rig *rig, int result); /* 0 is a FIN, or a negative errno */

/* The send under way to the peer, or the target, moves n bytes (all of them with SIZE_MAX). */
void rig_peer_takes(struct rig *rig, size_t n);
void rig_plain_takes(struct rig *rig, size_t n);
/* Turns and takes until nothing is being sent. */
void rig_flush(struct rig *rig);

void rig_plain_says(struct rig *rig, const void *data, size_t len);
void rig_plain_ends(struct rig *rig, int result);

/* What was sent past the engine: an alert, 0 for none. */
uint8_t rig_direct_alert(struct rig *rig);
/* Was this side's socket shut down for writing (or closed)? */
bool rig_peer_sees_fin(const struct rig *rig);
bool rig_plain_sees_fin(const struct rig *rig);

#endif

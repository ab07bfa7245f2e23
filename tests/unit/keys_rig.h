/* SPDX-License-Identifier: Apache-2.0
 *
 * The rig of the key server's tests: one server over a store in memory, and links, each a client's
 * session with a connection of its own or of another link. Frames pass one by one, and a tap sees,
 * changes or drops each.
 *
 *      client machine  ---- frames ---- tap ---- frames ---- server machine -- store in memory
 */
#ifndef KILN_TESTS_KEYS_RIG_H
#define KILN_TESTS_KEYS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keys/client.h"
#include "keys/server.h"
#include "keys_store.h"

struct rig_link;

struct rig {
	struct memory_store *store;
	struct kiln_keys_server_options options;
	struct kiln_opaque_setup setup;
	struct kiln_keys_server *server;
	struct kiln_keys_now now;

	/* Called with each frame; *len 0 drops it. */
	void (*tap)(struct rig *rig, bool to_server, uint8_t *frame, size_t *len);
	unsigned frames[2]; /* to the client, to the server */
	int tap_frame;      /* what the tap is to act on */
	size_t tap_byte;
	const struct rig_link *tap_link;

	/* The latest frames as the tap got them. */
	struct {
		bool to_server;
		uint8_t bytes[512];
		size_t len;
	} log[64];
	size_t log_count;
	struct kiln_keys_event event; /* the latest */
	unsigned events[8];
	bool soft; /* no assertions on what may fail for want of memory */
};

struct rig_link {
	struct rig *rig;
	struct kiln_keys_conn *conn;
	struct kiln_keys_client *client;
	unsigned stretches;
};

/* Registration is open, no exporter needed. Change rig->options between the two. */
void rig_init(struct rig *rig);
void rig_start(struct rig *rig);
void rig_end(struct rig *rig);
bool rig_commit(struct rig *rig); /* ends the batch */
void rig_pass(struct rig *rig, uint64_t ms);

/* For tests that need no more: *state is a rig that was started. */
int rig_set_up(void **state);
int rig_tear_down(void **state);
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

/* Started, with a user; frames of the type tap_frame are lost. */
void rig_start_losing(struct rig *rig, const char *name, const char *password);

/* A connection; source is the last byte of its address. */
void rig_connect(struct rig_link *link, struct rig *rig, uint8_t source, const uint8_t *exporter);
void rig_disconnect(struct rig_link *link);

/* The connection is gone; another one, on which the session goes on. */
void rig_move(struct rig_link *link, uint8_t source);

struct kiln_keys_client_options rig_client_options(const char *name, const char *password);
bool rig_client(struct rig_link *link, const struct kiln_keys_client_options *options);

/* Moves frames until nobody has any more to say, stretching where it is asked for. */
enum kiln_keys_step rig_run(struct rig_link *link);

/* Everything: connect, register or log in; the link is open, or done. */
void rig_register(struct rig *rig, const char *name, const char *password);
void rig_login(struct rig_link *link, struct rig *rig, const char *name, const char *password);
enum kiln_keys_step rig_ask(struct rig_link *link, const struct kiln_keys_ask *ask);

/* A whole session with one request; what came of it, by the client's code (KILN_OK: done). */
enum kiln_code rig_do(struct rig *rig, const char *name, const char *password,
		      const struct kiln_keys_ask *ask, struct kiln_keys_answer *answer);

/* Raw bytes to the server, and the first frame that it answers with; 0: none. */
size_t rig_raw(struct rig_link *link, const uint8_t *bytes, size_t len, uint8_t *answer,
	       size_t cap);

/* The error code in an ERROR frame; 0 when it is none. */
unsigned rig_error_code(const uint8_t *frame, size_t len);

const struct kiln_keys_user *rig_user(const struct rig *rig, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * kiln-keys-load, for its own files: fill.c (stores), alone.c (OPAQUE without anything around it),
 * load.c with session.c (the key server).
 */
#ifndef KILN_BENCH_KEYS_PARTS_H
#define KILN_BENCH_KEYS_PARTS_H

#include "keys/frame.h"
#include "user.h"

/* Says what on standard error and ends the program; err may be NULL. */
_Noreturn void bench_die(const char *what, const struct kiln_error *err);
unsigned long long bench_number(const char *text);

/* The commands; arguments behind their names. */
int bench_fill(char **arguments);
int bench_alone(char **arguments);
int bench_load(int count, char **arguments);

/* ---- session.c: one session of kiln-keys/1, from its first frame to the answer */

enum { BENCH_OUT_MAX = 4096 };

struct bench_session {
	uint8_t id[KILN_KEYS_SESSION_ID_LEN];
	char name[BENCH_NAME_SIZE];
	size_t name_len;
	bool registration;
	uint64_t sent, received, started_ns;
	struct kiln_keys_channel channel;
};

/* Each gives the length of what is to be sent next, in out; 0: nothing, the session is done. */
size_t bench_session_begin(struct bench_session *session, struct bench_user *user, uint8_t *out);
size_t bench_session_take(struct bench_session *session, struct bench_user *user,
			  const uint8_t *exporter, const uint8_t *frame, size_t len, uint8_t *out);

#endif

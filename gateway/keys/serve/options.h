/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of `kiln keys serve`.
 */
#ifndef KILN_KEYS_SERVE_OPTIONS_H
#define KILN_KEYS_SERVE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "keys/flags.h"
#include "keys/server.h"

struct kiln_keys_serve_options {
	const char *listen;       /* as written: unix:PATH */
	const char *path;         /* the PATH of it */
	const char *handoff_user; /* NULL: our own user's and root's gateways */
	const char *handoff_mode;
	unsigned mode; /* of the socket's file */
	const char *user;

	const char *store, *key_file, *key_credential, *other_key_file, *anchor;
	uint64_t key_fd;      /* UINT64_MAX: none */
	uint64_t max_keys;    /* of one user */
	uint64_t audit_days;  /* 0: lines of logs stay */
	uint64_t store_cache; /* MiB */

	const char *tokens;
	int registration; /* enum kiln_keys_registration */
	const char *identity;
	bool no_binding;

	uint64_t max_connections, max_per_source; /* 0: not given */
	uint64_t max_sessions, max_sessions_per_connection, max_detached;
	uint64_t idle_ms, login_ms, request_ms, resume_ms, shutdown_ms;

	struct kiln_keys_texts limit_texts;
	struct kiln_keys_limit
	    limits[KILN_KEYS_LIMIT_REGISTER + 1]; /* by kind; zeroes: the default */

	int log_format, log_level;
	bool log_accounts;
	bool help;
};

extern const char kiln_keys_serve_help[];

/* Reads argv behind the command's name. KILN_E_CONFIG with a sentence for the user. */
enum kiln_code kiln_keys_serve_options_read(struct kiln_keys_serve_options *o, int argc,
					    char *const argv[],
					    struct kiln_error *err) KILN_NODISCARD;

#endif

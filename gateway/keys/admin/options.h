/* SPDX-License-Identifier: Apache-2.0
 *
 * The command lines of the operator's commands.
 */
#ifndef KILN_KEYS_ADMIN_OPTIONS_H
#define KILN_KEYS_ADMIN_OPTIONS_H

#include "keys/store/key.h"

struct kiln_admin_options {
	const char *store;
	struct kiln_store_key_source key;
	const char *other_key_file, *new_key_file;
	const char *anchor;
	const char *to, *from; /* of backup, restore */
	const char *user;      /* whose the store becomes; NULL: ours */
	uint32_t audit_days;
	bool json, help;
};

/* What a command takes beside --store and the key. */
enum kiln_admin_takes {
	KILN_ADMIN_ANCHOR = 1,
	KILN_ADMIN_JSON = 2,
	KILN_ADMIN_TO = 4,
	KILN_ADMIN_FROM = 8,
	KILN_ADMIN_NEW_KEY = 16,
	KILN_ADMIN_USER = 32,
	KILN_ADMIN_DAYS = 64,
	KILN_ADMIN_OTHER = 128, /* --other-key-file */
};

/* KILN_E_CONFIG with a sentence for the user. argv[0] is the command. */
KILN_NODISCARD enum kiln_code kiln_admin_options_read(struct kiln_admin_options *o, unsigned takes,
						      int argc, char *const argv[],
						      struct kiln_error *err);

const char *kiln_admin_help(const char *command);

#endif

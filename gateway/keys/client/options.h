/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of the client's commands: kiln keys register, login-test and so on.
 */
#ifndef KILN_KEYS_CLIENT_OPTIONS_H
#define KILN_KEYS_CLIENT_OPTIONS_H

#include <kiln/keys.h>

#include "keys/flags.h"

enum kiln_keycli_command {
	KILN_KEYCLI_REGISTER,
	KILN_KEYCLI_LOGIN_TEST,
	KILN_KEYCLI_GENERATE,
	KILN_KEYCLI_STORE,
	KILN_KEYCLI_IMPORT,
	KILN_KEYCLI_RETRIEVE,
	KILN_KEYCLI_EXPORT,
	KILN_KEYCLI_AUDIT,
	KILN_KEYCLI_DELETE,
	KILN_KEYCLI_SIGN,
	KILN_KEYCLI_PUBLIC_KEY,
	KILN_KEYCLI_CHANGE_PASSWORD,
	KILN_KEYCLI_COMMANDS,
};

#define KILN_KEYCLI_IDS_MAX 64
#define KILN_KEYCLI_NO_FD   UINT64_MAX

/* Where a password or token comes from; nothing: the terminal. */
struct kiln_keycli_source {
	const char *file;
	uint64_t fd;
};

struct kiln_keycli_options {
	enum kiln_keycli_command command;

	const char *server, *cacert, *server_name, *server_identity, *server_key_text;
	uint8_t server_key[KILN_OPAQUE_ELEMENT_SIZE];
	bool pinned;
	const char *account;
	const char *device_file; /* NULL: the one in the state folder */
	struct kiln_keycli_source password, new_password, token;
	bool ask_token;
	int stretch; /* enum kiln_opaque_ksf_profile of the words */
	uint64_t timeout_ms;

	const char *in, *out, *local, *digest_text, *after, *before;
	bool show, json, at_server, signing, exported, local_use;
	int which;
	int kind; /* 0 backup, 1 held, 2 signing, 3 any */
	struct kiln_keys_texts keys;
	uint64_t after_ms, before_ms;
	uint64_t from, limit, last; /* lines of a log; 0: not given */

	uint8_t digest[32];
	uint8_t key_ids[KILN_KEYCLI_IDS_MAX][KILN_KEYS_KEY_ID_LEN];
	size_t key_id_count; /* the word's, or --key's */
	bool help;
};

/* NULL when there is none of that name. */
extern const char *const kiln_keycli_names[KILN_KEYCLI_COMMANDS + 1];
bool kiln_keycli_find(const char *name, enum kiln_keycli_command *command);

/* Reads argv behind the command's name. KILN_E_CONFIG with a sentence for the user. */
enum kiln_code kiln_keycli_options_read(struct kiln_keycli_options *o,
					enum kiln_keycli_command command, int argc,
					char *const argv[], struct kiln_error *err) KILN_NODISCARD;

/* ---- help.c */
void kiln_keycli_help(enum kiln_keycli_command command);

#endif

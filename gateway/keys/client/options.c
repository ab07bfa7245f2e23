/* SPDX-License-Identifier: Apache-2.0
 * The command line of the client's commands; see options.h. */
#include "keys/client/options.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/hex.h"
#include "cli/values.h"

const char *const kiln_keycli_names[KILN_KEYCLI_COMMANDS + 1] = {
    [KILN_KEYCLI_REGISTER] = "register",     [KILN_KEYCLI_LOGIN_TEST] = "login-test",
    [KILN_KEYCLI_GENERATE] = "generate",     [KILN_KEYCLI_STORE] = "store",
    [KILN_KEYCLI_IMPORT] = "import",         [KILN_KEYCLI_RETRIEVE] = "retrieve",
    [KILN_KEYCLI_EXPORT] = "export",         [KILN_KEYCLI_AUDIT] = "audit",
    [KILN_KEYCLI_DELETE] = "delete",         [KILN_KEYCLI_SIGN] = "sign",
    [KILN_KEYCLI_PUBLIC_KEY] = "public-key", [KILN_KEYCLI_CHANGE_PASSWORD] = "change-password",
};

#define BIT(c)   (1u << KILN_KEYCLI_##c)
#define ALL      ((1u << KILN_KEYCLI_COMMANDS) - 1)
#define MAKES    (BIT(GENERATE) | BIT(STORE) | BIT(IMPORT))
#define GIVES    (BIT(GENERATE) | BIT(RETRIEVE) | BIT(EXPORT))
#define WITH_KEY (BIT(RETRIEVE) | BIT(EXPORT) | BIT(DELETE) | BIT(SIGN) | BIT(PUBLIC_KEY))

static const char *const stretches[] = {"default", "rfc9807", "single", NULL};
static const char *const kinds[] = {"backup", "held", "signing", "any", NULL};
static const char *const logs[] = {"all", "system", "keys", NULL};

#define AT(f) offsetof(struct kiln_keycli_options, f)
#define TEXT(n, c, f)                                                                              \
	{                                                                                          \
		n, c, KILN_KEYS_FLAG_TEXT, AT(f), 0, 0, NULL                                       \
	}
#define SWITCH(n, c, f)                                                                            \
	{                                                                                          \
		n, c, KILN_KEYS_FLAG_SWITCH, AT(f), 0, 0, NULL                                     \
	}
#define WORD(n, c, f, w)                                                                           \
	{                                                                                          \
		n, c, KILN_KEYS_FLAG_WORD, AT(f), 0, 0, w                                          \
	}
#define FD(n, c, f)                                                                                \
	{                                                                                          \
		n, c, KILN_KEYS_FLAG_COUNT, AT(f), 0, 1023, NULL                                   \
	}
#define LINES(n, f)                                                                                \
	{                                                                                          \
		n, BIT(AUDIT), KILN_KEYS_FLAG_COUNT, AT(f), 1, KILN_KEYS_AUDIT_LINES_MAX, NULL     \
	}

static const struct kiln_keys_flag flags[] = {
    TEXT("server", ALL, server),
    TEXT("cacert", ALL, cacert),
    TEXT("server-name", ALL, server_name),
    TEXT("server-identity", ALL, server_identity),
    TEXT("server-key", ALL, server_key_text),
    TEXT("account", ALL, account),
    TEXT("device-file", ALL, device_file),
    TEXT("password-file", ALL, password.file),
    FD("password-fd", ALL, password.fd),
    TEXT("new-password-file", BIT(CHANGE_PASSWORD), new_password.file),
    FD("new-password-fd", BIT(CHANGE_PASSWORD), new_password.fd),
    TEXT("token-file", BIT(REGISTER), token.file),
    FD("token-fd", BIT(REGISTER), token.fd),
    SWITCH("ask-token", BIT(REGISTER), ask_token),
    WORD("stretch", ALL, stretch, stretches),
    {"timeout", ALL, KILN_KEYS_FLAG_DURATION, AT(timeout_ms), 1000, 3600000, NULL},
    TEXT("in", BIT(STORE) | BIT(IMPORT) | BIT(SIGN), in),
    TEXT("out", GIVES | BIT(SIGN), out),
    TEXT("local", MAKES | BIT(RETRIEVE), local),
    SWITCH("show", GIVES, show),
    SWITCH("json", ALL, json),
    SWITCH("at-server", BIT(GENERATE) | BIT(IMPORT), at_server),
    SWITCH("signing", BIT(GENERATE) | BIT(IMPORT), signing),
    SWITCH("exported", BIT(IMPORT) | BIT(STORE), exported),
    SWITCH("local-use", BIT(RETRIEVE), local_use),
    TEXT("digest", BIT(SIGN), digest_text),
    WORD("which", BIT(AUDIT), which, logs),
    WORD("kind", BIT(RETRIEVE) | BIT(EXPORT), kind, kinds),
    TEXT("after", BIT(AUDIT), after),
    TEXT("before", BIT(AUDIT), before),
    {"from", BIT(AUDIT), KILN_KEYS_FLAG_COUNT, AT(from), 1, INT64_MAX, NULL},
    LINES("limit", limit),
    LINES("last", last),
    {"key", BIT(AUDIT), KILN_KEYS_FLAG_LIST, AT(keys), 0, 0, NULL},
};

bool kiln_keycli_find(const char *name, enum kiln_keycli_command *command)
{
	for (unsigned i = 0; i < KILN_KEYCLI_COMMANDS; i++)
		if (strcmp(name, kiln_keycli_names[i]) == 0) {
			*command = (enum kiln_keycli_command)i;
			return true;
		}
	return false;
}

/* ---- values --------------------------------------------------------------------------------- */

static enum kiln_code read_hex(const char *what, const char *text, uint8_t *out, size_t len,
			       struct kiln_error *err)
{
	if (strlen(text) == 2 * len && kiln_hex_decode(text, 2 * len, out))
		return KILN_OK;
	return kiln_fail(err, KILN_E_CONFIG, "%s %.80s: it has %zu hexadecimal digits", what, text,
			 2 * len);
}

static enum kiln_code add_key(struct kiln_keycli_options *o, const char *what, const char *text,
			      struct kiln_error *err)
{
	if (o->key_id_count == KILN_KEYCLI_IDS_MAX)
		return kiln_fail(err, KILN_E_CONFIG, "--key: at most %d of them",
				 KILN_KEYCLI_IDS_MAX);
	return read_hex(what, text, o->key_ids[o->key_id_count++], KILN_KEYS_KEY_ID_LEN, err);
}

/* "2026-01-31" or "2026-01-31T23:59:59Z", UTC; a day is meant from its beginning, or (last) to its
 * end. */
static enum kiln_code read_date(const char *flag, const char *text, bool last, uint64_t *ms,
				struct kiln_error *err)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	const bool whole_day = end != NULL && *end == '\0';
	if (!whole_day) {
		tm = (struct tm){0};
		end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	}
	const int day = tm.tm_mday;
	const time_t t = end != NULL && *end == '\0' ? timegm(&tm) : -1;
	if (t < 0 || tm.tm_mday != day) /* the 31st of a month that has 30 */
		return kiln_fail(err, KILN_E_CONFIG,
				 "%s %.40s: write 2026-01-31 or 2026-01-31T23:59:59Z (UTC)", flag,
				 text);
	*ms = ((uint64_t)t + (whole_day && last ? 86399 : 0)) * 1000 + (last ? 999 : 0);
	return KILN_OK;
}

/* ---- what no single flag can tell ----------------------------------------------------------- */

static bool offline(const struct kiln_keycli_options *o)
{
	return o->command == KILN_KEYCLI_RETRIEVE && o->local != NULL && o->server == NULL;
}

static enum kiln_code check_server(struct kiln_keycli_options *o, struct kiln_error *err)
{
	if (!offline(o) && o->server == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "--server HOST:PORT is missing");
	if (!offline(o) && (o->account == NULL || o->account[0] == '\0'))
		return kiln_fail(err, KILN_E_CONFIG, "--account NAME is missing");
	if (o->server_key_text == NULL)
		return KILN_OK;
	o->pinned = true;
	return read_hex("--server-key", o->server_key_text, o->server_key, sizeof o->server_key,
			err);
}

/* From the standard input. */
static bool reads_input(const struct kiln_keycli_options *o)
{
	return o->in == NULL && o->digest_text == NULL &&
	       (o->command == KILN_KEYCLI_STORE || o->command == KILN_KEYCLI_IMPORT ||
		o->command == KILN_KEYCLI_SIGN);
}

static enum kiln_code check_sources(const struct kiln_keycli_options *o, struct kiln_error *err)
{
	if (o->password.file != NULL && o->password.fd != KILN_KEYCLI_NO_FD)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--password-file and --password-fd: choose one");
	if (o->new_password.file != NULL && o->new_password.fd != KILN_KEYCLI_NO_FD)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--new-password-file and --new-password-fd: choose one");
	if ((o->token.file != NULL) + (o->token.fd != KILN_KEYCLI_NO_FD) + o->ask_token > 1)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--token-file, --token-fd and --ask-token: choose one");
	if (o->token.fd != KILN_KEYCLI_NO_FD && o->token.fd == o->password.fd)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--token-fd and --password-fd: two descriptors");
	if (o->new_password.fd != KILN_KEYCLI_NO_FD && o->new_password.fd == o->password.fd)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--new-password-fd and --password-fd: two descriptors");
	if (reads_input(o) && o->password.fd == STDIN_FILENO)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--password-fd 0: the standard input is what `kiln keys %s` is "
				 "given; --in FILE, or another descriptor",
				 kiln_keycli_names[o->command]);
	return KILN_OK;
}

static enum kiln_code check_shape(const struct kiln_keycli_options *o, struct kiln_error *err)
{
	if (o->at_server && o->signing)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--signing keys are always at the server; leave out --at-server");
	if (o->local != NULL && (o->at_server || o->signing))
		return kiln_fail(err, KILN_E_CONFIG,
				 "--local is for secrets that this device seals; what is kept at "
				 "the server stays there");
	if (o->command == KILN_KEYCLI_GENERATE && (o->at_server || o->signing) &&
	    (o->show || o->out != NULL))
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "what the server generates stays there; `kiln keys retrieve` gives "
		    "it");
	if (o->command == KILN_KEYCLI_EXPORT && o->out == NULL)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--out FILE is missing: a new file, mode 0600");
	if (o->command == KILN_KEYCLI_SIGN && o->digest_text != NULL && o->in != NULL)
		return kiln_fail(err, KILN_E_CONFIG, "--in and --digest: choose one");
	if (o->limit > 0 && o->last > 0)
		return kiln_fail(err, KILN_E_CONFIG, "--limit and --last: choose one");
	return KILN_OK;
}

static enum kiln_code check_values(struct kiln_keycli_options *o, struct kiln_error *err)
{
	enum kiln_code rc = KILN_OK;
	if (o->digest_text != NULL)
		rc = read_hex("--digest", o->digest_text, o->digest, sizeof o->digest, err);
	for (size_t i = 0; rc == KILN_OK && i < o->keys.count; i++)
		rc = add_key(o, "--key", o->keys.at[i], err);
	if (rc == KILN_OK && o->after != NULL)
		rc = read_date("--after", o->after, false, &o->after_ms, err);
	if (rc == KILN_OK && o->before != NULL)
		rc = read_date("--before", o->before, true, &o->before_ms, err);
	return rc;
}

static enum kiln_code check(struct kiln_keycli_options *o, const char *word, struct kiln_error *err)
{
	enum kiln_code rc = check_server(o, err);
	if (rc == KILN_OK && (WITH_KEY >> o->command & 1u) != 0)
		rc = word == NULL ? kiln_fail(err, KILN_E_CONFIG,
					      "KEY is missing: the key id that `kiln keys %s` is "
					      "about",
					      kiln_keycli_names[o->command])
				  : add_key(o, "key id", word, err);
	if (rc == KILN_OK)
		rc = check_sources(o, err);
	if (rc == KILN_OK)
		rc = check_shape(o, err);
	return rc == KILN_OK ? check_values(o, err) : rc;
}

enum kiln_code kiln_keycli_options_read(struct kiln_keycli_options *o,
					enum kiln_keycli_command command, int argc,
					char *const argv[], struct kiln_error *err)
{
	const char *word = NULL;
	char program[48];
	size_t words = 0;
	*o = (struct kiln_keycli_options){
	    .command = command,
	    .password.fd = KILN_KEYCLI_NO_FD,
	    .new_password.fd = KILN_KEYCLI_NO_FD,
	    .token.fd = KILN_KEYCLI_NO_FD,
	    .timeout_ms = 60000,
	};
	(void)snprintf(program, sizeof program, "kiln keys %s", kiln_keycli_names[command]);
	const struct kiln_keys_command_line line = {
	    .program = program,
	    .flags = flags,
	    .count = sizeof flags / sizeof flags[0],
	    .command = 1u << command,
	    .options = o,
	    .words = &word,
	    .word_max = (WITH_KEY >> command & 1u) != 0 ? 1 : 0,
	    .word_count = &words,
	    .help = &o->help,
	};
	const enum kiln_code rc = kiln_keys_flags_read(&line, argc, argv, err);
	return rc != KILN_OK || o->help ? rc : check(o, word, err);
}

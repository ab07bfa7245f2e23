/* SPDX-License-Identifier: Apache-2.0
 * The command line of `kiln keys serve`; see options.h. */
#include "keys/serve/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/values.h"
#include "keys/store/open.h"
#include "log/level.h"
#include "net/address.h"

#define DAY_MS (UINT64_C(24) * 3600 * 1000)

static const char *const registrations[] = {"closed", "token", "open", NULL};
static const char *const formats[] = {"text", "json", NULL};
static const char *const levels[] = {"debug", "info", "warning", "error", NULL};

#define AT(f) offsetof(struct kiln_keys_serve_options, f)
#define TEXT(n, f)                                                                                 \
	{                                                                                          \
		n, 1, KILN_KEYS_FLAG_TEXT, AT(f), 0, 0, NULL                                       \
	}
#define SWITCH(n, f)                                                                               \
	{                                                                                          \
		n, 1, KILN_KEYS_FLAG_SWITCH, AT(f), 0, 0, NULL                                     \
	}
#define WORD(n, f, w)                                                                              \
	{                                                                                          \
		n, 1, KILN_KEYS_FLAG_WORD, AT(f), 0, 0, w                                          \
	}
#define COUNT(n, f, from, to)                                                                      \
	{                                                                                          \
		n, 1, KILN_KEYS_FLAG_COUNT, AT(f), from, to, NULL                                  \
	}
#define TIME(n, f, from, to)                                                                       \
	{                                                                                          \
		n, 1, KILN_KEYS_FLAG_DURATION, AT(f), from, to, NULL                               \
	}

static const struct kiln_keys_flag flags[] = {
    TEXT("listen", listen),
    TEXT("handoff-user", handoff_user),
    TEXT("handoff-mode", handoff_mode),
    TEXT("user", user),
    TEXT("store", store),
    TEXT("key-file", key_file),
    TEXT("key-credential", key_credential),
    TEXT("other-key-file", other_key_file),
    COUNT("key-fd", key_fd, 0, 1023),
    TEXT("anchor", anchor),
    COUNT("max-keys", max_keys, 1, 10000000),
    COUNT("audit-days", audit_days, 1, KILN_STORE_AUDIT_DAYS_MAX),
    COUNT("store-cache", store_cache, 8, 65536),
    TEXT("tokens", tokens),
    WORD("registration", registration, registrations),
    TEXT("server-identity", identity),
    SWITCH("allow-unbound", no_binding),
    COUNT("max-connections", max_connections, 1, 1000000),
    COUNT("max-connections-per-source", max_per_source, 1, 1000000),
    COUNT("max-sessions", max_sessions, 1, 1000000),
    COUNT("max-sessions-per-connection", max_sessions_per_connection, 1, 65536),
    COUNT("max-detached", max_detached, 1, 1000000),
    TIME("idle-timeout", idle_ms, 1000, DAY_MS),
    TIME("login-timeout", login_ms, 1000, DAY_MS),
    TIME("request-timeout", request_ms, 1000, DAY_MS),
    TIME("resume-timeout", resume_ms, 1000, DAY_MS),
    TIME("shutdown-timeout", shutdown_ms, 0, DAY_MS),
    {"limit", 1, KILN_KEYS_FLAG_LIST, AT(limit_texts), 0, 0, NULL},
    WORD("log-format", log_format, formats),
    WORD("log-level", log_level, levels),
    SWITCH("log-accounts", log_accounts),
};

/* ---- --limit KIND=FREE,FIRST,MOST,FORGET ---------------------------------------------------- */

static const struct {
	const char *name;
	enum kiln_keys_limit_kind kind;
} kinds[] = {
    {"source", KILN_KEYS_LIMIT_SOURCE},
    {"stranger", KILN_KEYS_LIMIT_STRANGER},
    {"known", KILN_KEYS_LIMIT_KNOWN},
    {"register", KILN_KEYS_LIMIT_REGISTER},
};

static enum kiln_code bad_limit(const char *text, struct kiln_error *err)
{
	return kiln_fail(err, KILN_E_CONFIG,
			 "--limit %.60s: write KIND=FREE,FIRST,MOST,FORGET, such as "
			 "source=20,1s,5m,30s; KIND is source, stranger, known or register",
			 text);
}

static enum kiln_code read_limit(const char *text, struct kiln_keys_limit *limit,
				 struct kiln_error *err)
{
	char copy[64], *rest = NULL, *parts[5];
	uint64_t free_ones, ms[3];
	size_t count = 0;
	if (snprintf(copy, sizeof copy, "%s", text) >= (int)sizeof copy)
		return bad_limit(text, err);
	for (char *p = strtok_r(copy, ",", &rest); p != NULL && count < 5;
	     p = strtok_r(NULL, ",", &rest))
		parts[count++] = p;
	if (count != 4)
		return bad_limit(text, err);
	enum kiln_code rc =
	    kiln_value_count("--limit, FREE", parts[0], 1, 1000000, &free_ones, err);
	for (size_t i = 0; rc == KILN_OK && i < 3; i++)
		rc = kiln_value_duration("--limit", parts[i + 1], &ms[i], err);
	if (rc != KILN_OK)
		return rc;
	if (ms[0] == 0 || ms[1] < ms[0] || ms[2] == 0 || ms[1] > DAY_MS || ms[2] > DAY_MS)
		return bad_limit(text, err);
	*limit = (struct kiln_keys_limit){.free = (uint32_t)free_ones,
					  .first_ms = (uint32_t)ms[0],
					  .most_ms = (uint32_t)ms[1],
					  .forget_ms = (uint32_t)ms[2]};
	return KILN_OK;
}

static enum kiln_code take_limit(struct kiln_keys_serve_options *o, const char *text,
				 struct kiln_error *err)
{
	const char *equals = strchr(text, '=');
	const size_t len = equals != NULL ? (size_t)(equals - text) : 0;
	for (size_t i = 0; equals != NULL && i < sizeof kinds / sizeof kinds[0]; i++)
		if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, text, len) == 0)
			return read_limit(equals + 1, &o->limits[kinds[i].kind], err);
	return bad_limit(text, err);
}

/* ---- what no single flag can tell ----------------------------------------------------------- */

static enum kiln_code check_listen(struct kiln_keys_serve_options *o, struct kiln_error *err)
{
	struct kiln_address address;
	if (o->listen == NULL)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--listen unix:PATH is missing: where `kiln server --handoff` "
				 "brings connections");
	const enum kiln_code rc = kiln_address_parse("--listen", o->listen, &address, err);
	if (rc != KILN_OK)
		return rc;
	if (!address.is_unix)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--listen %.80s: write unix:PATH; TLS is `kiln server`'s, which "
				 "hands its connections off there",
				 o->listen);
	o->path = o->listen + strlen("unix:");
	return KILN_OK;
}

static enum kiln_code check_mode(struct kiln_keys_serve_options *o, struct kiln_error *err)
{
	char *end;
	if (o->handoff_mode == NULL)
		return KILN_OK;
	const unsigned long mode = strtoul(o->handoff_mode, &end, 8);
	if (*end != '\0' || end == o->handoff_mode || mode == 0 || mode > 0777)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--handoff-mode %.20s: an octal number such as 0660",
				 o->handoff_mode);
	o->mode = (unsigned)mode;
	return KILN_OK;
}

static enum kiln_code check(struct kiln_keys_serve_options *o, struct kiln_error *err)
{
	enum kiln_code rc = check_listen(o, err);
	if (rc == KILN_OK)
		rc = check_mode(o, err);
	for (size_t i = 0; rc == KILN_OK && i < o->limit_texts.count; i++)
		rc = take_limit(o, o->limit_texts.at[i], err);
	if (rc != KILN_OK)
		return rc;
	if (o->store == NULL)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--store is missing: sqlite:PATH or postgresql:SETTINGS, as "
				 "`kiln keys init` made it");
	if ((o->key_file != NULL) + (o->key_credential != NULL) + (o->key_fd != UINT64_MAX) != 1)
		return kiln_fail(err, KILN_E_CONFIG,
				 "the store's key is missing, or there twice: one of --key-file "
				 "FILE, --key-credential NAME and --key-fd N");
	if (o->tokens != NULL && o->registration != KILN_KEYS_REGISTRATION_TOKEN)
		return kiln_fail(err, KILN_E_CONFIG, "--tokens goes with --registration token");
	if (o->identity != NULL && (o->identity[0] == '\0' || strlen(o->identity) > 255))
		return kiln_fail(err, KILN_E_CONFIG, "--server-identity: 1 to 255 bytes");
	return KILN_OK;
}

enum kiln_code kiln_keys_serve_options_read(struct kiln_keys_serve_options *o, int argc,
					    char *const argv[], struct kiln_error *err)
{
	size_t words = 0;
	*o = (struct kiln_keys_serve_options){
	    .registration = KILN_KEYS_REGISTRATION_CLOSED,
	    .key_fd = UINT64_MAX,
	    .max_keys = 10000,
	    .store_cache = 128,
	    .max_sessions = 65536,
	    .max_sessions_per_connection = 64,
	    .max_detached = 4096,
	    .idle_ms = 180000,
	    .login_ms = 120000,
	    .request_ms = 60000,
	    .resume_ms = 30000,
	    .shutdown_ms = 30000,
	    .log_level = KILN_LOG_INFO,
	};
	const struct kiln_keys_command_line line = {
	    .program = "kiln keys serve",
	    .flags = flags,
	    .count = sizeof flags / sizeof flags[0],
	    .command = 1,
	    .options = o,
	    .word_count = &words,
	    .help = &o->help,
	};
	const enum kiln_code rc = kiln_keys_flags_read(&line, argc, argv, err);
	return rc != KILN_OK || o->help ? rc : check(o, err);
}

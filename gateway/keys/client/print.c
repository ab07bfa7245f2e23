/* SPDX-License-Identifier: Apache-2.0
 * What the client's commands print; see print.h. */
#include "keys/client/print.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/hex.h"
#include "cli/json_text.h"

#define LABEL_WIDTH 12

void kiln_keycli_print_begin(struct kiln_keycli_answer *a, const struct kiln_keycli_options *o)
{
	a->options = o;
	a->json = o->json ? json_object() : NULL;
	if (a->json != NULL)
		(void)json_object_set_new(a->json, "ok", json_true());
}

void kiln_keycli_print_text(struct kiln_keycli_answer *a, const char *name, const char *label,
			    const char *value)
{
	if (a->json != NULL)
		(void)json_object_set_new(a->json, name, kiln_cli_json_text(value));
	else if (label != NULL)
		(void)printf("%-*s%s\n", LABEL_WIDTH, label, value);
}

void kiln_keycli_print_hex(struct kiln_keycli_answer *a, const char *name, const char *label,
			   const uint8_t *data, size_t len)
{
	char text[2 * KILN_KEYS_SECRET_MAX + 1];
	if (len > KILN_KEYS_SECRET_MAX)
		return;
	kiln_hex_encode(data, len, text);
	kiln_keycli_print_text(a, name, label, text);
	kiln_wipe(text, sizeof text);
}

void kiln_keycli_print_number(struct kiln_keycli_answer *a, const char *name, uint64_t value)
{
	if (a->json != NULL)
		(void)json_object_set_new(a->json, name, json_integer((json_int_t)value));
}

void kiln_keycli_print_say(const struct kiln_keycli_answer *a, const char *format, ...)
{
	va_list arguments;
	if (a->json != NULL)
		return;
	va_start(arguments, format);
	(void)vprintf(format, arguments);
	va_end(arguments);
	(void)putchar('\n');
}

/* ---- the audit log -------------------------------------------------------------------------- */

static void time_text(uint64_t ms, char text[32])
{
	const time_t t = (time_t)(ms / 1000);
	struct tm tm;
	text[0] = '\0';
	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void source_text(const uint8_t source[KILN_KEYS_SOURCE_LEN], char text[INET6_ADDRSTRLEN])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}, none[KILN_KEYS_SOURCE_LEN];
	const bool v4 = memcmp(source, mapped, sizeof mapped) == 0;
	(void)snprintf(text, INET6_ADDRSTRLEN, "-");
	if (memcmp(source, none, sizeof none) != 0)
		(void)inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? source + 12 : source, text,
				INET6_ADDRSTRLEN);
}

static void audit_row(const struct kiln_keys_audit *e)
{
	char when[32], source[INET6_ADDRSTRLEN], key[2 * KILN_KEYS_KEY_ID_LEN + 1] = "";
	time_text(e->time_ms, when);
	source_text(e->source, source);
	if (e->has_key)
		kiln_hex_encode(e->key_id, sizeof e->key_id, key);
	(void)printf("%6llu  %s  %-23s  %-8s  %-14s  %-15s  %s\n", (unsigned long long)e->number,
		     when, kiln_keys_action_name(e->action), kiln_keys_actor_name(e->actor),
		     e->outcome == 0 ? "ok" : kiln_keys_error_name(e->outcome), source, key);
}

static json_t *audit_json(const struct kiln_keys_audit *e)
{
	char when[32], source[INET6_ADDRSTRLEN], key[2 * KILN_KEYS_KEY_ID_LEN + 1];
	time_text(e->time_ms, when);
	source_text(e->source, source);
	json_t *object = json_pack(
	    "{s:I, s:s, s:I, s:s, s:s, s:s, s:s}", "number", (json_int_t)e->number, "time", when,
	    "time_ms", (json_int_t)e->time_ms, "action", kiln_keys_action_name(e->action), "actor",
	    kiln_keys_actor_name(e->actor), "outcome",
	    e->outcome == 0 ? "ok" : kiln_keys_error_name(e->outcome), "source", source);
	if (e->has_key) {
		kiln_hex_encode(e->key_id, sizeof e->key_id, key);
		(void)json_object_set_new(object, "key_id", json_string(key));
	}
	return object;
}

void kiln_keycli_print_audit(struct kiln_keycli_answer *a, const struct kiln_keys_audit *entries,
			     size_t count, uint64_t next)
{
	json_t *list = a->json != NULL ? json_array() : NULL;
	if (a->json == NULL && count > 0)
		(void)printf("%6s  %-20s  %-23s  %-8s  %-14s  %-15s  %s\n", "number", "time (UTC)",
			     "action", "actor", "outcome", "source", "key");
	for (size_t i = 0; i < count; i++) {
		if (a->json != NULL)
			(void)json_array_append_new(list, audit_json(&entries[i]));
		else
			audit_row(&entries[i]);
	}
	if (a->json != NULL) {
		(void)json_object_set_new(a->json, "entries", list);
		(void)json_object_set_new(a->json, "complete", json_boolean(next == 0));
		if (next != 0)
			(void)json_object_set_new(a->json, "next", json_integer((json_int_t)next));
	} else if (next != 0) {
		(void)printf("The log goes on: --from %llu shows more.\n",
			     (unsigned long long)next);
	} else if (count == 0) {
		(void)puts("nothing in the log passes");
	}
}

bool kiln_keycli_print_end(struct kiln_keycli_answer *a)
{
	bool ok = true;
	if (a->json != NULL) {
		ok = json_dumpf(a->json, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) == 0;
		(void)putchar('\n');
		json_decref(a->json);
		a->json = NULL;
	}
	return fflush(stdout) == 0 && ok;
}

/* ---- errors --------------------------------------------------------------------------------- */

/* Exit statuses, in every command's --help. */
static int status_of(enum kiln_code code)
{
	switch (code) {
	case KILN_E_CONFIG:
	case KILN_E_USAGE: return 2;
	case KILN_E_KEYS_PASSWORD: return 3;
	case KILN_E_KEYS_LIMITED:
	case KILN_E_KEYS_BUSY: return 4;
	case KILN_E_KEYS_CLOSED:
	case KILN_E_KEYS_NAME:
	case KILN_E_KEYS_KEY:
	case KILN_E_KEYS_REFUSED: return 5;
	default: return 1;
	}
}

static const char *advice(const struct kiln_keycli_options *o, enum kiln_code code)
{
	switch (code) {
	case KILN_E_CERT_INVALID:
		return "Whose certificate is it? --cacert FILE names the authority to trust; "
		       "without "
		       "it the system's are.";
	case KILN_E_NAME_MISMATCH:
		return "The certificate is for another name: --server-name NAME, if that is meant.";
	case KILN_E_KEYS_SERVER: return "Do not enter the password there before you know why.";
	case KILN_E_KEYS_CLOSED:
		return "Ask whoever runs the server; with a token: --token-file FILE, "
		       "--token-fd N or --ask-token.";
	case KILN_E_KEYS_STORED:
		if (o->server == NULL ||
		    (o->command != KILN_KEYCLI_RETRIEVE && o->command != KILN_KEYCLI_EXPORT))
			return NULL;
		return "If it was left in the server's hands, ask for it as what it is: --kind "
		       "held. A backup that does not open was damaged or altered.";
	case KILN_E_KEYS_OUTCOME:
		return o->command == KILN_KEYCLI_CHANGE_PASSWORD
			   ? "`kiln keys login-test` tells which of the two passwords it is now."
			   : "`kiln keys audit` tells what was done.";
	default: return NULL;
	}
}

struct failure {
	const struct kiln_error *err;
	const char *command, *help;
	uint32_t retry_after_ms;
	char key[2 * KILN_KEYS_KEY_ID_LEN + 1]; /* "": none */
};

static bool print_failure_json(const struct failure *f)
{
	json_t *all = json_pack("{s:b, s:s, s:o}", "ok", 0, "code", kiln_code_name(f->err->code),
				"error", kiln_cli_json_text(f->err->message));
	if (f->retry_after_ms > 0)
		(void)json_object_set_new(all, "retry_after_ms", json_integer(f->retry_after_ms));
	if (f->help != NULL)
		(void)json_object_set_new(all, "advice", json_string(f->help));
	if (f->key[0] != '\0')
		(void)json_object_set_new(all, "key_id", json_string(f->key));
	const bool ok =
	    all != NULL && json_dumpf(all, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII) == 0;
	(void)putchar('\n');
	json_decref(all);
	return fflush(stdout) == 0 && ok;
}

static void print_failure(const struct failure *f)
{
	(void)fprintf(stderr, "kiln keys %s: %s\n", f->command, f->err->message);
	if (f->key[0] != '\0')
		(void)fprintf(stderr, "The server has it all the same, as key %s.\n", f->key);
	if (f->help != NULL)
		(void)fprintf(stderr, "%s\n", f->help);
}

int kiln_keycli_print_error(const struct kiln_keycli_options *o, const struct kiln_error *err,
			    uint32_t retry_after_ms, const uint8_t *key_id)
{
	struct failure failure = {
	    .err = err,
	    .command = kiln_keycli_names[o->command],
	    .help = advice(o, err->code),
	    .retry_after_ms = retry_after_ms,
	};
	if (key_id != NULL)
		kiln_hex_encode(key_id, KILN_KEYS_KEY_ID_LEN, failure.key);
	if (!o->json || !print_failure_json(&failure))
		print_failure(&failure);
	return status_of(err->code);
}

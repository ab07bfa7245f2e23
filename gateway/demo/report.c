/* SPDX-License-Identifier: Apache-2.0
 * What the demo prints of a part, for people or as JSON; every figure is from a log line or from
 * the transfer itself. */
#include "demo/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool be_quiet;

void kiln_demo_quiet(bool quiet)
{
	be_quiet = quiet;
}

void kiln_demo_say(const char *format, ...)
{
	va_list args;
	if (be_quiet)
		return;
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	(void)putchar('\n');
	(void)fflush(stdout);
}

static const char *text(const json_t *line, const char *key)
{
	const char *value = json_string_value(json_object_get(line, key));
	return value != NULL ? value : "-";
}

static double number(const json_t *line, const char *key)
{
	return json_number_value(json_object_get(line, key));
}

static void hex(const uint8_t hash[KILN_DEMO_HASH], char out[2 * KILN_DEMO_HASH + 1])
{
	for (size_t i = 0; i < KILN_DEMO_HASH; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static bool is(const json_t *line, const char *key, const char *value)
{
	return strcmp(text(line, key), value) == 0;
}

/* ---- what there is to judge ---------------------------------------------------------------- */

static bool is_refused(const struct kiln_demo_refusal *r)
{
	return !r->got_through &&
	       is(r->by_server ? r->server : r->client, "close", "access_denied");
}

static bool is_well(const struct kiln_demo_part *p)
{
	bool well = p->refusal_count > 0 && kiln_demo_matches(&p->transfer) &&
		    is(p->server_conn, "close", "ok") && is(p->client_conn, "close", "ok") &&
		    is(p->server_conn, "identity", p->client_name) &&
		    is(p->client_conn, "identity", p->server_name);
	for (unsigned i = 0; i < p->refusal_count; i++)
		well = well && is_refused(&p->refusals[i]);
	return well;
}

/* ---- text ---------------------------------------------------------------------------------- */

static void print_side(const char *side, const json_t *ready, const json_t *conn)
{
	const bool reason = json_object_get(conn, "path_reason") != NULL;
	kiln_demo_say("  %-7s verified %s", side, text(conn, "identity"));
	kiln_demo_say("          path %s%s%s, %s, handshake %.1f ms; %s, steered by %s",
		      text(conn, "path"), reason ? ": " : "",
		      reason ? text(conn, "path_reason") : "", text(conn, "cipher"),
		      number(conn, "handshake_ms"), text(ready, "engine"),
		      is(ready, "steering", "ebpf") ? "eBPF" : "the kernel's hash");
}

static void print_hashes(const struct kiln_demo_transfer *t)
{
	char sent[2 * KILN_DEMO_HASH + 1], arrived[2 * KILN_DEMO_HASH + 1];
	hex(t->sent_hash, sent);
	hex(t->receipt.received_hash, arrived);
	kiln_demo_say("  up      %llu bytes, SHA-256 %.16s… sent, %.16s… arrived",
		      (unsigned long long)t->sent, sent, arrived);
	hex(t->receipt.sent_hash, sent);
	hex(t->received_hash, arrived);
	kiln_demo_say("  down    %llu bytes, SHA-256 %.16s… sent, %.16s… arrived",
		      (unsigned long long)t->received, sent, arrived);
	kiln_demo_say("  both    %.2f s, the whole way through two gateways", t->seconds);
}

/* Who came, unless the error tells it: a side that let the other in and was left does not. */
static const char *who_came(const json_t *conn)
{
	const char *identity = json_string_value(json_object_get(conn, "identity"));
	return identity != NULL && strstr(text(conn, "error"), identity) == NULL ? identity : NULL;
}

static void print_refused_side(const char *side, const json_t *conn)
{
	const bool alert = json_object_get(conn, "alert_sent") != NULL;
	const char *who = who_came(conn);
	kiln_demo_say("    %-7s %s%s%s%s%s", side, who != NULL ? who : "",
		      who != NULL ? " came, and may; " : "", text(conn, "error"),
		      alert ? "; it sent the alert " : "", alert ? text(conn, "alert_sent") : "");
}

bool kiln_demo_part_report(const struct kiln_demo_part *p)
{
	const bool well = is_well(p);
	print_side("server", p->server_ready, p->server_conn);
	print_side("client", p->client_ready, p->client_conn);
	print_hashes(&p->transfer);
	for (unsigned i = 0; i < p->refusal_count; i++) {
		const struct kiln_demo_refusal *r = &p->refusals[i];
		kiln_demo_say("  turned away: %s", r->who);
		print_refused_side("server", r->server);
		print_refused_side("client", r->client);
	}
	if (!kiln_demo_matches(&p->transfer))
		kiln_demo_say("  The bytes that arrived are NOT those sent.");
	else if (!well)
		kiln_demo_say("  This is NOT as it should be.");
	return well;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static json_t *refusals_json(const struct kiln_demo_part *p)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < p->refusal_count; i++) {
		const struct kiln_demo_refusal *r = &p->refusals[i];
		(void)json_array_append_new(list, json_pack("{s:s, s:b, s:O?, s:O?}", "who", r->who,
							    "refused", is_refused(r), "server",
							    r->server, "client", r->client));
	}
	return list;
}

json_t *kiln_demo_part_json(const struct kiln_demo_part *p)
{
	char up[2][2 * KILN_DEMO_HASH + 1], down[2][2 * KILN_DEMO_HASH + 1];
	const struct kiln_demo_transfer *t = &p->transfer;
	hex(t->sent_hash, up[0]);
	hex(t->receipt.received_hash, up[1]);
	hex(t->receipt.sent_hash, down[0]);
	hex(t->received_hash, down[1]);
	return json_pack("{s:b, s:I, s:I, s:{s:s, s:s}, s:{s:s, s:s}, s:f, s:O?, s:O?, s:o}", "ok",
			 is_well(p), "bytes_up", (json_int_t)t->sent, "bytes_down",
			 (json_int_t)t->received, "sha256_up", "sent", up[0], "arrived", up[1],
			 "sha256_down", "sent", down[0], "arrived", down[1], "seconds", t->seconds,
			 "server", p->server_conn, "client", p->client_conn, "refused",
			 refusals_json(p));
}

void kiln_demo_part_clear(struct kiln_demo_part *p)
{
	json_decref(p->server_ready);
	json_decref(p->client_ready);
	json_decref(p->server_conn);
	json_decref(p->client_conn);
	for (unsigned i = 0; i < p->refusal_count; i++) {
		json_decref(p->refusals[i].server);
		json_decref(p->refusals[i].client);
	}
	memset(p, 0, sizeof *p);
}

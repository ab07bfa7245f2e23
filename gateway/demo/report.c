/* SPDX-License-Identifier: Apache-2.0
 * What the demo prints, for people or as one JSON object; every figure is from a log line or from
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

static void print_side(const char *side, const json_t *ready, const json_t *conn)
{
	kiln_demo_say("  %-7s path %s%s%s, %s, handshake %.1f ms, peer %s", side,
		      text(conn, "path"), json_object_get(conn, "path_reason") != NULL ? ": " : "",
		      json_object_get(conn, "path_reason") != NULL ? text(conn, "path_reason") : "",
		      text(conn, "cipher"), number(conn, "handshake_ms"), text(conn, "identity"));
	kiln_demo_say("          %s, %d workers, steered by %s", text(ready, "engine"),
		      (int)number(ready, "workers"),
		      strcmp(text(ready, "steering"), "ebpf") == 0 ? "eBPF" : "the kernel's hash");
}

static void print_hashes(const struct kiln_demo_transfer *t)
{
	char mine[2 * KILN_DEMO_HASH + 1], theirs[2 * KILN_DEMO_HASH + 1];
	hex(t->sent_hash, mine);
	hex(t->receipt.received_hash, theirs);
	kiln_demo_say("  up      %llu bytes, SHA-256 %.16s… sent, %.16s… arrived",
		      (unsigned long long)t->sent, mine, theirs);
	hex(t->receipt.sent_hash, theirs);
	hex(t->received_hash, mine);
	kiln_demo_say("  down    %llu bytes, SHA-256 %.16s… sent, %.16s… arrived",
		      (unsigned long long)t->received, theirs, mine);
	kiln_demo_say("  both    %.2f s, the whole way through two gateways", t->seconds);
}

static void print_json(const struct kiln_demo_outcome *o, bool ok)
{
	char up[2][2 * KILN_DEMO_HASH + 1], down[2][2 * KILN_DEMO_HASH + 1];
	hex(o->transfer.sent_hash, up[0]);
	hex(o->transfer.receipt.received_hash, up[1]);
	hex(o->transfer.receipt.sent_hash, down[0]);
	hex(o->transfer.received_hash, down[1]);
	json_t *all = json_pack(
	    "{s:b, s:I, s:I, s:{s:s, s:s}, s:{s:s, s:s}, s:f, s:O?, s:O?, s:O?, s:O?}", "ok", ok,
	    "bytes_up", (json_int_t)o->transfer.sent, "bytes_down",
	    (json_int_t)o->transfer.received, "sha256_up", "sent", up[0], "arrived", up[1],
	    "sha256_down", "sent", down[0], "arrived", down[1], "seconds", o->transfer.seconds,
	    "server", o->server_conn, "client", o->client_conn, "denied_by_server",
	    o->denied_server, "denied_seen_by_client", o->denied_client);
	if (all != NULL)
		(void)json_dumpf(all, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	(void)putchar('\n');
	json_decref(all);
}

bool kiln_demo_report(const struct kiln_demo_outcome *o, bool json)
{
	const bool intact = kiln_demo_matches(&o->transfer);
	const bool denied = !o->stranger_got_through &&
			    strcmp(text(o->denied_server, "close"), "access_denied") == 0;
	const bool clean = strcmp(text(o->server_conn, "close"), "ok") == 0 &&
			   strcmp(text(o->client_conn, "close"), "ok") == 0;
	const bool ok = intact && denied && clean;
	if (json) {
		print_json(o, ok);
		return ok;
	}
	kiln_demo_say("\nWhat happened");
	print_side("server", o->server_ready, o->server_conn);
	print_side("client", o->client_ready, o->client_conn);
	print_hashes(&o->transfer);
	kiln_demo_say("\nWhat a stranger met");
	kiln_demo_say("  server  %s; it sent the alert %s", text(o->denied_server, "error"),
		      text(o->denied_server, "alert_sent"));
	kiln_demo_say("  client  %s", text(o->denied_client, "error"));
	if (strcmp(text(o->server_conn, "path"), "ktls") != 0)
		kiln_demo_say(
		    "\nThis kernel has no kernel TLS, so the records were protected in user space. "
		    "`./bootstrap demo --vm` shows the same on a kernel that has it.");
	kiln_demo_say("\n%s",
		      ok       ? "All of it worked: every byte arrived, and only the right client."
		      : intact ? "It did NOT all work: see above."
			       : "It did NOT work: the bytes that arrived are not those sent.");
	return ok;
}

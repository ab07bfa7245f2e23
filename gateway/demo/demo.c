/* SPDX-License-Identifier: Apache-2.0
 * `kiln demo`; see demo.h. */
#include "demo/demo.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/values.h"
#include "demo/certs.h"
#include "demo/files.h"
#include "demo/process.h"
#include "demo/report.h"

#define READY_MS      30000
#define TRANSFER_MS   600000
#define DEFAULT_BYTES (UINT64_C(64) * 1024 * 1024)

#define ALLOWED_URI  "spiffe://demo.example/orders"
#define STRANGER_URI "spiffe://demo.example/stranger"

struct demo {
	uint64_t bytes;
	bool json;
	struct kiln_temp_dir dir;
	pid_t backend;
	uint16_t backend_port;
	struct kiln_demo_process server, client, stranger;
	struct kiln_demo_outcome outcome;
};

/* ---- certificates ------------------------------------------------------------------------- */

static enum kiln_code write_pair(struct demo *d, const char *name, const struct kiln_pair *pair,
				 struct kiln_error *err)
{
	char cert[32], key[32];
	(void)snprintf(cert, sizeof cert, "%s.pem", name);
	(void)snprintf(key, sizeof key, "%s.key", name);
	enum kiln_code rc =
	    kiln_file_write(d->dir.fd, cert, pair->cert.data, pair->cert.len, false, false, err);
	if (rc == KILN_OK)
		rc = kiln_file_write(d->dir.fd, key, pair->key.data, pair->key.len, true, false,
				     err);
	return rc;
}

static enum kiln_code issue(struct demo *d, const struct kiln_authority *ca, const char *name,
			    const char *uri, struct kiln_error *err)
{
	const char *const dns[] = {"localhost", NULL}, *const ip[] = {"127.0.0.1", NULL};
	const char *const uris[] = {uri, NULL};
	const bool server = uri == NULL;
	const struct kiln_leaf leaf = {
	    .common_name = name,
	    .dns = server ? dns : NULL,
	    .ip = server ? ip : NULL,
	    .uri = server ? NULL : uris,
	    .for_server = server,
	    .for_client = !server,
	};
	struct kiln_pair pair;
	enum kiln_code rc = kiln_authority_issue(ca, &leaf, &pair, err);
	if (rc == KILN_OK)
		rc = write_pair(d, name, &pair, err);
	kiln_pair_clear(&pair);
	return rc;
}

static enum kiln_code make_certificates(struct demo *d, struct kiln_error *err)
{
	struct kiln_pem pem = {0};
	enum kiln_code rc = kiln_temp_dir_make(&d->dir, err);
	if (rc != KILN_OK)
		return rc;
	struct kiln_authority *ca = kiln_authority_new("Kiln demo CA", (int64_t)time(NULL), 1, err);
	if (ca == NULL)
		return err->code;
	rc = kiln_authority_cert(ca, &pem, err);
	if (rc == KILN_OK)
		rc = kiln_file_write(d->dir.fd, "ca.pem", pem.data, pem.len, false, false, err);
	if (rc == KILN_OK)
		rc = issue(d, ca, "server", NULL, err);
	if (rc == KILN_OK)
		rc = issue(d, ca, "orders", ALLOWED_URI, err);
	if (rc == KILN_OK)
		rc = issue(d, ca, "stranger", STRANGER_URI, err);
	kiln_pem_clear(&pem);
	kiln_authority_free(ca);
	return rc;
}

/* ---- processes ---------------------------------------------------------------------------- */

static enum kiln_code file(const struct demo *d, const char *name, char out[PATH_MAX],
			   struct kiln_error *err)
{
	return kiln_temp_dir_path(&d->dir, name, out, err);
}

static enum kiln_code start_server(struct demo *d, struct kiln_error *err)
{
	char cert[PATH_MAX], key[PATH_MAX], ca[PATH_MAX], target[32];
	(void)snprintf(target, sizeof target, "127.0.0.1:%u", d->backend_port);
	if (file(d, "server.pem", cert, err) != KILN_OK ||
	    file(d, "server.key", key, err) != KILN_OK || file(d, "ca.pem", ca, err) != KILN_OK)
		return err->code;
	const char *const arguments[] = {
	    "server", "--listen", "127.0.0.1:0", "--target", target,        "--cert",    cert,
	    "--key",  key,        "--cacert",    ca,         "--allow-uri", ALLOWED_URI, NULL};
	enum kiln_code rc = kiln_demo_spawn(&d->server, arguments, err);
	if (rc == KILN_OK)
		d->outcome.server_ready = kiln_demo_event(&d->server, "ready", READY_MS, err);
	return d->outcome.server_ready != NULL ? KILN_OK : err->code;
}

/* Starts a client side with one of the certificates; its listening address comes from its log. */
static enum kiln_code start_client(struct demo *d, struct kiln_demo_process *process,
				   const char *name, json_t **ready, struct kiln_error *err)
{
	char cert[PATH_MAX], key[PATH_MAX], ca[PATH_MAX], cert_name[32], key_name[32];
	(void)snprintf(cert_name, sizeof cert_name, "%s.pem", name);
	(void)snprintf(key_name, sizeof key_name, "%s.key", name);
	const char *server = json_string_value(json_object_get(d->outcome.server_ready, "listen"));
	if (file(d, cert_name, cert, err) != KILN_OK || file(d, key_name, key, err) != KILN_OK ||
	    file(d, "ca.pem", ca, err) != KILN_OK || server == NULL)
		return err->code;
	const char *const arguments[] = {
	    "client", "--listen", "127.0.0.1:0", "--target", server,      "--cert", cert,
	    "--key",  key,        "--cacert",    ca,         "--workers", "1",      NULL};
	enum kiln_code rc = kiln_demo_spawn(process, arguments, err);
	if (rc == KILN_OK)
		*ready = kiln_demo_event(process, "ready", READY_MS, err);
	return *ready != NULL ? KILN_OK : err->code;
}

static uint16_t port_of(const json_t *ready)
{
	const char *listen = json_string_value(json_object_get(ready, "listen"));
	const char *colon = listen != NULL ? strrchr(listen, ':') : NULL;
	return colon != NULL ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
}

/* ---- the show ----------------------------------------------------------------------------- */

static enum kiln_code transfer(struct demo *d, struct kiln_error *err)
{
	struct kiln_demo_outcome *o = &d->outcome;
	kiln_demo_say("3. %llu MiB through `kiln client` and `kiln server`, and as many back …",
		      (unsigned long long)(d->bytes >> 20));
	enum kiln_code rc =
	    kiln_demo_exchange(port_of(o->client_ready), d->bytes, &o->transfer, err);
	if (rc != KILN_OK)
		return rc;
	o->client_conn = kiln_demo_event(&d->client, "conn", TRANSFER_MS, err);
	o->server_conn = kiln_demo_event(&d->server, "conn", TRANSFER_MS, err);
	return o->client_conn != NULL && o->server_conn != NULL ? KILN_OK : err->code;
}

static enum kiln_code try_stranger(struct demo *d, struct kiln_error *err)
{
	struct kiln_demo_outcome *o = &d->outcome;
	struct kiln_demo_transfer attempt;
	json_t *ready = NULL;
	kiln_demo_say("4. the same with a certificate of the same CA that is not on the list …");
	enum kiln_code rc = start_client(d, &d->stranger, "stranger", &ready, err);
	if (rc == KILN_OK) {
		struct kiln_error refused = {0};
		o->stranger_got_through =
		    kiln_demo_exchange(port_of(ready), 16, &attempt, &refused) == KILN_OK;
		o->denied_client = kiln_demo_event(&d->stranger, "conn", READY_MS, err);
		o->denied_server = kiln_demo_event(&d->server, "conn", READY_MS, err);
		if (o->denied_client == NULL || o->denied_server == NULL)
			rc = err->code;
	}
	json_decref(ready);
	return rc;
}

static enum kiln_code show(struct demo *d, struct kiln_error *err)
{
	kiln_demo_say("kiln demo: a client, two gateways and a backend on this machine\n\n"
		      "  this program ── plain ──▶ kiln client ══ TLS 1.3 ══▶ kiln server ── plain "
		      "──▶ backend\n");
	kiln_demo_say("1. throw-away certificates: a CA, a server, the client %s", ALLOWED_URI);
	enum kiln_code rc = make_certificates(d, err);
	if (rc == KILN_OK)
		rc = kiln_demo_backend(d->bytes, &d->backend, &d->backend_port, err);
	if (rc != KILN_OK)
		return rc;
	kiln_demo_say("2. starting the server side and the client side …");
	rc = start_server(d, err);
	if (rc == KILN_OK)
		rc = start_client(d, &d->client, "orders", &d->outcome.client_ready, err);
	if (rc == KILN_OK)
		rc = transfer(d, err);
	if (rc == KILN_OK)
		rc = try_stranger(d, err);
	return rc;
}

static void clean_up(struct demo *d)
{
	struct kiln_demo_outcome *o = &d->outcome;
	kiln_demo_stop(&d->stranger);
	kiln_demo_stop(&d->client);
	kiln_demo_stop(&d->server);
	if (d->backend > 0) {
		(void)kill(d->backend, SIGKILL);
		(void)waitpid(d->backend, NULL, 0);
	}
	struct kiln_error err = {0};
	if (d->dir.fd >= 0 && kiln_temp_dir_remove(&d->dir, &err) != KILN_OK)
		(void)fprintf(stderr, "kiln demo: %s\n", err.message);
	json_t *lines[] = {o->server_ready, o->client_ready,  o->server_conn,
			   o->client_conn,  o->denied_server, o->denied_client};
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		json_decref(lines[i]);
}

static const char help[] =
    "usage: kiln demo [--bytes SIZE] [--json]\n\n"
    "Shows the main job end to end on this machine, with nothing to prepare: makes throw-away\n"
    "certificates, starts a backend, `kiln server` and `kiln client`, moves real data both ways,\n"
    "lets a client that is not allowed try, prints what happened, and cleans up.\n\n"
    "  --bytes SIZE  how much goes each way, such as 1GiB  [64MiB]\n"
    "  --json        one JSON object instead of text\n";

/* 0: go on; otherwise the exit status plus one. */
static int read_arguments(struct demo *d, int argc, char **argv)
{
	static const struct option flags[] = {{"bytes", required_argument, NULL, 'b'},
					      {"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int flag;
	while ((flag = getopt_long(argc, argv, "h", flags, NULL)) != -1) {
		if (flag == 'j') {
			d->json = true;
		} else if (flag == 'b') {
			struct kiln_error err = {0};
			if (kiln_value_size("--bytes", optarg, &d->bytes, &err) == KILN_OK)
				continue;
			(void)fprintf(stderr, "kiln demo: %s\n", err.message);
			return 3;
		} else if (flag == 'h') {
			(void)fputs(help, stdout);
			return 1;
		} else {
			(void)fputs(help, stderr);
			return 3;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "kiln demo: '%s' is no flag; see --help\n", argv[optind]);
		return 3;
	}
	return 0;
}

int kiln_demo_main(int argc, char **argv)
{
	static struct demo demo = {.bytes = DEFAULT_BYTES, .dir = {.fd = -1}};
	struct kiln_error err = {0};
	const int stop = read_arguments(&demo, argc, argv);
	if (stop != 0)
		return stop - 1;
	kiln_demo_quiet(demo.json);
	(void)signal(SIGPIPE, SIG_IGN);
	const enum kiln_code rc = show(&demo, &err);
	bool ok = false;
	if (rc == KILN_OK)
		ok = kiln_demo_report(&demo.outcome, demo.json);
	else
		(void)fprintf(stderr, "kiln demo: %s\n", err.message);
	clean_up(&demo);
	return ok ? 0 : 1;
}

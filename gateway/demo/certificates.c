/* SPDX-License-Identifier: Apache-2.0
 * The demo's first part: mutual TLS with throw-away certificates, and a stranger with one of the
 * same authority. */
#include <stdio.h>

#include "base/clock.h"
#include "demo/certs.h"
#include "demo/stage.h"

#define ALLOWED_URI  "spiffe://demo.example/orders"
#define STRANGER_URI "spiffe://demo.example/stranger"

/* ---- certificates ------------------------------------------------------------------------- */

static enum kiln_code write_pair(struct kiln_demo_stage *stage, const char *name,
				 const struct kiln_pair *pair, struct kiln_error *err)
{
	char cert[32], key[32];
	(void)snprintf(cert, sizeof cert, "%s.pem", name);
	(void)snprintf(key, sizeof key, "%s.key", name);
	enum kiln_code rc = kiln_file_write(stage->dir.fd, cert, pair->cert.data, pair->cert.len,
					    false, false, err);
	if (rc == KILN_OK)
		rc = kiln_file_write(stage->dir.fd, key, pair->key.data, pair->key.len, true, false,
				     err);
	return rc;
}

static enum kiln_code issue(struct kiln_demo_stage *stage, const struct kiln_authority *ca,
			    const char *name, const char *uri, struct kiln_error *err)
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
		rc = write_pair(stage, name, &pair, err);
	kiln_pair_clear(&pair);
	return rc;
}

static enum kiln_code make_certificates(struct kiln_demo_stage *stage, struct kiln_error *err)
{
	struct kiln_pem pem = {0};
	struct kiln_authority *ca = kiln_authority_new("Kiln demo CA", kiln_wall_clock(), 1, err);
	if (ca == NULL)
		return err->code;
	enum kiln_code rc = kiln_authority_cert(ca, &pem, err);
	if (rc == KILN_OK)
		rc = kiln_file_write(stage->dir.fd, "ca.pem", pem.data, pem.len, false, false, err);
	if (rc == KILN_OK)
		rc = issue(stage, ca, "server", NULL, err);
	if (rc == KILN_OK)
		rc = issue(stage, ca, "orders", ALLOWED_URI, err);
	if (rc == KILN_OK)
		rc = issue(stage, ca, "stranger", STRANGER_URI, err);
	kiln_pem_clear(&pem);
	kiln_authority_free(ca);
	return rc;
}

/* ---- processes ---------------------------------------------------------------------------- */

static enum kiln_code start_server(struct kiln_demo_stage *stage, struct kiln_demo_process **server,
				   json_t **ready, struct kiln_error *err)
{
	char cert[PATH_MAX], key[PATH_MAX], ca[PATH_MAX], target[32];
	(void)snprintf(target, sizeof target, "127.0.0.1:%u", stage->backend_port);
	if (kiln_demo_file(stage, "server.pem", cert, err) != KILN_OK ||
	    kiln_demo_file(stage, "server.key", key, err) != KILN_OK ||
	    kiln_demo_file(stage, "ca.pem", ca, err) != KILN_OK)
		return err->code;
	const char *const arguments[] = {
	    "server", "--listen", "127.0.0.1:0", "--target", target,        "--cert",    cert,
	    "--key",  key,        "--cacert",    ca,         "--allow-uri", ALLOWED_URI, NULL};
	const struct kiln_demo_start start = {.arguments = arguments};
	return kiln_demo_start(stage, &start, server, ready, err);
}

/* A client side with one of the certificates. */
static enum kiln_code start_client(struct kiln_demo_stage *stage, const char *server,
				   const char *name, struct kiln_demo_process **client,
				   json_t **ready, struct kiln_error *err)
{
	char cert[PATH_MAX], key[PATH_MAX], ca[PATH_MAX], cert_name[32], key_name[32];
	(void)snprintf(cert_name, sizeof cert_name, "%s.pem", name);
	(void)snprintf(key_name, sizeof key_name, "%s.key", name);
	if (kiln_demo_file(stage, cert_name, cert, err) != KILN_OK ||
	    kiln_demo_file(stage, key_name, key, err) != KILN_OK ||
	    kiln_demo_file(stage, "ca.pem", ca, err) != KILN_OK)
		return err->code;
	const char *const arguments[] = {
	    "client", "--listen", "127.0.0.1:0", "--target", server,      "--cert", cert,
	    "--key",  key,        "--cacert",    ca,         "--workers", "1",      NULL};
	const struct kiln_demo_start start = {.arguments = arguments};
	return kiln_demo_start(stage, &start, client, ready, err);
}

/* ---- the part ------------------------------------------------------------------------------ */

static enum kiln_code try_stranger(struct kiln_demo_stage *stage, struct kiln_demo_process *server,
				   struct kiln_demo_part *part, struct kiln_error *err)
{
	struct kiln_demo_process *stranger = NULL;
	json_t *ready = NULL;
	struct kiln_demo_refusal *refusal = &part->refusals[part->refusal_count++];
	*refusal = (struct kiln_demo_refusal){
	    .who = "a client with a certificate of the same CA that is not on the list",
	    .by_server = true,
	};
	enum kiln_code rc = start_client(stage, kiln_demo_listen(part->server_ready), "stranger",
					 &stranger, &ready, err);
	if (rc == KILN_OK)
		rc = kiln_demo_attempt(server, stranger, ready, refusal, err);
	json_decref(ready);
	return rc;
}

enum kiln_code kiln_demo_certificates(struct kiln_demo_stage *stage, struct kiln_demo_part *part,
				      struct kiln_error *err)
{
	struct kiln_demo_process *server = NULL, *client = NULL;
	part->client_name = ALLOWED_URI;
	part->server_name = "localhost";
	kiln_demo_say("\nCertificates: throw-away ones of one CA; the server lets in %s only",
		      ALLOWED_URI);
	enum kiln_code rc = make_certificates(stage, err);
	if (rc == KILN_OK)
		rc = start_server(stage, &server, &part->server_ready, err);
	if (rc == KILN_OK)
		rc = start_client(stage, kiln_demo_listen(part->server_ready), "orders", &client,
				  &part->client_ready, err);
	if (rc == KILN_OK)
		rc = kiln_demo_move(stage, server, client, part, err);
	if (rc == KILN_OK)
		rc = try_stranger(stage, server, part, err);
	return rc;
}

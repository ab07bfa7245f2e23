/* SPDX-License-Identifier: Apache-2.0
 * The machine of one connection: its life, its deadline, its questions and answers; see roast.h. */
#include "roast/roast.h"

#include <jansson.h>
#include <openssl/rand.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include "base/bytes.h"
#include "roast/machine.h"
#include "roast/names.h"
#include "tls/identity.h"

static once_flag once = ONCE_FLAG_INIT;
static bool prepared;

/* jansson would read /dev/urandom at its first object, libsodium picks its code for this processor.
 */
static void prepare(void)
{
	size_t seed = 0;
	prepared = sodium_init() >= 0 && RAND_bytes((uint8_t *)&seed, sizeof seed) == 1;
	if (prepared)
		json_object_seed(seed | 1);
}

enum kiln_code kiln_roast_prepare(struct kiln_error *err)
{
	call_once(&once, prepare);
	return prepared ? KILN_OK : kiln_fail(err, KILN_E_SYSTEM, "no random bytes for Roast");
}

static enum kiln_code check_options(const struct kiln_roast_options *o, struct kiln_error *err)
{
	if (o->allowed_count == 0 || o->allowed == NULL)
		return kiln_fail(err, KILN_E_CONFIG,
				 "Roast needs at least one role that the peer may have");
	if (o->role == KILN_CLIENT && o->server_name == NULL)
		return kiln_fail(err, KILN_E_USAGE, "a Roast client needs its target's name");
	return KILN_OK;
}

static enum kiln_code set_up(struct kiln_roast *r, const struct kiln_roast_options *o,
			     struct kiln_error *err)
{
	r->role = o->role;
	r->allowed = o->allowed;
	r->allowed_count = o->allowed_count;
	r->require_binding = o->require_binding;
	r->time_ms = o->time_ms > 0 && o->time_ms < KILN_ROAST_DEADLINE_MS ? o->time_ms
									   : KILN_ROAST_DEADLINE_MS;
	r->knows_own_role = o->own_role != NULL;
	if (o->own_role != NULL)
		r->own_role = *o->own_role;
	(void)snprintf(r->peer_name, sizeof r->peer_name, "%s", o->peer != NULL ? o->peer : "");
	kiln_roast_scan_start(&r->scan, KILN_ROAST_HELLO_MAX);
	return o->role == KILN_CLIENT ? kiln_roast_name_from(o->server_name, r->name, err)
				      : KILN_OK;
}

struct kiln_roast *kiln_roast_new(const struct kiln_roast_options *options, int64_t now,
				  uint64_t ms, struct kiln_error *err)
{
	struct kiln_roast *r = NULL;
	if (kiln_roast_prepare(err) != KILN_OK || check_options(options, err) != KILN_OK)
		return NULL;
	r = calloc(1, sizeof *r);
	if (r == NULL) {
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a Roast handshake");
		return NULL;
	}
	r->started_at = now;
	r->started_ms = ms;
	if (set_up(r, options, err) == KILN_OK)
		return r;
	kiln_roast_free(r);
	return NULL;
}

/* All but who the peer is, and what is still to be sent. */
static void drop(struct kiln_roast *r)
{
	kiln_roast_authority_clear(&r->authority);
	kiln_aws_proof_clear(&r->proof);
	if (r->theirs != NULL)
		kiln_roast_payload_clear(r->theirs);
	free(r->theirs);
	free(r->hello);
	free(r->payload);
	r->theirs = NULL;
	r->hello = r->payload = NULL;
}

void kiln_roast_free(struct kiln_roast *r)
{
	if (r == NULL)
		return;
	drop(r);
	free(r->out);
	free(r);
}

enum kiln_roast_step kiln_roast_fail(struct kiln_roast *r)
{
	drop(r);
	r->out_sent = r->out_len; /* a peer that is refused gets nothing more */
	r->state = KILN_ROAST_AT_FAILURE;
	return KILN_ROAST_FAILED;
}

enum kiln_roast_step kiln_roast_refuse(struct kiln_roast *r, const char *what,
				       const struct kiln_error *inner, struct kiln_error *err)
{
	(void)kiln_fail(err, inner->code, "the %s of %s%s%s is refused: %s", what,
			kiln_roast_peer_role(r), r->peer_name[0] != '\0' ? " " : "", r->peer_name,
			inner->message);
	return kiln_roast_fail(r);
}

static const char *describe_wait(const struct kiln_roast *r)
{
	switch (r->state) {
	case KILN_ROAST_AT_PROVE: return "for the signature of our own proof";
	case KILN_ROAST_AT_VERIFY: return "for STS's word on its proof";
	case KILN_ROAST_AT_READ:
		return r->scan.len > 0 ? "for the rest of its hello" : "for its hello";
	default: return "for the TLS handshake";
	}
}

static bool is_late(struct kiln_roast *r, uint64_t ms, struct kiln_error *err)
{
	if (ms - r->started_ms < r->time_ms)
		return false;
	(void)kiln_fail(err, KILN_E_TIMEOUT, "%s %s: %g s have passed while waiting %s",
			kiln_roast_peer_role(r), r->peer_name, (double)r->time_ms / 1000,
			describe_wait(r));
	(void)kiln_roast_fail(r);
	return true;
}

static enum kiln_roast_step misused(struct kiln_roast *r, const char *how, struct kiln_error *err)
{
	(void)kiln_fail(err, KILN_E_USAGE, "Roast: %s", how);
	return kiln_roast_fail(r);
}

enum kiln_roast_step kiln_roast_step(struct kiln_roast *r, const uint8_t *in, size_t len,
				     size_t *consumed, uint64_t ms, struct kiln_error *err)
{
	*consumed = 0;
	if (r->state == KILN_ROAST_AT_FAILURE)
		return misused(r, "the handshake has failed before", err);
	if (is_late(r, ms, err))
		return KILN_ROAST_FAILED;
	if (r->state == KILN_ROAST_AT_START && r->role == KILN_CLIENT)
		return kiln_roast_begin_prove(r, ms, err);
	if (r->state == KILN_ROAST_AT_START)
		r->state = KILN_ROAST_AT_READ;
	if (r->state == KILN_ROAST_AT_READ)
		return kiln_roast_take(r, in, len, consumed, ms, err);
	return r->state == KILN_ROAST_AT_END ? KILN_ROAST_DONE : KILN_ROAST_ASK;
}

const struct kiln_roast_question *kiln_roast_question(const struct kiln_roast *r)
{
	return r->state == KILN_ROAST_AT_PROVE || r->state == KILN_ROAST_AT_VERIFY ? &r->question
										   : NULL;
}

enum kiln_roast_step kiln_roast_proved(struct kiln_roast *r, const struct kiln_aws_proof *proof,
				       uint64_t ms, struct kiln_error *err)
{
	if (r->state != KILN_ROAST_AT_PROVE)
		return misused(r, "a proof that nobody asked for", err);
	return is_late(r, ms, err) ? KILN_ROAST_FAILED : kiln_roast_write_hello(r, proof, err);
}

enum kiln_roast_step kiln_roast_verified(struct kiln_roast *r, const struct kiln_aws_role *role,
					 const char *session, uint64_t ms, struct kiln_error *err)
{
	if (r->state != KILN_ROAST_AT_VERIFY)
		return misused(r, "an identity that nobody asked for", err);
	if (is_late(r, ms, err))
		return KILN_ROAST_FAILED;
	r->peer.role = *role;
	(void)snprintf(r->peer.session, sizeof r->peer.session, "%s", session);
	r->peer_known = true;
	return kiln_roast_judge(r, ms, err);
}

enum kiln_roast_step kiln_roast_unanswered(struct kiln_roast *r, const struct kiln_error *why,
					   struct kiln_error *err)
{
	if (r->state == KILN_ROAST_AT_VERIFY)
		return kiln_roast_refuse(r, "proof", why, err);
	if (r->state != KILN_ROAST_AT_PROVE)
		return misused(r, "an answer that nobody asked for", err);
	(void)kiln_fail(err, why->code, "our own role cannot be proved: %s", why->message);
	return kiln_roast_fail(r);
}

enum kiln_roast_step kiln_roast_ended(struct kiln_roast *r, struct kiln_error *err)
{
	const char *peer = kiln_roast_peer_role(r);
	if (r->state == KILN_ROAST_AT_READ && r->role == KILN_CLIENT && r->scan.len == 0)
		(void)kiln_fail(
		    err, KILN_E_ROAST_HELLO,
		    "server %s closed the connection without a hello: is our role on its list? Or "
		    "we are too many for its limits, STS throttles us or is down, a clock is "
		    "wrong, or it speaks no Roast; its log says which",
		    r->peer_name);
	else
		(void)kiln_fail(err, KILN_E_ROAST_HELLO,
				"%s %s closed the connection while we waited %s", peer,
				r->peer_name, describe_wait(r));
	return kiln_roast_fail(r);
}

/* A client has our hello and judges it before its first byte of TLS; a server has accepted us. */
enum kiln_code kiln_roast_left(const struct kiln_roast *r, struct kiln_error *err)
{
	return kiln_fail(err, KILN_E_TLS_TRUNCATED,
			 "%s %s closed the connection during the TLS handshake%s",
			 kiln_roast_peer_role(r), r->peer_name,
			 r->role == KILN_SERVER
			     ? ": it may refuse our role, or could not ask its STS; its log tells"
			     : "");
}

const uint8_t *kiln_roast_output(const struct kiln_roast *r, size_t *len)
{
	*len = r->out_len - r->out_sent;
	return *len > 0 ? (const uint8_t *)r->out + r->out_sent : NULL;
}

void kiln_roast_sent(struct kiln_roast *r, size_t len)
{
	r->out_sent += len;
	if (r->out_sent < r->out_len)
		return;
	free(r->out);
	r->out = NULL;
	r->out_len = r->out_sent = 0;
}

uint64_t kiln_roast_deadline(const struct kiln_roast *r)
{
	return r->started_ms + r->time_ms;
}

const struct kiln_roast_peer *kiln_roast_peer(const struct kiln_roast *r)
{
	return r->peer_known ? &r->peer : NULL;
}

static enum kiln_code verify_leaf(void *arg, X509 *leaf, int64_t now, int *x509_error,
				  struct kiln_error *err)
{
	const struct kiln_roast *r = arg;
	struct kiln_error inner = {0};
	const enum kiln_code rc = kiln_roast_trust_check(&r->trust, leaf, now, x509_error, &inner);
	if (rc == KILN_OK)
		return rc;
	return kiln_fail(err, rc, "%s %s in TLS: %.180s", kiln_roast_peer_role(r), r->peer_name,
			 inner.message);
}

struct kiln_handshake *kiln_roast_handshake(struct kiln_roast *r, struct kiln_tls_config *config,
					    uint64_t ms, struct kiln_error *err)
{
	if (r->state != KILN_ROAST_AT_END) {
		(void)kiln_fail(err, KILN_E_USAGE, "Roast: TLS before the hellos were exchanged");
		return NULL;
	}
	struct kiln_handshake *hs = kiln_handshake_new(config, kiln_roast_now(r, ms), err);
	const struct kiln_handshake_identity identity = {
	    .leaf = r->authority.leaf,
	    .key = r->authority.leaf_key,
	    .verify = verify_leaf,
	    .arg = r,
	    .skip_blanks = true,
	};
	if (hs != NULL && kiln_handshake_set_identity(hs, &identity, err) == KILN_OK)
		return hs;
	kiln_handshake_free(hs);
	return NULL;
}

struct kiln_tls_config *kiln_roast_config_new(enum kiln_role role, const char *cipher_suites,
					      struct kiln_error *err)
{
	return kiln_tls_config_new_bare(role, cipher_suites, err);
}

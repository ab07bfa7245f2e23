/* SPDX-License-Identifier: Apache-2.0
 * What a struct kiln_roast is made of; for lib/roast only. */
#ifndef KILN_ROAST_MACHINE_H
#define KILN_ROAST_MACHINE_H

#include "roast/authority.h"
#include "roast/roast.h"
#include "roast/scan.h"
#include "roast/trust.h"

enum kiln_roast_state {
	KILN_ROAST_AT_START,
	KILN_ROAST_AT_PROVE,
	KILN_ROAST_AT_READ,
	KILN_ROAST_AT_VERIFY,
	KILN_ROAST_AT_END,
	KILN_ROAST_AT_FAILURE,
};

struct kiln_roast {
	enum kiln_role role;
	enum kiln_roast_state state;
	const struct kiln_aws_role *allowed;
	size_t allowed_count;
	bool require_binding, knows_own_role, peer_known;
	struct kiln_aws_role own_role;
	char name[KILN_ROAST_NAME_MAX + 1]; /* client: what the server's certificate is for */
	char peer_name[KILN_ROAST_PEER_MAX];
	int64_t started_at;  /* seconds since 1970 */
	uint64_t started_ms; /* the same moment on the caller's clock */
	uint32_t time_ms;    /* and how long everything may take */

	struct kiln_roast_scan scan;
	uint8_t *hello; /* the peer's, while it arrives */
	size_t hello_cap;
	uint8_t own_hello[KILN_ROAST_HASH_LEN];  /* client: SHA-256 of what was sent */
	uint8_t peer_hello[KILN_ROAST_HASH_LEN]; /* server: of what came */

	const char *partition; /* of the region whose STS the peer names */
	uint8_t *payload;      /* ours, while it is being signed */
	size_t payload_len;
	struct kiln_aws_proof proof; /* the peer's, while it is being verified */
	struct kiln_roast_question question;

	struct kiln_roast_authority authority;
	struct kiln_roast_payload *theirs; /* its CA is not decoded before the peer is known */
	struct kiln_roast_trust trust;
	struct kiln_roast_peer peer;

	char *out;
	size_t out_len, out_sent;
};

static inline int64_t kiln_roast_now(const struct kiln_roast *r, uint64_t ms)
{
	return r->started_at + (int64_t)((ms - r->started_ms) / 1000);
}

static inline const char *kiln_roast_peer_role(const struct kiln_roast *r)
{
	return r->role == KILN_CLIENT ? "server" : "client";
}

/* The last step of any failure: frees what is not needed any more. */
enum kiln_roast_step kiln_roast_fail(struct kiln_roast *r);

/* Refuses the peer: "the hello of client 192.0.2.1:4711 is refused: " and the inner message. */
enum kiln_roast_step kiln_roast_refuse(struct kiln_roast *r, const char *what,
				       const struct kiln_error *inner, struct kiln_error *err);

/* prove.c: makes our payload and asks for its signature; then writes our hello. */
enum kiln_roast_step kiln_roast_begin_prove(struct kiln_roast *r, uint64_t ms,
					    struct kiln_error *err);
enum kiln_roast_step kiln_roast_write_hello(struct kiln_roast *r,
					    const struct kiln_aws_proof *proof,
					    struct kiln_error *err);

/* verify.c: takes bytes of the peer's hello; reads it and asks who sent it; judges the answer. */
enum kiln_roast_step kiln_roast_take(struct kiln_roast *r, const uint8_t *in, size_t len,
				     size_t *consumed, uint64_t ms, struct kiln_error *err);
enum kiln_roast_step kiln_roast_judge(struct kiln_roast *r, uint64_t ms, struct kiln_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * The peer's hello: collected within its limits, read, checked as far as that costs next to
 * nothing, and judged when STS has said who signed it: his certificates are decoded and his
 * binding's signature is verified only then, and only when his role is allowed. */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "aws/region.h"
#include "roast/binding.h"
#include "roast/machine.h"

#define HELLO_FIRST 2048u /* a usual hello has 1.4 to 2.5 KiB */

static enum kiln_code keep(struct kiln_roast *r, size_t have, const uint8_t *in, size_t len,
			   struct kiln_error *err)
{
	size_t cap = r->hello_cap > 0 ? r->hello_cap : HELLO_FIRST;
	while (cap < have + len)
		cap *= 2;
	if (cap != r->hello_cap) {
		uint8_t *grown = realloc(r->hello, cap);
		if (grown == NULL)
			return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a hello");
		r->hello = grown;
		r->hello_cap = cap;
	}
	if (len > 0)
		memcpy(r->hello + have, in, len);
	return KILN_OK;
}

static enum kiln_code refuse_reflection(const struct kiln_roast *r, struct kiln_error *err)
{
	if (r->role == KILN_CLIENT &&
	    CRYPTO_memcmp(r->own_hello, r->peer_hello, sizeof r->own_hello) == 0)
		return kiln_fail(err, KILN_E_ROAST_HELLO, "it is our own, sent back to us");
	return KILN_OK;
}

/* What can be said of a binding without its signature. */
static enum kiln_code check_bound(const struct kiln_roast *r, struct kiln_error *err)
{
	if (r->theirs->bound)
		return kiln_roast_binding_answers(r->theirs, r->own_hello, err);
	if (!r->require_binding)
		return KILN_OK;
	return kiln_fail(err, KILN_E_ROAST_BINDING,
			 "it has no binding, which is required here: the peer is no Kiln, does not "
			 "know its role, or somebody took the binding out");
}

/* The peer chooses whose STS is asked. One of another partition is run by others, and has nothing
 * to say about roles that are allowed here. */
static enum kiln_code check_region(struct kiln_roast *r, struct kiln_error *err)
{
	const struct kiln_aws_partition *partition = kiln_aws_region_known(r->proof.region);
	r->partition = partition != NULL ? partition->name : "";
	for (size_t i = 0; i < r->allowed_count; i++)
		if (strcmp(r->allowed[i].partition, r->partition) == 0)
			return KILN_OK;
	return kiln_fail(
	    err, KILN_E_ACCESS_DENIED,
	    "its region %.32s is of the partition %s, of which no role is allowed here",
	    r->proof.region, r->partition);
}

static enum kiln_code check_partition(const struct kiln_roast *r, struct kiln_error *err)
{
	if (strcmp(r->peer.role.partition, r->partition) == 0)
		return KILN_OK;
	return kiln_fail(err, KILN_E_STS,
			 "an STS of the partition %s vouched for a role of the partition %s",
			 r->partition, r->peer.role.partition);
}

/* What costs next to nothing comes before the question to STS, and nothing else does: whoever asks
 * it also knows replays, and who asks too often. */
static enum kiln_code read_hello(struct kiln_roast *r, int64_t now, struct kiln_error *err)
{
	if (EVP_Q_digest(NULL, "SHA256", NULL, r->hello, r->scan.len, r->peer_hello, NULL) != 1)
		return kiln_fail(err, KILN_E_NO_MEMORY, "OpenSSL could not hash it");
	r->theirs = calloc(1, sizeof *r->theirs);
	if (r->theirs == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a hello");
	enum kiln_code rc = refuse_reflection(r, err);
	if (rc == KILN_OK)
		rc = kiln_roast_hello_read(r->hello, r->scan.len, &r->proof, err);
	if (rc == KILN_OK)
		rc = kiln_aws_proof_check(&r->proof, now, err);
	if (rc == KILN_OK)
		rc = check_region(r, err);
	if (rc == KILN_OK)
		rc = kiln_roast_payload_read(r->proof.body, r->proof.body_len,
					     r->role == KILN_CLIENT ? KILN_SERVER : KILN_CLIENT,
					     r->theirs, err);
	if (rc == KILN_OK)
		rc = check_bound(r, err);
	return rc;
}

static enum kiln_roast_step begin_verify(struct kiln_roast *r, uint64_t ms, struct kiln_error *err)
{
	struct kiln_error inner = {0};
	const enum kiln_code rc = read_hello(r, kiln_roast_now(r, ms), &inner);
	free(r->hello);
	r->hello = NULL;
	if (rc != KILN_OK)
		return kiln_roast_refuse(r, "hello", &inner, err);
	r->question = (struct kiln_roast_question){.ask = KILN_ROAST_VERIFY, .proof = &r->proof};
	r->state = KILN_ROAST_AT_VERIFY;
	return KILN_ROAST_ASK;
}

enum kiln_roast_step kiln_roast_take(struct kiln_roast *r, const uint8_t *in, size_t len,
				     size_t *consumed, uint64_t ms, struct kiln_error *err)
{
	struct kiln_error inner = {0};
	size_t skipped, taken;
	const size_t have = r->scan.len;
	enum kiln_code rc = kiln_roast_scan_feed(&r->scan, in, len, &skipped, &taken, &inner);
	*consumed = skipped + taken;
	if (rc == KILN_OK && taken > 0)
		rc = keep(r, have, in + skipped, taken, &inner);
	if (rc != KILN_OK)
		return kiln_roast_refuse(r, "hello", &inner, err);
	if (!r->scan.complete)
		return KILN_ROAST_NEED_INPUT;
	while (*consumed < len && kiln_roast_is_blank(in[*consumed]))
		++*consumed;
	if (*consumed < len) {
		(void)kiln_fail(&inner, KILN_E_ROAST_HELLO,
				"bytes follow it at once, where the next word is ours");
		return kiln_roast_refuse(r, "hello", &inner, err);
	}
	return begin_verify(r, ms, err);
}

static enum kiln_code check_allowed(const struct kiln_roast *r, struct kiln_error *err)
{
	char arn[KILN_AWS_ROLE_ARN_MAX];
	for (size_t i = 0; i < r->allowed_count; i++)
		if (kiln_aws_role_equal(&r->allowed[i], &r->peer.role))
			return KILN_OK;
	kiln_aws_role_format(&r->peer.role, arn);
	return kiln_fail(err, KILN_E_ACCESS_DENIED, "it is %.100s, and %s allowed here", arn,
			 r->allowed_count == 1 ? "that is not the one role that is"
					       : "that is none of the roles that are");
}

/* The expensive part of reading a hello, left undone until its sender was known. */
static enum kiln_code check_payload(struct kiln_roast *r, struct kiln_error *err)
{
	enum kiln_code rc = kiln_roast_payload_decode(r->theirs, err);
	if (rc != KILN_OK || !r->theirs->bound)
		return rc;
	rc = kiln_roast_binding_check(r->theirs, err);
	return rc == KILN_OK ? kiln_roast_binding_names(&r->theirs->binding, &r->peer.role, err)
			     : rc;
}

enum kiln_roast_step kiln_roast_judge(struct kiln_roast *r, uint64_t ms, struct kiln_error *err)
{
	struct kiln_error inner = {0};
	kiln_aws_proof_clear(&r->proof);
	enum kiln_code rc = check_partition(r, &inner);
	if (rc == KILN_OK)
		rc = check_allowed(r, &inner);
	if (rc != KILN_OK)
		return kiln_roast_refuse(r, "role", &inner, err);
	rc = check_payload(r, &inner);
	if (rc != KILN_OK)
		return kiln_roast_refuse(r, "hello", &inner, err);
	r->peer.bound = r->theirs->bound;
	r->trust = (struct kiln_roast_trust){.peer = r->theirs,
					     .name = r->role == KILN_CLIENT ? r->name : NULL};
	if (r->role == KILN_SERVER)
		return kiln_roast_begin_prove(r, ms, err);
	r->state = KILN_ROAST_AT_END;
	return KILN_ROAST_DONE;
}

/* SPDX-License-Identifier: Apache-2.0
 * Our own hello: the payload that has to be signed, and the message around the proof. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "roast/binding.h"
#include "roast/machine.h"

static enum kiln_code make_payload(struct kiln_roast *r, struct kiln_error *err)
{
	struct kiln_roast_payload payload = {.from = r->role, .root_count = 1};
	enum kiln_code rc = KILN_OK;
	payload.roots[0] = r->authority.ca; /* borrowed: not cleared with the payload */
	if (r->role == KILN_CLIENT) {
		memcpy(payload.names[0], r->name, sizeof r->name);
		payload.name_count = 1;
	}
	if (r->knows_own_role) {
		kiln_aws_role_format(&r->own_role, payload.binding.role);
		memcpy(payload.binding.hello, r->peer_hello, sizeof r->peer_hello);
		rc = kiln_roast_binding_sign(&payload, &r->authority, err);
	}
	if (rc == KILN_OK)
		rc = kiln_roast_payload_write(&payload, &r->payload, &r->payload_len, err);
	return rc;
}

enum kiln_roast_step kiln_roast_begin_prove(struct kiln_roast *r, uint64_t ms,
					    struct kiln_error *err)
{
	const int64_t now = kiln_roast_now(r, ms);
	enum kiln_code rc = kiln_roast_authority_make(&r->authority, now, err);
	if (rc == KILN_OK)
		rc = make_payload(r, err);
	if (rc == KILN_OK)
		rc = kiln_roast_authority_issue(&r->authority, r->role, r->theirs, now, err);
	if (rc != KILN_OK)
		return kiln_roast_fail(r);
	r->question = (struct kiln_roast_question){
	    .ask = KILN_ROAST_PROVE,
	    .payload = r->payload,
	    .payload_len = r->payload_len,
	    .as = r->knows_own_role ? &r->own_role : NULL,
	};
	r->state = KILN_ROAST_AT_PROVE;
	return KILN_ROAST_ASK;
}

enum kiln_roast_step kiln_roast_write_hello(struct kiln_roast *r,
					    const struct kiln_aws_proof *proof,
					    struct kiln_error *err)
{
	struct kiln_roast_mask mask;
	if (proof->body_len != r->payload_len || proof->body == NULL ||
	    memcmp(proof->body, r->payload, r->payload_len) != 0) {
		(void)kiln_fail(err, KILN_E_USAGE, "the proof is one of another payload");
		return kiln_roast_fail(r);
	}
	enum kiln_code rc = kiln_roast_mask_random(&mask, err);
	if (rc == KILN_OK)
		rc = kiln_roast_hello_write(proof, &mask, &r->out, &r->out_len, err);
	if (rc == KILN_OK &&
	    EVP_Q_digest(NULL, "SHA256", NULL, r->out, r->out_len, r->own_hello, NULL) != 1)
		rc = kiln_fail(err, KILN_E_NO_MEMORY, "OpenSSL could not hash our hello");
	if (rc != KILN_OK)
		return kiln_roast_fail(r);
	free(r->payload);
	r->payload = NULL;
	if (r->role == KILN_CLIENT) {
		r->state = KILN_ROAST_AT_READ;
		return KILN_ROAST_NEED_INPUT;
	}
	r->state = KILN_ROAST_AT_END;
	return KILN_ROAST_DONE;
}

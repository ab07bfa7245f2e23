/* SPDX-License-Identifier: Apache-2.0
 * Asking STS who made a proof: a peer's, each only once, or our own. */
#include <string.h>

#include "base/clock.h"
#include "driver/http.h"
#include "driver/identity.h"

struct question {
	kiln_time_ms deadline;
	enum kiln_code rc;
	struct kiln_sts_identity caller;
	struct kiln_error *err;
};

static void on_answer(void *arg, const struct kiln_http_answer *http)
{
	struct question *q = arg;
	if (http->status == 0 && kiln_driver_now() >= q->deadline)
		q->rc =
		    kiln_fail(q->err, KILN_E_TIMEOUT, "the time is over, and STS has not answered");
	else
		q->rc = kiln_sts_identity_read(http, &q->caller, q->err);
}

enum kiln_code kiln_aws_ask_sts(const struct kiln_sts_endpoints *endpoints,
				const struct kiln_aws_proof *proof, kiln_time_ms deadline,
				struct kiln_aws_role *role, char session[KILN_AWS_SESSION_MAX + 1],
				struct kiln_error *err)
{
	struct question q = {.deadline = deadline, .err = err};
	struct kiln_http_request request;
	const enum kiln_code rc = kiln_sts_identity_request(endpoints, proof, &request, err);
	if (rc != KILN_OK)
		return rc;
	kiln_http_exchange(&request, kiln_driver_left(deadline), on_answer, &q);
	kiln_http_request_clear(&request);
	if (q.rc != KILN_OK)
		return q.rc;
	return kiln_aws_role_of_session(q.caller.arn, strlen(q.caller.arn), role, session, err);
}

enum kiln_code kiln_aws_verify(struct kiln_aws *aws, const struct kiln_aws_proof *proof,
			       kiln_time_ms deadline, struct kiln_aws_role *role,
			       char session[KILN_AWS_SESSION_MAX + 1], struct kiln_error *err)
{
	const char *signature = kiln_aws_proof_signature(proof);
	(void)pthread_mutex_lock(&aws->lock);
	const struct kiln_sts_endpoints endpoints = *kiln_chain_endpoints(aws->chain);
	enum kiln_code rc = kiln_roast_replay_enter(aws->replay, signature, kiln_wall_clock(), err);
	(void)pthread_mutex_unlock(&aws->lock);
	if (rc != KILN_OK)
		return rc;
	rc = kiln_aws_ask_sts(&endpoints, proof, deadline, role, session, err);
	if (rc == KILN_OK)
		return rc;
	(void)pthread_mutex_lock(&aws->lock);
	kiln_roast_replay_forget(aws->replay, signature);
	(void)pthread_mutex_unlock(&aws->lock);
	return rc;
}

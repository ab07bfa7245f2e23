/* SPDX-License-Identifier: Apache-2.0
 * STS's recorded shapes: the good one is read, errors are told apart, every attack is refused. */
#include "aws_test.h"

#include "aws/role.h"
#include "aws/sts.h"
#include "aws_golden.h"

static enum kiln_code judge(const char *file, int status, const char *type, struct kiln_error *err)
{
	size_t len;
	char *body = golden_read("sts", file, &len);
	struct kiln_http_answer answer = {
	    .status = status, .body = (const uint8_t *)body, .len = len};
	(void)snprintf(answer.content_type, sizeof answer.content_type, "%s", type);
	struct kiln_sts_identity identity;
	struct kiln_aws_role role;
	char session[KILN_AWS_SESSION_MAX + 1];
	enum kiln_code code = kiln_sts_identity_read(&answer, &identity, err);
	if (code == KILN_OK)
		code = kiln_aws_role_of_session(identity.arn, strlen(identity.arn), &role, session,
						err);
	free(body);
	return code;
}

/* Whatever the server calls it. */
static void attacks(void **state)
{
	(void)state;
	char *names[64];
	const size_t count = golden_list("sts", names, 64);
	unsigned attacked = 0;
	for (size_t i = 0; i < count; i++) {
		if (strncmp(names[i], "attack-", 7) == 0) {
			struct kiln_error err = {0};
			attacked++;
			assert_int_not_equal(judge(names[i], 200, "text/xml", &err), KILN_OK);
			assert_int_not_equal(judge(names[i], 200, "application/json", &err),
					     KILN_OK);
		}
		free(names[i]);
	}
	assert_int_equal(attacked, 13);
}

static void shapes(void **state)
{
	(void)state;
	struct kiln_error err = {0};
	assert_int_equal(judge("ok.json", 200, "application/json", &err), KILN_OK);
	assert_why(judge("ok.xml", 200, "text/xml", &err), &err, KILN_E_STS, "no JSON");
	assert_why(judge("ok.xml", 200, "application/json", &err), &err, KILN_E_STS,
		   "not one JSON object");
}

static void errors(void **state)
{
	(void)state;
	static const struct {
		const char *file, *reason;
		int status;
		enum kiln_code code;
	} all[] = {
	    {"err-400-Throttling.json", "throttles", 400, KILN_E_STS},
	    {"err-403-ExpiredToken.json", "ExpiredToken", 403, KILN_E_ROAST_PROOF},
	    {"err-403-InvalidClientTokenId.json", "InvalidClientTokenId", 403, KILN_E_ROAST_PROOF},
	    {"err-403-RegionDisabledException.json", "RegionDisabled", 403, KILN_E_ROAST_PROOF},
	    {"err-403-SignatureDoesNotMatch.json", "SignatureDoes", 403, KILN_E_ROAST_PROOF},
	    {"err-403-SignatureDoesNotMatch-expired.json", "SignatureDoes", 403,
	     KILN_E_ROAST_PROOF},
	    {"err-403-SignatureDoesNotMatch-future.json", "SignatureDoes", 403, KILN_E_ROAST_PROOF},
	};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct kiln_error err = {0};
		assert_why(judge(all[i].file, all[i].status, "application/json", &err), &err,
			   all[i].code, all[i].reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(attacks),
	    cmocka_unit_test(shapes),
	    cmocka_unit_test(errors),
	};
	if (!golden_here("sts"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

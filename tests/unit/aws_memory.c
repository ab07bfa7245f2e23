/* SPDX-License-Identifier: Apache-2.0
 * Memory that runs out: the n-th allocation of Kiln fails, for every n until none does any more.
 * Nothing may crash or leak, and what did not work must say so. jansson's own allocations do not
 * fail here: see kiln_json_memory_take_over. */
#include "aws_world.h"

#include "aws/proof.h"

static bool armed;
static unsigned long countdown, failures;

static bool fails(void)
{
	if (!armed || countdown-- > 0)
		return false;
	countdown = (unsigned long)-1; /* one failure a run */
	failures++;
	return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

#define STS "POST https://sts.eu-west-1.amazonaws.com/"

/* Files, a process and a role that is assumed with what it gave. */
static const struct world machine = {
    .environ = {"HOME=/h", "AWS_REGION=eu-west-1", "AWS_PROFILE=p"},
    .files = {{"/h/.aws/config",
	       "[profile p]\nrole_arn=arn:aws:iam::123456789012:role/R\nsource_profile=q\n"
	       "[profile q]\ncredential_process=/bin/get it\n",
	       0},
	      {"/h/.aws/credentials", "[other]\na=b\n", 0}},
    .command = "/bin/get|it",
    .output = KEYS_JSON("SessionToken", "2026-01-15T18:00:00Z"),
    .servers = {{STS, "Action=AssumeRole&", 200, "application/json",
		 STS_JSON("AssumeRole", "ASIAEXAMPLEROLE00001", "1768492800")}}};

static enum kiln_code prove(const struct kiln_aws_credentials *credentials, struct kiln_error *err)
{
	static const char body[] =
	    "{\"GetCallerIdentityResponse\":{\"GetCallerIdentityResult\":{\"Account\":"
	    "\"123456789012\",\"Arn\":\"arn:aws:sts::123456789012:assumed-role/R/s\",\"UserId\":"
	    "\"u\"}}}";
	const struct kiln_sts_endpoints endpoints = {0};
	struct kiln_http_answer answer = {
	    .status = 200, .body = (const uint8_t *)body, .len = sizeof body - 1};
	struct kiln_aws_proof proof;
	struct kiln_http_request request = {0};
	struct kiln_sts_identity identity;
	(void)snprintf(answer.content_type, sizeof answer.content_type, "application/json");
	enum kiln_code code = kiln_aws_prove(credentials, "eu-west-1", NOON, "{}", 2, &proof, err);
	if (code == KILN_OK)
		code = kiln_sts_identity_request(&endpoints, &proof, &request, err);
	if (code == KILN_OK)
		code = kiln_sts_identity_read(&answer, &identity, err);
	kiln_http_request_clear(&request);
	kiln_aws_proof_clear(&proof);
	return code;
}

/* The whole life of credentials, once; the code of what failed. */
static enum kiln_code live(struct kiln_error *err)
{
	struct world world = machine;
	const struct kiln_chain_options options = {.environ = world.environ, .seed = 1};
	const struct kiln_aws_credentials *credentials;
	world.now = NOON;
	enum kiln_code code = kiln_chain_new(&options, &world.chain, err);
	if (code == KILN_OK) {
		world_run(&world);
		code = kiln_chain_credentials(world.chain, NOON, &credentials, err);
	}
	if (code == KILN_OK)
		code = prove(credentials, err);
	kiln_chain_free(world.chain);
	return code;
}

static void every_allocation(void **state)
{
	(void)state;
	struct kiln_error err = {0};
	unsigned long n = 0;
	assert_int_equal(live(&err), KILN_OK);
	do {
		countdown = n++;
		failures = 0;
		err = (struct kiln_error){0};
		armed = true;
		const enum kiln_code code = live(&err);
		armed = false;
		if (failures > 0) {
			assert_int_not_equal(code, KILN_OK);
			assert_true(err.code == code && err.message[0] != '\0');
		} else {
			assert_int_equal(code, KILN_OK);
		}
	} while (failures > 0);
	assert_in_range(n, 40, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * A client's proof with one thing about it changed: what the real server leaves to STS, a Kiln
 * refuses by itself where it can. */
#include "roast_rig.h"

#include <stdio.h>

#include "roast/hello.h"

static struct side client, server;

/* The client's proof for the payload that its machine asks about. */
static struct kiln_aws_proof make_proof(void)
{
	struct kiln_aws_proof proof;
	side_open(&client, &(struct side_options){.role = KILN_CLIENT, .who = &client_person});
	side_open(&server, &(struct side_options){.role = KILN_SERVER, .who = &server_person});
	const struct kiln_roast_question *question = kiln_roast_question(client.roast);
	person_prove(&client_person, "eu-central-1", RIG_NOW, question->payload,
		     question->payload_len, &proof);
	return proof;
}

/* Sends it, behind a new mask, and clears it. */
static void send_proof(struct kiln_aws_proof *proof)
{
	struct kiln_roast_mask mask;
	struct kiln_error err = {0};
	char *text;
	size_t len;
	if (kiln_roast_mask_random(&mask, &err) != KILN_OK ||
	    kiln_roast_hello_write(proof, &mask, &text, &len, &err) != KILN_OK)
		fail_msg("%s", err.message);
	wire_add(&server.in, text, len);
	free(text);
	kiln_aws_proof_clear(proof);
	side_run(&server, 1000);
}

static void expect(enum kiln_code code, const char *words, unsigned questions)
{
	assert_refused(&server, code, words);
	assert_int_equal(server.questions, questions);
	size_t len;
	assert_null(kiln_roast_output(server.roast, &len)); /* a refusal is silence */
	side_close(&client);
	side_close(&server);
}

static void swap(char *text, const char *from, const char *to)
{
	char *at = strstr(text, from);
	assert_non_null(at);
	assert_int_equal(strlen(from), strlen(to));
	memcpy(at, to, strlen(to));
}

static void test_unchanged(void **state)
{
	struct kiln_aws_proof proof = make_proof();
	(void)state;
	send_proof(&proof);
	assert_int_equal(server.step, KILN_ROAST_DONE);
	side_close(&client);
	side_close(&server);
}

/* Only STS can tell. */
static void test_signature(void **state)
{
	struct kiln_aws_proof proof = make_proof();
	(void)state;
	char *digit = strstr(proof.authorization, "Signature=") + strlen("Signature=");
	*digit = *digit == '0' ? '1' : '0';
	send_proof(&proof);
	expect(KILN_E_ROAST_PROOF, "STS refuses", 1);

	proof = make_proof();
	swap(proof.authorization, "CLIENT001", "NOBODY001");
	send_proof(&proof);
	expect(KILN_E_ROAST_PROOF, "STS refuses", 1);

	proof = make_proof();
	swap(proof.token, "client", "server");
	send_proof(&proof);
	expect(KILN_E_ROAST_PROOF, "STS refuses", 1);

	proof = make_proof();
	swap(proof.date, "20260101T000000Z", "20260101T000001Z");
	send_proof(&proof);
	expect(KILN_E_ROAST_PROOF, "STS refuses", 1);

	/* A space in the JSON of the payload: its meaning and its binding stay, its hash does not.
	 */
	proof = make_proof();
	proof.body = realloc(proof.body, proof.body_len + 1);
	proof.body[proof.body_len++] = ' ';
	send_proof(&proof);
	expect(KILN_E_ROAST_PROOF, "STS refuses", 1);
}

/* What shows without asking anybody. */
static void test_authorization(void **state)
{
	static const char *const changes[][2] = {
	    {"AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA512 "},
	    {"/eu-central-1/", "/eu-central-2/"},
	    {"/sts/", "/iam/"},
	    {"/aws4_request", "/aws5_request"},
	    {"20260101/", "20251231/"},
	    {"content-length;host", "content-Length;host"},
	    {"SignedHeaders=content-length;host", "SignedHeaders=host;content-length"},
	    {"x-amz-date;", "x-amz-host;"},
	    {", SignedHeaders", " ,SignedHeaders"},
	    {"Credential=A", "Credential=/"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		struct kiln_aws_proof proof = make_proof();
		swap(proof.authorization, changes[i][0], changes[i][1]);
		send_proof(&proof);
		expect(KILN_E_ROAST_PROOF, "the hello of client 192.0.2.9:50000 is refused", 0);
	}
}

static void test_regions(void **state)
{
	static const char *const regions[] = {"us-east-1",         "eu-central-9",
					      "attacker.example/", "x.attacker.example/?",
					      "EU-CENTRAL-1",      "."};
	(void)state;
	for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
		struct kiln_aws_proof proof = make_proof();
		(void)snprintf(proof.region, sizeof proof.region, "%s", regions[i]);
		send_proof(&proof);
		expect(KILN_E_ROAST_PROOF, "is refused", 0);
	}
}

/* A form in the body would be an action of the attacker's choice. */
static void test_body(void **state)
{
	(void)state;
	struct kiln_aws_proof proof = make_proof();
	free(proof.body);
	proof.body = (uint8_t *)strdup("Action=AssumeRole&RoleArn=x");
	proof.body_len = strlen("Action=AssumeRole&RoleArn=x");
	send_proof(&proof);
	expect(KILN_E_ROAST_PROOF, "'{'", 0);
	proof = make_proof();
	free(proof.body);
	proof.body = NULL;
	proof.body_len = 0;
	send_proof(&proof);
	expect(KILN_E_ROAST_PROOF, "", 0); /* its content-length is signed, and there is none */
}

/* Bytes that are no hello at all: refused at the first that shows it. */
static void test_garbage(void **state)
{
	static const char *const garbage[] = {"GET / HTTP/1.1\r\n\r\n",
					      "\x16\x03\x01\x02",
					      "\xef\xbb\xbf{}",
					      "[]",
					      "null\n",
					      "{\"Body\":TRUE}",
					      "{\"Body\": tru}",
					      "{}",
					      "{]"};
	(void)state;
	for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
		struct kiln_aws_proof proof = make_proof();
		kiln_aws_proof_clear(&proof);
		wire_add(&server.in, garbage[i], strlen(garbage[i]));
		side_run(&server, 1);
		expect(KILN_E_ROAST_HELLO, "the hello of client 192.0.2.9:50000 is refused", 0);
	}
}

/* Endless input: refused at the limit, with no more memory than that. */
static void test_endless(void **state)
{
	static const char start[] = "{\"Body\":\"";
	char many[4096];
	(void)state;
	struct kiln_aws_proof proof = make_proof();
	kiln_aws_proof_clear(&proof);
	memset(many, 'A', sizeof many);
	wire_add(&server.in, start, strlen(start));
	for (unsigned i = 0; i < 7; i++) {
		wire_add(&server.in, many, sizeof many);
		side_run(&server, SIZE_MAX);
		assert_int_equal(server.step, KILN_ROAST_NEED_INPUT);
	}
	wire_add(&server.in, many, sizeof many);
	side_run(&server, SIZE_MAX);
	expect(KILN_E_ROAST_HELLO, "longer than 32768 bytes", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unchanged),     cmocka_unit_test(test_signature),
	    cmocka_unit_test(test_authorization), cmocka_unit_test(test_regions),
	    cmocka_unit_test(test_body),          cmocka_unit_test(test_garbage),
	    cmocka_unit_test(test_endless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

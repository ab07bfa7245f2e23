/* SPDX-License-Identifier: Apache-2.0
 * Messages between workers and the identity agent: whole, in order, bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/message.h"

static int pair[2];
static unsigned malloc_fails; /* so many times */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	if (malloc_fails == 0)
		return __real_malloc(size);
	malloc_fails--;
	return NULL;
}

static int open_pair(void **state)
{
	(void)state;
	return kiln_agent_pair(pair) ? 0 : -1;
}

static int close_pair(void **state)
{
	(void)state;
	(void)close(pair[0]);
	(void)close(pair[1]);
	return 0;
}

/* The largest of all. */
static void fill(struct kiln_agent_message *m, size_t token, size_t body)
{
	memset(m, 0, sizeof *m);
	m->type = KILN_AGENT_VERIFY;
	m->id = 0x0123456789abcdef;
	memset(m->source, 7, sizeof m->source);
	(void)strcpy(m->proof.region, "eu-central-1");
	memset(m->proof.authorization, 'a', KILN_AWS_AUTHORIZATION_MAX);
	(void)strcpy(m->proof.date, "20260115T120000Z");
	m->proof.token = calloc(1, token + 1);
	m->proof.body = malloc(body);
	assert_true(m->proof.token != NULL && m->proof.body != NULL);
	memset(m->proof.token, 't', token);
	memset(m->proof.body, 'b', body);
	m->proof.body_len = body;
}

static void assert_same(const struct kiln_agent_message *a, const struct kiln_agent_message *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->id, b->id);
	assert_memory_equal(a->source, b->source, sizeof a->source);
	assert_string_equal(a->proof.region, b->proof.region);
	assert_string_equal(a->proof.authorization, b->proof.authorization);
	assert_string_equal(a->proof.date, b->proof.date);
	assert_string_equal(a->proof.token, b->proof.token);
	assert_int_equal(a->proof.body_len, b->proof.body_len);
	assert_memory_equal(a->proof.body, b->proof.body, a->proof.body_len);
}

static void test_there_and_back(void **state)
{
	(void)state;
	struct kiln_agent_message sent, got;
	fill(&sent, KILN_AWS_TOKEN_MAX, KILN_AWS_BODY_MAX);
	assert_int_equal(kiln_agent_receive(pair[1], &got), 0);
	assert_int_equal(kiln_agent_send(pair[0], &sent), 1);
	assert_int_equal(kiln_agent_receive(pair[1], &got), 1);
	assert_same(&sent, &got);
	kiln_agent_message_clear(&sent);
	kiln_agent_message_clear(&got);

	struct kiln_agent_message answer = {.type = KILN_AGENT_VERIFIED, .id = 3};
	(void)strcpy(answer.role.partition, "aws");
	(void)strcpy(answer.role.account, "123456789012");
	(void)strcpy(answer.role.name, "Web");
	(void)strcpy(answer.session, "i-0123");
	answer.code = KILN_E_STS;
	(void)strcpy(answer.text, "why");
	assert_int_equal(kiln_agent_send(pair[1], &answer), 1);
	assert_int_equal(kiln_agent_receive(pair[0], &got), 1);
	assert_true(kiln_aws_role_equal(&answer.role, &got.role));
	assert_string_equal(got.session, "i-0123");
	assert_int_equal(got.code, KILN_E_STS);
	assert_string_equal(got.text, "why");
	assert_null(got.proof.token);
	assert_null(got.proof.body);
	kiln_agent_message_clear(&got);
}

/* Who does not read is not waited for, and what it did get is whole. */
static void test_full(void **state)
{
	(void)state;
	struct kiln_agent_message sent, got;
	unsigned count = 0, read = 0;
	int rc;
	fill(&sent, 1000, 60000);
	while ((rc = kiln_agent_send(pair[0], &sent)) == 1)
		count++;
	assert_int_equal(rc, 0);
	assert_true(count > 0 && count < 1000);
	while ((rc = kiln_agent_receive(pair[1], &got)) == 1) {
		assert_same(&sent, &got);
		kiln_agent_message_clear(&got);
		read++;
	}
	assert_int_equal(rc, 0);
	assert_int_equal(read, count);
	assert_int_equal(kiln_agent_send(pair[0], &sent), 1);
	kiln_agent_message_clear(&sent);
}

static void test_the_end(void **state)
{
	(void)state;
	struct kiln_agent_message message = {.type = KILN_AGENT_PROVE}, got;
	(void)close(pair[0]);
	assert_int_equal(kiln_agent_receive(pair[1], &got), -1);
	assert_int_equal(kiln_agent_send(pair[1], &message), -1);
	pair[0] = dup(0);
}

/* What was sent before is passed over, and this comes whole. */
static void assert_next_comes(const struct kiln_agent_message *whole)
{
	struct kiln_agent_message got;
	assert_int_equal(kiln_agent_send(pair[0], whole), 1);
	assert_int_equal(kiln_agent_receive(pair[1], &got), 1);
	assert_same(whole, &got);
	kiln_agent_message_clear(&got);
	assert_int_equal(kiln_agent_receive(pair[1], &got), 0);
}

static void test_what_is_no_message(void **state)
{
	(void)state;
	static uint8_t bytes[200000];
	struct kiln_agent_message got, whole;
	const struct kiln_agent_message least = {.type = KILN_AGENT_PROVE};
	assert_int_equal(kiln_agent_send(pair[0], &least), 1);
	const ssize_t head = recv(pair[1], bytes, sizeof bytes, 0);
	assert_true(head > 1);
	fill(&whole, 10, 10);
	for (ssize_t len = 1; len < head; len += len + 97 < head ? 97 : 1) {
		assert_int_equal(send(pair[0], bytes, (size_t)len, 0), len);
		assert_next_comes(&whole);
	}
	assert_int_equal(send(pair[0], bytes, 100000, 0), 100000); /* longer than any */
	assert_next_comes(&whole);
	/* A length that promises more than there is, and one that promises less: both at once. */
	assert_int_equal(kiln_agent_send(pair[0], &whole), 1);
	const ssize_t n = recv(pair[1], bytes, sizeof bytes, 0);
	assert_int_equal(n, head + 20);
	assert_int_equal(send(pair[0], bytes, (size_t)n - 1, 0), n - 1);
	assert_int_equal(send(pair[0], bytes, (size_t)n + 1, 0), n + 1);
	assert_next_comes(&whole);
	/* Nothing after it: not the end. */
	assert_int_equal(send(pair[0], bytes, (size_t)n - 1, 0), n - 1);
	assert_int_equal(kiln_agent_receive(pair[1], &got), 0);
	kiln_agent_message_clear(&whole);
}

/* Without memory for what a message brings: that message is lost, and no other. */
static void test_no_memory(void **state)
{
	(void)state;
	struct kiln_agent_message whole;
	fill(&whole, 10, 10);
	assert_int_equal(kiln_agent_send(pair[0], &whole), 1);
	malloc_fails = 1;
	assert_next_comes(&whole);
	assert_int_equal(malloc_fails, 0);
	kiln_agent_message_clear(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_there_and_back, open_pair, close_pair),
	    cmocka_unit_test_setup_teardown(test_full, open_pair, close_pair),
	    cmocka_unit_test_setup_teardown(test_the_end, open_pair, close_pair),
	    cmocka_unit_test_setup_teardown(test_what_is_no_message, open_pair, close_pair),
	    cmocka_unit_test_setup_teardown(test_no_memory, open_pair, close_pair),
	};
	return cmocka_run_group_tests_name("agent: messages", tests, NULL, NULL);
}

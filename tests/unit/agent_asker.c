/* SPDX-License-Identifier: Apache-2.0
 * A worker's questions: every answer finds who asked, no late one meets another, and an agent that
 * dies costs nothing but time. The links are mere addresses here. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/asker.h"
#include "worker/link.h"

static struct kiln_pool pool;
static struct kiln_asker asker;
static int agent; /* the other end */
static struct kiln_link links[300];
static unsigned answers, unasked, changes;
static const struct kiln_link *last;
static uint64_t last_id;

void __wrap_kiln_link_answered(struct kiln_link *conn, const struct kiln_agent_message *answer);
void __wrap_kiln_link_unasked(struct kiln_link *conn);

void __wrap_kiln_link_answered(struct kiln_link *conn, const struct kiln_agent_message *answer)
{
	answers++;
	last = conn;
	last_id = answer->id;
}

void __wrap_kiln_link_unasked(struct kiln_link *conn)
{
	unasked++;
	last = conn;
}

static void on_change(struct kiln_asker *changed)
{
	assert_ptr_equal(changed, &asker);
	changes++;
}

static void turn(void)
{
	assert_int_equal(kiln_io_wait(asker.io, 20, NULL), KILN_OK);
	kiln_io_dispatch(asker.io);
}

static void connect_agent(void)
{
	int pair[2];
	assert_true(kiln_agent_pair(pair));
	agent = pair[0];
	kiln_asker_use(&asker, pair[1]);
	turn();
}

static int set_up(void **state)
{
	char why[160];
	(void)state;
	if (kiln_pool_init(&pool, 0, NULL) != KILN_OK)
		return -1;
	struct kiln_io *io = kiln_io_open(KILN_ENGINE_EPOLL, &pool, why, NULL);
	if (io == NULL)
		return -1;
	kiln_asker_init(&asker, io);
	asker.changed = on_change;
	answers = unasked = changes = 0;
	last = NULL;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)close(agent);
	struct kiln_io *io = asker.io;
	kiln_asker_close(&asker);
	kiln_io_close(io);
	kiln_pool_clear(&pool);
	return 0;
}

static uint64_t ask(unsigned i)
{
	struct kiln_agent_message message = {.type = KILN_AGENT_PROVE};
	struct kiln_error err = {0};
	uint64_t question;
	assert_int_equal(kiln_asker_ask(&asker, &links[i], &message, &question, &err), KILN_OK);
	assert_true(question != 0);
	return question;
}

static void answer(uint64_t id)
{
	const struct kiln_agent_message message = {.type = KILN_AGENT_REFUSED, .id = id};
	assert_int_equal(kiln_agent_send(agent, &message), 1);
	turn();
}

static void test_each_finds_its_own(void **state)
{
	(void)state;
	uint64_t ids[300];
	struct kiln_agent_message heard;
	connect_agent();
	for (unsigned i = 0; i < 300; i++) {
		ids[i] = ask(i);
		assert_int_equal(kiln_agent_receive(agent, &heard), 1);
		assert_int_equal(heard.id, ids[i]);
		kiln_agent_message_clear(&heard);
	}
	for (unsigned i = 300; i-- > 0;) {
		answer(ids[i]);
		assert_ptr_equal(last, &links[i]);
		assert_int_equal(last_id, ids[i]);
	}
	assert_int_equal(answers, 300);
}

static void test_late_answers_meet_nobody(void **state)
{
	(void)state;
	connect_agent();
	const uint64_t first = ask(0);
	kiln_asker_forget(&asker, first);
	const uint64_t second = ask(1); /* in the same place */
	assert_int_equal((uint32_t)first, (uint32_t)second);
	assert_true(first != second);
	answer(first);
	answer(UINT64_MAX);
	answer(0);
	assert_int_equal(answers, 0);
	answer(second);
	assert_ptr_equal(last, &links[1]);
	answer(second); /* twice */
	assert_int_equal(answers, 1);
}

static void test_without_an_agent(void **state)
{
	(void)state;
	struct kiln_agent_message message = {.type = KILN_AGENT_PROVE};
	struct kiln_error err = {0};
	uint64_t question;
	assert_int_equal(kiln_asker_ask(&asker, &links[0], &message, &question, &err),
			 KILN_E_AGAIN);
	assert_int_equal(question, 0);
	assert_true(asker.pending);
	connect_agent(); /* for the tear-down */
}

static void test_an_agent_that_dies(void **state)
{
	(void)state;
	connect_agent();
	(void)ask(0);
	(void)ask(1);
	(void)close(agent);
	turn();
	turn();
	assert_int_equal(unasked, 2);
	assert_true(asker.pending && !asker.known);
	connect_agent();
	turn();
	const uint64_t question = ask(2);
	answer(question);
	assert_ptr_equal(last, &links[2]);
}

static void test_a_new_agent_while_the_old_one_lives(void **state)
{
	(void)state;
	connect_agent();
	const int old = agent;
	(void)ask(0);
	connect_agent();
	turn();
	assert_int_equal(unasked, 1);
	const uint64_t question = ask(1);
	answer(question);
	assert_int_equal(answers, 1);
	(void)close(old);
}

static void tell(enum kiln_code code, const char *role)
{
	struct kiln_agent_message message = {.type = KILN_AGENT_IDENTITY, .code = code};
	if (role != NULL)
		assert_int_equal(kiln_aws_role_parse(role, &message.role, NULL), KILN_OK);
	(void)strcpy(message.text, "because");
	assert_int_equal(kiln_agent_send(agent, &message), 1);
	turn();
}

static void test_who_we_are(void **state)
{
	(void)state;
	connect_agent();
	assert_true(asker.pending);
	tell(KILN_E_AGAIN, NULL);
	assert_true(asker.pending);
	assert_int_equal(changes, 0);
	tell(KILN_E_CREDENTIALS, NULL);
	assert_true(!asker.pending && !asker.known);
	assert_string_equal(asker.unknown.message, "because");
	tell(KILN_OK, "arn:aws:iam::123456789012:role/Web");
	assert_true(!asker.pending && asker.known);
	assert_string_equal(asker.role.name, "Web");
	assert_int_equal(changes, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_each_finds_its_own, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_late_answers_meet_nobody, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_without_an_agent, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_an_agent_that_dies, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_a_new_agent_while_the_old_one_lives, set_up,
					    tear_down),
	    cmocka_unit_test_setup_teardown(test_who_we_are, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("agent: a worker's questions", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * A worker's side of the channel to the identity agent: what is known, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/io.h"
#include "worker/asker.h"

static struct kiln_pool pool;
static struct kiln_io *io;
static struct kiln_asker asker;
static int agent = -1;

static int start(void **state)
{
	char why[160];
	struct kiln_error err = {0};
	int pair[2];
	(void)state;
	assert_int_equal(kiln_pool_init(&pool, 0, NULL), KILN_OK);
	io = kiln_io_open(KILN_ENGINE_EPOLL, &pool, why, &err);
	assert_non_null(io);
	kiln_asker_init(&asker, io);
	assert_false(kiln_asker_knows(&asker));
	assert_true(kiln_agent_pair(pair));
	agent = pair[1];
	kiln_asker_use(&asker, pair[0]);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	kiln_io_cancel(io, &asker.op);
	for (int i = 0; i < 100 && asker.op.armed; i++) {
		assert_int_equal(kiln_io_wait(io, 50, NULL), KILN_OK);
		kiln_io_dispatch(io);
	}
	assert_false(asker.op.armed);
	kiln_io_forget(io, asker.channel);
	kiln_asker_close(&asker);
	(void)close(agent);
	kiln_io_close(io);
	kiln_pool_clear(&pool);
	return 0;
}

static void say(enum kiln_code code)
{
	struct kiln_agent_message message;
	memset(&message, 0, sizeof message);
	message.type = KILN_AGENT_IDENTITY;
	message.code = code;
	(void)strcpy(message.text, code == KILN_OK ? "" : "nothing is configured");
	(void)strcpy(message.role.partition, "aws");
	(void)strcpy(message.role.account, "123456789012");
	(void)strcpy(message.role.name, "Orders");
	assert_int_equal(kiln_agent_send(agent, &message), 1);
}

/* The engine has not turned: a connection and the agent's word came at the same time. */
static void known_as_soon_as_it_was_said(void **state)
{
	(void)state;
	assert_false(kiln_asker_knows(&asker));
	say(KILN_OK);
	assert_true(kiln_asker_knows(&asker));
	assert_string_equal(asker.role.name, "Orders");
}

static void the_last_word_counts(void **state)
{
	(void)state;
	say(KILN_E_CREDENTIALS);
	assert_false(kiln_asker_knows(&asker));
	assert_int_equal(asker.unknown.code, KILN_E_CREDENTIALS);
	assert_string_equal(asker.unknown.message, "nothing is configured");
	say(KILN_E_CREDENTIALS);
	say(KILN_OK);
	assert_true(kiln_asker_knows(&asker));
}

static void an_agent_that_is_gone_says_nothing(void **state)
{
	(void)state;
	(void)close(agent);
	agent = -1;
	assert_false(kiln_asker_knows(&asker));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(known_as_soon_as_it_was_said, start, stop),
	    cmocka_unit_test_setup_teardown(the_last_word_counts, start, stop),
	    cmocka_unit_test_setup_teardown(an_agent_that_is_gone_says_nothing, start, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

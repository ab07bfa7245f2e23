/* SPDX-License-Identifier: Apache-2.0
 * See aws_world.h. */
#include "aws_world.h"

#include <errno.h>

void world_open(struct world *world, const struct kiln_chain_options *options)
{
	struct kiln_chain_options copy =
	    options != NULL ? *options : (struct kiln_chain_options){0};
	copy.environ = world->environ;
	copy.seed = 42;
	if (world->now == 0)
		world->now = NOON;
	assert_int_equal(kiln_chain_new(&copy, &world->chain, NULL), KILN_OK);
}

void world_close(struct world *world)
{
	kiln_chain_free(world->chain);
	world->chain = NULL;
}

static void answer_file(struct world *world, const struct kiln_chain_question *q,
			struct kiln_chain_answer *answer)
{
	world->asked_files++;
	answer->error = ENOENT;
	for (size_t i = 0; i < 8 && world->files[i].path != NULL; i++) {
		if (strcmp(world->files[i].path, q->path) != 0)
			continue;
		answer->error = world->files[i].error;
		answer->data = (const uint8_t *)world->files[i].text;
		answer->len = answer->error == 0 ? strlen(world->files[i].text) : 0;
		assert_true(answer->len <= q->max);
	}
}

static void answer_command(struct world *world, const struct kiln_chain_question *q,
			   struct kiln_chain_answer *answer)
{
	char words[256] = "";
	world->asked_commands++;
	for (size_t i = 0; q->argv[i] != NULL; i++) {
		if (i > 0)
			strcat(words, "|");
		strcat(words, q->argv[i]);
	}
	assert_non_null(world->command);
	assert_string_equal(words, world->command);
	answer->error = world->command_error;
	answer->exit_status = world->exit_status;
	answer->data = (const uint8_t *)world->output;
	answer->len = world->output != NULL ? strlen(world->output) : 0;
}

static bool holds(const struct kiln_http_request *http, const char *text)
{
	const size_t len = strlen(text);
	if (http->body != NULL && memmem(http->body, http->body_len, text, len) != NULL)
		return true;
	for (unsigned i = 0; i < http->header_count; i++)
		if (strncmp(http->headers[i].line, text, len) == 0)
			return true;
	return false;
}

static void answer_http(struct world *world, const struct kiln_http_request *http,
			struct kiln_http_answer *answer)
{
	char request[600];
	world->asked_http++;
	(void)snprintf(request, sizeof request, "%s %s", http->method, http->url);
	assert_int_equal(http->link_local, strncmp(http->url, "https://", 8) != 0);
	assert_true(http->timeout_ms > 0 && http->answer_max > 0);
	for (size_t i = 0; i < 12 && world->servers[i].request != NULL; i++) {
		const struct world_server *server = &world->servers[i];
		if (strcmp(server->request, request) != 0 ||
		    (server->need != NULL && !holds(http, server->need)))
			continue;
		answer->status = server->status;
		if (server->type != NULL)
			(void)snprintf(answer->content_type, sizeof answer->content_type, "%s",
				       server->type);
		answer->body = (const uint8_t *)server->body;
		answer->len = server->body != NULL ? strlen(server->body) : 0;
		if (server->status == 0)
			(void)snprintf(answer->problem, sizeof answer->problem, "timed out");
		return;
	}
	fail_msg("nobody answers to %s", request);
}

void world_run(struct world *world)
{
	const struct kiln_chain_question *q;
	for (unsigned i = 0; (q = kiln_chain_step(world->chain, world->now)) != NULL; i++) {
		struct kiln_chain_answer answer = {0};
		struct kiln_http_answer http = {0};
		assert_true(i < 100);
		assert_ptr_equal(kiln_chain_step(world->chain, world->now), q);
		if (q->ask == KILN_CHAIN_FILE)
			answer_file(world, q, &answer);
		else if (q->ask == KILN_CHAIN_COMMAND)
			answer_command(world, q, &answer);
		else
			answer_http(world, q->http, &http);
		answer.http = &http;
		kiln_chain_answer(world->chain, world->now, &answer);
	}
	assert_true(kiln_chain_wake_at(world->chain) > world->now);
}

void world_sleep(struct world *world, int64_t at_least, int64_t at_most)
{
	const int64_t wait = kiln_chain_wake_at(world->chain) - world->now;
	if (wait < at_least || wait > at_most)
		fail_msg("it sleeps %lld s, not %lld to %lld", (long long)wait, (long long)at_least,
			 (long long)at_most);
	world->now += wait - 1;
	assert_null(kiln_chain_step(world->chain, world->now));
	world->now++;
	world_run(world);
}

void world_has(struct world *world, const char *key_id, const char *source)
{
	const struct kiln_aws_credentials *credentials;
	struct kiln_error err;
	if (kiln_chain_credentials(world->chain, world->now, &credentials, &err) != KILN_OK)
		fail_msg("no credentials: %s", err.message);
	assert_string_equal(credentials->access_key_id, key_id);
	assert_string_equal(credentials->source, source);
	assert_true(credentials->secret_access_key[0] != '\0');
}

void world_lacks(struct world *world, const char *reason)
{
	const struct kiln_aws_credentials *credentials;
	struct kiln_error err;
	assert_why(kiln_chain_credentials(world->chain, world->now, &credentials, &err), &err,
		   KILN_E_CREDENTIALS, reason);
	assert_null(credentials);
	assert_null(strstr(err.message, "s3cr3t"));
	assert_null(strstr(err.message, "t0k3n"));
}

void world_gives(struct world world, const char *key_id, const char *source)
{
	world_open(&world, NULL);
	world_run(&world);
	world_has(&world, key_id, source);
	world_close(&world);
}

void world_refuses(struct world world, const char *reason)
{
	world_open(&world, NULL);
	world_run(&world);
	world_lacks(&world, reason);
	assert_non_null(kiln_chain_problem(world.chain));
	world_close(&world);
}

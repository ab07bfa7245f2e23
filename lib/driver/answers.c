/* SPDX-License-Identifier: Apache-2.0
 * Answering the credential chain's questions, each within its own limit and the caller's. */
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "driver/file.h"
#include "driver/http.h"
#include "driver/identity.h"
#include "driver/program.h"

/* The lock is not held here, and is taken to answer. */
static void answer(struct kiln_aws *aws, const struct kiln_chain_answer *a)
{
	(void)pthread_mutex_lock(&aws->lock);
	kiln_chain_answer(aws->chain, kiln_wall_clock(), a);
	(void)pthread_mutex_unlock(&aws->lock);
}

/* Of a URL only who is asked: a path may be a secret. */
static enum kiln_code out_of_time(const struct kiln_chain_question *q, struct kiln_error *err)
{
	const char *what = q->ask == KILN_CHAIN_HTTP      ? q->http->url
			   : q->ask == KILN_CHAIN_COMMAND ? q->argv[0]
							  : q->path;
	const char *host = q->ask == KILN_CHAIN_HTTP ? strstr(what, "://") : NULL;
	const size_t len =
	    host != NULL ? (size_t)(host - what) + 3 + strcspn(host + 3, "/?") : strlen(what);
	return kiln_fail(err, KILN_E_TIMEOUT,
			 "the time is over while AWS credentials are looked for, at %.*s",
			 (int)(len < 150 ? len : 150), what);
}

static enum kiln_code read_file(struct kiln_aws *aws, const struct kiln_chain_question *q)
{
	struct kiln_file file;
	const int failed = kiln_file_read_some(q->path, q->max, &file);
	answer(aws,
	       &(struct kiln_chain_answer){.error = failed, .data = file.data, .len = file.len});
	kiln_file_clear(&file);
	return KILN_OK;
}

/* Until there is output, or the end; without output to come, for a moment. */
static void wait_for_program(const struct kiln_program *program, kiln_time_ms end)
{
	const kiln_time_ms soon = kiln_driver_now() + KILN_PROGRAM_LOOK_AGAIN_MS;
	(void)!kiln_driver_wait(program->fd, POLLIN, program->fd < 0 && soon < end ? soon : end,
				NULL);
}

static enum kiln_code run_program(struct kiln_aws *aws, const struct kiln_chain_question *q,
				  kiln_time_ms deadline, struct kiln_error *err)
{
	const kiln_time_ms own_end = kiln_driver_now() + q->timeout_ms;
	const kiln_time_ms end = own_end < deadline ? own_end : deadline;
	struct kiln_program program;
	struct kiln_chain_answer a = {0};
	enum kiln_code rc = KILN_OK;
	a.error = kiln_program_start(&program, q->argv, q->max, (uint64_t)end);
	if (a.error == 0) {
		while (!kiln_program_turn(&program, (uint64_t)kiln_driver_now(), &a.exit_status))
			wait_for_program(&program, end);
		a.data = program.data;
		a.len = program.len < program.max ? program.len : program.max;
	}
	if (a.exit_status != 0 && own_end > deadline && kiln_driver_now() >= deadline)
		rc = out_of_time(q, err);
	else
		answer(aws, &a);
	kiln_program_clear(&program);
	return rc;
}

struct exchange {
	struct kiln_aws *aws;
	kiln_time_ms deadline;
	bool cut_short;
};

static void on_answer(void *arg, const struct kiln_http_answer *http)
{
	struct exchange *x = arg;
	x->cut_short = http->status == 0 && kiln_driver_now() >= x->deadline;
	if (!x->cut_short)
		answer(x->aws, &(struct kiln_chain_answer){.http = http});
}

static enum kiln_code exchange(struct kiln_aws *aws, const struct kiln_chain_question *q,
			       kiln_time_ms deadline, struct kiln_error *err)
{
	struct exchange x = {.aws = aws, .deadline = deadline};
	kiln_http_exchange(q->http, kiln_driver_left(deadline), on_answer, &x);
	return x.cut_short ? out_of_time(q, err) : KILN_OK;
}

static enum kiln_code follow(struct kiln_aws *aws, const struct kiln_chain_question *q,
			     kiln_time_ms deadline, struct kiln_error *err)
{
	switch (q->ask) {
	case KILN_CHAIN_FILE: return read_file(aws, q);
	case KILN_CHAIN_COMMAND: return run_program(aws, q, deadline, err);
	case KILN_CHAIN_HTTP: break;
	}
	return exchange(aws, q, deadline, err);
}

enum kiln_code kiln_aws_search(struct kiln_aws *aws, kiln_time_ms deadline, struct kiln_error *err)
{
	const struct kiln_chain_question *q;
	enum kiln_code rc = KILN_OK;
	while (rc == KILN_OK && (q = kiln_chain_step(aws->chain, kiln_wall_clock())) != NULL) {
		if (kiln_driver_now() > deadline)
			return out_of_time(q, err);
		/* The question stays as it is: only who searches moves the chain. */
		(void)pthread_mutex_unlock(&aws->lock);
		rc = follow(aws, q, deadline, err);
		(void)pthread_mutex_lock(&aws->lock);
	}
	return rc;
}

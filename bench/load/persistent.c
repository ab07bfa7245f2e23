/*
 * The modes whose connections stay: bulk, request, idle. All connections are opened and carry
 * verified commands first; only then does the measurement begin, on all of them together.
 */
#include "run.h"

#include <stdio.h>

/* So many handshakes at once while opening: the proxy is busy, and none waits for long. */
#define OPENING_AT_ONCE 8

static bool all_finished(struct run *run)
{
	return run->finished == run->opt->conns;
}

static bool open_next(struct run *run)
{
	if (run->started == run->opt->conns)
		return false;
	return run_open(run, &run->conns[run->started++]);
}

static bool on_warm_up(struct run *run, struct conn *c)
{
	if (c->state != CONN_READY)
		return false;
	if (c->done < run->opt->warmup) {
		run_command(run, c, true);
		return true;
	}
	c->state = CONN_RESTING;
	run->finished++;
	open_next(run);
	return false;
}

static bool warm_up(struct run *run)
{
	for (size_t i = 0; i < OPENING_AT_ONCE && open_next(run); i++)
		continue;
	return !run->error && run_loop(run, on_warm_up, all_finished);
}

/* In this phase `finished` counts commands, and a connection that is out of work counts as idle. */
static size_t idle_conns;
static size_t closed_conns;

static bool all_idle(struct run *run)
{
	return idle_conns == run->opt->conns;
}

static bool start_or_rest(struct run *run, struct conn *c)
{
	if (run_may_start(run)) {
		run_command(run, c, false);
		return true;
	}
	c->state = CONN_RESTING;
	idle_conns++;
	return false;
}

static bool on_measured(struct run *run, struct conn *c)
{
	if (c->state != CONN_READY)
		return false;
	samples_add(&run->latency, cpu_now_ns() - c->start_ns);
	run->finished++;
	return start_or_rest(run, c);
}

static bool measure(struct run *run)
{
	idle_conns = 0;
	if (!run_begin_measure(run))
		return false;
	for (size_t i = 0; i < run->opt->conns && !run->error; i++) {
		if (start_or_rest(run, &run->conns[i]))
			run_drive(run, &run->conns[i], on_measured);
	}
	return run_loop(run, on_measured, all_idle) && run_end_measure(run);
}

static bool on_check(struct run *run, struct conn *c)
{
	if (c->state != CONN_READY)
		return false;
	c->state = CONN_RESTING;
	run->finished++;
	return false;
}

/* A proxy that dropped some of the idle connections must not look small: use each once more. */
static bool check_all(struct run *run)
{
	run->finished = 0;
	for (size_t i = 0; i < run->opt->conns && !run->error; i++) {
		run_command(run, &run->conns[i], true);
		run_drive(run, &run->conns[i], on_check);
	}
	return run_loop(run, on_check, all_finished);
}

static bool hold(struct run *run)
{
	(void)printf("{\"event\": \"holding\", \"conns\": %zu}\n", run->opt->conns);
	(void)fflush(stdout);
	for (int ch = getchar(); ch != '\n' && ch != EOF;)
		ch = getchar();
	return check_all(run);
}

static bool on_close(struct run *run, struct conn *c)
{
	if (c->state != CONN_CLOSED)
		return false;
	run->resets += c->reset_at_close;
	closed_conns++;
	conn_free(c);
	return false;
}

static bool all_closed(struct run *run)
{
	return closed_conns == run->opt->conns;
}

/* In order, in TLS and TCP, and both ways: a proxy that forgets a connection would be found here.
 */
static bool close_all(struct run *run)
{
	closed_conns = 0;
	for (size_t i = 0; i < run->opt->conns && !run->error; i++) {
		conn_shutdown(&run->conns[i]);
		run_drive(run, &run->conns[i], on_close);
	}
	return run_loop(run, on_close, all_closed);
}

bool run_persistent(struct run *run)
{
	if (!warm_up(run))
		return false;
	if (run->opt->mode == MODE_IDLE ? !hold(run) : !measure(run))
		return false;
	return close_all(run);
}

/*
 * Handshake mode: each of the slots opens a connection, exchanges one command, closes it in TLS and
 * TCP, waits until the proxy has closed too, and begins again.
 */
#include "run.h"

static void reopen(struct run *run, struct conn *c)
{
	if (run_may_start(run) && run_open(run, c))
		c->start_ns = run->begun_ns;
}

static bool on_event(struct run *run, struct conn *c)
{
	bool wants_command = !run->opt->no_exchange && c->done == 0;

	switch (c->state) {
	case CONN_READY:
		if (wants_command) {
			run_command(run, c, !run->measuring);
			return true;
		}
		if (run->measuring)
			samples_add(&run->latency, cpu_now_ns() - c->start_ns);
		conn_shutdown(c);
		return true;
	case CONN_CLOSED:
		run->resets += c->reset_at_close;
		run->finished++;
		conn_free(c);
		reopen(run, c);
		return false; /* the new socket's events will come by themselves */
	default: return false;
	}
}

/* Looked at before every wait: the moment to begin what is due. */
static bool is_done(struct run *run)
{
	run_start_due(run, reopen);
	return run_is_over(run);
}

static bool open_slots(struct run *run)
{
	for (size_t i = 0; i < run->opt->conns && !run->error; i++)
		reopen(run, &run->conns[i]);
	return run_loop(run, on_event, is_done);
}

bool run_churn(struct run *run)
{
	run->quota = run->opt->warmup;
	return open_slots(run) && run_begin_measure(run) && open_slots(run) && run_end_measure(run);
}

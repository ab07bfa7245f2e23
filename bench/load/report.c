/* The JSON object that a run of the client prints. */
#include "run.h"

#include <stdio.h>

static void print_text(const char *name, const char *value)
{
	(void)printf("\"%s\": \"", name);
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			(void)putchar('\\');
		if ((unsigned char)*p >= ' ')
			(void)putchar(*p);
	}
	(void)printf("\"");
}

static void print_cpu(const struct run *run)
{
	(void)printf("\"cpu_ns\": {\"client\": %llu, \"kthreads\": %llu",
		     (unsigned long long)(run->after.self_ns - run->before.self_ns),
		     (unsigned long long)(run->after.kthreads_ns - run->before.kthreads_ns));
	for (size_t i = 0; i < run->opt->group_count; i++) {
		(void)printf(
		    ", \"%s\": %llu", run->opt->groups_cpu[i].name,
		    (unsigned long long)(run->after.groups_ns[i] - run->before.groups_ns[i]));
	}
	(void)printf("}, ");
}

static void print_latency(struct run *run)
{
	static const struct {
		const char *name;
		double q;
	} quantiles[] = {{"min", 0},    {"p50", 0.5},    {"p90", 0.9},
			 {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};

	samples_sort(&run->latency);
	(void)printf("\"latency_ns\": {\"mean\": %.0f", samples_mean(&run->latency));
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
		(void)printf(", \"%s\": %llu", quantiles[i].name,
			     (unsigned long long)samples_quantile(&run->latency, quantiles[i].q));
	}
	(void)printf("}, ");
}

void run_report(struct run *run)
{
	const struct load_options *opt = run->opt;
	bool exchange = !opt->no_exchange;

	(void)printf("{\"event\": \"result\", \"ok\": %s, ", run->error ? "false" : "true");
	if (run->error) {
		print_text("error", run->error);
		(void)printf(", ");
	}
	print_text("mode", options_mode_name(opt->mode));
	(void)printf(", \"conns\": %zu, \"request\": %llu, \"answer\": %llu, ", opt->conns,
		     (unsigned long long)(exchange ? opt->request : 0),
		     (unsigned long long)(exchange ? opt->answer : 0));
	print_text("cipher", run->cipher);
	(void)printf(", ");
	print_text("group", run->group);
	(void)printf(", \"count\": %llu, \"resets\": %llu, \"wall_ns\": %llu, ",
		     (unsigned long long)run->finished, (unsigned long long)run->resets,
		     (unsigned long long)(run->after.wall_ns - run->before.wall_ns));
	print_cpu(run);
	print_latency(run);
	(void)printf("\"ktls\": {\"tx\": %llu, \"rx\": %llu, \"tx_total\": %llu, \"rx_total\": "
		     "%llu}}\n",
		     (unsigned long long)(run->after.ktls_tx - run->before.ktls_tx),
		     (unsigned long long)(run->after.ktls_rx - run->before.ktls_rx),
		     (unsigned long long)run->after.ktls_tx,
		     (unsigned long long)run->after.ktls_rx);
}

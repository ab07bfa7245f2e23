/*
 * kiln-load: the load generator and backend of the benchmark (bench/README.md). One thread, no
 * blocking: what it measures is what the proxy between its two ends costs.
 */
#include <signal.h>
#include <stdio.h>

#include "backend.h"
#include "options.h"
#include "proto.h"
#include "run.h"

static int run_client(const struct load_options *opt)
{
	struct run run;

	if (run_init(&run, opt)) {
		if (opt->mode == MODE_HANDSHAKE)
			run_churn(&run);
		else if (opt->mode == MODE_FLOOD)
			run_flood(&run);
		else
			run_persistent(&run);
	}
	run_report(&run);
	run_free(&run);
	if (!run.error)
		return 0;
	(void)fprintf(stderr, "kiln-load %s: %s\n", options_mode_name(opt->mode), run.error);
	return 1;
}

int main(int argc, char **argv)
{
	static struct load_options opt;

	options_parse(argc, argv, &opt);
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		perror("SIGPIPE");
	proto_init();
	return opt.mode == MODE_BACKEND ? backend_run(&opt) : run_client(&opt);
}

/* SPDX-License-Identifier: Apache-2.0
 * `kiln demo`: its flags, its parts, and that nothing is left behind; see demo.h. */
#include "demo/demo.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/values.h"
#include "demo/stage.h"

#define DEFAULT_BYTES (UINT64_C(64) * 1024 * 1024)

static const struct part {
	const char *name;
	enum kiln_code (*play)(struct kiln_demo_stage *stage, struct kiln_demo_part *part,
			       struct kiln_error *err);
	/* Instead of play: it reports by itself, and gives its JSON. */
	enum kiln_code (*show)(struct kiln_demo_stage *stage, json_t **shown, bool *ok,
			       struct kiln_error *err);
} parts[] = {
    {"certificates", kiln_demo_certificates, NULL},
    {"roast", kiln_demo_roast, NULL},
    {"keys", NULL, kiln_demo_keys},
};
#define PARTS (sizeof parts / sizeof parts[0])

struct demo {
	struct kiln_demo_stage stage;
	bool json;
	const char *only; /* NULL: every part */
	json_t *outcome;
	bool userspace;
};

/* ---- the show ----------------------------------------------------------------------------- */

static bool show_own(struct demo *d, const struct part *part)
{
	struct kiln_error err = {0};
	json_t *shown = NULL;
	bool ok = false;
	if (part->show(&d->stage, &shown, &ok, &err) != KILN_OK)
		(void)fprintf(stderr, "kiln demo: %s: %s\n", part->name, err.message);
	const char *path = json_string_value(json_object_get(shown, "path"));
	d->userspace = d->userspace || (path != NULL && strcmp(path, "ktls") != 0);
	if (d->json && shown != NULL)
		(void)json_object_set(d->outcome, part->name, shown);
	json_decref(shown);
	kiln_demo_clear(&d->stage);
	return ok;
}

static bool play(struct demo *d, const struct part *part)
{
	if (part->show != NULL)
		return show_own(d, part);
	struct kiln_demo_part outcome = {0};
	struct kiln_error err = {0};
	const enum kiln_code rc = part->play(&d->stage, &outcome, &err);
	bool ok = false;
	if (rc != KILN_OK)
		(void)fprintf(stderr, "kiln demo: %s: %s\n", part->name, err.message);
	else if (d->json)
		(void)json_object_set_new(d->outcome, part->name, kiln_demo_part_json(&outcome));
	if (rc == KILN_OK) {
		const char *path = json_string_value(json_object_get(outcome.server_conn, "path"));
		d->userspace = path == NULL || strcmp(path, "ktls") != 0;
		ok = kiln_demo_part_report(&outcome);
	}
	kiln_demo_clear(&d->stage);
	kiln_demo_part_clear(&outcome);
	return ok;
}

static void say_end(const struct demo *d, bool ok)
{
	if (d->userspace)
		kiln_demo_say(
		    "\nThis kernel has no kernel TLS, so the records were protected in user space. "
		    "`./bootstrap demo --vm` shows the same on a kernel that has it.");
	kiln_demo_say("\n%s", ok ? "All of it worked: every byte arrived, and only where it should."
				 : "It did NOT all work: see above.");
}

static int show(struct demo *d)
{
	struct kiln_error err = {0};
	bool ok = true;
	(void)signal(SIGPIPE, SIG_IGN);
	d->outcome = json_object();
	kiln_demo_say("kiln demo: a client, two gateways and a backend on this machine\n\n"
		      "  this program ── plain ──▶ kiln client ══ TLS 1.3 ══▶ kiln server ── plain "
		      "──▶ backend\n\n%llu MiB each way.",
		      (unsigned long long)(d->stage.bytes >> 20));
	if (kiln_demo_backend(d->stage.bytes, &d->stage.backend, &d->stage.backend_port, &err) !=
	    KILN_OK) {
		(void)fprintf(stderr, "kiln demo: %s\n", err.message);
		return 1;
	}
	for (size_t i = 0; i < PARTS; i++)
		if (d->only == NULL || strcmp(d->only, parts[i].name) == 0)
			ok = play(d, &parts[i]) && ok;
	say_end(d, ok);
	(void)json_object_set_new(d->outcome, "ok", json_boolean(ok));
	if (d->json)
		(void)json_dumpf(d->outcome, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	if (d->json)
		(void)putchar('\n');
	json_decref(d->outcome);
	(void)kill(d->stage.backend, SIGKILL);
	(void)waitpid(d->stage.backend, NULL, 0);
	return ok ? 0 : 1;
}

/* ---- leaving nothing behind ---------------------------------------------------------------- */

/* Waits for the show; who wants to end it ends that. */
static int watch(pid_t show, const sigset_t *signals)
{
	int status;
	for (;;) {
		const int which = sigwaitinfo(signals, NULL);
		if (which == SIGINT || which == SIGTERM || which == SIGHUP)
			(void)kill(show, SIGTERM); /* its processes go with it */
		if (waitpid(show, &status, WNOHANG) == show)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
}

/* The show is a process of its own, so that the folder with the keys goes however it ends. */
static int run(struct demo *d)
{
	sigset_t signals, before;
	struct kiln_error err = {0};
	if (kiln_temp_dir_make(&d->stage.dir, &err) != KILN_OK) {
		(void)fprintf(stderr, "kiln demo: %s\n", err.message);
		return 1;
	}
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigaddset(&signals, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &signals, &before);
	const pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		(void)sigprocmask(SIG_SETMASK, &before, NULL);
		const int status = show(d);
		(void)fflush(stdout);
		_exit(status);
	}
	const int failed = errno;
	const int status = pid > 0 ? watch(pid, &signals) : 1;
	if (pid < 0)
		(void)fprintf(stderr, "kiln demo: no process: %s\n", strerror(failed));
	if (kiln_temp_dir_remove(&d->stage.dir, &err) != KILN_OK)
		(void)fprintf(stderr, "kiln demo: %s\n", err.message);
	return status;
}

/* ---- the command --------------------------------------------------------------------------- */

static const char help[] =
    "usage: kiln demo [certificates | roast | keys] [--bytes SIZE] [--json]\n\n"
    "Shows the main job end to end on this machine, with nothing to prepare and nothing left\n"
    "behind: starts a backend, `kiln server` and `kiln client`, moves real data both ways, lets\n"
    "somebody who is not allowed try, and prints what happened. In three parts, or one alone:\n\n"
    "  certificates  mutual TLS with throw-away certificates\n"
    "  roast         mutual TLS from AWS roles; `kiln sts` plays AWS, no account is needed\n"
    "  keys          a secret behind a password, at a key server that learns neither\n\n"
    "  --bytes SIZE  how much goes each way, such as 1GiB  [64MiB]\n"
    "  --json        one JSON object instead of text\n";

static bool take_part(struct demo *d, const char *name)
{
	for (size_t i = 0; i < PARTS; i++)
		if (strcmp(name, parts[i].name) == 0 && d->only == NULL) {
			d->only = parts[i].name;
			return true;
		}
	return false;
}

/* 0: go on; otherwise the exit status plus one. */
static int read_arguments(struct demo *d, int argc, char **argv)
{
	static const struct option flags[] = {{"bytes", required_argument, NULL, 'b'},
					      {"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int flag;
	while ((flag = getopt_long(argc, argv, "h", flags, NULL)) != -1) {
		if (flag == 'j') {
			d->json = true;
		} else if (flag == 'b') {
			struct kiln_error err = {0};
			if (kiln_value_size("--bytes", optarg, &d->stage.bytes, &err) == KILN_OK)
				continue;
			(void)fprintf(stderr, "kiln demo: %s\n", err.message);
			return 3;
		} else if (flag == 'h') {
			(void)fputs(help, stdout);
			return 1;
		} else {
			(void)fputs(help, stderr);
			return 3;
		}
	}
	for (; optind < argc; optind++)
		if (!take_part(d, argv[optind])) {
			(void)fprintf(stderr,
				      "kiln demo: '%s' is neither flag nor the one part to show "
				      "(certificates, roast, keys); see --help\n",
				      argv[optind]);
			return 3;
		}
	return 0;
}

int kiln_demo_main(int argc, char **argv)
{
	static struct demo demo = {.stage = {.bytes = DEFAULT_BYTES, .dir = {.fd = -1}}};
	const int stop = read_arguments(&demo, argc, argv);
	if (stop != 0)
		return stop - 1;
	kiln_demo_quiet(demo.json);
	const int status = run(&demo);
	return fflush(stdout) == 0 ? status : 1;
}

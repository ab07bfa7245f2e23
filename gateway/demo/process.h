/* SPDX-License-Identifier: Apache-2.0
 * A `kiln` started by the demo, and the events it logs. */
#ifndef KILN_DEMO_PROCESS_H
#define KILN_DEMO_PROCESS_H

#include <jansson.h>
#include <sys/types.h>

#include <kiln/error.h>

struct kiln_demo_process {
	pid_t pid;   /* 0: not running */
	bool asked;  /* to stop */
	int log_fd;  /* its stderr */
	size_t have; /* bytes of an unfinished line */
	char line[8192];
	char complaint[512]; /* the last line that was no event */
};

/* Starts this very program with arguments (NULL-terminated, the subcommand first), its log as JSON
 * on a pipe. Of our environment it gets nothing that AWS's programs look at, but environment
 * ("NAME=value", NULL-terminated; NULL for none). */
enum kiln_code kiln_demo_spawn(struct kiln_demo_process *process, const char *const *arguments,
			       const char *const *environment,
			       struct kiln_error *err) KILN_NODISCARD;

/* Waits for the next line of one event; the caller's to json_decref. NULL when it does not come
 * within ms, or the program ended: *err says so, with its own last words. */
json_t *kiln_demo_event(struct kiln_demo_process *process, const char *event, int ms,
			struct kiln_error *err);

/* The same for several events, in whatever order they come; false when one does not. */
bool kiln_demo_events(struct kiln_demo_process *process, const char *const *events, size_t count,
		      json_t **lines, int ms, struct kiln_error *err);

/* Asks it to stop, and does not wait: for several at once. */
void kiln_demo_ask_to_stop(struct kiln_demo_process *process);

/* Asks it to stop, and waits for that; kills it when it does not. */
void kiln_demo_stop(struct kiln_demo_process *process);

#endif

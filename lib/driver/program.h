/* SPDX-License-Identifier: Apache-2.0
 * A program that prints credentials (credential_process): run without a shell, its output bounded,
 * its time too, and nobody waits for it. */
#ifndef KILN_DRIVER_PROGRAM_H
#define KILN_DRIVER_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KILN_PROGRAM_LOOK_AGAIN_MS 10

struct kiln_program {
	pid_t pid; /* 0: none is running */
	int fd;    /* its output; poll it for POLLIN. -1: that has ended, the program perhaps not */
	uint8_t *data;
	size_t len, max;
	uint64_t end_at_ms;
};

/* Starts argv, found in PATH; 0 or errno. */
int kiln_program_start(struct kiln_program *command, const char *const *argv, size_t max,
		       uint64_t end_at_ms);

/* Reads what is there; never waits. With no fd to poll, call it again soon, in
 * KILN_PROGRAM_LOOK_AGAIN_MS say. True when it has ended, was too long or too slow (then it is
 * killed, and *status is KILN_CHAIN_TOO_LONG or _SLOW); *status is the exit status, 128 + N for
 * signal N. */
bool kiln_program_turn(struct kiln_program *command, uint64_t now_ms, int *status);

/* Kills one that runs and what it started, wipes and frees. */
void kiln_program_clear(struct kiln_program *command);

#endif

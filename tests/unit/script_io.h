/* SPDX-License-Identifier: Apache-2.0
 *
 * An event engine whose every answer is written by the test: which operation gets how many bytes,
 * in what order, when a cancel comes back. It keeps the rules of gateway/io/io.h (one last event
 * for every armed operation) and asserts that the code above keeps them too.
 */
#ifndef KILN_TESTS_SCRIPT_IO_H
#define KILN_TESTS_SCRIPT_IO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/engine.h"

#define SCRIPT_OPS    32u
#define SCRIPT_EVENTS 256u

struct script_event {
	struct kiln_op *op;
	unsigned arming; /* which arming of op it answers */
	int result;
	struct kiln_buffer *buffer;
	bool last, is_cancel;
};

struct script_io {
	struct kiln_io io;
	struct kiln_op *armed[SCRIPT_OPS];
	unsigned arming[SCRIPT_OPS];
	unsigned armings; /* ever */
	struct script_event events[SCRIPT_EVENTS];
	unsigned event_count;
	bool late_cancel; /* cancels are answered by script_cancelled only */
	bool closed;
	/* Of the last descriptor that was given up: would its close have been a reset? */
	unsigned forgotten;
	bool reset[8];
};

void script_open(struct script_io *script, struct kiln_pool *pool);

/* Answers to an armed operation, delivered by the next turn in the order of these calls. */
void script_give(struct script_io *script, struct kiln_op *op, const void *data, size_t len,
		 uint8_t type);
void script_result(struct script_io *script, struct kiln_op *op, int result); /* the last one */
void script_more(struct script_io *script, struct kiln_op *op, int result);   /* not the last */
void script_cancelled(struct script_io *script, struct kiln_op *op);

/* How many operations wait for an answer. */
unsigned script_armed(const struct script_io *script);

#endif

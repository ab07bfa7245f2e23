/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that a crowd needed goes back to the system when the crowd has gone: malloc would keep it
 * for the next one, below whatever lives longer.
 */
#ifndef KILN_WORKER_HEAP_H
#define KILN_WORKER_HEAP_H

#include <stdbool.h>

#define KILN_HEAP_CROWD 256u /* fewer are none: what they leave is little */
#define KILN_HEAP_GONE  8u   /* an eighth of it is left */

struct kiln_heap {
	unsigned most; /* in use at once, since memory was given back */
};

/* How many are in use now; call it when some have been freed. Whether memory was given back, which
 * costs some milliseconds at most: never more often than a crowd comes. */
bool kiln_heap_note(struct kiln_heap *heap, unsigned in_use);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Giving memory back; see heap.h. */
#include "worker/heap.h"

#include <malloc.h>

bool kiln_heap_note(struct kiln_heap *heap, unsigned in_use)
{
	if (in_use >= heap->most)
		heap->most = in_use + 1; /* and the one that has just been freed */
	if (heap->most < KILN_HEAP_CROWD || in_use > heap->most / KILN_HEAP_GONE)
		return false;
	heap->most = in_use;
	(void)malloc_trim(0);
	return true;
}

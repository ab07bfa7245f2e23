/* SPDX-License-Identifier: Apache-2.0
 * The buffers of a flow that wait for their turn, in order of arrival. */
#include "worker/link.h"

void kiln_flow_push(struct kiln_flow *flow, struct kiln_buffer *buffer)
{
	buffer->next = NULL;
	if (flow->tail != NULL)
		flow->tail->next = buffer;
	else
		flow->head = buffer;
	flow->tail = buffer;
	flow->queued++;
}

struct kiln_buffer *kiln_flow_pop(struct kiln_flow *flow)
{
	struct kiln_buffer *buffer = flow->head;
	if (buffer == NULL)
		return NULL;
	flow->head = buffer->next;
	if (flow->head == NULL)
		flow->tail = NULL;
	flow->queued--;
	buffer->next = NULL;
	return buffer;
}

void kiln_flow_drop(struct kiln_flow *flow, struct kiln_io *io)
{
	while (flow->head != NULL)
		kiln_io_buffer_put(io, kiln_flow_pop(flow));
}

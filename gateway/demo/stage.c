/* SPDX-License-Identifier: Apache-2.0
 * What both parts of the demo do alike; see stage.h. */
#include "demo/stage.h"

#include <stdlib.h>
#include <string.h>

#define TRANSFER_MS 600000

enum kiln_code kiln_demo_file(const struct kiln_demo_stage *stage, const char *name,
			      char out[PATH_MAX], struct kiln_error *err)
{
	return kiln_temp_dir_path(&stage->dir, name, out, err);
}

const char *kiln_demo_listen(const json_t *ready)
{
	return json_string_value(json_object_get(ready, "listen"));
}

static uint16_t port_of(const json_t *ready)
{
	const char *listen = kiln_demo_listen(ready);
	const char *colon = listen != NULL ? strrchr(listen, ':') : NULL;
	return colon != NULL ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
}

enum kiln_code kiln_demo_start(struct kiln_demo_stage *stage, const struct kiln_demo_start *start,
			       struct kiln_demo_process **process, json_t **ready,
			       struct kiln_error *err)
{
	static const char *const events[] = {"ready", "identity"};
	json_t *lines[2] = {NULL, NULL};
	if (stage->process_count == KILN_DEMO_PROCESSES)
		return kiln_fail(err, KILN_E_USAGE, "the demo has too many processes");
	struct kiln_demo_process *p = &stage->processes[stage->process_count];
	const enum kiln_code rc = kiln_demo_spawn(p, start->arguments, start->environment, err);
	if (rc != KILN_OK)
		return rc;
	stage->process_count++;
	*process = p;
	if (!kiln_demo_events(p, events, start->identity ? 2 : 1, lines, KILN_DEMO_READY_MS, err))
		return err->code;
	json_decref(lines[1]);
	*ready = lines[0];
	return KILN_OK;
}

/* A broken transfer's reason is in the access line. */
static enum kiln_code explain(struct kiln_demo_process *client, enum kiln_code rc,
			      struct kiln_error *err)
{
	struct kiln_error no_line = {0};
	const struct kiln_error seen = *err;
	json_t *conn = kiln_demo_event(client, "conn", KILN_DEMO_READY_MS, &no_line);
	const char *error = json_string_value(json_object_get(conn, "error"));
	if (error != NULL)
		(void)kiln_fail(err, rc, "%.100s; kiln client says: %.140s", seen.message, error);
	json_decref(conn);
	return rc;
}

enum kiln_code kiln_demo_move(struct kiln_demo_stage *stage, struct kiln_demo_process *server,
			      struct kiln_demo_process *client, struct kiln_demo_part *part,
			      struct kiln_error *err)
{
	enum kiln_code rc =
	    kiln_demo_exchange(port_of(part->client_ready), stage->bytes, &part->transfer, err);
	if (rc != KILN_OK)
		return explain(client, rc, err);
	part->client_conn = kiln_demo_event(client, "conn", TRANSFER_MS, err);
	part->server_conn = kiln_demo_event(server, "conn", TRANSFER_MS, err);
	return part->client_conn != NULL && part->server_conn != NULL ? KILN_OK : err->code;
}

enum kiln_code kiln_demo_attempt(struct kiln_demo_process *server, struct kiln_demo_process *client,
				 const json_t *client_ready, struct kiln_demo_refusal *refusal,
				 struct kiln_error *err)
{
	struct kiln_demo_transfer attempt;
	struct kiln_error refused = {0};
	refusal->got_through =
	    kiln_demo_exchange(port_of(client_ready), 16, &attempt, &refused) == KILN_OK;
	refusal->client = kiln_demo_event(client, "conn", KILN_DEMO_READY_MS, err);
	refusal->server = kiln_demo_event(server, "conn", KILN_DEMO_READY_MS, err);
	return refusal->client != NULL && refusal->server != NULL ? KILN_OK : err->code;
}

void kiln_demo_clear(struct kiln_demo_stage *stage)
{
	for (unsigned i = stage->process_count; i-- > 0;)
		kiln_demo_ask_to_stop(&stage->processes[i]);
	for (unsigned i = stage->process_count; i-- > 0;)
		kiln_demo_stop(&stage->processes[i]);
	stage->process_count = 0;
}

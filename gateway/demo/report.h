/* SPDX-License-Identifier: Apache-2.0
 * What the demo prints. */
#ifndef KILN_DEMO_REPORT_H
#define KILN_DEMO_REPORT_H

#include <jansson.h>

#include "demo/transfer.h"

/* A line of text; nothing with --json. */
void kiln_demo_say(const char *format, ...) KILN_PRINTF(1, 2);
void kiln_demo_quiet(bool quiet);

/* Somebody who had to be turned away. */
struct kiln_demo_refusal {
	const char *who;
	bool by_server;          /* whose business it was; otherwise the client's */
	json_t *server, *client; /* the access line of it, from both sides */
	bool got_through;
};

#define KILN_DEMO_REFUSALS 2u

struct kiln_demo_part {
	const char *client_name, *server_name; /* as whom each side must have verified the other */
	json_t *server_ready, *client_ready;   /* their "ready" lines */
	struct kiln_demo_transfer transfer;
	json_t *server_conn, *client_conn; /* the access line of the transfer, from both sides */
	struct kiln_demo_refusal refusals[KILN_DEMO_REFUSALS];
	unsigned refusal_count;
};

/* Prints what happened; true when everything was as it should be. */
bool kiln_demo_part_report(const struct kiln_demo_part *part);
/* The same for programs. */
json_t *kiln_demo_part_json(const struct kiln_demo_part *part);
void kiln_demo_part_clear(struct kiln_demo_part *part);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * What the demo prints. */
#ifndef KILN_DEMO_REPORT_H
#define KILN_DEMO_REPORT_H

#include <jansson.h>

#include "demo/transfer.h"

/* A step that is about to happen; nothing with --json. */
void kiln_demo_say(const char *format, ...) KILN_PRINTF(1, 2);
void kiln_demo_quiet(bool quiet);

struct kiln_demo_outcome {
	struct kiln_demo_transfer transfer;
	json_t *server_ready, *client_ready; /* their "ready" lines */
	json_t *server_conn, *client_conn;   /* the access line of the transfer, from both sides */
	json_t *denied_server, *denied_client; /* the same of the stranger's attempt */
	bool stranger_got_through;
};

/* Prints all of it; true when everything was as it should be. */
bool kiln_demo_report(const struct kiln_demo_outcome *outcome, bool json);

#endif

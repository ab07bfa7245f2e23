/* SPDX-License-Identifier: Apache-2.0
 * A worker's log lines other than the access line; those that can repeat are rate-limited. */
#ifndef KILN_WORKER_LOG_EVENTS_H
#define KILN_WORKER_LOG_EVENTS_H

struct kiln_worker;

void kiln_log_accept_error(const struct kiln_worker *worker, int failed);
void kiln_log_connection_limit(const struct kiln_worker *worker);

/* The channel to the application: why is an errno, or 0. */
void kiln_log_handoff_channel(const struct kiln_worker *worker, const char *event, int why);
void kiln_log_handoff_late(const struct kiln_worker *worker);

#endif

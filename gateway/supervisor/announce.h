/* SPDX-License-Identifier: Apache-2.0
 * The supervisor's log lines. */
#ifndef KILN_SUPERVISOR_ANNOUNCE_H
#define KILN_SUPERVISOR_ANNOUNCE_H

#include "supervisor/children.h"

void kiln_announce_start(const struct kiln_supervisor *s);
void kiln_announce_ready(const struct kiln_supervisor *s);
void kiln_announce_stop(const struct kiln_supervisor *s);
/* Every 10 s of a stop: what is left. Returns ms until the next time. */
int kiln_announce_progress(struct kiln_supervisor *s);
void kiln_announce_counters(const struct kiln_supervisor *s);
void kiln_announce_end(const struct kiln_supervisor *s);
void kiln_announce_failure(const struct kiln_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Notices workers that hang: that do not get ready, do not answer a reload, or stop turning. */
#ifndef KILN_SUPERVISOR_WATCH_H
#define KILN_SUPERVISOR_WATCH_H

#include "supervisor/children.h"

#define KILN_READY_MS  10000u /* from a worker's start until it must be ready */
#define KILN_RELOAD_MS 5000u  /* from a reload until it must be answered */
#define KILN_STUCK_MS  5000u  /* without a turn */

/* Reports who is late; a reload is then answered as failed for that worker. Takes a worker that
 * does not turn out of the steering, and puts it back when it turns again. Returns ms until the
 * next look, or -1 while the gateway stops, which has deadlines of its own. */
int kiln_watch_workers(struct kiln_supervisor *s);

#endif

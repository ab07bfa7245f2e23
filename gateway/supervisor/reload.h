/* SPDX-License-Identifier: Apache-2.0
 * SIGHUP: new certificates for the workers. A reload is over, and said to be, when every worker
 * that takes connections has the new ones. */
#ifndef KILN_SUPERVISOR_RELOAD_H
#define KILN_SUPERVISOR_RELOAD_H

#include "supervisor/children.h"

/* Reads the files and passes them on. The target stays as it is, and all does when
 * the files are bad. */
void kiln_reload_begin(struct kiln_supervisor *s);

/* Worker i has taken them, or has not and says why. */
void kiln_reload_answered(struct kiln_supervisor *s, unsigned i, const char *failure);

/* Worker i has not answered in time: answered as failed. */
void kiln_reload_give_up(struct kiln_supervisor *s, unsigned i);

/* Says that the reload is over once nobody's answer is missing. */
void kiln_reload_watch(struct kiln_supervisor *s);

#endif

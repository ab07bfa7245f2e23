/* SPDX-License-Identifier: Apache-2.0
 * Follows a target that moves: its name is looked up again at SIGHUP and by --target-refresh, and
 * workers are told of new addresses. What they have stays in use while the resolver has no answer.
 */
#ifndef KILN_SUPERVISOR_TARGET_H
#define KILN_SUPERVISOR_TARGET_H

#include "supervisor/children.h"

/* Begins a lookup, unless the target is a number or a path. */
void kiln_target_look_up(struct kiln_supervisor *s);

/* Takes the answer that has come and begins what is due; returns ms until it should be called
 * again, or -1 when only an answer can bring anything new. */
int kiln_target_watch(struct kiln_supervisor *s);

#endif

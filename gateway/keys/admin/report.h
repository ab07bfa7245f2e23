/* SPDX-License-Identifier: Apache-2.0
 * What `kiln keys check` found, for people and for programs. */
#ifndef KILN_KEYS_ADMIN_REPORT_H
#define KILN_KEYS_ADMIN_REPORT_H

#include "keys/store/open.h"

/* problem: the store could not be looked at, or its anchor does not agree; or NULL. */
void kiln_admin_report(const struct kiln_store_report *report, const struct kiln_error *problem,
		       bool json);

#endif

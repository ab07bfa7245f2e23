/* SPDX-License-Identifier: Apache-2.0
 * The doctor's examinations; each adds its lines to the report. */
#ifndef KILN_GATEWAY_CHECK_H
#define KILN_GATEWAY_CHECK_H

#include "doctor/report.h"

/* From what the probes found. */
void kiln_check_ktls(struct kiln_report *report);
void kiln_check_faults(struct kiln_report *report);
void kiln_check_uring(struct kiln_report *report);

/* Loads the steering program, attaches it to two listeners and makes a connection. */
void kiln_check_steering(struct kiln_report *report);

void kiln_check_rights(struct kiln_report *report);
void kiln_check_limits(struct kiln_report *report);
void kiln_check_machine(struct kiln_report *report);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * What the doctor found: lines with a verdict, in groups, and the summary; written for people or
 * as JSON.
 */
#ifndef KILN_GATEWAY_REPORT_H
#define KILN_GATEWAY_REPORT_H

#include <stdio.h>
#include <sys/utsname.h>

#include "doctor/faults.h"
#include "doctor/probe.h"

enum kiln_verdict {
	KILN_VERDICT_OK,
	KILN_VERDICT_LIMITED, /* Kiln runs, but slower or with less */
	KILN_VERDICT_MISSING, /* Kiln goes without */
};
#define KILN_VERDICTS 3u

struct kiln_finding {
	const char *group; /* static strings */
	const char *key;   /* stable, for programs */
	const char *title;
	enum kiln_verdict verdict;
	char found[KILN_PROBE_TEXT];
	char meaning[KILN_PROBE_TEXT]; /* for Kiln, one sentence */
	char fix[KILN_PROBE_TEXT];     /* the one command that improves it, or "" */
};

#define KILN_FINDINGS_MAX 64u

struct kiln_report {
	struct utsname uts;
	struct kiln_kernel kernel;
	struct kiln_ktls_caps ktls;
	struct kiln_uring_caps uring;
	enum kiln_fault_status faults[KILN_FAULTS];
	bool steering;
	char broken[KILN_PROBE_TEXT]; /* why Kiln cannot run at all, or "" */

	const char *group; /* of the findings that are being added */
	struct kiln_finding findings[KILN_FINDINGS_MAX];
	size_t count;
	size_t verdicts[KILN_VERDICTS]; /* how many of each */
};

/* Adds a line; the texts are copied. fix is dropped when the verdict is OK. */
void kiln_report_add(struct kiln_report *report, const char *key, const char *title,
		     enum kiln_verdict verdict, const char *meaning, const char *fix,
		     const char *found, ...) KILN_PRINTF(7, 8);

const char *kiln_verdict_name(enum kiln_verdict verdict);

void kiln_report_print(const struct kiln_report *report, FILE *out, bool colour);

/* False when it cannot be written. */
bool kiln_report_print_json(const struct kiln_report *report, FILE *out);

#endif

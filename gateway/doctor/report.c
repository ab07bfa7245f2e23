/* SPDX-License-Identifier: Apache-2.0
 * The doctor's lines, and their form for people. */
#include "doctor/report.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define TITLE_WIDTH 24
#define INDENT      (2 + 8 + 1 + TITLE_WIDTH + 1)

const char *kiln_verdict_name(enum kiln_verdict verdict)
{
	switch (verdict) {
	case KILN_VERDICT_OK: return "ok";
	case KILN_VERDICT_LIMITED: return "limited";
	case KILN_VERDICT_MISSING: return "missing";
	}
	return "unknown";
}

void kiln_report_add(struct kiln_report *report, const char *key, const char *title,
		     enum kiln_verdict verdict, const char *meaning, const char *fix,
		     const char *found, ...)
{
	va_list args;

	if (report->count == KILN_FINDINGS_MAX)
		return;
	struct kiln_finding *f = &report->findings[report->count++];
	*f = (struct kiln_finding){
	    .group = report->group, .key = key, .title = title, .verdict = verdict};
	report->verdicts[verdict]++;
	(void)snprintf(f->meaning, sizeof f->meaning, "%s", meaning);
	if (verdict != KILN_VERDICT_OK && fix != NULL)
		(void)snprintf(f->fix, sizeof f->fix, "%s", fix);
	va_start(args, found);
	(void)vsnprintf(f->found, sizeof f->found, found, args);
	va_end(args);
}

static const char *colour_of(enum kiln_verdict verdict)
{
	static const char *const colours[KILN_VERDICTS] = {"\033[32m", "\033[33m", "\033[31m"};

	return colours[verdict];
}

static void print_finding(const struct kiln_finding *f, FILE *out, bool colour)
{
	(void)fprintf(out, "  %s%-8s%s %-*s %s\n", colour ? colour_of(f->verdict) : "",
		      kiln_verdict_name(f->verdict), colour ? "\033[0m" : "", TITLE_WIDTH, f->title,
		      f->found);
	if (f->meaning[0] != '\0')
		(void)fprintf(out, "%*s%s\n", INDENT, "", f->meaning);
	if (f->fix[0] != '\0')
		(void)fprintf(out, "%*sbetter: %s%s%s\n", INDENT, "", colour ? "\033[1m" : "",
			      f->fix, colour ? "\033[0m" : "");
}

static void print_summary(const struct kiln_report *r, FILE *out)
{
	(void)fprintf(out, "\nSummary: %zu ok, %zu limited, %zu missing\n", r->verdicts[0],
		      r->verdicts[1], r->verdicts[2]);
	if (r->broken[0] != '\0') {
		(void)fprintf(out, "  kiln cannot run here: %s\n", r->broken);
		return;
	}
	(void)fprintf(out, "  connections will take the path: %s\n",
		      r->ktls.available ? "ktls" : "userspace");
	if (!r->ktls.available)
		(void)fprintf(out, "    because %s\n", r->ktls.reason);
	(void)fprintf(out, "  the workers' engine will be: %s\n",
		      r->uring.usable ? "io_uring" : "epoll");
	if (!r->uring.usable)
		(void)fprintf(out, "    because %s\n",
			      r->uring.available ? "this io_uring lacks what the relay needs"
						 : r->uring.reason);
	(void)fprintf(out, "  connections will be spread over workers by: %s\n",
		      r->steering ? "CPU (eBPF)" : "the kernel's hash");
}

void kiln_report_print(const struct kiln_report *report, FILE *out, bool colour)
{
	const char *group = "";

	(void)fprintf(out, "kiln %s on Linux %s, %s, %s\n", KILN_VERSION, report->uts.release,
		      report->uts.machine, geteuid() == 0 ? "as root" : "not as root");
	for (size_t i = 0; i < report->count; i++) {
		const struct kiln_finding *f = &report->findings[i];
		if (strcmp(group, f->group) != 0)
			(void)fprintf(out, "\n%s%s%s\n", colour ? "\033[1m" : "", f->group,
				      colour ? "\033[0m" : "");
		group = f->group;
		print_finding(f, out, colour);
	}
	print_summary(report, out);
}

/* SPDX-License-Identifier: Apache-2.0
 * The doctor's report for programs. Keys keep their meaning; new ones may come. */
#include <unistd.h>

#include <jansson.h>

#include "doctor/report.h"

/* Adds value to object, which takes it over; a NULL anywhere ends up as NULL at the top. */
static void put(json_t **object, const char *key, json_t *value)
{
	if (*object != NULL && json_object_set_new(*object, key, value) != 0) {
		json_decref(*object);
		*object = NULL;
	}
}

static json_t *text_or_null(const char *text)
{
	return text[0] != '\0' ? json_string(text) : json_null();
}

static json_t *finding_json(const struct kiln_finding *f)
{
	json_t *object = json_object();

	put(&object, "group", json_string(f->group));
	put(&object, "title", json_string(f->title));
	put(&object, "verdict", json_string(kiln_verdict_name(f->verdict)));
	put(&object, "found", json_string(f->found));
	put(&object, "meaning", json_string(f->meaning));
	put(&object, "fix", text_or_null(f->fix));
	return object;
}

static json_t *kernel_json(const struct kiln_report *r)
{
	char version[48];
	json_t *object = json_object();

	(void)snprintf(version, sizeof version, "%u.%u.%u", r->kernel.major, r->kernel.minor,
		       r->kernel.patch);
	put(&object, "release", json_string(r->uts.release));
	put(&object, "version", json_string(version));
	put(&object, "version_is_exact", json_boolean(r->kernel.exact));
	put(&object, "machine", json_string(r->uts.machine));
	return object;
}

static json_t *faults_json(const struct kiln_report *r)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < KILN_FAULTS; i++)
		put(&object, kiln_fault((enum kiln_fault_id)i)->key,
		    json_string(kiln_fault_status_name(r->faults[i])));
	return object;
}

static json_t *summary_json(const struct kiln_report *r)
{
	json_t *object = json_object();

	put(&object, "can_run", json_boolean(r->broken[0] == '\0'));
	put(&object, "broken", text_or_null(r->broken));
	put(&object, "path", json_string(r->ktls.available ? "ktls" : "userspace"));
	put(&object, "path_reason", text_or_null(r->ktls.reason));
	put(&object, "engine", json_string(r->uring.usable ? "io_uring" : "epoll"));
	put(&object, "engine_reason", text_or_null(r->uring.reason));
	put(&object, "steering", json_string(r->steering ? "ebpf" : "kernel"));
	for (unsigned v = 0; v < KILN_VERDICTS; v++)
		put(&object, kiln_verdict_name((enum kiln_verdict)v),
		    json_integer((json_int_t)r->verdicts[v]));
	return object;
}

bool kiln_report_print_json(const struct kiln_report *report, FILE *out)
{
	json_t *top = json_object(), *checks = json_object();

	for (size_t i = 0; i < report->count; i++)
		put(&checks, report->findings[i].key, finding_json(&report->findings[i]));
	put(&top, "version", json_string(KILN_VERSION));
	put(&top, "uid", json_integer((json_int_t)geteuid()));
	put(&top, "kernel", kernel_json(report));
	put(&top, "checks", checks);
	put(&top, "faults", faults_json(report));
	put(&top, "summary", summary_json(report));
	bool done =
	    top != NULL && json_dumpf(top, out, JSON_INDENT(2)) == 0 && fputc('\n', out) != EOF;
	json_decref(top);
	return done;
}

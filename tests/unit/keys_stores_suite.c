/* SPDX-License-Identifier: Apache-2.0
 * See keys_stores_suite.h. */
#include "keys_stores_suite.h"

struct rig rig;
struct kiln_error err;
static const char *kind;

bool suite_is_sqlite(void)
{
	return strcmp(kind, "sqlite") == 0;
}

void suite_check_clean(uint64_t users, uint64_t lines)
{
	struct kiln_store_report report;
	assert_int_equal(kiln_store_check(&rig.options, &report, &err), KILN_OK);
	if (report.found > 0)
		print_error("%s %s %s\n", report.findings[0].table, report.findings[0].row,
			    report.findings[0].what);
	assert_int_equal(report.found, 0);
	assert_int_equal(report.users, users);
	assert_int_equal(report.audit_lines, lines);
}

int suite_make(void **state)
{
	(void)state;
	rig_make(&rig, kind);
	return 0;
}

int suite_take_down(void **state)
{
	(void)state;
	rig_remove(&rig);
	return 0;
}

void suite_choose(int argc, char **argv)
{
	kind = argc > 1 ? argv[1] : "sqlite";
}

/* SPDX-License-Identifier: Apache-2.0
 * What a check found; see report.h. */
#include "keys/admin/report.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/hex.h"
#include "cli/json_text.h"

static void print(const struct kiln_store_report *r, const struct kiln_error *problem)
{
	if (problem != NULL) {
		(void)fprintf(stderr, "kiln keys check: %s\n", problem->message);
		return;
	}
	(void)printf("%llu users, %llu keys (%llu deleted), %llu lines of logs, schema %d, %s%s\n",
		     (unsigned long long)r->users, (unsigned long long)r->keys,
		     (unsigned long long)r->deleted_keys, (unsigned long long)r->audit_lines,
		     r->schema, r->database,
		     r->rotating ? "; between two keys: rotate-key is not finished" : "");
	for (uint64_t i = 0; i < r->found && i < KILN_STORE_FINDINGS_MAX; i++)
		(void)printf("damaged: %s%s%s: %s\n", r->findings[i].table,
			     r->findings[i].row[0] != '\0' ? ", row " : "", r->findings[i].row,
			     r->findings[i].what);
	if (r->found > KILN_STORE_FINDINGS_MAX)
		(void)printf("... %llu in all\n", (unsigned long long)r->found);
	(void)puts(r->found > 0 ? "The store is damaged: restore a backup." : "All is well.");
}

static json_t *findings_of(const struct kiln_store_report *r)
{
	json_t *list = json_array();
	for (uint64_t i = 0; i < r->found && i < KILN_STORE_FINDINGS_MAX; i++)
		(void)json_array_append_new(
		    list, json_pack("{s:s, s:s, s:s}", "table", r->findings[i].table, "row",
				    r->findings[i].row, "what", r->findings[i].what));
	return list;
}

static void print_json(const struct kiln_store_report *r, const struct kiln_error *problem)
{
	char id[2 * KILN_STORE_ID_LEN + 1];
	kiln_hex_encode(r->store_id, sizeof r->store_id, id);
	json_t *all = json_pack(
	    "{s:b, s:o*, s:s*, s:s, s:i, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "good",
	    problem == NULL && r->found == 0, "problem",
	    problem != NULL ? kiln_cli_json_text(problem->message) : NULL, "database", r->database,
	    "store_id", id, "schema", r->schema, "rotating", r->rotating, "users",
	    (json_int_t)r->users, "keys", (json_int_t)r->keys, "deleted_keys",
	    (json_int_t)r->deleted_keys, "audit_lines", (json_int_t)r->audit_lines, "tokens",
	    (json_int_t)r->tokens, "found", (json_int_t)r->found, "findings", findings_of(r));
	char *text = all != NULL ? json_dumps(all, JSON_INDENT(1)) : NULL;
	(void)puts(text != NULL ? text : "{\"good\": false, \"problem\": \"no memory\"}");
	free(text);
	json_decref(all);
}

void kiln_admin_report(const struct kiln_store_report *report, const struct kiln_error *problem,
		       bool json)
{
	if (json)
		print_json(report, problem);
	else
		print(report, problem);
}

/* SPDX-License-Identifier: Apache-2.0
 * kiln_keys_audit: a log of any length, in as many sessions as it takes. docs/keys.md,
 * "Operations".
 */
#include <stdlib.h>
#include <string.h>

#include "driver/keys.h"

struct reading {
	struct kiln_keys *keys;
	const struct kiln_keys_query *query;
	uint64_t limit; /* 0: none, for the newest lines alone stay */
	struct kiln_keys_audit *entries;
	size_t count;
	uint64_t next; /* where to go on; 0: nowhere */
};

static uint32_t still_wanted(const struct reading *r)
{
	const uint64_t left = r->limit - r->count;
	return r->limit == 0 ? 0 : left < UINT32_MAX ? (uint32_t)left : UINT32_MAX;
}

/* Of what was read so far only the newest are wanted. */
static void keep_last(struct reading *r)
{
	const uint64_t last = r->query->last;
	if (last == 0 || r->count <= last)
		return;
	memmove(r->entries, r->entries + (r->count - last), (size_t)last * sizeof *r->entries);
	r->count = (size_t)last;
}

static enum kiln_code append(struct reading *r, const struct kiln_keys_answer *answer,
			     struct kiln_error *err)
{
	const size_t more = answer->entry_count;
	if (more == 0)
		return KILN_OK;
	struct kiln_keys_audit *all = realloc(r->entries, (r->count + more) * sizeof *all);
	if (all == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a log of %zu lines",
				 r->count + more);
	memcpy(all + r->count, answer->entries, more * sizeof *all);
	r->entries = all;
	r->count += more;
	keep_last(r);
	return KILN_OK;
}

static enum kiln_code read_on(struct reading *r, struct kiln_error *err)
{
	const struct kiln_keys_query *q = r->query;
	const struct kiln_keys_ask ask = {
	    .operation = KILN_KEYS_AUDIT,
	    .which = q->which != 0 ? q->which : KILN_KEYS_AUDIT_ALL,
	    .after_ms = q->after_ms,
	    .before_ms = q->before_ms,
	    .from_number = r->next,
	    .limit = still_wanted(r),
	    .key_ids = q->key_ids,
	    .key_id_count = q->key_id_count,
	};
	struct kiln_keys_client *client;
	enum kiln_code rc = kiln_driver_keys_session(r->keys, &ask, NULL, &client, err);
	if (client == NULL)
		return rc;
	const struct kiln_keys_answer *answer = kiln_keys_client_answer(client);
	r->next = answer->next;
	rc = append(r, answer, err);
	kiln_keys_client_free(client);
	return rc;
}

enum kiln_code kiln_keys_audit(struct kiln_keys *keys, const struct kiln_keys_query *query,
			       struct kiln_keys_audit **entries, size_t *count, uint64_t *next,
			       struct kiln_error *err)
{
	static const struct kiln_keys_query everything;
	struct reading r = {.keys = keys, .query = query != NULL ? query : &everything};
	enum kiln_code rc = KILN_OK;
	r.next = r.query->from_number;
	r.limit = r.query->limit;
	if (r.query->last == 0 && (r.limit == 0 || r.limit > KILN_KEYS_AUDIT_LINES_MAX))
		r.limit = KILN_KEYS_AUDIT_LINES_MAX;
	if (r.query->limit > 0 && r.query->last > 0)
		rc = kiln_fail(err, KILN_E_USAGE, "the first lines of a log, or the last ones");
	else if (r.query->last > KILN_KEYS_AUDIT_LINES_MAX)
		rc = kiln_fail(err, KILN_E_USAGE, "the last %u lines of a log at most",
			       KILN_KEYS_AUDIT_LINES_MAX);
	else
		do
			rc = read_on(&r, err);
		while (rc == KILN_OK && r.next != 0 && (r.limit == 0 || r.count < r.limit));
	if (rc != KILN_OK) {
		free(r.entries);
		r.entries = NULL;
		r.count = 0;
		r.next = 0;
	}
	*entries = r.entries;
	*count = r.count;
	if (next != NULL)
		*next = r.next;
	return rc;
}

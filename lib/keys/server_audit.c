/* SPDX-License-Identifier: Apache-2.0
 * The audit log for its user: page by page. docs/keys.md, "Operations". */
#include <string.h>

#include "base/bytes.h"
#include "keys/audit.h"
#include "keys/server_inner.h"

static enum kiln_keys_error show_page(struct turn *turn)
{
	static const size_t page = KILN_KEYS_AUDIT_PAGE;
	struct session *s = turn->session;
	const struct kiln_keys_server_options *o = &turn->server->options;
	struct kiln_keys_audit entries[KILN_KEYS_AUDIT_PAGE];
	struct kiln_error err = {0};
	size_t count = s->lines_left > 0 && s->lines_left < page ? s->lines_left : page;
	uint64_t next = 0;
	s->filter.key_ids = (const uint8_t(*)[KILN_KEYS_KEY_ID_LEN])s->filter_ids;
	if (o->store->audit_list(o->store_ctx, s->user_id, &s->filter, entries, &count, &next,
				 &err) != KILN_STORE_OK)
		return kiln_keys_store_failed(turn->server, &err);
	for (size_t i = 0; i < count; i++)
		kiln_keys_audit_write(&entries[i], turn->entries + i * KILN_KEYS_AUDIT_LEN);
	turn->out.entries = (struct kiln_keys_list){turn->entries, count};
	turn->out.next = next;
	s->filter.from_number = next;
	const bool enough = s->lines_left > 0 && count == s->lines_left;
	if (s->lines_left > 0)
		s->lines_left -= (uint32_t)count;
	if (next != 0 && !enough && ++s->pages < o->audit_pages_max)
		turn->reply = KILN_KEYS_CONTINUE;
	return KILN_KEYS_SUCCESS;
}

enum kiln_keys_error kiln_keys_do_audit(struct turn *turn, struct kiln_keys_user *user)
{
	struct session *s = turn->session;
	const struct kiln_keys_message *in = &turn->in;
	(void)user;
	if (in->which < KILN_KEYS_AUDIT_SYSTEM || in->which > KILN_KEYS_AUDIT_ALL)
		return KILN_KEYS_MALFORMED;
	s->filter.first_action = in->which == KILN_KEYS_AUDIT_KEYS ? KILN_KEYS_FIRST_KEY_ACTION : 0;
	s->filter.last_action =
	    in->which == KILN_KEYS_AUDIT_SYSTEM ? KILN_KEYS_FIRST_KEY_ACTION - 1 : UINT8_MAX;
	s->filter.after_ms = in->after_ms;
	s->filter.before_ms = in->before_ms;
	s->filter.from_number = in->from_number;
	s->lines_left = in->limit;
	s->filter.key_id_count = in->key_ids.count;
	if (in->key_ids.count > 0)
		memcpy(s->filter_ids, in->key_ids.data, in->key_ids.count * KILN_KEYS_KEY_ID_LEN);
	/* Written first: the log that is shown has it. */
	const enum kiln_keys_error rc =
	    kiln_keys_audit_line(s, turn->now, KILN_KEYS_DID_AUDIT, KILN_KEYS_SUCCESS, NULL);
	return rc != KILN_KEYS_SUCCESS ? rc : show_page(turn);
}

enum kiln_keys_error kiln_keys_do_audit_page(struct turn *turn, struct kiln_keys_user *user)
{
	(void)user;
	return show_page(turn);
}

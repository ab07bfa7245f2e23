/* SPDX-License-Identifier: Apache-2.0
 * Hand-off messages, both directions; docs/handoff.md. */
#include "handoff/message.h"

#include <stdio.h>

#include "base/bytes.h"
#include "handoff/field.h"
#include "tls/suite.h"

static const uint8_t magic[4] = {'K', 'L', 'N', 'H'};

enum { PATH_KTLS = 1, PATH_USERSPACE = 2 };

/* ---- writing ------------------------------------------------------------------------------- */

static void put_identity(struct kiln_field_writer *w, const struct kiln_handoff_message *m)
{
	char arn[KILN_AWS_ROLE_ARN_MAX];
	kiln_field_put_number(w, KILN_FIELD_PROOF, m->info.proof, 1);
	if (m->info.proof == KILN_PROOF_NONE)
		return;
	kiln_field_put_text(w, KILN_FIELD_SUBJECT, m->peer.subject);
	kiln_field_put_text(w, KILN_FIELD_COMMON_NAME, m->peer.common_name);
	kiln_field_put_text(w, KILN_FIELD_NAME, m->peer.name);
	kiln_field_put(w, KILN_FIELD_SPKI, m->peer.spki, sizeof m->peer.spki);
	if (m->info.proof != KILN_PROOF_ROAST)
		return;
	kiln_aws_role_format(&m->role.role, arn);
	kiln_field_put_text(w, KILN_FIELD_ROLE, arn);
	kiln_field_put_text(w, KILN_FIELD_SESSION, m->role.session);
	if (m->role.bound)
		kiln_field_put(w, KILN_FIELD_BOUND, NULL, 0);
}

static void put_connection(struct kiln_field_writer *w, const struct kiln_handoff_message *m)
{
	kiln_field_put_number(w, KILN_FIELD_CONNECTION, m->info.id, 8);
	kiln_field_put_number(w, KILN_FIELD_PATH, m->in_kernel ? PATH_KTLS : PATH_USERSPACE, 1);
	kiln_field_put_text(w, KILN_FIELD_PATH_REASON, m->path_reason);
	kiln_field_put_number(w, KILN_FIELD_SUITE, m->suite, 2);
	put_identity(w, m);
	kiln_field_put_text(w, KILN_FIELD_SERVER_NAME, m->server_name);
	kiln_field_put_text(w, KILN_FIELD_ALPN, m->alpn);
	kiln_field_put_text(w, KILN_FIELD_GROUP, m->group);
	kiln_field_put_address(w, KILN_FIELD_PEER, &m->info.peer);
	kiln_field_put_address(w, KILN_FIELD_LOCAL, &m->info.local);
	kiln_field_put_address(w, KILN_FIELD_CLIENT, &m->info.client);
	kiln_field_put_address(w, KILN_FIELD_DESTINATION, &m->info.destination);
	kiln_field_put_text(w, KILN_FIELD_EXPORTER_LABEL, m->info.exporter_label);
	kiln_field_put(w, KILN_FIELD_EXPORTER, m->exporter, sizeof m->exporter);
	if (!m->in_kernel)
		return;
	kiln_field_put_direction(w, KILN_FIELD_RX, &m->rx);
	kiln_field_put_direction(w, KILN_FIELD_TX, &m->tx);
	if (m->rx_closed)
		kiln_field_put(w, KILN_FIELD_RX_CLOSED, NULL, 0);
	if (m->update_wanted)
		kiln_field_put(w, KILN_FIELD_UPDATE_WANTED, NULL, 0);
	if (m->early_len > 0)
		kiln_field_put(w, KILN_FIELD_EARLY, m->early, m->early_len);
}

size_t kiln_handoff_encode(const struct kiln_handoff_message *m, uint8_t *out, size_t cap)
{
	struct kiln_field_writer w = {.at = out + KILN_HANDOFF_HEADER, .end = out + cap};
	if (cap < KILN_HANDOFF_HEADER || m->early_len > KILN_HANDOFF_EARLY_MAX)
		return 0;
	memcpy(out, magic, sizeof magic);
	kiln_store_be16(out + 4, KILN_HANDOFF_VERSION);
	kiln_store_be16(out + 6, (uint16_t)m->kind);
	kiln_store_be64(out + 8, m->number);
	if (m->kind == KILN_HANDOFF_CONNECTION)
		put_connection(&w, m);
	else if (m->kind == KILN_HANDOFF_REFUSED)
		kiln_field_put_text(&w, KILN_FIELD_TEXT, m->text);
	return w.full ? 0 : (size_t)(w.at - out);
}

/* ---- reading ------------------------------------------------------------------------------- */

static enum kiln_code refuse(struct kiln_error *err, const char *what)
{
	return kiln_fail(err, KILN_E_HANDOFF, "a hand-off message with %s", what);
}

static bool take_number(struct kiln_handoff_message *m, const struct kiln_field *f)
{
	uint64_t value;
	switch (f->type) {
	case KILN_FIELD_CONNECTION: return kiln_field_number(f, 8, &m->info.id);
	case KILN_FIELD_PATH:
		if (!kiln_field_number(f, 1, &value) || value < PATH_KTLS || value > PATH_USERSPACE)
			return false;
		m->in_kernel = value == PATH_KTLS;
		return true;
	case KILN_FIELD_SUITE:
		if (!kiln_field_number(f, 2, &value))
			return false;
		m->suite = (uint16_t)value;
		return kiln_suite_find(m->suite) != NULL;
	default: /* KILN_FIELD_PROOF */
		if (!kiln_field_number(f, 1, &value) || value > KILN_PROOF_ROAST)
			return false;
		m->info.proof = (enum kiln_proof)value;
		m->peer.present = value != KILN_PROOF_NONE;
		return true;
	}
}

static bool take_role(struct kiln_handoff_message *m, const struct kiln_field *f)
{
	char arn[KILN_AWS_ROLE_ARN_MAX];
	return kiln_field_text(f, arn, sizeof arn) &&
	       kiln_aws_role_parse(arn, &m->role.role, NULL) == KILN_OK;
}

static bool take_early(struct kiln_handoff_message *m, const struct kiln_field *f)
{
	m->early = f->data;
	m->early_len = f->len;
	return f->len > 0 && f->len <= KILN_HANDOFF_EARLY_MAX;
}

static bool take_flag(bool *flag, const struct kiln_field *f)
{
	*flag = true;
	return f->len == 0;
}

#define TEXT(member) kiln_field_text(f, member, sizeof(member))

static bool take(struct kiln_handoff_message *m, const struct kiln_field *f)
{
	switch (f->type) {
	case KILN_FIELD_CONNECTION:
	case KILN_FIELD_PATH:
	case KILN_FIELD_SUITE:
	case KILN_FIELD_PROOF: return take_number(m, f);
	case KILN_FIELD_PATH_REASON: return TEXT(m->path_reason);
	case KILN_FIELD_SUBJECT: return TEXT(m->peer.subject);
	case KILN_FIELD_COMMON_NAME: return TEXT(m->peer.common_name);
	case KILN_FIELD_NAME: return TEXT(m->peer.name);
	case KILN_FIELD_SPKI: return kiln_field_bytes(f, m->peer.spki, sizeof m->peer.spki);
	case KILN_FIELD_ROLE: return take_role(m, f);
	case KILN_FIELD_SESSION: return TEXT(m->role.session);
	case KILN_FIELD_BOUND: return take_flag(&m->role.bound, f);
	case KILN_FIELD_SERVER_NAME: return TEXT(m->server_name);
	case KILN_FIELD_ALPN: return TEXT(m->alpn);
	case KILN_FIELD_GROUP: return TEXT(m->group);
	case KILN_FIELD_PEER: return kiln_field_address(f, &m->info.peer);
	case KILN_FIELD_LOCAL: return kiln_field_address(f, &m->info.local);
	case KILN_FIELD_CLIENT: return kiln_field_address(f, &m->info.client);
	case KILN_FIELD_DESTINATION: return kiln_field_address(f, &m->info.destination);
	case KILN_FIELD_EXPORTER_LABEL: return TEXT(m->info.exporter_label);
	case KILN_FIELD_EXPORTER: return kiln_field_bytes(f, m->exporter, sizeof m->exporter);
	case KILN_FIELD_RX: return kiln_field_direction(f, &m->rx);
	case KILN_FIELD_TX: return kiln_field_direction(f, &m->tx);
	case KILN_FIELD_RX_CLOSED: return take_flag(&m->rx_closed, f);
	case KILN_FIELD_UPDATE_WANTED: return take_flag(&m->update_wanted, f);
	case KILN_FIELD_EARLY: return take_early(m, f);
	case KILN_FIELD_TEXT: return TEXT(m->text);
	default: return (f->type & KILN_FIELD_MUST) == 0;
	}
}

/* Each field at most once; seen gets a bit for each that is known. */
static enum kiln_code read_fields(struct kiln_handoff_message *m, const uint8_t *at,
				  const uint8_t *end, uint32_t *seen, struct kiln_error *err)
{
	char what[64];
	while (at < end) {
		if (end - at < (ptrdiff_t)KILN_FIELD_HEADER)
			return refuse(err, "half a field");
		const struct kiln_field f = {
		    .type = kiln_load_be16(at),
		    .len = (uint32_t)kiln_load_be16(at + 2) << 16 | kiln_load_be16(at + 4),
		    .data = at + KILN_FIELD_HEADER,
		};
		if (f.len > (size_t)(end - f.data))
			return refuse(err, "a field longer than itself");
		const uint32_t bit = f.type < KILN_FIELDS ? UINT32_C(1) << f.type : 0;
		if ((*seen & bit) != 0)
			return refuse(err, "a field twice");
		*seen |= bit;
		if (!take(m, &f)) {
			(void)snprintf(what, sizeof what, "a bad field %u", f.type);
			return refuse(err, what);
		}
		at = f.data + f.len;
	}
	return KILN_OK;
}

#define BIT(field) (UINT32_C(1) << KILN_FIELD_##field)

static bool secret_fits(const struct kiln_handoff_message *m,
			const struct kiln_handoff_direction *direction)
{
	return direction->secret_len == 0 ||
	       direction->secret_len == kiln_suite_find(m->suite)->hash_len;
}

/* What one field cannot tell. */
static enum kiln_code check_connection(const struct kiln_handoff_message *m, uint32_t seen,
				       struct kiln_error *err)
{
	const uint32_t always = BIT(PATH) | BIT(SUITE) | BIT(PROOF) | BIT(EXPORTER);
	const uint32_t kernel = BIT(RX) | BIT(TX);
	const uint32_t more = kernel | BIT(RX_CLOSED) | BIT(UPDATE_WANTED) | BIT(EARLY);
	if ((seen & always) != always)
		return refuse(err, "a field missing");
	if (m->in_kernel ? (seen & kernel) != kernel : (seen & more) != 0)
		return refuse(err, "fields of another path");
	if (m->in_kernel && (!secret_fits(m, &m->rx) || !secret_fits(m, &m->tx)))
		return refuse(err, "a secret of another cipher suite");
	if ((m->info.proof == KILN_PROOF_ROAST) != ((seen & BIT(ROLE)) != 0))
		return refuse(err, "a role that is not proved, or a proof without");
	if (m->info.proof == KILN_PROOF_PKI && (seen & BIT(SPKI)) == 0)
		return refuse(err, "a proof without a key");
	return KILN_OK;
}

enum kiln_code kiln_handoff_decode(const uint8_t *data, size_t len, struct kiln_handoff_message *m,
				   struct kiln_error *err)
{
	uint32_t seen = 0;
	memset(m, 0, sizeof *m);
	if (len < KILN_HANDOFF_HEADER || memcmp(data, magic, sizeof magic) != 0)
		return kiln_fail(err, KILN_E_HANDOFF, "this is no hand-off message");
	m->number = kiln_load_be64(data + 8);
	const uint16_t kind = kiln_load_be16(data + 6);
	if (kind < KILN_HANDOFF_CONNECTION || kind > KILN_HANDOFF_REFUSED)
		return refuse(err, "a kind that is not known");
	m->kind = (enum kiln_handoff_kind)kind;
	if (kiln_load_be16(data + 4) != KILN_HANDOFF_VERSION)
		return refuse(err, "a version that is not known");
	if (len > KILN_HANDOFF_MESSAGE_MAX)
		return refuse(err, "more bytes than one may have");
	const enum kiln_code rc =
	    read_fields(m, data + KILN_HANDOFF_HEADER, data + len, &seen, err);
	if (rc != KILN_OK || m->kind != KILN_HANDOFF_CONNECTION)
		return rc;
	return check_connection(m, seen, err);
}

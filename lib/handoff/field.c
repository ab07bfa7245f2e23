/* SPDX-License-Identifier: Apache-2.0
 * Fields of a hand-off message, both directions side by side; docs/handoff.md, "Fields". */
#include "handoff/field.h"

#include <netinet/in.h>
#include <sys/un.h>

#include "base/bytes.h"

static void store(uint8_t *p, uint64_t value, size_t bytes)
{
	for (size_t i = bytes; i-- > 0; value >>= 8)
		p[i] = (uint8_t)value;
}

static uint64_t load(const uint8_t *p, size_t bytes)
{
	uint64_t value = 0;
	for (size_t i = 0; i < bytes; i++)
		value = value << 8 | p[i];
	return value;
}

/* ---- bytes, texts, numbers ----------------------------------------------------------------- */

void kiln_field_put(struct kiln_field_writer *w, enum kiln_handoff_field type, const void *data,
		    size_t len)
{
	w->full = w->full || len + KILN_FIELD_HEADER > (size_t)(w->end - w->at);
	if (w->full)
		return;
	store(w->at, type, 2);
	store(w->at + 2, len, 4);
	if (len > 0)
		memcpy(w->at + KILN_FIELD_HEADER, data, len);
	w->at += KILN_FIELD_HEADER + len;
}

void kiln_field_put_text(struct kiln_field_writer *w, enum kiln_handoff_field type,
			 const char *text)
{
	if (text[0] != '\0')
		kiln_field_put(w, type, text, strlen(text));
}

bool kiln_field_text(const struct kiln_field *field, char *out, size_t size)
{
	if (field->len == 0 || field->len >= size || memchr(field->data, '\0', field->len) != NULL)
		return false;
	memcpy(out, field->data, field->len);
	out[field->len] = '\0';
	return true;
}

bool kiln_field_bytes(const struct kiln_field *field, void *out, size_t len)
{
	if (field->len != len)
		return false;
	if (len > 0)
		memcpy(out, field->data, len);
	return true;
}

void kiln_field_put_number(struct kiln_field_writer *w, enum kiln_handoff_field type,
			   uint64_t value, size_t bytes)
{
	uint8_t number[8];
	store(number, value, bytes);
	kiln_field_put(w, type, number, bytes);
}

bool kiln_field_number(const struct kiln_field *field, size_t bytes, uint64_t *out)
{
	if (field->len != bytes)
		return false;
	*out = load(field->data, bytes);
	return true;
}

/* ---- addresses: family, then what the family has --------------------------------------------- */

enum { FAMILY_UNIX = 1, FAMILY_IPV4 = 4, FAMILY_IPV6 = 6 };

#define IPV4_LEN 7u  /* family, address, port */
#define IPV6_LEN 23u /* family, address, port, scope */

static size_t write_inet(uint8_t *out, const struct sockaddr_storage *address)
{
	struct sockaddr_in four;
	struct sockaddr_in6 six;
	if (address->ss_family == AF_INET) {
		memcpy(&four, address, sizeof four);
		out[0] = FAMILY_IPV4;
		memcpy(out + 1, &four.sin_addr, 4);
		memcpy(out + 5, &four.sin_port, 2);
		return IPV4_LEN;
	}
	memcpy(&six, address, sizeof six);
	out[0] = FAMILY_IPV6;
	memcpy(out + 1, &six.sin6_addr, 16);
	memcpy(out + 17, &six.sin6_port, 2);
	store(out + 19, six.sin6_scope_id, 4);
	return IPV6_LEN;
}

/* What of a path there is; the abstract namespace's begin with NUL. */
static size_t write_unix(uint8_t *out, const struct sockaddr_storage *address)
{
	struct sockaddr_un path;
	memcpy(&path, address, sizeof path);
	const size_t skip = path.sun_path[0] == '\0';
	const size_t len = strnlen(path.sun_path + skip, sizeof path.sun_path - skip) + skip;
	out[0] = FAMILY_UNIX;
	if (len == skip)
		return 1;
	memcpy(out + 1, path.sun_path, len);
	return 1 + len;
}

void kiln_field_put_address(struct kiln_field_writer *w, enum kiln_handoff_field type,
			    const struct sockaddr_storage *address)
{
	uint8_t bytes[1 + sizeof((struct sockaddr_un *)0)->sun_path];
	size_t len = 0;
	if (address->ss_family == AF_INET || address->ss_family == AF_INET6)
		len = write_inet(bytes, address);
	else if (address->ss_family == AF_UNIX)
		len = write_unix(bytes, address);
	if (len > 0)
		kiln_field_put(w, type, bytes, len);
}

static void read_inet(const uint8_t *data, struct sockaddr_storage *out)
{
	struct sockaddr_in four = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	if (data[0] == FAMILY_IPV4) {
		memcpy(&four.sin_addr, data + 1, 4);
		memcpy(&four.sin_port, data + 5, 2);
		memcpy(out, &four, sizeof four);
		return;
	}
	memcpy(&six.sin6_addr, data + 1, 16);
	memcpy(&six.sin6_port, data + 17, 2);
	six.sin6_scope_id = (uint32_t)load(data + 19, 4);
	memcpy(out, &six, sizeof six);
}

bool kiln_field_address(const struct kiln_field *field, struct sockaddr_storage *out)
{
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	memset(out, 0, sizeof *out);
	if (field->len == 0)
		return false;
	if ((field->data[0] == FAMILY_IPV4 && field->len == IPV4_LEN) ||
	    (field->data[0] == FAMILY_IPV6 && field->len == IPV6_LEN)) {
		read_inet(field->data, out);
		return true;
	}
	if (field->data[0] != FAMILY_UNIX || field->len - 1 > sizeof path.sun_path)
		return false;
	memcpy(path.sun_path, field->data + 1, field->len - 1);
	memcpy(out, &path, sizeof path);
	return true;
}

/* ---- a direction: numbers of fixed size, then the secret ------------------------------------- */

#define DIRECTION_LEN 31u

void kiln_field_put_direction(struct kiln_field_writer *w, enum kiln_handoff_field type,
			      const struct kiln_handoff_direction *d)
{
	uint8_t bytes[DIRECTION_LEN + KILN_SECRET_MAX];
	store(bytes, d->records, 8);
	store(bytes + 8, d->limit, 8);
	store(bytes + 16, d->key_updates, 4);
	memcpy(bytes + 20, d->message, 5);
	bytes[25] = d->message_have;
	bytes[26] = d->useless;
	store(bytes + 27, d->message_left, 4);
	memcpy(bytes + DIRECTION_LEN, d->secret, d->secret_len);
	kiln_field_put(w, type, bytes, DIRECTION_LEN + d->secret_len);
	kiln_wipe(bytes, sizeof bytes);
}

bool kiln_field_direction(const struct kiln_field *field, struct kiln_handoff_direction *d)
{
	const uint8_t *p = field->data;
	if (field->len < DIRECTION_LEN || field->len > DIRECTION_LEN + KILN_SECRET_MAX)
		return false;
	d->records = load(p, 8);
	d->limit = load(p + 8, 8);
	d->key_updates = (uint32_t)load(p + 16, 4);
	memcpy(d->message, p + 20, 5);
	d->message_have = p[25];
	d->useless = p[26];
	d->message_left = (uint32_t)load(p + 27, 4);
	d->secret_len = (uint8_t)(field->len - DIRECTION_LEN);
	memcpy(d->secret, p + DIRECTION_LEN, d->secret_len);
	/* As kiln_traffic_control leaves it. */
	return d->message_have < sizeof d->message;
}

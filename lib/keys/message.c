/* SPDX-License-Identifier: Apache-2.0
 * Reading and writing bodies by their rows of fields; see message.h. */
#include "keys/message.h"

#include <string.h>

#include "base/bytes.h"

struct cursor {
	const uint8_t *in;
	uint8_t *out;
	size_t left;
};

static bool take(struct cursor *c, size_t len, const uint8_t **at)
{
	if (c->left < len)
		return false;
	*at = c->in;
	c->in += len;
	c->left -= len;
	return true;
}

static bool read_number(struct cursor *c, size_t size, uint8_t *member)
{
	const uint8_t *at;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	if (!take(c, size, &at))
		return false;
	switch (size) {
	case 1: *member = *at; break;
	case 2:
		u16 = kiln_load_be16(at);
		memcpy(member, &u16, sizeof u16);
		break;
	case 4:
		u32 = kiln_load_be32(at);
		memcpy(member, &u32, sizeof u32);
		break;
	default:
		u64 = kiln_load_be64(at);
		memcpy(member, &u64, sizeof u64);
		break;
	}
	return true;
}

static bool read_list(struct cursor *c, const struct kiln_keys_field *f, uint8_t *member)
{
	struct kiln_keys_list list;
	const uint8_t *at;
	if (!take(c, f->max > 255 ? 2 : 1, &at))
		return false;
	list.count = f->max > 255 ? kiln_load_be16(at) : *at;
	if (list.count < f->min || list.count > f->max ||
	    !take(c, list.count * f->size, &list.data))
		return false;
	memcpy(member, &list, sizeof list);
	return true;
}

static bool read_field(struct cursor *c, const struct kiln_keys_field *f, uint8_t *member)
{
	const uint8_t *at;
	if (f->what == KILN_FIELD_NUMBER)
		return read_number(c, f->size, member);
	if (f->what == KILN_FIELD_LIST)
		return read_list(c, f, member);
	if (!take(c, f->size, &at))
		return false;
	memcpy(member, at, f->size);
	return true;
}

static bool has_operation(uint8_t type)
{
	return type >= KILN_KEYS_REQUEST && type <= KILN_KEYS_RESPONSE;
}

static bool read_form(struct cursor *c, const struct kiln_keys_form *form,
		      struct kiln_keys_message *message)
{
	for (size_t i = 0; i < form->count; i++)
		if (!read_field(c, &form->fields[i], (uint8_t *)message + form->fields[i].offset))
			return false;
	return true;
}

bool kiln_keys_message_read(uint8_t type, const uint8_t *body, size_t len,
			    struct kiln_keys_message *message)
{
	struct cursor c = {.in = body, .left = len};
	memset(message, 0, sizeof *message);
	const struct kiln_keys_form *form = kiln_keys_session_form(type);
	if (form == NULL || !read_form(&c, form, message))
		return false;
	if (has_operation(type)) {
		form = kiln_keys_operation_form(type, message->operation);
		if (form == NULL || !read_form(&c, form, message))
			return false;
	}
	return c.left == 0;
}

static uint8_t *room(struct cursor *c, size_t len)
{
	if (c->left < len)
		return NULL;
	uint8_t *at = c->out;
	c->out += len;
	c->left -= len;
	return at;
}

static void write_number(uint8_t *at, size_t size, const uint8_t *member)
{
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	switch (size) {
	case 1: *at = *member; break;
	case 2:
		memcpy(&u16, member, sizeof u16);
		kiln_store_be16(at, u16);
		break;
	case 4:
		memcpy(&u32, member, sizeof u32);
		kiln_store_be32(at, u32);
		break;
	default:
		memcpy(&u64, member, sizeof u64);
		kiln_store_be64(at, u64);
		break;
	}
}

static bool write_list(struct cursor *c, const struct kiln_keys_field *f, const uint8_t *member)
{
	struct kiln_keys_list list;
	memcpy(&list, member, sizeof list);
	uint8_t *at = room(c, f->max > 255 ? 2 : 1);
	if (at == NULL || list.count < f->min || list.count > f->max)
		return false;
	if (f->max > 255)
		kiln_store_be16(at, (uint16_t)list.count);
	else
		*at = (uint8_t)list.count;
	at = room(c, list.count * f->size);
	if (at != NULL && list.count > 0)
		memcpy(at, list.data, list.count * f->size);
	return at != NULL;
}

static bool write_field(struct cursor *c, const struct kiln_keys_field *f, const uint8_t *member)
{
	if (f->what == KILN_FIELD_LIST)
		return write_list(c, f, member);
	uint8_t *at = room(c, f->size);
	if (at == NULL)
		return false;
	if (f->what == KILN_FIELD_NUMBER)
		write_number(at, f->size, member);
	else
		memcpy(at, member, f->size);
	return true;
}

static bool write_form(struct cursor *c, const struct kiln_keys_form *form,
		       const struct kiln_keys_message *message)
{
	for (size_t i = 0; form != NULL && i < form->count; i++)
		if (!write_field(c, &form->fields[i],
				 (const uint8_t *)message + form->fields[i].offset))
			return false;
	return form != NULL;
}

size_t kiln_keys_message_write(uint8_t type, const struct kiln_keys_message *message, uint8_t *out,
			       size_t cap, bool *fits)
{
	struct cursor c = {.left = cap};
	c.out = out;
	*fits = write_form(&c, kiln_keys_session_form(type), message) &&
		(!has_operation(type) ||
		 write_form(&c, kiln_keys_operation_form(type, message->operation), message));
	return *fits ? cap - c.left : 0;
}

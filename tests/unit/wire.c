/* SPDX-License-Identifier: Apache-2.0
 * A growing queue of bytes; see wire.h. */
#include "wire.h"

void wire_add(struct wire *wire, const void *data, size_t len)
{
	if (wire->len + len > wire->cap) {
		wire->cap = (wire->len + len) * 2;
		wire->data = realloc(wire->data, wire->cap);
		assert_non_null(wire->data);
	}
	if (len > 0)
		memcpy(wire->data + wire->len, data, len);
	wire->len += len;
}

void wire_drop(struct wire *wire, size_t len)
{
	assert_true(len <= wire->len);
	if (len > 0)
		memmove(wire->data, wire->data + len, wire->len - len);
	wire->len -= len;
}

void wire_free(struct wire *wire)
{
	free(wire->data);
	memset(wire, 0, sizeof *wire);
}

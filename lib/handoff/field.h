/* SPDX-License-Identifier: Apache-2.0
 *
 * The fields of a hand-off message: their numbers, and writing and reading them one by one.
 */
#ifndef KILN_HANDOFF_FIELD_H
#define KILN_HANDOFF_FIELD_H

#include "handoff/message.h"

#define KILN_FIELD_HEADER 6u      /* type, length */
#define KILN_FIELD_MUST   0x8000u /* who does not know it has to refuse the message */

/* Never given to another meaning. */
enum kiln_handoff_field {
	KILN_FIELD_CONNECTION = 1,
	KILN_FIELD_PATH = 2,
	KILN_FIELD_PATH_REASON = 3,
	KILN_FIELD_SUITE = 4,
	KILN_FIELD_PROOF = 5,
	KILN_FIELD_SUBJECT = 6,
	KILN_FIELD_COMMON_NAME = 7,
	KILN_FIELD_NAME = 8,
	KILN_FIELD_SPKI = 9,
	KILN_FIELD_ROLE = 10,
	KILN_FIELD_SERVER_NAME = 11,
	KILN_FIELD_ALPN = 12,
	KILN_FIELD_GROUP = 13,
	KILN_FIELD_PEER = 14,
	KILN_FIELD_LOCAL = 15,
	KILN_FIELD_CLIENT = 16,
	KILN_FIELD_DESTINATION = 17,
	KILN_FIELD_EXPORTER_LABEL = 18,
	KILN_FIELD_EXPORTER = 19,
	KILN_FIELD_RX = 20,
	KILN_FIELD_TX = 21,
	KILN_FIELD_RX_CLOSED = 22,
	KILN_FIELD_UPDATE_WANTED = 23,
	KILN_FIELD_EARLY = 24,
	KILN_FIELD_TEXT = 25,
	KILN_FIELD_BOUND = 26,
	KILN_FIELD_SESSION = 27,
	KILN_FIELDS
};

/* Bytes being written; once full, everything else is dropped and the whole is void. */
struct kiln_field_writer {
	uint8_t *at, *end;
	bool full;
};

void kiln_field_put(struct kiln_field_writer *w, enum kiln_handoff_field type, const void *data,
		    size_t len);
/* Nothing for "". */
void kiln_field_put_text(struct kiln_field_writer *w, enum kiln_handoff_field type,
			 const char *text);
void kiln_field_put_number(struct kiln_field_writer *w, enum kiln_handoff_field type,
			   uint64_t value, size_t bytes);
/* Nothing for another family than IPv4, IPv6 and Unix. */
void kiln_field_put_address(struct kiln_field_writer *w, enum kiln_handoff_field type,
			    const struct sockaddr_storage *address);
void kiln_field_put_direction(struct kiln_field_writer *w, enum kiln_handoff_field type,
			      const struct kiln_handoff_direction *direction);

/* One that was found. The readers below are false when it is not what it has to be. */
struct kiln_field {
	uint16_t type;
	const uint8_t *data;
	uint32_t len;
};

bool kiln_field_text(const struct kiln_field *field, char *out, size_t size);
bool kiln_field_bytes(const struct kiln_field *field, void *out, size_t len);
bool kiln_field_number(const struct kiln_field *field, size_t bytes, uint64_t *out);
bool kiln_field_address(const struct kiln_field *field, struct sockaddr_storage *out);
bool kiln_field_direction(const struct kiln_field *field, struct kiln_handoff_direction *out);

#endif

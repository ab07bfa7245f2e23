/* SPDX-License-Identifier: Apache-2.0
 * Lines of an audit log: as bytes, and chained. */
#ifndef KILN_KEYS_AUDIT_H
#define KILN_KEYS_AUDIT_H

#include "keys/message.h"

void kiln_keys_audit_write(const struct kiln_keys_audit *entry, uint8_t out[KILN_KEYS_AUDIT_LEN]);
void kiln_keys_audit_read(const uint8_t in[KILN_KEYS_AUDIT_LEN], struct kiln_keys_audit *entry);

/* The hash that a line has in its log: SHA3-256(hash of the line before ‖ user_id ‖ the line's 53
 * bytes). Before the first line: zeroes. */
bool kiln_keys_audit_hash(const uint8_t before[KILN_KEYS_HASH_LEN],
			  const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
			  const struct kiln_keys_audit *entry,
			  uint8_t hash[KILN_KEYS_HASH_LEN]) KILN_NODISCARD;

#endif

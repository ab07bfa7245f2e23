/* SPDX-License-Identifier: Apache-2.0
 * The export format; see export.h. */
#include "keys/export.h"

#include <string.h>

#include "keys/crypto.h"

size_t kiln_keys_export_write(const struct kiln_keys_secret *secret,
			      const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
			      uint8_t out[KILN_KEYS_EXPORT_MAX])
{
	uint8_t ad[KILN_KEYS_AD_MAX];
	const size_t ad_len = kiln_keys_backup_ad(user_id, secret->key_id, secret->context, ad);
	size_t at = 0;
	out[at++] = (uint8_t)secret->len;
	memcpy(out + at, secret->data, secret->len);
	at += secret->len;
	out[at++] = (uint8_t)ad_len;
	memcpy(out + at, ad, ad_len);
	return at + ad_len;
}

static bool take(const uint8_t **bytes, size_t *left, const uint8_t **at, size_t *len)
{
	if (*left == 0 || *left - 1 < **bytes)
		return false;
	*len = **bytes;
	*at = *bytes + 1;
	*bytes += 1 + *len;
	*left -= 1 + *len;
	return true;
}

bool kiln_keys_export_read(const uint8_t *bytes, size_t len, struct kiln_keys_exported *out)
{
	return take(&bytes, &len, &out->secret, &out->secret_len) && out->secret_len > 0 &&
	       take(&bytes, &len, &out->bound_to, &out->bound_to_len) && len == 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * The insides of sealed values; see rows.h. */
#include "keys/store/rows.h"

#include <string.h>

#include "base/bytes.h"

uint64_t kiln_row_number(const uint8_t in[8])
{
	uint64_t v = 0;
	for (int i = 0; i < 8; i++)
		v = v << 8 | in[i];
	return v;
}

static uint8_t *put(uint8_t *p, const void *data, size_t len)
{
	memcpy(p, data, len);
	return p + len;
}

static uint8_t *put64(uint8_t *p, uint64_t v)
{
	kiln_store_be64(p, v);
	return p + 8;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	for (int i = 3; i >= 0; i--, v >>= 8)
		p[i] = (uint8_t)v;
	return p + 4;
}

static const uint8_t *get(const uint8_t *p, void *data, size_t len)
{
	memcpy(data, p, len);
	return p + len;
}

static const uint8_t *get64(const uint8_t *p, uint64_t *v)
{
	*v = kiln_row_number(p);
	return p + 8;
}

static const uint8_t *get32(const uint8_t *p, uint32_t *v)
{
	*v = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	return p + 4;
}

#define USER_FIXED (8 + 8 + KILN_KEYS_RECORD_LEN + KILN_KEYS_WRAPPED_LEN)

static size_t padded(size_t name_len)
{
	return (1 + name_len + 63) & ~(size_t)63;
}

size_t kiln_row_write_user(const struct kiln_keys_user *user, uint8_t out[KILN_ROW_USER_MAX])
{
	uint8_t *p = put64(out, user->generation);
	p = put64(p, user->created_ms);
	p = put(p, user->record, sizeof user->record);
	p = put(p, user->wrapped, sizeof user->wrapped);
	memset(p, 0, padded(user->name_len));
	p[0] = user->name_len;
	memcpy(p + 1, user->name, user->name_len);
	return USER_FIXED + padded(user->name_len);
}

bool kiln_row_read_user(const uint8_t *in, size_t len, struct kiln_keys_user *user)
{
	if (len <= USER_FIXED || len > KILN_ROW_USER_MAX)
		return false;
	in = get64(in, &user->generation);
	in = get64(in, &user->created_ms);
	in = get(in, user->record, sizeof user->record);
	in = get(in, user->wrapped, sizeof user->wrapped);
	user->name_len = in[0];
	if (padded(user->name_len) != len - USER_FIXED)
		return false;
	memcpy(user->name, in + 1, user->name_len);
	return true;
}

#define KEY_FIXED KILN_ROW_KEY_DELETED_LEN

size_t kiln_row_write_key(const struct kiln_keys_key *key, uint64_t deleted_ms,
			  uint8_t out[KILN_ROW_KEY_MAX])
{
	uint8_t *p = out;
	memset(out, 0, KEY_FIXED);
	*p++ = deleted_ms != 0 ? 2 : 1;
	if (deleted_ms != 0) {
		(void)put64(p, deleted_ms);
		return KEY_FIXED;
	}
	*p++ = key->kind;
	*p++ = key->context;
	p = put64(p, key->created_ms);
	p = put64(p, key->retrieved_ms);
	p += 8;
	kiln_store_be16(p, key->data_len);
	(void)put(p + 2, key->data, key->data_len);
	return KEY_FIXED + key->data_len;
}

bool kiln_row_read_key(const uint8_t *in, size_t len, struct kiln_keys_key *key,
		       uint64_t *deleted_ms)
{
	*deleted_ms = 0;
	if (len < KEY_FIXED || len > KILN_ROW_KEY_MAX || in[0] < 1 || in[0] > 2)
		return false;
	if (*in++ == 2) {
		(void)get64(in, deleted_ms);
		return len == KEY_FIXED && *deleted_ms != 0;
	}
	key->kind = *in++;
	key->context = *in++;
	in = get64(in, &key->created_ms);
	in = get64(in, &key->retrieved_ms);
	in += 8;
	key->data_len = kiln_load_be16(in);
	if (key->data_len != len - KEY_FIXED || key->data_len > sizeof key->data)
		return false;
	memcpy(key->data, in + 2, key->data_len);
	return true;
}

void kiln_row_write_head(const struct kiln_store_head *head, uint8_t out[KILN_ROW_HEAD_LEN])
{
	uint8_t *p = put64(out, head->count);
	p = put(p, head->hash, sizeof head->hash);
	p = put64(p, head->first);
	p = put(p, head->base, sizeof head->base);
	p = put32(p, head->keys);
	p = put32(p, head->deleted);
	(void)put64(p, head->generation);
}

void kiln_row_read_head(const uint8_t in[KILN_ROW_HEAD_LEN], struct kiln_store_head *head)
{
	const uint8_t *p = get64(in, &head->count);
	p = get(p, head->hash, sizeof head->hash);
	p = get64(p, &head->first);
	p = get(p, head->base, sizeof head->base);
	p = get32(p, &head->keys);
	p = get32(p, &head->deleted);
	(void)get64(p, &head->generation);
}

void kiln_row_write_bucket(const struct kiln_keys_bucket *bucket, uint64_t stale_ms,
			   uint8_t out[KILN_ROW_BUCKET_LEN])
{
	uint8_t *p = put32(out, bucket->attempts);
	p = put64(p, bucket->since_ms);
	p = put64(p, bucket->not_before_ms);
	*p++ = bucket->refused;
	(void)put64(p, stale_ms);
}

void kiln_row_read_bucket(const uint8_t in[KILN_ROW_BUCKET_LEN], struct kiln_keys_bucket *bucket,
			  uint64_t *stale_ms)
{
	const uint8_t *p = get32(in, &bucket->attempts);
	p = get64(p, &bucket->since_ms);
	p = get64(p, &bucket->not_before_ms);
	bucket->refused = *p++ != 0;
	(void)get64(p, stale_ms);
}

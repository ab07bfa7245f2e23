/* SPDX-License-Identifier: Apache-2.0
 * A stream of records under a known key. Run: fuzz_tls_records tests/fuzz/corpus/tls_records
 *
 * The input says which records to seal (type, length, how much padding) and then what to do to the
 * sealed bytes (flip, cut, repeat); the stream is received in pieces as a relay does it. Content
 * that opens must be content that was sealed, in order, without a gap. */
#include "fuzz.h"

#include <openssl/evp.h>

#include <kiln/tls.h>

#include "base/bytes.h"

#define RECORDS_MAX 32u

struct sealed {
	size_t start, len, content_len;
	uint8_t type, fill;
};

static uint8_t stream[RECORDS_MAX * (KILN_RECORD_MAX + 16)];
static uint8_t open_into[KILN_RECORD_MAX];

static struct kiln_traffic make_traffic(uint16_t suite)
{
	uint8_t secret[48];
	struct kiln_traffic traffic;
	memset(secret, 0x5a, sizeof secret);
	require(kiln_traffic_init(&traffic, suite, secret, 0, NULL) == KILN_OK);
	return traffic;
}

/* Content, type and padding in one, so that padding can be made, which Kiln itself never sends. */
static size_t seal_padded(struct kiln_traffic *tx, const struct sealed *record, size_t padding,
			  uint8_t *out)
{
	static uint8_t inner[KILN_RECORD_CIPHER_MAX];
	uint8_t nonce[12];
	const size_t len = record->content_len + 1 + padding;
	EVP_CIPHER_CTX *ctx = tx->cipher;
	int n;
	memset(inner, record->fill, record->content_len);
	inner[record->content_len] = record->type;
	memset(inner + record->content_len + 1, 0, padding);
	memcpy(nonce, tx->iv, 12);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] ^= (uint8_t)(tx->sequence >> (56 - 8 * i));
	out[0] = KILN_RECORD_DATA;
	kiln_store_be16(out + 1, 0x0303);
	kiln_store_be16(out + 3, (uint16_t)(len + 16));
	require(EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, 1, NULL) == 1 &&
		EVP_CipherUpdate(ctx, NULL, &n, out, 5) == 1 &&
		EVP_CipherUpdate(ctx, out + 5, &n, inner, (int)len) == 1 &&
		EVP_CipherFinal_ex(ctx, out + 5 + len, &n) == 1 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + 5 + len) == 1);
	tx->sequence++;
	return 5 + len + 16;
}

static size_t build(struct fuzz_input *in, struct kiln_traffic *tx, struct sealed *records,
		    unsigned *count)
{
	size_t total = 0;
	*count = fuzz_byte(in) % RECORDS_MAX;
	for (unsigned i = 0; i < *count; i++) {
		struct sealed *r = &records[i];
		r->type = fuzz_byte(in);
		if (r->type == 0) /* would be padding */
			r->type = KILN_RECORD_DATA;
		r->content_len = fuzz_short(in) % (KILN_RECORD_PLAIN_MAX + 1);
		r->fill = fuzz_byte(in);
		const size_t room = KILN_RECORD_CIPHER_MAX - 16 - 1 - r->content_len;
		const size_t padding = fuzz_byte(in) * 66u;
		r->start = total;
		r->len = seal_padded(tx, r, padding < room ? padding : room, stream + total);
		total += r->len;
	}
	return total;
}

/* Edits the bytes; returns the new length and, in *clean, how much of the front is untouched. */
static size_t spoil(struct fuzz_input *in, size_t total, size_t *clean)
{
	*clean = total;
	for (unsigned edits = fuzz_byte(in) % 4; edits > 0 && total > 0; edits--) {
		const uint8_t how = fuzz_byte(in);
		const size_t at = ((size_t)fuzz_short(in) << 4 | fuzz_byte(in) % 16) % total;
		const uint8_t value = fuzz_byte(in);
		if (how % 3 == 0 && value != 0) {
			stream[at] ^= value;
		} else if (how % 3 == 1) {
			memmove(stream + at, stream + at + 1, total - at - 1);
			total--;
		} else if (total < sizeof stream) {
			memmove(stream + at + 1, stream + at, total - at);
			total++;
		}
		if (at < *clean)
			*clean = at;
	}
	return total;
}

/* Opens the record at the front of the stream; false at its end or at a refusal. */
static bool open_next(struct kiln_traffic *rx, size_t *at, size_t total, struct sealed *got)
{
	struct kiln_error err = {0};
	size_t length;
	if (kiln_record_length(stream + *at, total - *at, &length, &err) != KILN_OK) {
		require(err.alert != 0);
		return false;
	}
	if (length == 0 || length > total - *at)
		return false;
	uint8_t *copy = malloc(length);
	require(copy != NULL);
	memcpy(copy, stream + *at, length);
	const enum kiln_code rc =
	    kiln_traffic_open(rx, copy, length, open_into, &got->content_len, &got->type, &err);
	free(copy);
	if (rc != KILN_OK) {
		require(err.alert != 0);
		return false;
	}
	require(got->content_len <= KILN_RECORD_PLAIN_MAX);
	got->start = *at;
	got->len = length;
	*at += length;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct sealed records[RECORDS_MAX] = {0}, got = {0};
	unsigned count = 0;
	const uint16_t suite = (uint16_t)(0x1301 + fuzz_byte(&in) % 3);
	struct kiln_traffic tx = make_traffic(suite), rx = make_traffic(suite);
	size_t clean, at = 0, total = build(&in, &tx, records, &count);
	total = spoil(&in, total, &clean);
	unsigned opened = 0;
	bool refused = false; /* for its content, not for its protection */
	for (; !refused && open_next(&rx, &at, total, &got); opened++) {
		const struct sealed *want = &records[opened];
		require(opened < count && got.type == want->type);
		require(got.content_len == want->content_len && got.start == want->start);
		for (size_t i = 0; i < got.content_len; i++)
			require(open_into[i] == want->fill);
		struct kiln_control control;
		struct kiln_error err = {0};
		refused = got.type != KILN_RECORD_DATA &&
			  kiln_traffic_control(&rx, got.type, open_into, got.content_len, &control,
					       &err) != KILN_OK;
	}
	/* Everything in front of the first edit opens. */
	if (!refused && opened < count)
		require(records[opened].start + records[opened].len > clean);
	kiln_traffic_clear(&tx);
	kiln_traffic_clear(&rx);
	return 0;
}

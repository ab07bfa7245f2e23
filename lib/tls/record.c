/* SPDX-License-Identifier: Apache-2.0
 * Record protection in user space: RFC 8446 5.2 to 5.4. It serves connections that the kernel
 * cannot take, and the records around the hand-over of those that it can. */
#include <openssl/evp.h>

#include "base/bytes.h"
#include "tls/traffic.h"

#define TAG_LEN 16u

/* The per-record nonce: the sequence number, padded on the left, XOR the IV (5.3). */
static void make_nonce(const struct kiln_traffic *traffic, uint8_t nonce[12])
{
	uint8_t sequence[8];
	kiln_store_be64(sequence, traffic->sequence);
	memcpy(nonce, traffic->iv, 12);
	for (size_t i = 0; i < sizeof sequence; i++)
		nonce[4 + i] ^= sequence[i];
}

/* Starts a record: nonce, and the header as additional data (5.2). */
static bool start(struct kiln_traffic *traffic, const uint8_t *header, int encrypt)
{
	uint8_t nonce[12];
	int n;
	make_nonce(traffic, nonce);
	return EVP_CipherInit_ex2(traffic->cipher, NULL, NULL, nonce, encrypt, NULL) == 1 &&
	       EVP_CipherUpdate(traffic->cipher, NULL, &n, header, (int)KILN_RECORD_HEADER) == 1;
}

enum kiln_code kiln_traffic_seal(struct kiln_traffic *traffic, uint8_t type, const void *data,
				 size_t len, uint8_t *out, size_t *out_len, struct kiln_error *err)
{
	if (len > KILN_RECORD_PLAIN_MAX || traffic->cipher == NULL)
		return kiln_fail(err, KILN_E_USAGE,
				 "seal: record too long, or keys not in user space");
	if (traffic->records >= traffic->suite->record_limit)
		return kiln_fail(err, KILN_E_TLS_RECORD_LIMIT,
				 "the sending key has protected %llu records (RFC 8446 5.5)",
				 (unsigned long long)traffic->records);

	EVP_CIPHER_CTX *ctx = traffic->cipher;
	out[0] = KILN_RECORD_DATA;
	kiln_store_be16(out + 1, 0x0303);
	kiln_store_be16(out + 3, (uint16_t)(len + 1 + TAG_LEN));
	uint8_t *p = out + KILN_RECORD_HEADER;
	int n = 0, last = 0;
	bool ok = start(traffic, out, 1) &&
		  (len == 0 || EVP_CipherUpdate(ctx, p, &n, data, (int)len) == 1) &&
		  EVP_CipherUpdate(ctx, p + len, &n, &type, 1) == 1 &&
		  EVP_CipherFinal_ex(ctx, p + len + 1, &last) == 1 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, p + len + 1) == 1;
	if (!ok)
		return kiln_fail(err, KILN_E_SYSTEM, "%s failed to seal a record",
				 traffic->suite->evp_name);
	traffic->sequence++;
	traffic->records++;
	*out_len = KILN_RECORD_HEADER + len + 1 + TAG_LEN;
	return KILN_OK;
}

static enum kiln_code refuse(struct kiln_error *err, enum kiln_code code, uint8_t alert,
			     const char *rule)
{
	(void)kiln_fail(err, code, "record refused: %s", rule);
	if (err != NULL)
		err->alert = alert;
	return code;
}

enum kiln_code kiln_record_length(const uint8_t *data, size_t have, size_t *length,
				  struct kiln_error *err)
{
	*length = 0;
	/* The type is judged as soon as it is there: no need to wait for the rest of nonsense. */
	if (have >= 1 && data[0] != KILN_RECORD_DATA)
		return refuse(err, KILN_E_TLS_RECORD, KILN_ALERT_UNEXPECTED_MESSAGE,
			      "outer type is not application_data (RFC 8446 5.2)");
	if (have < KILN_RECORD_HEADER)
		return KILN_OK;
	const uint16_t len = kiln_load_be16(data + 3);
	if (len > KILN_RECORD_CIPHER_MAX)
		return refuse(err, KILN_E_TLS_RECORD, KILN_ALERT_RECORD_OVERFLOW,
			      "longer than 2^14 + 256 bytes (RFC 8446 5.2)");
	if (len < 1 + TAG_LEN)
		return refuse(err, KILN_E_TLS_RECORD, KILN_ALERT_BAD_RECORD_MAC,
			      "shorter than a content type and a tag (RFC 8446 5.2)");
	*length = KILN_RECORD_HEADER + len;
	return KILN_OK;
}

/* TLSInnerPlaintext: content, type, zeros (5.2, 5.4). Returns false when there is no type. */
static bool split_inner(const uint8_t *inner, size_t len, size_t *content_len, uint8_t *type)
{
	while (len > 0 && inner[len - 1] == 0)
		len--;
	if (len == 0)
		return false;
	*type = inner[len - 1];
	*content_len = len - 1;
	return true;
}

enum kiln_code kiln_traffic_open(struct kiln_traffic *traffic, const uint8_t *record, size_t len,
				 uint8_t *out, size_t *out_len, uint8_t *type,
				 struct kiln_error *err)
{
	size_t expected;
	enum kiln_code rc = kiln_record_length(record, len, &expected, err);
	if (rc != KILN_OK)
		return rc;
	if (expected == 0 || expected != len || traffic->cipher == NULL)
		return kiln_fail(err, KILN_E_USAGE, "open: not one whole record, or no keys here");

	EVP_CIPHER_CTX *ctx = traffic->cipher;
	const size_t inner_len = len - KILN_RECORD_HEADER - TAG_LEN;
	uint8_t tag[TAG_LEN];
	memcpy(tag, record + len - TAG_LEN, TAG_LEN);
	int n = 0, last = 0;
	bool ok =
	    start(traffic, record, 0) &&
	    EVP_CipherUpdate(ctx, out, &n, record + KILN_RECORD_HEADER, (int)inner_len) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) == 1 &&
	    EVP_CipherFinal_ex(ctx, out + inner_len, &last) == 1;
	if (!ok) {
		kiln_wipe(out, inner_len);
		return refuse(err, KILN_E_TLS_DECRYPT, KILN_ALERT_BAD_RECORD_MAC,
			      "its tag does not verify (RFC 8446 5.2)");
	}
	traffic->sequence++;
	traffic->records++;
	if (!split_inner(out, inner_len, out_len, type))
		return refuse(err, KILN_E_TLS_RECORD, KILN_ALERT_UNEXPECTED_MESSAGE,
			      "nothing but padding (RFC 8446 5.4)");
	if (*out_len > KILN_RECORD_PLAIN_MAX)
		return refuse(err, KILN_E_TLS_RECORD, KILN_ALERT_RECORD_OVERFLOW,
			      "content longer than 2^14 bytes (RFC 8446 5.4)");
	return KILN_OK;
}

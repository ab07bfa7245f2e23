/* SPDX-License-Identifier: Apache-2.0
 * The parts of lib/keys by themselves: cryptography against known answers, names, limits, messages,
 * the export format and the local store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/hex.h"
#include "keys/audit.h"
#include "keys/crypto.h"
#include "keys/export.h"
#include "keys/frame.h"
#include "keys/limit.h"
#include "keys/name.h"

static void from_hex(const char *text, uint8_t *out)
{
	assert_true(kiln_hex_decode(text, strlen(text), out));
}

/* ---- cryptography */

static void test_hashes(void **state)
{
	uint8_t got[64], want[64], ikm[22], salt[13], info[10], prk[32];
	(void)state;
	/* FIPS 202, "abc". */
	from_hex("3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532", want);
	assert_true(kiln_keys_sha3_256("abc", 3, got));
	assert_memory_equal(got, want, 32);
	/* RFC 5869 A.1. */
	memset(ikm, 0x0b, sizeof ikm);
	from_hex("000102030405060708090a0b0c", salt);
	from_hex("f0f1f2f3f4f5f6f7f8f9", info);
	from_hex(
	    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
	    want);
	from_hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5", prk);
	kiln_keys_hkdf_extract(ikm, sizeof ikm, salt, sizeof salt, got);
	assert_memory_equal(got, prk, sizeof prk);
	kiln_keys_hkdf_expand(prk, info, sizeof info, got, 42);
	assert_memory_equal(got, want, 42);
}

static void test_seal(void **state)
{
	uint8_t key[32] = {1}, sealed[5 + KILN_KEYS_SEAL_OVERHEAD], plain[5];
	(void)state;
	assert_true(kiln_keys_seal(key, "ad", 2, "hello", 5, NULL, sealed));
	assert_true(kiln_keys_unseal(key, "ad", 2, sealed, sizeof sealed, plain));
	assert_memory_equal(plain, "hello", 5);
	assert_false(kiln_keys_unseal(key, "aD", 2, sealed, sizeof sealed, plain));
	for (size_t i = 0; i < sizeof sealed; i++) {
		sealed[i] ^= 4;
		assert_false(kiln_keys_unseal(key, "ad", 2, sealed, sizeof sealed, plain));
		sealed[i] ^= 4;
		assert_false(kiln_keys_unseal(key, "ad", 2, sealed, i, plain));
	}
}

static void test_scalars(void **state)
{
	uint8_t n[32], scalar[32] = {0}, public_key[33], want[33];
	(void)state;
	from_hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", n);
	assert_false(kiln_keys_scalar_valid(scalar));
	assert_false(kiln_keys_scalar_valid(n));
	n[31]--;
	assert_true(kiln_keys_scalar_valid(n));
	n[31] += 2;
	assert_false(kiln_keys_scalar_valid(n));
	memset(n, 0xff, sizeof n);
	assert_false(kiln_keys_scalar_valid(n));
	scalar[31] = 1;
	assert_true(kiln_keys_scalar_valid(scalar));
	/* SEC 2: the base point. */
	from_hex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", want);
	assert_true(kiln_keys_ec_public(scalar, public_key));
	assert_memory_equal(public_key, want, 33);
	assert_true(kiln_keys_scalar_generate(NULL, scalar));
	assert_true(kiln_keys_scalar_valid(scalar));
}

/* Every signature has its s in the lower half. */
static void test_low_s(void **state)
{
	uint8_t scalar[32] = {[31] = 7}, digest[32] = {0}, half[32], public_key[33], sig[64];
	(void)state;
	from_hex("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0", half);
	assert_true(kiln_keys_ec_public(scalar, public_key));
	for (uint8_t i = 0; i < 40; i++) {
		digest[0] = i;
		assert_true(kiln_keys_ec_sign(scalar, digest, sig));
		assert_true(memcmp(sig + 32, half, 32) <= 0);
		assert_true(kiln_keys_ec_verify(public_key, digest, sig));
	}
}

/* ---- names */

static void check_name(const char *name, const char *want)
{
	uint8_t out[KILN_KEYS_NAME_MAX];
	size_t len;
	const enum kiln_keys_name rc = kiln_keys_name_normalise(name, strlen(name), out, &len);
	assert_int_equal(rc, want != NULL ? KILN_KEYS_NAME_GOOD : KILN_KEYS_NAME_BAD);
	if (want == NULL)
		return;
	assert_int_equal(len, strlen(want));
	assert_memory_equal(out, want, len);
	assert_int_equal(kiln_keys_name_check(out, len), KILN_KEYS_NAME_GOOD);
	if (strcmp(name, want) != 0)
		assert_int_equal(kiln_keys_name_check(name, strlen(name)), KILN_KEYS_NAME_BAD);
}

static void test_names(void **state)
{
	char longest[257];
	(void)state;
	check_name("ada@example.com", "ada@example.com");
	check_name("Ada Lovelace", "ada lovelace");
	check_name("Andr\xc3\xa9", "andr\xc3\xa9");
	check_name("Andre\xcc\x81", "andr\xc3\xa9"); /* decomposed */
	check_name("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c");
	check_name("", NULL);
	check_name(" ada", NULL);
	check_name("ada ", NULL);
	check_name("a\tb", NULL);
	check_name("a\x7f", NULL);
	check_name("a\xc2\xa0z", NULL);     /* no-break space */
	check_name("a\xe2\x80\x8bz", NULL); /* zero width */
	check_name("a\xe2\x80\xaez", NULL); /* right to left */
	check_name("\xff", NULL);
	check_name("\xed\xa0\x80", NULL); /* a surrogate */
	check_name("\xc0\xaf", NULL);     /* overlong */
	memset(longest, 'x', sizeof longest);
	longest[256] = '\0';
	check_name(longest, NULL);
	longest[255] = '\0';
	check_name(longest, longest);
	assert_int_equal(kiln_keys_name_check("a\0b", 3), KILN_KEYS_NAME_BAD);
}

/* ---- limits */

static void test_limit(void **state)
{
	const struct kiln_keys_limit limit = {3, 1000, 8000, 10000};
	struct kiln_keys_bucket b = {0};
	struct kiln_keys_verdict v;
	uint64_t now = 1000000;
	(void)state;
	assert_true(kiln_keys_bucket_fresh(&b, &limit, now));
	/* One of the three at a server whose clock is behind. */
	for (unsigned i = 0; i < 3; i++)
		assert_true(kiln_keys_bucket_take(&b, &limit, now - i % 2).allowed);
	v = kiln_keys_bucket_take(&b, &limit, now);
	assert_true(!v.allowed && v.first && v.retry_after_ms == 1000);
	v = kiln_keys_bucket_take(&b, &limit, now + 999);
	assert_true(!v.allowed && !v.first && v.retry_after_ms == 1);
	now += 1000;
	assert_true(kiln_keys_bucket_take(&b, &limit, now).allowed);
	assert_int_equal(kiln_keys_bucket_take(&b, &limit, now).retry_after_ms, 2000);
	/* Honest after all. */
	kiln_keys_bucket_give(&b, &limit, now);
	assert_true(kiln_keys_bucket_take(&b, &limit, now).allowed);
	/* A clock that went back by a year does not lock anybody out for one. */
	v = kiln_keys_bucket_take(&b, &limit, 5);
	assert_true(!v.allowed && v.retry_after_ms <= 8000);
	now = 10000000;
	assert_true(kiln_keys_bucket_fresh(&b, &limit, now));
	for (int i = 0; i < 100; i++) {
		v = kiln_keys_bucket_take(&b, &limit, now);
		now += v.retry_after_ms;
		assert_true(v.retry_after_ms <= 8000);
	}
	/* Even who never stops gets his turns. */
	b = (struct kiln_keys_bucket){.attempts = UINT32_MAX, .since_ms = now};
	assert_true(kiln_keys_bucket_take(&b, &limit, now).allowed);
	assert_int_equal(b.attempts, UINT32_MAX);
}

/* ---- messages: what is written is read, and nothing shorter or longer is */

static void test_messages(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		for (uint8_t operation = 0; operation <= KILN_KEYS_OPERATION_END; operation++) {
			static uint8_t body[1024], some[KILN_KEYS_AUDIT_LEN * 4];
			struct kiln_keys_message m = {.operation = operation, .code = 5}, back;
			bool fits;
			memset(some, 0xa5, sizeof some);
			m.name = m.token = m.secret = m.data = m.text =
			    (struct kiln_keys_list){some, 61};
			m.backup = m.name;
			m.entries = (struct kiln_keys_list){some, 2};
			m.key_ids = (struct kiln_keys_list){some, 3};
			const size_t len =
			    kiln_keys_message_write((uint8_t)type, &m, body, sizeof body, &fits);
			if (!fits)
				continue;
			assert_true(kiln_keys_message_read((uint8_t)type, body, len, &back));
			assert_false(kiln_keys_message_read((uint8_t)type, body, len + 1, &back));
			for (size_t cut = 0; cut < len; cut++) {
				assert_false(
				    kiln_keys_message_read((uint8_t)type, body, cut, &back));
				(void)kiln_keys_message_write((uint8_t)type, &m, body, cut, &fits);
				assert_false(fits);
			}
		}
	}
}

static void test_frame_lengths(void **state)
{
	uint8_t first[4];
	(void)state;
	for (uint32_t length = 0; length < 20000; length++) {
		kiln_store_be32(first, length);
		assert_int_equal(kiln_keys_frame_length(first),
				 length >= 25 && length <= 16384 ? length + 4 : 0);
	}
}

/* ---- the export format */

static void test_export(void **state)
{
	struct kiln_keys_secret secret = {.context = KILN_KEYS_IMPORTED, .len = 255};
	uint8_t user_id[32] = {9}, out[KILN_KEYS_EXPORT_MAX];
	struct kiln_keys_exported got;
	(void)state;
	memset(secret.data, 0x42, sizeof secret.data);
	const size_t len = kiln_keys_export_write(&secret, user_id, out);
	assert_int_equal(len, 1 + 255 + 1 + 32 + 16 + 12);
	assert_true(kiln_keys_export_read(out, len, &got));
	assert_int_equal(got.secret_len, 255);
	assert_memory_equal(got.bound_to + 48, "imported key", 12);
	for (size_t i = 0; i < len; i++)
		assert_false(kiln_keys_export_read(out, i, &got));
	assert_false(kiln_keys_export_read(out, len + 1, &got));
}

/* ---- the local store */

static void test_local(void **state)
{
	const struct kiln_opaque_ksf ksf = {.profile = KILN_OPAQUE_KSF_NONE};
	struct kiln_keys_local *local, *again;
	struct kiln_error err;
	uint8_t *file, *other;
	size_t len, other_len;
	(void)state;
	assert_int_equal(kiln_keys_local_open(NULL, 0, "pw", 2, &ksf, &local, &err), KILN_OK);
	for (uint8_t i = 0; i < 20; i++) {
		struct kiln_keys_secret s = {.key_id = {i}, .kind = 1, .context = 1, .len = i + 1u};
		memset(s.data, i, s.len);
		assert_int_equal(kiln_keys_local_put(local, &s, &err), KILN_OK);
		assert_int_equal(kiln_keys_local_put(local, &s, &err), KILN_OK);
	}
	assert_true(kiln_keys_local_remove(local, (uint8_t[16]){3}));
	assert_false(kiln_keys_local_remove(local, (uint8_t[16]){3}));
	assert_int_equal(kiln_keys_local_seal(local, &file, &len, &err), KILN_OK);
	assert_int_equal(kiln_keys_local_seal(local, &other, &other_len, &err), KILN_OK);
	assert_memory_not_equal(file + 36, other + 36, 12); /* a fresh nonce */
	free(other);
	kiln_keys_local_free(local);

	assert_int_equal(kiln_keys_local_open(file, len, "pw", 2, NULL, &again, &err), KILN_OK);
	assert_int_equal(kiln_keys_local_count(again), 19);
	assert_null(kiln_keys_local_find(again, (uint8_t[16]){3}));
	assert_int_equal(kiln_keys_local_find(again, (uint8_t[16]){19})->data[19], 19);
	assert_null(kiln_keys_local_get(again, 19));
	kiln_keys_local_free(again);

	assert_int_equal(kiln_keys_local_open(file, len, "pW", 2, NULL, &again, &err),
			 KILN_E_KEYS_PASSWORD);
	assert_null(again);
	for (size_t i = 0; i < len; i++) {
		/* Costs that are too high to be tried are refused; others are tried. */
		file[i] ^= i >= 24 && i < 36 ? 0x80 : 1;
		const enum kiln_code rc =
		    kiln_keys_local_open(file, len, "pw", 2, NULL, &again, &err);
		assert_true(rc == KILN_E_KEYS_PASSWORD || rc == KILN_E_KEYS_STORED);
		file[i] ^= i >= 24 && i < 36 ? 0x80 : 1;
		assert_int_not_equal(
		    kiln_keys_local_open(file, i, "pw", 2, &ksf, &again, &err) == KILN_OK && i > 0,
		    true);
		kiln_keys_local_free(again);
	}
	free(file);
}

static void test_audit_lines(void **state)
{
	struct kiln_keys_audit entry = {.number = 1,
					.time_ms = 2,
					.action = 3,
					.actor = 1,
					.outcome = 5,
					.has_key = true,
					.key_id = {6}},
			       back;
	uint8_t bytes[KILN_KEYS_AUDIT_LEN], a[32], b[32];
	const uint8_t zeroes[32] = {0};
	(void)state;
	memset(&back, 0, sizeof back);
	kiln_keys_audit_write(&entry, bytes);
	kiln_keys_audit_read(bytes, &back);
	assert_int_equal(back.number, 1);
	assert_int_equal(back.outcome, 5);
	assert_memory_equal(back.key_id, entry.key_id, 16);
	assert_true(kiln_keys_audit_hash(zeroes, zeroes, &entry, a));
	entry.outcome = 0;
	assert_true(kiln_keys_audit_hash(zeroes, zeroes, &entry, b));
	assert_memory_not_equal(a, b, 32);
	for (uint8_t i = 0; i < KILN_KEYS_ERROR_END; i++)
		assert_string_not_equal(kiln_keys_error_name(i), "unknown");
	assert_string_equal(kiln_keys_error_name(KILN_KEYS_ERROR_END), "unknown");
	assert_string_equal(kiln_keys_error_name(KILN_KEYS_ABANDONED), "abandoned");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hashes),      cmocka_unit_test(test_seal),
	    cmocka_unit_test(test_scalars),     cmocka_unit_test(test_low_s),
	    cmocka_unit_test(test_names),       cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_messages),    cmocka_unit_test(test_frame_lengths),
	    cmocka_unit_test(test_export),      cmocka_unit_test(test_local),
	    cmocka_unit_test(test_audit_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

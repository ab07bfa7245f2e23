/* SPDX-License-Identifier: Apache-2.0
 * Writing PROXY v2 headers, and reading back what was written. */
#include "proxy_v2.h"

#include "proxy/crc32c.h"

static void assert_encodes(const struct kiln_proxy_info *info, const uint8_t *hand, size_t len)
{
	uint8_t out[KILN_PROXY_V2_MAX];
	assert_int_equal(kiln_proxy_v2_encode(info, out, sizeof out), len);
	assert_memory_equal(out, hand, len);
}

static void encode_ipv4(void **state)
{
	(void)state;
	struct kiln_proxy_info info = {.command = KILN_PROXY_PROXY,
				       .source = ipv4("192.0.2.1", 50000),
				       .destination = ipv4("198.51.100.7", 443)};
	assert_encodes(&info, BYTES(HAND_IPV4));
}

static void encode_mapped_as_ipv4(void **state)
{
	(void)state;
	struct kiln_proxy_info info = {.command = KILN_PROXY_PROXY,
				       .source = ipv6("::ffff:192.0.2.1", 50000),
				       .destination = ipv6("::ffff:198.51.100.7", 443)};
	assert_encodes(&info, BYTES(HAND_IPV4));
	info.destination = ipv4("198.51.100.7", 443);
	assert_encodes(&info, BYTES(HAND_IPV4));
}

static void encode_ipv6_with_tlvs(void **state)
{
	(void)state;
	struct kiln_proxy_info info = {.command = KILN_PROXY_PROXY,
				       .source = ipv6("2001:db8::1", 0x1234),
				       .destination = ipv6("::1", 80),
				       .alpn = kiln_proxy_text("h2"),
				       .authority = kiln_proxy_text("a.b")};
	assert_encodes(&info, BYTES(HAND_IPV6));
}

static void encode_mixed_families_as_ipv6(void **state)
{
	(void)state;
	uint8_t out[KILN_PROXY_V2_MAX];
	struct kiln_proxy_info info = {.command = KILN_PROXY_PROXY,
				       .source = ipv4("192.0.2.1", 1),
				       .destination = ipv6("2001:db8::2", 2)};
	size_t len = kiln_proxy_v2_encode(&info, out, sizeof out);
	struct kiln_proxy_info back = decode(out, len);
	struct sockaddr_storage mapped = ipv6("::ffff:192.0.2.1", 1);
	assert_memory_equal(&back.source, &mapped, sizeof mapped);
}

static void encode_without_addresses(void **state)
{
	(void)state;
	struct kiln_proxy_info info = {
	    .command = KILN_PROXY_PROXY,
	    .source.ss_family = AF_UNIX,
	    .destination = ipv4("192.0.2.1", 1),
	    .ssl = {.present = true,
		    .client = KILN_PROXY_CLIENT_SSL | KILN_PROXY_CLIENT_CERT_CONN |
			      KILN_PROXY_CLIENT_CERT_SESS,
		    .version = kiln_proxy_text("TLSv1.3"),
		    .cn = kiln_proxy_text("al")},
	};
	assert_encodes(&info, BYTES(HAND_SSL));
}

static void encode_local(void **state)
{
	(void)state;
	struct kiln_proxy_info info = {.command = KILN_PROXY_LOCAL,
				       .source = ipv4("192.0.2.1", 1),
				       .destination = ipv4("192.0.2.2", 2)};
	assert_encodes(&info, BYTES(SIGNATURE "\x20\x00\x00\x00"));
}

static void encode_needs_room(void **state)
{
	(void)state;
	struct kiln_proxy_info info = {.command = KILN_PROXY_PROXY,
				       .source = ipv4("192.0.2.1", 1),
				       .destination = ipv4("192.0.2.2", 2),
				       .alpn = kiln_proxy_text("h2"),
				       .ssl = {.present = true, .cn = kiln_proxy_text("x")},
				       .checksum = true};
	uint8_t out[KILN_PROXY_V2_MAX + 1];
	size_t len = kiln_proxy_v2_encode(&info, out, sizeof out);
	assert_true(len > 0);
	for (size_t cap = 0; cap < len; cap++) {
		memset(out, 0xaa, sizeof out);
		assert_int_equal(kiln_proxy_v2_encode(&info, out, cap), 0);
		assert_int_equal(out[cap], 0xaa);
	}
	assert_int_equal(kiln_proxy_v2_encode(&info, out, len), len);
}

static void encode_bounds(void **state)
{
	(void)state;
	static char big[70000];
	uint8_t out[80000];
	struct kiln_proxy_info info = {.alpn = {big, sizeof big}};
	assert_int_equal(kiln_proxy_v2_encode(&info, out, sizeof out), 0);
	info.alpn.len = KILN_PROXY_V2_MAX - 16 - 3;
	assert_int_equal(kiln_proxy_v2_encode(&info, out, sizeof out), KILN_PROXY_V2_MAX);
	info.alpn.len++;
	assert_int_equal(kiln_proxy_v2_encode(&info, out, sizeof out), 0);

	info.alpn.len = 0;
	info.unique_id = (struct kiln_proxy_bytes){big, KILN_PROXY_UNIQUE_ID_MAX};
	assert_int_equal(kiln_proxy_v2_encode(&info, out, sizeof out), 16 + 3 + 128);
	info.unique_id.len++;
	assert_int_equal(kiln_proxy_v2_encode(&info, out, sizeof out), 0);

	struct kiln_proxy_tlv custom = {.type = 0xdf, .value = {big, 1}};
	info = (struct kiln_proxy_info){.custom = &custom, .custom_count = 1};
	assert_int_equal(kiln_proxy_v2_encode(&info, out, sizeof out), 0);
	custom.type = 0xf0;
	assert_int_equal(kiln_proxy_v2_encode(&info, out, sizeof out), 0);
	custom.type = KILN_PROXY_KILN_PEER_SPKI;
	assert_int_equal(kiln_proxy_v2_encode(&info, out, sizeof out), 16 + 3 + 1);
}

/* KILN_PROXY_V2_MAX must hold the longest strings that a session can carry (kiln/tls.h: 255, and
 * 127 for the common name), or a client could choose names that leave it without a header. */
static void encode_longest_session(void **state)
{
	(void)state;
	char text[256];
	uint8_t out[KILN_PROXY_V2_MAX], spki[32] = {0};
	memset(text, 'x', 255);
	text[255] = '\0';
	const struct kiln_proxy_bytes name = {text, 255}, algorithm = {text, 64};
	struct kiln_proxy_tlv custom[] = {{KILN_PROXY_KILN_PEER_NAME, name},
					  {KILN_PROXY_KILN_PEER_SPKI, {spki, sizeof spki}}};
	struct kiln_proxy_info info = {
	    .command = KILN_PROXY_PROXY,
	    .source = ipv6("2001:db8::1", 1),
	    .destination = ipv6("2001:db8::2", 2),
	    .alpn = name,
	    .authority = name,
	    .unique_id = {text, KILN_PROXY_UNIQUE_ID_MAX},
	    .ssl = {true,
		    7,
		    0,
		    kiln_proxy_text("TLSv1.3"),
		    {text, 127},
		    algorithm,
		    algorithm,
		    algorithm,
		    algorithm},
	    .checksum = true,
	    .custom = custom,
	    .custom_count = 2,
	};
	size_t len = kiln_proxy_v2_encode(&info, out, sizeof out);
	assert_true(len > 0 && len <= KILN_PROXY_V2_MAX);
	struct kiln_proxy_info back = decode(out, len);
	assert_bytes(back.authority, text);
	assert_int_equal(back.ssl.group.len, 64);
}

static void round_trip(void **state)
{
	(void)state;
	uint8_t out[KILN_PROXY_V2_MAX];
	struct kiln_proxy_info info = {
	    .command = KILN_PROXY_PROXY,
	    .source = ipv4("203.0.113.9", 1),
	    .destination = ipv4("203.0.113.10", 65535),
	    .alpn = kiln_proxy_text("http/1.1"),
	    .authority = kiln_proxy_text("svc.example"),
	    .unique_id = {"\0id\xff", 4},
	    .ssl = {true, 1, 0xfffffffeu, kiln_proxy_text("TLSv1.3"), kiln_proxy_text("cn"),
		    kiln_proxy_text("TLS_AES_128_GCM_SHA256"), kiln_proxy_text("SHA256"),
		    kiln_proxy_text("EC256"), kiln_proxy_text("X25519")},
	    .checksum = true,
	};
	size_t len = kiln_proxy_v2_encode(&info, out, sizeof out);
	assert_true(len > 0);
	struct kiln_proxy_info back = decode(out, len);
	assert_memory_equal(&back.source, &info.source, sizeof info.source);
	assert_memory_equal(&back.destination, &info.destination, sizeof info.destination);
	assert_bytes(back.alpn, "http/1.1");
	assert_bytes(back.authority, "svc.example");
	assert_int_equal(back.unique_id.len, 4);
	assert_memory_equal(back.unique_id.data, "\0id\xff", 4);
	assert_int_equal(back.ssl.verify, 0xfffffffeu);
	assert_bytes(back.ssl.cipher, "TLS_AES_128_GCM_SHA256");
	assert_bytes(back.ssl.sig_alg, "SHA256");
	assert_bytes(back.ssl.key_alg, "EC256");
	assert_bytes(back.ssl.group, "X25519");
	assert_true(back.checksum);
}

static void assert_mismatch(const uint8_t *data, size_t len)
{
	struct kiln_proxy_info info;
	struct kiln_error err = {0};
	size_t count = 0;
	assert_int_equal(kiln_proxy_v2_decode(data, len, &count, &info, &err), KILN_PROXY_REFUSED);
	assert_non_null(strstr(err.message, "CRC-32C does not match"));
}

/* Every single flipped bit of a checked header is noticed. */
static void checksum_covers_all(void **state)
{
	(void)state;
	uint8_t out[KILN_PROXY_V2_MAX];
	struct kiln_proxy_info info = {.command = KILN_PROXY_PROXY,
				       .source = ipv4("192.0.2.1", 1),
				       .destination = ipv4("192.0.2.2", 2),
				       .alpn = kiln_proxy_text("h2"),
				       .checksum = true};
	size_t len = kiln_proxy_v2_encode(&info, out, sizeof out);
	for (size_t bit = 128; bit < 224; bit++) {
		out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_mismatch(out, len);
		out[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	out[len - 1] ^= 1;
	assert_mismatch(out, len);
}

static void crc_check_value(void **state)
{
	(void)state;
	static const uint8_t zeros[32];
	assert_int_equal(kiln_crc32c(0, "123456789", 9), 0xe3069283u);
	assert_int_equal(kiln_crc32c(0, zeros, sizeof zeros), 0x8a9136aau); /* RFC 3720 B.4 */
	assert_int_equal(kiln_crc32c(kiln_crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(encode_ipv4),
	    cmocka_unit_test(encode_mapped_as_ipv4),
	    cmocka_unit_test(encode_ipv6_with_tlvs),
	    cmocka_unit_test(encode_mixed_families_as_ipv6),
	    cmocka_unit_test(encode_without_addresses),
	    cmocka_unit_test(encode_local),
	    cmocka_unit_test(encode_needs_room),
	    cmocka_unit_test(encode_bounds),
	    cmocka_unit_test(encode_longest_session),
	    cmocka_unit_test(round_trip),
	    cmocka_unit_test(checksum_covers_all),
	    cmocka_unit_test(crc_check_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

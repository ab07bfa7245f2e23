/* SPDX-License-Identifier: Apache-2.0
 * Reading PROXY v2 headers: made by hand, in every chunking, and every refusal. */
#include "proxy_v2.h"

#include <sys/un.h>

static void assert_refused(const uint8_t *data, size_t len, const char *rule)
{
	struct kiln_proxy_info info;
	struct kiln_error err = {0};
	size_t count = 0;
	assert_int_equal(kiln_proxy_v2_decode(data, len, &count, &info, &err), KILN_PROXY_REFUSED);
	assert_int_equal(err.code, KILN_E_PROXY_HEADER);
	if (strstr(err.message, rule) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.message, rule);
}

static void decode_ipv4(void **state)
{
	(void)state;
	struct kiln_proxy_info info = decode(BYTES(HAND_IPV4));
	struct sockaddr_storage source = ipv4("192.0.2.1", 50000);
	struct sockaddr_storage destination = ipv4("198.51.100.7", 443);
	assert_int_equal(info.command, KILN_PROXY_PROXY);
	assert_memory_equal(&info.source, &source, sizeof source);
	assert_memory_equal(&info.destination, &destination, sizeof destination);
	assert_false(info.ssl.present);
	assert_false(info.checksum);
}

static void decode_ipv6(void **state)
{
	(void)state;
	struct kiln_proxy_info info = decode(BYTES(HAND_IPV6));
	struct sockaddr_storage source = ipv6("2001:db8::1", 0x1234);
	struct sockaddr_storage destination = ipv6("::1", 80);
	assert_memory_equal(&info.source, &source, sizeof source);
	assert_memory_equal(&info.destination, &destination, sizeof destination);
	assert_bytes(info.alpn, "h2");
	assert_bytes(info.authority, "a.b");
}

static void decode_unix(void **state)
{
	(void)state;
	uint8_t data[16 + 216] = SIGNATURE "\x21\x31\x00\xd8/run/a";
	memcpy(data + 16 + 108, "/run/b", sizeof "/run/b");
	struct kiln_proxy_info info = decode(data, sizeof data);
	const struct sockaddr_un *source = (const struct sockaddr_un *)&info.source;
	const struct sockaddr_un *destination = (const struct sockaddr_un *)&info.destination;
	assert_int_equal(source->sun_family, AF_UNIX);
	assert_string_equal(source->sun_path, "/run/a");
	assert_string_equal(destination->sun_path, "/run/b");
}

static void decode_ssl(void **state)
{
	(void)state;
	struct kiln_proxy_info info = decode(BYTES(HAND_SSL));
	assert_int_equal(info.source.ss_family, AF_UNSPEC);
	assert_true(info.ssl.present);
	assert_int_equal(info.ssl.client, 7);
	assert_int_equal(info.ssl.verify, 0);
	assert_bytes(info.ssl.version, "TLSv1.3");
	assert_bytes(info.ssl.cn, "al");
	assert_bytes(info.ssl.cipher, "");
}

/* LOCAL: family, addresses and everything after them are the sender's business. */
static void decode_local(void **state)
{
	(void)state;
	struct kiln_proxy_info info = decode(BYTES(SIGNATURE "\x20\x00\x00\x00"));
	assert_int_equal(info.command, KILN_PROXY_LOCAL);
	assert_int_equal(info.source.ss_family, AF_UNSPEC);
	info = decode(BYTES(SIGNATURE "\x20\x11\x00\x02\x01\x02"));
	assert_int_equal(info.source.ss_family, AF_UNSPEC);
	info = decode(BYTES(SIGNATURE "\x20\xff\x00\x03\x01\xff\xff"));
	assert_int_equal(info.alpn.len, 0);
}

static void decode_skips_unknown_tlvs(void **state)
{
	(void)state;
	struct kiln_proxy_info info =
	    decode(BYTES(SIGNATURE "\x21\x00\x00\x10"
				   "\x04\x00\x02\x00\x00\xea\x00\x00\xee\x00\x00"
				   "\x01\x00\x02h2"));
	assert_bytes(info.alpn, "h2");
}

/* Feeds one byte at a time: before the last byte it must always ask for more, at most up to the
 * end, and it must never need what lies behind. */
static void feed_bytewise(const uint8_t *data, size_t len)
{
	for (size_t have = 0; have < len; have++) {
		struct kiln_proxy_info info;
		struct kiln_error err;
		size_t count = 0;
		assert_int_equal(kiln_proxy_v2_decode(data, have, &count, &info, &err),
				 KILN_PROXY_NEED);
		assert_int_equal(count, (have < 16 ? 16 : len) - have);
	}
	(void)decode(data, len);
}

static void decode_bytewise(void **state)
{
	(void)state;
	feed_bytewise(BYTES(HAND_IPV4));
	feed_bytewise(BYTES(HAND_IPV6));
	feed_bytewise(BYTES(HAND_SSL));
	feed_bytewise(BYTES(SIGNATURE "\x20\x00\x00\x01x"));
}

static void decode_leaves_what_follows(void **state)
{
	(void)state;
	struct kiln_proxy_info info;
	size_t count = 0;
	assert_int_equal(kiln_proxy_v2_decode(BYTES(HAND_IPV4 "\x16\x03\x01"), &count, &info, NULL),
			 KILN_PROXY_DONE);
	assert_int_equal(count, sizeof HAND_IPV4 - 1);
}

/* ------------------------------------------------------------------ refusals */

static void refuse_signature(void **state)
{
	(void)state;
	assert_refused(BYTES("\x0d\x0a\x0d\x0b"), "signature");
	assert_refused(BYTES("G"), "signature");
	assert_refused(BYTES("PROXY TCP4 1.2.3.4"), "version 1");
	assert_refused(BYTES("\x16\x03\x01\x02"), "starts with TLS");
}

static void refuse_version_and_command(void **state)
{
	(void)state;
	assert_refused(BYTES(SIGNATURE "\x11"), "version 1, only 2");
	assert_refused(BYTES(SIGNATURE "\x31"), "version 3, only 2");
	assert_refused(BYTES(SIGNATURE "\x22"), "command 2");
	assert_refused(BYTES(SIGNATURE "\x2f"), "command 15");
}

static void refuse_family(void **state)
{
	(void)state;
	assert_refused(BYTES(SIGNATURE "\x21\x41"), "family 4");
	assert_refused(BYTES(SIGNATURE "\x21\x13"), "transport 3");
	assert_refused(BYTES(SIGNATURE "\x21\x12"), "DGRAM");
	assert_refused(BYTES(SIGNATURE "\x21\x10"), "only both or none");
	assert_refused(BYTES(SIGNATURE "\x21\x01"), "only both or none");
}

static void refuse_lengths(void **state)
{
	(void)state;
	struct kiln_proxy_info info;
	size_t count = 0;
	assert_int_equal(
	    kiln_proxy_v2_decode(BYTES(SIGNATURE "\x21\x11\x07\xf0"), &count, &info, NULL),
	    KILN_PROXY_NEED);
	assert_int_equal(count, 2032);
	assert_refused(BYTES(SIGNATURE "\x21\x11\x07\xf1"), "at most 2048");
	assert_refused(BYTES(SIGNATURE "\x20\x00\xff\xff"), "at most 2048");
	assert_refused(BYTES(SIGNATURE "\x21\x11\x00\x0b"), "addresses need 12");
	assert_refused(BYTES(SIGNATURE "\x21\x21\x00\x23"), "addresses need 36");
	assert_refused(BYTES(SIGNATURE "\x21\x31\x00\xd7"), "addresses need 216");
}

static void refuse_tlvs(void **state)
{
	(void)state;
	assert_refused(BYTES(SIGNATURE "\x21\x00\x00\x02\x01\x00"), "2 stray bytes");
	assert_refused(BYTES(SIGNATURE "\x21\x00\x00\x04\x01\x00\x02h"), "runs over the end");
	assert_refused(BYTES(SIGNATURE "\x21\x00\x00\x03\xff\xff\xff"), "runs over the end");
	assert_refused(BYTES(SIGNATURE "\x21\x00\x00\x08\x01\x00\x01h\x01\x00\x01i"), "twice");
	assert_refused(BYTES(SIGNATURE "\x21\x00\x00\x07\x20\x00\x04\x01\x00\x00\x00"),
		       "at least 5");
	assert_refused(BYTES(SIGNATURE "\x21\x00\x00\x0b\x20\x00\x08\x01\x00\x00\x00\x00"
				       "\x21\x00\x01"),
		       "runs over the end");
	assert_refused(BYTES(SIGNATURE "\x21\x00\x00\x09\x20\x00\x06\x01\x00\x00\x00\x00\x21"),
		       "stray");
	assert_refused(BYTES(SIGNATURE "\x21\x00\x00\x0e\x20\x00\x0b\x01\x00\x00\x00\x00"
				       "\x22\x00\x00\x22\x00\x00"),
		       "twice");
	assert_refused(BYTES(SIGNATURE "\x21\x00\x00\x10\x20\x00\x05\x01\x00\x00\x00\x00"
				       "\x20\x00\x05\x01\x00\x00\x00\x00"),
		       "twice");
}

static void refuse_unique_id(void **state)
{
	(void)state;
	uint8_t data[16 + 3 + 129] = SIGNATURE "\x21\x00\x00\x84\x05\x00\x81";
	assert_refused(data, sizeof data, "unique id of 129 bytes");
}

/* IPv4, ALPN "h2", an unknown TLV, and the CRC-32C of all that by another implementation. */
#define HAND_CRC                                                                                   \
	SIGNATURE "\x21\x11\x00\x1c\xc0\x00\x02\x01\xc6\x33\x64\x07\xc3\x50\x01\xbb"               \
		  "\x01\x00\x02h2\xea\x00\x01\x01\x03\x00\x04\x3d\xaa\xb4\xa1"

static void decode_checksum(void **state)
{
	(void)state;
	struct kiln_proxy_info info = decode(BYTES(HAND_CRC));
	assert_true(info.checksum);
	assert_bytes(info.alpn, "h2");
}

static void refuse_checksum(void **state)
{
	(void)state;
	assert_refused(BYTES(SIGNATURE "\x21\x00\x00\x07\x03\x00\x04\x00\x00\x00\x00"),
		       "does not match");
	assert_refused(BYTES(SIGNATURE "\x21\x00\x00\x06\x03\x00\x03\x00\x00\x00"),
		       "CRC-32C of 3 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decode_ipv4),      cmocka_unit_test(decode_ipv6),
	    cmocka_unit_test(decode_unix),      cmocka_unit_test(decode_ssl),
	    cmocka_unit_test(decode_local),     cmocka_unit_test(decode_skips_unknown_tlvs),
	    cmocka_unit_test(decode_bytewise),  cmocka_unit_test(decode_leaves_what_follows),
	    cmocka_unit_test(refuse_signature), cmocka_unit_test(refuse_version_and_command),
	    cmocka_unit_test(refuse_family),    cmocka_unit_test(refuse_lengths),
	    cmocka_unit_test(refuse_tlvs),      cmocka_unit_test(refuse_unique_id),
	    cmocka_unit_test(decode_checksum),  cmocka_unit_test(refuse_checksum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

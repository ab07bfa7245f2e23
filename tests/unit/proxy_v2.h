/* SPDX-License-Identifier: Apache-2.0
 *
 * Headers made by hand from proxy-protocol.txt, and what both PROXY v2 tests need.
 */
#ifndef KILN_TESTS_PROXY_V2_H
#define KILN_TESTS_PROXY_V2_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/proxy_v2.h"

#define SIGNATURE "\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"

/* A literal with its length, the NUL at its end left out. */
#define BYTES(literal) (const uint8_t *)(literal), sizeof(literal) - 1

/* 192.0.2.1:50000 -> 198.51.100.7:443, no TLVs */
#define HAND_IPV4 SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x07\xc3\x50\x01\xbb"

/* 2001:db8::1 port 4660 -> ::1 port 80, ALPN "h2", authority "a.b" */
#define HAND_IPV6                                                                                  \
	SIGNATURE "\x21\x21\x00\x2f"                                                               \
		  "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"               \
		  "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"               \
		  "\x12\x34\x00\x50"                                                               \
		  "\x01\x00\x02h2"                                                                 \
		  "\x02\x00\x03"                                                                   \
		  "a.b"

/* No addresses; SSL with every client bit, verified, TLSv1.3 and CN "al" */
#define HAND_SSL                                                                                   \
	SIGNATURE "\x21\x00\x00\x17"                                                               \
		  "\x20\x00\x14\x07\x00\x00\x00\x00"                                               \
		  "\x21\x00\x07TLSv1.3"                                                            \
		  "\x22\x00\x02"                                                                   \
		  "al"

static inline struct sockaddr_storage ipv4(const char *text, uint16_t port)
{
	struct sockaddr_storage ss = {0};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
	memcpy(&ss, &in, sizeof in);
	return ss;
}

static inline struct sockaddr_storage ipv6(const char *text, uint16_t port)
{
	struct sockaddr_storage ss = {0};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	memcpy(&ss, &in6, sizeof in6);
	return ss;
}

static inline void assert_bytes(struct kiln_proxy_bytes view, const char *text)
{
	assert_int_equal(view.len, strlen(text));
	if (view.len > 0)
		assert_memory_equal(view.data, text, view.len);
}

static inline struct kiln_proxy_info decode(const uint8_t *data, size_t len)
{
	struct kiln_proxy_info info;
	struct kiln_error err = {0};
	size_t count = 0;
	if (kiln_proxy_v2_decode(data, len, &count, &info, &err) != KILN_PROXY_DONE)
		fail_msg("not done: need %zu, %s", count, err.message);
	assert_int_equal(count, len);
	return info;
}

#endif

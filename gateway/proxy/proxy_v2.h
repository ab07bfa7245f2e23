/* SPDX-License-Identifier: Apache-2.0
 *
 * The PROXY protocol, version 2 (HAProxy's proxy-protocol.txt, section 2.2): the header that tells
 * a target who is at the other end of the connection that the gateway opened to it.
 *
 * Bytes in, bytes out: no socket, no allocation, no clock. Any thread may call anything here.
 */
#ifndef KILN_PROXY_V2_H
#define KILN_PROXY_V2_H

#include <sys/socket.h>

#include <kiln/error.h>

/* Bytes that every header starts with: signature, version and command, family, length. */
#define KILN_PROXY_V2_FIXED 16u

/* Longest header that Kiln sends: room for every bounded field of struct kiln_session and
 * struct kiln_peer at its maximum (see the unit test). */
#define KILN_PROXY_V2_MAX 1536u

/* Longest header that Kiln accepts, the fixed part included. */
#define KILN_PROXY_V2_ACCEPT_MAX 2048u

#define KILN_PROXY_UNIQUE_ID_MAX 128u

enum kiln_proxy_command {
	KILN_PROXY_LOCAL = 0, /* the sender speaks for itself, e.g. a health check */
	KILN_PROXY_PROXY = 1, /* the sender speaks for the source address */
};

/* Types of the TLVs, section 2.2.x. 0xE0 to 0xEF are for applications; cloud load balancers already
 * use 0xE0, 0xEA and 0xEE there, so Kiln's own keep clear of those. */
enum kiln_proxy_type {
	KILN_PROXY_ALPN = 0x01,
	KILN_PROXY_AUTHORITY = 0x02,
	KILN_PROXY_CRC32C = 0x03,
	KILN_PROXY_NOOP = 0x04,
	KILN_PROXY_UNIQUE_ID = 0x05,
	KILN_PROXY_SSL = 0x20,
	KILN_PROXY_SSL_VERSION = 0x21,
	KILN_PROXY_SSL_CN = 0x22,
	KILN_PROXY_SSL_CIPHER = 0x23,
	KILN_PROXY_SSL_SIG_ALG = 0x24,
	KILN_PROXY_SSL_KEY_ALG = 0x25,
	KILN_PROXY_SSL_GROUP = 0x26,
	KILN_PROXY_CUSTOM_MIN = 0xe0,
	KILN_PROXY_KILN_PEER_NAME = 0xe5, /* kiln_peer.name: URI, DNS name, CN or subject; text */
	KILN_PROXY_KILN_PEER_SPKI = 0xe6, /* SHA-256 of the peer's public key; 32 raw bytes */
	KILN_PROXY_KILN_ROLE = 0xe7,      /* ARN of the peer's AWS role; text */
	KILN_PROXY_KILN_ACCOUNT = 0xe8,   /* its AWS account, 12 digits; text */
	KILN_PROXY_CUSTOM_MAX = 0xef,
};

/* Bits of the SSL TLV's client field, section 2.2.6. */
#define KILN_PROXY_CLIENT_SSL       0x01u /* the client came over TLS */
#define KILN_PROXY_CLIENT_CERT_CONN 0x02u /* and showed a certificate on this connection */
#define KILN_PROXY_CLIENT_CERT_SESS 0x04u /* or on the session that this one resumes */

/* Some bytes that belong to somebody else. data may be NULL when len is 0. */
struct kiln_proxy_bytes {
	const void *data;
	size_t len;
};

struct kiln_proxy_tlv {
	uint8_t type; /* KILN_PROXY_CUSTOM_MIN to KILN_PROXY_CUSTOM_MAX */
	struct kiln_proxy_bytes value;
};

/* What there is to say about the client's TLS connection. */
struct kiln_proxy_ssl {
	bool present;
	uint8_t client;  /* KILN_PROXY_CLIENT_... */
	uint32_t verify; /* 0: a certificate came and verified */
	struct kiln_proxy_bytes version, cn, cipher, sig_alg, key_alg, group;
};

/* The content of a header, to be sent or as received. Byte views of length 0 are absent. */
struct kiln_proxy_info {
	enum kiln_proxy_command command;
	/* AF_INET, AF_INET6 or AF_UNIX; AF_UNSPEC where the header says nothing. */
	struct sockaddr_storage source, destination;
	struct kiln_proxy_bytes alpn, authority, unique_id;
	struct kiln_proxy_ssl ssl;
	bool checksum; /* a CRC-32C is to be sent, or was there and correct */

	/* Sending only. */
	const struct kiln_proxy_tlv *custom;
	size_t custom_count;
};

/* A view of a C string; NULL is absent. */
struct kiln_proxy_bytes kiln_proxy_text(const char *text);

/* Writes the header into out and returns its length; 0 when it does not fit in cap or in
 * KILN_PROXY_V2_MAX, or when a unique id is longer than KILN_PROXY_UNIQUE_ID_MAX or a custom type
 * is out of range. IPv4-mapped IPv6 addresses go out as IPv4. Addresses that are not both of the
 * Internet go out as AF_UNSPEC: the target then uses the connection's own. */
size_t kiln_proxy_v2_encode(const struct kiln_proxy_info *info, uint8_t *out, size_t cap);

enum kiln_proxy_step {
	KILN_PROXY_NEED,    /* read *count bytes more, not one further, then call again with all */
	KILN_PROXY_DONE,    /* the header is the first *count bytes; what follows is the client's */
	KILN_PROXY_REFUSED, /* KILN_E_PROXY_HEADER and the rule that was broken in *err */
};

/* Reads the header at the start of data, of which have bytes are there: always from its first byte.
 * *count never reaches beyond the header as far as it is known, so a caller that follows it never
 * takes a byte of the stream. What is wrong in the fixed part is refused as soon as it is there.
 *
 * When done, *info describes it; its views point into data, and text in them is the sender's:
 * neither terminated nor checked. After KILN_PROXY_LOCAL, or with source.ss_family AF_UNSPEC, the
 * connection's own addresses hold. *info is not touched otherwise. */
enum kiln_proxy_step kiln_proxy_v2_decode(const uint8_t *data, size_t have, size_t *count,
					  struct kiln_proxy_info *info, struct kiln_error *err);

#endif

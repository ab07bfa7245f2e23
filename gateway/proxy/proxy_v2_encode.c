/* SPDX-License-Identifier: Apache-2.0
 * Writes PROXY v2 headers: proxy-protocol.txt section 2.2. */
#include "proxy/proxy_v2.h"

#include <netinet/in.h>
#include <string.h>

#include "base/bytes.h"
#include "proxy/crc32c.h"
#include "proxy/proxy_v2_wire.h"

/* Where the header goes. Once something did not fit, nothing more is written. */
struct writer {
	uint8_t *out;
	size_t cap, len;
	bool full;
};

static uint8_t *take(struct writer *w, size_t len)
{
	if (w->full || w->cap - w->len < len) {
		w->full = true;
		return NULL;
	}
	uint8_t *p = w->out + w->len;
	w->len += len;
	return p;
}

static void put(struct writer *w, const void *data, size_t len)
{
	uint8_t *p = take(w, len);
	if (p != NULL && len > 0)
		memcpy(p, data, len);
}

static void put_be16(struct writer *w, uint16_t v)
{
	uint8_t *p = take(w, 2);
	if (p != NULL)
		kiln_store_be16(p, v);
}

static void put_be32(struct writer *w, uint32_t v)
{
	put_be16(w, (uint16_t)(v >> 16));
	put_be16(w, (uint16_t)v);
}

static void put_tlv_header(struct writer *w, uint8_t type, size_t len)
{
	if (len > UINT16_MAX) {
		w->full = true;
		return;
	}
	put(w, &type, 1);
	put_be16(w, (uint16_t)len);
}

static void put_tlv(struct writer *w, uint8_t type, struct kiln_proxy_bytes value)
{
	if (value.len == 0)
		return;
	put_tlv_header(w, type, value.len);
	put(w, value.data, value.len);
}

/* An address of the Internet as 16 bytes, IPv4 mapped into IPv6; false for any other family. */
static bool internet_address(const struct sockaddr_storage *from, struct in6_addr *address,
			     uint16_t *port)
{
	if (from->ss_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, from, sizeof in);
		memset(address, 0, sizeof *address);
		address->s6_addr[10] = address->s6_addr[11] = 0xff;
		memcpy(&address->s6_addr[12], &in.sin_addr, 4);
		*port = ntohs(in.sin_port);
		return true;
	}
	if (from->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, from, sizeof in6);
		*address = in6.sin6_addr;
		*port = ntohs(in6.sin6_port);
		return true;
	}
	return false;
}

/* Writes the address block and returns its family and transport byte. */
static uint8_t put_addresses(struct writer *w, const struct kiln_proxy_info *info)
{
	struct in6_addr source, destination;
	uint16_t source_port, destination_port;
	if (info->command != KILN_PROXY_PROXY ||
	    !internet_address(&info->source, &source, &source_port) ||
	    !internet_address(&info->destination, &destination, &destination_port))
		return KILN_PROXY_FAMILY_UNSPEC << 4 | KILN_PROXY_TRANSPORT_UNSPEC;

	/* IPv4 only where both are: a block has one family for both ends. */
	bool ipv4 = IN6_IS_ADDR_V4MAPPED(&source) && IN6_IS_ADDR_V4MAPPED(&destination);
	size_t skip = ipv4 ? 12 : 0;
	put(w, &source.s6_addr[skip], 16 - skip);
	put(w, &destination.s6_addr[skip], 16 - skip);
	put_be16(w, source_port);
	put_be16(w, destination_port);
	return (uint8_t)((ipv4 ? KILN_PROXY_FAMILY_INET : KILN_PROXY_FAMILY_INET6) << 4 |
			 KILN_PROXY_TRANSPORT_STREAM);
}

static void put_ssl(struct writer *w, const struct kiln_proxy_ssl *ssl)
{
	if (!ssl->present)
		return;
	size_t start = w->len;
	put_tlv_header(w, KILN_PROXY_SSL, KILN_PROXY_SSL_FIXED);
	put(w, &ssl->client, 1);
	put_be32(w, ssl->verify);
	put_tlv(w, KILN_PROXY_SSL_VERSION, ssl->version);
	put_tlv(w, KILN_PROXY_SSL_CN, ssl->cn);
	put_tlv(w, KILN_PROXY_SSL_CIPHER, ssl->cipher);
	put_tlv(w, KILN_PROXY_SSL_SIG_ALG, ssl->sig_alg);
	put_tlv(w, KILN_PROXY_SSL_KEY_ALG, ssl->key_alg);
	put_tlv(w, KILN_PROXY_SSL_GROUP, ssl->group);
	if (!w->full)
		kiln_store_be16(w->out + start + 1,
				(uint16_t)(w->len - start - KILN_PROXY_TLV_HEADER));
}

static void put_custom(struct writer *w, const struct kiln_proxy_info *info)
{
	for (size_t i = 0; i < info->custom_count; i++) {
		const struct kiln_proxy_tlv *tlv = &info->custom[i];
		if (tlv->type < KILN_PROXY_CUSTOM_MIN || tlv->type > KILN_PROXY_CUSTOM_MAX)
			w->full = true;
		put_tlv(w, tlv->type, tlv->value);
	}
}

/* Section 2.2.3: over the whole header with the field itself zero. */
static void put_checksum(struct writer *w)
{
	put_tlv_header(w, KILN_PROXY_CRC32C, KILN_PROXY_CRC_LEN);
	put_be32(w, 0);
	if (w->full)
		return;
	kiln_store_be16(w->out + KILN_PROXY_AT_LENGTH, (uint16_t)(w->len - KILN_PROXY_V2_FIXED));
	uint32_t crc = kiln_crc32c(0, w->out, w->len);
	w->len -= KILN_PROXY_CRC_LEN;
	put_be32(w, crc);
}

struct kiln_proxy_bytes kiln_proxy_text(const char *text)
{
	return (struct kiln_proxy_bytes){.data = text, .len = text == NULL ? 0 : strlen(text)};
}

size_t kiln_proxy_v2_encode(const struct kiln_proxy_info *info, uint8_t *out, size_t cap)
{
	struct writer w = {.out = out, .cap = cap < KILN_PROXY_V2_MAX ? cap : KILN_PROXY_V2_MAX};
	uint8_t fixed[4] = {(uint8_t)(KILN_PROXY_VERSION | (uint8_t)info->command)};

	if (info->unique_id.len > KILN_PROXY_UNIQUE_ID_MAX)
		return 0;
	put(&w, KILN_PROXY_SIGNATURE, KILN_PROXY_SIGNATURE_LEN);
	put(&w, fixed, sizeof fixed);
	uint8_t family = put_addresses(&w, info);
	if (w.full)
		return 0;
	out[KILN_PROXY_AT_FAMILY] = family;

	put_tlv(&w, KILN_PROXY_ALPN, info->alpn);
	put_tlv(&w, KILN_PROXY_AUTHORITY, info->authority);
	put_tlv(&w, KILN_PROXY_UNIQUE_ID, info->unique_id);
	put_ssl(&w, &info->ssl);
	put_custom(&w, info);
	if (info->checksum)
		put_checksum(&w);
	if (w.full)
		return 0;
	kiln_store_be16(out + KILN_PROXY_AT_LENGTH, (uint16_t)(w.len - KILN_PROXY_V2_FIXED));
	return w.len;
}

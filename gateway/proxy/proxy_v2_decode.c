/* SPDX-License-Identifier: Apache-2.0
 * Reads PROXY v2 headers: proxy-protocol.txt section 2.2. Nothing in them is believed before the
 * lengths around it are. */
#include "proxy/proxy_v2.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "base/bytes.h"
#include "proxy/crc32c.h"
#include "proxy/proxy_v2_wire.h"

_Static_assert(sizeof((struct sockaddr_un *)0)->sun_path >= KILN_PROXY_UNIX_PATH,
	       "a path of the header fits into a socket address");

/* The code itself, which the compiler cannot know kiln_fail to return. */
#define REFUSE(err, ...)                                                                           \
	(kiln_fail(err, KILN_E_PROXY_HEADER, "PROXY v2 header: " __VA_ARGS__), KILN_E_PROXY_HEADER)

static uint32_t load_be32(const uint8_t *p)
{
	return (uint32_t)kiln_load_be16(p) << 16 | kiln_load_be16(p + 2);
}

/* ------------------------------------------------------------------ the fixed part */

static enum kiln_code check_signature(const uint8_t *data, size_t have, struct kiln_error *err)
{
	size_t len = have < KILN_PROXY_SIGNATURE_LEN ? have : KILN_PROXY_SIGNATURE_LEN;
	if (len == 0 || memcmp(data, KILN_PROXY_SIGNATURE, len) == 0)
		return KILN_OK;
	if (len >= 5 && memcmp(data, "PROXY", 5) == 0)
		return REFUSE(err, "the sender speaks version 1 (text); version 2 is expected");
	if (data[0] == 0x16)
		return REFUSE(err,
			      "the connection starts with TLS; the sender put no header before it");
	return REFUSE(err, "the signature is wrong");
}

static enum kiln_code check_command(uint8_t byte, struct kiln_error *err)
{
	if ((byte & 0xf0) != KILN_PROXY_VERSION)
		return REFUSE(err, "version %u, only 2 is known", byte >> 4);
	if ((byte & 0x0f) > KILN_PROXY_PROXY)
		return REFUSE(err, "command %u, only LOCAL (0) and PROXY (1) are known", byte & 15);
	return KILN_OK;
}

static enum kiln_code check_family(uint8_t byte, struct kiln_error *err)
{
	unsigned family = byte >> 4, transport = byte & 15;
	if (family > KILN_PROXY_FAMILY_UNIX)
		return REFUSE(err, "address family %u is unassigned", family);
	if (transport > KILN_PROXY_TRANSPORT_DGRAM)
		return REFUSE(err, "transport %u is unassigned", transport);
	if (transport == KILN_PROXY_TRANSPORT_DGRAM)
		return REFUSE(err, "transport DGRAM, but this connection is a stream");
	if ((family == KILN_PROXY_FAMILY_UNSPEC) != (transport == KILN_PROXY_TRANSPORT_UNSPEC))
		return REFUSE(err,
			      "family %u with transport %u: only both or none may be unspecified",
			      family, transport);
	return KILN_OK;
}

static size_t address_length(uint8_t byte)
{
	switch (byte >> 4) {
	case KILN_PROXY_FAMILY_INET: return KILN_PROXY_INET_LEN;
	case KILN_PROXY_FAMILY_INET6: return KILN_PROXY_INET6_LEN;
	case KILN_PROXY_FAMILY_UNIX: return KILN_PROXY_UNIX_LEN;
	default: return 0;
	}
}

/* Checks what is there of the fixed part, each field as soon as it is. A LOCAL header's family and
 * addresses are to be ignored whatever they are, so only its length matters. */
static enum kiln_code check_fixed(const uint8_t *data, size_t have, struct kiln_error *err)
{
	if (check_signature(data, have, err) != KILN_OK)
		return KILN_E_PROXY_HEADER;
	if (have <= KILN_PROXY_AT_COMMAND)
		return KILN_OK;
	if (check_command(data[KILN_PROXY_AT_COMMAND], err) != KILN_OK)
		return KILN_E_PROXY_HEADER;
	bool local = (data[KILN_PROXY_AT_COMMAND] & 0x0f) == KILN_PROXY_LOCAL;
	if (have <= KILN_PROXY_AT_FAMILY)
		return KILN_OK;
	if (!local && check_family(data[KILN_PROXY_AT_FAMILY], err) != KILN_OK)
		return KILN_E_PROXY_HEADER;
	if (have < KILN_PROXY_V2_FIXED)
		return KILN_OK;

	size_t length = kiln_load_be16(data + KILN_PROXY_AT_LENGTH);
	if (length > KILN_PROXY_V2_ACCEPT_MAX - KILN_PROXY_V2_FIXED)
		return REFUSE(err, "%zu bytes long, at most %u are taken",
			      length + KILN_PROXY_V2_FIXED, KILN_PROXY_V2_ACCEPT_MAX);
	size_t need = local ? 0 : address_length(data[KILN_PROXY_AT_FAMILY]);
	if (length < need)
		return REFUSE(err, "%zu bytes behind the fixed part, its addresses need %zu",
			      length, need);
	return KILN_OK;
}

/* ------------------------------------------------------------------ addresses */

static void read_inet(struct sockaddr_storage *to, const uint8_t *address, const uint8_t *port)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	memcpy(&in.sin_addr, address, 4);
	memcpy(&in.sin_port, port, 2);
	memcpy(to, &in, sizeof in);
}

static void read_inet6(struct sockaddr_storage *to, const uint8_t *address, const uint8_t *port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	memcpy(&in6.sin6_addr, address, 16);
	memcpy(&in6.sin6_port, port, 2);
	memcpy(to, &in6, sizeof in6);
}

static void read_unix(struct sockaddr_storage *to, const uint8_t *path)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	memcpy(un.sun_path, path, KILN_PROXY_UNIX_PATH);
	memcpy(to, &un, sizeof un);
}

static void read_addresses(struct kiln_proxy_info *info, uint8_t family, const uint8_t *p)
{
	switch (family >> 4) {
	case KILN_PROXY_FAMILY_INET:
		read_inet(&info->source, p, p + 8);
		read_inet(&info->destination, p + 4, p + 10);
		break;
	case KILN_PROXY_FAMILY_INET6:
		read_inet6(&info->source, p, p + 32);
		read_inet6(&info->destination, p + 16, p + 34);
		break;
	case KILN_PROXY_FAMILY_UNIX:
		read_unix(&info->source, p);
		read_unix(&info->destination, p + KILN_PROXY_UNIX_PATH);
		break;
	default: break;
	}
}

/* ------------------------------------------------------------------ TLVs */

struct reader {
	const uint8_t *p;
	size_t left;
};

struct tlv {
	uint8_t type;
	size_t len;
	const uint8_t *value;
};

static enum kiln_code read_tlv(struct reader *r, struct tlv *tlv, struct kiln_error *err)
{
	if (r->left < KILN_PROXY_TLV_HEADER)
		return REFUSE(err, "%zu stray bytes where a TLV should start", r->left);
	tlv->type = r->p[0];
	tlv->len = kiln_load_be16(r->p + 1);
	tlv->value = r->p + KILN_PROXY_TLV_HEADER;
	if (tlv->len > r->left - KILN_PROXY_TLV_HEADER)
		return REFUSE(err, "TLV 0x%02x of %zu bytes runs over the end", tlv->type,
			      tlv->len);
	r->p += KILN_PROXY_TLV_HEADER + tlv->len;
	r->left -= KILN_PROXY_TLV_HEADER + tlv->len;
	return KILN_OK;
}

/* Two values of one thing: whoever reads the other one would see another client. */
static enum kiln_code keep(struct kiln_proxy_bytes *bytes, const struct tlv *tlv,
			   struct kiln_error *err)
{
	if (bytes->data != NULL)
		return REFUSE(err, "TLV 0x%02x comes twice", tlv->type);
	*bytes = (struct kiln_proxy_bytes){.data = tlv->value, .len = tlv->len};
	return KILN_OK;
}

static enum kiln_code keep_unique_id(struct kiln_proxy_bytes *bytes, const struct tlv *tlv,
				     struct kiln_error *err)
{
	if (tlv->len > KILN_PROXY_UNIQUE_ID_MAX)
		return REFUSE(err, "unique id of %zu bytes, at most %u are allowed", tlv->len,
			      KILN_PROXY_UNIQUE_ID_MAX);
	return keep(bytes, tlv, err);
}

static struct kiln_proxy_bytes *ssl_field(struct kiln_proxy_ssl *ssl, uint8_t type)
{
	switch (type) {
	case KILN_PROXY_SSL_VERSION: return &ssl->version;
	case KILN_PROXY_SSL_CN: return &ssl->cn;
	case KILN_PROXY_SSL_CIPHER: return &ssl->cipher;
	case KILN_PROXY_SSL_SIG_ALG: return &ssl->sig_alg;
	case KILN_PROXY_SSL_KEY_ALG: return &ssl->key_alg;
	case KILN_PROXY_SSL_GROUP: return &ssl->group;
	default: return NULL;
	}
}

static enum kiln_code read_ssl(struct kiln_proxy_ssl *ssl, const struct tlv *tlv,
			       struct kiln_error *err)
{
	if (ssl->present)
		return REFUSE(err, "TLV 0x%02x comes twice", tlv->type);
	if (tlv->len < KILN_PROXY_SSL_FIXED)
		return REFUSE(err, "SSL TLV of %zu bytes, at least %u are needed", tlv->len,
			      KILN_PROXY_SSL_FIXED);
	ssl->present = true;
	ssl->client = tlv->value[0];
	ssl->verify = load_be32(tlv->value + 1);

	struct reader r = {tlv->value + KILN_PROXY_SSL_FIXED, tlv->len - KILN_PROXY_SSL_FIXED};
	while (r.left > 0) {
		struct tlv sub;
		if (read_tlv(&r, &sub, err) != KILN_OK)
			return KILN_E_PROXY_HEADER;
		struct kiln_proxy_bytes *field = ssl_field(ssl, sub.type);
		if (field != NULL && keep(field, &sub, err) != KILN_OK)
			return KILN_E_PROXY_HEADER;
	}
	return KILN_OK;
}

static enum kiln_code check_checksum(struct kiln_proxy_info *info, const struct tlv *tlv,
				     const uint8_t *data, size_t total, struct kiln_error *err)
{
	static const uint8_t zero[KILN_PROXY_CRC_LEN];
	if (info->checksum)
		return REFUSE(err, "TLV 0x%02x comes twice", tlv->type);
	if (tlv->len != KILN_PROXY_CRC_LEN)
		return REFUSE(err, "CRC-32C of %zu bytes, it has %u", tlv->len, KILN_PROXY_CRC_LEN);
	size_t at = (size_t)(tlv->value - data);
	uint32_t crc = kiln_crc32c(0, data, at);
	crc = kiln_crc32c(crc, zero, sizeof zero);
	crc = kiln_crc32c(crc, data + at + sizeof zero, total - at - sizeof zero);
	if (crc != load_be32(tlv->value))
		return REFUSE(err, "the CRC-32C does not match");
	info->checksum = true;
	return KILN_OK;
}

static enum kiln_code read_tlvs(struct kiln_proxy_info *info, struct reader r, const uint8_t *data,
				size_t total, struct kiln_error *err)
{
	while (r.left > 0) {
		struct tlv tlv;
		enum kiln_code code = read_tlv(&r, &tlv, err);
		if (code != KILN_OK)
			return code;
		switch (tlv.type) {
		case KILN_PROXY_ALPN: code = keep(&info->alpn, &tlv, err); break;
		case KILN_PROXY_AUTHORITY: code = keep(&info->authority, &tlv, err); break;
		case KILN_PROXY_UNIQUE_ID:
			code = keep_unique_id(&info->unique_id, &tlv, err);
			break;
		case KILN_PROXY_SSL: code = read_ssl(&info->ssl, &tlv, err); break;
		case KILN_PROXY_CRC32C: code = check_checksum(info, &tlv, data, total, err); break;
		default: break; /* section 2.2.4: unknown ones are skipped */
		}
		if (code != KILN_OK)
			return code;
	}
	return KILN_OK;
}

/* ------------------------------------------------------------------ all of it */

static enum kiln_code read_header(struct kiln_proxy_info *info, const uint8_t *data, size_t total,
				  struct kiln_error *err)
{
	info->command = (enum kiln_proxy_command)(data[KILN_PROXY_AT_COMMAND] & 0x0f);
	if (info->command == KILN_PROXY_LOCAL)
		return KILN_OK;
	uint8_t family = data[KILN_PROXY_AT_FAMILY];
	size_t start = KILN_PROXY_V2_FIXED + address_length(family);
	read_addresses(info, family, data + KILN_PROXY_V2_FIXED);
	return read_tlvs(info, (struct reader){data + start, total - start}, data, total, err);
}

enum kiln_proxy_step kiln_proxy_v2_decode(const uint8_t *data, size_t have, size_t *count,
					  struct kiln_proxy_info *info, struct kiln_error *err)
{
	*count = 0;
	if (check_fixed(data, have, err) != KILN_OK)
		return KILN_PROXY_REFUSED;

	size_t total = KILN_PROXY_V2_FIXED;
	if (have >= KILN_PROXY_V2_FIXED)
		total += kiln_load_be16(data + KILN_PROXY_AT_LENGTH);
	if (have < total) {
		*count = total - have;
		return KILN_PROXY_NEED;
	}

	struct kiln_proxy_info read = {0};
	if (read_header(&read, data, total, err) != KILN_OK)
		return KILN_PROXY_REFUSED;
	*info = read;
	*count = total;
	return KILN_PROXY_DONE;
}

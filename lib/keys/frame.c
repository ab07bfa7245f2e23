/* SPDX-License-Identifier: Apache-2.0
 * Frames and the keys of their MACs; see frame.h. RFC 2104, RFC 5869. */
#include "keys/frame.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "keys/crypto.h"

size_t kiln_keys_frame_length(const uint8_t first[KILN_KEYS_LENGTH_LEN])
{
	const uint32_t length = kiln_load_be32(first);
	if (length < KILN_KEYS_FRAME_MIN || length > KILN_KEYS_FRAME_MAX)
		return 0;
	return KILN_KEYS_LENGTH_LEN + length;
}

bool kiln_keys_frame_read(const uint8_t *whole, size_t len, struct kiln_keys_frame *frame)
{
	const uint8_t *p = whole + KILN_KEYS_LENGTH_LEN;
	memset(frame, 0, sizeof *frame);
	frame->whole = whole;
	frame->type = p[0];
	frame->session = p + 1;
	frame->sequence = kiln_load_be64(p + 1 + KILN_KEYS_SESSION_ID_LEN);
	frame->body = whole + KILN_KEYS_HEADER_LEN;
	frame->body_len = len - KILN_KEYS_HEADER_LEN;
	if (!kiln_keys_has_mac(frame->type))
		return true;
	if (frame->body_len < KILN_KEYS_MAC_LEN)
		return false;
	frame->body_len -= KILN_KEYS_MAC_LEN;
	frame->mac = frame->body + frame->body_len;
	return true;
}

static void make_mac(const uint8_t key[32], const uint8_t *data, size_t len,
		     uint8_t mac[KILN_KEYS_MAC_LEN])
{
	crypto_auth_hmacsha256_state hmac;
	(void)crypto_auth_hmacsha256_init(&hmac, key, 32);
	(void)crypto_auth_hmacsha256_update(&hmac, data, len);
	(void)crypto_auth_hmacsha256_final(&hmac, mac);
	kiln_wipe(&hmac, sizeof hmac);
}

size_t kiln_keys_frame_write(uint8_t type, const uint8_t session[KILN_KEYS_SESSION_ID_LEN],
			     uint64_t sequence, const struct kiln_keys_message *message,
			     const uint8_t *key, uint8_t *out, size_t cap)
{
	const size_t mac_len = kiln_keys_has_mac(type) ? KILN_KEYS_MAC_LEN : 0;
	bool fits;
	if (cap > KILN_KEYS_LENGTH_LEN + KILN_KEYS_FRAME_MAX)
		cap = KILN_KEYS_LENGTH_LEN + KILN_KEYS_FRAME_MAX;
	if (cap < KILN_KEYS_HEADER_LEN + mac_len || (mac_len > 0 && key == NULL))
		return 0;
	const size_t body_len = kiln_keys_message_write(
	    type, message, out + KILN_KEYS_HEADER_LEN, cap - KILN_KEYS_HEADER_LEN - mac_len, &fits);
	if (!fits)
		return 0;
	const size_t before_mac = KILN_KEYS_HEADER_LEN + body_len;
	kiln_store_be32(out, (uint32_t)(before_mac + mac_len - KILN_KEYS_LENGTH_LEN));
	out[KILN_KEYS_LENGTH_LEN] = type;
	memcpy(out + KILN_KEYS_LENGTH_LEN + 1, session, KILN_KEYS_SESSION_ID_LEN);
	kiln_store_be64(out + KILN_KEYS_HEADER_LEN - 8, sequence);
	if (mac_len > 0)
		make_mac(key, out, before_mac, out + before_mac);
	return before_mac + mac_len;
}

static void derive(const uint8_t prk[32], const char *label,
		   const uint8_t session[KILN_KEYS_SESSION_ID_LEN], uint8_t key[32])
{
	uint8_t info[32 + KILN_KEYS_SESSION_ID_LEN];
	const size_t len = strlen(label);
	for (size_t i = 0; i < len; i++)
		info[i] = (uint8_t)label[i];
	memcpy(info + len, session, KILN_KEYS_SESSION_ID_LEN);
	kiln_keys_hkdf_expand(prk, info, len + KILN_KEYS_SESSION_ID_LEN, key, 32);
}

void kiln_keys_channel_init(struct kiln_keys_channel *channel, const uint8_t session_key[64],
			    const uint8_t session[KILN_KEYS_SESSION_ID_LEN])
{
	static const char salt[] = KILN_KEYS_PROTOCOL;
	uint8_t prk[32];
	kiln_keys_hkdf_extract(session_key, 64, salt, sizeof salt - 1, prk);
	derive(prk, "client to server", session, channel->client);
	derive(prk, "server to client", session, channel->server);
	derive(prk, "resume, client", session, channel->resume_client);
	derive(prk, "resume, server", session, channel->resume_server);
	kiln_wipe(prk, sizeof prk);
}

void kiln_keys_channel_on(const struct kiln_keys_channel *channel, const uint8_t *exporter,
			  struct kiln_keys_channel *here)
{
	*here = *channel;
	if (exporter == NULL)
		return;
	make_mac(channel->resume_client, exporter, KILN_KEYS_EXPORTER_LEN, here->resume_client);
	make_mac(channel->resume_server, exporter, KILN_KEYS_EXPORTER_LEN, here->resume_server);
}

const uint8_t *kiln_keys_channel_key(const struct kiln_keys_channel *channel, uint8_t type)
{
	switch (type) {
	case KILN_KEYS_REQUEST:
	case KILN_KEYS_FINISH: return channel->client;
	case KILN_KEYS_OPEN:
	case KILN_KEYS_CONTINUE:
	case KILN_KEYS_RESPONSE:
	case KILN_KEYS_FAILURE: return channel->server;
	case KILN_KEYS_RESUME: return channel->resume_client;
	case KILN_KEYS_RESUMED: return channel->resume_server;
	default: return NULL;
	}
}

bool kiln_keys_frame_authentic(const struct kiln_keys_frame *frame,
			       const struct kiln_keys_channel *channel)
{
	uint8_t mac[KILN_KEYS_MAC_LEN];
	const uint8_t *key = kiln_keys_channel_key(channel, frame->type);
	if (key == NULL || frame->mac == NULL)
		return false;
	make_mac(key, frame->whole, (size_t)(frame->mac - frame->whole), mac);
	return kiln_keys_equal(mac, frame->mac, sizeof mac);
}

size_t kiln_keys_context(const uint8_t session[KILN_KEYS_SESSION_ID_LEN], const uint8_t *exporter,
			 uint8_t out[KILN_KEYS_CONTEXT_MAX])
{
	const size_t label = sizeof KILN_KEYS_PROTOCOL - 1;
	memcpy(out, KILN_KEYS_PROTOCOL, label);
	memcpy(out + label, session, KILN_KEYS_SESSION_ID_LEN);
	if (exporter == NULL)
		return label + KILN_KEYS_SESSION_ID_LEN;
	memcpy(out + label + KILN_KEYS_SESSION_ID_LEN, exporter, KILN_KEYS_EXPORTER_LEN);
	return KILN_KEYS_CONTEXT_MAX;
}

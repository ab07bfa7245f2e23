/* The commands that go through the proxy and the pattern that fills them: see proto.h. */
#include "proto.h"

#include <string.h>

#define SPOT_CHECK_LEN 64u

static uint8_t pattern[PROTO_PERIOD + PROTO_RUN];

void proto_init(void)
{
	uint64_t x = 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < PROTO_PERIOD; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (uint8_t)(x >> 32);
	}
	memcpy(pattern + PROTO_PERIOD, pattern, PROTO_RUN);
}

uint64_t proto_length(const struct proto_message *msg)
{
	return msg->is_answer ? msg->header.answer : msg->header.request;
}

static size_t head_length(const struct proto_message *msg)
{
	return msg->is_answer ? sizeof(msg->header.seq) : PROTO_HEADER_LEN;
}

static const void *head_bytes(const struct proto_message *msg)
{
	return msg->is_answer ? (const void *)&msg->header.seq : (const void *)&msg->header;
}

static const uint8_t *pattern_at(const struct proto_message *msg, uint64_t off)
{
	return pattern + (msg->header.seq * 4093u + off) % PROTO_PERIOD;
}

static size_t smaller(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

const void *proto_chunk(const struct proto_message *msg, uint64_t off, size_t max, size_t *len)
{
	static uint8_t head[PROTO_HEAD_CHUNK];
	uint64_t left = proto_length(msg) - off;
	size_t head_len = head_length(msg);

	if (off >= head_len) {
		*len = smaller(left, max < PROTO_RUN ? max : PROTO_RUN);
		return pattern_at(msg, off);
	}
	/* Always built whole from the start, so that a repeated call gives the same bytes. */
	size_t built = smaller(proto_length(msg), sizeof(head));
	memcpy(head, pattern_at(msg, 0), built);
	memcpy(head, head_bytes(msg), smaller(built, head_len));
	*len = smaller(built - off, max);
	return head + off;
}

bool proto_header_ok(const struct proto_header *header)
{
	return header->magic == PROTO_MAGIC && header->request >= PROTO_HEADER_LEN &&
	       (header->verify == PROTO_VERIFY_ALL || header->verify == PROTO_VERIFY_SPOTS);
}

bool proto_check(const struct proto_message *msg, uint64_t off, const void *data, size_t len)
{
	const uint8_t *bytes = data;
	size_t head_len = head_length(msg);

	if (off + len > proto_length(msg))
		return false;
	if (off < head_len) {
		size_t n = smaller(head_len - off, len);

		if (memcmp(bytes, (const uint8_t *)head_bytes(msg) + off, n) != 0)
			return false;
		bytes += n;
		off += n;
		len -= n;
	}
	if (msg->header.verify != PROTO_VERIFY_ALL && len > SPOT_CHECK_LEN)
		len = SPOT_CHECK_LEN;
	while (len > 0) {
		size_t n = smaller(PROTO_RUN, len);

		if (memcmp(bytes, pattern_at(msg, off), n) != 0)
			return false;
		bytes += n;
		off += n;
		len -= n;
	}
	return true;
}

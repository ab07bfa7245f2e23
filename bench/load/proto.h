/*
 * What the client and the backend say to each other through the proxy under test.
 *
 * A connection carries commands one after the other, never two at once. A command is a request of
 * `request` bytes, which opens with a header, and an answer of `answer` bytes, which opens with the
 * command's sequence number. All other bytes come from one fixed pattern, at a place that follows
 * from the sequence number and the offset: either end can check any byte without having state.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROTO_MAGIC 0x4b4c4f31u /* "KLO1" */
/* A prime, so that no record or buffer size divides the pattern's period. */
#define PROTO_PERIOD 1048573u
/* A pointer into the pattern is good for this many bytes. */
#define PROTO_RUN 262144u
/* The first chunk of a message, which carries its head, is assembled in a buffer of this size. */
#define PROTO_HEAD_CHUNK 16384u

/* What the receiver compares. Far apart, so that no broken bit turns one into the other. */
enum proto_verify {
	PROTO_VERIFY_ALL = 0x56414c4c,
	PROTO_VERIFY_SPOTS = 0x53504f54, /* the start of each chunk that it happens to read */
};

struct proto_header {
	uint32_t magic;
	uint32_t verify; /* enum proto_verify */
	uint64_t seq;
	uint64_t request; /* bytes, this header included */
	uint64_t answer;  /* bytes */
};

#define PROTO_HEADER_LEN sizeof(struct proto_header)

/* One direction of a command. */
struct proto_message {
	struct proto_header header;
	bool is_answer;
};

void proto_init(void);
uint64_t proto_length(const struct proto_message *msg);

/* The bytes to send at `off`: a pointer valid until the next call, and how many (at most max). */
const void *proto_chunk(const struct proto_message *msg, uint64_t off, size_t max, size_t *len);

bool proto_header_ok(const struct proto_header *header);

/*
 * Compares received bytes with what the message has at `off`: all of them or, when it asks for
 * spots only, the first 64, which is enough to see bytes lost, doubled or moved.
 */
bool proto_check(const struct proto_message *msg, uint64_t off, const void *data, size_t len);

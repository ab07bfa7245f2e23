/* SPDX-License-Identifier: Apache-2.0
 * The demo's real data: random bytes one way and then the other, hashed at both ends. */
#ifndef KILN_DEMO_TRANSFER_H
#define KILN_DEMO_TRANSFER_H

#include <sys/types.h>

#include <kiln/error.h>

#define KILN_DEMO_HASH 32u

/* What the backend saw and did; it sends this behind its bytes. */
struct kiln_demo_receipt {
	uint64_t received;
	uint8_t received_hash[KILN_DEMO_HASH], sent_hash[KILN_DEMO_HASH];
};

struct kiln_demo_transfer {
	uint64_t sent, received;
	uint8_t sent_hash[KILN_DEMO_HASH], received_hash[KILN_DEMO_HASH];
	struct kiln_demo_receipt receipt;
	double seconds;
};

/* A plain TCP backend on loopback, in a process of its own: takes bytes until their end, answers
 * with answer_bytes of its own and a receipt. *port gets where it listens. */
enum kiln_code kiln_demo_backend(uint64_t answer_bytes, pid_t *pid, uint16_t *port,
				 struct kiln_error *err) KILN_NODISCARD;

/* Sends bytes to a loopback port, ends that direction, and takes the answer. */
enum kiln_code kiln_demo_exchange(uint16_t port, uint64_t bytes, struct kiln_demo_transfer *result,
				  struct kiln_error *err) KILN_NODISCARD;

/* Both ends saw the same bytes. */
bool kiln_demo_matches(const struct kiln_demo_transfer *transfer);

/* Shared by both ends: sends bytes of random data, hashed. */
bool kiln_demo_send_random(int fd, uint64_t bytes, uint8_t hash[KILN_DEMO_HASH]);

#endif

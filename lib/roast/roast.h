/* SPDX-License-Identifier: Apache-2.0
 *
 * Roast without I/O: both hellos in both roles, as a machine that takes bytes and a time and gives
 * back bytes, a question to the outside, or who the peer is. docs/roast.md tells the protocol.
 *
 *   client   ASK prove, hello out, hello in, ASK verify, DONE
 *   server   hello in, ASK verify, ASK prove, hello out, DONE
 *
 * After DONE and once the output is sent, kiln_roast_handshake makes the TLS handshake of the
 * connection: until that has ended, the machine lives. Whoever answers VERIFY also keeps the replay
 * cache (replay.h): one machine knows one connection.
 */
#ifndef KILN_ROAST_ROAST_H
#define KILN_ROAST_ROAST_H

#include <kiln/roast.h>

#include "aws/proof.h"
#include "aws/role.h"

/* For everything, TLS included; as the real library has it. */
#define KILN_ROAST_DEADLINE_MS 15000u

#define KILN_ROAST_PEER_MAX 64u /* of the peer's name in messages, with its NUL */

/* Once in a process, before it gives up the right to open files: seeds and set-up of the libraries
 * underneath. Later calls do nothing. */
enum kiln_code kiln_roast_prepare(struct kiln_error *err) KILN_NODISCARD;

struct kiln_roast_options {
	enum kiln_role role;
	const struct kiln_aws_role *allowed;  /* whom the peer may be; kept, not copied */
	size_t allowed_count;                 /* at least 1 */
	bool require_binding;                 /* refuse peers that send none: all but Kilns */
	const struct kiln_aws_role *own_role; /* NULL: not known, and then no binding is sent */
	const char *server_name; /* client: the target's address or host name, without a port */
	const char *peer;        /* what to call the peer in messages, "192.0.2.1:4711"; or NULL */
	uint32_t time_ms;        /* for everything; 0, or more than that: KILN_ROAST_DEADLINE_MS */
};

enum kiln_roast_step {
	KILN_ROAST_NEED_INPUT, /* everything was consumed, more is needed */
	KILN_ROAST_ASK,        /* answer kiln_roast_question; input is not consumed until then */
	KILN_ROAST_DONE,       /* send the output, then kiln_roast_handshake */
	KILN_ROAST_FAILED,     /* close: the protocol has no error message */
};

struct kiln_roast_question {
	enum kiln_roast_ask {
		KILN_ROAST_PROVE,  /* sign this payload: kiln_roast_proved */
		KILN_ROAST_VERIFY, /* show this proof to STS: kiln_roast_verified */
	} ask;
	const uint8_t *payload; /* PROVE: the body to sign */
	size_t payload_len;
	const struct kiln_aws_role *as; /* PROVE: whom the body says that we are; NULL: nobody */
	const struct kiln_aws_proof *proof; /* VERIFY: checked by kiln_aws_proof_check */
};

struct kiln_roast;

/* Starts at the time now (seconds since 1970) and ms of a clock that never goes back. NULL with
 * *err filled on failure. */
struct kiln_roast *kiln_roast_new(const struct kiln_roast_options *options, int64_t now,
				  uint64_t ms, struct kiln_error *err) KILN_NODISCARD;
void kiln_roast_free(struct kiln_roast *roast);

/* Feeds in[0..len); len 0 starts a client, or lets either role notice its deadline (ms is that of
 * the same clock). *consumed tells how many bytes were taken. Behind its hello a peer has nothing
 * to say until we have answered: what comes along with it, other than white space, is refused, so
 * that nothing has to be kept while STS is asked. */
enum kiln_roast_step kiln_roast_step(struct kiln_roast *roast, const uint8_t *in, size_t len,
				     size_t *consumed, uint64_t ms, struct kiln_error *err);

/* After KILN_ROAST_ASK; valid until it is answered. */
const struct kiln_roast_question *kiln_roast_question(const struct kiln_roast *roast);

/* The answers. What they are given is copied. kiln_roast_verified goes on with what costs
 * something: is the role allowed (KILN_E_ACCESS_DENIED), and only then, do the peer's certificates
 * decode and does its binding hold (KILN_E_ROAST_HELLO, KILN_E_ROAST_BINDING). */
enum kiln_roast_step kiln_roast_proved(struct kiln_roast *roast, const struct kiln_aws_proof *proof,
				       uint64_t ms, struct kiln_error *err);
enum kiln_roast_step kiln_roast_verified(struct kiln_roast *roast, const struct kiln_aws_role *role,
					 const char *session, uint64_t ms, struct kiln_error *err);
/* Either question: no answer, and why. */
enum kiln_roast_step kiln_roast_unanswered(struct kiln_roast *roast, const struct kiln_error *why,
					   struct kiln_error *err);

/* The peer closed the connection before the hellos were exchanged: says at which step. */
enum kiln_roast_step kiln_roast_ended(struct kiln_roast *roast, struct kiln_error *err);

/* It closed the connection later, during the TLS handshake: says what that may mean, and the code
 * to give, KILN_E_TLS_TRUNCATED. The machine is as before. */
enum kiln_code kiln_roast_left(const struct kiln_roast *roast, struct kiln_error *err);

/* Bytes to send to the peer, in order; valid until the next call. Report what went out. */
const uint8_t *kiln_roast_output(const struct kiln_roast *roast, size_t *len);
void kiln_roast_sent(struct kiln_roast *roast, size_t len);

/* When, on the caller's clock in ms, everything has to be over. */
uint64_t kiln_roast_deadline(const struct kiln_roast *roast);

/* After KILN_ROAST_VERIFY was answered: also when the role is then refused. NULL before. */
const struct kiln_roast_peer *kiln_roast_peer(const struct kiln_roast *roast);

/* After KILN_ROAST_DONE: the connection's TLS handshake, with its own certificate, its judgement of
 * the peer's, and patience with a late line feed. config is kiln_roast_config_new's, of the same
 * role, shared by all connections. It must be freed before the machine. */
struct kiln_handshake *kiln_roast_handshake(struct kiln_roast *roast,
					    struct kiln_tls_config *config, uint64_t ms,
					    struct kiln_error *err) KILN_NODISCARD;

/* The TLS configuration for Roast, one for each role. cipher_suites may be NULL. */
struct kiln_tls_config *kiln_roast_config_new(enum kiln_role role, const char *cipher_suites,
					      struct kiln_error *err) KILN_NODISCARD;

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * OPAQUE (RFC 9807), OPAQUE-3DH with ristretto255-SHA512, HKDF-SHA-512, HMAC-SHA-512, SHA-512 and
 * Argon2id: a user proves a password to a server that never learns it, and both get a session key;
 * the user also gets an export key that the server does not have.
 *
 *	registration (over a channel that authenticates the server and hides the messages)
 *	client  kiln_opaque_create_registration_request   -> registration_request   32 bytes
 *	server  kiln_opaque_create_registration_response  -> registration_response  64
 *	client  kiln_opaque_finalize_registration_request -> registration_record   192
 *	server  kiln_opaque_check_record, and stores it
 *
 *	login
 *	client  kiln_opaque_generate_ke1   -> ke1   96 bytes
 *	server  kiln_opaque_generate_ke2   -> ke2  320
 *	client  kiln_opaque_generate_ke3   -> ke3   64, session key, export key, who the server is
 *	server  kiln_opaque_server_finish  -> session key
 *
 * Names and order are the RFC's. Pure functions: bytes go in, bytes and a verdict come out. They
 * know no connection, no clock, no file, and no memory but the caller's, except Argon2id's.
 *
 * Messages. A message's struct is its bytes on the wire: arrays of bytes without padding, to be
 * sent, received and stored as they are. There is nothing else in a message, no length and no type.
 * Everything in a message that came from a peer is checked by the call that takes it.
 *
 * Errors. *err is filled on failure and left alone on success; err may be NULL. On failure every
 * output is all zero. Codes that any call may give:
 *   KILN_E_USAGE           an input is out of its bounds (below)
 *   KILN_E_SYSTEM          the source of randomness failed, or libsodium does not start
 *   KILN_E_OPAQUE_MESSAGE  a message holds no valid group element, or the identity element
 * and what else it gives stands beside it.
 *
 * Secrets. What a call keeps on its stack is wiped, and so are the 16 KiB below it, where the
 * libraries beneath leave theirs. A state is wiped by the call that uses it up, whatever that call
 * says, and one that was wiped is refused. No branch and no index depends on a secret, on
 * either side (a test under valgrind shows it), outside of Argon2id, which is the client's: its
 * second half reads memory by what it computed. Lengths are no secrets. Structs that hold secrets
 * are marked; the caller wipes them with kiln_opaque_wipe.
 *
 * Threads. All calls may be made by any number of threads at once; they share nothing, and start
 * none. Argon2id's lanes are computed one after the other.
 */
#ifndef KILN_OPAQUE_H
#define KILN_OPAQUE_H

#include <kiln/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- sizes in bytes; RFC 9807 2.2 and 7, for this suite */
#define KILN_OPAQUE_ELEMENT_SIZE     32u /* Noe, Npk: an element of the group */
#define KILN_OPAQUE_SCALAR_SIZE      32u /* Nok, Nsk */
#define KILN_OPAQUE_HASH_SIZE        64u /* Nh, Nm, Nx */
#define KILN_OPAQUE_NONCE_SIZE       32u /* Nn */
#define KILN_OPAQUE_SEED_SIZE        32u /* Nseed */
#define KILN_OPAQUE_SESSION_KEY_SIZE 64u
#define KILN_OPAQUE_EXPORT_KEY_SIZE  64u

#define KILN_OPAQUE_REGISTRATION_REQUEST_SIZE  32u
#define KILN_OPAQUE_REGISTRATION_RESPONSE_SIZE 64u
#define KILN_OPAQUE_REGISTRATION_RECORD_SIZE   192u
#define KILN_OPAQUE_KE1_SIZE                   96u
#define KILN_OPAQUE_KE2_SIZE                   320u
#define KILN_OPAQUE_KE3_SIZE                   64u
#define KILN_OPAQUE_SETUP_SIZE                 128u

/* ---- bounds of inputs, in bytes; what is longer is refused with KILN_E_USAGE */
#define KILN_OPAQUE_PASSWORD_MAX   1024u /* at least 1 */
#define KILN_OPAQUE_CREDENTIAL_MAX 1024u /* credential_identifier; at least 1 */
#define KILN_OPAQUE_IDENTITY_MAX   1024u
#define KILN_OPAQUE_CONTEXT_MAX    1024u

/* Bytes that stay the caller's; nothing is kept. length 0 is none, whatever data is. */
struct kiln_opaque_bytes {
	const void *data;
	size_t length;
};

/* Where randomness comes from. NULL instead of a source is the system's, and the right choice
 * anywhere but in tests. fill() writes length bytes, or returns false. Each call names what it
 * draws, in this order and with one fill() for each; so test vectors can be reproduced. A draw for
 * a scalar has 64 bytes: a little-endian number that is reduced modulo the group's order. */
struct kiln_opaque_random {
	bool (*fill)(void *user, void *out, size_t length);
	void *user;
};

/* What both sides must agree on, and do not tell each other here. All zero, or NULL instead of it:
 * no context, and each side is known by its public key (RFC 9807 4). The context counts only in the
 * login. */
struct kiln_opaque_parameters {
	struct kiln_opaque_bytes context;
	struct kiln_opaque_bytes client_identity;
	struct kiln_opaque_bytes server_identity;
};

/* ---- key stretching: the client's alone; the server never needs to know. A user must always use
 * what he registered with. */
enum kiln_opaque_ksf_profile {
	KILN_OPAQUE_KSF_DEFAULT = 0, /* RFC 9106's second recommendation: 64 MiB, t=3, p=4 */
	KILN_OPAQUE_KSF_RFC9807 = 1, /* 2 GiB (2^21 KiB), t=1, p=4: RFC 9807 7 */
	KILN_OPAQUE_KSF_SINGLE = 2,  /* 64 MiB, t=2, p=1: what libsodium alone can compute
					(crypto_pwhash's INTERACTIVE), and libopaque does */
	KILN_OPAQUE_KSF_CUSTOM = 3,  /* memory_kib, iterations, parallelism below */
	KILN_OPAQUE_KSF_NONE = 4,    /* the RFC's Identity: for its vectors, and for a "password"
					that is a random key of 256 bits. Never for people. */
};

/* Custom bounds: memory_kib at least 8 for each of parallelism. */
#define KILN_OPAQUE_KSF_MEMORY_KIB_MAX  4194304u /* 4 GiB */
#define KILN_OPAQUE_KSF_ITERATIONS_MAX  1024u
#define KILN_OPAQUE_KSF_PARALLELISM_MAX 16u

/* NULL instead of it is KILN_OPAQUE_KSF_DEFAULT. The numbers count only for KILN_OPAQUE_KSF_CUSTOM.
 * Argon2id version 0x13 with a salt of 16 zero bytes and 64 bytes of output (RFC 9807 7). */
struct kiln_opaque_ksf {
	enum kiln_opaque_ksf_profile profile;
	uint32_t memory_kib;
	uint32_t iterations;
	uint32_t parallelism;
};

/* ---- messages, RFC 9807 4.1.1, 5.1 and 6.1 */
struct kiln_opaque_registration_request {
	uint8_t blinded_message[KILN_OPAQUE_ELEMENT_SIZE];
};

struct kiln_opaque_registration_response {
	uint8_t evaluated_message[KILN_OPAQUE_ELEMENT_SIZE];
	uint8_t server_public_key[KILN_OPAQUE_ELEMENT_SIZE];
};

struct kiln_opaque_envelope {
	uint8_t envelope_nonce[KILN_OPAQUE_NONCE_SIZE];
	uint8_t auth_tag[KILN_OPAQUE_HASH_SIZE];
};

/* Secret: with it and the server's setup passwords can be guessed. */
struct kiln_opaque_registration_record {
	uint8_t client_public_key[KILN_OPAQUE_ELEMENT_SIZE];
	uint8_t masking_key[KILN_OPAQUE_HASH_SIZE];
	struct kiln_opaque_envelope envelope;
};

struct kiln_opaque_ke1 {
	/* credential_request */
	uint8_t blinded_message[KILN_OPAQUE_ELEMENT_SIZE];
	/* auth_request */
	uint8_t client_nonce[KILN_OPAQUE_NONCE_SIZE];
	uint8_t client_public_keyshare[KILN_OPAQUE_ELEMENT_SIZE];
};

struct kiln_opaque_ke2 {
	/* credential_response */
	uint8_t evaluated_message[KILN_OPAQUE_ELEMENT_SIZE];
	uint8_t masking_nonce[KILN_OPAQUE_NONCE_SIZE];
	uint8_t masked_response[KILN_OPAQUE_ELEMENT_SIZE + KILN_OPAQUE_NONCE_SIZE +
				KILN_OPAQUE_HASH_SIZE];
	/* auth_response */
	uint8_t server_nonce[KILN_OPAQUE_NONCE_SIZE];
	uint8_t server_public_keyshare[KILN_OPAQUE_ELEMENT_SIZE];
	uint8_t server_mac[KILN_OPAQUE_HASH_SIZE];
};

struct kiln_opaque_ke3 {
	uint8_t client_mac[KILN_OPAQUE_HASH_SIZE];
};

/* ---- the server's setup */

/* Made once, and kept as long as there are users: who loses it loses them all. Secret. The same for
 * all servers that share users. */
struct kiln_opaque_setup {
	uint8_t oprf_seed[KILN_OPAQUE_HASH_SIZE];
	uint8_t server_private_key[KILN_OPAQUE_SCALAR_SIZE];
	uint8_t server_public_key[KILN_OPAQUE_ELEMENT_SIZE];
};

/* Draws: oprf_seed (64), the seed of the server's key pair (32, for DeriveDiffieHellmanKeyPair). */
KILN_API enum kiln_code kiln_opaque_setup_generate(const struct kiln_opaque_random *random,
						   struct kiln_opaque_setup *setup,
						   struct kiln_error *err) KILN_NODISCARD;

/* The public key of a private key, for a setup that comes from other software.
 *   KILN_E_OPAQUE_RECORD  the private key is zero, or not below the group's order */
KILN_API enum kiln_code kiln_opaque_public_key(const uint8_t private_key[KILN_OPAQUE_SCALAR_SIZE],
					       uint8_t public_key[KILN_OPAQUE_ELEMENT_SIZE],
					       struct kiln_error *err) KILN_NODISCARD;

/* A setup ready for use, with what is the same for every login: among it the record that stands in
 * for users who do not exist (RFC 9807 6.3.2.2), derived from oprf_seed, so that it is the same
 * after a restart and on every server. Secret. Read-only for all calls. */
struct kiln_opaque_server {
	struct kiln_opaque_setup setup;
	struct kiln_opaque_registration_record unknown;
};

/*   KILN_E_OPAQUE_RECORD  the setup's public key is not its private key's, or that is none */
KILN_API enum kiln_code kiln_opaque_server_init(const struct kiln_opaque_setup *setup,
						struct kiln_opaque_server *server,
						struct kiln_error *err) KILN_NODISCARD;

/* ---- registration */

/* The client's state until the response comes. Secret. */
struct kiln_opaque_registration_state {
	uint8_t blind[KILN_OPAQUE_SCALAR_SIZE];
};

/* Draws: blind (64). */
KILN_API enum kiln_code kiln_opaque_create_registration_request(
    struct kiln_opaque_bytes password, const struct kiln_opaque_random *random,
    struct kiln_opaque_registration_request *request, struct kiln_opaque_registration_state *state,
    struct kiln_error *err) KILN_NODISCARD;

/* credential_identifier names the user's record; it must be the same in every login, and no other
 * user's ever. Draws nothing: the same request gives the same response. One multiplication. */
KILN_API enum kiln_code kiln_opaque_create_registration_response(
    const struct kiln_opaque_server *server, struct kiln_opaque_bytes credential_identifier,
    const struct kiln_opaque_registration_request *request,
    struct kiln_opaque_registration_response *response, struct kiln_error *err) KILN_NODISCARD;

/* Takes as long as ksf says. The state is used up, and wiped, also on failure. Draws:
 * envelope_nonce (32).
 *   KILN_E_USAGE      also: the state was used before, or never made
 *   KILN_E_NO_MEMORY  Argon2id's memory cannot be had */
KILN_API enum kiln_code kiln_opaque_finalize_registration_request(
    struct kiln_opaque_registration_state *state, struct kiln_opaque_bytes password,
    const struct kiln_opaque_ksf *ksf, const struct kiln_opaque_parameters *parameters,
    const struct kiln_opaque_registration_response *response,
    const struct kiln_opaque_random *random, struct kiln_opaque_registration_record *record,
    uint8_t export_key[KILN_OPAQUE_EXPORT_KEY_SIZE], struct kiln_error *err) KILN_NODISCARD;

/* What a server can know about a record that a client uploads: its public key is an element. A
 * record that was not checked could make logins fail in another way than those of unknown users.
 *   KILN_E_OPAQUE_MESSAGE  it is not */
KILN_API enum kiln_code
kiln_opaque_check_record(const struct kiln_opaque_registration_record *record,
			 struct kiln_error *err) KILN_NODISCARD;

/* ---- login */

/* The client's state until KE2 comes. Secret. */
struct kiln_opaque_client_state {
	uint8_t blind[KILN_OPAQUE_SCALAR_SIZE];
	uint8_t client_secret[KILN_OPAQUE_SCALAR_SIZE];
	struct kiln_opaque_ke1 ke1;
};

/* Draws: blind (64), client_nonce (32), client_keyshare_seed (32). */
KILN_API enum kiln_code kiln_opaque_generate_ke1(struct kiln_opaque_bytes password,
						 const struct kiln_opaque_random *random,
						 struct kiln_opaque_ke1 *ke1,
						 struct kiln_opaque_client_state *state,
						 struct kiln_error *err) KILN_NODISCARD;

/* The server's state until KE3 comes. Secret. To be kept, or sealed (below); for one KE3 only. */
struct kiln_opaque_server_state {
	uint8_t expected_client_mac[KILN_OPAQUE_HASH_SIZE];
	uint8_t session_key[KILN_OPAQUE_SESSION_KEY_SIZE];
};

/* record is what was stored for credential_identifier; NULL for a user who does not exist. Then the
 * answer is the RFC's fake one, for which the same work is done: the caller must treat both alike
 * from here on, and let the login fail at KE3. The client_identity of parameters must come from the
 * request then, not from the store, or be none for all.
 *
 * Cost: five multiplications in the group, one of them of the base. Draws: masking_nonce (32),
 * server_nonce (32), server_keyshare_seed (32).
 *   KILN_E_OPAQUE_RECORD  the record is damaged: its public key is no element */
KILN_API enum kiln_code kiln_opaque_generate_ke2(
    const struct kiln_opaque_server *server, const struct kiln_opaque_parameters *parameters,
    const struct kiln_opaque_registration_record *record,
    struct kiln_opaque_bytes credential_identifier, const struct kiln_opaque_ke1 *ke1,
    const struct kiln_opaque_random *random, struct kiln_opaque_ke2 *ke2,
    struct kiln_opaque_server_state *state, struct kiln_error *err) KILN_NODISCARD;

/* What a login gives the client. Secret. */
struct kiln_opaque_login {
	uint8_t session_key[KILN_OPAQUE_SESSION_KEY_SIZE];
	uint8_t export_key[KILN_OPAQUE_EXPORT_KEY_SIZE]; /* the one of the registration */
	uint8_t server_public_key[KILN_OPAQUE_ELEMENT_SIZE];
};

/* With the password and the ksf of the registration. Takes as long as ksf says. The state is used
 * up, and wiped, also on failure: it is for one KE2.
 *   KILN_E_USAGE        also: the state was used before, or never made
 *   KILN_E_OPAQUE_AUTH  the password is wrong, or there is no such user, or the server is not the
 *                       one of the registration, or something was altered on the way; which of them
 *                       cannot be told, and a peer must not learn more either
 *   KILN_E_NO_MEMORY    Argon2id's memory cannot be had */
KILN_API enum kiln_code
kiln_opaque_generate_ke3(struct kiln_opaque_client_state *state, struct kiln_opaque_bytes password,
			 const struct kiln_opaque_ksf *ksf,
			 const struct kiln_opaque_parameters *parameters,
			 const struct kiln_opaque_ke2 *ke2, struct kiln_opaque_ke3 *ke3,
			 struct kiln_opaque_login *login, struct kiln_error *err) KILN_NODISCARD;

/* KILN_OK: the client knew the password, and has the same session key. The state is used up, and
 * wiped, also on failure: it is for one KE3.
 *   KILN_E_OPAQUE_AUTH  it did not, or something was altered on the way; the same for a user who
 *                       does not exist, and for a state that was used before, or never made */
KILN_API enum kiln_code kiln_opaque_server_finish(struct kiln_opaque_server_state *state,
						  const struct kiln_opaque_ke3 *ke3,
						  uint8_t session_key[KILN_OPAQUE_SESSION_KEY_SIZE],
						  struct kiln_error *err) KILN_NODISCARD;

/* ---- the server's state under way, sealed: it may be kept anywhere, even by the client
 *
 * XChaCha20-Poly1305 under a key that never leaves the servers, with a nonce of its own for each.
 * bound is what the state belongs to (the session's id, the user); it must be the same at opening.
 * Sealing does not say how often a state is opened: that it is used for one KE3 only is for the
 * caller to see to, by what he binds it to. */
#define KILN_OPAQUE_SEAL_KEY_SIZE 32u
#define KILN_OPAQUE_BOUND_MAX     1024u

struct kiln_opaque_sealed_state {
	uint8_t version;       /* 1 */
	uint8_t created_ms[8]; /* big-endian */
	uint8_t nonce[24];
	uint8_t sealed[64 + 64];
	uint8_t tag[16];
};
#define KILN_OPAQUE_SEALED_STATE_SIZE 177u

/* now_ms: the caller's clock, in ms since 1970. The state stays: the caller wipes it. Draws: nonce
 * (24).
 *   KILN_E_USAGE  also: the state was used, or never made */
KILN_API enum kiln_code kiln_opaque_state_seal(const uint8_t key[KILN_OPAQUE_SEAL_KEY_SIZE],
					       struct kiln_opaque_bytes bound, uint64_t now_ms,
					       const struct kiln_opaque_server_state *state,
					       const struct kiln_opaque_random *random,
					       struct kiln_opaque_sealed_state *sealed,
					       struct kiln_error *err) KILN_NODISCARD;

/* max_age_ms is how far creation and now may be apart, either way: clocks of servers differ.
 *   KILN_E_OPAQUE_STATE  it was altered, sealed under another key, or bound to something else
 *   KILN_E_TIMEOUT       it is good, and too old, or from the future */
KILN_API enum kiln_code kiln_opaque_state_open(const uint8_t key[KILN_OPAQUE_SEAL_KEY_SIZE],
					       struct kiln_opaque_bytes bound, uint64_t now_ms,
					       uint64_t max_age_ms,
					       const struct kiln_opaque_sealed_state *sealed,
					       struct kiln_opaque_server_state *state,
					       struct kiln_error *err) KILN_NODISCARD;

/* ---- */

/* Overwrites length bytes at p so that no compiler leaves it out. p may be NULL where length is 0.
 */
KILN_API void kiln_opaque_wipe(void *p, size_t length);

#ifdef __cplusplus
}
#endif
#endif

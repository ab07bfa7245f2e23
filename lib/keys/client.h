/* SPDX-License-Identifier: Apache-2.0
 *
 * One session of a key server's client as a machine: bytes go in, bytes come out, and it says what
 * it waits for. No sockets, no clock. docs/keys.md, "A session".
 *
 *	client = kiln_keys_client_new(&options, &err)
 *	loop, by kiln_keys_client_step(client):
 *		send kiln_keys_client_output, if there is some (also when it is BROKEN)
 *		WANT_INPUT    read, kiln_keys_client_feed
 *		WANT_STRETCH  say so to the user, kiln_keys_client_stretch (takes seconds)
 *		WANT_REQUEST  kiln_keys_client_request
 *		DONE          kiln_keys_client_answer
 *		BROKEN        see kiln_keys_client_error
 *
 * When a connection is lost while it waits for input: kiln_keys_client_resume, and on with the loop
 * on another connection.
 */
#ifndef KILN_KEYS_CLIENT_H
#define KILN_KEYS_CLIENT_H

#include <kiln/opaque.h>

#include "keys/frame.h"

enum kiln_keys_step {
	KILN_KEYS_WANT_INPUT,
	KILN_KEYS_WANT_STRETCH,
	KILN_KEYS_WANT_REQUEST,
	KILN_KEYS_DONE,
	KILN_KEYS_BROKEN,
};

struct kiln_keys_client_options {
	bool registration;
	struct kiln_opaque_bytes account;  /* normalised here */
	struct kiln_opaque_bytes password; /* copied, and wiped when it is not needed any more */
	struct kiln_opaque_bytes token;    /* registration only; length 0: none */
	const uint8_t *exporter;           /* KILN_KEYS_EXPORTER_LEN bytes; NULL: none */
	const char *server_identity;       /* as the server has it; NULL: none; copied */
	const uint8_t *server_key;         /* 32 bytes: the server must be this one; NULL: any */
	struct kiln_opaque_ksf ksf;
	const uint8_t *device;     /* KILN_KEYS_DEVICE_LEN bytes that only it has; NULL: none */
	const char *device_server; /* the server's name, for device; NULL: none */
	const struct kiln_opaque_random *random; /* NULL: the system's; outlives the client */
};

/* A request. What counts depends on operation; nothing is kept but what the session still needs. */
struct kiln_keys_ask {
	enum kiln_keys_operation operation;
	uint8_t key_id[KILN_KEYS_KEY_ID_LEN];
	enum kiln_keys_intent intent;
	uint8_t kind;       /* retrieve: enum kiln_keys_kind that it must be; 0: any */
	const void *secret; /* import */
	size_t secret_len;
	enum kiln_keys_which which;
	uint64_t after_ms, before_ms, from_number;
	uint32_t limit; /* 0: none */
	const uint8_t (*key_ids)[KILN_KEYS_KEY_ID_LEN];
	size_t key_id_count;
	const uint8_t *private_key; /* import a signing key */
	const void *text;           /* sign */
	size_t text_len;
	bool is_digest;
	struct kiln_opaque_bytes new_password; /* copied */
	struct kiln_opaque_ksf new_ksf;
};

struct kiln_keys_answer {
	uint8_t user_id[KILN_KEYS_USER_ID_LEN];
	uint8_t server_key[32];
	uint8_t key_id[KILN_KEYS_KEY_ID_LEN];
	uint8_t kind, context;
	uint8_t secret[KILN_KEYS_SECRET_MAX];
	size_t secret_len;
	uint8_t public_key[KILN_KEYS_PUBLIC_LEN];
	uint8_t signature[KILN_KEYS_SIGNATURE_LEN];
	struct kiln_keys_audit *entries;
	size_t entry_count;
	uint64_t next; /* number of the line that the log goes on with; 0: these are all */
};

struct kiln_keys_client;

/* NULL with *err filled: KILN_E_USAGE, KILN_E_KEYS_NAME (a bad account name), KILN_E_NO_MEMORY,
 * KILN_E_SYSTEM. */
struct kiln_keys_client *kiln_keys_client_new(const struct kiln_keys_client_options *options,
					      struct kiln_error *err) KILN_NODISCARD;
void kiln_keys_client_free(struct kiln_keys_client *client); /* wipes; NULL is fine */

enum kiln_keys_step kiln_keys_client_step(const struct kiln_keys_client *client);

const uint8_t *kiln_keys_client_output(const struct kiln_keys_client *client, size_t *len);
void kiln_keys_client_sent(struct kiln_keys_client *client, size_t len);

/* Takes bytes up to the end of one frame: call again with the rest. */
enum kiln_keys_step kiln_keys_client_feed(struct kiln_keys_client *client, const uint8_t *data,
					  size_t len, size_t *consumed);

enum kiln_keys_step kiln_keys_client_stretch(struct kiln_keys_client *client);

/* KILN_E_USAGE, and nothing happened: it is not the time, or a length is out of bounds. */
enum kiln_code kiln_keys_client_request(struct kiln_keys_client *client,
					const struct kiln_keys_ask *ask,
					struct kiln_error *err) KILN_NODISCARD;

/* Is there a session that kiln_keys_client_resume would go on with? */
bool kiln_keys_client_resumable(const struct kiln_keys_client *client);

/* Was something sent that changes what the server has, without its outcome having come? A session
 * that breaks then gives KILN_E_KEYS_OUTCOME; whoever gives it up says the same. */
bool kiln_keys_client_unsure(const struct kiln_keys_client *client);
#define KILN_KEYS_UNSURE "%.150s: whether it was done is not known, look before asking for it again"

/* On a new connection; exporter is that connection's, NULL: none. KILN_E_USAGE: there is nothing
 * that could be resumed, begin anew; or the session has an exporter, and this connection has none.
 */
enum kiln_code kiln_keys_client_resume(struct kiln_keys_client *client, const uint8_t *exporter,
				       struct kiln_error *err) KILN_NODISCARD;

/* Lives as long as the client. */
const struct kiln_keys_answer *kiln_keys_client_answer(const struct kiln_keys_client *client);

/* Why it is BROKEN: KILN_E_KEYS_* (kiln/error.h), KILN_E_NO_MEMORY, KILN_E_SYSTEM.
 * *retry_after_ms may be NULL. */
const struct kiln_error *kiln_keys_client_error(const struct kiln_keys_client *client,
						uint32_t *retry_after_ms);

#endif

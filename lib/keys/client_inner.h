/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client's session is made of; for client*.c only:
 *	client.c          new and free; bytes to frames, frames to bytes
 *	client_frame.c    one frame: is it what was waited for?
 *	client_login.c    registration and login
 *	client_request.c  the request and its rounds
 */
#ifndef KILN_KEYS_CLIENT_INNER_H
#define KILN_KEYS_CLIENT_INNER_H

#include "keys/client.h"

enum stage {
	STAGE_REGISTER,     /* REGISTER_START is sent */
	STAGE_STRETCH_NEW,  /* REGISTER_RESPONSE came */
	STAGE_LOGIN,        /* KE1 is sent */
	STAGE_STRETCH,      /* KE2 came */
	STAGE_OPENING,      /* KE3 is sent */
	STAGE_OPEN,         /* for a request */
	STAGE_ASKED,        /* REQUEST or FINISH is sent */
	STAGE_STRETCH_NEXT, /* a new password's response came */
	STAGE_DONE,
	STAGE_BROKEN,
};

struct password {
	uint8_t bytes[KILN_OPAQUE_PASSWORD_MAX];
	size_t len;
	struct kiln_opaque_ksf ksf;
};

struct kiln_keys_client {
	enum stage stage;
	bool registration, bound, pinned, resuming, keyed, has_device;
	uint8_t device[KILN_KEYS_DEVICE_LEN]; /* as it is sent */
	uint8_t id[KILN_KEYS_SESSION_ID_LEN];
	uint8_t name[KILN_KEYS_NAME_MAX];
	size_t name_len;
	char *server_identity;
	uint8_t exporter[KILN_KEYS_EXPORTER_LEN]; /* of the connection that it is on */
	uint8_t server_key[32];
	const struct kiln_opaque_random *random;

	/* secret */
	struct password password, next_password;
	struct kiln_opaque_registration_state registration_state;
	struct kiln_opaque_registration_response registration_response;
	struct kiln_opaque_client_state login_state;
	struct kiln_opaque_ke2 ke2;
	struct kiln_keys_channel channel;
	uint8_t master_key[32];
	uint8_t wrapped[KILN_KEYS_WRAPPED_LEN];
	uint8_t secret[KILN_KEYS_SECRET_MAX];
	size_t secret_len;

	uint64_t sent, received, resumes;
	uint8_t operation;
	bool unsure;      /* what changes something was sent, and its outcome did not come yet */
	uint8_t expected; /* kind of the key that is retrieved; 0: any */
	uint8_t key_id[KILN_KEYS_KEY_ID_LEN];
	uint32_t pages;
	uint64_t line_min; /* of a log: the next line has this number at least */
	uint32_t line_max; /* so many lines at most; 0: no bound */

	uint8_t first[KILN_KEYS_LENGTH_LEN];
	uint8_t *in;
	size_t in_len, in_size;
	uint8_t *out, *last;
	size_t out_start, out_end, out_cap, last_len;

	struct kiln_keys_answer answer;
	struct kiln_error error;
	uint32_t retry_after_ms;
};

/* ---- client.c */

/* Sends the next frame. False, and BROKEN, when memory is short. */
bool kiln_keys_client_send(struct kiln_keys_client *c, uint8_t type,
			   const struct kiln_keys_message *message);

/* Appends bytes to the output. */
bool kiln_keys_client_put(struct kiln_keys_client *c, const uint8_t *data, size_t len);

/* The end, with that error. */
void kiln_keys_client_break(struct kiln_keys_client *c, enum kiln_code code, const char *message);

/* ---- client_frame.c */
void kiln_keys_client_take(struct kiln_keys_client *c, const uint8_t *whole, size_t len);

/* ---- client_login.c */
void kiln_keys_client_start(struct kiln_keys_client *c, struct kiln_opaque_bytes token);
typedef void client_step(struct kiln_keys_client *c, struct kiln_keys_message *m);
client_step kiln_keys_client_response, kiln_keys_client_ke2, kiln_keys_client_opened;
void kiln_keys_client_stretch_new(struct kiln_keys_client *c);
void kiln_keys_client_stretch_login(struct kiln_keys_client *c);

/* The password's bytes, for OPAQUE. */
static inline struct kiln_opaque_bytes password_bytes(const struct password *p)
{
	return (struct kiln_opaque_bytes){p->bytes, p->len};
}
struct kiln_opaque_parameters kiln_keys_client_parameters(const struct kiln_keys_client *c,
							  uint8_t context[KILN_KEYS_CONTEXT_MAX]);

/* An OPAQUE call failed. */
void kiln_keys_client_opaque_failed(struct kiln_keys_client *c, const struct kiln_error *why);

/* ---- client_request.c */
void kiln_keys_client_complete(struct kiln_keys_client *c);
client_step kiln_keys_client_continue, kiln_keys_client_finished;
void kiln_keys_client_stretch_next(struct kiln_keys_client *c);

#endif

/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as the key server's answers to a client: plain ones before the login, and frames under
 * the session's keys behind it. Run: fuzz_keys_client tests/fuzz/corpus/keys_client
 *
 * Looks for a client that believes itself logged in, or takes an answer that breaks its form. */
#include "fuzz.h"

#include <sodium.h>

#include "base/bytes.h"
#include "keys/client_inner.h"

static struct kiln_keys_client *new_client(uint8_t how)
{
	const struct kiln_keys_client_options options = {
	    .registration = (how & 1) != 0,
	    .account = {"ada", 3},
	    .password = {"password", 8},
	    .ksf = {.profile = KILN_OPAQUE_KSF_NONE},
	};
	struct kiln_keys_client *client = kiln_keys_client_new(&options, NULL);
	require(client != NULL);
	return client;
}

static void feed(struct kiln_keys_client *client, const uint8_t *data, size_t len)
{
	while (len > 0) {
		size_t consumed;
		const enum kiln_keys_step step =
		    kiln_keys_client_feed(client, data, len, &consumed);
		require(consumed <= len);
		data += consumed;
		len -= consumed;
		if (step == KILN_KEYS_WANT_STRETCH)
			(void)kiln_keys_client_stretch(client);
		if (consumed == 0)
			return;
	}
}

/* Frames of this session, with any type and body; with a MAC where keys are there. */
static void send_frames(struct kiln_keys_client *client, struct fuzz_input *in)
{
	static uint8_t frame[KILN_KEYS_LENGTH_LEN + KILN_KEYS_FRAME_MAX];
	while (in->left > 0) {
		const uint8_t type = fuzz_byte(in);
		size_t len;
		uint8_t *body = fuzz_bytes(in, fuzz_short(in) % 4096, &len);
		const uint8_t *key = kiln_keys_channel_key(&client->channel, type);
		memcpy(frame + KILN_KEYS_HEADER_LEN, body, len);
		kiln_store_be32(frame, (uint32_t)(25 + len + (key != NULL ? 32 : 0)));
		frame[4] = type;
		memcpy(frame + 5, client->id, sizeof client->id);
		kiln_store_be64(frame + 21, client->received);
		if (key != NULL)
			crypto_auth_hmacsha256(frame + KILN_KEYS_HEADER_LEN + len, frame,
					       KILN_KEYS_HEADER_LEN + len, key);
		feed(client, frame, KILN_KEYS_HEADER_LEN + len + (key != NULL ? 32 : 0));
		free(body);
	}
}

static void logged_in(struct kiln_keys_client *client, uint8_t operation)
{
	const uint8_t session_key[64] = {1};
	const struct kiln_keys_ask ask = {
	    .operation = (enum kiln_keys_operation)(operation % KILN_KEYS_OPERATION_END),
	    .secret = "secret",
	    .secret_len = 6,
	    .private_key = session_key,
	    .new_password = {"new", 3},
	    .new_ksf = {.profile = KILN_OPAQUE_KSF_NONE},
	};
	kiln_keys_channel_init(&client->channel, session_key, client->id);
	client->keyed = true;
	client->stage = STAGE_OPEN;
	(void)kiln_keys_client_request(client, &ask, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	const uint8_t how = fuzz_byte(&in);
	struct kiln_keys_client *client = new_client(how);
	if ((how & 2) != 0)
		logged_in(client, fuzz_byte(&in));
	if ((how & 4) != 0 && client->keyed)
		(void)kiln_keys_client_resume(client, NULL, NULL);
	const bool was_in = client->keyed;
	if ((how & 8) != 0)
		feed(client, in.data, in.left);
	else
		send_frames(client, &in);
	require(was_in || (!client->keyed && client->stage < STAGE_OPENING) ||
		client->stage == STAGE_BROKEN);
	const struct kiln_keys_answer *answer = kiln_keys_client_answer(client);
	require(answer->secret_len <= KILN_KEYS_SECRET_MAX);
	kiln_keys_client_free(client);
	return 0;
}

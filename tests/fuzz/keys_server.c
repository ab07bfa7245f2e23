/* SPDX-License-Identifier: Apache-2.0
 * Any bytes to the key server's machine, in pieces, over two connections; and frames that a client
 * with a session's keys makes of any bytes. Run: fuzz_keys_server tests/fuzz/corpus/keys_server
 *
 * Looks for frames taken before a login, sessions beyond their bounds, and answers that break their
 * form. */
#include "fuzz.h"

#include <sodium.h>

#include "base/bytes.h"
#include "keys/client_inner.h"
#include "keys/server.h"
#include "keys_store.h"

static struct memory_store store;
static struct kiln_opaque_setup setup;
static struct kiln_keys_server *server;
static struct kiln_keys_now now = {1000, 1767225600000};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	require(kiln_opaque_setup_generate(NULL, &setup, NULL) == KILN_OK);
	return 0;
}

static void begin(void)
{
	const struct kiln_keys_server_options options = {
	    .store = &memory_store_calls,
	    .store_ctx = &store,
	    .setup = &setup,
	    .registration = KILN_KEYS_REGISTRATION_OPEN,
	    .sessions_max = 8,
	};
	memset(&store, 0, offsetof(struct memory_store, at_begin));
	store.in_batch = store.in_savepoint = false;
	server = kiln_keys_server_new(&options, NULL);
	require(server != NULL);
}

/* What the server says is frames. */
static void drain(struct kiln_keys_conn *conn)
{
	size_t len;
	const uint8_t *out;
	while ((out = kiln_keys_conn_output(conn, &len)) != NULL) {
		const size_t one = kiln_keys_frame_length(out);
		struct kiln_keys_frame frame;
		struct kiln_keys_message m;
		require(one != 0 && one <= len && kiln_keys_frame_read(out, one, &frame));
		require(kiln_keys_message_read(frame.type, frame.body, frame.body_len, &m));
		kiln_keys_conn_sent(conn, one);
	}
}

static void commit(void)
{
	require(kiln_keys_server_commit(server, now));
	while (kiln_keys_server_ready(server) != NULL)
		;
}

/* A client that logs in (registers), with its session left open at the server. */
static struct kiln_keys_client *enter(struct kiln_keys_conn *conn, bool registration)
{
	const struct kiln_keys_client_options options = {
	    .registration = registration,
	    .account = {"ada", 3},
	    .password = {"password", 8},
	    .ksf = {.profile = KILN_OPAQUE_KSF_NONE},
	};
	struct kiln_keys_client *client = kiln_keys_client_new(&options, NULL);
	const enum kiln_keys_step last = registration ? KILN_KEYS_DONE : KILN_KEYS_WANT_REQUEST;
	enum kiln_keys_step step = kiln_keys_client_step(client);
	while (step != last) {
		size_t len, consumed;
		require(step == KILN_KEYS_WANT_INPUT || step == KILN_KEYS_WANT_STRETCH);
		const uint8_t *out = kiln_keys_client_output(client, &len);
		kiln_keys_conn_feed(conn, out, len, now);
		kiln_keys_client_sent(client, len);
		commit();
		out = kiln_keys_conn_output(conn, &len);
		require(out != NULL);
		step = kiln_keys_client_feed(client, out, len, &consumed);
		kiln_keys_conn_sent(conn, consumed);
		if (step == KILN_KEYS_WANT_STRETCH)
			step = kiln_keys_client_stretch(client);
	}
	return client;
}

/* Any body, under the right keys and with the right number. */
static void insider(struct kiln_keys_conn *conn, struct fuzz_input *in)
{
	static uint8_t frame[KILN_KEYS_LENGTH_LEN + KILN_KEYS_FRAME_MAX];
	kiln_keys_client_free(enter(conn, true));
	struct kiln_keys_client *client = enter(conn, false);
	for (int round = 0; round < 4 && in->left > 0; round++) {
		const uint8_t type = fuzz_byte(in), flags = fuzz_byte(in);
		size_t len;
		uint8_t *body = fuzz_bytes(in, fuzz_short(in) % 2048, &len);
		const uint8_t *key = kiln_keys_channel_key(&client->channel, type);
		memset(frame, 0, 64);
		memcpy(frame + KILN_KEYS_HEADER_LEN, body, len);
		if ((flags & 1) != 0 && len >= 33) /* the user_id of a request */
			memcpy(frame + KILN_KEYS_HEADER_LEN + 1, client->answer.user_id, 32);
		kiln_store_be32(frame, (uint32_t)(25 + len + (key != NULL ? 32 : 0)));
		frame[4] = type;
		memcpy(frame + 5, client->id, sizeof client->id);
		kiln_store_be64(frame + 21, (flags & 2) != 0 ? 0 : client->sent++);
		size_t whole = KILN_KEYS_HEADER_LEN + len;
		if (key != NULL) {
			crypto_auth_hmacsha256(frame + whole, frame, whole, key);
			whole += 32;
		}
		kiln_keys_conn_feed(conn, frame, whole, now);
		commit();
		drain(conn);
		free(body);
	}
	kiln_keys_client_free(client);
}

static void stranger(struct kiln_keys_conn *conns[2], struct fuzz_input *in)
{
	while (in->left > 0) {
		const uint8_t what = fuzz_byte(in);
		size_t len;
		uint8_t *some = fuzz_bytes(in, fuzz_byte(in), &len);
		kiln_keys_conn_feed(conns[what & 1], some, len, now);
		free(some);
		if ((what & 2) != 0) {
			now.steady_ms += 1000;
			kiln_keys_server_tick(server, now);
		}
		commit();
		drain(conns[what & 1]);
		require(kiln_keys_server_count(server).open == 0);
		require(kiln_keys_server_count(server).sessions <= 8);
	}
	require(store.now.user_count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct kiln_keys_conn *conns[2];
	begin();
	for (int i = 0; i < 2; i++) {
		conns[i] = kiln_keys_conn_new(server, NULL, NULL, NULL);
		require(conns[i] != NULL);
	}
	if ((fuzz_byte(&in) & 1) != 0)
		insider(conns[0], &in);
	else
		stranger(conns, &in);
	for (int i = 0; i < 2; i++)
		kiln_keys_conn_gone(conns[i], now);
	kiln_keys_server_stop(server, now);
	commit();
	require(kiln_keys_server_count(server).sessions == 0);
	kiln_keys_server_free(server);
	return 0;
}

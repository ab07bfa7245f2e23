/* SPDX-License-Identifier: Apache-2.0
 * The rig of the key server's tests; see keys_rig.h. */
#include "keys_rig.h"

#include "base/bytes.h"

static void note(void *arg, const struct kiln_keys_event *event)
{
	struct rig *rig = arg;
	rig->event = *event;
	rig->events[event->what]++;
}

void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof *rig);
	rig->store = calloc(1, sizeof *rig->store);
	assert_non_null(rig->store);
	assert_int_equal(kiln_opaque_setup_generate(NULL, &rig->setup, NULL), KILN_OK);
	rig->options = (struct kiln_keys_server_options){
	    .store = &memory_store_calls,
	    .store_ctx = rig->store,
	    .setup = &rig->setup,
	    .registration = KILN_KEYS_REGISTRATION_OPEN,
	    .event = note,
	    .event_arg = rig,
	};
	rig->now = (struct kiln_keys_now){1000, UINT64_C(1767225600000)};
	rig->tap_frame = -1;
}

void rig_start(struct rig *rig)
{
	struct kiln_error err = {0};
	rig->server = kiln_keys_server_new(&rig->options, &err);
	if (rig->server == NULL)
		fail_msg("%s", err.message);
}

void rig_end(struct rig *rig)
{
	kiln_keys_server_stop(rig->server, rig->now);
	(void)rig_commit(rig);
	assert_int_equal(kiln_keys_server_count(rig->server).sessions, 0);
	assert_int_equal(kiln_keys_server_count(rig->server).detached, 0);
	assert_int_equal(kiln_keys_server_count(rig->server).open, 0);
	assert_int_equal(kiln_keys_server_count(rig->server).connections, 0);
	kiln_keys_server_free(rig->server);
	assert_false(rig->store->in_batch);
	assert_true(memory_chains_hold(rig->store));
	free(rig->store);
}

bool rig_commit(struct rig *rig)
{
	const bool kept = kiln_keys_server_commit(rig->server, rig->now);
	while (kiln_keys_server_ready(rig->server) != NULL)
		;
	return kept;
}

void rig_pass(struct rig *rig, uint64_t ms)
{
	rig->now.steady_ms += ms;
	rig->now.unix_ms += ms;
	kiln_keys_server_tick(rig->server, rig->now);
	(void)rig_commit(rig);
}

void rig_connect(struct rig_link *link, struct rig *rig, uint8_t source, const uint8_t *exporter)
{
	const uint8_t address[KILN_KEYS_SOURCE_LEN] = {
	    [10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = source};
	memset(link, 0, sizeof *link);
	link->rig = rig;
	link->conn = kiln_keys_conn_new(rig->server, address, exporter, link);
	if (!rig->soft)
		assert_ptr_equal(kiln_keys_conn_user(link->conn), link);
}

void rig_disconnect(struct rig_link *link)
{
	if (link->conn != NULL)
		kiln_keys_conn_gone(link->conn, link->rig->now);
	(void)rig_commit(link->rig);
	kiln_keys_client_free(link->client);
	link->conn = NULL;
	link->client = NULL;
}

struct kiln_keys_client_options rig_client_options(const char *name, const char *password)
{
	return (struct kiln_keys_client_options){
	    .account = {name, strlen(name)},
	    .password = {password, strlen(password)},
	    .ksf = {.profile = KILN_OPAQUE_KSF_NONE},
	};
}

bool rig_client(struct rig_link *link, const struct kiln_keys_client_options *options)
{
	struct kiln_error err = {0};
	kiln_keys_client_free(link->client);
	link->client = kiln_keys_client_new(options, &err);
	if (link->client == NULL && !link->rig->soft)
		fail_msg("%s", err.message);
	return link->client != NULL;
}

static void log_frame(struct rig *rig, bool to_server, const uint8_t *frame, size_t len)
{
	const size_t max = sizeof rig->log / sizeof rig->log[0];
	if (rig->log_count == max || len > sizeof rig->log[0].bytes)
		return;
	rig->log[rig->log_count].to_server = to_server;
	rig->log[rig->log_count].len = len;
	memcpy(rig->log[rig->log_count++].bytes, frame, len);
}

/* One frame through the tap, in a copy of just its size: reading beyond is seen. */
static uint8_t *through_tap(struct rig *rig, bool to_server, const uint8_t *frame, size_t *len)
{
	uint8_t *copy = malloc(*len + 64); /* room for a tap that makes it longer */
	if (copy == NULL)
		return NULL;
	memcpy(copy, frame, *len);
	log_frame(rig, to_server, frame, *len);
	if (rig->tap != NULL)
		rig->tap(rig, to_server, copy, len);
	rig->frames[to_server]++;
	return copy;
}

static bool to_server(struct rig_link *link)
{
	size_t left;
	const uint8_t *out = kiln_keys_client_output(link->client, &left);
	if (out == NULL || link->conn == NULL)
		return false;
	const size_t one = KILN_KEYS_LENGTH_LEN + kiln_load_be32(out);
	size_t len = one;
	uint8_t *copy = through_tap(link->rig, true, out, &len);
	if (copy == NULL)
		return false;
	kiln_keys_client_sent(link->client, one);
	/* In two pieces, for what that may show. */
	const size_t piece = len / 3;
	kiln_keys_conn_feed(link->conn, copy, piece, link->rig->now);
	kiln_keys_conn_feed(link->conn, copy + piece, len - piece, link->rig->now);
	free(copy);
	(void)rig_commit(link->rig);
	return true;
}

static bool to_client(struct rig_link *link)
{
	size_t left;
	const uint8_t *out = link->conn != NULL ? kiln_keys_conn_output(link->conn, &left) : NULL;
	if (out == NULL)
		return false;
	const size_t one = KILN_KEYS_LENGTH_LEN + kiln_load_be32(out);
	size_t len = one, consumed = 0;
	uint8_t *copy = through_tap(link->rig, false, out, &len);
	if (copy == NULL)
		return false;
	kiln_keys_conn_sent(link->conn, one);
	for (size_t at = 0; at < len; at += consumed) {
		const enum kiln_keys_step step =
		    kiln_keys_client_feed(link->client, copy + at, len - at, &consumed);
		if (consumed == 0 || step != KILN_KEYS_WANT_INPUT)
			break;
	}
	free(copy);
	return true;
}

enum kiln_keys_step rig_run(struct rig_link *link)
{
	bool moved = true;
	while (moved) {
		moved = to_server(link);
		moved |= to_client(link);
		if (kiln_keys_client_step(link->client) != KILN_KEYS_WANT_STRETCH)
			continue;
		(void)kiln_keys_client_stretch(link->client);
		link->stretches++;
		moved = true;
	}
	return kiln_keys_client_step(link->client);
}

void rig_register(struct rig *rig, const char *name, const char *password)
{
	struct rig_link link;
	struct kiln_keys_client_options options = rig_client_options(name, password);
	options.registration = true;
	rig_connect(&link, rig, 1, NULL);
	(void)rig_client(&link, &options);
	if (rig_run(&link) != KILN_KEYS_DONE)
		fail_msg("%s", kiln_keys_client_error(link.client, NULL)->message);
	assert_int_equal(link.stretches, 2);
	rig_disconnect(&link);
}

void rig_login(struct rig_link *link, struct rig *rig, const char *name, const char *password)
{
	const struct kiln_keys_client_options options = rig_client_options(name, password);
	rig_connect(link, rig, 1, NULL);
	(void)rig_client(link, &options);
	if (rig_run(link) != KILN_KEYS_WANT_REQUEST)
		fail_msg("%s", kiln_keys_client_error(link->client, NULL)->message);
}

enum kiln_keys_step rig_ask(struct rig_link *link, const struct kiln_keys_ask *ask)
{
	struct kiln_error err = {0};
	if (kiln_keys_client_request(link->client, ask, &err) != KILN_OK)
		fail_msg("%s", err.message);
	return rig_run(link);
}

enum kiln_code rig_do(struct rig *rig, const char *name, const char *password,
		      const struct kiln_keys_ask *ask, struct kiln_keys_answer *answer)
{
	struct rig_link link;
	enum kiln_code rc = KILN_OK;
	rig_login(&link, rig, name, password);
	if (rig_ask(&link, ask) != KILN_KEYS_DONE)
		rc = kiln_keys_client_error(link.client, NULL)->code;
	if (answer != NULL) {
		*answer = *kiln_keys_client_answer(link.client);
		answer->entries = NULL;
	}
	rig_disconnect(&link);
	return rc;
}

size_t rig_raw(struct rig_link *link, const uint8_t *bytes, size_t len, uint8_t *answer, size_t cap)
{
	size_t out_len;
	kiln_keys_conn_feed(link->conn, bytes, len, link->rig->now);
	(void)rig_commit(link->rig);
	const uint8_t *out = kiln_keys_conn_output(link->conn, &out_len);
	if (out == NULL)
		return 0;
	const size_t one = KILN_KEYS_LENGTH_LEN + kiln_load_be32(out);
	assert_true(one <= out_len && one <= cap);
	memcpy(answer, out, one);
	kiln_keys_conn_sent(link->conn, out_len);
	return one;
}

unsigned rig_error_code(const uint8_t *frame, size_t len)
{
	if (len < KILN_KEYS_HEADER_LEN + 6 ||
	    (frame[4] != KILN_KEYS_ERROR && frame[4] != KILN_KEYS_FAILURE))
		return 0;
	return kiln_load_be16(frame + KILN_KEYS_HEADER_LEN);
}

const struct kiln_keys_user *rig_user(const struct rig *rig, const char *name)
{
	for (size_t i = 0; i < rig->store->now.user_count; i++)
		if (rig->store->now.users[i].name_len == strlen(name) &&
		    memcmp(rig->store->now.users[i].name, name, strlen(name)) == 0)
			return &rig->store->now.users[i];
	return NULL;
}

int rig_set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof *rig);
	if (rig == NULL)
		return -1;
	rig_init(rig);
	rig_start(rig);
	*state = rig;
	return 0;
}

int rig_tear_down(void **state)
{
	rig_end(*state);
	free(*state);
	return 0;
}

static void lose(struct rig *rig, bool to_server, uint8_t *frame, size_t *len)
{
	if (rig->tap_frame >= 0 && frame[4] == rig->tap_frame)
		*len = 0;
	(void)to_server;
}

void rig_start_losing(struct rig *rig, const char *name, const char *password)
{
	rig_init(rig);
	rig_start(rig);
	rig_register(rig, name, password);
	rig->tap = lose;
}

void rig_move(struct rig_link *link, uint8_t source)
{
	struct kiln_keys_client *client = link->client;
	struct rig *rig = link->rig;
	kiln_keys_conn_gone(link->conn, rig->now);
	(void)rig_commit(rig);
	rig_connect(link, rig, source, NULL);
	link->client = client;
	assert_int_equal(kiln_keys_client_resume(client, NULL, NULL), KILN_OK);
}

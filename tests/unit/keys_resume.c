/* SPDX-License-Identifier: Apache-2.0
 * Sessions that outlive their connection, and many sessions on one. */
#include "keys_rig.h"

#include "base/bytes.h"
#include "keys/client_inner.h"

#define NAME "ada"
#define PASS "correct horse"

static const struct kiln_keys_ask generate = {.operation = KILN_KEYS_GENERATE_SERVER};

/* Whichever frame was lost, request or answer, the request is executed once. */
static void test_executed_once(void **state)
{
	static const int types[] = {KILN_KEYS_REQUEST, KILN_KEYS_RESPONSE, KILN_KEYS_CONTINUE,
				    KILN_KEYS_FINISH};
	(void)state;
	for (size_t i = 0; i < 2 * sizeof types / sizeof types[0]; i++) {
		struct rig rig;
		struct rig_link link;
		struct kiln_keys_ask ask = generate;
		rig_start_losing(&rig, NAME, PASS);
		rig_login(&link, &rig, NAME, PASS);
		if (i >= 2)
			ask.operation = KILN_KEYS_GENERATE;
		rig.tap_frame = types[i % 4];
		assert_int_equal(rig_ask(&link, &ask), KILN_KEYS_WANT_INPUT);
		for (int times = 0; times < 3; times++) {
			rig_move(&link, (uint8_t)(times + 7));
			assert_int_equal(rig_run(&link), KILN_KEYS_WANT_INPUT);
		}
		rig.tap_frame = -1;
		rig_move(&link, 9);
		assert_int_equal(rig_run(&link), KILN_KEYS_DONE);
		assert_int_equal(rig.store->now.key_count, 1);
		assert_memory_equal(kiln_keys_client_answer(link.client)->key_id,
				    rig.store->now.keys[0].key_id, 16);
		assert_int_equal(rig.events[KILN_KEYS_EVENT_RESUMED], 4);
		rig_disconnect(&link);
		rig_end(&rig);
		if (i == 3)
			break;
	}
}

/* The server does not know the session any more: has it done what it was asked for? */
static void test_forgotten(void **state)
{
	static const struct {
		enum kiln_keys_operation operation;
		int lost; /* type of the frame that does not arrive */
		enum kiln_code code;
	} cases[] = {
	    {KILN_KEYS_GENERATE_SERVER, KILN_KEYS_RESPONSE, KILN_E_KEYS_OUTCOME},
	    {KILN_KEYS_GENERATE_SERVER, KILN_KEYS_REQUEST, KILN_E_KEYS_OUTCOME},
	    {KILN_KEYS_GENERATE, KILN_KEYS_FINISH, KILN_E_KEYS_OUTCOME},
	    {KILN_KEYS_GENERATE, KILN_KEYS_CONTINUE, KILN_E_KEYS_BUSY}, /* it has no secret yet */
	    {KILN_KEYS_AUDIT, KILN_KEYS_RESPONSE, KILN_E_KEYS_BUSY},    /* changes nothing */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rig rig;
		struct rig_link link;
		const struct kiln_keys_ask ask = {.operation = cases[i].operation,
						  .which = KILN_KEYS_AUDIT_ALL};
		rig_start_losing(&rig, NAME, PASS);
		rig_login(&link, &rig, NAME, PASS);
		rig.tap_frame = cases[i].lost;
		assert_int_equal(rig_ask(&link, &ask), KILN_KEYS_WANT_INPUT);
		rig.tap_frame = -1;
		assert_int_equal(kiln_keys_client_unsure(link.client),
				 cases[i].code == KILN_E_KEYS_OUTCOME);
		struct kiln_keys_client *client = link.client;
		kiln_keys_conn_gone(link.conn, rig.now);
		rig_pass(&rig, 3600000);
		rig_connect(&link, &rig, 9, NULL);
		link.client = client;
		assert_int_equal(kiln_keys_client_resume(client, NULL, NULL), KILN_OK);
		assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
		assert_int_equal(kiln_keys_client_error(link.client, NULL)->code, cases[i].code);
		rig_disconnect(&link);
		rig_end(&rig);
	}
}

/* OPEN was lost: the client does not know that it is in, and learns it. */
static void test_open_lost(void **state)
{
	struct rig rig;
	struct rig_link link;
	const struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	(void)state;
	rig_start_losing(&rig, NAME, PASS);
	rig_connect(&link, &rig, 1, NULL);
	(void)rig_client(&link, &options);
	rig.tap_frame = KILN_KEYS_OPEN;
	assert_int_equal(rig_run(&link), KILN_KEYS_WANT_INPUT);
	rig.tap_frame = -1;
	rig_move(&link, 2);
	assert_int_equal(rig_run(&link), KILN_KEYS_WANT_REQUEST);
	assert_int_equal(rig_ask(&link, &generate), KILN_KEYS_DONE);
	rig_disconnect(&link);

	/* KE3 was lost: there is no session to go on with. */
	rig_connect(&link, &rig, 1, NULL);
	(void)rig_client(&link, &options);
	rig.tap_frame = KILN_KEYS_KE3;
	assert_int_equal(rig_run(&link), KILN_KEYS_WANT_INPUT);
	rig.tap_frame = -1;
	rig_move(&link, 2);
	assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
	assert_int_equal(kiln_keys_client_error(link.client, NULL)->code, KILN_E_KEYS_BUSY);
	assert_int_equal(memory_count_lines(rig.store, rig_user(&rig, NAME)->user_id,
					    KILN_KEYS_DID_LOGIN, KILN_KEYS_ABANDONED),
			 1);
	rig_disconnect(&link);
	rig_end(&rig);
}

static size_t make_resume(const struct rig_link *link, uint64_t counter, uint8_t frame[128])
{
	const struct kiln_keys_message m = {.next = link->client->received};
	return kiln_keys_frame_write(KILN_KEYS_RESUME, link->client->id, counter, &m,
				     link->client->channel.resume_client, frame, 128);
}

/* A RESUME that is not good changes nothing, and a counter serves once. */
static void test_forged(void **state)
{
	struct rig rig;
	struct rig_link link, thief;
	uint8_t frame[128], answer[1024];
	(void)state;
	rig_start_losing(&rig, NAME, PASS);
	rig_login(&link, &rig, NAME, PASS);
	rig_connect(&thief, &rig, 66, NULL);
	size_t len = make_resume(&link, 5, frame);
	for (size_t i = 4; i < len; i++) {
		frame[i] ^= 1;
		const size_t n = rig_raw(&thief, frame, len, answer, sizeof answer);
		assert_true(rig_error_code(answer, n) == KILN_KEYS_UNKNOWN_SESSION || i == 4);
		frame[i] ^= 1;
	}
	assert_int_equal(kiln_keys_server_count(rig.server).open, 1);
	size_t n = rig_raw(&thief, frame, len, answer, sizeof answer);
	assert_int_equal(answer[4], KILN_KEYS_RESUMED);
	n = rig_raw(&thief, frame, len, answer, sizeof answer); /* replayed */
	assert_int_equal(rig_error_code(answer, n), KILN_KEYS_UNKNOWN_SESSION);
	len = make_resume(&link, 4, frame);
	n = rig_raw(&thief, frame, len, answer, sizeof answer);
	assert_int_equal(rig_error_code(answer, n), KILN_KEYS_UNKNOWN_SESSION);
	len = make_resume(&link, 6, frame);
	n = rig_raw(&link, frame, len, answer, sizeof answer);
	assert_int_equal(answer[4], KILN_KEYS_RESUMED); /* and back */
	assert_true(n > 0);
	assert_int_equal(rig_ask(&link, &generate), KILN_KEYS_DONE);
	rig_disconnect(&thief);
	rig_disconnect(&link);
	rig_end(&rig);
}

static void log_in_bound(struct rig_link *link, struct rig *rig, const uint8_t *exporter)
{
	struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	options.exporter = exporter;
	rig_connect(link, rig, 1, exporter);
	(void)rig_client(link, &options);
	assert_int_equal(rig_run(link), KILN_KEYS_WANT_REQUEST);
}

/* What the client sends to go on where it has `ours`, to a server that has `theirs` there. */
static void test_bound(void **state)
{
	static const uint8_t first[32] = {1}, ours[32] = {2}, theirs[32] = {3};
	static const struct {
		const uint8_t *client, *server;
		uint8_t answer;
	} cases[] = {
	    {ours, NULL, KILN_KEYS_ERROR},   {ours, theirs, KILN_KEYS_ERROR},
	    {first, ours, KILN_KEYS_ERROR},  {ours, first, KILN_KEYS_ERROR},
	    {ours, ours, KILN_KEYS_RESUMED}, {first, first, KILN_KEYS_RESUMED},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct rig rig;
		struct rig_link link, other;
		uint8_t answer[1024];
		size_t len;
		rig_start_losing(&rig, NAME, PASS);
		log_in_bound(&link, &rig, first);
		rig_connect(&other, &rig, 2, cases[i].server);
		const size_t plain = make_resume(&link, 0, answer); /* no exporter in the MAC */
		len = rig_raw(&other, answer, plain, answer, sizeof answer);
		assert_int_equal(rig_error_code(answer, len), KILN_KEYS_UNKNOWN_SESSION);
		other.client = link.client;
		link.client = NULL;
		assert_int_equal(kiln_keys_client_resume(other.client, NULL, NULL), KILN_E_USAGE);
		assert_int_equal(kiln_keys_client_resume(other.client, cases[i].client, NULL),
				 KILN_OK);
		const uint8_t *out = kiln_keys_client_output(other.client, &len);
		len = rig_raw(&other, out, len, answer, sizeof answer);
		assert_int_equal(answer[4], cases[i].answer);
		assert_int_equal(kiln_keys_server_count(rig.server).open, 1);
		rig_disconnect(&other);
		rig_disconnect(&link);
		rig_end(&rig);
	}
}

/* The client goes on with no server that has another exporter, and with one that has its own. */
static void test_bound_client(void **state)
{
	static const uint8_t first[32] = {1}, ours[32] = {2};
	const uint8_t *const exporters[] = {NULL, first, ours};
	const struct kiln_keys_message m = {.next = 2};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct rig rig;
		struct rig_link link;
		struct kiln_keys_channel here;
		uint8_t frame[128];
		size_t consumed;
		rig_start_losing(&rig, NAME, PASS);
		log_in_bound(&link, &rig, first);
		assert_int_equal(kiln_keys_client_resume(link.client, ours, NULL), KILN_OK);
		kiln_keys_channel_on(&link.client->channel, exporters[i], &here);
		const size_t len = kiln_keys_frame_write(KILN_KEYS_RESUMED, link.client->id, 0, &m,
							 here.resume_server, frame, sizeof frame);
		assert_int_equal(kiln_keys_client_feed(link.client, frame, len, &consumed),
				 exporters[i] == ours ? KILN_KEYS_WANT_REQUEST : KILN_KEYS_BROKEN);
		rig_disconnect(&link);
		rig_end(&rig);
	}
}

static unsigned next_frame(struct rig_link *link)
{
	size_t len;
	const uint8_t *out = kiln_keys_conn_output(link->conn, &len);
	return out != NULL ? out[4] : 0;
}

/* An answer, and its session on to another connection, in a batch that is lost: the answer does not
 * leave by the connection it was written for. What was refused without the store still is. */
static void test_moved_in_lost_batch(void **state)
{
	struct rig rig;
	struct rig_link link, other, stranger;
	const uint8_t nonsense[29] = {0, 0, 0, 25, 0x77};
	size_t len;
	(void)state;
	rig_start_losing(&rig, NAME, PASS);
	rig_login(&link, &rig, NAME, PASS);
	rig_connect(&other, &rig, 2, NULL);
	rig_connect(&stranger, &rig, 3, NULL);
	assert_int_equal(kiln_keys_client_request(link.client, &generate, NULL), KILN_OK);
	const uint8_t *out = kiln_keys_client_output(link.client, &len);
	kiln_keys_conn_feed(link.conn, out, len, rig.now);
	assert_int_equal(kiln_keys_client_resume(link.client, NULL, NULL), KILN_OK);
	out = kiln_keys_client_output(link.client, &len);
	kiln_keys_conn_feed(other.conn, out, len, rig.now);
	kiln_keys_client_sent(link.client, len);
	kiln_keys_conn_feed(stranger.conn, nonsense, sizeof nonsense, rig.now);
	rig.store->fail_commit = true;
	assert_false(rig_commit(&rig));
	rig.store->fail_commit = false;
	assert_int_equal(rig.store->now.key_count, 0);
	assert_int_equal(next_frame(&link), 0);
	assert_int_equal(next_frame(&other), KILN_KEYS_ERROR);
	assert_int_equal(next_frame(&stranger), KILN_KEYS_ERROR);
	other.client = link.client;
	link.client = NULL;
	assert_int_equal(rig_run(&other), KILN_KEYS_BROKEN);
	/* For all that it knows an earlier batch has done it. */
	assert_int_equal(kiln_keys_client_error(other.client, NULL)->code, KILN_E_KEYS_OUTCOME);
	rig_disconnect(&stranger);
	rig_disconnect(&other);
	rig_disconnect(&link);
	rig_end(&rig);
}

/* Many sessions share a connection, their frames mixed. */
static void test_multiplexed(void **state)
{
	struct rig rig;
	struct rig_link links[20];
	const struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	(void)state;
	rig_init(&rig);
	for (size_t i = 1; i < 5; i++)
		rig.options.limits[i] = (struct kiln_keys_limit){1000, 1, 1, 1};
	rig_start(&rig);
	rig_register(&rig, NAME, PASS);
	rig_connect(&links[0], &rig, 1, NULL);
	struct kiln_keys_conn *conn = links[0].conn;
	for (size_t i = 0; i < 20; i++) {
		links[i] = (struct rig_link){.rig = &rig};
		(void)rig_client(&links[i], &options);
	}
	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < 20; i++) {
			size_t len;
			const uint8_t *out = kiln_keys_client_output(links[i].client, &len);
			kiln_keys_conn_feed(conn, out, len, rig.now);
			kiln_keys_client_sent(links[i].client, len);
		}
		assert_true(rig_commit(&rig));
		size_t len, consumed;
		const uint8_t *out;
		while ((out = kiln_keys_conn_output(conn, &len)) != NULL) {
			const size_t one = 4 + kiln_load_be32(out);
			for (size_t i = 0; i < 20; i++) {
				struct kiln_keys_client *c = links[i].client;
				if (memcmp(out + 5, c->id, 16) != 0)
					continue;
				enum kiln_keys_step step =
				    kiln_keys_client_feed(c, out, one, &consumed);
				if (step == KILN_KEYS_WANT_STRETCH)
					step = kiln_keys_client_stretch(c);
				if (step == KILN_KEYS_WANT_REQUEST)
					assert_int_equal(
					    kiln_keys_client_request(c, &generate, NULL), KILN_OK);
			}
			kiln_keys_conn_sent(conn, one);
		}
	}
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(kiln_keys_client_step(links[i].client), KILN_KEYS_DONE);
	assert_int_equal(rig.store->now.key_count, 20);
	for (size_t i = 1; i < 20; i++)
		kiln_keys_client_free(links[i].client);
	links[0].conn = conn;
	rig_disconnect(&links[0]);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_executed_once), cmocka_unit_test(test_forgotten),
	    cmocka_unit_test(test_open_lost),     cmocka_unit_test(test_forged),
	    cmocka_unit_test(test_multiplexed),   cmocka_unit_test(test_moved_in_lost_batch),
	    cmocka_unit_test(test_bound),         cmocka_unit_test(test_bound_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

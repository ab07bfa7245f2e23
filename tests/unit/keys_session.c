/* SPDX-License-Identifier: Apache-2.0
 * Sessions of the key server, client against server, with nobody in between: registration, login,
 * every operation. The requirements' MUSTs are named where they are shown. */
#include "keys_rig.h"

#include "keys/audit.h"
#include "keys/crypto.h"

#define NAME "ada@example.com"
#define PASS "correct horse"

/* The server tells a fresh user_id; the record and the wrapped storage key are stored; the first
 * line of the log says so. "MUST close the session after completion." */
static void test_registration(void **state)
{
	struct rig *rig = *state;
	static const uint8_t zeroes[KILN_KEYS_USER_ID_LEN];
	rig_register(rig, NAME, PASS);
	rig_register(rig, "grace@example.com", PASS);
	const struct kiln_keys_user *a = rig_user(rig, NAME);
	const struct kiln_keys_user *b = rig_user(rig, "grace@example.com");
	assert_non_null(a);
	assert_memory_not_equal(a->user_id, zeroes, sizeof zeroes);
	assert_memory_not_equal(a->user_id, b->user_id, sizeof a->user_id);
	assert_int_equal(memory_count_lines(rig->store, a->user_id, KILN_KEYS_DID_REGISTER, 0), 1);
	assert_int_equal(kiln_keys_server_count(rig->server).open, 0);
}

/* "The key server must check that the given user identifier is fresh." */
static void test_name_taken(void **state)
{
	struct rig *rig = *state;
	struct rig_link link;
	struct kiln_keys_client_options options = rig_client_options(NAME, "other");
	rig_register(rig, NAME, PASS);
	options.registration = true;
	rig_connect(&link, rig, 2, NULL);
	(void)rig_client(&link, &options);
	assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
	assert_int_equal(kiln_keys_client_error(link.client, NULL)->code, KILN_E_KEYS_NAME);
	rig_disconnect(&link);
	assert_int_equal(rig->store->now.user_count, 1);
	rig_login(&link, rig, NAME, PASS); /* still the old password */
	rig_disconnect(&link);
}

/* What is under way goes on, and nothing new begins. */
static void test_wound_down(void **state)
{
	struct rig *rig = *state;
	struct rig_link link, late;
	const struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	rig_register(rig, NAME, PASS);
	rig_connect(&link, rig, 1, NULL);
	(void)rig_client(&link, &options);
	size_t len;
	const uint8_t *out = kiln_keys_client_output(link.client, &len);
	kiln_keys_conn_feed(link.conn, out, len, rig->now);
	kiln_keys_client_sent(link.client, len);
	assert_int_equal(kiln_keys_server_count(rig->server).starting, 1);
	kiln_keys_server_wind_down(rig->server);
	rig_connect(&late, rig, 2, NULL);
	(void)rig_client(&late, &options);
	assert_int_equal(rig_run(&late), KILN_KEYS_BROKEN);
	assert_int_equal(kiln_keys_client_error(late.client, NULL)->code, KILN_E_KEYS_BUSY);
	rig_disconnect(&late);
	assert_int_equal(rig_run(&link), KILN_KEYS_WANT_REQUEST);
	const struct kiln_keys_server_count count = kiln_keys_server_count(rig->server);
	assert_int_equal(count.starting, 0);
	assert_int_equal(count.open, 1);
	rig_disconnect(&link);
}

/* Two register the same name at once: the first to complete has it. */
static void test_race(void **state)
{
	struct rig *rig = *state;
	struct rig_link a, b;
	struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	options.registration = true;
	rig_connect(&a, rig, 1, NULL);
	rig_connect(&b, rig, 2, NULL);
	(void)rig_client(&a, &options);
	(void)rig_client(&b, &options);
	struct kiln_keys_conn *later = b.conn;
	size_t len;
	const uint8_t *out = kiln_keys_client_output(b.client, &len);
	kiln_keys_conn_feed(later, out, len, rig->now); /* the name is free */
	kiln_keys_client_sent(b.client, len);
	assert_true(rig_commit(rig));
	assert_int_equal(rig_run(&a), KILN_KEYS_DONE);
	assert_int_equal(rig_run(&b), KILN_KEYS_BROKEN);
	assert_int_equal(kiln_keys_client_error(b.client, NULL)->code, KILN_E_KEYS_NAME);
	rig_disconnect(&a);
	rig_disconnect(&b);
}

/* "A registration that never completed can be registered again": nothing of it is kept. */
static void drop_request(struct rig *rig, bool to_server, uint8_t *frame, size_t *len)
{
	(void)rig;
	if (to_server && frame[4] == KILN_KEYS_REQUEST)
		*len = 0;
}

static void test_again(void **state)
{
	struct rig *rig = *state;
	struct rig_link link;
	struct kiln_keys_client_options options = rig_client_options(NAME, "first");
	options.registration = true;
	rig_connect(&link, rig, 1, NULL);
	(void)rig_client(&link, &options);
	rig->tap = drop_request;
	assert_int_equal(rig_run(&link), KILN_KEYS_WANT_INPUT);
	rig->tap = NULL;
	rig_disconnect(&link);
	assert_int_equal(rig->store->now.user_count, 0);
	rig_register(rig, NAME, PASS);
	rig_login(&link, rig, NAME, PASS);
	rig_disconnect(&link);
}

/* "Both MUST receive confirmation of the success of the AKE": OPEN is the client's, KE3 the
 * server's, and the attempt is in the log with its outcome. */
static void test_login(void **state)
{
	struct rig *rig = *state;
	struct rig_link link;
	rig_register(rig, NAME, PASS);
	const uint8_t *id = rig_user(rig, NAME)->user_id;
	rig_login(&link, rig, "ADA@Example.COM", PASS);
	assert_memory_equal(kiln_keys_client_answer(link.client)->user_id, id, 32);
	assert_memory_equal(kiln_keys_client_answer(link.client)->server_key,
			    rig->setup.server_public_key, 32);
	assert_int_equal(memory_count_lines(rig->store, id, KILN_KEYS_DID_LOGIN, 0), 1);
	assert_int_equal(kiln_keys_server_count(rig->server).open, 1);
	rig_disconnect(&link);
}

static void test_wrong_password(void **state)
{
	struct rig *rig = *state;
	struct rig_link link;
	const struct kiln_keys_client_options options = rig_client_options(NAME, "wrong");
	rig_register(rig, NAME, PASS);
	rig_connect(&link, rig, 3, NULL);
	(void)rig_client(&link, &options);
	assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
	assert_int_equal(kiln_keys_client_error(link.client, NULL)->code, KILN_E_KEYS_PASSWORD);
	assert_int_equal(memory_count_lines(rig->store, rig_user(rig, NAME)->user_id,
					    KILN_KEYS_DID_LOGIN, KILN_KEYS_LOGIN_FAILED),
			 1);
	assert_int_equal(kiln_keys_server_count(rig->server).sessions, 1); /* the registration's */
	rig_disconnect(&link);
}

static void test_other_server(void **state)
{
	struct rig *rig = *state;
	struct rig_link link;
	uint8_t key[32];
	struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	rig_register(rig, NAME, PASS);
	memcpy(key, rig->setup.server_public_key, sizeof key);
	key[3] ^= 1;
	options.server_key = key;
	rig_connect(&link, rig, 1, NULL);
	(void)rig_client(&link, &options);
	assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
	assert_int_equal(kiln_keys_client_error(link.client, NULL)->code, KILN_E_KEYS_SERVER);
	options.registration = true;
	options.account = (struct kiln_opaque_bytes){"new", 3};
	(void)rig_client(&link, &options);
	assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
	assert_int_equal(kiln_keys_client_error(link.client, NULL)->code, KILN_E_KEYS_SERVER);
	rig_disconnect(&link);
}

/* ---- operations ----------------------------------------------------------------------------- */

static void retrieve(struct rig *rig, const uint8_t key_id[16], enum kiln_keys_intent intent,
		     struct kiln_keys_answer *answer)
{
	struct kiln_keys_ask ask = {.operation = KILN_KEYS_RETRIEVE, .intent = intent};
	memcpy(ask.key_id, key_id, sizeof ask.key_id);
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, answer), KILN_OK);
	assert_memory_equal(answer->key_id, key_id, 16);
}

static void test_backups(void **state)
{
	struct rig *rig = *state;
	struct kiln_keys_answer made, got;
	uint8_t longest[KILN_KEYS_SECRET_MAX];
	rig_register(rig, NAME, PASS);
	struct kiln_keys_ask ask = {.operation = KILN_KEYS_GENERATE};
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &made), KILN_OK);
	assert_int_equal(made.secret_len, 32);
	retrieve(rig, made.key_id, KILN_KEYS_FOR_NOTHING, &got);
	assert_int_equal(got.secret_len, 32);
	assert_memory_equal(got.secret, made.secret, 32);
	assert_int_equal(got.kind, KILN_KEYS_BACKUP);
	assert_int_equal(got.context, KILN_KEYS_CLIENT_GENERATED);
	/* What the server has of it is not the secret. */
	assert_int_equal(rig->store->now.keys[0].data_len, 61);
	assert_null(memmem(rig->store, sizeof *rig->store, made.secret, 32));

	memset(longest, 0x5a, sizeof longest);
	ask = (struct kiln_keys_ask){
	    .operation = KILN_KEYS_IMPORT, .secret = longest, .secret_len = sizeof longest};
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &made), KILN_OK);
	retrieve(rig, made.key_id, KILN_KEYS_FOR_LOCAL_USE, &got);
	assert_int_equal(got.secret_len, sizeof longest);
	assert_memory_equal(got.secret, longest, sizeof longest);
	assert_int_equal(got.context, KILN_KEYS_IMPORTED);
	const uint8_t *id = rig_user(rig, NAME)->user_id;
	assert_int_equal(memory_count_lines(rig->store, id, KILN_KEYS_DID_RETRIEVE_LOCAL, 0), 1);
	assert_int_equal(memory_count_lines(rig->store, id, KILN_KEYS_DID_GENERATE, 0), 1);
	assert_int_equal(memory_count_lines(rig->store, id, KILN_KEYS_DID_IMPORT, 0), 1);
	assert_int_equal(rig->store->now.keys[1].retrieved_ms, rig->now.unix_ms);
}

/* The server has put a secret of its own in a backup's place. */
static void test_passed_off(void **state)
{
	struct rig *rig = *state;
	struct kiln_keys_answer made, got;
	rig_register(rig, NAME, PASS);
	const struct kiln_keys_ask backup = {.operation = KILN_KEYS_GENERATE};
	assert_int_equal(rig_do(rig, NAME, PASS, &backup, &made), KILN_OK);
	rig->store->now.keys[0].kind = KILN_KEYS_HELD;
	rig->store->now.keys[0].data_len = 6;
	memcpy(rig->store->now.keys[0].data, "theirs", 6);
	struct kiln_keys_ask ask = {.operation = KILN_KEYS_RETRIEVE, .kind = KILN_KEYS_BACKUP};
	memcpy(ask.key_id, made.key_id, sizeof ask.key_id);
	memset(&got, 0, sizeof got);
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &got), KILN_E_KEYS_STORED);
	assert_int_equal(got.secret_len, 0);
	ask.kind = KILN_KEYS_SIGNING;
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &got), KILN_E_KEYS_STORED);
	ask.kind = KILN_KEYS_HELD;
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &got), KILN_OK);
	assert_memory_equal(got.secret, "theirs", 6);
}

static void test_held(void **state)
{
	struct rig *rig = *state;
	struct kiln_keys_answer made, got;
	rig_register(rig, NAME, PASS);
	struct kiln_keys_ask ask = {.operation = KILN_KEYS_GENERATE_SERVER};
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &made), KILN_OK);
	retrieve(rig, made.key_id, KILN_KEYS_FOR_EXPORT, &got);
	assert_int_equal(got.secret_len, 32);
	assert_memory_equal(got.secret, rig->store->now.keys[0].data, 32);
	assert_int_equal(got.context, KILN_KEYS_SERVER_GENERATED);
	ask = (struct kiln_keys_ask){
	    .operation = KILN_KEYS_IMPORT_SERVER, .secret = "\x00\x01", .secret_len = 2};
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &made), KILN_OK);
	retrieve(rig, made.key_id, KILN_KEYS_FOR_NOTHING, &got);
	assert_int_equal(got.kind, KILN_KEYS_HELD);
	assert_int_equal(got.secret_len, 2);
	assert_memory_equal(got.secret, "\x00\x01", 2);
	assert_int_equal(
	    memory_count_lines(rig->store, rig_user(rig, NAME)->user_id, KILN_KEYS_DID_EXPORT, 0),
	    1);
}

static void test_delete(void **state)
{
	struct rig *rig = *state;
	struct kiln_keys_answer made;
	rig_register(rig, NAME, PASS);
	rig_register(rig, "eve", PASS);
	struct kiln_keys_ask ask = {.operation = KILN_KEYS_GENERATE_SERVER};
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &made), KILN_OK);
	ask.operation = KILN_KEYS_DELETE;
	memcpy(ask.key_id, made.key_id, sizeof ask.key_id);
	/* Somebody else's: as if there were none. */
	assert_int_equal(rig_do(rig, "eve", PASS, &ask, NULL), KILN_E_KEYS_KEY);
	ask.operation = KILN_KEYS_RETRIEVE;
	assert_int_equal(rig_do(rig, "eve", PASS, &ask, NULL), KILN_E_KEYS_KEY);
	assert_int_equal(memory_count_lines(rig->store, rig_user(rig, "eve")->user_id,
					    KILN_KEYS_DID_RETRIEVE, KILN_KEYS_NO_SUCH_KEY),
			 1);
	ask.operation = KILN_KEYS_DELETE;
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, NULL), KILN_OK);
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, NULL), KILN_E_KEYS_KEY);
	ask.operation = KILN_KEYS_RETRIEVE;
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, NULL), KILN_E_KEYS_KEY);
}

static void test_signing(void **state)
{
	struct rig *rig = *state;
	struct kiln_keys_answer made, got;
	uint8_t digest[32], scalar[32] = {[31] = 5};
	static uint8_t message[20000];
	rig_register(rig, NAME, PASS);
	struct kiln_keys_ask ask = {.operation = KILN_KEYS_GENERATE_SIGNING};
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &made), KILN_OK);
	ask.operation = KILN_KEYS_SIGN;
	memcpy(ask.key_id, made.key_id, sizeof ask.key_id);
	for (size_t len = 0; len <= sizeof message; len += 10000) {
		ask.text = message;
		ask.text_len = len;
		assert_int_equal(rig_do(rig, NAME, PASS, &ask, &got), KILN_OK);
		assert_true(kiln_keys_sha256(message, len, digest));
		assert_true(kiln_keys_ec_verify(made.public_key, digest, got.signature));
		digest[0] ^= 1;
		assert_false(kiln_keys_ec_verify(made.public_key, digest, got.signature));
	}
	ask.text = digest;
	ask.text_len = sizeof digest;
	ask.is_digest = true;
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &got), KILN_OK);
	assert_true(kiln_keys_ec_verify(made.public_key, digest, got.signature));
	ask.operation = KILN_KEYS_PUBLIC_KEY;
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &got), KILN_OK);
	assert_memory_equal(got.public_key, made.public_key, 33);

	ask = (struct kiln_keys_ask){.operation = KILN_KEYS_IMPORT_SIGNING, .private_key = scalar};
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &got), KILN_OK);
	scalar[31] = 0;
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &got), KILN_E_KEYS_KEY);
	memset(scalar, 0xff, sizeof scalar);
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &got), KILN_E_KEYS_KEY);

	/* A secret is no signing key. */
	ask = (struct kiln_keys_ask){.operation = KILN_KEYS_GENERATE_SERVER};
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &made), KILN_OK);
	ask.operation = KILN_KEYS_SIGN;
	memcpy(ask.key_id, made.key_id, sizeof ask.key_id);
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &got), KILN_E_KEYS_KEY);
}

/* A new password opens what the old one stored; the old one opens nothing any more. */
static void test_change_password(void **state)
{
	struct rig *rig = *state;
	struct rig_link link, other;
	struct kiln_keys_answer made, got;
	const struct kiln_keys_client_options old = rig_client_options(NAME, PASS);
	struct kiln_keys_ask ask = {.operation = KILN_KEYS_GENERATE};
	rig_register(rig, NAME, PASS);
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &made), KILN_OK);
	rig_login(&other, rig, NAME, PASS);
	ask = (struct kiln_keys_ask){.operation = KILN_KEYS_CHANGE_PASSWORD,
				     .new_password = {"another", 7},
				     .new_ksf = {.profile = KILN_OPAQUE_KSF_NONE}};
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, NULL), KILN_OK);
	ask = (struct kiln_keys_ask){.operation = KILN_KEYS_RETRIEVE};
	memcpy(ask.key_id, made.key_id, sizeof ask.key_id);
	/* A session that the old password opened. */
	assert_int_equal(rig_ask(&other, &ask), KILN_KEYS_BROKEN);
	assert_int_equal(kiln_keys_client_error(other.client, NULL)->code, KILN_E_KEYS_REFUSED);
	rig_disconnect(&other);
	assert_int_equal(rig_do(rig, NAME, "another", &ask, &got), KILN_OK);
	assert_memory_equal(got.secret, made.secret, 32);
	rig_connect(&link, rig, 1, NULL);
	(void)rig_client(&link, &old);
	assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
	assert_int_equal(kiln_keys_client_error(link.client, NULL)->code, KILN_E_KEYS_PASSWORD);
	rig_disconnect(&link);
	assert_int_equal(rig_user(rig, NAME)->generation, 2);
}

static void test_nothing(void **state)
{
	struct rig *rig = *state;
	const struct kiln_keys_ask ask = {.operation = KILN_KEYS_NOTHING};
	rig_register(rig, NAME, PASS);
	const size_t lines = rig->store->now.line_count;
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, NULL), KILN_OK);
	assert_int_equal(rig->store->now.line_count, lines + 1); /* the login */
}

static void test_full(void **state)
{
	struct rig *rig = *state;
	const struct kiln_keys_ask ask = {.operation = KILN_KEYS_GENERATE};
	rig_register(rig, NAME, PASS);
	rig->store->keys_max = 1;
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, NULL), KILN_OK);
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, NULL), KILN_E_KEYS_REFUSED);
	assert_int_equal(memory_count_lines(rig->store, rig_user(rig, NAME)->user_id,
					    KILN_KEYS_DID_GENERATE, KILN_KEYS_FULL),
			 1);
}

/* The exporter binds a session to its connection: both must have the same. */
static void test_binding(void **state)
{
	struct rig *rig = *state;
	struct rig_link link;
	const uint8_t ours[32] = {1}, theirs[32] = {2};
	struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	rig_register(rig, NAME, PASS);
	const struct {
		const uint8_t *client, *server;
		enum kiln_keys_step step;
		enum kiln_code code;
	} cases[] = {
	    {ours, ours, KILN_KEYS_WANT_REQUEST, KILN_OK},
	    {NULL, ours, KILN_KEYS_WANT_REQUEST, KILN_OK},
	    {ours, theirs, KILN_KEYS_BROKEN, KILN_E_KEYS_PASSWORD},
	    {ours, NULL, KILN_KEYS_BROKEN, KILN_E_KEYS_REFUSED},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		options.exporter = cases[i].client;
		rig_connect(&link, rig, 1, cases[i].server);
		(void)rig_client(&link, &options);
		assert_int_equal(rig_run(&link), cases[i].step);
		assert_int_equal(kiln_keys_client_error(link.client, NULL)->code, cases[i].code);
		rig_disconnect(&link);
	}
}

static void test_binding_required(void **state)
{
	struct rig rig;
	struct rig_link link;
	const uint8_t exporter[32] = {1};
	struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	(void)state;
	rig_init(&rig);
	rig.options.require_binding = true;
	rig.options.identity = "keys.example.com";
	rig_start(&rig);
	options.registration = true;
	rig_connect(&link, &rig, 1, exporter);
	(void)rig_client(&link, &options);
	assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
	assert_int_equal(rig.event.outcome, KILN_KEYS_BINDING);
	options.exporter = exporter;
	(void)rig_client(&link, &options); /* the identities differ */
	assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
	options.server_identity = "keys.example.com";
	(void)rig_client(&link, &options);
	assert_int_equal(rig_run(&link), KILN_KEYS_DONE);
	rig_disconnect(&link);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_registration),   RIG_TEST(test_name_taken),
	    RIG_TEST(test_wound_down),     RIG_TEST(test_race),
	    RIG_TEST(test_again),          RIG_TEST(test_login),
	    RIG_TEST(test_wrong_password), RIG_TEST(test_other_server),
	    RIG_TEST(test_backups),        RIG_TEST(test_held),
	    RIG_TEST(test_passed_off),     RIG_TEST(test_delete),
	    RIG_TEST(test_signing),        RIG_TEST(test_change_password),
	    RIG_TEST(test_nothing),        RIG_TEST(test_full),
	    RIG_TEST(test_binding),        cmocka_unit_test(test_binding_required),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

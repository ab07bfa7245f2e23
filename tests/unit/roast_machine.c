/* SPDX-License-Identifier: Apache-2.0
 * The machines of both roles against each other, at every size of pieces, and what they refuse. */
#include "roast_rig.h"

#include <stdio.h>

static struct side client, server;

static void open_both(const char *name)
{
	side_open(&client, &(struct side_options){
			       .role = KILN_CLIENT, .who = &client_person, .server_name = name});
	side_open(&server, &(struct side_options){.role = KILN_SERVER, .who = &server_person});
}

static void close_both(void)
{
	side_close(&client);
	side_close(&server);
}

static void assert_both_done(void)
{
	if (client.step != KILN_ROAST_DONE || server.step != KILN_ROAST_DONE)
		fail_msg("client: %s; server: %s", client.err.message, server.err.message);
	const struct kiln_roast_peer *peer = kiln_roast_peer(server.roast);
	assert_string_equal(peer->role.name, "ClientRole");
	assert_string_equal(peer->role.account, "123456789012");
	assert_string_equal(peer->session, "client-session");
	assert_true(peer->bound);
	peer = kiln_roast_peer(client.roast);
	assert_string_equal(peer->role.name, "ServerRole");
	assert_true(peer->bound);
}

static void test_every_chunk(void **state)
{
	(void)state;
	for (size_t chunk = 1; chunk < 4000; chunk += chunk < 40 ? 1 : chunk < 1400 ? 97 : 1301) {
		open_both(NULL);
		sides_run(&client, &server, chunk);
		assert_both_done();
		assert_int_equal(client.in.len, 0);
		assert_int_equal(server.in.len, 0);
		close_both();
	}
}

/* No line feed goes out: Go's TLS would take a late one for its first byte. */
static void test_output(void **state)
{
	struct wire hello = {0};
	(void)state;
	open_both(NULL);
	side_run(&client, SIZE_MAX);
	side_take(&client, &hello);
	assert_int_equal(hello.data[0], '{');
	assert_int_equal(hello.data[hello.len - 1], '}');
	size_t len;
	assert_null(kiln_roast_output(client.roast, &len));
	assert_int_equal(len, 0);
	wire_free(&hello);
	close_both();
}

/* White space before and behind a hello is eaten. */
static void test_what_is_consumed(void **state)
{
	struct wire hello = {0};
	(void)state;
	open_both(NULL);
	side_run(&client, SIZE_MAX);
	side_take(&client, &hello);
	wire_add(&server.in, " \r\n\t", 4);
	wire_add(&server.in, hello.data, hello.len);
	wire_add(&server.in, "\r\n", 2);
	side_run(&server, SIZE_MAX);
	assert_int_equal(server.step, KILN_ROAST_DONE);
	assert_int_equal(server.in.len, 0);
	wire_free(&hello);
	close_both();
}

/* TLS that comes before our own hello is refused before anybody is asked. */
static void test_nothing_behind_a_hello(void **state)
{
	struct wire hello = {0};
	(void)state;
	open_both(NULL);
	side_run(&client, SIZE_MAX);
	side_take(&client, &hello);
	wire_add(&server.in, hello.data, hello.len);
	wire_add(&server.in, "\n\x16", 2);
	side_run(&server, SIZE_MAX);
	assert_int_equal(server.step, KILN_ROAST_FAILED);
	assert_int_equal(server.err.code, KILN_E_ROAST_HELLO);
	assert_non_null(strstr(server.err.message, "bytes follow it at once"));
	assert_null(kiln_roast_question(server.roast));
	wire_free(&hello);
	close_both();
}

/* A question that is open consumes nothing. */
static void test_asking_stops_input(void **state)
{
	size_t consumed = 1;
	(void)state;
	open_both(NULL);
	assert_int_equal(client.step, KILN_ROAST_ASK);
	assert_int_equal(kiln_roast_question(client.roast)->ask, KILN_ROAST_PROVE);
	assert_int_equal(
	    kiln_roast_step(client.roast, (const uint8_t *)"{", 1, &consumed, RIG_MS, &client.err),
	    KILN_ROAST_ASK);
	assert_int_equal(consumed, 0);
	close_both();
}

static void run_with_allowed(const char *server_allows, const char *client_allows)
{
	side_open(&client, &(struct side_options){.role = KILN_CLIENT,
						  .who = &client_person,
						  .allowed = client_allows});
	side_open(&server, &(struct side_options){.role = KILN_SERVER,
						  .who = &server_person,
						  .allowed = server_allows});
	sides_run(&client, &server, SIZE_MAX);
}

static void test_other_roles(void **state)
{
	static const char *const others[] = {
	    "arn:aws:iam::123456789012:role/OtherRole",
	    "arn:aws:iam::123456789012:role/clientrole",
	    "arn:aws:iam::210987654321:role/ClientRole",
	};
	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		run_with_allowed(others[i], NULL);
		assert_refused(&server, KILN_E_ACCESS_DENIED,
			       "the role of client 192.0.2.9:50000 is refused: it is "
			       "arn:aws:iam::123456789012:role/ClientRole");
		/* The refused one hears nothing, and who it was can still be logged. */
		assert_int_equal(client.in.len, 0);
		assert_string_equal(kiln_roast_peer(server.roast)->session, "client-session");
		close_both();
	}
	run_with_allowed(NULL, mallory.role);
	assert_int_equal(server.step, KILN_ROAST_DONE);
	assert_refused(&client, KILN_E_ACCESS_DENIED,
		       "the role of server 192.0.2.1:4433 is refused");
	close_both();
}

/* STS of another partition is run by others: it is not asked about roles that it has no say in, and
 * not believed about them. */
static void test_partitions(void **state)
{
	struct wire hello = {0};
	size_t consumed;
	(void)state;
	run_with_allowed("arn:aws-us-gov:iam::123456789012:role/ClientRole", NULL);
	assert_refused(
	    &server, KILN_E_ACCESS_DENIED,
	    "its region eu-central-1 is of the partition aws, of which no role is allowed");
	assert_int_equal(server.questions, 0);
	close_both();

	open_both(NULL);
	side_run(&client, SIZE_MAX);
	side_take(&client, &hello);
	server.step =
	    kiln_roast_step(server.roast, hello.data, hello.len, &consumed, RIG_MS, &server.err);
	assert_int_equal(server.step, KILN_ROAST_ASK);
	const struct kiln_aws_role foreign =
	    rig_role("arn:aws-cn:iam::123456789012:role/ClientRole");
	server.step = kiln_roast_verified(server.roast, &foreign, "evil", RIG_MS, &server.err);
	assert_refused(&server, KILN_E_STS,
		       "an STS of the partition aws vouched for a role of the partition aws-cn");
	wire_free(&hello);
	close_both();
}

static void test_no_role(void **state)
{
	(void)state;
	side_open(&client, &(struct side_options){.role = KILN_CLIENT, .who = &iam_user});
	side_open(&server, &(struct side_options){.role = KILN_SERVER, .who = &server_person});
	sides_run(&client, &server, SIZE_MAX);
	assert_refused(&server, KILN_E_ACCESS_DENIED, "user");
	close_both();
}

static void test_sts_refuses(void **state)
{
	struct person forged = client_person;
	(void)state;
	forged.secret = "a/guess/at/the/clients/secret/000000000000";
	side_open(&client, &(struct side_options){.role = KILN_CLIENT, .who = &forged});
	side_open(&server, &(struct side_options){.role = KILN_SERVER, .who = &server_person});
	sides_run(&client, &server, SIZE_MAX);
	assert_refused(&server, KILN_E_ROAST_PROOF, "STS refuses the signature");
	assert_null(kiln_roast_peer(server.roast));
	close_both();
}

/* A peer's clock, or its courage: five minutes either way, decided before STS is asked. */
static void test_dates(void **state)
{
	static const int64_t off[] = {-301, 301, -299, 299};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		open_both(NULL);
		struct kiln_aws_proof proof;
		const struct kiln_roast_question *q = kiln_roast_question(client.roast);
		person_prove(&client_person, "us-east-1", RIG_NOW + off[i], q->payload,
			     q->payload_len, &proof);
		client.step = kiln_roast_proved(client.roast, &proof, RIG_MS, &client.err);
		kiln_aws_proof_clear(&proof);
		sides_run(&client, &server, SIZE_MAX);
		if (i < 2) {
			assert_refused(&server, KILN_E_ROAST_PROOF, "5 minutes");
			assert_int_equal(server.questions, 0);
		} else {
			assert_both_done();
		}
		close_both();
	}
}

static void test_replay(void **state)
{
	struct kiln_error err = {0};
	struct kiln_roast_replay *seen = kiln_roast_replay_new(16, &err);
	struct wire hello = {0};
	(void)state;
	assert_non_null(seen);
	side_open(&client, &(struct side_options){.role = KILN_CLIENT, .who = &client_person});
	side_run(&client, SIZE_MAX);
	side_take(&client, &hello);
	for (int i = 0; i < 2; i++) {
		side_open(&server, &(struct side_options){.role = KILN_SERVER,
							  .who = &server_person,
							  .replays = seen});
		wire_add(&server.in, hello.data, hello.len);
		side_run(&server, SIZE_MAX);
		if (i == 0)
			assert_int_equal(server.step, KILN_ROAST_DONE);
		else
			assert_refused(&server, KILN_E_ROAST_PROOF, "replay");
		assert_int_equal(server.questions, 1 - i);
		side_close(&server);
	}
	side_close(&client);
	wire_free(&hello);
	kiln_roast_replay_free(seen);
}

/* Our own words come back, as they are or re-signed by somebody who is allowed. */
static void test_reflection(void **state)
{
	struct wire hello = {0};
	(void)state;
	open_both(NULL);
	side_run(&client, SIZE_MAX);
	side_take(&client, &hello);
	wire_add(&client.in, hello.data, hello.len);
	side_run(&client, SIZE_MAX);
	assert_refused(&client, KILN_E_ROAST_HELLO, "our own");
	assert_int_equal(client.questions, 0);
	close_both();

	open_both(NULL);
	side_run(&client, SIZE_MAX);
	wire_drop(&hello, hello.len);
	side_take(&client, &hello);
	char *payload = hello_payload(&hello);
	hello_make(&client.in, &server_person, payload);
	side_run(&client, SIZE_MAX);
	assert_refused(&client, KILN_E_ROAST_HELLO, "the hello of a client, sent as a server");
	free(payload);
	wire_free(&hello);
	close_both();
}

/* A server's hello as a client's, and one that would pass for both. */
static void test_role_confusion(void **state)
{
	struct wire hello = {0};
	(void)state;
	open_both(NULL);
	side_run(&client, SIZE_MAX);
	side_take(&client, &hello);
	char *payload = hello_payload(&hello);
	char *both = replaced(payload, "{", "{\"ServerCA\":\"AAAA\",");
	char *others = replaced(payload, "ClientCA", "ServerCA");
	const char *const payloads[] = {both, others};
	for (size_t i = 0; i < 2; i++) {
		side_close(&server);
		side_open(&server,
			  &(struct side_options){.role = KILN_SERVER, .who = &server_person});
		hello_make(&server.in, &client_person, payloads[i]);
		side_run(&server, SIZE_MAX);
		assert_refused(&server, KILN_E_ROAST_HELLO,
			       "the hello of a server, sent as a client");
		assert_int_equal(server.questions, 0);
	}
	free(both);
	free(others);
	free(payload);
	wire_free(&hello);
	close_both();
}

static void test_deadline(void **state)
{
	size_t consumed;
	(void)state;
	/* While the question is open: the answer comes too late. */
	open_both(NULL);
	assert_int_equal(kiln_roast_deadline(client.roast), RIG_MS + 15000);
	client.ms = RIG_MS + 14999;
	side_run(&client, SIZE_MAX);
	assert_int_equal(client.step, KILN_ROAST_NEED_INPUT);
	client.step =
	    kiln_roast_step(client.roast, NULL, 0, &consumed, RIG_MS + 15000, &client.err);
	assert_refused(&client, KILN_E_TIMEOUT,
		       "server 192.0.2.1:4433: 15 s have passed while waiting for its hello");
	close_both();

	open_both(NULL);
	client.ms = RIG_MS + 15000;
	side_run(&client, SIZE_MAX);
	assert_refused(&client, KILN_E_TIMEOUT, "for the signature of our own proof");
	close_both();

	open_both(NULL);
	side_run(&client, SIZE_MAX);
	side_take(&client, &server.in);
	server.ms = RIG_MS + 15000;
	side_run(&server, SIZE_MAX);
	assert_refused(&server, KILN_E_TIMEOUT, "for its hello");
	close_both();

	/* STS takes 17 s, as the real server would wait for. */
	open_both(NULL);
	side_run(&client, SIZE_MAX);
	side_take(&client, &server.in);
	server.step = kiln_roast_step(server.roast, server.in.data, server.in.len, &consumed,
				      RIG_MS, &server.err);
	assert_int_equal(server.step, KILN_ROAST_ASK);
	server.ms = RIG_MS + 17000;
	side_run(&server, SIZE_MAX);
	assert_refused(&server, KILN_E_TIMEOUT, "STS");
	close_both();
}

static void test_ended(void **state)
{
	struct wire hello = {0};
	size_t consumed;
	(void)state;
	open_both(NULL);
	side_run(&client, SIZE_MAX);
	side_take(&client, &hello);
	client.step = kiln_roast_ended(client.roast, &client.err);
	assert_refused(&client, KILN_E_ROAST_HELLO, "is our role on its list?");
	server.step = kiln_roast_step(server.roast, hello.data, hello.len / 2, &consumed, RIG_MS,
				      &server.err);
	assert_int_equal(server.step, KILN_ROAST_NEED_INPUT);
	server.step = kiln_roast_ended(server.roast, &server.err);
	assert_refused(&server, KILN_E_ROAST_HELLO, "for the rest of its hello");
	wire_free(&hello);
	close_both();
}

static void test_misuse(void **state)
{
	struct kiln_error err = {0};
	const struct kiln_aws_role role = rig_role(client_person.role);
	struct kiln_aws_proof proof;
	(void)state;
	struct kiln_roast_options options = {.role = KILN_SERVER};
	assert_null(kiln_roast_new(&options, RIG_NOW, RIG_MS, &err));
	assert_int_equal(err.code, KILN_E_CONFIG);
	options = (struct kiln_roast_options){
	    .role = KILN_CLIENT, .allowed = &role, .allowed_count = 1, .server_name = "bad name"};
	assert_null(kiln_roast_new(&options, RIG_NOW, RIG_MS, &err));
	assert_int_equal(err.code, KILN_E_USAGE);

	open_both(NULL);
	assert_null(kiln_roast_handshake(client.roast, NULL, RIG_MS, &err));
	server.step = kiln_roast_verified(server.roast, &role, "x", RIG_MS, &server.err);
	assert_refused(&server, KILN_E_USAGE, "nobody asked");
	/* A proof of something else than what was asked for never goes out. */
	person_prove(&client_person, "us-east-1", RIG_NOW, "{}", 2, &proof);
	client.step = kiln_roast_proved(client.roast, &proof, RIG_MS, &client.err);
	kiln_aws_proof_clear(&proof);
	assert_refused(&client, KILN_E_USAGE, "another payload");
	close_both();
}

static void test_unanswered(void **state)
{
	struct kiln_error why = {0};
	(void)state;
	open_both(NULL);
	(void)kiln_fail(&why, KILN_E_CREDENTIALS, "the credentials have expired");
	client.step = kiln_roast_unanswered(client.roast, &why, &client.err);
	assert_refused(&client, KILN_E_CREDENTIALS,
		       "our own role cannot be proved: the credentials have expired");
	close_both();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_chunk),
	    cmocka_unit_test(test_output),
	    cmocka_unit_test(test_what_is_consumed),
	    cmocka_unit_test(test_nothing_behind_a_hello),
	    cmocka_unit_test(test_asking_stops_input),
	    cmocka_unit_test(test_other_roles),
	    cmocka_unit_test(test_partitions),
	    cmocka_unit_test(test_no_role),
	    cmocka_unit_test(test_sts_refuses),
	    cmocka_unit_test(test_dates),
	    cmocka_unit_test(test_replay),
	    cmocka_unit_test(test_reflection),
	    cmocka_unit_test(test_role_confusion),
	    cmocka_unit_test(test_deadline),
	    cmocka_unit_test(test_ended),
	    cmocka_unit_test(test_misuse),
	    cmocka_unit_test(test_unanswered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

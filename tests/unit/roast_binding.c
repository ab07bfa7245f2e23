/* SPDX-License-Identifier: Apache-2.0
 * The binding between two Kilns, attacked from in between: golden/roast/identity_misbinding.txt
 * played again, a server's hello for another client, and every field changed. */
#include "roast_rig.h"

#include <stdio.h>

#define BOTH_ROLES_COUNT 2u

static struct side client, server;
static struct wire hello;

/* A server that lets the client and the attacker in: the attack needs an allowed role. */
static struct kiln_aws_role allowed[BOTH_ROLES_COUNT];

static void open_server(bool require)
{
	side_open(&server, &(struct side_options){.role = KILN_SERVER, .who = &server_person});
	kiln_roast_free(server.roast);
	allowed[0] = rig_role(client_person.role);
	allowed[1] = rig_role(mallory.role);
	const struct kiln_roast_options options = {
	    .role = KILN_SERVER,
	    .allowed = allowed,
	    .allowed_count = BOTH_ROLES_COUNT,
	    .own_role = &server.own,
	    .require_binding = require,
	};
	server.roast = kiln_roast_new(&options, RIG_NOW, RIG_MS, &server.err);
	assert_non_null(server.roast);
	server.step = KILN_ROAST_NEED_INPUT;
}

static void open_client(bool bound, bool require)
{
	side_open(&client, &(struct side_options){.role = KILN_CLIENT,
						  .who = &client_person,
						  .no_binding = !bound,
						  .require_binding = require});
	side_run(&client, SIZE_MAX);
	side_take(&client, &hello);
}

static void close_all(void)
{
	side_close(&client);
	side_close(&server);
	wire_free(&hello);
}

/* Takes `,"Kiln":{...}` out of a payload. */
static char *stripped(const char *payload)
{
	const char *at = strstr(payload, ",\"Kiln\":");
	char *out = NULL;
	assert_non_null(at);
	assert_true(asprintf(&out, "%.*s}", (int)(at - payload), payload) > 0);
	return out;
}

/* The attack: the victim's payload, and so the CA of its TLS certificate, under another's name. */
static void play(bool bound, bool strip, bool require)
{
	open_client(bound, false);
	open_server(require);
	char *payload = hello_payload(&hello);
	char *changed = strip ? stripped(payload) : strdup(payload);
	hello_make(&server.in, &mallory, changed);
	side_run(&server, SIZE_MAX);
	free(changed);
	free(payload);
}

static void test_misbinding(void **state)
{
	(void)state;
	play(true, false, false);
	assert_refused(&server, KILN_E_ROAST_BINDING,
		       "made by arn:aws:iam::123456789012:role/ClientRole and signed by "
		       "arn:aws:iam::123456789012:role/OtherRole");
	close_all();
}

/* What remains between peers of which one has no binding, as with the real library: the attack
 * works, unless bindings are required. docs/roast.md says so. */
static void test_without_binding(void **state)
{
	(void)state;
	play(false, false, false);
	assert_int_equal(server.step, KILN_ROAST_DONE);
	assert_string_equal(kiln_roast_peer(server.roast)->role.name, "OtherRole");
	assert_false(kiln_roast_peer(server.roast)->bound);
	close_all();
	play(true, true, false);
	assert_int_equal(server.step, KILN_ROAST_DONE);
	close_all();
}

static void test_required(void **state)
{
	(void)state;
	play(false, false, true);
	assert_refused(&server, KILN_E_ROAST_BINDING, "has no binding, which is required");
	assert_int_equal(server.questions, 0);
	close_all();
	play(true, true, true);
	assert_refused(&server, KILN_E_ROAST_BINDING, "has no binding, which is required");
	close_all();
}

/* Between two Kilns one stripped hello is not enough: the server's binding names the hello that it
 * got, and that is not the client's. Not even then, when nobody requires a binding. */
static void test_one_stripped_hello(void **state)
{
	(void)state;
	play(true, true, false);
	assert_int_equal(server.step, KILN_ROAST_DONE);
	side_take(&server, &client.in);
	side_run(&client, SIZE_MAX);
	assert_refused(&client, KILN_E_ROAST_BINDING, "answers another client hello");
	close_all();
}

/* The other direction: the server's hello under the attacker's name. */
static void test_misbinding_of_server(void **state)
{
	(void)state;
	for (unsigned strip = 0; strip < 2; strip++) {
		open_client(true, strip != 0);
		open_server(false);
		wire_add(&server.in, hello.data, hello.len);
		side_run(&server, SIZE_MAX);
		wire_drop(&hello, hello.len);
		side_take(&server, &hello);
		char *payload = hello_payload(&hello);
		char *changed = strip ? stripped(payload) : strdup(payload);
		hello_make(&client.in, &mallory, changed);
		client.allowed = rig_role(mallory.role);
		side_run(&client, SIZE_MAX);
		assert_refused(&client, KILN_E_ROAST_BINDING,
			       strip ? "has no binding, which is required"
				     : "made by arn:aws:iam::123456789012:role/ServerRole and "
				       "signed by arn:aws:iam::123456789012:role/OtherRole");
		free(changed);
		free(payload);
		close_all();
	}
}

/* A server's hello from an earlier connection, or for somebody else. */
static void test_other_client_hello(void **state)
{
	struct wire earlier = {0};
	(void)state;
	open_client(true, false);
	open_server(false);
	wire_add(&server.in, hello.data, hello.len);
	side_run(&server, SIZE_MAX);
	side_take(&server, &earlier);
	side_close(&client);
	wire_free(&hello);
	open_client(true, false);
	wire_add(&client.in, earlier.data, earlier.len);
	side_run(&client, SIZE_MAX);
	assert_refused(&client, KILN_E_ROAST_BINDING, "answers another client hello");
	assert_int_equal(client.questions, 0);
	wire_free(&earlier);
	close_all();
}

/* asked: of STS. A form that is wrong is no question worth; what a CA and a signature say is not
 * looked at before it has answered. */
static void refuse_changed(const char *from, const char *to, unsigned asked, const char *words)
{
	open_client(true, false);
	open_server(false);
	char *payload = hello_payload(&hello);
	char *changed = replaced(payload, from, to);
	/* The client signs it itself: only the binding can tell. */
	hello_make(&server.in, &client_person, changed);
	side_run(&server, SIZE_MAX);
	assert_refused(&server, KILN_E_ROAST_BINDING, words);
	assert_int_equal(server.questions, asked);
	free(changed);
	free(payload);
	close_all();
}

static void test_changed(void **state)
{
	(void)state;
	refuse_changed("role/ClientRole", "role/OtherRole", 1, "not signed by the CA");
	refuse_changed("192.0.2.1", "192.0.2.2", 1, "not signed by the CA");
	refuse_changed("[\"192.0.2.1\"]", "[\"192.0.2.1\",\"x\"]", 1, "not signed by the CA");
	refuse_changed("[\"192.0.2.1\"]", "null", 1, "not signed by the CA");
	refuse_changed("\"v\":1", "\"v\":2", 0, "not of version 1");
	refuse_changed("\"v\":1", "\"v\":\"1\"", 0, "not of version 1");
	refuse_changed("\"v\":1,", "", 0, "not of version 1");
	refuse_changed("\"Kiln\":{", "\"Kiln\":[],\"x\":{", 0, "not of version 1");
	refuse_changed("\"Kiln\":{", "\"Kiln\":null,\"x\":{", 0, "not of version 1");
	refuse_changed("\"nonce\":\"", "\"nonce\":\"AAAA", 0, "in its binding, nonce");
	refuse_changed("\"nonce\"", "\"nonsense\"", 0, "in its binding, nonce is missing");
	refuse_changed("\"nonce\"", "\"Nonce\"", 0, "in its binding, the key nonce");
	refuse_changed("\"sig\":\"", "\"sig\":\"AAAA", 0, "in its binding, sig");
	refuse_changed("\"sig\":\"", "\"sig\":\"\",\"x\":\"", 0, "in its binding, sig has 0 bytes");
	refuse_changed("\"sig\":\"ME", "\"sig\":\"MI", 1, "not signed by the CA");
	refuse_changed("\"role\":\"", "\"role\":\"\",\"x\":\"", 0, "role is no ARN");
}

/* Who has no business here learns nothing about his CA: nobody has looked at it. */
static void test_not_allowed(void **state)
{
	(void)state;
	open_client(true, false);
	open_server(false);
	char *payload = hello_payload(&hello);
	char *changed = replaced(payload, "role/ClientRole", "role/OtherRole");
	hello_make(&server.in, &server_person, changed);
	side_run(&server, SIZE_MAX);
	assert_refused(&server, KILN_E_ACCESS_DENIED, "none of the roles that are");
	assert_int_equal(server.questions, 1);
	free(changed);
	free(payload);
	close_all();
}

/* A CA that cannot be read, vouched for by STS or not. */
static void test_broken_ca(void **state)
{
	static const char *const broken =
	    "{\"ClientCA\":\"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==\"}";
	struct person forged = client_person;
	const struct person *const who[] = {&client_person, &forged};
	(void)state;
	forged.secret = "a/guess/at/the/clients/secret/000000000000";
	for (size_t i = 0; i < 2; i++) {
		open_server(false);
		hello_make(&server.in, who[i], broken);
		side_run(&server, SIZE_MAX);
		if (i == 0)
			assert_refused(&server, KILN_E_ROAST_HELLO,
				       "the hello of client is refused: in its payload, "
				       "certificate 1 in ClientCA cannot be read");
		else
			assert_refused(&server, KILN_E_ROAST_PROOF, "STS refuses the signature");
		assert_int_equal(server.questions, 1);
		close_all();
	}
}

/* The same in a server's hello, which a client reads. */
static void test_broken_server(void **state)
{
	(void)state;
	open_client(true, false);
	hello_make(&client.in, &server_person,
		   "{\"ServerCA\":\"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==\"}");
	side_run(&client, SIZE_MAX);
	assert_refused(&client, KILN_E_ROAST_HELLO, "certificate 1 in ServerCA cannot be read");
	assert_int_equal(client.questions, 1);
	close_all();
}

/* A CA in place of the victim's makes the attacker speak for itself: its own binding is good, and
 * TLS then fails, because the victim's certificate is not of that CA (roast_tls). */
static void test_own_binding(void **state)
{
	(void)state;
	open_server(true);
	side_open(&client, &(struct side_options){.role = KILN_CLIENT, .who = &mallory});
	side_run(&client, SIZE_MAX);
	side_take(&client, &server.in);
	side_run(&server, SIZE_MAX);
	assert_int_equal(server.step, KILN_ROAST_DONE);
	assert_string_equal(kiln_roast_peer(server.roast)->role.name, "OtherRole");
	assert_true(kiln_roast_peer(server.roast)->bound);
	close_all();
}

/* Kiln and a peer without bindings understand each other, in both directions. */
static void test_one_sided(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		side_open(&client, &(struct side_options){.role = KILN_CLIENT,
							  .who = &client_person,
							  .no_binding = (i & 1) != 0});
		side_open(&server, &(struct side_options){.role = KILN_SERVER,
							  .who = &server_person,
							  .no_binding = (i & 2) != 0});
		sides_run(&client, &server, 100);
		assert_int_equal(client.step, KILN_ROAST_DONE);
		assert_int_equal(server.step, KILN_ROAST_DONE);
		assert_int_equal(kiln_roast_peer(client.roast)->bound, (i & 2) == 0);
		assert_int_equal(kiln_roast_peer(server.roast)->bound, (i & 1) == 0);
		close_all();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_misbinding),
	    cmocka_unit_test(test_without_binding),
	    cmocka_unit_test(test_required),
	    cmocka_unit_test(test_one_stripped_hello),
	    cmocka_unit_test(test_misbinding_of_server),
	    cmocka_unit_test(test_other_client_hello),
	    cmocka_unit_test(test_changed),
	    cmocka_unit_test(test_not_allowed),
	    cmocka_unit_test(test_broken_ca),
	    cmocka_unit_test(test_broken_server),
	    cmocka_unit_test(test_own_binding),
	    cmocka_unit_test(test_one_sided),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

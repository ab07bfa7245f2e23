/* SPDX-License-Identifier: Apache-2.0
 * Constant time. Run under valgrind's memcheck, with lib/opaque built so that it tells what becomes
 * public (opaque/declassify.h): every secret is marked as undefined, and memcheck reports a branch
 * or an index that depends on one. Both sides run here, with good and with wrong passwords. What is
 * left out is Argon2id, whose memory accesses are meant to depend on its input.
 *
 *	opaque_secrets            nothing is reported
 *	opaque_secrets index      an index by a secret, which must be reported
 *	opaque_secrets_leaky      the same with a memcmp() in the library, which must be reported
 *
 * All of it is only worth something when the marks hold to the end; that is checked too. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <valgrind/memcheck.h>

#include <kiln/opaque.h>

#define SECRET(p, length) ((void)VALGRIND_MAKE_MEM_UNDEFINED((p), (length)))
#define PUBLIC(p, length) ((void)VALGRIND_MAKE_MEM_DEFINED((p), (length)))

static const struct kiln_opaque_ksf no_ksf = {.profile = KILN_OPAQUE_KSF_NONE};
static const struct kiln_opaque_parameters parameters = {
    {"context", 7}, {"client", 6}, {"server", 6}};
static const struct kiln_opaque_bytes credential = {"alice", 5};
static char password[] = "correct horse battery staple";
static struct kiln_error err;

/* Everything drawn is a secret until the library says that it is sent. */
static bool draw(void *user, void *out, size_t length)
{
	static uint8_t next = 1;
	(void)user;
	for (size_t i = 0; i < length; i++)
		((uint8_t *)out)[i] = next = (uint8_t)(next * 167 + 13);
	SECRET(out, length);
	return true;
}

static const struct kiln_opaque_random random_source = {draw, NULL};

/* Verdicts are public; a wrong one ends the program. */
static void expect(enum kiln_code rc, enum kiln_code expected, const char *step)
{
	if (rc == expected)
		return;
	fprintf(stderr, "%s: %s instead of %s\n", step, kiln_code_name(rc),
		kiln_code_name(expected));
	exit(2);
}

/* The marks came through all the hashing. */
static void expect_secret(const void *p, size_t length, const char *what)
{
	uint8_t bits[128];
	for (size_t i = 0; i < length; i++) {
		if (VALGRIND_GET_VBITS((const uint8_t *)p + i, bits, 1) != 1 || bits[0] == 0) {
			fprintf(stderr, "%s is not marked as secret any more\n", what);
			exit(3);
		}
	}
}

static struct kiln_opaque_bytes secret_password(void)
{
	SECRET(password, sizeof password - 1);
	return (struct kiln_opaque_bytes){password, sizeof password - 1};
}

static void make_server(struct kiln_opaque_server *server)
{
	struct kiln_opaque_setup setup;
	expect(kiln_opaque_setup_generate(&random_source, &setup, &err), KILN_OK, "setup");
	expect_secret(setup.oprf_seed, sizeof setup.oprf_seed, "oprf_seed");
	expect_secret(setup.server_private_key, sizeof setup.server_private_key, "private key");
	expect(kiln_opaque_server_init(&setup, server, &err), KILN_OK, "server");
}

static void registration(const struct kiln_opaque_server *server,
			 struct kiln_opaque_registration_record *record)
{
	struct kiln_opaque_registration_request request;
	struct kiln_opaque_registration_state state;
	struct kiln_opaque_registration_response response;
	uint8_t export_key[KILN_OPAQUE_EXPORT_KEY_SIZE];
	expect(kiln_opaque_create_registration_request(secret_password(), &random_source, &request,
						       &state, &err),
	       KILN_OK, "registration request");
	expect_secret(&state, sizeof state, "blind");
	expect(
	    kiln_opaque_create_registration_response(server, credential, &request, &response, &err),
	    KILN_OK, "registration response");
	expect(kiln_opaque_finalize_registration_request(&state, secret_password(), &no_ksf,
							 &parameters, &response, &random_source,
							 record, export_key, &err),
	       KILN_OK, "registration record");
	expect_secret(export_key, sizeof export_key, "export key");
	expect_secret(record->masking_key, sizeof record->masking_key, "masking key");
	expect(kiln_opaque_check_record(record, &err), KILN_OK, "record");
}

/* The server's state goes through its seal on the way. */
static void through_seal(struct kiln_opaque_server_state *state)
{
	uint8_t key[KILN_OPAQUE_SEAL_KEY_SIZE];
	struct kiln_opaque_sealed_state sealed;
	(void)draw(NULL, key, sizeof key);
	expect(kiln_opaque_state_seal(key, credential, 1, state, &random_source, &sealed, &err),
	       KILN_OK, "seal");
	memset(state, 0, sizeof *state);
	expect(kiln_opaque_state_open(key, credential, 2, 10, &sealed, state, &err), KILN_OK,
	       "open");
}

static void login(const struct kiln_opaque_server *server,
		  const struct kiln_opaque_registration_record *record, enum kiln_code expected)
{
	struct kiln_opaque_ke1 ke1;
	struct kiln_opaque_client_state client;
	struct kiln_opaque_ke2 ke2;
	struct kiln_opaque_server_state state;
	struct kiln_opaque_ke3 ke3;
	struct kiln_opaque_login done;
	uint8_t session_key[KILN_OPAQUE_SESSION_KEY_SIZE];
	expect(kiln_opaque_generate_ke1(secret_password(), &random_source, &ke1, &client, &err),
	       KILN_OK, "KE1");
	expect_secret(&client.client_secret, sizeof client.client_secret, "key share's secret");
	expect(kiln_opaque_generate_ke2(server, &parameters, record, credential, &ke1,
					&random_source, &ke2, &state, &err),
	       KILN_OK, "KE2");
	expect_secret(&state, sizeof state, "server's state");
	through_seal(&state);
	expect_secret(&state, sizeof state, "server's state");
	PUBLIC(&ke2, sizeof ke2);
	expect(kiln_opaque_generate_ke3(&client, secret_password(), &no_ksf, &parameters, &ke2,
					&ke3, &done, &err),
	       expected, "KE3");
	if (expected == KILN_OK) {
		expect_secret(done.session_key, sizeof done.session_key, "session key");
		expect_secret(done.export_key, sizeof done.export_key, "export key");
	}
	expect(kiln_opaque_server_finish(&state, &ke3, session_key, &err), expected, "finish");
	if (expected == KILN_OK)
		expect_secret(session_key, sizeof session_key, "server's session key");
}

/* What memcheck must see. */
static int index_by_a_secret(void)
{
	static const volatile uint8_t table[256] = {1};
	return table[(uint8_t)secret_password().length ^ (uint8_t)password[0]];
}

int main(int argc, char **argv)
{
	struct kiln_opaque_server server;
	struct kiln_opaque_registration_record record;
	if (RUNNING_ON_VALGRIND == 0) {
		fprintf(stderr, "only worth something under valgrind\n");
		return 4;
	}
	make_server(&server);
	registration(&server, &record);
	login(&server, &record, KILN_OK);
	login(&server, NULL, KILN_E_OPAQUE_AUTH);
	PUBLIC(password, sizeof password);
	password[3]++;
	login(&server, &record, KILN_E_OPAQUE_AUTH);
	if (argc > 1 && strcmp(argv[1], "index") == 0) {
		int found = index_by_a_secret();
		PUBLIC(&found, sizeof found);
		return found == 257;
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * Memory that runs out during a Roast handshake: the n-th allocation of Kiln, jansson or OpenSSL
 * fails, for every n until none does any more. Nothing may crash, leak, or let in whom it should
 * not, and what did not work must say so. */
#include "roast_rig.h"

#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "roast/machine.h"

static bool armed;
static unsigned long countdown, failures;

static bool fails(void)
{
	if (!armed || countdown-- > 0)
		return false;
	countdown = (unsigned long)-1; /* one failure a run */
	failures++;
	return true;
}

/* ---- Kiln's own allocations (-Wl,--wrap), jansson's and OpenSSL's --------------------------- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return fails() ? NULL : __real_malloc(size);
}

static void *openssl_realloc(void *old, size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return fails() ? NULL : __real_realloc(old, size);
}

static void openssl_free(void *old, const char *file, int line)
{
	(void)file, (void)line;
	free(old);
}

static unsigned long exhaust(bool (*scenario)(void))
{
	unsigned long n = 0;
	countdown = (unsigned long)-1;
	assert_true(scenario()); /* fills OpenSSL's caches, which are nobody's leak */
	for (;; n++) {
		failures = 0;
		countdown = n;
		const bool done = scenario();
		armed = false;
		ERR_clear_error();
		if (failures == 0) {
			assert_true(done);
			return n;
		}
	}
}

/* ---- scenarios ------------------------------------------------------------------------------ */

static struct kiln_aws_role client_role, server_role;
static struct wire client_hello;

static bool failed(struct kiln_roast *roast, enum kiln_roast_step step,
		   const struct kiln_error *err)
{
	if (step != KILN_ROAST_FAILED)
		return false;
	assert_int_not_equal(err->code, KILN_OK);
	assert_true(err->message[0] != '\0');
	size_t len;
	assert_null(kiln_roast_output(roast, &len));
	return true;
}

static struct kiln_roast *open_armed(enum kiln_role role, struct kiln_error *err)
{
	const bool client = role == KILN_CLIENT;
	const struct kiln_roast_options options = {
	    .role = role,
	    .allowed = client ? &server_role : &client_role,
	    .allowed_count = 1,
	    .own_role = client ? &client_role : &server_role,
	    .server_name = "192.0.2.1",
	};
	armed = true;
	struct kiln_roast *roast = kiln_roast_new(&options, RIG_NOW, RIG_MS, err);
	if (roast == NULL)
		assert_int_equal(err->code, KILN_E_NO_MEMORY);
	return roast;
}

static enum kiln_roast_step prove(struct kiln_roast *roast, const struct person *person,
				  struct kiln_error *err)
{
	const struct kiln_roast_question *question = kiln_roast_question(roast);
	struct kiln_aws_proof proof;
	armed = false;
	assert_int_equal(question->ask, KILN_ROAST_PROVE);
	person_prove(person, "us-east-1", RIG_NOW, question->payload, question->payload_len,
		     &proof);
	armed = true;
	const enum kiln_roast_step step = kiln_roast_proved(roast, &proof, RIG_MS, err);
	armed = false;
	kiln_aws_proof_clear(&proof);
	return step;
}

/* A client, up to the hello that it sends. */
static bool run_client(void)
{
	struct kiln_error err = {0};
	size_t consumed, len;
	struct kiln_roast *roast = open_armed(KILN_CLIENT, &err);
	enum kiln_roast_step step = KILN_ROAST_FAILED;
	if (roast != NULL)
		step = kiln_roast_step(roast, NULL, 0, &consumed, RIG_MS, &err);
	if (roast != NULL && !failed(roast, step, &err))
		step = prove(roast, &client_person, &err);
	armed = false;
	const bool done = roast != NULL && !failed(roast, step, &err);
	if (done) {
		const uint8_t *out = kiln_roast_output(roast, &len);
		wire_drop(&client_hello, client_hello.len);
		wire_add(&client_hello, out, len);
	}
	kiln_roast_free(roast);
	return done;
}

static struct kiln_tls_config *config;

/* A server, from that hello to its TLS handshake. */
static bool run_server(void)
{
	struct kiln_error err = {0};
	size_t consumed;
	struct kiln_roast *roast = open_armed(KILN_SERVER, &err);
	struct kiln_handshake *hs = NULL;
	enum kiln_roast_step step = KILN_ROAST_FAILED;
	if (roast != NULL)
		step = kiln_roast_step(roast, client_hello.data, client_hello.len, &consumed,
				       RIG_MS, &err);
	if (roast != NULL && !failed(roast, step, &err))
		step = kiln_roast_verified(roast, &client_role, "session", RIG_MS, &err);
	if (roast != NULL && !failed(roast, step, &err))
		step = prove(roast, &server_person, &err);
	if (roast != NULL && !failed(roast, step, &err)) {
		assert_int_equal(step, KILN_ROAST_DONE);
		assert_true(kiln_roast_peer(roast)->bound); /* never forgotten half-way */
		armed = true;
		hs = kiln_roast_handshake(roast, config, RIG_MS, &err);
	}
	armed = false;
	const bool done = hs != NULL;
	if (!done)
		assert_int_not_equal(err.code, KILN_OK);
	kiln_handshake_free(hs);
	kiln_roast_free(roast);
	return done;
}

static void test_handshake(void **state)
{
	struct kiln_error err = {0};
	(void)state;
	client_role = rig_role(client_person.role);
	server_role = rig_role(server_person.role);
	config = kiln_roast_config_new(KILN_SERVER, NULL, &err);
	assert_non_null(config);
	assert_true(exhaust(run_client) > 100);
	assert_true(exhaust(run_server) > 100);
	kiln_tls_config_unref(config);
	wire_free(&client_hello);
}

/* ---- judging a certificate ------------------------------------------------------------------ */

static struct kiln_roast_authority good, other;
static X509 *judged;
static const char *wanted_name;
static bool let_in;

/* The certificates are parsed anew: OpenSSL caches what it finds in their extensions. */
static X509 *fresh(const X509 *cert)
{
	uint8_t *der = NULL;
	const int len = i2d_X509(cert, &der);
	const uint8_t *at = der;
	X509 *copy = d2i_X509(NULL, &at, len);
	assert_non_null(copy);
	OPENSSL_free(der);
	return copy;
}

static bool judge(void)
{
	struct kiln_roast_payload peer = {.from = KILN_SERVER, .root_count = 1};
	const struct kiln_roast_trust trust = {.peer = &peer, .name = wanted_name};
	struct kiln_error err = {0};
	int x509_error = 0;
	X509 *leaf = fresh(judged);
	peer.roots[0] = fresh(good.ca);
	armed = true;
	const enum kiln_code rc = kiln_roast_trust_check(&trust, leaf, RIG_NOW, &x509_error, &err);
	armed = false;
	let_in |= rc == KILN_OK;
	X509_free(leaf);
	kiln_roast_payload_clear(&peer);
	return rc == KILN_OK || judged != good.leaf || strcmp(wanted_name, "192.0.2.1") != 0;
}

static void test_trust(void **state)
{
	const struct kiln_roast_payload names = {
	    .from = KILN_CLIENT, .name_count = 1, .names = {"192.0.2.1"}};
	struct kiln_error err = {0};
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct kiln_roast_authority *a = i == 0 ? &good : &other;
		assert_int_equal(kiln_roast_authority_make(a, RIG_NOW, &err), KILN_OK);
		assert_int_equal(kiln_roast_authority_issue(a, KILN_SERVER, &names, RIG_NOW, &err),
				 KILN_OK);
	}
	judged = good.leaf;
	wanted_name = "192.0.2.1";
	assert_true(exhaust(judge) > 10);
	assert_true(let_in);
	let_in = false;
	wanted_name = "192.0.2.2";
	(void)exhaust(judge);
	judged = other.leaf;
	wanted_name = "192.0.2.1";
	(void)exhaust(judge);
	judged = good.ca;
	(void)exhaust(judge);
	assert_false(let_in); /* whatever ran out */
	kiln_roast_authority_clear(&good);
	kiln_roast_authority_clear(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_handshake),
	    cmocka_unit_test(test_trust),
	};
	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
		return 1;
	json_set_alloc_funcs(__wrap_malloc, free);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

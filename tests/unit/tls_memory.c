/* SPDX-License-Identifier: Apache-2.0
 * Memory that runs out: the n-th allocation of Kiln or of OpenSSL fails, for every n until none
 * does any more. Nothing may crash or leak, and what did not work must say so.
 *
 * OpenSSL as the peer is in the same process: allocations fail only while Kiln's side works. */
#include "tls_pair.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

/* Under a sanitizer everything takes three times as long: every third of the later ones. */
#ifdef KILN_SANITIZED
#define STRIDE(n) ((n) < 600 ? 1u : 3u)
#else
#define STRIDE(n) 1u
#endif

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

/* ---- Kiln's own allocations (-Wl,--wrap) ---------------------------------------------------- */

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

/* ---- OpenSSL's ------------------------------------------------------------------------------ */

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

/* Runs the scenario with the first, second, ... allocation failing. Returns how many there were. */
static unsigned long exhaust(bool (*scenario)(void))
{
	unsigned long n = 0, worked = 0;
	countdown = (unsigned long)-1;
	assert_true(scenario()); /* fills OpenSSL's caches, which are nobody's leak */
	for (;; n += STRIDE(n)) {
		failures = 0;
		countdown = n;
		const bool done = scenario();
		armed = false;
		ERR_clear_error();
		if (failures == 0) {
			assert_true(done);
			break;
		}
		worked += done;
	}
	print_message("%lu allocations, %lu of them not missed\n", n, worked);
	return n;
}

/* ---- scenarios ------------------------------------------------------------------------------ */

static struct kiln_tls_options options;

static bool build_config(void)
{
	struct kiln_error err = {0};
	armed = true;
	struct kiln_tls_config *config = kiln_tls_config_new(&options, &err);
	armed = false;
	if (config == NULL) {
		assert_int_not_equal(err.code, KILN_OK);
		assert_true(err.message[0] != '\0');
	}
	kiln_tls_config_unref(config);
	return config != NULL;
}

static void test_config(void **state)
{
	static const struct kiln_access_rule rules[] = {{KILN_ACCESS_CN, "client"},
							{KILN_ACCESS_DNS, "a.example"}};
	(void)state;
	options = pair_server_options();
	options.rules = rules;
	options.rule_count = 2;
	options.alpn = "h2,http/1.1";
	options.cipher_suites = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";
	assert_true(exhaust(build_config) > 100);
}

static struct kiln_tls_config *config;
static struct tls_peer_options peer_options;
static enum kiln_code last_code, wanted_code;

/* One of Kiln's steps, with allocations failing. */
static enum kiln_step step(struct kiln_handshake *hs, struct wire *in, struct kiln_error *err)
{
	size_t consumed;
	armed = true;
	const enum kiln_step result =
	    kiln_handshake_step(hs, in->len > 0 ? in->data : NULL, in->len, &consumed, err);
	armed = false;
	wire_drop(in, consumed);
	return result;
}

static void carry(struct kiln_handshake *hs, struct tls_peer *peer, struct wire *in)
{
	size_t len;
	const uint8_t *out = kiln_handshake_output(hs, &len);
	tls_peer_put(peer, out, len);
	kiln_handshake_sent(hs, len);
	(void)tls_peer_step(peer);
	uint8_t *data = tls_peer_take(peer, &len);
	wire_add(in, data, len);
	free(data);
}

/* What follows a handshake: both directions, and an update of each key. */
static bool use_session(struct kiln_handshake *hs, struct kiln_error *err)
{
	struct kiln_session session;
	uint8_t record[100];
	size_t len;
	armed = true;
	bool ok = kiln_handshake_finish(hs, &session, err) == KILN_OK;
	if (ok) {
		/* It was asked for, and allowed for it: never lost on the way. */
		assert_string_equal(session.peer.name,
				    peer_options.server ? "server.example" : "client");
		ok = kiln_traffic_seal(&session.tx, 23, "x", 1, record, &len, err) == KILN_OK &&
		     kiln_traffic_update(&session.tx, err) == KILN_OK &&
		     kiln_traffic_update(&session.rx, err) == KILN_OK;
		kiln_session_clear(&session);
	}
	armed = false;
	return ok;
}

static bool shake_hands(void)
{
	struct kiln_error err = {0};
	struct tls_peer peer;
	struct wire in = {0};
	enum kiln_step result = KILN_STEP_FAILED;
	tls_peer_open(&peer, &peer_options);
	armed = true;
	struct kiln_handshake *hs = kiln_handshake_new(config, CERT_NOW, &err);
	armed = false;
	if (hs != NULL) {
		if (!peer_options.server)
			carry(hs, &peer, &in);
		for (unsigned i = 0; i < 4; i++) {
			result = step(hs, &in, &err);
			if (result != KILN_STEP_NEED_INPUT)
				break;
			carry(hs, &peer, &in);
		}
	}
	bool ok = result == KILN_STEP_DONE && use_session(hs, &err);
	if (!ok) {
		assert_int_not_equal(err.code, KILN_OK);
		assert_true(err.message[0] != '\0');
	}
	last_code = ok ? KILN_OK : err.code;
	kiln_handshake_free(hs);
	tls_peer_close(&peer);
	wire_free(&in);
	return ok;
}

static void handshakes(const struct kiln_tls_options *o, const struct tls_peer_options *peer)
{
	config = kiln_tls_config_new(o, NULL);
	assert_non_null(config);
	peer_options = *peer;
	assert_true(exhaust(shake_hands) > 300);
	kiln_tls_config_unref(config);
}

static void test_server(void **state)
{
	const struct kiln_access_rule rule = {KILN_ACCESS_CN, "client"};
	struct kiln_tls_options o = pair_server_options();
	const struct tls_peer_options peer = pair_client_peer();
	(void)state;
	o.allow_any = false;
	o.rules = &rule;
	o.rule_count = 1;
	handshakes(&o, &peer);
}

/* A client that may not come in does not come in for the want of memory. */
static bool refuse(void)
{
	(void)shake_hands();
	assert_int_not_equal(last_code, KILN_OK);
	return last_code == wanted_code;
}

static void test_refusals(void **state)
{
	const struct kiln_access_rule rule = {KILN_ACCESS_CN, "somebody else"};
	struct kiln_tls_options o = pair_server_options();
	struct tls_peer_options peer = pair_client_peer();
	(void)state;
	peer_options = peer;
	o.allow_any = false;
	o.rules = &rule;
	o.rule_count = 1;
	config = kiln_tls_config_new(&o, NULL);
	wanted_code = KILN_E_ACCESS_DENIED;
	assert_true(exhaust(refuse) > 300);
	kiln_tls_config_unref(config);
	o = pair_server_options();
	struct identity *stranger =
	    identity_new(&(struct cert_spec){.cn = "client"}, pair_stranger_ca);
	config = kiln_tls_config_new(&o, NULL);
	peer_options.identity = stranger;
	wanted_code = KILN_E_CERT_INVALID;
	assert_true(exhaust(refuse) > 300);
	kiln_tls_config_unref(config);
	identity_free(stranger);
}

static void test_client(void **state)
{
	const struct kiln_tls_options o = pair_client_options();
	const struct tls_peer_options peer = pair_server_peer();
	(void)state;
	handshakes(&o, &peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_config),
	    cmocka_unit_test(test_server),
	    cmocka_unit_test(test_client),
	    cmocka_unit_test(test_refusals),
	};
	/* Refused once OpenSSL has allocated anything. */
	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
		return 1;
	return cmocka_run_group_tests_name("tls: memory runs out", tests, pair_make_certificates,
					   pair_free_certificates);
}

/* SPDX-License-Identifier: Apache-2.0
 * What of a connection's secrets, and of the private key's file, is still in memory when it should
 * be gone: this process looks through all of its own writable memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/openssl_memory.h"
#include "demo/certs.h"

#define MASK    0x5a
#define MOST    48u
#define WINDOW  65536u
#define EC_P256 32u

/* A secret in a form that a search for it does not find. */
struct masked {
	uint8_t bytes[MOST];
	size_t len;
};

static struct kiln_tls_config *server_config, *client_config;
static struct masked private_key;

static void mask(struct masked *to, const uint8_t *secret, size_t len)
{
	assert_true(len <= MOST);
	for (size_t i = 0; i < len; i++)
		to->bytes[i] = secret[i] ^ MASK;
	to->len = len;
}

static bool is_here(const struct masked *secret, const uint8_t *at)
{
	size_t i = 0;
	while (i < secret->len && (at[i] ^ MASK) == secret->bytes[i])
		i++;
	return i == secret->len;
}

/* Counts copies in one mapping, read through a window that does not count as a copy itself. */
static unsigned count_in(int memory, uint64_t from, uint64_t to, const struct masked *secret)
{
	static uint8_t window[WINDOW + MOST];
	const uint64_t self = (uint64_t)(uintptr_t)window;
	unsigned count = 0;
	for (uint64_t at = from; at < to; at += WINDOW) {
		const size_t want = to - at < sizeof window ? (size_t)(to - at) : sizeof window;
		const ssize_t got = pread(memory, window, want, (off_t)at);
		for (ssize_t i = 0; i + (ssize_t)secret->len <= got && i < (ssize_t)WINDOW; i++) {
			const uint64_t address = at + (uint64_t)i;
			if (address + MOST > self && address < self + sizeof window)
				continue;
			count += is_here(secret, window + i);
		}
		kiln_wipe(window, sizeof window);
	}
	return count;
}

static unsigned copies(const struct masked *secret)
{
	char line[512];
	unsigned count = 0;
	FILE *maps = fopen("/proc/self/maps", "r");
	const int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	assert_non_null(maps);
	assert_true(memory >= 0);
	while (fgets(line, sizeof line, maps) != NULL) {
		unsigned long long from, to;
		char rights[5];
		/* Shadow memory of a sanitizer is huge, and holds no bytes of ours. */
		if (sscanf(line, "%llx-%llx %4s", &from, &to, rights) == 3 &&
		    strncmp(rights, "rw", 2) == 0 && to - from < (1ull << 30))
			count += count_in(memory, from, to, secret);
	}
	(void)close(memory);
	(void)fclose(maps);
	return count;
}

static int digit_of(char c)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;
	return at != NULL ? (int)(at - digits) : -1;
}

/* The key's 32 bytes, out of the PEM of its PKCS #8 form, where they stand at byte 36. */
static void mask_private_key(const char *pem)
{
	uint8_t der[160];
	uint32_t bits = 0;
	size_t len = 0;
	int have = 0;
	for (const char *p = strchr(pem, '\n'); *p != '-' && len < sizeof der; p++) {
		if (digit_of(*p) < 0)
			continue;
		bits = bits << 6 | (uint32_t)digit_of(*p);
		have += 6;
		if (have >= 8) {
			have -= 8;
			der[len++] = (uint8_t)(bits >> have);
		}
	}
	assert_true(len >= 36 + EC_P256 && der[34] == 0x04 && der[35] == EC_P256);
	mask(&private_key, der + 36, EC_P256);
	kiln_wipe(der, sizeof der);
}

static int make_configs(void **state)
{
	static const char *const dns[] = {"localhost", NULL};
	const struct kiln_leaf leaf = {.common_name = "s", .dns = dns, .for_server = true};
	struct kiln_pair pair = {0};
	struct kiln_pem ca = {0};
	(void)state;
	kiln_openssl_wipe_begin(); /* making a key is no part of this */
	struct kiln_authority *authority = kiln_authority_new("test", time(NULL), 2, NULL);
	assert_non_null(authority);
	assert_int_equal(kiln_authority_issue(authority, &leaf, &pair, NULL), KILN_OK);
	assert_int_equal(kiln_authority_cert(authority, &ca, NULL), KILN_OK);
	kiln_authority_free(authority);
	kiln_openssl_wipe_end();
	mask_private_key(pair.key.data);
	const struct kiln_tls_options of_server = {
	    .role = KILN_SERVER,
	    .peer_auth = KILN_PEER_NONE,
	    .cert_pem = pair.cert.data,
	    .cert_len = pair.cert.len,
	    .key_pem = pair.key.data,
	    .key_len = pair.key.len,
	};
	const struct kiln_tls_options of_client = {
	    .role = KILN_CLIENT,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .ca_pem = ca.data,
	    .ca_len = ca.len,
	    .verify_name = "localhost",
	};
	server_config = kiln_tls_config_new(&of_server, NULL);
	client_config = kiln_tls_config_new(&of_client, NULL);
	assert_non_null(server_config);
	assert_non_null(client_config);
	kiln_pair_clear(&pair);
	kiln_pem_clear(&ca);
	return 0;
}

static int free_configs(void **state)
{
	(void)state;
	kiln_tls_config_unref(server_config);
	kiln_tls_config_unref(client_config);
	return 0;
}

/* Gives one side what the other one has to say. */
static enum kiln_step pass_on(struct kiln_handshake *from, struct kiln_handshake *to)
{
	enum kiln_step step = KILN_STEP_NEED_INPUT;
	size_t len, consumed;
	const uint8_t *output = kiln_handshake_output(from, &len);
	for (size_t at = 0; at < len && step == KILN_STEP_NEED_INPUT; at += consumed)
		step = kiln_handshake_step(to, output + at, len - at, &consumed, NULL);
	kiln_handshake_sent(from, len);
	return step;
}

static void shake_hands(struct kiln_session *session)
{
	struct kiln_handshake *client = kiln_handshake_new(client_config, time(NULL), NULL);
	struct kiln_handshake *server = kiln_handshake_new(server_config, time(NULL), NULL);
	size_t consumed;
	assert_non_null(client);
	assert_non_null(server);
	assert_int_equal(kiln_handshake_step(client, NULL, 0, &consumed, NULL),
			 KILN_STEP_NEED_INPUT);
	assert_int_equal(pass_on(client, server), KILN_STEP_NEED_INPUT);
	assert_int_equal(pass_on(server, client), KILN_STEP_DONE);
	assert_int_equal(pass_on(client, server), KILN_STEP_DONE);
	assert_int_equal(kiln_handshake_finish(server, session, NULL), KILN_OK);
	kiln_handshake_free(client);
	kiln_handshake_free(server);
}

static void leaves_no_traffic_secret(void **state)
{
	static struct kiln_session session;
	struct masked rx, tx;
	(void)state;
	shake_hands(&session);
	mask(&rx, session.rx.secret, MOST);
	mask(&tx, session.tx.secret, MOST);
	/* The search finds what is there: the one copy that the connection goes on with. */
	assert_int_equal(copies(&rx), 1);
	assert_int_equal(copies(&tx), 1);
	kiln_session_clear(&session);
	assert_int_equal(copies(&rx), 0);
	assert_int_equal(copies(&tx), 0);
}

static void leaves_no_file_of_the_private_key(void **state)
{
	(void)state;
	/* OpenSSL's own number is the other way round, in machine words. */
	assert_int_equal(copies(&private_key), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(
		leaves_no_file_of_the_private_key), /* before its memory is used again */
	    cmocka_unit_test(leaves_no_traffic_secret),
	};
	if (!kiln_openssl_memory_take_over()) {
		(void)fputs("OpenSSL was in use before main()\n", stderr);
		return 1;
	}
	return cmocka_run_group_tests(tests, make_configs, free_configs);
}

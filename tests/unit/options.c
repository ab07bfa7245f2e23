/* SPDX-License-Identifier: Apache-2.0
 * The command lines of `kiln server` and `kiln client`: what they give, and every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/flags.h"
#include "cli/options.h"

#define WORDS_MAX 400

static struct kiln_gateway_options o;
static char line_text[32768];

/* Splits at spaces, as a shell would, and parses. The text stays: options point into it. */
static enum kiln_code parse(enum kiln_gateway_mode mode, const char *line, struct kiln_error *err)
{
	char *argv[WORDS_MAX], *save = NULL;
	char name[] = "kiln";
	int argc = 1;
	argv[0] = name;
	assert_true(strlen(line) < sizeof line_text);
	strcpy(line_text, line);
	for (char *w = strtok_r(line_text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		assert_true(argc < WORDS_MAX - 1);
		argv[argc++] = w;
	}
	argv[argc] = NULL;
	memset(&o, 0xa5, sizeof o);
	return kiln_options_parse(mode, argc, argv, &o, err);
}

static void takes(enum kiln_gateway_mode mode, const char *line)
{
	struct kiln_error err = {0};
	if (parse(mode, line, &err) != KILN_OK)
		fail_msg("'%s' refused: %s", line, err.message);
}

static void refuses(enum kiln_gateway_mode mode, const char *line, const char *why)
{
	struct kiln_error err = {0};
	assert_int_equal(parse(mode, line, &err), KILN_E_CONFIG);
	assert_int_equal(err.code, KILN_E_CONFIG);
	if (strstr(err.message, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.message, why);
}

#define SERVER KILN_GATEWAY_SERVER
#define CLIENT KILN_GATEWAY_CLIENT
#define ENDS   "--listen :8443 --target 127.0.0.1:80 "
#define PAIR   "--cert c --key k "
#define GOOD   ENDS PAIR "--cacert ca --allow-all "
#define HASH   "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF"

/* ------------------------------------------------------------------ what is taken */

static void server_defaults(void **state)
{
	(void)state;
	takes(SERVER, GOOD);
	assert_int_equal(o.mode, SERVER);
	assert_int_equal(o.listen_count, 1);
	assert_string_equal(o.listen_text[0], ":8443");
	assert_int_equal(o.target.port, 80);
	assert_string_equal(o.cert, "c");
	assert_string_equal(o.key, "k");
	assert_string_equal(o.cacert, "ca");
	assert_int_equal(o.peer_auth, KILN_PEER_REQUIRED);
	assert_true(o.allow_any);
	assert_int_equal(o.workers, 0);
	assert_true(o.pin_workers);
	assert_int_equal(o.ktls, KILN_KTLS_AUTO);
	assert_int_equal(o.engine, KILN_ENGINE_AUTO);
	assert_int_equal(o.handshake_timeout, 10000);
	assert_int_equal(o.connect_timeout, 10000);
	assert_int_equal(o.send_timeout, 60000);
	assert_int_equal(o.idle_timeout, 0);
	assert_int_equal(o.close_timeout, 60000);
	assert_int_equal(o.shutdown_timeout, 300000);
	assert_int_equal(o.max_connections, 0);
	assert_int_equal(o.buffer_memory, 256u << 20);
	assert_int_equal(o.proxy_send, KILN_PROXY_SEND_OFF);
	assert_false(o.proxy_accept);
	assert_int_equal(o.log_format, KILN_LOG_TEXT);
	assert_int_equal(o.log_level, KILN_LOG_INFO);
	assert_null(o.user);
	assert_false(o.help);
}

static void every_common_flag(void **state)
{
	(void)state;
	takes(SERVER, GOOD "--listen unix:/s --workers 3 --pin-workers off --engine epoll "
			   "--ktls=require --user nobody --handshake-timeout=1s "
			   "--connect-timeout 2s --send-timeout 3s --idle-timeout 4s "
			   "--close-timeout 0 --shutdown-timeout 6m --max-connections 9 "
			   "--buffer-memory 64MiB --rekey-after-records 1000 --alpn h2,http/1.1 "
			   "--cipher-suites TLS_AES_128_GCM_SHA256 --log-format json "
			   "--log-level debug --accept-proxy-protocol --unsafe-target");
	assert_int_equal(o.listen_count, 2);
	assert_true(o.listen[1].is_unix);
	assert_int_equal(o.workers, 3);
	assert_false(o.pin_workers);
	assert_int_equal(o.engine, KILN_ENGINE_EPOLL);
	assert_int_equal(o.ktls, KILN_KTLS_REQUIRE);
	assert_string_equal(o.user, "nobody");
	assert_int_equal(o.handshake_timeout, 1000);
	assert_int_equal(o.connect_timeout, 2000);
	assert_int_equal(o.send_timeout, 3000);
	assert_int_equal(o.idle_timeout, 4000);
	assert_int_equal(o.close_timeout, 0);
	assert_int_equal(o.shutdown_timeout, 360000);
	assert_int_equal(o.max_connections, 9);
	assert_int_equal(o.buffer_memory, 64u << 20);
	assert_int_equal(o.rekey_after_records, 1000);
	assert_string_equal(o.alpn, "h2,http/1.1");
	assert_string_equal(o.cipher_suites, "TLS_AES_128_GCM_SHA256");
	assert_int_equal(o.log_format, KILN_LOG_JSON);
	assert_int_equal(o.log_level, KILN_LOG_DEBUG);
	assert_true(o.proxy_accept);
	assert_true(o.unsafe_plain);
}

static void access_rules(void **state)
{
	(void)state;
	takes(SERVER, ENDS PAIR "--cacert ca --allow-cn a --allow-ou b --allow-dns=c --allow-uri d "
				"--allow-ip ::1 --allow-spki " HASH " --allow-cn e");
	static const enum kiln_access_kind kinds[] = {
	    KILN_ACCESS_CN, KILN_ACCESS_OU,   KILN_ACCESS_DNS, KILN_ACCESS_URI,
	    KILN_ACCESS_IP, KILN_ACCESS_SPKI, KILN_ACCESS_CN};
	static const char *const values[] = {"a", "b", "c", "d", "::1", HASH, "e"};
	assert_int_equal(o.rule_count, 7);
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(o.rules[i].kind, kinds[i]);
		assert_string_equal(o.rules[i].value, values[i]);
	}
	assert_false(o.allow_any);
}

static void client_auth_modes(void **state)
{
	(void)state;
	takes(SERVER, ENDS PAIR "--disable-client-auth");
	assert_int_equal(o.peer_auth, KILN_PEER_NONE);
	takes(SERVER, ENDS PAIR "--disable-authentication");
	assert_int_equal(o.peer_auth, KILN_PEER_NONE);
	takes(SERVER, ENDS PAIR "--client-auth none --disable-client-auth --cacert ca");
	assert_int_equal(o.peer_auth, KILN_PEER_NONE);
	takes(SERVER, GOOD "--client-auth optional");
	assert_int_equal(o.peer_auth, KILN_PEER_OPTIONAL);
	takes(SERVER, GOOD "--client-auth required");
	assert_int_equal(o.peer_auth, KILN_PEER_REQUIRED);
}

static void aliases(void **state)
{
	(void)state;
	takes(SERVER, ENDS "--keystore ks --cacert ca --allow-all --max-concurrent-conns 5");
	assert_string_equal(o.cert, "ks");
	assert_string_equal(o.key, "ks");
	assert_int_equal(o.max_connections, 5);
	takes(CLIENT, ENDS "--override-server-name other.example");
	assert_string_equal(o.server_name, "other.example");
}

static void proxy_modes(void **state)
{
	(void)state;
	takes(SERVER, GOOD "--proxy-protocol");
	assert_int_equal(o.proxy_send, KILN_PROXY_SEND_TLS);
	takes(SERVER, GOOD "--proxy-protocol-mode conn");
	assert_int_equal(o.proxy_send, KILN_PROXY_SEND_CONN);
	takes(SERVER, GOOD "--proxy-protocol --proxy-protocol-mode tls-full");
	assert_int_equal(o.proxy_send, KILN_PROXY_SEND_TLS_FULL);
	takes(CLIENT, "--listen :1 --target h:2 --proxy-protocol");
	assert_int_equal(o.proxy_send, KILN_PROXY_SEND_CONN);
}

static void assert_names(const char *line, const char *server_name, const char *verify_name)
{
	takes(CLIENT, line);
	const char *const have[] = {o.server_name, o.verify_name};
	const char *const want[] = {server_name, verify_name};
	for (int i = 0; i < 2; i++) {
		if (want[i] == NULL)
			assert_null(have[i]);
		else
			assert_string_equal(have[i], want[i]);
	}
	assert_int_equal(o.peer_auth, KILN_PEER_REQUIRED);
}

static void client_names(void **state)
{
	(void)state;
	assert_names("--listen :1 --target h.example:2", "h.example", "h.example");
	assert_names("--listen :1 --target h.example.:2", "h.example", "h.example");
	assert_names("--listen :1 --target 10.0.0.1:2", NULL, "10.0.0.1");
	assert_names("--listen :1 --target [fe80::1%eth0]:2", NULL, "fe80::1");
	assert_names("--listen :1 --target h:2 --server-name n", "n", "n");
	assert_names("--listen :1 --target h:2 --server-name 10.0.0.2", NULL, "10.0.0.2");
	assert_names("--listen :1 --target h:2 --verify-name v", "h", "v");
	assert_names("--listen :1 --target h:2 --server-name n --verify-name v", "n", "v");
	assert_names("--listen :1 --target h:2 --verify-dns d", "h", NULL);
	assert_names("--listen :1 --target unix:/t --verify-spki " HASH, NULL, NULL);
	assert_names("--listen :1 --target unix:/t --server-name n", "n", "n");
	assert_names("--listen :1 --target unix:/t --verify-name v", NULL, "v");
}

static void client_rules(void **state)
{
	(void)state;
	takes(CLIENT, ENDS "--verify-cn a --verify-ou b --verify-dns c --verify-uri d "
			   "--verify-ip 1.2.3.4 --verify-spki " HASH);
	assert_int_equal(o.rule_count, 6);
	assert_int_equal(o.rules[5].kind, KILN_ACCESS_SPKI);
	takes(CLIENT, ENDS "--disable-authentication --unsafe-listen");
	assert_null(o.cert);
	assert_true(o.unsafe_plain);
}

static void help_needs_nothing_else(void **state)
{
	(void)state;
	takes(SERVER, "--help");
	assert_true(o.help);
	takes(CLIENT, "-h --nonsense");
	assert_true(o.help);
	takes(SERVER, "--listen :80 --help");
	assert_true(o.help);
}

/* Everything that the parser knows is in the help, and the help speaks of nothing else. */
static void help_is_complete(void **state)
{
	(void)state;
	for (int mode = SERVER; mode <= (int)CLIENT; mode++) {
		char *text = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&text, &len);
		assert_non_null(f);
		kiln_options_help((enum kiln_gateway_mode)mode, f);
		assert_int_equal(fclose(f), 0);
		for (size_t i = 0; i < kiln_flag_count; i++) {
			char want[64];
			(void)snprintf(want, sizeof want, "%s", kiln_flags[i].name);
			bool known = (kiln_flags[i].modes & (unsigned)mode) != 0;
			if (known && strcmp(want, "--help") != 0 && strstr(text, want) == NULL)
				fail_msg("mode %d: the help lacks %s", mode, want);
		}
		for (char *p = strstr(text, "\n  --"); p != NULL; p = strstr(p + 1, "\n  --")) {
			char name[64] = "";
			assert_int_equal(sscanf(p, " %63[-a-z]", name), 1);
			if (kiln_flag_find(name, (unsigned)mode) == NULL)
				fail_msg("mode %d: the help invents %s", mode, name);
		}
		free(text);
	}
}

/* ------------------------------------------------------------------ what is refused */

static void refuses_unknown(void **state)
{
	(void)state;
	refuses(SERVER, "--lisen :1", "unknown flag --lisen; did you mean --listen?");
	refuses(SERVER, "--alow-all", "did you mean --allow-all?");
	refuses(SERVER, "--cacrt=f", "unknown flag --cacrt; did you mean --cacert?");
	refuses(SERVER, "--lis :1", "did you mean --listen?");
	refuses(SERVER, "--allow x", "unknown flag --allow");
	refuses(SERVER, "--frobnicate", "`kiln server --help` lists them all");
	refuses(SERVER, "-x", "unknown flag -x");
	refuses(SERVER, "--verify-cn x", "--verify-cn belongs to `kiln client`");
	refuses(CLIENT, "--allow-all", "--allow-all belongs to `kiln server`");
	refuses(SERVER, GOOD "extra --workers 1", "'extra' is no flag");
	refuses(SERVER, GOOD "-- --workers 1", "'--workers' is no flag");
}

static void refuses_values(void **state)
{
	(void)state;
	refuses(SERVER, "--listen", "--listen needs a value");
	refuses(SERVER, "--listen=", "--listen needs a value");
	refuses(SERVER, "--cert --key k", "--cert needs a value, and --key is a flag");
	refuses(SERVER, "--allow-all=yes", "--allow-all takes no value");
	refuses(SERVER, "--target foo", "--target: 'foo' has no port");
	refuses(SERVER, "--listen ::1:80", "--listen: ");
	refuses(SERVER, "--target a:1 --target b:2", "--target is given twice");
	refuses(SERVER, "--max-connections 1 --max-concurrent-conns 2", "given twice");
	refuses(SERVER, "--listen :1 --listen :1", "':1' is given twice");
	refuses(SERVER, "--handshake-timeout 10", "--handshake-timeout: '10' is no duration");
	refuses(SERVER, "--idle-timeout forever", "--idle-timeout: 'forever' is no duration");
	refuses(SERVER, "--workers 1025", "--workers: '1025' is no number from 0 to 1024");
	refuses(SERVER, "--workers -1", "--workers: '-1' is no number");
	refuses(SERVER, "--max-connections x", "--max-connections: 'x' is no number");
	refuses(SERVER, "--rekey-after-records 0", "from 1 to 16777216");
	refuses(SERVER, "--buffer-memory 1023K", "not from 1MiB");
	refuses(SERVER, "--buffer-memory lots", "no size");
	refuses(SERVER, "--ktls maybe", "write auto, off or require");
	refuses(SERVER, "--engine uring", "write auto, io_uring or epoll");
	refuses(SERVER, "--log-format xml", "write text or json");
	refuses(SERVER, "--log-level loud", "write debug, info, warning or error");
	refuses(SERVER, "--pin-workers yes", "write off or on");
	refuses(SERVER, "--client-auth maybe", "write required, optional or none");
	refuses(SERVER, "--proxy-protocol-mode all", "write conn, tls or tls-full");
	refuses(SERVER, "--allow-spki abcd", "--allow-spki: 'abcd' is no public key hash");
	refuses(SERVER, "--allow-ip host", "--allow-ip: 'host' is no IP address");
	refuses(SERVER, "--alpn h2,", "--alpn: ");
}

static void refuses_missing(void **state)
{
	(void)state;
	refuses(SERVER, "", "--listen is missing");
	refuses(SERVER, "--listen :1", "--target is missing");
	refuses(SERVER, ENDS "--allow-all", "--cert and --key (or --keystore) are missing");
	refuses(SERVER, ENDS "--cert c", "--key is missing: the private key of --cert c");
	refuses(SERVER, ENDS "--key k", "--cert is missing");
	refuses(CLIENT, ENDS "--key k", "--cert is missing");
	refuses(SERVER, ENDS PAIR "--allow-all", "--cacert is missing");
	refuses(CLIENT, "--listen :1 --target unix:/t", "whom to expect at unix:/t?");
}

static void refuses_without_access_choice(void **state)
{
	(void)state;
	static const char *const choices[] = {"--allow-all",  "--allow-cn",           "--allow-ou",
					      "--allow-dns",  "--allow-uri",          "--allow-ip",
					      "--allow-spki", "--disable-client-auth"};
	for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
		refuses(SERVER, ENDS PAIR "--cacert ca", choices[i]);
	refuses(SERVER, ENDS PAIR "--client-auth optional", "who may connect?");
}

static void refuses_contradictions(void **state)
{
	(void)state;
	refuses(SERVER, GOOD "--allow-cn x", "--allow-all lets everyone in");
	refuses(SERVER, GOOD "--disable-client-auth", "nothing for --allow flags");
	refuses(SERVER, ENDS PAIR "--allow-cn x --client-auth none", "nothing for --allow flags");
	refuses(SERVER, ENDS PAIR "--disable-authentication --client-auth required",
		"--disable-authentication contradicts --client-auth");
	refuses(SERVER, ENDS PAIR "--keystore ks", "leave --cert and --key out");
	refuses(CLIENT, ENDS PAIR "--disable-authentication", "contradicts --cert");
	refuses(CLIENT, ENDS "--verify-name n --verify-cn c", "--verify-name contradicts");
}

static void refuses_addresses(void **state)
{
	(void)state;
	refuses(SERVER, "--listen :80 --target localhost:80", "are the same address");
	refuses(SERVER, "--listen :81 --listen unix:/a --target unix:/a", "are the same address");
	refuses(SERVER, "--listen :1 --target :80", "has no host");
	refuses(SERVER, "--listen :1 --target h:0", "port 0");
}

static void refuses_too_many(void **state)
{
	(void)state;
	char line[sizeof line_text];
	size_t used = 0;
	for (int i = 1; i <= 17; i++)
		used += (size_t)snprintf(line + used, sizeof line - used, "--listen :%d ", i);
	refuses(SERVER, line, "--listen: at most 16 addresses");
	used = 0;
	for (int i = 0; i <= 256; i++)
		used += (size_t)snprintf(line + used, sizeof line - used, "--allow-cn=c%d ", i);
	refuses(SERVER, line, "--allow-cn: at most 256 rules");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(server_defaults),
	    cmocka_unit_test(every_common_flag),
	    cmocka_unit_test(access_rules),
	    cmocka_unit_test(client_auth_modes),
	    cmocka_unit_test(aliases),
	    cmocka_unit_test(proxy_modes),
	    cmocka_unit_test(client_names),
	    cmocka_unit_test(client_rules),
	    cmocka_unit_test(help_needs_nothing_else),
	    cmocka_unit_test(help_is_complete),
	    cmocka_unit_test(refuses_unknown),
	    cmocka_unit_test(refuses_values),
	    cmocka_unit_test(refuses_missing),
	    cmocka_unit_test(refuses_without_access_choice),
	    cmocka_unit_test(refuses_contradictions),
	    cmocka_unit_test(refuses_addresses),
	    cmocka_unit_test(refuses_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

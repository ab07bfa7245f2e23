/* SPDX-License-Identifier: Apache-2.0
 * The command lines of `kiln server` and `kiln client`: what they give. */
#include "options.h"

static void takes(enum kiln_gateway_mode mode, const char *line)
{
	struct kiln_error err = {0};
	if (parse(mode, line, &err) != KILN_OK)
		fail_msg("'%s' refused: %s", line, err.message);
}

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
	assert_int_equal(o.target_refresh, 0);
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
	takes(SERVER, GOOD
	      "--listen unix:/s --workers 3 --pin-workers off --engine epoll "
	      "--ktls=require --user nobody --handshake-timeout=1s "
	      "--connect-timeout 2s --send-timeout 3s --idle-timeout 4s "
	      "--close-timeout 0 --shutdown-timeout 6m --target-refresh 7s --max-connections 9 "
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
	assert_int_equal(o.target_refresh, 7000);
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
	assert_names("--listen :1 --target h:2 --verify-dns d", "h", "h");
	assert_names("--listen :1 --target h:2 --verify-name v --verify-ou d", "h", "v");
	assert_names("--listen :1 --target h:2 --verify-name none --verify-dns d", "h", NULL);
	assert_names("--listen :1 --target h:2 --verify-name none --cacert ca.pem --verify-ou d",
		     "h", NULL);
	assert_names("--listen :1 --target h:2 --verify-spki " HASH, "h", NULL);
	assert_names("--listen :1 --target h:2 --server-name n --verify-spki " HASH, "n", "n");
	assert_names("--listen :1 --target h:2 --verify-cn c --verify-spki " HASH, "h", "h");
	assert_names("--listen :1 --target unix:/t --verify-name none --verify-dns d", NULL, NULL);
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

#define ROLE     "arn:aws:iam::123456789012:role/Orders"
#define OTHER    "arn:aws:iam::210987654321:role/Ledger"
#define BY_ROAST "--roast --allow-role " ROLE " "

static void roast(void **state)
{
	(void)state;
	takes(SERVER, ENDS BY_ROAST);
	assert_true(o.roast);
	assert_int_equal(o.role_count, 1);
	assert_string_equal(o.roles[0].account, "123456789012");
	assert_string_equal(o.roles[0].name, "Orders");
	assert_int_equal(o.peer_auth, KILN_PEER_REQUIRED);
	assert_false(o.require_binding);
	assert_false(o.development_sts);
	assert_null(o.region);
	assert_int_equal(o.roast_rate, 100);
	assert_int_equal(o.handshake_timeout, 15000);
	takes(SERVER, ENDS "--roast --allow-role " ROLE "," OTHER " --allow-role=" ROLE
			   " --require-binding --region eu-west-1 --roast-rate 0 --development-sts "
			   "--handshake-timeout 3s --proxy-protocol");
	assert_int_equal(o.role_count, 3);
	assert_string_equal(o.roles[1].name, "Ledger");
	assert_true(o.require_binding);
	assert_true(o.development_sts);
	assert_string_equal(o.region, "eu-west-1");
	assert_int_equal(o.roast_rate, 0);
	assert_int_equal(o.handshake_timeout, 3000);
	assert_int_equal(o.proxy_send, KILN_PROXY_SEND_TLS);
	takes(CLIENT, ENDS BY_ROAST);
	assert_true(o.roast);
	takes(SERVER, GOOD);
	assert_false(o.roast);
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
	    cmocka_unit_test(roast),
	    cmocka_unit_test(help_needs_nothing_else),
	    cmocka_unit_test(help_is_complete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

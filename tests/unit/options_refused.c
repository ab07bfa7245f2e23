/* SPDX-License-Identifier: Apache-2.0
 * The command lines of `kiln server` and `kiln client`: every refusal. */
#include "options.h"

static void refuses(enum kiln_gateway_mode mode, const char *line, const char *why)
{
	struct kiln_error err = {0};
	assert_int_equal(parse(mode, line, &err), KILN_E_CONFIG);
	assert_int_equal(err.code, KILN_E_CONFIG);
	if (strstr(err.message, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.message, why);
}

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
	refuses(SERVER, "--target-refresh 999ms",
		"--target-refresh: '999ms' is less than a second");
	refuses(SERVER, "--workers 257", "--workers: '257' is no number from 0 to 256");
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
	refuses(SERVER, ENDS PAIR "--allow-all", "--allow-all without --cacert");
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
	refuses(CLIENT, ENDS "--verify-name none", "leaves nobody to expect");
	refuses(CLIENT, ENDS "--verify-name none --verify-ou Web", "without --cacert");
	refuses(CLIENT, ENDS "--verify-name none --verify-dns d --verify-uri spiffe://a/b",
		"without --cacert");
	refuses(CLIENT, "--listen 127.0.0.1:1 --target unix:/t --verify-dns d", "whom to expect");
}

static void refuses_addresses(void **state)
{
	(void)state;
	refuses(SERVER, "--listen :80 --target localhost:80", "are the same address");
	refuses(SERVER, "--listen :81 --listen unix:/a --target unix:/a", "are the same address");
	refuses(SERVER, "--listen :1 --target :80", "has no host");
	refuses(SERVER, "--listen :1 --target h:0", "port 0");
}

#define ROLE "arn:aws:iam::123456789012:role/Orders"

static void refuses_handoff(void **state)
{
	(void)state;
	refuses(SERVER, "--listen :1 --handoff a:1", "Unix sockets only; write unix:PATH");
	refuses(SERVER, "--handoff unix:/a --target b:1", "--handoff takes the place of --target");
	refuses(SERVER, "--target b:1 --handoff unix:/a", "--handoff takes the place of --target");
	refuses(SERVER, "--handoff unix:/a --handoff unix:/b", "--handoff is given twice");
	refuses(SERVER, GOOD "--handoff-user x", "--handoff-user belongs to --handoff");
	refuses(SERVER, GOOD "--handoff-exporter x", "--handoff-exporter belongs to --handoff");
	refuses(SERVER, "--handoff-exporter \x01", "printable, without blanks");
	refuses(SERVER, "--listen :1 --handoff unix:/a --proxy-protocol",
		"--proxy-protocol belongs to --target");
	refuses(SERVER, "--listen :1 --handoff unix:/a --target-refresh 5s",
		"--target-refresh belongs to --target");
	refuses(CLIENT, "--handoff unix:/a", "--handoff belongs to `kiln server`");
}

static void refuses_roast(void **state)
{
	(void)state;
	refuses(SERVER, ENDS "--roast", "who may be at the other end? Give --allow-role");
	refuses(CLIENT, ENDS "--roast", "who may be at the other end?");
	refuses(SERVER, ENDS "--roast --allow-role arn:aws:iam::123456789012:user/a",
		"--allow-role: 'arn:aws:iam::123456789012:user/a' is no role");
	refuses(SERVER, ENDS "--roast --allow-role " ROLE ",", "--allow-role: ''");
	refuses(SERVER, ENDS "--roast --handshake-timeout 0 --allow-role " ROLE, "at most 15s");
	refuses(SERVER, ENDS "--roast --handshake-timeout 16s --allow-role " ROLE, "at most 15s");
	refuses(SERVER, ENDS "--roast --allow-role arn:aws:iam::123456789012:role/*", "wildcards");
	refuses(SERVER, ENDS "--roast --allow-role arn:aws:iam::123456789012:role/a/b", "path");
	refuses(SERVER, ENDS "--roast --allow-role arn:aws:sts::123456789012:assumed-role/a/b",
		"it is a session");
	refuses(SERVER, ENDS "--roast --allow-role " ROLE " --roast-rate -1",
		"--roast-rate: '-1' is no number from 0 to 100000");
	refuses(CLIENT, "--listen :1 --target unix:/t --roast --allow-role " ROLE,
		"--target: Roast names the server by its address");
	refuses(SERVER, ENDS "--roast --allow-role " ROLE " --region moon",
		"--region: AWS has no region 'moon'");
	static const char *const alone[] = {"--allow-role " ROLE, "--require-binding",
					    "--region eu-west-1", "--roast-rate 5",
					    "--development-sts"};
	for (size_t i = 0; i < sizeof alone / sizeof alone[0]; i++) {
		char line[256];
		(void)snprintf(line, sizeof line, GOOD "%s", alone[i]);
		refuses(SERVER, line, "belongs to --roast, which is missing");
	}
}

/* A certificate beside a role would say who somebody is twice. */
static void refuses_certificates_with_roast(void **state)
{
	(void)state;
	static const char *const server[] = {
	    "--cert c",           "--key k",        "--keystore ks",      "--cacert ca",
	    "--allow-all",        "--allow-cn x",   "--allow-ou x",       "--allow-dns x",
	    "--allow-uri x:y",    "--allow-ip ::1", "--allow-spki " HASH, "--disable-client-auth",
	    "--client-auth none", "--alpn h2"};
	static const char *const client[] = {
	    "--server-name x", "--verify-name x",     "--verify-cn x",
	    "--verify-ou x",   "--verify-dns x",      "--verify-uri x:y",
	    "--verify-ip ::1", "--verify-spki " HASH, "--disable-authentication"};
	char line[512];
	for (size_t i = 0; i < sizeof server / sizeof server[0]; i++) {
		(void)snprintf(line, sizeof line, ENDS "--roast --allow-role " ROLE " %s",
			       server[i]);
		refuses(SERVER, line, "does not go with --roast: both sides prove AWS roles");
	}
	for (size_t i = 0; i < sizeof client / sizeof client[0]; i++) {
		(void)snprintf(line, sizeof line, ENDS "--roast --allow-role " ROLE " %s",
			       client[i]);
		refuses(CLIENT, line, "does not go with --roast");
	}
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
	    cmocka_unit_test(refuses_unknown),
	    cmocka_unit_test(refuses_values),
	    cmocka_unit_test(refuses_missing),
	    cmocka_unit_test(refuses_without_access_choice),
	    cmocka_unit_test(refuses_contradictions),
	    cmocka_unit_test(refuses_addresses),
	    cmocka_unit_test(refuses_handoff),
	    cmocka_unit_test(refuses_roast),
	    cmocka_unit_test(refuses_certificates_with_roast),
	    cmocka_unit_test(refuses_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

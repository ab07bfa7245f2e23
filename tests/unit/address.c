/* SPDX-License-Identifier: Apache-2.0
 * Addresses: what is taken, what is refused and how, and how socket addresses are shown. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "net/address.h"

static struct kiln_address parse(const char *text)
{
	struct kiln_address address;
	struct kiln_error err = {0};
	if (kiln_address_parse("--target", text, &address, &err) != KILN_OK)
		fail_msg("'%s' refused: %s", text, err.message);
	return address;
}

static void assert_inet(const char *text, const char *host, unsigned port)
{
	struct kiln_address address = parse(text);
	assert_false(address.is_unix);
	assert_string_equal(address.host, host);
	assert_int_equal(address.port, port);
}

static void assert_refused(const char *text, const char *why)
{
	struct kiln_address address;
	struct kiln_error err = {0};
	assert_int_equal(kiln_address_parse("--target", text, &address, &err), KILN_E_CONFIG);
	assert_memory_equal(err.message, "--target: ", 10);
	if (strstr(err.message, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.message, why);
}

static void takes_hosts(void **state)
{
	(void)state;
	assert_inet("127.0.0.1:8443", "127.0.0.1", 8443);
	assert_inet("service.example:1", "service.example", 1);
	assert_inet("[::1]:65535", "::1", 65535);
	assert_inet("[fe80::1%eth0]:80", "fe80::1%eth0", 80);
	assert_inet(":80", "", 80);
	assert_inet("localhost:0", "localhost", 0);
}

static void takes_unix(void **state)
{
	(void)state;
	struct kiln_address address = parse("unix:/run/a:b");
	assert_true(address.is_unix);
	assert_string_equal(address.path, "/run/a:b");
	assert_string_equal(parse("unix:@kiln").path, "@kiln");
	assert_string_equal(parse("unix:relative").path, "relative");
}

static void refuses_bad_hosts(void **state)
{
	(void)state;
	assert_refused("foo", "'foo' has no port; write HOST:PORT, [IPv6]:PORT or unix:PATH");
	assert_refused("", "has no port");
	assert_refused("::1:80", "needs brackets");
	assert_refused("2001:db8::1", "needs brackets");
	assert_refused("[::1]", "has no port; write [::1]:PORT");
	assert_refused("[::1]80", "has no port");
	assert_refused("[::1:80", "lacks a ']'");
	assert_refused("[1.2.3.4]:80", "no IPv6 address");
	assert_refused("[]:80", "no IPv6 address");
	assert_refused("https://foo:443", "is a URL");
	assert_refused("/run/kiln.sock", "write unix:/run/kiln.sock");
	assert_refused("a b:80", "cannot be a host name");
	assert_refused("a\n:80", "cannot be a host name");
	assert_refused("h\xc3\xa4:80", "cannot be a host name");
	assert_refused("user@host:80", "cannot be a host name");
}

static void refuses_bad_ports(void **state)
{
	(void)state;
	assert_refused("foo:", "'' is no port");
	assert_refused("foo:http", "'http' is no port");
	assert_refused("foo:65536", "no port");
	assert_refused("foo:100000", "no port");
	assert_refused("foo:-1", "no port");
	assert_refused("foo:+1", "no port");
	assert_refused("foo:1 ", "no port");
	assert_refused("[::1]:", "no port");
}

static void bounds_lengths(void **state)
{
	(void)state;
	char text[400];
	memset(text, 'a', sizeof text);
	memcpy(text + 253, ":80", 4);
	assert_int_equal(strlen(parse(text).host), 253);
	memset(text, 'a', 260);
	memcpy(text + 254, ":80", 4);
	assert_refused(text, "254 bytes long, 253 at most");

	memset(text, 'a', sizeof text);
	memcpy(text, "unix:", 5);
	text[5 + 107] = '\0';
	assert_int_equal(strlen(parse(text).path), 107);
	text[5 + 107] = 'a';
	text[5 + 108] = '\0';
	assert_refused(text, "108 bytes long, the system allows 107");
	assert_refused("unix:", "has no path");
	assert_refused("unix:@", "has no path");
}

static void assert_resolves(const char *text, enum kiln_address_use use, const char *shown)
{
	struct kiln_address address = parse(text);
	struct kiln_endpoints endpoints;
	struct kiln_error err = {0};
	char out[KILN_ADDRESS_TEXT];
	if (kiln_address_resolve(&address, use, &endpoints, &err) != KILN_OK)
		fail_msg("'%s' not resolved: %s", text, err.message);
	assert_true(endpoints.count >= 1 && endpoints.count <= KILN_ENDPOINTS_MAX);
	assert_string_equal(kiln_address_format(&endpoints.at[0].addr, endpoints.at[0].len, out),
			    shown);
}

static void resolves(void **state)
{
	(void)state;
	assert_resolves("127.0.0.1:80", KILN_TO_CONNECT, "127.0.0.1:80");
	assert_resolves("[2001:db8::1]:80", KILN_TO_CONNECT, "[2001:db8::1]:80");
	assert_resolves("[::ffff:1.2.3.4]:80", KILN_TO_CONNECT, "1.2.3.4:80");
	assert_resolves("[fe80::1%lo]:80", KILN_TO_CONNECT, "[fe80::1%1]:80");
	assert_resolves(":80", KILN_TO_LISTEN, "[::]:80");
	assert_resolves("unix:/run/x", KILN_TO_CONNECT, "unix:/run/x");
	assert_resolves("unix:@x", KILN_TO_LISTEN, "unix:@x");
}

static void resolves_any_both_ways(void **state)
{
	(void)state;
	struct kiln_address address = parse(":80");
	struct kiln_endpoints endpoints;
	struct kiln_error err = {0};
	assert_int_equal(kiln_address_resolve(&address, KILN_TO_LISTEN, &endpoints, &err), KILN_OK);
	assert_int_equal(endpoints.count, 2);
	assert_int_equal(endpoints.at[1].addr.ss_family, AF_INET);
	assert_int_equal(kiln_address_resolve(&address, KILN_TO_CONNECT, &endpoints, &err),
			 KILN_E_CONFIG);
	assert_non_null(strstr(err.message, "which host"));
}

/* The lengths are what bind(2) wants: a path with its NUL, an abstract name without. */
static void resolves_unix_lengths(void **state)
{
	(void)state;
	struct kiln_address address = parse("unix:@ab");
	struct kiln_endpoints endpoints;
	assert_int_equal(kiln_address_resolve(&address, KILN_TO_LISTEN, &endpoints, NULL), KILN_OK);
	const struct sockaddr_un *un = (const struct sockaddr_un *)&endpoints.at[0].addr;
	assert_int_equal(endpoints.at[0].len, offsetof(struct sockaddr_un, sun_path) + 3);
	assert_memory_equal(un->sun_path, "\0ab", 3);
	address = parse("unix:/a");
	assert_int_equal(kiln_address_resolve(&address, KILN_TO_LISTEN, &endpoints, NULL), KILN_OK);
	assert_int_equal(endpoints.at[0].len, offsetof(struct sockaddr_un, sun_path) + 3);
}

/* RFC 6761: no resolver may find a name under .invalid. Without a network the answer is "try
 * again", which is another code but no success either. */
static void resolve_names_the_host(void **state)
{
	(void)state;
	struct kiln_address address = parse("no-such-host.invalid:80");
	struct kiln_endpoints endpoints;
	struct kiln_error err = {0};
	enum kiln_code code = kiln_address_resolve(&address, KILN_TO_CONNECT, &endpoints, &err);
	assert_true(code == KILN_E_CONFIG || code == KILN_E_TARGET);
	assert_non_null(strstr(err.message, "'no-such-host.invalid'"));
}

static void formats_oddities(void **state)
{
	(void)state;
	char out[KILN_ADDRESS_TEXT];
	struct sockaddr_storage ss = {.ss_family = AF_UNIX};
	assert_string_equal(kiln_address_format(&ss, sizeof(sa_family_t), out), "unix:");
	assert_string_equal(kiln_address_format(&ss, sizeof(struct sockaddr_un), out), "unix:");
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	memset(un.sun_path, 'x', sizeof un.sun_path); /* unix(7): no NUL at the end is legal */
	memcpy(&ss, &un, sizeof un);
	assert_int_equal(strlen(kiln_address_format(&ss, sizeof un, out)), 5 + 108);
	ss.ss_family = AF_UNSPEC;
	assert_string_equal(kiln_address_format(&ss, sizeof ss, out), "unknown");
	ss.ss_family = AF_INET;
	assert_string_equal(kiln_address_format(&ss, 4, out), "unknown");
}

static bool is_loopback(const char *text)
{
	struct kiln_address address = parse(text);
	struct kiln_endpoints endpoints;
	assert_int_equal(kiln_address_resolve(&address, KILN_TO_CONNECT, &endpoints, NULL),
			 KILN_OK);
	bool loopback = kiln_address_is_loopback(&endpoints.at[0].addr);
	assert_int_equal(kiln_address_names_loopback(&address), loopback);
	return loopback;
}

static void knows_loopback(void **state)
{
	(void)state;
	assert_true(is_loopback("127.0.0.1:1"));
	assert_true(is_loopback("127.255.3.4:1"));
	assert_true(is_loopback("[::1]:1"));
	assert_true(is_loopback("[::ffff:127.0.0.1]:1"));
	assert_true(is_loopback("unix:/x"));
	assert_false(is_loopback("128.0.0.1:1"));
	assert_false(is_loopback("[::2]:1"));
	assert_false(is_loopback("[::ffff:1.2.3.4]:1"));
	struct kiln_address name = parse("LOCALHOST:1");
	assert_true(kiln_address_names_loopback(&name));
}

static bool overlaps(const char *listen, const char *target)
{
	struct kiln_address a = parse(listen), b = parse(target);
	return kiln_address_overlaps(&a, &b);
}

static void knows_overlaps(void **state)
{
	(void)state;
	assert_true(overlaps("127.0.0.1:80", "127.0.0.1:80"));
	assert_true(overlaps("Foo.example:80", "foo.EXAMPLE:80"));
	assert_true(overlaps(":80", "localhost:80"));
	assert_true(overlaps("0.0.0.0:80", "127.0.0.1:80"));
	assert_true(overlaps("[::]:80", "[::1]:80"));
	assert_true(overlaps("localhost:80", "127.0.0.1:80"));
	assert_true(overlaps("127.0.0.1:80", "localhost:80"));
	assert_true(overlaps("unix:/a", "unix:/a"));
	assert_false(overlaps("127.0.0.1:80", "127.0.0.1:81"));
	assert_false(overlaps("127.0.0.1:80", "127.0.0.2:80"));
	assert_false(overlaps(":80", "foo.example:80"));
	assert_false(overlaps("unix:/a", "unix:/b"));
	assert_false(overlaps("unix:/a", "127.0.0.1:80"));
	assert_false(overlaps("127.0.0.1:0", "127.0.0.1:0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_hosts),
	    cmocka_unit_test(takes_unix),
	    cmocka_unit_test(refuses_bad_hosts),
	    cmocka_unit_test(refuses_bad_ports),
	    cmocka_unit_test(bounds_lengths),
	    cmocka_unit_test(resolves),
	    cmocka_unit_test(resolves_any_both_ways),
	    cmocka_unit_test(resolves_unix_lengths),
	    cmocka_unit_test(resolve_names_the_host),
	    cmocka_unit_test(formats_oddities),
	    cmocka_unit_test(knows_loopback),
	    cmocka_unit_test(knows_overlaps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

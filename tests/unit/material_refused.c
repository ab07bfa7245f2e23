/* SPDX-License-Identifier: Apache-2.0
 * Files and lists that cannot be used: each refusal names the flag and the file at fault. */
#include "options.h"

#include <sys/stat.h>
#include <unistd.h>

#include "demo/certs.h"
#include "supervisor/material.h"

static char folder[] = "/tmp/kiln-material-XXXXXX";

static void write_file(const char *name, const char *text, size_t len)
{
	char path[80];
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static int make_files(void **state)
{
	static const char *const dns[] = {"localhost", NULL};
	static const char encrypted[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
					"-----END ENCRYPTED PRIVATE KEY-----\n";
	const struct kiln_leaf leaf = {.common_name = "s", .dns = dns, .for_server = true};
	struct kiln_pair a = {0}, b = {0};
	struct kiln_pem ca = {0};
	(void)state;
	assert_non_null(mkdtemp(folder));
	struct kiln_authority *authority = kiln_authority_new("test", 1700000000, 30, NULL);
	assert_non_null(authority);
	assert_int_equal(kiln_authority_issue(authority, &leaf, &a, NULL), KILN_OK);
	assert_int_equal(kiln_authority_issue(authority, &leaf, &b, NULL), KILN_OK);
	assert_int_equal(kiln_authority_cert(authority, &ca, NULL), KILN_OK);
	write_file("ca", ca.data, ca.len);
	write_file("cert", a.cert.data, a.cert.len);
	write_file("key", a.key.data, a.key.len);
	write_file("other", b.key.data, b.key.len);
	write_file("locked", encrypted, sizeof encrypted - 1);
	write_file("empty", "", 0);
	kiln_pem_clear(&ca);
	kiln_pair_clear(&a);
	kiln_pair_clear(&b);
	kiln_authority_free(authority);
	return 0;
}

static int remove_files(void **state)
{
	static const char *const names[] = {"ca", "cert", "key", "other", "locked", "empty"};
	char path[80];
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		(void)unlink(path);
	}
	return rmdir(folder);
}

/* "@x" in flags is the file x. */
static enum kiln_code start(const char *flags, struct kiln_error *err)
{
	char line[1024];
	size_t n = (size_t)snprintf(line, sizeof line, "--listen :8443 ");
	if (strstr(flags, "--target") == NULL)
		n += (size_t)snprintf(line + n, sizeof line - n, "--target 127.0.0.1:80 ");
	for (; *flags != '\0' && n + sizeof folder < sizeof line; flags++) {
		if (*flags == '@')
			n += (size_t)snprintf(line + n, sizeof line - n, "%s/", folder);
		else
			line[n++] = *flags;
	}
	line[n] = '\0';
	struct kiln_material material;
	assert_int_equal(parse(SERVER, line, err), KILN_OK);
	enum kiln_code rc = kiln_material_load(&o, &material, err);
	if (rc != KILN_OK)
		return rc;
	rc = kiln_material_find_target(&o, &material.targets, err);
	if (rc != KILN_OK) {
		kiln_material_clear(&material);
		return rc;
	}
	struct kiln_tls_config *config = kiln_material_config(&o, &material, err);
	kiln_tls_config_unref(config);
	kiln_material_clear(&material);
	return config != NULL ? KILN_OK : err->code;
}

static void refuses(const char *flags, const char *flag_and_file, const char *why)
{
	struct kiln_error err = {0};
	char where[120];
	assert_int_not_equal(start(flags, &err), KILN_OK);
	const char *at = strchr(flag_and_file, '@');
	if (at != NULL)
		(void)snprintf(where, sizeof where, "%.*s%s/%s", (int)(at - flag_and_file),
			       flag_and_file, folder, at + 1);
	else
		(void)snprintf(where, sizeof where, "%s", flag_and_file);
	if (strstr(err.message, where) == NULL || strstr(err.message, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\" and \"%s\"", err.message, where, why);
}

static void takes_good_files(void **state)
{
	struct kiln_error err = {0};
	(void)state;
	assert_int_equal(start("--cert @cert --key @key --cacert @ca --allow-all", &err), KILN_OK);
	assert_int_equal(start("--cert @cert --key @key --cacert @ca --allow-uri spiffe://*/a/** "
			       "--cipher-suites "
			       "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256",
			       &err),
			 KILN_OK);
}

static void names_the_file(void **state)
{
	(void)state;
	refuses("--cert @none --key @key --cacert @ca --allow-all", "--cert @none", "No such file");
	refuses("--cert @empty --key @key --cacert @ca --allow-all", "--cert @empty", "1 byte");
	refuses("--cert @key --key @cert --cacert @ca --allow-all", "--cert @key", "swapped?");
	refuses("--cert @cert --key @ca --cacert @ca --allow-all", "--key @ca",
		"no PEM private key");
	refuses("--cert @cert --key @locked --cacert @ca --allow-all", "--key @locked",
		"passphrase");
	refuses("--cert @cert --key @other --cacert @ca --allow-all", "--key @other",
		"does not belong");
	refuses("--keystore @cert --cacert @ca --allow-all", "--keystore @cert",
		"no PEM private key");
	refuses("--keystore @none --cacert @ca --allow-all", "--keystore @none", "No such file");
	refuses("--cert @cert --key @key --cacert @key --allow-all", "--cacert @key",
		"no PEM certificate");
	refuses("--cert @cert --key @key --cacert @ca --allow-all --target [::1%nowhere]:1",
		"--target [::1%nowhere]:1", "cannot look up");
}

/* These would start, and then serve nobody, or others than meant. */
static void refuses_what_would_never_work(void **state)
{
	(void)state;
	refuses("--cert @cert --key @key --cacert @ca --allow-all --cipher-suites "
		"TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256",
		"'TLS_AES_128_CCM_SHA256'", "it has TLS_AES_128_GCM_SHA256");
	refuses("--cert @cert --key @key --cacert @ca --allow-all --cipher-suites "
		"TLS_AES_128_GCM_SHA256:",
		"''", "no cipher suite");
	static const char *const patterns[] = {"spiffe://a*", "spiffe://a/*b", "spiffe://a/**/b",
					       "spiffe://a**", "spiffe://a/***"};
	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		char flags[160];
		(void)snprintf(flags, sizeof flags,
			       "--cert @cert --key @key --cacert @ca --allow-uri %s", patterns[i]);
		refuses(flags, patterns[i], "whole path segment");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(takes_good_files),
	    cmocka_unit_test(names_the_file),
	    cmocka_unit_test(refuses_what_would_never_work),
	};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}

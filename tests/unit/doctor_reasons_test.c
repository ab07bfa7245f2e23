/* SPDX-License-Identifier: Apache-2.0
 * The doctor's verdicts, from facts that are made up: refusals, kernel versions, faults. */
#include <errno.h>
#include <linux/tls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "doctor/facts.h"
#include "doctor/faults.h"
#include "doctor/ktls_reason.h"
#include "doctor/uring_reason.h"

static void expect_text(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void ulp_refusals_name_the_way_out(void **state)
{
	static const struct {
		int sys_errno;
		struct kiln_tls_module module;
		const char *reason, *fix;
	} cases[] = {
	    {ENOENT, {.folder = true, .file = true}, "is not loaded", "modprobe tls"},
	    {ENOENT,
	     {.config = KILN_KCONFIG_MODULE, .folder = true, .file = true},
	     "is not loaded",
	     "modprobe tls"},
	    {ENOENT, {.config = KILN_KCONFIG_NO}, "CONFIG_TLS is not set", ""},
	    {ENOENT, {.config = KILN_KCONFIG_NO, .folder = true}, "CONFIG_TLS is not set", ""},
	    {ENOENT, {.config = KILN_KCONFIG_MODULE}, "on the host", "modprobe tls"},
	    {ENOENT, {.config = KILN_KCONFIG_UNKNOWN}, "on the host", "modprobe tls"},
	    {ENOENT,
	     {.config = KILN_KCONFIG_MODULE, .folder = true, .install = "get it"},
	     "not installed",
	     "get it"},
	    {ENOENT, {.folder = true}, "has no tls module", ""},
	    {ENOENT, {.loaded = true}, "does not offer it", ""},
	    {ENOENT, {.config = KILN_KCONFIG_BUILT_IN}, "does not offer it", ""},
	    {EPERM, {0}, "security policy", ""},
	    {EACCES, {0}, "security policy", ""},
	    {ENOPROTOOPT, {0}, "does not know TCP_ULP", ""},
	    {ENOSYS, {0}, "seccomp", ""},
	    {ENOMEM, {0}, "Cannot allocate memory", ""},
	};
	char reason[KILN_PROBE_TEXT], fix[KILN_PROBE_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		memset(fix, 'x', sizeof fix);
		kiln_ulp_reason(cases[i].sys_errno, &cases[i].module, reason, fix);
		expect_text(reason, cases[i].reason);
		assert_string_equal(fix, cases[i].fix);
	}
}

static void cipher_refusals_name_the_module(void **state)
{
	char reason[KILN_PROBE_TEXT];

	(void)state;
	kiln_cipher_reason(ENOENT, TLS_CIPHER_CHACHA20_POLY1305, "", reason);
	expect_text(reason, "chacha20poly1305");
	kiln_cipher_reason(ENOENT, TLS_CIPHER_AES_GCM_256, "", reason);
	expect_text(reason, "gcm");
	kiln_cipher_reason(EINVAL, TLS_CIPHER_AES_GCM_256, "", reason);
	expect_text(reason, "does not know this cipher");
	kiln_cipher_reason(EBUSY, TLS_CIPHER_AES_GCM_256, "TLS_RX refused: busy", reason);
	assert_string_equal(reason, "TLS_RX refused: busy");
}

static void uring_refusals_name_the_wall(void **state)
{
	static const struct {
		int sys_errno;
		struct kiln_uring_walls walls;
		const char *reason, *fix;
	} cases[] = {
	    {EPERM, {.disabled = 2}, "io_uring_disabled is 2", "sysctl -w"},
	    {EPERM, {.disabled = 2, .admin = true}, "io_uring_disabled is 2", "sysctl -w"},
	    {EPERM, {.disabled = 1}, "io_uring_disabled is 1", "sysctl -w"},
	    {EPERM, {.disabled = 1, .admin = true, .seccomp = true}, "seccomp", "docker run"},
	    {EPERM, {.disabled = 0, .seccomp = true}, "seccomp", "docker run"},
	    {EPERM, {.disabled = -1}, "security module", ""},
	    {ENOSYS, {.disabled = -1}, "built without io_uring", ""},
	    {ENOSYS, {.seccomp = true}, "seccomp", ""},
	    {ENOMEM, {0}, "RLIMIT_MEMLOCK", "ulimit -l"},
	    {EMFILE, {0}, "file descriptor", "ulimit -n"},
	    {EIO, {0}, "Input/output error", ""},
	};
	char reason[KILN_PROBE_TEXT], fix[KILN_PROBE_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		kiln_uring_reason(cases[i].sys_errno, &cases[i].walls, reason, fix);
		expect_text(reason, cases[i].reason);
		expect_text(fix, cases[i].fix);
		assert_int_equal(fix[0] == '\0', cases[i].fix[0] == '\0');
	}
}

static void versions_are_read_as_distributions_write_them(void **state)
{
	static const struct {
		const char *release, *version;
		struct kiln_kernel kernel;
	} cases[] = {
	    {"6.1.0-56-amd64",
	     "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1 (2026-08-01)",
	     {6, 1, 192, true}},
	    {"6.12.95+deb12-amd64",
	     "#1 SMP Debian 6.12.95-1~bpo12+1 (2026-08-01)",
	     {6, 12, 95, true}},
	    {"7.2.13+deb14-amd64", "#1 SMP PREEMPT_DYNAMIC", {7, 2, 13, true}},
	    {"6.18.44-fc-v669", "#1 SMP PREEMPT_DYNAMIC @0", {6, 18, 44, true}},
	    {"5.15.0-91-generic", "#101-Ubuntu SMP", {5, 15, 0, false}},
	    {"6.8.12-3-oem", "#3-Ubuntu SMP", {6, 8, 12, false}},
	    {"5.14.0-427.el9.x86_64", "#1 SMP PREEMPT_DYNAMIC", {5, 14, 0, false}},
	    {"6.4.0-150600.23-default", "#1 SMP", {6, 4, 0, false}},
	    {"6.1.102-111.187.amzn2023.x86_64", "#1 SMP", {6, 1, 102, true}},
	    {"7.0.0", "#1", {7, 0, 0, true}},
	    {"7.3.0-rc2", "#1", {7, 3, 0, true}},
	    {"6.17", "#1", {6, 17, 0, true}},
	};
	struct kiln_kernel k;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		kiln_kernel_parse(&k, cases[i].release, cases[i].version);
		assert_int_equal(k.major, cases[i].kernel.major);
		assert_int_equal(k.minor, cases[i].kernel.minor);
		assert_int_equal(k.patch, cases[i].kernel.patch);
		assert_int_equal(k.exact, cases[i].kernel.exact);
	}
	kiln_kernel_parse(&k, "6.12.1", "");
	assert_true(kiln_kernel_is(&k, 6, 12) && kiln_kernel_is(&k, 5, 19));
	assert_false(kiln_kernel_is(&k, 6, 13) || kiln_kernel_is(&k, 7, 0));
}

static void faults_follow_the_version(void **state)
{
	static const struct {
		enum kiln_fault_id id;
		struct kiln_kernel kernel;
		enum kiln_fault_status status;
	} cases[] = {
	    {KILN_FAULT_SPLICE, {4, 19, 0, true}, KILN_FAULT_FIXED},
	    {KILN_FAULT_SPLICE, {6, 1, 68, true}, KILN_FAULT_APPLIES},
	    {KILN_FAULT_SPLICE, {6, 1, 69, true}, KILN_FAULT_FIXED},
	    {KILN_FAULT_SPLICE, {5, 15, 0, false}, KILN_FAULT_UNKNOWN},
	    {KILN_FAULT_SPLICE, {5, 15, 147, false}, KILN_FAULT_FIXED},
	    {KILN_FAULT_SPLICE, {6, 8, 0, false}, KILN_FAULT_FIXED},
	    {KILN_FAULT_ZERO_LENGTH, {5, 15, 0, false}, KILN_FAULT_FIXED},
	    {KILN_FAULT_ZERO_LENGTH, {6, 1, 148, true}, KILN_FAULT_APPLIES},
	    {KILN_FAULT_ZERO_LENGTH, {6, 12, 44, true}, KILN_FAULT_FIXED},
	    {KILN_FAULT_ZERO_LENGTH, {6, 15, 9, true}, KILN_FAULT_APPLIES},
	    {KILN_FAULT_ZERO_LENGTH, {6, 17, 0, true}, KILN_FAULT_FIXED},
	    {KILN_FAULT_NO_PAD, {6, 1, 192, true}, KILN_FAULT_APPLIES},
	    {KILN_FAULT_NO_PAD, {6, 18, 45, true}, KILN_FAULT_FIXED},
	    {KILN_FAULT_NO_PAD, {7, 1, 8, true}, KILN_FAULT_APPLIES},
	    {KILN_FAULT_NO_PAD, {7, 2, 0, true}, KILN_FAULT_FIXED},
	    {KILN_FAULT_SOCKMAP, {6, 12, 110, true}, KILN_FAULT_APPLIES},
	    {KILN_FAULT_SOCKMAP, {6, 12, 111, true}, KILN_FAULT_FIXED},
	    {KILN_FAULT_SEND_ORDER, {7, 2, 13, true}, KILN_FAULT_APPLIES},
	    {KILN_FAULT_SEND_ZC, {6, 8, 0, false}, KILN_FAULT_APPLIES},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(kiln_fault_status(kiln_fault(cases[i].id), &cases[i].kernel),
				 cases[i].status);
	for (unsigned i = 0; i < KILN_FAULTS; i++) {
		const struct kiln_fault *fault = kiln_fault((enum kiln_fault_id)i);
		assert_non_null(fault->key);
		assert_non_null(fault->kiln);
	}
}

/* A file with this text; the caller unlinks and frees the path. */
static char *file_with(const char *text)
{
	char template[] = "/tmp/kiln-doctor-XXXXXX";
	int fd = mkstemp(template);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
	return strdup(template);
}

static void configurations_are_read(void **state)
{
	char *path =
	    file_with("CONFIG_TLS_DEVICE=y\nCONFIG_TLS=m\n# CONFIG_XY is not set\nCONFIG_B=y\n");

	(void)state;
	assert_int_equal(kiln_kconfig_read(path, "CONFIG_TLS"), KILN_KCONFIG_MODULE);
	assert_int_equal(kiln_kconfig_read(path, "CONFIG_B"), KILN_KCONFIG_BUILT_IN);
	assert_int_equal(kiln_kconfig_read(path, "CONFIG_XY"), KILN_KCONFIG_NO);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(kiln_kconfig_read(path, "CONFIG_TLS"), KILN_KCONFIG_UNKNOWN);
	free(path);
}

static void small_files_are_read(void **state)
{
	char *path =
	    file_with("32768\t60999\nflags\t\t: fpu aesx vaes\nSeccomp_filters:\t1\nSeccomp:\t2\n");
	char value[64];
	long a, b;

	(void)state;
	assert_true(kiln_fact_number(path, &a));
	assert_int_equal(a, 32768);
	assert_true(kiln_fact_two_numbers(path, &a, &b));
	assert_int_equal(b, 60999);
	assert_true(kiln_fact_field(path, "flags", value, sizeof value));
	assert_string_equal(value, "fpu aesx vaes");
	assert_true(kiln_fact_has_word(value, "vaes"));
	assert_true(kiln_fact_has_word(value, "fpu"));
	assert_false(kiln_fact_has_word(value, "aes"));
	assert_true(kiln_fact_field(path, "Seccomp:", value, sizeof value));
	assert_string_equal(value, "2");
	assert_int_equal(unlink(path), 0);
	assert_false(kiln_fact_number(path, &a));
	assert_false(kiln_fact_two_numbers(path, &a, &b));
	assert_false(kiln_fact_field(path, "flags", value, sizeof value));
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ulp_refusals_name_the_way_out),
	    cmocka_unit_test(cipher_refusals_name_the_module),
	    cmocka_unit_test(uring_refusals_name_the_wall),
	    cmocka_unit_test(versions_are_read_as_distributions_write_them),
	    cmocka_unit_test(faults_follow_the_version),
	    cmocka_unit_test(configurations_are_read),
	    cmocka_unit_test(small_files_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

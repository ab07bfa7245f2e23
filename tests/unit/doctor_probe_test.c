/* SPDX-License-Identifier: Apache-2.0
 * The kernel TLS probe over system calls that fail on command, and both probes over the real ones.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/sys.h"
#include "doctor/probe.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

/* What the made-up kernel refuses; 0 is nothing. */
static struct {
	int ulp, rx, tx, no_pad;
	uint16_t cipher; /* only this cipher's keys are refused, with EINVAL */
	bool corrupt;    /* data comes out changed */
} kernel;

static int refuse(int sys_errno)
{
	errno = sys_errno;
	return sys_errno != 0 ? -1 : 0;
}

static int fake_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	(void)fd;
	if (level == IPPROTO_TCP && name == TCP_ULP)
		return refuse(kernel.ulp);
	assert_int_equal(level, SOL_TLS);
	if (name == TLS_RX_EXPECT_NO_PAD)
		return refuse(kernel.no_pad);
	assert_true(len >= sizeof(struct tls_crypto_info));
	const struct tls_crypto_info *info = value;
	assert_int_equal(info->version, TLS_1_3_VERSION);
	if (kernel.cipher != 0 && info->cipher_type == kernel.cipher)
		return refuse(EINVAL);
	return refuse(name == TLS_TX ? kernel.tx : kernel.rx);
}

static ssize_t fake_recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t n = recvmsg(fd, msg, flags);

	if (n > 0 && kernel.corrupt)
		((char *)msg->msg_iov[0].iov_base)[0] ^= 1;
	return n;
}

static const struct kiln_sys sys = {
    .setsockopt = fake_setsockopt,
    .sendmsg = sendmsg,
    .recvmsg = fake_recvmsg,
    .send = send,
    .recv = recv,
};

static int reset(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof kernel);
	return 0;
}

static unsigned open_files(void)
{
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	assert_int_equal(closedir(dir), 0);
	return count;
}

static void a_refused_protocol_is_explained(void **state)
{
	struct kiln_ktls_caps caps;

	(void)state;
	kernel.ulp = EPERM;
	assert_int_equal(kiln_probe_ktls(&sys, &caps), KILN_OK);
	assert_false(caps.available);
	assert_non_null(strstr(caps.reason, "security policy"));
	for (unsigned i = 0; i < KILN_PROBE_SUITES; i++)
		assert_false(caps.cipher[i]);
}

static void one_refused_cipher_leaves_the_others(void **state)
{
	struct kiln_ktls_caps caps;

	(void)state;
	kernel.cipher = TLS_CIPHER_AES_GCM_128;
	assert_int_equal(kiln_probe_ktls(&sys, &caps), KILN_OK);
	assert_true(caps.available);
	assert_string_equal(caps.reason, "");
	assert_false(caps.cipher[0]);
	assert_non_null(strstr(caps.cipher_reason[0], "does not know this cipher"));
	assert_true(caps.cipher[1] && caps.cipher[2]);
	assert_true(caps.no_pad);
}

static void a_direction_that_is_refused_makes_a_cipher_useless(void **state)
{
	struct kiln_ktls_caps caps;

	(void)state;
	kernel.rx = EINVAL;
	assert_int_equal(kiln_probe_ktls(&sys, &caps), KILN_OK);
	assert_false(caps.available);
	assert_non_null(strstr(caps.reason, "no cipher works"));
	reset(NULL);
	kernel.tx = ENOENT;
	assert_int_equal(kiln_probe_ktls(&sys, &caps), KILN_OK);
	assert_false(caps.available);
	assert_non_null(strstr(caps.cipher_reason[2], "chacha20poly1305"));
}

static void keys_without_data_do_not_count(void **state)
{
	struct kiln_ktls_caps caps;

	(void)state;
	kernel.corrupt = true;
	assert_int_equal(kiln_probe_ktls(&sys, &caps), KILN_OK);
	assert_false(caps.available);
	assert_non_null(strstr(caps.reason, "data did not come out"));
}

/* Plain sockets take no control record, which a key change starts with. */
static void a_kernel_that_cannot_change_keys_is_noticed(void **state)
{
	struct kiln_ktls_caps caps;

	(void)state;
	kernel.no_pad = ENOPROTOOPT;
	assert_int_equal(kiln_probe_ktls(&sys, &caps), KILN_OK);
	assert_true(caps.available);
	assert_false(caps.rekey);
	assert_false(caps.no_pad);
}

static void the_real_probes_are_consistent_and_leave_nothing(void **state)
{
	struct kiln_ktls_caps first, caps;
	struct kiln_uring_caps uring;

	(void)state;
	assert_int_equal(kiln_probe_ktls(NULL, &first), KILN_OK);
	unsigned before = open_files();
	assert_int_equal(kiln_probe_ktls(NULL, &caps), KILN_OK);
	assert_int_equal(kiln_probe_uring(&uring), KILN_OK);
	assert_int_equal(open_files(), before);

	assert_memory_equal(&first, &caps, sizeof caps);
	assert_int_equal(caps.available, caps.cipher[0] || caps.cipher[1] || caps.cipher[2]);
	assert_int_equal(caps.available, caps.reason[0] == '\0');
	assert_true(caps.available || (!caps.rekey && !caps.no_pad));
	assert_int_equal(uring.available, uring.reason[0] == '\0');
	assert_true(uring.available || !uring.usable);
	assert_true(!uring.defer_taskrun || uring.single_issuer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_refused_protocol_is_explained, reset),
	    cmocka_unit_test_setup(one_refused_cipher_leaves_the_others, reset),
	    cmocka_unit_test_setup(a_direction_that_is_refused_makes_a_cipher_useless, reset),
	    cmocka_unit_test_setup(keys_without_data_do_not_count, reset),
	    cmocka_unit_test_setup(a_kernel_that_cannot_change_keys_is_noticed, reset),
	    cmocka_unit_test(the_real_probes_are_consistent_and_leave_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * Keys into the kernel through a played table of system calls: the structures byte for byte, every
 * refusal, and the control messages. tests/vm shows the same on a kernel that really does it. */
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <kiln/ktls.h>

#include "base/sys.h"
#include "tls/secret.h"

#define SOL_TLS_NUMBER 282

static const uint16_t suites[] = {0x1301, 0x1302, 0x1303};

static struct {
	unsigned calls;
	int fail_at, fail_with; /* call number from 1 on; 0: none */
	struct {
		int fd, level, name;
		socklen_t len;
		uint8_t value[64];
	} set[8];
} fake;

static int set_option(int fd, int level, int name, const void *value, socklen_t len)
{
	assert_true(fake.calls < 8 && len <= 64);
	fake.set[fake.calls].fd = fd;
	fake.set[fake.calls].level = level;
	fake.set[fake.calls].name = name;
	fake.set[fake.calls].len = len;
	memcpy(fake.set[fake.calls].value, value, len);
	if ((int)++fake.calls != fake.fail_at)
		return 0;
	errno = fake.fail_with;
	return -1;
}

static const struct kiln_sys sys = {.setsockopt = set_option};

static struct kiln_traffic rx, tx;
static uint8_t rx_secret[48], tx_secret[48];

static void start(uint16_t suite, int fail_at, int fail_with)
{
	memset(&fake, 0, sizeof fake);
	fake.fail_at = fail_at;
	fake.fail_with = fail_with;
	memset(rx_secret, 0x33, sizeof rx_secret);
	memset(tx_secret, 0x44, sizeof tx_secret);
	assert_int_equal(kiln_traffic_init(&rx, suite, rx_secret, 0x0102030405060708, NULL),
			 KILN_OK);
	rx.records = 0; /* so many would be beyond RFC 8446 5.5 */
	assert_int_equal(kiln_traffic_init(&tx, suite, tx_secret, 2, NULL), KILN_OK);
}

static void stop(void)
{
	kiln_traffic_clear(&rx);
	kiln_traffic_clear(&tx);
}

/* What include/uapi/linux/tls.h lays out: version, cipher, IV, key, (salt,) record number. */
static size_t expected(uint16_t suite, const uint8_t *secret, uint64_t sequence, uint8_t *out)
{
	static const uint16_t ciphers[] = {51, 52, 54};
	struct kiln_traffic_keys keys;
	const struct kiln_suite *s = kiln_suite_find(suite);
	assert_int_equal(kiln_derive_keys(s, secret, &keys, NULL), KILN_OK);
	const size_t key_len = suite == 0x1301 ? 16 : 32;
	const uint16_t head[] = {0x0304, ciphers[suite - 0x1301]}; /* the machine's byte order */
	size_t n = 0;
	memcpy(out, head, 4);
	n += 4;
	const size_t iv_from = suite == 0x1303 ? 0 : 4;
	memcpy(out + n, keys.iv + iv_from, 12 - iv_from);
	n += 12 - iv_from;
	memcpy(out + n, keys.key, key_len);
	n += key_len;
	memcpy(out + n, keys.iv, iv_from);
	n += iv_from;
	for (int i = 0; i < 8; i++)
		out[n++] = (uint8_t)(sequence >> (56 - 8 * i));
	return n;
}

static void assert_set(unsigned call, int name, uint16_t suite, const uint8_t *secret,
		       uint64_t sequence)
{
	uint8_t want[64];
	assert_int_equal(fake.set[call].fd, 7);
	assert_int_equal(fake.set[call].level, SOL_TLS_NUMBER);
	assert_int_equal(fake.set[call].name, name);
	assert_int_equal(fake.set[call].len, expected(suite, secret, sequence, want));
	assert_memory_equal(fake.set[call].value, want, fake.set[call].len);
}

static void test_install(void **state)
{
	(void)state;
	for (int s = 0; s < 3; s++) {
		bool spoiled = true;
		start(suites[s], 0, 0);
		assert_int_equal(kiln_ktls_install(&sys, 7, &rx, &tx, &spoiled, NULL), KILN_OK);
		assert_false(spoiled);
		assert_int_equal(fake.calls, 3);
		assert_int_equal(fake.set[0].level, IPPROTO_TCP);
		assert_int_equal(fake.set[0].name, TCP_ULP);
		assert_int_equal(fake.set[0].len, 3);
		assert_memory_equal(fake.set[0].value, "tls", 3);
		assert_set(1, TLS_TX, suites[s], tx_secret, 2);
		assert_set(2, TLS_RX, suites[s], rx_secret, 0x0102030405060708);
		assert_int_equal(rx.where, KILN_IN_KERNEL);
		assert_int_equal(tx.where, KILN_IN_KERNEL);
		assert_null(rx.cipher);
		assert_null(tx.cipher);
		uint8_t record[64];
		size_t n;
		assert_int_equal(kiln_traffic_seal(&tx, 23, "x", 1, record, &n, NULL),
				 KILN_E_USAGE);
		stop();
	}
}

static void refused(int call, int error, enum kiln_code code, bool want_spoiled)
{
	struct kiln_error err = {0};
	bool spoiled = !want_spoiled;
	start(0x1302, call, error);
	assert_int_equal(kiln_ktls_install(&sys, 7, &rx, &tx, &spoiled, &err), code);
	assert_int_equal(spoiled, want_spoiled);
	assert_int_equal(fake.calls, call);
	assert_int_equal(err.sys_errno, error);
	/* Nothing was given up: user space can go on, or tell what happened. */
	assert_int_equal(rx.where, KILN_IN_USER);
	assert_int_equal(tx.where, KILN_IN_USER);
	uint8_t record[64];
	size_t n;
	assert_int_equal(kiln_traffic_seal(&tx, 23, "x", 1, record, &n, NULL), KILN_OK);
	assert_int_equal(kiln_traffic_seal(&rx, 23, "x", 1, record, &n, NULL), KILN_OK);
	stop();
}

static void test_refused(void **state)
{
	(void)state;
	refused(1, ENOENT, KILN_E_UNSUPPORTED, false);   /* no module */
	refused(1, ENOTCONN, KILN_E_UNSUPPORTED, false); /* not in ESTABLISHED */
	refused(2, EINVAL, KILN_E_UNSUPPORTED, false);   /* not this cipher */
	refused(2, ENOENT, KILN_E_UNSUPPORTED, false);   /* its crypto module is missing */
	refused(3, ENOMEM, KILN_E_SYSTEM, true);
	refused(3, EINVAL, KILN_E_SYSTEM, true);
}

static void test_rekey(void **state)
{
	(void)state;
	for (int s = 0; s < 3; s++) {
		start(suites[s], 0, 0);
		bool spoiled;
		assert_int_equal(kiln_ktls_install(&sys, 7, &rx, &tx, &spoiled, NULL), KILN_OK);
		uint8_t next[48];
		const struct kiln_suite *suite = kiln_suite_find(suites[s]);
		assert_int_equal(
		    kiln_expand_label(suite, rx_secret, "traffic upd", next, suite->hash_len, NULL),
		    KILN_OK);
		assert_int_equal(kiln_traffic_update(&rx, NULL), KILN_OK);
		assert_null(rx.cipher);
		assert_int_equal(kiln_ktls_rekey(&sys, 7, KILN_RX, &rx, NULL), KILN_OK);
		assert_set(3, TLS_RX, suites[s], next, 0);
		assert_int_equal(kiln_traffic_update(&tx, NULL), KILN_OK);
		assert_int_equal(kiln_ktls_rekey(&sys, 7, KILN_TX, &tx, NULL), KILN_OK);
		assert_int_equal(fake.set[4].name, TLS_TX);
		stop();
	}
	for (int direction = KILN_RX; direction <= KILN_TX; direction++) {
		struct kiln_error err = {0};
		start(0x1301, 1, EBUSY);
		assert_int_equal(
		    kiln_ktls_rekey(&sys, 7, (enum kiln_direction)direction, &rx, &err),
		    KILN_E_TLS_KEY_UPDATE);
		assert_int_equal(err.sys_errno, EBUSY);
		stop();
	}
}

/* ---- control messages ----------------------------------------------------------------------- */

static uint8_t sent_type, sent[16];
static size_t sent_len;
static int sent_flags;

static ssize_t send_message(int fd, const struct msghdr *msg, int flags)
{
	assert_int_equal(fd, 7);
	assert_int_equal(msg->msg_iovlen, 1);
	assert_null(msg->msg_name);
	const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	assert_non_null(c);
	assert_int_equal(c->cmsg_level, SOL_TLS_NUMBER);
	assert_int_equal(c->cmsg_type, TLS_SET_RECORD_TYPE);
	assert_int_equal(c->cmsg_len, CMSG_LEN(1));
	assert_int_equal(msg->msg_controllen, CMSG_SPACE(1));
	sent_type = *CMSG_DATA(c);
	sent_len = msg->msg_iov[0].iov_len;
	memcpy(sent, msg->msg_iov[0].iov_base, sent_len);
	sent_flags = flags;
	return (ssize_t)sent_len;
}

static ssize_t send_nothing(int fd, const struct msghdr *msg, int flags)
{
	(void)fd, (void)msg, (void)flags;
	errno = EAGAIN;
	return -1;
}

static void test_send_record(void **state)
{
	const struct kiln_sys good = {.sendmsg = send_message}, bad = {.sendmsg = send_nothing};
	(void)state;
	assert_int_equal(kiln_ktls_send_record(&good, 7, KILN_RECORD_ALERT, "\1\0", 2), 2);
	assert_int_equal(sent_type, KILN_RECORD_ALERT);
	assert_int_equal(sent_len, 2);
	assert_memory_equal(sent, "\1\0", 2);
	assert_int_equal(sent_flags & (MSG_DONTWAIT | MSG_NOSIGNAL), MSG_DONTWAIT | MSG_NOSIGNAL);
	errno = 0;
	assert_int_equal(kiln_ktls_send_record(&bad, 7, KILN_RECORD_ALERT, "\1\0", 2), -1);
	assert_int_equal(errno, EAGAIN);
}

static int message_type, message_result; /* type -1: without a control message */

static ssize_t receive_message(int fd, struct msghdr *msg, int flags)
{
	assert_int_equal(fd, 7);
	assert_int_equal(flags, MSG_DONTWAIT);
	assert_true(msg->msg_controllen >= CMSG_SPACE(1));
	assert_int_equal(msg->msg_iov[0].iov_len, 100);
	if (message_result < 0) {
		errno = -message_result;
		return -1;
	}
	if (message_type < 0) {
		msg->msg_controllen = 0;
		return message_result;
	}
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_TLS_NUMBER;
	c->cmsg_type = TLS_GET_RECORD_TYPE;
	c->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(c) = (uint8_t)message_type;
	msg->msg_controllen = CMSG_LEN(1);
	return message_result;
}

static void receives(int type, int result, ssize_t want, uint8_t want_type)
{
	const struct kiln_sys played = {.recvmsg = receive_message};
	uint8_t data[100], got = 99;
	message_type = type;
	message_result = result;
	errno = 0;
	assert_int_equal(kiln_ktls_receive(&played, 7, data, sizeof data, MSG_DONTWAIT, &got),
			 want);
	if (want < 0)
		assert_int_equal(errno, -result);
	else
		assert_int_equal(got, want_type);
}

static void test_receive(void **state)
{
	(void)state;
	receives(23, 50, 50, 23);
	receives(21, 2, 2, 21);
	receives(22, 5, 5, 22);
	receives(-1, 10, 10, 23); /* older kernels tell no type for data */
	receives(-1, 0, 0, 23);
	receives(0, -EAGAIN, -1, 0);
	receives(0, -EIO, -1, 0);
	receives(0, -EKEYEXPIRED, -1, 0);
}

static void test_receive_verdicts(void **state)
{
	static const struct {
		int failed;
		enum kiln_code kernel, user; /* where the keys are */
		uint8_t alert;
	} cases[] = {
	    {EBADMSG, KILN_E_TLS_DECRYPT, KILN_E_SYSTEM, KILN_ALERT_BAD_RECORD_MAC},
	    {EMSGSIZE, KILN_E_TLS_RECORD, KILN_E_SYSTEM, KILN_ALERT_RECORD_OVERFLOW},
	    {EINVAL, KILN_E_TLS_RECORD, KILN_E_SYSTEM, KILN_ALERT_UNEXPECTED_MESSAGE},
	    {EPROTO, KILN_E_TLS_RECORD, KILN_E_SYSTEM, KILN_ALERT_UNEXPECTED_MESSAGE},
	    {EKEYEXPIRED, KILN_OK, KILN_E_SYSTEM, 0},
	    {ECONNRESET, KILN_E_TLS_TRUNCATED, KILN_E_TLS_TRUNCATED, 0},
	    {EPIPE, KILN_E_TLS_TRUNCATED, KILN_E_TLS_TRUNCATED, 0},
	    {ETIMEDOUT, KILN_E_TLS_TRUNCATED, KILN_E_TLS_TRUNCATED, 0},
	    {EHOSTUNREACH, KILN_E_TLS_TRUNCATED, KILN_E_TLS_TRUNCATED, 0},
	    {EIO, KILN_E_SYSTEM, KILN_E_SYSTEM, 0},
	    {ENOMEM, KILN_E_SYSTEM, KILN_E_SYSTEM, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		for (int user = 0; user <= 1; user++) {
			struct kiln_traffic traffic = {.where =
							   user ? KILN_IN_USER : KILN_IN_KERNEL};
			struct kiln_error err = {0};
			const enum kiln_code want = user ? cases[i].user : cases[i].kernel;
			assert_int_equal(kiln_ktls_receive_verdict(&traffic, cases[i].failed, &err),
					 want);
			assert_int_equal(err.code, want);
			assert_int_equal(err.alert, user ? 0 : cases[i].alert);
			assert_int_equal(err.sys_errno, want != KILN_OK ? cases[i].failed : 0);
		}
}

static void test_no_key_for_ever(void **state)
{
	struct kiln_traffic traffic = {.where = KILN_IN_KERNEL};
	struct kiln_error err = {0};
	(void)state;
	for (unsigned i = 0; i < KILN_USELESS_MAX; i++)
		assert_int_equal(kiln_ktls_receive_verdict(&traffic, EKEYEXPIRED, &err), KILN_OK);
	assert_int_equal(kiln_ktls_receive_verdict(&traffic, EKEYEXPIRED, &err),
			 KILN_E_TLS_MESSAGE);
	assert_int_equal(err.alert, KILN_ALERT_UNEXPECTED_MESSAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_install),         cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_rekey),           cmocka_unit_test(test_send_record),
	    cmocka_unit_test(test_receive),         cmocka_unit_test(test_receive_verdicts),
	    cmocka_unit_test(test_no_key_for_ever),
	};
	return cmocka_run_group_tests_name("tls: kernel TLS calls", tests, NULL, NULL);
}

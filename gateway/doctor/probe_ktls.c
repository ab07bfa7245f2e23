/* SPDX-License-Identifier: Apache-2.0
 * Kernel TLS, tried with the calls that connections use (kiln/ktls.h). */
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <kiln/ktls.h>

#include "base/sys.h"
#include "doctor/ktls_reason.h"
#include "doctor/loopback.h"
#include "doctor/probe.h"
#include "tls/suite.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

struct end {
	int fd;
	struct kiln_traffic rx, tx;
};

/* Sends a few bytes and looks whether they come out. */
static bool carry(const struct kiln_sys *sys, struct end *from, struct end *to)
{
	static const char text[] = "kiln";
	char got[sizeof text] = "";
	uint8_t type;

	return sys->send(from->fd, text, sizeof text, MSG_DONTWAIT | MSG_NOSIGNAL) ==
		   (ssize_t)sizeof text &&
	       kiln_loopback_readable(to->fd) &&
	       kiln_ktls_receive(sys, to->fd, got, sizeof got, MSG_DONTWAIT, &type) ==
		   (ssize_t)sizeof got &&
	       type == KILN_RECORD_DATA && memcmp(text, got, sizeof text) == 0;
}

/* What a KeyUpdate asks of the kernel: the message as a control record, new keys on both ends of
 * one direction, and data under them. */
static bool change_key(const struct kiln_sys *sys, struct end *from, struct end *to)
{
	uint8_t message[KILN_KEY_UPDATE_LEN], got[KILN_KEY_UPDATE_LEN], type;

	kiln_key_update_message(message, false);
	if (kiln_ktls_send_record(sys, from->fd, KILN_RECORD_HANDSHAKE, message, sizeof message) !=
		(ssize_t)sizeof message ||
	    kiln_traffic_update(&from->tx, NULL) != KILN_OK ||
	    kiln_ktls_rekey(sys, from->fd, KILN_TX, &from->tx, NULL) != KILN_OK)
		return false;
	return kiln_loopback_readable(to->fd) &&
	       kiln_ktls_receive(sys, to->fd, got, sizeof got, MSG_DONTWAIT, &type) ==
		   (ssize_t)sizeof got &&
	       type == KILN_RECORD_HANDSHAKE && kiln_traffic_update(&to->rx, NULL) == KILN_OK &&
	       kiln_ktls_rekey(sys, to->fd, KILN_RX, &to->rx, NULL) == KILN_OK &&
	       carry(sys, from, to);
}

/* The secrets protect nothing but the five bytes above. */
static enum kiln_code set_keys(struct end *end, uint16_t suite, uint8_t rx, uint8_t tx,
			       struct kiln_error *err)
{
	uint8_t rx_secret[KILN_SECRET_MAX], tx_secret[KILN_SECRET_MAX];

	memset(rx_secret, rx, sizeof rx_secret);
	memset(tx_secret, tx, sizeof tx_secret);
	enum kiln_code code = kiln_traffic_init(&end->rx, suite, rx_secret, 0, err);
	return code != KILN_OK ? code : kiln_traffic_init(&end->tx, suite, tx_secret, 0, err);
}

static enum kiln_code install(const struct kiln_sys *sys, struct end *end, struct kiln_error *err)
{
	bool spoiled;

	return kiln_ktls_install(sys, end->fd, &end->rx, &end->tx, &spoiled, err);
}

static bool try_suite(const struct kiln_sys *sys, const struct kiln_suite *suite, struct end *a,
		      struct end *b, char reason[KILN_PROBE_TEXT])
{
	struct kiln_error err = {0};

	if (set_keys(a, suite->id, 1, 2, &err) != KILN_OK ||
	    set_keys(b, suite->id, 2, 1, &err) != KILN_OK || install(sys, a, &err) != KILN_OK ||
	    install(sys, b, &err) != KILN_OK) {
		kiln_cipher_reason(err.sys_errno, suite->ktls_cipher, err.message, reason);
		return false;
	}
	if (carry(sys, a, b) && carry(sys, b, a))
		return true;
	(void)snprintf(reason, KILN_PROBE_TEXT, "the keys were taken, but data did not come out");
	return false;
}

static void probe_suite(const struct kiln_sys *sys, const struct kiln_suite *suite, size_t i,
			struct kiln_ktls_caps *caps)
{
	struct end ends[2] = {0};
	int fds[2], one = 1;

	if (kiln_loopback_pair(fds) != 0) {
		(void)snprintf(caps->cipher_reason[i], KILN_PROBE_TEXT,
			       "no loopback connection to try it on");
		return;
	}
	ends[0].fd = fds[0];
	ends[1].fd = fds[1];
	caps->cipher[i] = try_suite(sys, suite, &ends[0], &ends[1], caps->cipher_reason[i]);
	/* Neither depends on the cipher: the first that works answers for all. The option comes
	 * last, because a control record after it is what CVE-2026-74611 is about. */
	if (caps->cipher[i] && !caps->available) {
		caps->available = true;
		caps->rekey = change_key(sys, &ends[0], &ends[1]);
		caps->no_pad =
		    sys->setsockopt(fds[1], SOL_TLS, TLS_RX_EXPECT_NO_PAD, &one, sizeof one) == 0;
	}
	for (size_t e = 0; e < 2; e++) {
		kiln_traffic_clear(&ends[e].rx);
		kiln_traffic_clear(&ends[e].tx);
		(void)close(ends[e].fd);
	}
}

/* Whether the kernel knows the "tls" protocol at all; 0 or an errno. */
static int try_ulp(const struct kiln_sys *sys, bool *no_loopback)
{
	int fds[2];

	*no_loopback = kiln_loopback_pair(fds) != 0;
	if (*no_loopback)
		return errno;
	int failed =
	    sys->setsockopt(fds[0], IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls" - 1) == 0 ? 0 : errno;
	(void)close(fds[0]);
	(void)close(fds[1]);
	return failed;
}

enum kiln_code kiln_probe_ktls(const struct kiln_sys *sys, struct kiln_ktls_caps *caps)
{
	struct kiln_tls_module module;
	char text[96];
	size_t count;
	bool no_loopback;
	const struct kiln_suite *suites = kiln_suites(&count);

	sys = sys != NULL ? sys : &kiln_sys_linux;
	*caps = (struct kiln_ktls_caps){0};
	int failed = try_ulp(sys, &no_loopback);
	if (no_loopback) {
		(void)snprintf(caps->reason, sizeof caps->reason,
			       "no TCP connection on the loopback interface to try it on: %s",
			       strerror_r(failed, text, sizeof text));
		(void)snprintf(caps->fix, sizeof caps->fix, "ip link set lo up");
		return KILN_E_SYSTEM;
	}
	if (failed != 0) {
		kiln_tls_module_look(&module);
		kiln_ulp_reason(failed, &module, caps->reason, caps->fix);
		return KILN_OK;
	}
	for (size_t i = 0; i < count && i < KILN_PROBE_SUITES; i++)
		probe_suite(sys, &suites[i], i, caps);
	if (!caps->available)
		(void)snprintf(caps->reason, sizeof caps->reason, "no cipher works: %.160s",
			       caps->cipher_reason[0]);
	return KILN_OK;
}

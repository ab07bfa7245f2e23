/* SPDX-License-Identifier: Apache-2.0
 *
 * What this kernel and this user can do, found out by doing it. Probes print nothing, leave nothing
 * open and take a few milliseconds, so that the supervisor can run them at every start.
 */
#ifndef KILN_GATEWAY_PROBE_H
#define KILN_GATEWAY_PROBE_H

#include <kiln/error.h>

#define KILN_PROBE_SUITES 3u /* as many as kiln_suites() has, and in its order */
#define KILN_PROBE_TEXT   192u

struct kiln_sys; /* NULL: the real system calls */

struct kiln_ktls_caps {
	bool available;               /* with at least one cipher, records went both ways */
	char reason[KILN_PROBE_TEXT]; /* why not: for the operator; "" when available */
	char fix[KILN_PROBE_TEXT];    /* the command that would change that, or "" */
	bool cipher[KILN_PROBE_SUITES];
	char cipher_reason[KILN_PROBE_SUITES][KILN_PROBE_TEXT];
	bool rekey;  /* a KeyUpdate was followed, and data went on under the new key */
	bool no_pad; /* TLS_RX_EXPECT_NO_PAD is accepted. Not that it is safe: see faults.h */
};

/* Tries each cipher suite on a loopback connection. KILN_E_SYSTEM when there is no loopback; caps
 * are filled in any case. */
enum kiln_code kiln_probe_ktls(const struct kiln_sys *sys, struct kiln_ktls_caps *caps);

struct kiln_uring_caps {
	bool available;               /* io_uring_setup works */
	char reason[KILN_PROBE_TEXT]; /* why not; "" when available */
	char fix[KILN_PROBE_TEXT];
	bool coop_taskrun; /* setup flags */
	bool single_issuer;
	bool defer_taskrun;
	bool buffer_ring; /* provided buffers */
	bool multishot_accept;
	bool multishot_recv; /* with provided buffers, as the next */
	bool multishot_recvmsg;
	bool usable; /* all that the relay needs: without it the epoll engine is taken */
};

enum kiln_code kiln_probe_uring(struct kiln_uring_caps *caps);

#endif

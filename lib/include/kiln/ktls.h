/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel TLS (Linux, Documentation/networking/tls.rst): moving a direction's keys into the socket,
 * and the records that are not data.
 *
 * After kiln_ktls_install the socket carries plain bytes. Three things remain for user space:
 * control records (kiln_ktls_send_record, kiln_ktls_receive), close_notify, which the kernel never
 * sends by itself, and key updates (kiln_ktls_rekey), which it takes only from Linux 6.14.
 */
#ifndef KILN_KTLS_H
#define KILN_KTLS_H

#include <sys/types.h>

#include <kiln/tls.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kiln_sys; /* NULL everywhere: the real system calls */

/* What a connection wants of the kernel. */
enum kiln_ktls_mode {
	KILN_KTLS_AUTO,    /* the kernel where it can, user space where not */
	KILN_KTLS_OFF,     /* user space */
	KILN_KTLS_REQUIRE, /* a connection that the kernel cannot take is closed */
};

enum kiln_direction {
	KILN_RX = 1,
	KILN_TX = 2,
};

/* Attaches the TLS ULP to a connected TCP socket and installs both directions. The caller has sent
 * everything that was to go out in user space, and read nothing beyond rx->sequence records. On
 * success both are KILN_IN_KERNEL and their user-space ciphers are gone.
 *
 * On failure *spoiled tells whether the socket is still usable: false, both directions go on in
 * user space (KILN_E_UNSUPPORTED: no module, or not this cipher); true, one direction already went
 * to the kernel and the connection must be closed. */
KILN_API enum kiln_code kiln_ktls_install(const struct kiln_sys *sys, int fd,
					  struct kiln_traffic *rx, struct kiln_traffic *tx,
					  bool *spoiled, struct kiln_error *err) KILN_NODISCARD;

/* Installs the next key of one direction, after kiln_traffic_update. KILN_E_TLS_KEY_UPDATE where
 * the kernel cannot (EBUSY before 6.14): the connection must end. */
KILN_API enum kiln_code kiln_ktls_rekey(const struct kiln_sys *sys, int fd,
					enum kiln_direction direction,
					const struct kiln_traffic *traffic,
					struct kiln_error *err) KILN_NODISCARD;

/* Could kiln_ktls_rekey work on this socket? Asks the kernel without changing anything; only for a
 * direction that is in the kernel. */
KILN_API bool kiln_ktls_can_rekey(const struct kiln_sys *sys, int fd,
				  enum kiln_direction direction);

/* Sends one record of another type than data; len <= 16384. Returns bytes sent or -1 with errno,
 * as sendmsg does; never blocks. */
KILN_API ssize_t kiln_ktls_send_record(const struct kiln_sys *sys, int fd, uint8_t type,
				       const void *data, size_t len);

/* Receives data, or one control record: *type tells which. Returns as recvmsg does. */
KILN_API ssize_t kiln_ktls_receive(const struct kiln_sys *sys, int fd, void *data, size_t len,
				   int flags, uint8_t *type);

/* What a failed receive means (not EAGAIN, not EINTR), on a socket with keys or without:
 *   KILN_OK               not yet a failure: the kernel waits for the next key (EKEYEXPIRED).
 * Receive again; it counts as useless, because a peer that cuts its KeyUpdate in pieces makes the
 * kernel wait for ever KILN_E_TLS_DECRYPT, KILN_E_TLS_RECORD, KILN_E_TLS_MESSAGE the peer broke a
 * rule: err->alert is ours to send KILN_E_TLS_TRUNCATED  the peer is gone, or the way to it
 *   KILN_E_SYSTEM         the receive itself failed */
KILN_API enum kiln_code kiln_ktls_receive_verdict(struct kiln_traffic *rx, int sys_errno,
						  struct kiln_error *err) KILN_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * What a struct kiln_conn is made of; for lib/driver only. One file per step: dial.c connects,
 * hello.c drives Roast's hellos, handshake.c the handshaker, open.c installs the keys, tls.c and
 * roast.c put them together; receive.c, send.c, control.c and close.c work on the open connection;
 * load.c reads PEM files, by file.c. Who we are is identity.h's; connections that come from a
 * gateway are handoff.h's.
 */
#ifndef KILN_DRIVER_DRIVER_H
#define KILN_DRIVER_DRIVER_H

#include <kiln/handoff.h>

#include "base/sys.h"

/* A point in CLOCK_MONOTONIC, ms. */
typedef int64_t kiln_time_ms;

/* The record layer's memory, where the kernel does not have it. */
struct kiln_user_records {
	/* in[start, end) was received and not opened; plain[0, plain_len) inside of `in`, in
	 * front of start, was opened and not read. */
	uint8_t in[KILN_RECORD_MAX];
	uint32_t start, end;
	const uint8_t *plain;
	uint32_t plain_len;

	/* out[out_start, out_end) is sealed and not sent: a data record, and control records. */
	uint8_t out[KILN_RECORD_MAX + 128];
	uint32_t out_start, out_end;
};

struct kiln_roast;

struct kiln_conn {
	int fd;
	const struct kiln_sys *sys;
	struct kiln_session session;
	struct kiln_user_records *user; /* NULL in the kernel */
	char path_reason[KILN_ERROR_MAX];
	uint8_t exporter[KILN_EXPORTER_MAX];
	uint8_t exporter_len;

	bool has_role; /* from Roast */
	struct kiln_roast_peer role;

	struct kiln_handoff_info *handoff; /* NULL: it was not handed off */
	uint8_t *early; /* decrypted before the hand-off and not read yet; NULL: nothing */
	uint32_t early_at, early_len;
	bool end_unread; /* the gateway read the peer's close_notify, and nobody has been told */
	bool relayed;    /* by the gateway: no keys here */
	int notice_fd;   /* then: what carries the alerts; -1 */
	bool no_secrets; /* the keys in the kernel cannot be changed from here */

	bool rx_closed;     /* the peer's close_notify came */
	bool tx_closing;    /* our close_notify is sealed, or in the socket */
	bool tx_closed;     /* and so is the FIN */
	bool update_wanted; /* the peer asked for a new key of ours */
	bool rekey_works;   /* seen on this socket */

	struct kiln_error broken;    /* the peer broke a rule or left: nothing works any more */
	struct kiln_error tx_failed; /* sending failed: reading may still tell why */
};

/* ---- clock.c */

kiln_time_ms kiln_driver_now(void);

/* ms until the deadline has passed, at least 1: what takes so long ends behind it. */
uint32_t kiln_driver_left(kiln_time_ms deadline);

/* Waits for events on fd: KILN_OK, KILN_E_TIMEOUT or KILN_E_SYSTEM. Errors and hang-ups of the
 * socket are KILN_OK too: the call that follows tells them. */
enum kiln_code kiln_driver_wait(int fd, short events, kiln_time_ms deadline,
				struct kiln_error *err) KILN_NODISCARD;

/* ---- dial.c */

/* A connected socket in *fd, non-blocking. */
enum kiln_code kiln_driver_dial(const char *host, const char *port, kiln_time_ms deadline, int *fd,
				struct kiln_error *err) KILN_NODISCARD;

/* ---- open.c */

/* Does the handshake, which it frees, on fd, and installs the keys. */
enum kiln_code kiln_driver_open(struct kiln_handshake *handshake, int fd,
				const struct kiln_conn_options *options, kiln_time_ms deadline,
				struct kiln_conn **conn, struct kiln_error *err) KILN_NODISCARD;

/* The end of connecting: the fd of *conn, made blocking as new sockets are; or -1 when rc or that
 * failed, and nothing is left open. */
int kiln_driver_connected(enum kiln_code rc, int fd, struct kiln_conn **conn,
			  struct kiln_error *err);

/* ---- hello.c */

/* Exchanges the hellos, with aws to ask, and reads no byte behind the peer's. */
enum kiln_code kiln_driver_hello(struct kiln_roast *roast, struct kiln_aws *aws, int fd,
				 kiln_time_ms deadline, struct kiln_error *err) KILN_NODISCARD;

/* ---- handshake.c */

enum kiln_code kiln_driver_handshake(struct kiln_handshake *handshake, const struct kiln_sys *sys,
				     int fd, kiln_time_ms deadline,
				     struct kiln_error *err) KILN_NODISCARD;

/* ---- control.c */

/* Acts on a record that is not data, or is empty. On failure the connection is broken. */
enum kiln_code kiln_driver_take_control(struct kiln_conn *conn, uint8_t type, const uint8_t *data,
					size_t len, struct kiln_error *err) KILN_NODISCARD;

/* Changes our key when it is due or was asked for. flags: MSG_DONTWAIT or 0. */
enum kiln_code kiln_driver_update_key(struct kiln_conn *conn, int flags,
				      struct kiln_error *err) KILN_NODISCARD;

/* Remembers *why for all calls to come, sends its alert, and fills *err. */
enum kiln_code kiln_driver_break(struct kiln_conn *conn, const struct kiln_error *why,
				 struct kiln_error *err);

/* ---- send.c */

/* Sends what is sealed. KILN_E_AGAIN when the socket is full. */
enum kiln_code kiln_driver_flush(struct kiln_conn *conn, int flags,
				 struct kiln_error *err) KILN_NODISCARD;

/* Sends a control record: into the socket, or, in user space, into `out`, which was flushed. */
enum kiln_code kiln_driver_send_control(struct kiln_conn *conn, uint8_t type, const uint8_t *data,
					size_t len, int flags,
					struct kiln_error *err) KILN_NODISCARD;

/* close_notify and FIN. */
enum kiln_code kiln_driver_close_write(struct kiln_conn *conn, int flags,
				       struct kiln_error *err) KILN_NODISCARD;

/* Remembers that sending failed with errno. */
enum kiln_code kiln_driver_send_failed(struct kiln_conn *conn, int sys_errno,
				       struct kiln_error *err);

/* ---- relayed.c */

/* As reading in the kernel and in user space: KILN_OK with *got 0 means to look again. */
enum kiln_code kiln_driver_read_relayed(struct kiln_conn *conn, uint8_t *data, size_t len,
					size_t *got, struct kiln_error *err) KILN_NODISCARD;
enum kiln_code kiln_driver_notify(struct kiln_conn *conn, uint8_t type, const uint8_t *data,
				  size_t len, struct kiln_error *err) KILN_NODISCARD;

/* ---- close.c: wipes and frees; the fd stays open, notice_fd does not. */
void kiln_driver_forget(struct kiln_conn *conn);

static inline bool kiln_driver_in_kernel(const struct kiln_conn *conn)
{
	return conn->user == NULL && !conn->relayed;
}

#endif

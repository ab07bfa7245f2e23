/* SPDX-License-Identifier: Apache-2.0
 *
 * A kernel that is played: after a real handshake over a socketpair each system call of the driver
 * is answered by the next step of a script. A call that the script does not have next fails the
 * test, and so does a step that is left over.
 */
#ifndef KILN_TESTS_DRIVER_STAGE_H
#define KILN_TESTS_DRIVER_STAGE_H

#include "driver_rig.h"

enum stage_call {
	STAGE_SET_ULP,
	STAGE_SET_TX,
	STAGE_SET_RX,
	STAGE_RECV,
	STAGE_RECVMSG,
	STAGE_SEND,
	STAGE_SENDMSG,
};

struct stage_step {
	enum stage_call call;
	int failed;       /* errno, or 0 */
	uint8_t type;     /* of the record; sending, the one expected */
	const char *data; /* received; or expected to be sent (NULL: whatever it is) */
	size_t len;
};

/* Steps that are much the same everywhere. */
struct stage_step stage_ok(enum stage_call call);
struct stage_step stage_fails(enum stage_call call, int with);
struct stage_step stage_data(const char *text);                              /* recv gives it */
struct stage_step stage_sends(const char *text);                             /* send takes it */
struct stage_step stage_control(uint8_t type, const char *data, size_t len); /* recvmsg gives it */
struct stage_step stage_update(bool asks);                   /* recvmsg gives a KeyUpdate */
struct stage_step stage_answer(void);                        /* sendmsg takes a KeyUpdate */
struct stage_step stage_alert(uint8_t level, uint8_t alert); /* sendmsg takes it */
#define STAGE_INSTALLED stage_ok(STAGE_SET_ULP), stage_ok(STAGE_SET_TX), stage_ok(STAGE_SET_RX)
/* A plain recv in front of a record that is not data. */
#define STAGE_NO_DATA stage_fails(STAGE_RECV, EIO)

extern struct rig stage_rig;

/* kiln_tls_accept, with the kernel played from the installation of the keys on. */
int stage_accept(const struct stage_step *steps, size_t count, uint64_t rekey_records,
		 struct kiln_conn **conn, struct kiln_error *err);
/* The same, which must go well. */
struct kiln_conn *stage_open(const struct stage_step *steps, size_t count, uint64_t rekey_records);
#define STAGE_OPEN(steps) stage_open(steps, sizeof(steps) / sizeof(steps)[0], 0)

/* The script must be at its end: closes the connection and the rig. */
void stage_close(struct kiln_conn *conn);
/* The same without a connection: its fd stayed ours. */
void stage_close_fd(void);

#endif

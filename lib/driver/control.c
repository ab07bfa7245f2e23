/* SPDX-License-Identifier: Apache-2.0
 * Records that are not data, on both paths: alerts, tickets, key updates. RFC 8446 4.6 and 6. */
#include <errno.h>

#include "driver/driver.h"

enum kiln_code kiln_driver_break(struct kiln_conn *conn, const struct kiln_error *why,
				 struct kiln_error *err)
{
	const uint8_t fatal[2] = {2, why->alert};
	conn->broken = *why;
	/* Best effort, and never in the middle of another record. */
	if (why->alert != 0 && why->code != KILN_E_TLS_ALERT && !conn->tx_closing &&
	    conn->tx_failed.code == KILN_OK &&
	    kiln_driver_flush(conn, MSG_DONTWAIT, NULL) == KILN_OK &&
	    kiln_driver_send_control(conn, KILN_RECORD_ALERT, fatal, sizeof fatal, MSG_DONTWAIT,
				     NULL) == KILN_OK)
		(void)!kiln_driver_flush(conn, MSG_DONTWAIT, NULL);
	if (err != NULL)
		*err = *why;
	return why->code;
}

static enum kiln_code follow_key_update(struct kiln_conn *conn, bool asked, struct kiln_error *err)
{
	struct kiln_error why = {0};
	enum kiln_code rc =
	    conn->no_secrets ? kiln_fail(&why, KILN_E_TLS_KEY_UPDATE,
					 "the peer changed its keys, and the kernel that the "
					 "connection was handed off on cannot follow (Linux 6.14 "
					 "can)")
			     : kiln_traffic_update(&conn->session.rx, &why);
	if (rc == KILN_OK && kiln_driver_in_kernel(conn)) {
		rc = kiln_ktls_rekey(conn->sys, conn->fd, KILN_RX, &conn->session.rx, &why);
		conn->rekey_works |= rc == KILN_OK;
	}
	if (rc != KILN_OK) {
		why.alert = KILN_ALERT_INTERNAL_ERROR;
		return kiln_driver_break(conn, &why, err);
	}
	if (!asked || conn->tx_closing)
		return KILN_OK;
	/* RFC 8446 4.6.3: before our next data. At once where that needs no waiting, because the
	 * program may write to the fd by itself; with the next call otherwise. */
	conn->update_wanted = true;
	rc = kiln_driver_update_key(conn, MSG_DONTWAIT, err);
	return conn->broken.code != KILN_OK ? rc : KILN_OK;
}

enum kiln_code kiln_driver_take_control(struct kiln_conn *conn, uint8_t type, const uint8_t *data,
					size_t len, struct kiln_error *err)
{
	struct kiln_control control;
	struct kiln_error why = {0};
	if (kiln_traffic_control(&conn->session.rx, type, data, len, &control, &why) != KILN_OK)
		return kiln_driver_break(conn, &why, err);
	conn->rx_closed = control.close_notify;
	return control.key_update ? follow_key_update(conn, control.update_requested, err)
				  : KILN_OK;
}

/* May a KeyUpdate of ours go out? Not where the kernel would keep the old key: the peer would
 * already expect the new one. */
static enum kiln_code check_rekey(struct kiln_conn *conn, struct kiln_error *err)
{
	if (kiln_driver_in_kernel(conn) && !conn->rekey_works && !conn->no_secrets)
		conn->rekey_works = kiln_ktls_can_rekey(conn->sys, conn->fd, KILN_TX);
	if (!kiln_driver_in_kernel(conn) || conn->rekey_works)
		return KILN_OK;
	return kiln_fail(err, KILN_E_TLS_RECORD_LIMIT,
			 "our key has protected as many records as RFC 8446 5.5 allows, and this "
			 "kernel cannot change it (Linux 6.14 can)");
}

enum kiln_code kiln_driver_update_key(struct kiln_conn *conn, int flags, struct kiln_error *err)
{
	struct kiln_traffic *tx = &conn->session.tx;
	uint8_t message[KILN_KEY_UPDATE_LEN];
	struct kiln_error why = {0};
	if (conn->relayed || (!conn->update_wanted && !kiln_traffic_exhausted(tx)))
		return KILN_OK;
	enum kiln_code rc = check_rekey(conn, err);
	if (rc == KILN_OK)
		rc = kiln_driver_flush(conn, flags, err);
	if (rc != KILN_OK)
		return rc;
	kiln_key_update_message(message, false);
	rc = kiln_driver_send_control(conn, KILN_RECORD_HANDSHAKE, message, sizeof message, flags,
				      err);
	if (rc != KILN_OK)
		return rc;
	/* It is on its way: everything from here on is under the next key. */
	conn->update_wanted = false;
	rc = kiln_traffic_update(tx, &why);
	if (rc == KILN_OK && kiln_driver_in_kernel(conn))
		rc = kiln_ktls_rekey(conn->sys, conn->fd, KILN_TX, tx, &why);
	if (rc != KILN_OK)
		return kiln_driver_break(conn, &why, err); /* no alert: under which key? */
	return kiln_driver_flush(conn, flags, err);
}

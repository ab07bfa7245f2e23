/* SPDX-License-Identifier: Apache-2.0
 * The end of a connection: its last words, and everything of it wiped. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/bytes.h"
#include "driver/driver.h"

void kiln_driver_forget(struct kiln_conn *conn)
{
	if (conn->user != NULL)
		kiln_wipe(conn->user, sizeof *conn->user);
	free(conn->user);
	if (conn->early != NULL)
		kiln_wipe(conn->early, conn->early_len);
	free(conn->early);
	free(conn->handoff);
	if (conn->relayed && conn->notice_fd >= 0)
		(void)close(conn->notice_fd);
	kiln_session_clear(&conn->session);
	kiln_wipe(conn, sizeof *conn);
	free(conn);
}

/* Sends close_notify, waiting for room only where the program would, and not for long. */
static void say_goodbye(struct kiln_conn *conn)
{
	struct kiln_error err = {0};
	const int mode = fcntl(conn->fd, F_GETFL);
	const bool waits = mode >= 0 && (mode & O_NONBLOCK) == 0;
	const kiln_time_ms deadline = kiln_driver_now() + KILN_CONN_LINGER_MS;
	while (kiln_driver_close_write(conn, MSG_DONTWAIT, &err) == KILN_E_AGAIN && waits)
		if (kiln_driver_wait(conn->fd, POLLOUT, deadline, &err) != KILN_OK)
			return;
}

/* Tickets and the like that nobody read would make close() reset the connection, and the reset
 * would destroy what the peer has not read yet. */
static void drop_unread(struct kiln_conn *conn)
{
	uint8_t dropped[4096], type;
	for (int i = 0; i < 64; i++)
		if (kiln_ktls_receive(conn->sys, conn->fd, dropped, sizeof dropped, MSG_DONTWAIT,
				      &type) <= 0)
			break;
	kiln_wipe(dropped, sizeof dropped);
}

void kiln_conn_close(struct kiln_conn *conn)
{
	if (conn == NULL)
		return;
	if (conn->broken.code != KILN_OK)
		(void)shutdown(conn->fd, SHUT_WR); /* behind the alert */
	else if (!conn->tx_closed && conn->tx_failed.code == KILN_OK)
		say_goodbye(conn);
	drop_unread(conn);
	(void)close(conn->fd);
	kiln_driver_forget(conn);
}

int kiln_conn_detach(struct kiln_conn *conn)
{
	if (!kiln_conn_in_kernel(conn) || conn->early != NULL || conn->end_unread ||
	    conn->update_wanted || conn->broken.code != KILN_OK ||
	    conn->session.rx.message_have != 0)
		return -1;
	const int fd = conn->fd;
	kiln_driver_forget(conn);
	return fd;
}

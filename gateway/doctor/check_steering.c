/* SPDX-License-Identifier: Apache-2.0
 * eBPF steering, tried with listeners on the loopback interface. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doctor/check.h"
#include "doctor/loopback.h"
#include "steer/steer.h"

/* Two listeners on one free port; false leaves nothing open. */
static bool open_listeners(int fds[2])
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof addr;
	int one = 1;

	fds[0] = fds[1] = -1;
	for (int i = 0; i < 2; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fds[i] >= 0 &&
		    setsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0 &&
		    bind(fds[i], (const struct sockaddr *)&addr, sizeof addr) == 0 &&
		    listen(fds[i], 8) == 0 &&
		    getsockname(fds[i], (struct sockaddr *)&addr, &len) == 0)
			continue;
		for (int k = 0; k <= i; k++)
			if (fds[k] >= 0)
				(void)close(fds[k]);
		return false;
	}
	return true;
}

/* Only the second listener is ready, so that is where every connection must land. */
static bool lands_where_steered(struct kiln_steer *steer, struct kiln_board *board,
				const int fds[2], struct kiln_error *err)
{
	if (kiln_steer_attach(steer, fds, err) != KILN_OK ||
	    kiln_board_set_ready(board, 1, true, err) != KILN_OK)
		return false;
	(void)kiln_fail(err, KILN_E_SYSTEM, "a connection did not land where it was steered to");
	for (int i = 0; i < 8; i++) {
		int conn = -1, client = kiln_loopback_connect(fds[0]);
		if (client >= 0 && kiln_loopback_readable(fds[1]))
			conn = accept4(fds[1], NULL, NULL, SOCK_CLOEXEC);
		if (client >= 0)
			(void)close(client);
		if (conn < 0)
			return false;
		(void)close(conn);
	}
	return true;
}

static void try_array(struct kiln_report *r, struct kiln_steer *steer, struct kiln_board *board)
{
	struct kiln_error err = {0};
	int fds[2];

	if (!open_listeners(fds)) {
		kiln_report_add(r, "sockarray", "listeners in a map", KILN_VERDICT_LIMITED,
				"steering will be tried again at start", "ip link set lo up",
				"two listeners on one loopback port could not be had");
		return;
	}
	r->steering = lands_where_steered(steer, board, fds, &err);
	if (r->steering)
		kiln_report_add(r, "sockarray", "listeners in a map", KILN_VERDICT_OK,
				"connections go to the worker of their CPU, past one that drains",
				NULL, "tried: connections landed where they were steered");
	else
		kiln_report_add(r, "sockarray", "listeners in a map", KILN_VERDICT_LIMITED,
				"the kernel's hash spreads connections, whatever a worker's state",
				"", "%.180s", err.message);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

void kiln_check_steering(struct kiln_report *r)
{
	struct kiln_board board;
	struct kiln_steer *steer = NULL;
	struct kiln_error err = {0};

	r->group = "eBPF";
	enum kiln_code code = kiln_board_open(&board, 2, &err);
	if (code == KILN_OK)
		code = kiln_steer_open(&steer, &board, NULL, &err);
	if (code != KILN_OK) {
		kiln_board_close(&board);
		kiln_report_add(r, "ebpf", "steering program", KILN_VERDICT_MISSING,
				"the kernel's hash spreads connections, whatever a worker's state",
				code == KILN_E_PERMISSION && geteuid() != 0
				    ? "setcap cap_bpf,cap_net_admin+ep $(command -v kiln)"
				    : "",
				"%.190s", err.message);
		return;
	}
	kiln_report_add(r, "ebpf", "steering program", KILN_VERDICT_OK, "", NULL, "tried: loads");
	try_array(r, steer, &board);
	kiln_steer_close(steer);
	kiln_board_close(&board);
}

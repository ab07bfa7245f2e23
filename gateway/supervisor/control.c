/* SPDX-License-Identifier: Apache-2.0
 * Messages between supervisor and worker; see control.h. */
#include "supervisor/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

union fd_space {
	struct cmsghdr head;
	uint8_t space[CMSG_SPACE(sizeof(int))];
};

static bool send_message(int channel, struct kiln_message *message, int fd)
{
	union fd_space control;
	memset(&control, 0, sizeof control);
	struct iovec iov = {.iov_base = message, .iov_len = sizeof *message};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof control.space;
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	}
	return sendmsg(channel, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof *message;
}

bool kiln_control_send(int channel, enum kiln_message_type type, const char *text, int fd)
{
	struct kiln_message message;
	memset(&message, 0, sizeof message);
	message.type = type;
	(void)snprintf(message.text, sizeof message.text, "%s", text != NULL ? text : "");
	return send_message(channel, &message, fd);
}

bool kiln_control_send_targets(int channel, const struct kiln_endpoints *targets)
{
	struct kiln_message message;
	memset(&message, 0, sizeof message);
	message.type = KILN_MESSAGE_TARGETS;
	message.targets = *targets;
	return send_message(channel, &message, -1);
}

int kiln_control_receive(int channel, struct kiln_message *message, int *fd)
{
	union fd_space control;
	struct iovec iov = {.iov_base = message, .iov_len = sizeof *message};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof control.space,
	};
	*fd = -1;
	const ssize_t n = recvmsg(channel, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n != (ssize_t)sizeof *message)
		return -1;
	if (message->type == KILN_MESSAGE_TARGETS) {
		if (message->targets.count > KILN_ENDPOINTS_MAX)
			message->targets.count = KILN_ENDPOINTS_MAX;
	} else {
		message->text[sizeof message->text - 1] = '\0';
	}
	const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof *fd);
	return 1;
}

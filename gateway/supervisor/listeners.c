/* SPDX-License-Identifier: Apache-2.0
 * Opening listening sockets; see listeners.h. */
#include "supervisor/listeners.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 65535 /* the kernel takes the smaller of this and net.core.somaxconn */

static const char *bind_hint(int failed, bool is_unix)
{
	switch (failed) {
	case EADDRINUSE:
		return is_unix ? "; that path is in use"
			       : "; another program has it: see `ss -ltnp`";
	case EACCES:
		return is_unix ? "; this user may not write to the socket's folder"
			       : "; ports below 1024 need CAP_NET_BIND_SERVICE";
	case ENOENT: return "; the folder of a Unix socket must exist";
	case EADDRNOTAVAIL: return "; this machine has no such address: see `ip address`";
	default: return "";
	}
}

/* The first socket of a group binds alone, and is shared when it has the port: so a second gateway
 * on the same port is an error, and does not take half of the connections in silence. With
 * --reuse-port it is meant: the second one takes the first one's place. */
static enum kiln_code open_one(const struct kiln_listen_group *group, bool first, int *out,
			       struct kiln_error *err)
{
	const struct sockaddr *address = (const struct sockaddr *)&group->endpoint.addr;
	const int on = 1, off = 0;
	const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*out = fd;
	if (fd < 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "no socket for --listen %.100s",
				       group->text);
	if (!group->shared)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (!group->shared && (!first || group->beside))
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (address->sa_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	const bool bound = bind(fd, address, group->endpoint.len) == 0;
	if (bound && !group->shared && first)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
	if (!bound || listen(fd, BACKLOG) != 0) {
		const int failed = errno;
		const enum kiln_code rc =
		    kiln_fail(err, KILN_E_CONFIG, "--listen %.100s: %s%s", group->text,
			      strerror(failed), bind_hint(failed, group->shared));
		err->sys_errno = failed;
		return rc;
	}
	return KILN_OK;
}

/* A socket file that nobody listens on any more is in the way of bind; one that answers is not
 * ours to remove. */
static enum kiln_code clear_path(const struct kiln_listen_group *group, struct kiln_error *err)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&group->endpoint.addr;
	struct stat st;
	if (un->sun_path[0] == '\0')
		return KILN_OK; /* abstract */
	if (lstat(un->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return KILN_OK;
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const bool answers =
	    fd >= 0 && connect(fd, (const struct sockaddr *)un, group->endpoint.len) == 0;
	if (fd >= 0)
		(void)close(fd);
	if (answers)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--listen %.100s: another program listens there", group->text);
	(void)unlink(un->sun_path);
	return KILN_OK;
}

/* The socket file is ours to remove only now that we have made it: what was in the way of a bind
 * that failed may be anything. */
static void own_path(struct kiln_listen_group *group)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&group->endpoint.addr;
	if (group->shared && un->sun_path[0] != '\0')
		(void)snprintf(group->unlink_path, sizeof group->unlink_path, "%s", un->sun_path);
}

/* Port 0 asks the kernel for a port: the first socket gets one and the others share it. */
static void learn_port(struct kiln_listen_group *group)
{
	socklen_t len = sizeof group->endpoint.addr;
	if (getsockname(group->fds[0], (struct sockaddr *)&group->endpoint.addr, &len) == 0)
		(void)kiln_address_format(&group->endpoint.addr, len, group->text);
}

/* 0.0.0.0 will do where there is no IPv6, but not where somebody else has the port there. */
static bool has_no_such_family(const struct kiln_error *err)
{
	return err->sys_errno == EAFNOSUPPORT || err->sys_errno == EADDRNOTAVAIL;
}

static enum kiln_code open_group(struct kiln_listen_group *group,
				 const struct kiln_address *address, unsigned workers,
				 struct kiln_error *err)
{
	struct kiln_endpoints endpoints;
	enum kiln_code rc = kiln_address_resolve(address, KILN_TO_LISTEN, &endpoints, err);
	if (rc != KILN_OK) {
		const struct kiln_error cause = *err;
		return kiln_fail(err, rc, "--listen: %.200s", cause.message);
	}
	group->shared = address->is_unix;
	for (size_t e = 0; rc == KILN_OK && e < endpoints.count; e++) {
		group->endpoint = endpoints.at[e];
		(void)kiln_address_format(&group->endpoint.addr, group->endpoint.len, group->text);
		if (group->shared)
			rc = clear_path(group, err);
		if (rc == KILN_OK)
			rc = open_one(group, true, &group->fds[0], err);
		if (rc == KILN_OK)
			break;
		if (group->fds[0] >= 0)
			(void)close(group->fds[0]);
		group->fds[0] = -1;
		if (e + 1 < endpoints.count && has_no_such_family(err))
			rc = KILN_OK; /* the next address may do */
	}
	if (rc != KILN_OK)
		return rc;
	own_path(group);
	learn_port(group);
	for (unsigned i = 1; rc == KILN_OK && !group->shared && i < workers; i++)
		rc = open_one(group, false, &group->fds[i], err);
	return rc;
}

static void steer(struct kiln_listeners *listeners, struct kiln_listen_group *group,
		  const unsigned *cpu_of_worker)
{
	struct kiln_error err = {0};
	enum kiln_code rc = KILN_OK;
	if (group->shared || listeners->workers < 2)
		return;
	if (listeners->board.shared == NULL)
		rc = kiln_board_open(&listeners->board, listeners->workers, &err);
	if (rc == KILN_OK)
		rc = kiln_steer_open(&group->steer, &listeners->board, cpu_of_worker, &err);
	if (rc == KILN_OK)
		rc = kiln_steer_attach(group->steer, group->fds, &err);
	if (rc == KILN_OK)
		return;
	kiln_steer_close(group->steer);
	group->steer = NULL;
	(void)snprintf(listeners->steering, sizeof listeners->steering, "%s", err.message);
}

enum kiln_code kiln_listeners_open(struct kiln_listeners *listeners,
				   const struct kiln_gateway_options *o, unsigned workers,
				   const unsigned *cpu_of_worker, struct kiln_error *err)
{
	enum kiln_code rc = KILN_OK;
	memset(listeners, 0, sizeof *listeners);
	listeners->workers = workers;
	for (unsigned g = 0; rc == KILN_OK && g < o->listen_count; g++) {
		struct kiln_listen_group *group = &listeners->groups[listeners->group_count++];
		for (unsigned i = 0; i < KILN_WORKERS_MAX; i++)
			group->fds[i] = -1;
		group->beside = o->reuse_port;
		rc = open_group(group, &o->listen[g], workers, err);
		if (rc == KILN_OK)
			steer(listeners, group, cpu_of_worker);
	}
	if (rc != KILN_OK)
		kiln_listeners_close(listeners);
	return rc;
}

void kiln_listeners_set_ready(struct kiln_listeners *listeners, unsigned worker, bool ready)
{
	if (listeners->board.shared != NULL)
		/* Fails only for a worker that does not exist. */
		(void)kiln_board_set_ready(&listeners->board, worker, ready, NULL);
}

static void remove_path(struct kiln_listen_group *group)
{
	if (group->unlink_path[0] != '\0')
		(void)unlink(group->unlink_path);
	group->unlink_path[0] = '\0';
}

void kiln_listeners_refuse_new(struct kiln_listeners *listeners)
{
	/* On a listening TCP socket the filter sees the TCP header: drop SYN without ACK. */
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
	    BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	    BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
	};
	const struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
	for (unsigned g = 0; g < listeners->group_count; g++) {
		struct kiln_listen_group *group = &listeners->groups[g];
		remove_path(group); /* who has connected is served; who comes finds nobody */
		for (unsigned i = 0; !group->shared && i < listeners->workers; i++)
			/* Without it a few clients may be reset in the last moment: no more than
			 * that. */
			(void)setsockopt(group->fds[i], SOL_SOCKET, SO_ATTACH_FILTER, &program,
					 sizeof program);
	}
}

void kiln_listeners_close(struct kiln_listeners *listeners)
{
	for (unsigned g = 0; g < listeners->group_count; g++) {
		struct kiln_listen_group *group = &listeners->groups[g];
		for (unsigned i = 0; i < KILN_WORKERS_MAX; i++) {
			if (group->fds[i] >= 0)
				(void)close(group->fds[i]);
			group->fds[i] = -1;
		}
		kiln_steer_close(group->steer);
		group->steer = NULL;
		remove_path(group);
	}
	listeners->group_count = 0;
	kiln_board_close(&listeners->board);
}

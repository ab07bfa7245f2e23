/* SPDX-License-Identifier: Apache-2.0
 * Where gateways hand connections off: the listening socket, a channel for each of their workers,
 * and the messages that come. docs/handoff.md. */
#include "driver/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"

#define CHANNELS_MAX 256u
#define BACKLOG      128
#define FDS_ROOM     8u /* in one message; what is too much is closed */

struct kiln_handoff {
	int epoll, fd;
	struct sockaddr_un address;
	bool has_file;
	struct stat file; /* ours, as long as it is this one */
	uid_t user;       /* whose processes may come, */
	bool own_or_root; /* or these */
	bool nonblocking;
	uint64_t rekey_records;
	int channels[CHANNELS_MAX];
	unsigned channel_count, channels_max;
	uint8_t message[KILN_HANDOFF_MESSAGE_MAX];
};

/* ---- listening ----------------------------------------------------------------------------- */

static enum kiln_code find_user(const char *name, uid_t *user, struct kiln_error *err)
{
	struct passwd found, *result = NULL;
	char text[4096], *end;
	if (getpwnam_r(name, &found, text, sizeof text, &result) == 0 && result != NULL) {
		*user = found.pw_uid;
		return KILN_OK;
	}
	const unsigned long number = strtoul(name, &end, 10);
	if (name[0] >= '0' && name[0] <= '9' && *end == '\0' && number < UINT32_MAX) {
		*user = (uid_t)number;
		return KILN_OK;
	}
	return kiln_fail(err, KILN_E_CONFIG, "there is no user %.64s on this system", name);
}

static enum kiln_code set_address(struct kiln_handoff *h, const char *path, socklen_t *len,
				  struct kiln_error *err)
{
	const size_t n = strlen(path);
	if (n == 0 || n >= sizeof h->address.sun_path)
		return kiln_fail(err, KILN_E_CONFIG, "a socket's path has 1 to %zu bytes",
				 sizeof h->address.sun_path - 1);
	h->address.sun_family = AF_UNIX;
	memcpy(h->address.sun_path, path, n);
	h->has_file = path[0] != '@';
	if (!h->has_file)
		h->address.sun_path[0] = '\0';
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + h->has_file);
	return KILN_OK;
}

/* A socket that is left over from a process that is gone refuses connections. */
static void remove_left_over(const struct kiln_handoff *h, socklen_t len)
{
	struct stat file;
	if (!h->has_file || lstat(h->address.sun_path, &file) != 0 || !S_ISSOCK(file.st_mode))
		return;
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)&h->address, len) != 0 && errno == ECONNREFUSED)
		(void)unlink(h->address.sun_path);
	(void)close(fd);
}

static enum kiln_code bind_failed(const char *path, struct kiln_error *err)
{
	const int why = errno;
	return kiln_fail_errno(err,
			       why == EADDRINUSE                               ? KILN_E_CONFIG
			       : why == EACCES || why == EPERM || why == EROFS ? KILN_E_PERMISSION
									       : KILN_E_SYSTEM,
			       why, "cannot listen at %.108s", path);
}

/* The mode is set before there is a file: nobody slips in between. bind applies the umask to it, so
 * that what the umask took is given back behind. */
static enum kiln_code listen_at(struct kiln_handoff *h, const char *path, unsigned mode,
				struct kiln_error *err)
{
	socklen_t len = 0;
	const enum kiln_code rc = set_address(h, path, &len, err);
	if (rc != KILN_OK)
		return rc;
	h->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (h->fd < 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "no socket can be had");
	remove_left_over(h, len);
	if (fchmod(h->fd, mode) != 0 ||
	    bind(h->fd, (const struct sockaddr *)&h->address, len) != 0) {
		h->has_file = false;
		return bind_failed(path, err);
	}
	if ((h->has_file && (chmod(path, mode) != 0 || lstat(path, &h->file) != 0)) ||
	    listen(h->fd, BACKLOG) != 0)
		return bind_failed(path, err);
	return KILN_OK;
}

static bool watch(const struct kiln_handoff *h, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(h->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static enum kiln_code open_listener(struct kiln_handoff *h, const char *path,
				    const struct kiln_handoff_options *o, struct kiln_error *err)
{
	enum kiln_code rc = KILN_OK;
	h->own_or_root = o->user == NULL;
	h->nonblocking = o->nonblocking;
	h->rekey_records = o->rekey_records;
	h->channels_max =
	    o->channels > 0 && o->channels < CHANNELS_MAX ? o->channels : CHANNELS_MAX;
	if (o->user != NULL)
		rc = find_user(o->user, &h->user, err);
	if (rc == KILN_OK)
		rc = listen_at(h, path, o->mode != 0 ? o->mode : 0600, err);
	if (rc != KILN_OK)
		return rc;
	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (h->epoll < 0 || !watch(h, h->fd))
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "epoll cannot be opened");
	return KILN_OK;
}

struct kiln_handoff *kiln_handoff_listen(const char *path,
					 const struct kiln_handoff_options *options,
					 struct kiln_error *err)
{
	static const struct kiln_handoff_options defaults;
	struct kiln_handoff *h = calloc(1, sizeof *h);
	if (h == NULL) {
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a listener");
		return NULL;
	}
	h->epoll = h->fd = -1;
	if (open_listener(h, path, options != NULL ? options : &defaults, err) == KILN_OK)
		return h;
	kiln_handoff_close(h);
	return NULL;
}

int kiln_handoff_fd(const struct kiln_handoff *h)
{
	return h->epoll;
}

/* Somebody may have put another socket in our place meanwhile, which stays. */
static void remove_file(const struct kiln_handoff *h)
{
	struct stat file;
	if (h->has_file && lstat(h->address.sun_path, &file) == 0 &&
	    file.st_ino == h->file.st_ino && file.st_dev == h->file.st_dev)
		(void)unlink(h->address.sun_path);
}

void kiln_handoff_close(struct kiln_handoff *h)
{
	if (h == NULL)
		return;
	remove_file(h);
	for (unsigned i = 0; i < h->channel_count; i++)
		(void)close(h->channels[i]);
	if (h->fd >= 0)
		(void)close(h->fd);
	if (h->epoll >= 0)
		(void)close(h->epoll);
	kiln_wipe(h, sizeof *h);
	free(h);
}

/* ---- channels ------------------------------------------------------------------------------ */

static bool is_expected(const struct kiln_handoff *h, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return false;
	return h->own_or_root ? peer.uid == geteuid() || peer.uid == 0 : peer.uid == h->user;
}

/* Who is not expected finds its channel closed. So does who is one too many, and comes again. */
static void take_channel(struct kiln_handoff *h)
{
	const int fd = accept4(h->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (h->channel_count == h->channels_max || !is_expected(h, fd) || !watch(h, fd))
		(void)close(fd);
	else
		h->channels[h->channel_count++] = fd;
}

static void drop_channel(struct kiln_handoff *h, int fd)
{
	for (unsigned i = 0; i < h->channel_count; i++)
		if (h->channels[i] == fd)
			h->channels[i] = h->channels[--h->channel_count];
	(void)close(fd);
}

/* ---- messages ------------------------------------------------------------------------------ */

/* Tells the worker what became of a connection; false: it does not know. */
static bool answer(int channel, const struct kiln_handoff_message *about,
		   enum kiln_handoff_kind kind, const char *why)
{
	static const struct kiln_handoff_message blank;
	uint8_t bytes[KILN_HANDOFF_SHORT_MAX];
	struct kiln_handoff_message message = blank;
	message.kind = kind;
	message.number = about->number;
	(void)snprintf(message.text, sizeof message.text, "%s", why);
	const size_t len = kiln_handoff_encode(&message, bytes, sizeof bytes);
	ssize_t n;
	do
		n = send(channel, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len;
}

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		(void)close(fds[i]);
}

static size_t take_descriptors(struct msghdr *message, int fds[FDS_ROOM])
{
	size_t count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n && count < FDS_ROOM; i++)
			memcpy(&fds[count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return count;
}

/* Receives one message; its length, 0 at the end of the channel, -1 with errno. */
static ssize_t receive(struct kiln_handoff *h, int channel, int fds[FDS_ROOM], size_t *fd_count,
		       bool *whole)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_ROOM * sizeof(int))];
	} control;
	struct iovec part = {.iov_base = h->message, .iov_len = sizeof h->message};
	struct msghdr message = {
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes,
	};
	ssize_t n;
	do
		n = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*fd_count = n >= 0 ? take_descriptors(&message, fds) : 0;
	*whole = (message.msg_flags & MSG_TRUNC) == 0;
	return n;
}

static enum kiln_code open_connection(struct kiln_handoff *h, struct kiln_handoff_message *message,
				      size_t len, bool whole, const int *fds, size_t fd_count,
				      struct kiln_conn **conn, struct kiln_error *err)
{
	/* Also of one that is too long, so that the answer has its number. */
	enum kiln_code rc = kiln_handoff_decode(h->message, len, message, err);
	if (!whole)
		return kiln_fail(err, KILN_E_CONFIG, "a hand-off message that is too long");
	if (rc == KILN_OK && message->kind != KILN_HANDOFF_CONNECTION)
		return kiln_fail(err, KILN_E_CONFIG, "a hand-off message of another kind");
	if (rc == KILN_OK)
		rc = kiln_driver_handoff_open(message, fds, fd_count, h->nonblocking, conn, err);
	if (*conn != NULL && h->rekey_records != 0)
		(*conn)->session.tx.limit = h->rekey_records;
	return rc;
}

/* What came of one message. KILN_E_AGAIN: nothing, for whatever reason, that concerns the caller.
 */
static enum kiln_code take_message(struct kiln_handoff *h, int channel, struct kiln_conn **conn,
				   struct kiln_error *err)
{
	struct kiln_handoff_message message;
	struct kiln_error why = {0};
	int fds[FDS_ROOM] = {0};
	size_t fd_count;
	bool whole;
	const ssize_t n = receive(h, channel, fds, &fd_count, &whole);
	if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM))
		return KILN_E_AGAIN;
	if (n <= 0) {
		close_all(fds, fd_count);
		drop_channel(h, channel);
		return KILN_E_AGAIN;
	}
	struct kiln_conn *opened = NULL;
	enum kiln_code rc =
	    open_connection(h, &message, (size_t)n, whole, fds, fd_count, &opened, &why);
	if (opened == NULL) {
		(void)answer(channel, &message, KILN_HANDOFF_REFUSED, why.message);
		close_all(fds, fd_count);
	} else if (!answer(channel, &message, KILN_HANDOFF_TAKEN, "")) {
		/* A worker that does not hear of it may give it to somebody else, or end it. */
		(void)close(opened->fd);
		kiln_driver_forget(opened);
		rc = KILN_E_AGAIN;
	} else {
		*conn = opened;
	}
	kiln_wipe(h->message, (size_t)n);
	kiln_wipe(&message, sizeof message);
	if (rc != KILN_E_NO_MEMORY)
		return rc == KILN_OK ? KILN_OK : KILN_E_AGAIN;
	return kiln_fail(err, rc, "%.250s", why.message);
}

int kiln_handoff_accept(struct kiln_handoff *h, int timeout_ms, struct kiln_conn **conn,
			struct kiln_error *err)
{
	const kiln_time_ms deadline = kiln_driver_now() + timeout_ms;
	int wait = timeout_ms;
	*conn = NULL;
	for (;;) {
		struct epoll_event event;
		const int n = epoll_wait(h->epoll, &event, 1, wait);
		if (n < 0 && errno != EINTR) {
			(void)kiln_fail_errno(err, KILN_E_SYSTEM, errno, "waiting failed");
			return -1;
		}
		if (n > 0 && event.data.fd == h->fd) {
			take_channel(h);
		} else if (n > 0) {
			const enum kiln_code rc = take_message(h, event.data.fd, conn, err);
			if (*conn != NULL)
				return (*conn)->fd;
			if (rc != KILN_E_AGAIN)
				return -1;
		}
		const kiln_time_ms left = deadline - kiln_driver_now();
		if (timeout_ms > 0)
			wait = left > 0 ? (int)left : 0;
		if (n == 0 && wait == 0) {
			(void)kiln_fail(err, KILN_E_AGAIN, "no connection was handed off");
			return -1;
		}
	}
}

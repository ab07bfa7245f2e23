/* SPDX-License-Identifier: Apache-2.0
 * Where gateways hand connections off: the listening socket, its file, and who may come. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "driver/handoff.h"

#define BACKLOG 128

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

/* Others hold it for a few system calls. Whoever may read the folder can hold it longer, which must
 * not keep us from starting. */
#define HOLD_MS  500
#define HOLD_TRY 5 /* ms */

/* Two that start at once would each take the other's socket for one that is left over: between bind
 * and listen it refuses connections too. So who makes one holds its folder meanwhile. -1: it is not
 * held, because there is none to hold, or it cannot be had. */
static int hold_folder(const struct kiln_handoff *h)
{
	const struct timespec later = {.tv_nsec = HOLD_TRY * 1000000L};
	const kiln_time_ms deadline = kiln_driver_now() + HOLD_MS;
	char folder[sizeof h->address.sun_path];
	if (!h->has_file)
		return -1;
	memcpy(folder, h->address.sun_path, sizeof folder);
	char *slash = strrchr(folder, '/');
	if (slash != NULL)
		slash[slash == folder] = '\0';
	const int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EINTR && (errno != EWOULDBLOCK || kiln_driver_now() >= deadline)) {
			(void)close(fd);
			return -1;
		}
		(void)nanosleep(&later, NULL);
	}
	return fd;
}

/* A socket that is left over from a process that is gone refuses connections. */
static void remove_left_over(const struct kiln_handoff *h, socklen_t len)
{
	struct stat file;
	if (lstat(h->address.sun_path, &file) != 0 || !S_ISSOCK(file.st_mode))
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
static enum kiln_code bind_and_listen(struct kiln_handoff *h, const char *path, socklen_t len,
				      unsigned mode, struct kiln_error *err)
{
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

static enum kiln_code listen_at(struct kiln_handoff *h, const char *path, unsigned mode,
				struct kiln_error *err)
{
	socklen_t len = 0;
	enum kiln_code rc = set_address(h, path, &len, err);
	if (rc != KILN_OK)
		return rc;
	h->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (h->fd < 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "no socket can be had");
	const int folder = hold_folder(h);
	if (h->has_file)
		remove_left_over(h, len);
	rc = bind_and_listen(h, path, len, mode, err);
	if (folder >= 0)
		(void)close(folder);
	return rc;
}

bool kiln_handoff_watch(const struct kiln_handoff *h, int fd)
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
	h->channels_max = o->channels > 0 && o->channels < KILN_HANDOFF_CHANNELS_MAX
			      ? o->channels
			      : KILN_HANDOFF_CHANNELS_MAX;
	if (o->user != NULL)
		rc = find_user(o->user, &h->user, err);
	if (rc == KILN_OK)
		rc = listen_at(h, path, o->mode != 0 ? o->mode : 0600, err);
	if (rc != KILN_OK)
		return rc;
	h->epoll = epoll_create1(EPOLL_CLOEXEC);
	h->pause = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (h->epoll < 0 || h->pause < 0 || !kiln_handoff_watch(h, h->fd) ||
	    !kiln_handoff_watch(h, h->pause))
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
	h->epoll = h->fd = h->pause = -1;
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
	if (h->pause >= 0)
		(void)close(h->pause);
	if (h->epoll >= 0)
		(void)close(h->epoll);
	kiln_wipe(h, sizeof *h);
	free(h);
}

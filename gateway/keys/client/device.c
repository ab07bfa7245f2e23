/* SPDX-License-Identifier: Apache-2.0
 * What this device is known by; see device.h. */
#include "keys/client/device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "keys/client/secret.h"

/* Every folder of path that is not there, for us alone. */
static void make_folders(char *path)
{
	for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		(void)mkdir(path, 0700);
		*at = '/';
	}
}

static bool find_path(const struct kiln_keycli_options *o, char path[PATH_MAX],
		      struct kiln_error *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int len = PATH_MAX;
	if (o->device_file != NULL)
		len = snprintf(path, PATH_MAX, "%s", o->device_file);
	else if (state != NULL && state[0] == '/')
		len = snprintf(path, PATH_MAX, "%s/kiln/device", state);
	else if (home != NULL && home[0] == '/')
		len = snprintf(path, PATH_MAX, "%s/.local/state/kiln/device", home);
	if (len > 0 && len < PATH_MAX)
		return true;
	(void)kiln_fail(err, KILN_E_CONFIG,
			"there is no folder for this device's file: HOME is not set");
	return false;
}

static bool is_ours(int fd, const char *path, struct kiln_error *err)
{
	struct stat file;
	if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && (file.st_mode & 077) == 0 &&
	    file.st_uid == geteuid() && file.st_size == KILN_KEYS_DEVICE_LEN)
		return true;
	(void)kiln_fail(
	    err, KILN_E_CONFIG,
	    "%.160s is no file of %d bytes that is ours alone: remove it, and there will "
	    "be another one",
	    path, KILN_KEYS_DEVICE_LEN);
	return false;
}

/* KILN_E_AGAIN: there is none. */
static enum kiln_code read_device(const char *path, uint8_t device[KILN_KEYS_DEVICE_LEN],
				  struct kiln_error *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT)
		return KILN_E_AGAIN;
	if (fd < 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, errno, "%.160s", path);
	bool good = is_ours(fd, path, err);
	if (good && read(fd, device, KILN_KEYS_DEVICE_LEN) != KILN_KEYS_DEVICE_LEN) {
		(void)kiln_fail(err, KILN_E_CONFIG, "%.160s cannot be read", path);
		good = false;
	}
	(void)close(fd);
	return good ? KILN_OK : err->code;
}

/* Whole under its name or not at all; of two that come at once both have the first one's. */
static enum kiln_code make_device(char path[PATH_MAX], struct kiln_error *err)
{
	uint8_t device[KILN_KEYS_DEVICE_LEN];
	make_folders(path);
	if (getrandom(device, sizeof device, 0) != (ssize_t)sizeof device)
		return kiln_fail(err, KILN_E_SYSTEM, "no random bytes");
	const enum kiln_code rc = kiln_keycli_write(path, device, sizeof device, err);
	kiln_wipe(device, sizeof device);
	return rc;
}

bool kiln_keycli_device(const struct kiln_keycli_options *options,
			uint8_t device[KILN_KEYS_DEVICE_LEN], struct kiln_error *err)
{
	char path[PATH_MAX];
	if (!find_path(options, path, err))
		return false;
	enum kiln_code rc = read_device(path, device, err);
	if (rc == KILN_E_AGAIN) {
		const enum kiln_code made = make_device(path, err);
		rc = read_device(path, device, err); /* perhaps another one's, who was first */
		if (rc == KILN_E_AGAIN)
			rc = made;
	}
	return rc == KILN_OK;
}

/* SPDX-License-Identifier: Apache-2.0
 * Looking for damage in a write-ahead log; see wal.h. SQLite's file format, 4.1 and 4.2. */
#include "keys/store/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"

#define HEADER       32u
#define FRAME_HEADER 24u
#define MAGIC        0x377f0682u /* the lowest bit: words are big-endian */

struct sums {
	uint32_t a, b;
};

struct wal {
	int fd;
	uint32_t page;
	bool big;
	bool header_good;
	uint8_t salts[8];
	struct sums sums;
	uint8_t *frame; /* header and page */
};

struct walk {
	uint64_t bad;       /* the first frame, from 1 on, that SQLite would not take; 0: none */
	bool bad_commit;    /* a transaction ended there or behind it */
	bool went_on;       /* and another one came */
	struct sums before; /* what the frame before says of itself */
};

static uint32_t load32(const uint8_t *p, bool big)
{
	return big ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
		   : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static struct sums sum(struct sums s, const uint8_t *data, size_t len, bool big)
{
	for (size_t i = 0; i + 8 <= len; i += 8) {
		s.a += load32(data + i, big) + s.b;
		s.b += load32(data + i + 4, big) + s.a;
	}
	return s;
}

static struct sums stored(const uint8_t *p)
{
	return (struct sums){load32(p, true), load32(p + 4, true)};
}

static bool same(struct sums x, struct sums y)
{
	return x.a == y.a && x.b == y.b;
}

static void read_header(struct wal *wal, const uint8_t header[HEADER])
{
	const uint32_t magic = load32(header, true);
	wal->big = (magic & 1) != 0;
	wal->sums = sum((struct sums){0, 0}, header, HEADER - 8, wal->big);
	wal->header_good = (magic & ~1u) == MAGIC && same(wal->sums, stored(header + HEADER - 8));
	memcpy(wal->salts, header + 16, sizeof wal->salts);
}

static bool sums_follow(const struct wal *wal, struct sums before)
{
	struct sums s = sum(before, wal->frame, 8, wal->big);
	s = sum(s, wal->frame + FRAME_HEADER, wal->page, wal->big);
	return same(s, stored(wal->frame + 16));
}

static void take_frame(const struct wal *wal, struct walk *walk, uint64_t number)
{
	const bool ours = memcmp(wal->frame + 8, wal->salts, sizeof wal->salts) == 0;
	const bool follows = ours && sums_follow(wal, walk->before);
	if (walk->bad == 0 && !follows)
		walk->bad = number;
	else if (walk->bad_commit && follows)
		walk->went_on = true;
	if (walk->bad != 0 && ours && load32(wal->frame + 4, true) != 0)
		walk->bad_commit = true;
	walk->before = stored(wal->frame + 16);
}

static enum kiln_code walk_frames(struct wal *wal, off_t size, struct walk *walk,
				  struct kiln_error *err)
{
	const size_t len = FRAME_HEADER + wal->page;
	walk->before = wal->sums;
	if (!wal->header_good)
		walk->bad_commit = true; /* its header is on the disk before any frame */
	for (uint64_t i = 0; HEADER + (off_t)(i + 1) * (off_t)len <= size; i++) {
		const ssize_t n = pread(wal->fd, wal->frame, len, HEADER + (off_t)i * (off_t)len);
		if (n < 0 || (size_t)n != len)
			return kiln_fail_errno(err, KILN_E_SYSTEM, n < 0 ? errno : EIO,
					       "the store's write-ahead log cannot be read");
		if (i == 0 && !wal->header_good) {
			memcpy(wal->salts, wal->frame + 8, sizeof wal->salts);
			walk->bad = 1;
		}
		take_frame(wal, walk, i + 1);
	}
	return KILN_OK;
}

static enum kiln_code check_open(struct wal *wal, const char *name, struct kiln_error *err)
{
	struct stat st;
	uint8_t header[HEADER];
	struct walk walks[2] = {{0}, {0}};
	if (fstat(wal->fd, &st) != 0 || pread(wal->fd, header, sizeof header, 0) != HEADER)
		return KILN_OK; /* nothing was ever committed to it */
	read_header(wal, header);
	enum kiln_code code = walk_frames(wal, st.st_size, &walks[0], err);
	if (code == KILN_OK && !wal->header_good) { /* then that it says is worth nothing */
		wal->big = !wal->big;
		code = walk_frames(wal, st.st_size, &walks[1], err);
	}
	for (int i = 0; i < 2 && code == KILN_OK; i++)
		if (walks[i].went_on)
			code = kiln_fail(err, KILN_E_STORE,
					 "the store is damaged: %.100s, frame %llu%s, with "
					 "transactions behind it that would be lost; restore a "
					 "backup",
					 name, (unsigned long long)walks[i].bad,
					 wal->header_good ? "" : " (and the header)");
	return code;
}

/* The size of a page, from the database's own header; 0 where that has none: SQLite will say so. */
static uint32_t page_size(const char *path)
{
	uint8_t header[100];
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const ssize_t n = fd >= 0 ? pread(fd, header, sizeof header, 0) : -1;
	if (fd >= 0)
		(void)close(fd);
	const uint32_t size = n == (ssize_t)sizeof header ? kiln_load_be16(header + 16) : 0;
	return size == 1 ? 65536 : size >= 512 && (size & (size - 1)) == 0 ? size : 0;
}

enum kiln_code kiln_wal_check(const char *path, struct kiln_error *err)
{
	char name[PATH_MAX];
	struct wal wal = {.page = page_size(path)};
	const int n = snprintf(name, sizeof name, "%s-wal", path);
	if (wal.page == 0 || n < 0 || (size_t)n >= sizeof name)
		return KILN_OK;
	wal.fd = open(name, O_RDONLY | O_CLOEXEC);
	if (wal.fd < 0)
		return errno == ENOENT ? KILN_OK
				       : kiln_fail_errno(err, KILN_E_SYSTEM, errno,
							 "%.150s cannot be opened", name);
	wal.frame = malloc(FRAME_HEADER + wal.page);
	const enum kiln_code code = wal.frame != NULL
					? check_open(&wal, name, err)
					: kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a page");
	free(wal.frame);
	(void)close(wal.fd);
	return code;
}

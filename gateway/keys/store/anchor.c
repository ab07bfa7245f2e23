/* SPDX-License-Identifier: Apache-2.0
 * The anchor: a small file, elsewhere than the store, that knows how often this server committed.
 * A store that knows of less is an older copy. Each server has its own; so servers that share a
 * database do not wait for each other here. Two slots are written in turn: a write that a power cut
 * tears leaves the other. It is written after the commit, never before: the store may be ahead. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "keys/store/internal.h"

#define WRITER        16
#define SLOT_AT       512
#define SYNC_EVERY_MS 1000u

static const uint8_t magic[8] = {'K', 'i', 'l', 'n', 'A', 'n', 'c', '1'};

struct slot {
	uint8_t magic[8];
	uint8_t writer[WRITER];
	uint8_t generation[8];
	uint8_t mac[KILN_STORE_MAC_LEN];
};
#define SIGNED offsetof(struct slot, mac)

struct kiln_anchor {
	int fd;
	uint8_t writer[WRITER];
	uint64_t generation, counted; /* committed; what the transaction under way wrote */
	uint64_t synced_ms;
};

/* ---- the row */

static enum kiln_store_result row_get(struct kiln_store *store, const uint8_t *writer,
				      uint64_t *generation, struct kiln_error *err)
{
	uint8_t plain[8];
	struct kiln_store_cell cell;
	const struct kiln_row row = kiln_row_of(KILN_TABLE_ANCHORS, writer, WRITER);
	const struct kiln_db_value values[] = {KILN_DB_BYTES(writer, WRITER)};
	const enum kiln_store_result result =
	    kiln_store_get(store, KILN_SQL_ANCHORS_GET, values, &cell, err);
	if (result != KILN_STORE_OK)
		return result;
	if (!kiln_unseal_exactly(store->sealer, &row, cell.bytes, cell.len, plain, sizeof plain))
		return kiln_store_damaged(&row, "its seal does not open", err);
	*generation = kiln_row_number(plain);
	return KILN_STORE_OK;
}

static enum kiln_store_result row_put(struct kiln_store *store, const uint8_t *writer, bool add,
				      uint64_t generation, struct kiln_error *err)
{
	uint8_t plain[8], sealed[8 + KILN_STORE_SEAL_OVERHEAD];
	const struct kiln_row row = kiln_row_of(KILN_TABLE_ANCHORS, writer, WRITER);
	kiln_store_be64(plain, generation);
	kiln_seal(store->sealer, &row, plain, sizeof plain, sealed);
	const struct kiln_db_value values[] = {KILN_DB_BYTES(writer, WRITER),
					       KILN_DB_BYTES(sealed, sizeof sealed)};
	const enum kiln_store_result result =
	    kiln_store_put(store, add ? KILN_SQL_ANCHORS_ADD : KILN_SQL_ANCHORS_SET, values,
			   KILN_STORE_ABSENT, err);
	return result != KILN_STORE_ABSENT
		   ? result
		   : kiln_store_damaged(&row, "it is missing, or there twice", err);
}

/* ---- the file */

static bool write_slot(const struct kiln_store *store, const struct kiln_anchor *a)
{
	struct slot slot;
	memcpy(slot.magic, magic, sizeof slot.magic);
	memcpy(slot.writer, a->writer, sizeof slot.writer);
	kiln_store_be64(slot.generation, a->generation);
	kiln_sealer_mac(store->sealer, &slot, SIGNED, slot.mac);
	return pwrite(a->fd, &slot, sizeof slot, (off_t)(a->generation & 1) * SLOT_AT) ==
	       (ssize_t)sizeof slot;
}

static bool read_slot(const struct kiln_store *store, int fd, int which, struct slot *slot)
{
	uint8_t mac[KILN_STORE_MAC_LEN];
	if (pread(fd, slot, sizeof *slot, (off_t)which * SLOT_AT) != (ssize_t)sizeof *slot ||
	    memcmp(slot->magic, magic, sizeof magic) != 0)
		return false;
	kiln_sealer_mac(store->sealer, slot, SIGNED, mac);
	return sodium_memcmp(mac, slot->mac, sizeof mac) == 0;
}

static enum kiln_code read_file(struct kiln_store *store, const char *path, struct kiln_anchor *a,
				struct kiln_error *err)
{
	struct slot slot;
	bool found = false;
	a->fd = open(path, O_RDWR | O_CLOEXEC);
	if (a->fd < 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, errno,
				       "the anchor %.120s (`kiln keys anchor` makes one)", path);
	for (int i = 0; i < 2; i++) {
		if (!read_slot(store, a->fd, i, &slot))
			continue;
		const uint64_t generation = kiln_row_number(slot.generation);
		if (found && generation < a->generation)
			continue;
		found = true;
		a->generation = generation;
		memcpy(a->writer, slot.writer, sizeof a->writer);
	}
	return found
		   ? KILN_OK
		   : kiln_fail(err, KILN_E_STORE,
			       "the anchor %.120s is damaged, or another store's; if the store is "
			       "known to be the latest, `kiln keys anchor` makes a new one",
			       path);
}

enum kiln_code kiln_anchor_open(struct kiln_store *store, const char *path, struct kiln_error *err)
{
	uint64_t generation = 0;
	struct kiln_anchor *a = calloc(1, sizeof *a);
	if (a == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for the anchor");
	store->anchor = a;
	enum kiln_code code = read_file(store, path, a, err);
	if (code != KILN_OK)
		return code;
	const enum kiln_store_result result = row_get(store, a->writer, &generation, err);
	if (result == KILN_STORE_FAILED)
		return kiln_store_code(result, err);
	if (result == KILN_STORE_ABSENT || generation < a->generation)
		return kiln_fail(err, KILN_E_STORE,
				 "the store is older than its anchor, by %llu batches of this "
				 "server: an older copy was put in its place, or its latest writes "
				 "are lost",
				 (unsigned long long)(a->generation - generation));
	a->generation = generation;
	return KILN_OK;
}

enum kiln_code kiln_anchor_create(struct kiln_store *store, const char *path,
				  struct kiln_error *err)
{
	struct kiln_anchor *a = calloc(1, sizeof *a);
	if (a == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for the anchor");
	store->anchor = a;
	randombytes_buf(a->writer, sizeof a->writer);
	a->generation = 1;
	a->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (a->fd < 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, errno,
				       "the anchor %.120s cannot be made", path);
	const enum kiln_store_result result = row_put(store, a->writer, true, a->generation, err);
	if (result != KILN_STORE_OK) {
		(void)unlink(path);
		return kiln_store_code(result, err);
	}
	if (write_slot(store, a) && fsync(a->fd) == 0)
		return KILN_OK;
	const int failed = errno;
	(void)unlink(path);
	return kiln_fail_errno(err, KILN_E_SYSTEM, failed, "the anchor %.120s", path);
}

/* ---- with each batch */

enum kiln_store_result kiln_anchor_count(struct kiln_store *store, struct kiln_error *err)
{
	struct kiln_anchor *a = store->anchor;
	a->counted = a->generation + 1;
	return row_put(store, a->writer, false, a->counted, err);
}

/* A file that cannot be written is found when it is opened next: the batch is committed. */
void kiln_anchor_write(struct kiln_store *store)
{
	struct kiln_anchor *a = store->anchor;
	const uint64_t now = kiln_store_monotonic_ms();
	a->generation = a->counted;
	(void)write_slot(store, a);
	if (now - a->synced_ms >= SYNC_EVERY_MS) {
		(void)fdatasync(a->fd);
		a->synced_ms = now;
	}
}

void kiln_anchor_close(struct kiln_store *store)
{
	struct kiln_anchor *a = store->anchor;
	if (a == NULL)
		return;
	if (a->fd >= 0) {
		(void)fsync(a->fd);
		(void)close(a->fd);
	}
	free(a);
	store->anchor = NULL;
}

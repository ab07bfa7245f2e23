/* SPDX-License-Identifier: Apache-2.0
 *
 * Damage in SQLite's write-ahead log. SQLite takes the log up to its first frame that is not right,
 * and what came behind it was never there: right after a power cut, wrong on a disk that lost a
 * sector, for what was committed behind it would be gone without a word.
 */
#ifndef KILN_KEYS_STORE_WAL_H
#define KILN_KEYS_STORE_WAL_H

#include <kiln/error.h>

/* Refuses a log in which transactions lie behind a damaged frame. With synchronous=FULL a
 * transaction begins only when the one before is on the disk: so no power cut leaves that. What it
 * cannot see is damage in the last transaction, and a log that was cut off: the anchor sees those.
 * path is the database's. Only while nobody writes. */
KILN_NODISCARD enum kiln_code kiln_wal_check(const char *path, struct kiln_error *err);

#endif

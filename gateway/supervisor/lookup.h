/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking a name up in a short-lived process: the resolver may take as long as it likes, and reads
 * what strangers send, which a process that holds the private key should not.
 */
#ifndef KILN_SUPERVISOR_LOOKUP_H
#define KILN_SUPERVISOR_LOOKUP_H

#include <sys/types.h>

#include "net/address.h"

#define KILN_LOOKUP_MS 5000u

struct kiln_material;

struct kiln_lookup {
	bool under_way;
	pid_t pid; /* 0: it has been collected */
	int fd;    /* its answer comes here */
	uint64_t give_up_at;
};

/* Starts one; none is under way. secrets are wiped in the new process. */
enum kiln_code kiln_lookup_begin(struct kiln_lookup *lookup, const struct kiln_address *address,
				 struct kiln_material *secrets, uint64_t now,
				 struct kiln_error *err) KILN_NODISCARD;

/* True when it is over, by an answer or because its time is up; *err then tells how it went
 * (KILN_OK: *found is the answer). */
bool kiln_lookup_poll(struct kiln_lookup *lookup, uint64_t now, struct kiln_endpoints *found,
		      struct kiln_error *err);

/* The process pid has ended and was waited for: it may be this one, and its number another's soon.
 */
void kiln_lookup_ended(struct kiln_lookup *lookup, pid_t pid);

/* Gives it up. */
void kiln_lookup_cancel(struct kiln_lookup *lookup);

/* In a process that was forked meanwhile: the answer is not for it. */
void kiln_lookup_forget(struct kiln_lookup *lookup);

#endif

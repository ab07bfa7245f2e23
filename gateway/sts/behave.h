/* SPDX-License-Identifier: Apache-2.0
 *
 * Misbehaviour on demand: what a client of STS has to live with. Exact rather than random, so that
 * a test knows what it will meet: of a fail rate of 50 every second request fails.
 */
#ifndef KILN_STS_BEHAVE_H
#define KILN_STS_BEHAVE_H

#include <kiln/error.h>

#include "sts/params.h"

enum kiln_stsd_garbage {
	KILN_STSD_SANE,
	KILN_STSD_HTML,  /* 200, text/html: a captive portal */
	KILN_STSD_CUT,   /* 200, the right type, the first half of the answer */
	KILN_STSD_LARGE, /* 200, the right type, 4 MiB of blanks */
};

struct kiln_stsd_behaviour {
	uint64_t delay_ms;
	bool throttled;
	uint64_t throttle; /* answers a second that are not throttled */
	uint64_t fail_percent;
	int garbage; /* enum kiln_stsd_garbage */
	bool hang;   /* answers wait until this is over */
	bool drop;   /* the connection is closed in place of an answer */
	/* state */
	uint64_t owed;      /* percent of a failure */
	uint64_t tokens_us; /* of the throttle: a second's worth is 1000000 per answer */
	uint64_t last_us;
};

enum kiln_stsd_play {
	KILN_STSD_PLAY_ANSWER,
	KILN_STSD_PLAY_THROTTLE,
	KILN_STSD_PLAY_FAIL,
	KILN_STSD_PLAY_DROP,
};

/* What becomes of a request that comes now (any clock that does not go back). Delay, hanging and
 * garbage are the caller's to play. */
enum kiln_stsd_play kiln_stsd_play(struct kiln_stsd_behaviour *b, uint64_t now_us);

/* One setting, as a flag or a parameter has it: delay=20ms (or 20), throttle=5 (or 5/s),
 * fail-rate=50, garbage=html|cut|large, hang=1, drop=1. KILN_E_CONFIG with the reason. */
KILN_NODISCARD enum kiln_code kiln_stsd_behave(struct kiln_stsd_behaviour *b, const char *flag,
					       const char *name, const char *value,
					       struct kiln_error *err);

/* All settings of a query at once: what it does not name is well behaved again. */
KILN_NODISCARD enum kiln_code kiln_stsd_behave_all(struct kiln_stsd_behaviour *b,
						   const struct kiln_stsd_params *params,
						   struct kiln_error *err);

/* "delay=20ms throttle=5/s", or "well"; for the log and /_kiln/behave. */
void kiln_stsd_behaviour_tell(const struct kiln_stsd_behaviour *b, char *out, size_t room);

#endif

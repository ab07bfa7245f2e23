/* SPDX-License-Identifier: Apache-2.0
 *
 * The time of day, for what is dated: certificates, signatures, credentials. Whoever waits for
 * something wants a clock that does not jump, and has one.
 */
#ifndef KILN_BASE_CLOCK_H
#define KILN_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Seconds since 1970. */
static inline int64_t kiln_wall_clock(void)
{
	return (int64_t)time(NULL);
}

#endif

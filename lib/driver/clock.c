/* SPDX-License-Identifier: Apache-2.0
 * Time and waiting. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <time.h>

#include "driver/driver.h"

kiln_time_ms kiln_driver_now(void)
{
	struct timespec ts = {0};
	(void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail on Linux */
	return (kiln_time_ms)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint32_t kiln_driver_left(kiln_time_ms deadline)
{
	const kiln_time_ms left = deadline - kiln_driver_now();
	return left < 0 ? 1 : left < UINT32_MAX ? (uint32_t)left + 1 : UINT32_MAX;
}

enum kiln_code kiln_driver_wait(int fd, short events, kiln_time_ms deadline, struct kiln_error *err)
{
	struct pollfd p = {.fd = fd, .events = events};
	for (;;) {
		/* A deadline that has passed wins over a socket that is ready: so no loop around
		 * this outlives it. */
		const kiln_time_ms left = deadline - kiln_driver_now();
		if (left < 0)
			return kiln_fail(err, KILN_E_TIMEOUT, "the time is over");
		const int n = poll(&p, 1, left < INT_MAX ? (int)left + 1 : INT_MAX);
		if (n > 0 && (p.revents & POLLNVAL) == 0)
			return KILN_OK;
		if (n > 0 || (n < 0 && errno != EINTR))
			return kiln_fail_errno(err, KILN_E_SYSTEM, n > 0 ? EBADF : errno,
					       "waiting for the socket failed");
	}
}

/* SPDX-License-Identifier: Apache-2.0
 * One HTTP exchange, waited for; for programs that embed the library. */
#ifndef KILN_DRIVER_HTTP_H
#define KILN_DRIVER_HTTP_H

#include "aws/http.h"

/* Does the exchange, at most for its own time limit and for most_ms. done is called once, with an
 * answer that lives for the call only; status 0 says why there is none. */
void kiln_http_exchange(const struct kiln_http_request *request, uint32_t most_ms,
			void (*done)(void *arg, const struct kiln_http_answer *answer), void *arg);

#endif

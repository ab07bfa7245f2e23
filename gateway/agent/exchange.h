/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP exchanges over libcurl's multi interface: connections are kept and used again, HTTP/2 where
 * the server offers it. Every exchange ends within its own limit of time and bytes. No proxy is
 * used, no redirect followed, no protocol spoken but https (and http, for link-local metadata
 * services and the development STS).
 */
#ifndef KILN_AGENT_EXCHANGE_H
#define KILN_AGENT_EXCHANGE_H

#include <poll.h>

#include "aws/http.h"

/* Descriptors besides its own that a turn can wait for. */
#define KILN_EXCHANGE_FDS 384u

struct kiln_exchanges;

/* answer and what it points to live for the call only. */
typedef void kiln_exchange_fn(void *arg, const struct kiln_http_answer *answer);

struct kiln_exchanges *kiln_exchanges_new(struct kiln_error *err) KILN_NODISCARD;
/* Those under way are dropped without a call. */
void kiln_exchanges_free(struct kiln_exchanges *e);

/* Starts one; the request is not kept. done is called exactly once, from kiln_exchanges_turn. */
enum kiln_code kiln_exchanges_start(struct kiln_exchanges *e,
				    const struct kiln_http_request *request, kiln_exchange_fn *done,
				    void *arg, struct kiln_error *err) KILN_NODISCARD;

unsigned kiln_exchanges_under_way(const struct kiln_exchanges *e);

/* Waits for its own sockets and for fds, at most timeout_ms, and moves on. */
enum kiln_code kiln_exchanges_turn(struct kiln_exchanges *e, struct pollfd *fds, unsigned count,
				   int timeout_ms, struct kiln_error *err) KILN_NODISCARD;

#endif

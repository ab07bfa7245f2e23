/* SPDX-License-Identifier: Apache-2.0
 *
 * One session of kiln/keys.h over its connection; for keys*.c only.
 */
#ifndef KILN_DRIVER_KEYS_SESSION_H
#define KILN_DRIVER_KEYS_SESSION_H

#include <kiln/keys.h>

#include "keys/client.h"

/* A whole session: a registration (ask NULL), or a login and its request. On success *out is the
 * client, with the answer, for the caller to free; otherwise it is NULL. */
enum kiln_code kiln_keys_session(struct kiln_keys *keys, const struct kiln_keys_ask *ask,
				 const char *token, struct kiln_keys_client **out,
				 struct kiln_error *err) KILN_NODISCARD;

#endif

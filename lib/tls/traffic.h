/* SPDX-License-Identifier: Apache-2.0
 * What the files of lib/tls share about a struct kiln_traffic. */
#ifndef KILN_TLS_TRAFFIC_H
#define KILN_TLS_TRAFFIC_H

#include "tls/suite.h"

/* Frees the user-space cipher once the kernel has the keys. */
void kiln_traffic_release_cipher(struct kiln_traffic *traffic);

/* Received, and it brought no data; KILN_E_TLS_MESSAGE when that was once too often. */
enum kiln_code kiln_traffic_count_useless(struct kiln_traffic *traffic,
					  struct kiln_error *err) KILN_NODISCARD;

#endif

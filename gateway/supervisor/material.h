/* SPDX-License-Identifier: Apache-2.0
 *
 * What the supervisor reads for its workers, which open no files and ask no resolver: certificates,
 * key, roots, and the target's addresses. One blob, so that it can be sent to a running worker.
 */
#ifndef KILN_SUPERVISOR_MATERIAL_H
#define KILN_SUPERVISOR_MATERIAL_H

#include "cli/options.h"
#include "net/address.h"

struct kiln_material {
	uint8_t *pem; /* certificate chain, key, roots, one behind the other; owned, wiped */
	size_t cert_len, key_len, ca_len;
	struct kiln_endpoints targets;
};

/* Reads the files; there are no targets yet. On failure *material is empty, and the message names
 * the file at fault. */
enum kiln_code kiln_material_load(const struct kiln_gateway_options *options,
				  struct kiln_material *material,
				  struct kiln_error *err) KILN_NODISCARD;
/* Looks the target up, and may take its time. */
enum kiln_code kiln_material_find_target(const struct kiln_gateway_options *options,
					 struct kiln_endpoints *targets,
					 struct kiln_error *err) KILN_NODISCARD;
void kiln_material_clear(struct kiln_material *material);

/* Builds the TLS configuration; this is where a bad certificate is found. */
struct kiln_tls_config *kiln_material_config(const struct kiln_gateway_options *options,
					     const struct kiln_material *material,
					     struct kiln_error *err) KILN_NODISCARD;

/* The material as an anonymous file for another process, and back. The fd is the caller's. */
int kiln_material_to_fd(const struct kiln_material *material, struct kiln_error *err);
enum kiln_code kiln_material_from_fd(int fd, struct kiln_material *material,
				     struct kiln_error *err) KILN_NODISCARD;

#endif

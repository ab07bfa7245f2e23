/* SPDX-License-Identifier: Apache-2.0
 *
 * A BIO over memory that somebody else owns: OpenSSL reads from a span of input without a copy,
 * takes exactly what it asks for, and writes to a growing output. One BIO serves both directions.
 */
#ifndef KILN_TLS_SPAN_BIO_H
#define KILN_TLS_SPAN_BIO_H

#include <openssl/bio.h>
#include <stdint.h>

struct kiln_span_io {
	const uint8_t *in; /* not owned; what is left of the caller's bytes */
	size_t in_len;
	uint8_t *out; /* owned; out[out_start..out_end) waits to be sent */
	size_t out_start, out_end, out_cap;
};

/* A new BIO over io, which must outlive it; NULL when memory is short. */
BIO *kiln_span_bio_new(struct kiln_span_io *io);

/* Wipes and frees the output. */
void kiln_span_io_clear(struct kiln_span_io *io);

#endif

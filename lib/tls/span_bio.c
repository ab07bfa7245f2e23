/* SPDX-License-Identifier: Apache-2.0
 * The BIO between OpenSSL and the caller's memory; see span_bio.h. */
#include "tls/span_bio.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* A server's flight is a few KiB; a chain that needs more than this is no handshake. */
#define OUTPUT_MAX ((size_t)256 * 1024)

static int span_read(BIO *bio, char *data, size_t len, size_t *done)
{
	struct kiln_span_io *io = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (io->in_len == 0) {
		BIO_set_retry_read(bio);
		*done = 0;
		return 0;
	}
	const size_t n = len < io->in_len ? len : io->in_len;
	memcpy(data, io->in, n);
	io->in += n;
	io->in_len -= n;
	*done = n;
	return 1;
}

static int grow(struct kiln_span_io *io, size_t need)
{
	size_t cap = io->out_cap == 0 ? 4096 : io->out_cap;
	while (cap < need)
		cap *= 2;
	if (cap > OUTPUT_MAX)
		return 0;
	uint8_t *out = realloc(io->out, cap);
	if (out == NULL)
		return 0;
	io->out = out;
	io->out_cap = cap;
	return 1;
}

static int span_write(BIO *bio, const char *data, size_t len, size_t *done)
{
	struct kiln_span_io *io = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	*done = 0;
	if (io->out_end + len > io->out_cap && !grow(io, io->out_end + len))
		return 0;
	memcpy(io->out + io->out_end, data, len);
	io->out_end += len;
	*done = len;
	return 1;
}

static long span_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

/* Made once, for the life of the process. Threads that come at once each make one; the first one's
 * stays. */
static const BIO_METHOD *span_method(void)
{
	static _Atomic(BIO_METHOD *) method;
	BIO_METHOD *known = method;
	if (known != NULL)
		return known;
	const int index = BIO_get_new_index();
	BIO_METHOD *m = index >= 0 ? BIO_meth_new(index | BIO_TYPE_SOURCE_SINK, "kiln span") : NULL;
	if (m == NULL)
		return NULL;
	BIO_meth_set_read_ex(m, span_read);
	BIO_meth_set_write_ex(m, span_write);
	BIO_meth_set_ctrl(m, span_ctrl);
	if (atomic_compare_exchange_strong(&method, &known, m))
		return m;
	BIO_meth_free(m);
	return known;
}

BIO *kiln_span_bio_new(struct kiln_span_io *io)
{
	const BIO_METHOD *method = span_method();
	BIO *bio = method != NULL ? BIO_new(method) : NULL;
	if (bio != NULL) {
		BIO_set_data(bio, io);
		BIO_set_init(bio, 1);
	}
	return bio;
}

void kiln_span_io_clear(struct kiln_span_io *io)
{
	if (io->out != NULL)
		kiln_wipe(io->out, io->out_cap);
	free(io->out);
	memset(io, 0, sizeof *io);
}

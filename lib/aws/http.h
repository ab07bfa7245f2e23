/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP exchange as data: this library says what to ask and judges the answer; whoever has a
 * network does the asking. The asker never follows a redirect, never retries by itself, checks a
 * https server against the public roots and its name, and reads no more than answer_max bytes.
 */
#ifndef KILN_AWS_HTTP_H
#define KILN_AWS_HTTP_H

#include <kiln/error.h>

#define KILN_HTTP_HEADERS_MAX 8u

struct kiln_http_request {
	char method[8];
	char *url;
	/* "Name: value". "Name:" (nothing behind the colon) means that the header must not be sent,
	 * as libcurl has it. The length of the body is always sent as Content-Length. */
	struct {
		char *line;
	} headers[KILN_HTTP_HEADERS_MAX];
	unsigned header_count;
	uint8_t *body;
	size_t body_len;
	uint32_t timeout_ms; /* for the whole exchange */
	size_t answer_max;   /* a longer answer is no answer: status 0 */
	bool link_local;     /* a metadata endpoint: never through a proxy, plain http allowed */
};

struct kiln_http_answer {
	int status;             /* 0: none; then problem says why */
	char content_type[128]; /* as it came; empty: none came */
	const uint8_t *body;
	size_t len;
	char problem[160]; /* for the operator */
};

/* An empty request; url is copied. */
KILN_NODISCARD enum kiln_code kiln_http_request_init(struct kiln_http_request *out,
						     const char *method, const char *url,
						     struct kiln_error *err);
/* Adds "name: value", or "name:" for a NULL value. Refuses CR, LF and NUL in both. */
KILN_NODISCARD enum kiln_code kiln_http_request_header(struct kiln_http_request *request,
						       const char *name, const char *value,
						       struct kiln_error *err);
KILN_NODISCARD enum kiln_code kiln_http_request_body(struct kiln_http_request *request,
						     const void *body, size_t len,
						     struct kiln_error *err);
/* Wipes and frees all of it: headers and bodies hold tokens. */
void kiln_http_request_clear(struct kiln_http_request *request);

/* Whether the answer says that it is of this media type, parameters aside. */
bool kiln_http_answer_is(const struct kiln_http_answer *answer, const char *media_type);

#endif

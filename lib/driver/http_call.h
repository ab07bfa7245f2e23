/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP exchange as a libcurl handle, for a program that waits for it (http.c) and for one that
 * has many at once (the gateway's identity agent). No proxy is used, no redirect followed, no
 * protocol spoken but the URL's own, and no answer longer than the request allows is taken.
 */
#ifndef KILN_DRIVER_HTTP_CALL_H
#define KILN_DRIVER_HTTP_CALL_H

#include <curl/curl.h>

#include "aws/http.h"

struct kiln_http_call {
	CURL *easy;
	struct curl_slist *headers;
	uint8_t *request_body, *body;
	size_t request_len, len, max;
	bool too_long;
	char problem[CURL_ERROR_SIZE];
};

/* The request is not kept. curl_global_init is the caller's to have called. */
struct kiln_http_call *kiln_http_call_new(const struct kiln_http_request *request,
					  struct kiln_error *err) KILN_NODISCARD;
/* Once it has been performed with this result; the body is the call's. */
void kiln_http_call_answer(const struct kiln_http_call *call, CURLcode result,
			   struct kiln_http_answer *answer);
/* Wipes: headers and bodies hold tokens. */
void kiln_http_call_free(struct kiln_http_call *call);

#endif

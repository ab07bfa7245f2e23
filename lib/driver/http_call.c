/* SPDX-License-Identifier: Apache-2.0
 * One HTTP exchange as a libcurl handle; see http_call.h. */
#include "driver/http_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define CONNECT_MS 3000L

static size_t take_answer(char *data, size_t size, size_t count, void *arg)
{
	struct kiln_http_call *x = arg;
	const size_t n = size * count;
	if (n > x->max - x->len) {
		x->too_long = true;
		return 0; /* ends it */
	}
	memcpy(x->body + x->len, data, n);
	x->len += n;
	return n;
}

static bool copy_request(struct kiln_http_call *x, const struct kiln_http_request *request)
{
	x->max = request->answer_max;
	x->body = malloc(x->max > 0 ? x->max : 1);
	x->request_len = request->body_len;
	x->request_body = malloc(request->body_len > 0 ? request->body_len : 1);
	if (x->body == NULL || x->request_body == NULL)
		return false;
	if (request->body_len > 0)
		memcpy(x->request_body, request->body, request->body_len);
	for (unsigned i = 0; i < request->header_count; i++) {
		struct curl_slist *more = curl_slist_append(x->headers, request->headers[i].line);
		if (more == NULL)
			return false;
		x->headers = more;
	}
	return true;
}

/* Expect would cost a round trip, and the server never answers it before the body. */
static bool set_method(struct kiln_http_call *x, const struct kiln_http_request *request)
{
	CURL *c = x->easy;
	struct curl_slist *more = curl_slist_append(x->headers, "Expect:");
	if (more == NULL)
		return false;
	x->headers = more;
	if (strcmp(request->method, "GET") == 0)
		return curl_easy_setopt(c, CURLOPT_HTTPGET, 1L) == CURLE_OK;
	return curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->request_len) ==
		   CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_POSTFIELDS, x->request_body) == CURLE_OK;
}

static bool set_limits(struct kiln_http_call *x, const struct kiln_http_request *request)
{
	CURL *c = x->easy;
	const char *protocols = strncmp(request->url, "http:", 5) == 0 ? "http" : "https";
	const long ms = (long)request->timeout_ms;
	/* Or cleaning up would wait for a resolver that does not answer, however long it takes. */
	if (curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L) != CURLE_OK)
		return false;
	return curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, ms) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, ms < CONNECT_MS ? ms : CONNECT_MS) ==
		   CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, protocols) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) == CURLE_OK;
}

static bool set_up(struct kiln_http_call *x, const struct kiln_http_request *request)
{
	CURL *c = x->easy;
	return set_limits(x, request) && set_method(x, request) &&
	       curl_easy_setopt(c, CURLOPT_URL, request->url) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTPHEADER, x->headers) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEDATA, x) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->problem) == CURLE_OK;
}

void kiln_http_call_free(struct kiln_http_call *x)
{
	if (x == NULL)
		return;
	if (x->easy != NULL)
		curl_easy_cleanup(x->easy);
	for (struct curl_slist *h = x->headers; h != NULL; h = h->next)
		kiln_wipe(h->data, strlen(h->data));
	curl_slist_free_all(x->headers);
	if (x->request_body != NULL)
		kiln_wipe(x->request_body, x->request_len);
	free(x->request_body);
	if (x->body != NULL)
		kiln_wipe(x->body, x->max);
	free(x->body);
	free(x);
}

struct kiln_http_call *kiln_http_call_new(const struct kiln_http_request *request,
					  struct kiln_error *err)
{
	struct kiln_http_call *x = calloc(1, sizeof *x);
	if (x != NULL)
		x->easy = curl_easy_init();
	if (x != NULL && x->easy != NULL && copy_request(x, request) && set_up(x, request))
		return x;
	kiln_http_call_free(x);
	(void)kiln_fail(err, KILN_E_NO_MEMORY, "libcurl takes no request to %.120s", request->url);
	return NULL;
}

void kiln_http_call_answer(const struct kiln_http_call *x, CURLcode result,
			   struct kiln_http_answer *answer)
{
	char *type = NULL;
	long status = 0;
	memset(answer, 0, sizeof *answer);
	answer->body = x->body;
	answer->len = x->len;
	if (result == CURLE_OK) {
		(void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
		(void)curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &type);
		answer->status = (int)status;
		(void)snprintf(answer->content_type, sizeof answer->content_type, "%s",
			       type != NULL ? type : "");
	} else if (x->too_long) {
		(void)snprintf(answer->problem, sizeof answer->problem,
			       "its answer is longer than %zu bytes", x->max);
	} else {
		(void)snprintf(answer->problem, sizeof answer->problem, "%.159s",
			       x->problem[0] != '\0' ? x->problem : curl_easy_strerror(result));
	}
}

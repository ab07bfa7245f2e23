/* SPDX-License-Identifier: Apache-2.0
 * HTTP exchanges over libcurl; see exchange.h. */
#include "agent/exchange.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define KEPT_CONNECTIONS 32L
#define CONNECT_MS       3000L

struct exchange {
	struct exchange *next, **link;
	CURL *easy;
	struct curl_slist *headers;
	uint8_t *request_body, *body;
	size_t request_len, len, max;
	bool too_long;
	kiln_exchange_fn *done;
	void *arg;
	char problem[CURL_ERROR_SIZE];
};

struct kiln_exchanges {
	CURLM *multi;
	struct exchange *all;
	unsigned count;
};

struct kiln_exchanges *kiln_exchanges_new(struct kiln_error *err)
{
	struct kiln_exchanges *e = calloc(1, sizeof *e);
	if (e != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		e->multi = curl_multi_init();
	if (e == NULL || e->multi == NULL) {
		free(e);
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "libcurl cannot be started");
		return NULL;
	}
	(void)curl_multi_setopt(e->multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS);
	return e;
}

static void forget(struct kiln_exchanges *e, struct exchange *x)
{
	if (x->easy != NULL) {
		(void)curl_multi_remove_handle(e->multi, x->easy);
		curl_easy_cleanup(x->easy);
	}
	for (struct curl_slist *h = x->headers; h != NULL; h = h->next)
		kiln_wipe(h->data, strlen(h->data));
	curl_slist_free_all(x->headers);
	if (x->request_body != NULL)
		kiln_wipe(x->request_body, x->request_len);
	free(x->request_body);
	if (x->body != NULL)
		kiln_wipe(x->body, x->max);
	free(x->body);
	if (x->link != NULL) {
		*x->link = x->next;
		if (x->next != NULL)
			x->next->link = x->link;
		e->count--;
	}
	free(x);
}

void kiln_exchanges_free(struct kiln_exchanges *e)
{
	if (e == NULL)
		return;
	while (e->all != NULL)
		forget(e, e->all);
	(void)curl_multi_cleanup(e->multi);
	curl_global_cleanup();
	free(e);
}

unsigned kiln_exchanges_under_way(const struct kiln_exchanges *e)
{
	return e->count;
}

/* ---- one exchange ------------------------------------------------------------------------- */

static size_t take_answer(char *data, size_t size, size_t count, void *arg)
{
	struct exchange *x = arg;
	const size_t n = size * count;
	if (n > x->max - x->len) {
		x->too_long = true;
		return 0; /* ends it */
	}
	memcpy(x->body + x->len, data, n);
	x->len += n;
	return n;
}

static bool copy_request(struct exchange *x, const struct kiln_http_request *request)
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
static bool set_method(struct exchange *x, const struct kiln_http_request *request)
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

static bool set_limits(struct exchange *x, const struct kiln_http_request *request)
{
	CURL *c = x->easy;
	const char *protocols = strncmp(request->url, "http:", 5) == 0 ? "http" : "https";
	const long ms = (long)request->timeout_ms;
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

static bool set_up(struct exchange *x, const struct kiln_http_request *request)
{
	CURL *c = x->easy;
	return set_limits(x, request) && set_method(x, request) &&
	       curl_easy_setopt(c, CURLOPT_URL, request->url) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTPHEADER, x->headers) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEDATA, x) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_ERRORBUFFER, x->problem) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PRIVATE, x) == CURLE_OK;
}

enum kiln_code kiln_exchanges_start(struct kiln_exchanges *e,
				    const struct kiln_http_request *request, kiln_exchange_fn *done,
				    void *arg, struct kiln_error *err)
{
	struct exchange *x = calloc(1, sizeof *x);
	if (x == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a request");
	x->done = done;
	x->arg = arg;
	x->easy = curl_easy_init();
	if (x->easy == NULL || !copy_request(x, request) || !set_up(x, request) ||
	    curl_multi_add_handle(e->multi, x->easy) != CURLM_OK) {
		forget(e, x);
		return kiln_fail(err, KILN_E_NO_MEMORY, "libcurl takes no request to %.120s",
				 request->url);
	}
	x->next = e->all;
	x->link = &e->all;
	if (x->next != NULL)
		x->next->link = &x->next;
	e->all = x;
	e->count++;
	return KILN_OK;
}

static void finish(struct kiln_exchanges *e, struct exchange *x, CURLcode result)
{
	struct kiln_http_answer answer = {.body = x->body, .len = x->len};
	char *type = NULL;
	long status = 0;
	if (result == CURLE_OK) {
		(void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
		(void)curl_easy_getinfo(x->easy, CURLINFO_CONTENT_TYPE, &type);
		answer.status = (int)status;
		(void)snprintf(answer.content_type, sizeof answer.content_type, "%s",
			       type != NULL ? type : "");
	} else if (x->too_long) {
		(void)snprintf(answer.problem, sizeof answer.problem,
			       "its answer is longer than %zu bytes", x->max);
	} else {
		(void)snprintf(answer.problem, sizeof answer.problem, "%.159s",
			       x->problem[0] != '\0' ? x->problem : curl_easy_strerror(result));
	}
	kiln_exchange_fn *done = x->done;
	done(x->arg, &answer);
	forget(e, x);
}

enum kiln_code kiln_exchanges_turn(struct kiln_exchanges *e, struct pollfd *fds, unsigned count,
				   int timeout_ms, struct kiln_error *err)
{
	struct curl_waitfd waits[KILN_EXCHANGE_FDS];
	CURLMsg *message;
	int running, left;
	if (count > KILN_EXCHANGE_FDS)
		return kiln_fail(err, KILN_E_USAGE, "too many descriptors to wait for");
	for (unsigned i = 0; i < count; i++)
		waits[i] = (struct curl_waitfd){
		    .fd = fds[i].fd,
		    .events = (short)((fds[i].events & POLLIN ? CURL_WAIT_POLLIN : 0) |
				      (fds[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0)),
		};
	if (curl_multi_perform(e->multi, &running) != CURLM_OK ||
	    curl_multi_poll(e->multi, waits, count, timeout_ms, NULL) != CURLM_OK ||
	    curl_multi_perform(e->multi, &running) != CURLM_OK)
		return kiln_fail(err, KILN_E_SYSTEM, "libcurl cannot wait");
	for (unsigned i = 0; i < count; i++)
		fds[i].revents = waits[i].revents;
	while ((message = curl_multi_info_read(e->multi, &left)) != NULL) {
		struct exchange *x = NULL;
		if (message->msg != CURLMSG_DONE)
			continue;
		const CURLcode result = message->data.result;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &x);
		finish(e, x, result);
	}
	return KILN_OK;
}

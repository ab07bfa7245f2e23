/* SPDX-License-Identifier: Apache-2.0
 * HTTP exchanges over libcurl's multi interface; see exchange.h. */
#include "agent/exchange.h"

#include <stdlib.h>

#include "driver/http_call.h"

/* Whoever asks bounds how many are under way (verify.c); kept for the next are so many. */
#define KEPT_CONNECTIONS 64L

struct exchange {
	struct exchange *next, **link;
	struct kiln_http_call *call;
	kiln_exchange_fn *done;
	void *arg;
};

struct kiln_exchanges {
	CURLM *multi;
	struct exchange *all;
	unsigned count;
};

struct kiln_exchanges *kiln_exchanges_new(struct kiln_error *err)
{
	struct kiln_exchanges *e = calloc(1, sizeof *e);
	(void)unsetenv("SSLKEYLOGFILE"); /* libcurl would write the keys of these sessions there */
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
	(void)curl_multi_remove_handle(e->multi, x->call->easy);
	kiln_http_call_free(x->call);
	*x->link = x->next;
	if (x->next != NULL)
		x->next->link = x->link;
	e->count--;
	free(x);
}

void kiln_exchanges_free(struct kiln_exchanges *e)
{
	if (e == NULL)
		return;
	for (struct exchange *x = e->all, *next; x != NULL; x = next) {
		next = x->next;
		forget(e, x);
	}
	(void)curl_multi_cleanup(e->multi);
	curl_global_cleanup();
	free(e);
}

unsigned kiln_exchanges_under_way(const struct kiln_exchanges *e)
{
	return e->count;
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
	x->call = kiln_http_call_new(request, err);
	if (x->call == NULL || curl_easy_setopt(x->call->easy, CURLOPT_PRIVATE, x) != CURLE_OK ||
	    curl_multi_add_handle(e->multi, x->call->easy) != CURLM_OK) {
		kiln_http_call_free(x->call);
		free(x);
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
	struct kiln_http_answer answer;
	kiln_http_call_answer(x->call, result, &answer);
	x->done(x->arg, &answer);
	forget(e, x);
}

/* Moves on without waiting; *ended tells whether an exchange has. */
static bool perform(struct kiln_exchanges *e, bool *ended)
{
	CURLMsg *message;
	int running, left;
	if (curl_multi_perform(e->multi, &running) != CURLM_OK)
		return false;
	while ((message = curl_multi_info_read(e->multi, &left)) != NULL) {
		struct exchange *x = NULL;
		if (message->msg != CURLMSG_DONE)
			continue;
		const CURLcode result = message->data.result;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &x);
		finish(e, x, result);
		*ended = true;
	}
	return true;
}

enum kiln_code kiln_exchanges_turn(struct kiln_exchanges *e, struct pollfd *fds, unsigned count,
				   int timeout_ms, struct kiln_error *err)
{
	struct curl_waitfd waits[KILN_EXCHANGE_FDS];
	bool ended = false;
	if (count > KILN_EXCHANGE_FDS)
		return kiln_fail(err, KILN_E_USAGE, "too many descriptors to wait for");
	for (unsigned i = 0; i < count; i++)
		waits[i] = (struct curl_waitfd){
		    .fd = fds[i].fd,
		    .events = (short)((fds[i].events & POLLIN ? CURL_WAIT_POLLIN : 0) |
				      (fds[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0)),
		};
	/* One that has ended wakes nobody any more: whoever asked for it may have something to do.
	 */
	if (!perform(e, &ended) ||
	    curl_multi_poll(e->multi, waits, count, ended ? 0 : timeout_ms, NULL) != CURLM_OK ||
	    !perform(e, &ended))
		return kiln_fail(err, KILN_E_SYSTEM, "libcurl cannot wait");
	for (unsigned i = 0; i < count; i++)
		fds[i].revents = waits[i].revents;
	return KILN_OK;
}

/* SPDX-License-Identifier: Apache-2.0
 * One HTTP exchange, waited for; see http.h. */
#include "driver/http.h"

#include <stdio.h>

#include "driver/http_call.h"

void kiln_http_exchange(const struct kiln_http_request *request, uint32_t most_ms,
			void (*done)(void *arg, const struct kiln_http_answer *answer), void *arg)
{
	struct kiln_http_request bounded = *request;
	struct kiln_http_answer answer = {0};
	struct kiln_error err = {0};
	if (bounded.timeout_ms > most_ms)
		bounded.timeout_ms = most_ms > 0 ? most_ms : 1;
	/* Counted by libcurl, and safe to be called again by whoever embeds us. */
	const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
	struct kiln_http_call *call = ready == CURLE_OK ? kiln_http_call_new(&bounded, &err) : NULL;
	if (call != NULL)
		kiln_http_call_answer(call, curl_easy_perform(call->easy), &answer);
	else
		(void)snprintf(answer.problem, sizeof answer.problem, "%.159s",
			       ready == CURLE_OK ? err.message : "libcurl cannot be started");
	done(arg, &answer);
	kiln_http_call_free(call);
	if (ready == CURLE_OK)
		curl_global_cleanup();
}

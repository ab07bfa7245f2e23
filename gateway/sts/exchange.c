/* SPDX-License-Identifier: Apache-2.0
 * One request of the development STS: collected, answered, perhaps late or wrongly on purpose. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "log/log.h"
#include "sts/random.h"
#include "sts/server.h"

#define LARGE (UINT64_C(4) << 20)

uint64_t kiln_stsd_now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ------------------------------------------------------------------ waiting */

/* A suspended connection is not looked at, so clients that gave up stay. They must not take the
 * places of those that come, of which one may end the hanging: the oldest goes. */
static void make_room(struct kiln_stsd_server *server)
{
	struct kiln_stsd_exchange *oldest = server->longest;
	if (server->waiting_count < server->waiting_max || oldest == NULL)
		return;
	(void)snprintf(oldest->reply.problem, sizeof oldest->reply.problem,
		       "dropped: %u that came later wait too", server->waiting_max);
	kiln_stsd_exchange_drop(oldest);
}

static enum MHD_Result wait_for(struct kiln_stsd_exchange *x, uint64_t due_us)
{
	struct kiln_stsd_server *server = x->server;
	make_room(server);
	x->due_us = due_us;
	x->waits = true;
	x->previous = NULL;
	x->next = server->waiting;
	*(x->next != NULL ? &x->next->previous : &server->longest) = x;
	server->waiting = x;
	server->waiting_count++;
	kiln_mhd.suspend_connection(x->connection);
	return MHD_YES;
}

static void unlink_waiting(struct kiln_stsd_exchange *x)
{
	struct kiln_stsd_server *server = x->server;
	*(x->previous != NULL ? &x->previous->next : &server->waiting) = x->next;
	*(x->next != NULL ? &x->next->previous : &server->longest) = x->previous;
	server->waiting_count--;
	x->waits = false;
}

void kiln_stsd_exchange_resume(struct kiln_stsd_exchange *x)
{
	unlink_waiting(x);
	kiln_mhd.resume_connection(x->connection);
	x->server->resumed = true;
}

void kiln_stsd_exchange_drop(struct kiln_stsd_exchange *x)
{
	x->drop = true;
	kiln_stsd_exchange_resume(x);
}

/* ------------------------------------------------------------------ the request as data */

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *name,
				   size_t name_len, const char *value, size_t value_len)
{
	struct kiln_stsd_request *r = cls;
	(void)kind;
	if (r->header_count < KILN_SIGV4_HEADERS_MAX)
		r->headers[r->header_count] = (struct kiln_sigv4_header){
		    {name, name_len}, {value != NULL ? value : "", value != NULL ? value_len : 0}};
	r->header_count++; /* one too many tells that there were */
	return MHD_YES;
}

static bool describe(struct kiln_stsd_exchange *x, const char *method)
{
	struct kiln_stsd_request *r = &x->request;
	struct kiln_error err = {0};
	const char *query = strchr(x->uri, '?');
	r->method = method;
	r->path =
	    (struct kiln_slice){x->uri, query != NULL ? (size_t)(query - x->uri) : strlen(x->uri)};
	r->query = kiln_slice_of(query != NULL ? query + 1 : "");
	r->body = (const uint8_t *)x->body.data;
	r->body_len = x->body.len;
	r->now = kiln_wall_clock();
	(void)kiln_mhd.get_connection_values_n(x->connection, MHD_HEADER_KIND, take_header, r);
	return kiln_stsd_random_uuid(r->id, &err) == KILN_OK;
}

/* ------------------------------------------------------------------ the answer */

static void answer_sts(struct kiln_stsd_exchange *x)
{
	const struct kiln_stsd_request *r = &x->request;
	if (r->path.len > 1 || (strcmp(r->method, "POST") != 0 && strcmp(r->method, "GET") != 0))
		kiln_stsd_refuse(r, &x->reply, 404, "NotFound", "STS is at POST /");
	else
		kiln_stsd_answer(&x->server->sts, r, &x->reply);
}

static bool is_of_credentials(const struct kiln_stsd_request *r)
{
	return (r->path.len > 19 && memcmp(r->path.at, "/_kiln/credentials/", 19) == 0) ||
	       (r->path.len > 8 && memcmp(r->path.at, "/latest/", 8) == 0);
}

static void misbehave(struct kiln_stsd_exchange *x)
{
	struct kiln_stsd_behaviour *b = &x->server->behaviours[x->slot];
	switch (kiln_stsd_play(b, kiln_stsd_now_us())) {
	case KILN_STSD_PLAY_DROP: x->drop = true; break;
	case KILN_STSD_PLAY_THROTTLE:
		kiln_stsd_refuse(&x->request, &x->reply, x->slot == KILN_STSD_ON_STS ? 400 : 429,
				 "Throttling", "Rate exceeded");
		break;
	case KILN_STSD_PLAY_FAIL:
		kiln_stsd_refuse(&x->request, &x->reply, 500, "InternalFailure",
				 "The request processing has failed because of an unknown error, "
				 "exception or failure.");
		break;
	default: x->garbage = b->garbage; break;
	}
}

static void answer(struct kiln_stsd_exchange *x)
{
	struct kiln_stsd_server *server = x->server;
	const struct kiln_stsd_request *r = &x->request;
	if (x->too_large || r->header_count > KILN_SIGV4_HEADERS_MAX) {
		x->request.header_count = 0;
		kiln_stsd_refuse(r, &x->reply, 413, "RequestEntityTooLarge",
				 "The body or the number of headers is over the limit");
		return;
	}
	if (kiln_slice_is(r->path, "/_kiln/behave")) {
		kiln_stsd_control(server, r, &x->reply);
		x->slot = KILN_STSD_SLOTS;
		return;
	}
	x->slot = is_of_credentials(r) ? KILN_STSD_ON_CREDENTIALS : KILN_STSD_ON_STS;
	misbehave(x);
	if (x->reply.status == 0 && !x->drop && !kiln_stsd_metadata(&server->sts, r, &x->reply))
		answer_sts(x);
}

/* ------------------------------------------------------------------ sending */

static void free_text(void *cls)
{
	struct kiln_text *text = cls;
	kiln_text_clear(text);
	free(text);
}

/* The body moves into the response, which wipes it when it has been sent. */
static struct MHD_Response *response_of(struct kiln_stsd_exchange *x)
{
	static char html[] = "<!DOCTYPE html><html><body>Please log in.</body></html>\n";
	if (x->garbage == KILN_STSD_HTML) {
		x->reply.content_type = "text/html";
		return kiln_mhd.create_response_from_buffer(sizeof html - 1, html,
							    MHD_RESPMEM_PERSISTENT);
	}
	struct kiln_text *text = malloc(sizeof *text);
	if (text == NULL)
		return NULL;
	*text = x->reply.body;
	x->reply.body = (struct kiln_text){0};
	if (x->garbage == KILN_STSD_CUT)
		text->len /= 2;
	return kiln_mhd.create_response_from_buffer_with_free_callback_cls(text->len, text->data,
									   free_text, text);
}

static ssize_t blanks(void *cls, uint64_t at, char *out, size_t max)
{
	(void)cls;
	const uint64_t left = LARGE - at;
	const size_t n = max < left ? max : (size_t)left;
	memset(out, ' ', n);
	return (ssize_t)n;
}

static enum MHD_Result send_reply(struct kiln_stsd_exchange *x)
{
	struct MHD_Response *response =
	    x->garbage == KILN_STSD_LARGE
		? kiln_mhd.create_response_from_callback(LARGE, 65536, blanks, NULL, NULL)
		: response_of(x);
	if (response == NULL)
		return MHD_NO;
	enum MHD_Result ok = kiln_mhd.add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
							  x->reply.content_type);
	if (ok == MHD_YES)
		ok = kiln_mhd.add_response_header(response, "x-amzn-RequestId", x->request.id);
	if (ok == MHD_YES && x->reply.token_ttl[0] != '\0')
		ok = kiln_mhd.add_response_header(response, "X-aws-ec2-metadata-token-ttl-seconds",
						  x->reply.token_ttl);
	if (ok == MHD_YES)
		ok = kiln_mhd.queue_response(x->connection, x->reply.status, response);
	kiln_mhd.destroy_response(response);
	return ok;
}

/* ------------------------------------------------------------------ what libmicrohttpd calls */

void *kiln_stsd_exchange_begin(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct kiln_stsd_server *server = cls;
	struct kiln_stsd_exchange *x = calloc(1, sizeof *x);
	if (x == NULL)
		return NULL;
	x->uri = strdup(uri);
	if (x->uri == NULL) {
		free(x);
		return NULL;
	}
	x->server = server;
	x->connection = connection;
	x->began_us = kiln_stsd_now_us();
	x->body.max = KILN_STSD_BODY_MAX;
	memcpy(x->behaviour, "well", sizeof "well");
	server->open++;
	return x;
}

static enum MHD_Result make_ready(struct kiln_stsd_exchange *x, const char *method)
{
	struct kiln_stsd_server *server = x->server;
	if (!describe(x, method))
		return MHD_NO;
	x->ready = true;
	server->requests++;
	answer(x);
	if (x->slot < KILN_STSD_SLOTS && !server->stopping) {
		const struct kiln_stsd_behaviour *b = &server->behaviours[x->slot];
		kiln_stsd_behaviour_tell(b, x->behaviour, sizeof x->behaviour);
		x->hangs = b->hang;
		if (b->hang)
			return wait_for(x, UINT64_MAX);
		if (b->delay_ms > 0)
			return wait_for(x, x->began_us + b->delay_ms * 1000);
	}
	if (x->drop || x->reply.status == 0)
		return MHD_NO;
	return send_reply(x);
}

enum MHD_Result kiln_stsd_exchange_step(void *cls, struct MHD_Connection *connection,
					const char *url, const char *method, const char *version,
					const char *data, size_t *len, void **exchange)
{
	struct kiln_stsd_exchange *x = *exchange;
	(void)cls;
	(void)connection;
	(void)url;
	(void)version;
	if (x == NULL)
		return MHD_NO;
	if (!x->begun) {
		x->begun = true;
		return MHD_YES;
	}
	if (*len > 0) {
		kiln_text_add(&x->body, data, *len);
		x->too_large = x->body.failed;
		*len = 0;
		return MHD_YES;
	}
	if (!x->ready)
		return make_ready(x, method);
	return x->drop || x->reply.status == 0 ? MHD_NO : send_reply(x);
}

static void log_exchange(const struct kiln_stsd_exchange *x, bool sent)
{
	struct kiln_log_line l;
	const struct kiln_stsd_reply *r = &x->reply;
	kiln_log_begin(&l, sent && r->status < 400 ? KILN_LOG_INFO : KILN_LOG_WARNING,
		       "sts_request");
	kiln_log_str(&l, "action", r->action[0] != '\0' ? r->action : NULL);
	kiln_log_u64(&l, "status", sent ? r->status : 0);
	kiln_log_str(&l, "sts_code", r->code[0] != '\0' ? r->code : NULL);
	kiln_log_str(&l, "key_id", r->key_id[0] != '\0' ? r->key_id : NULL);
	kiln_log_str(&l, "identity", r->identity[0] != '\0' ? r->identity : NULL);
	kiln_log_str(&l, "region", r->region[0] != '\0' ? r->region : NULL);
	kiln_log_ms(&l, "duration_ms", kiln_stsd_now_us() - x->began_us);
	kiln_log_str(&l, "behaviour", strcmp(x->behaviour, "well") != 0 ? x->behaviour : NULL);
	kiln_log_str(&l, "request_id", x->request.id);
	kiln_log_str(&l, "error", r->problem[0] != '\0' ? r->problem : NULL);
	kiln_log_end(&l);
}

void kiln_stsd_exchange_end(void *cls, struct MHD_Connection *connection, void **exchange,
			    enum MHD_RequestTerminationCode why)
{
	struct kiln_stsd_exchange *x = *exchange;
	(void)cls;
	(void)connection;
	if (x == NULL)
		return;
	if (x->ready)
		log_exchange(x, why == MHD_REQUEST_TERMINATED_COMPLETED_OK);
	if (x->waits)
		unlink_waiting(x);
	x->server->open--;
	kiln_text_clear(&x->body);
	kiln_stsd_reply_clear(&x->reply);
	free(x->uri);
	kiln_wipe(x, sizeof *x);
	free(x);
	*exchange = NULL;
}

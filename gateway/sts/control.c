/* SPDX-License-Identifier: Apache-2.0
 * /_kiln/behave: misbehaviour, set and told while the STS runs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sts/server.h"

static void refuse(struct kiln_stsd_reply *reply, unsigned status, const char *code,
		   const char *problem)
{
	(void)snprintf(reply->code, sizeof reply->code, "%s", code);
	(void)snprintf(reply->problem, sizeof reply->problem, "%s", problem);
	reply->status = status;
	reply->content_type = "text/plain";
	kiln_text_str(&reply->body, reply->problem);
	kiln_text_char(&reply->body, '\n');
}

static void tell(const struct kiln_stsd_server *server, struct kiln_stsd_reply *reply)
{
	char set[KILN_STSD_SLOTS][160], text[512];
	uint64_t waiting = 0;
	for (unsigned i = 0; i < KILN_STSD_SLOTS; i++)
		kiln_stsd_behaviour_tell(&server->behaviours[i], set[i], sizeof set[i]);
	for (const struct kiln_stsd_exchange *x = server->waiting; x != NULL; x = x->next)
		waiting++;
	(void)snprintf(text, sizeof text,
		       "{\"sts\":\"%s\",\"credentials\":\"%s\",\"requests\":%" PRIu64
		       ",\"waiting\":%" PRIu64 "}\n",
		       set[KILN_STSD_ON_STS], set[KILN_STSD_ON_CREDENTIALS], server->requests,
		       waiting);
	reply->status = 200;
	reply->content_type = "application/json";
	kiln_text_str(&reply->body, text);
}

/* Those that hang are answered once nobody wants them to any more. */
static void release(struct kiln_stsd_server *server, unsigned slot)
{
	struct kiln_stsd_exchange *next;
	for (struct kiln_stsd_exchange *x = server->waiting; x != NULL; x = next) {
		next = x->next;
		if (x->hangs && x->slot == slot)
			kiln_stsd_exchange_resume(x);
	}
}

static void set(struct kiln_stsd_server *server, const struct kiln_stsd_request *request,
		struct kiln_stsd_params *params, struct kiln_stsd_reply *reply)
{
	struct kiln_error err = {0};
	unsigned slot = KILN_STSD_ON_STS;
	const char *wrong = kiln_stsd_params_add(params, request->query.at, request->query.len);
	const char *on = kiln_stsd_params_get(params, "on");
	if (wrong == NULL && on != NULL && strcmp(on, "credentials") == 0)
		slot = KILN_STSD_ON_CREDENTIALS;
	else if (wrong == NULL && on != NULL && strcmp(on, "sts") != 0)
		wrong = "on is sts or credentials";
	if (wrong != NULL) {
		refuse(reply, 400, "BadRequest", wrong);
		return;
	}
	if (kiln_stsd_behave_all(&server->behaviours[slot], params, &err) != KILN_OK) {
		refuse(reply, 400, "BadRequest", err.message);
		return;
	}
	if (!server->behaviours[slot].hang)
		release(server, slot);
	tell(server, reply);
}

void kiln_stsd_control(struct kiln_stsd_server *server, const struct kiln_stsd_request *request,
		       struct kiln_stsd_reply *reply)
{
	struct kiln_stsd_params params = {0};
	(void)snprintf(reply->action, sizeof reply->action, "Behave");
	if (!server->control)
		refuse(reply, 404, "NotFound", "only with --control");
	else if (!kiln_stsd_host_is_loopback(kiln_stsd_header(request, "host")) ||
		 kiln_stsd_header(request, "origin").at != NULL)
		refuse(reply, 403, "Forbidden", "not for pages of a browser");
	else if (strcmp(request->method, "POST") == 0)
		set(server, request, &params, reply);
	else if (strcmp(request->method, "GET") == 0)
		tell(server, reply);
	else
		refuse(reply, 405, "MethodNotAllowed", "GET tells, POST sets");
	kiln_stsd_params_clear(&params);
}

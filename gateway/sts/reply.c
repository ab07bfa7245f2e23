/* SPDX-License-Identifier: Apache-2.0
 * Refusals, and which notation an answer has. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sts/document.h"
#include "sts/request.h"

bool kiln_stsd_wants_json(const struct kiln_stsd_request *request)
{
	static const char json[] = "application/json";
	const struct kiln_slice accept = kiln_stsd_header(request, "accept");
	return accept.at != NULL && memmem(accept.at, accept.len, json, sizeof json - 1) != NULL;
}

void kiln_stsd_reply_clear(struct kiln_stsd_reply *reply)
{
	kiln_text_clear(&reply->body);
}

static void write_error(const struct kiln_stsd_request *request, struct kiln_stsd_reply *reply)
{
	struct kiln_stsd_document d;
	const bool json = kiln_stsd_wants_json(request);
	kiln_stsd_document_begin(&d, &reply->body, json, NULL);
	kiln_stsd_document_open(&d, "Error");
	if (!json)
		kiln_stsd_document_text(&d, "Type", reply->status < 500 ? "Sender" : "Receiver");
	kiln_stsd_document_text(&d, "Code", reply->code);
	kiln_stsd_document_text(&d, "Message", reply->problem);
	if (json)
		kiln_stsd_document_text(&d, "Type", reply->status < 500 ? "Sender" : "Receiver");
	kiln_stsd_document_close(&d, "Error");
	kiln_stsd_document_text(&d, "RequestId", request->id);
	kiln_stsd_document_end(&d, NULL);
}

void kiln_stsd_refuse(const struct kiln_stsd_request *request, struct kiln_stsd_reply *reply,
		      unsigned status, const char *code, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	(void)vsnprintf(reply->problem, sizeof reply->problem, format, arguments);
	va_end(arguments);
	(void)snprintf(reply->code, sizeof reply->code, "%s", code);
	reply->status = status;
	reply->content_type = kiln_stsd_wants_json(request) ? "application/json" : "text/xml";
	kiln_text_clear(&reply->body);
	write_error(request, reply);
}

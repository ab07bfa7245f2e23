/* SPDX-License-Identifier: Apache-2.0
 * Building an HTTP exchange; see http.h. */
#include "aws/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/ascii.h"
#include "base/bytes.h"

enum kiln_code kiln_http_request_init(struct kiln_http_request *out, const char *method,
				      const char *url, struct kiln_error *err)
{
	*out = (struct kiln_http_request){.timeout_ms = 5000, .answer_max = 65536};
	if (strlen(method) >= sizeof out->method)
		return kiln_fail(err, KILN_E_USAGE, "no such HTTP method");
	(void)snprintf(out->method, sizeof out->method, "%s", method);
	if (!kiln_ascii_is_visible(url, strlen(url)))
		return kiln_fail(err, KILN_E_CONFIG,
				 "a URL holds a character that cannot be part of one");
	out->url = strdup(url);
	if (out->url == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a request");
	return KILN_OK;
}

enum kiln_code kiln_http_request_header(struct kiln_http_request *request, const char *name,
					const char *value, struct kiln_error *err)
{
	if (request->header_count >= KILN_HTTP_HEADERS_MAX)
		return kiln_fail(err, KILN_E_USAGE, "a request has too many headers");
	if (strpbrk(name, "\r\n:") != NULL || (value != NULL && strpbrk(value, "\r\n") != NULL))
		return kiln_fail(err, KILN_E_CREDENTIALS,
				 "a header's value would hold the end of a line");
	const size_t room = strlen(name) + 3 + (value != NULL ? strlen(value) : 0);
	char *line = malloc(room);
	if (line == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a request");
	if (value != NULL)
		(void)snprintf(line, room, "%s: %s", name, value);
	else
		(void)snprintf(line, room, "%s:", name);
	request->headers[request->header_count++].line = line;
	return KILN_OK;
}

enum kiln_code kiln_http_request_body(struct kiln_http_request *request, const void *body,
				      size_t len, struct kiln_error *err)
{
	if (len == 0)
		return KILN_OK;
	request->body = malloc(len);
	if (request->body == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a request");
	memcpy(request->body, body, len);
	request->body_len = len;
	return KILN_OK;
}

void kiln_http_request_clear(struct kiln_http_request *request)
{
	for (unsigned i = 0; i < request->header_count; i++) {
		kiln_wipe(request->headers[i].line, strlen(request->headers[i].line));
		free(request->headers[i].line);
	}
	if (request->body != NULL) {
		kiln_wipe(request->body, request->body_len);
		free(request->body);
	}
	free(request->url);
	*request = (struct kiln_http_request){0};
}

bool kiln_http_answer_is(const struct kiln_http_answer *answer, const char *media_type)
{
	const size_t len = strlen(media_type);
	const char *type = answer->content_type;
	if (strncasecmp(type, media_type, len) != 0)
		return false;
	type += len;
	return type[strspn(type, " \t")] == '\0' || type[strspn(type, " \t")] == ';';
}

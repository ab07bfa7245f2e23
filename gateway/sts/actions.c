/* SPDX-License-Identifier: Apache-2.0
 * The actions of STS: GetCallerIdentity, AssumeRole, AssumeRoleWithWebIdentity. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aws/role.h"
#include "sts/document.h"
#include "sts/params.h"
#include "sts/request.h"

#define CHAINED_MAX 3600 /* seconds, for a role that assumes a role */

/* One call, once its parameters are known. */
struct call {
	struct kiln_stsd *sts;
	const struct kiln_stsd_request *request;
	struct kiln_stsd_reply *reply;
	struct kiln_stsd_params params;
};

/* ------------------------------------------------------------------ answers */

static void begin(struct call *c, struct kiln_stsd_document *d, const char *action)
{
	char name[64];
	const bool json = kiln_stsd_wants_json(c->request);
	c->reply->status = 200;
	c->reply->content_type = json ? "application/json" : "text/xml";
	(void)snprintf(name, sizeof name, "%sResponse", action);
	kiln_stsd_document_begin(d, &c->reply->body, json, name);
	(void)snprintf(name, sizeof name, "%sResult", action);
	kiln_stsd_document_open(d, name);
}

static void end(struct call *c, struct kiln_stsd_document *d, const char *action)
{
	char name[64];
	(void)snprintf(name, sizeof name, "%sResult", action);
	kiln_stsd_document_close(d, name);
	kiln_stsd_document_open(d, "ResponseMetadata");
	kiln_stsd_document_text(d, "RequestId", c->request->id);
	kiln_stsd_document_close(d, "ResponseMetadata");
	(void)snprintf(name, sizeof name, "%sResponse", action);
	kiln_stsd_document_end(d, name);
}

static void write_session(struct kiln_stsd_document *d, const struct kiln_stsd_key *key)
{
	kiln_stsd_document_open(d, "AssumedRoleUser");
	kiln_stsd_document_text(d, "Arn", key->arn);
	kiln_stsd_document_text(d, "AssumedRoleId", key->user_id);
	kiln_stsd_document_close(d, "AssumedRoleUser");
	kiln_stsd_document_open(d, "Credentials");
	kiln_stsd_document_text(d, "AccessKeyId", key->access_key_id);
	kiln_stsd_document_text(d, "SecretAccessKey", key->secret_access_key);
	kiln_stsd_document_text(d, "SessionToken", key->session_token);
	kiln_stsd_document_time(d, "Expiration", key->expires_at);
	kiln_stsd_document_close(d, "Credentials");
}

static void caller_identity(struct call *c)
{
	struct kiln_stsd_document d;
	const struct kiln_stsd_key *key = kiln_stsd_verify(c->sts, c->request, c->reply);
	if (key == NULL)
		return;
	begin(c, &d, c->reply->action);
	kiln_stsd_document_text(&d, "Arn", key->arn);
	kiln_stsd_document_text(&d, "UserId", key->user_id);
	kiln_stsd_document_text(&d, "Account", key->account);
	end(c, &d, c->reply->action);
}

/* ------------------------------------------------------------------ sessions */

static const char *want(struct call *c, const char *name, const char *in_message)
{
	const char *value = kiln_stsd_params_get(&c->params, name);
	if (value != NULL && value[0] != '\0')
		return value;
	kiln_stsd_refuse(c->request, c->reply, 400, "ValidationError",
			 "1 validation error detected: Value null at '%s' failed to satisfy "
			 "constraint: Member must not be null",
			 in_message);
	return NULL;
}

static const char *want_session(struct call *c)
{
	const char *name = want(c, "RoleSessionName", "roleSessionName");
	if (name == NULL ||
	    (strlen(name) >= 2 && kiln_aws_is_name(name, strlen(name), KILN_AWS_SESSION_MAX)))
		return name;
	kiln_stsd_refuse(
	    c->request, c->reply, 400, "ValidationError",
	    "1 validation error detected: Value at 'roleSessionName' failed to satisfy "
	    "constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]* "
	    "and have length 2 to 64");
	return NULL;
}

/* 0: refused. */
static int64_t want_duration(struct call *c, int64_t max)
{
	const char *text = kiln_stsd_params_get(&c->params, "DurationSeconds");
	int64_t seconds = 3600;
	if (text != NULL) {
		char *rest;
		seconds = strtoll(text, &rest, 10);
		if (*text < '0' || *text > '9' || *rest != '\0' ||
		    seconds < KILN_STSD_DURATION_MIN || seconds > max) {
			kiln_stsd_refuse(
			    c->request, c->reply, 400, "ValidationError",
			    "DurationSeconds must be from %d to %lld here, not '%.20s'",
			    KILN_STSD_DURATION_MIN, (long long)max, text);
			return 0;
		}
	}
	return c->sts->session_max > 0 && seconds > c->sts->session_max ? c->sts->session_max
									: seconds;
}

static const struct kiln_stsd_key *issue(struct call *c, const char *role_arn, const char *session,
					 int64_t seconds)
{
	struct kiln_error err = {0};
	const struct kiln_stsd_key *key =
	    kiln_stsd_issue(&c->sts->store, role_arn, session, c->request->now + seconds, &err);
	if (key == NULL)
		kiln_stsd_refuse(c->request, c->reply, 500, "InternalFailure", "%s", err.message);
	return key;
}

static void assume_role(struct call *c)
{
	struct kiln_stsd_document d;
	const struct kiln_stsd_key *caller = kiln_stsd_verify(c->sts, c->request, c->reply);
	const char *arn = caller != NULL ? want(c, "RoleArn", "roleArn") : NULL;
	const char *session = arn != NULL ? want_session(c) : NULL;
	if (session == NULL)
		return;
	const int64_t seconds =
	    want_duration(c, caller->by_role ? CHAINED_MAX : KILN_STSD_DURATION_MAX);
	if (seconds == 0)
		return;
	const struct kiln_stsd_role *role = kiln_stsd_role_find(&c->sts->store, arn);
	const char *external_id = kiln_stsd_params_get(&c->params, "ExternalId");
	if (role == NULL ||
	    (role->external_id != NULL &&
	     (external_id == NULL || strcmp(external_id, role->external_id) != 0))) {
		kiln_stsd_refuse(c->request, c->reply, 403, "AccessDenied",
				 "User: %.100s is not authorized to perform: sts:AssumeRole on "
				 "resource: %.80s",
				 caller->arn, arn);
		return;
	}
	const struct kiln_stsd_key *key = issue(c, arn, session, seconds);
	if (key == NULL)
		return;
	begin(c, &d, c->reply->action);
	write_session(&d, key);
	end(c, &d, c->reply->action);
}

static void assume_with_web_identity(struct call *c)
{
	struct kiln_stsd_document d;
	const char *arn = want(c, "RoleArn", "roleArn");
	const char *session = arn != NULL ? want_session(c) : NULL;
	const char *token =
	    session != NULL ? want(c, "WebIdentityToken", "webIdentityToken") : NULL;
	const int64_t seconds = token != NULL ? want_duration(c, KILN_STSD_DURATION_MAX) : 0;
	if (seconds == 0)
		return;
	const struct kiln_stsd_web *web = kiln_stsd_web_find(&c->sts->store, token);
	if (web == NULL) {
		kiln_stsd_refuse(c->request, c->reply, 400, "InvalidIdentityToken",
				 "The web identity token is none of the keys file's");
		return;
	}
	if (strcmp(web->role_arn, arn) != 0) {
		kiln_stsd_refuse(c->request, c->reply, 403, "AccessDenied",
				 "Not authorized to perform sts:AssumeRoleWithWebIdentity");
		return;
	}
	const struct kiln_stsd_key *key = issue(c, arn, session, seconds);
	if (key == NULL)
		return;
	(void)snprintf(c->reply->identity, sizeof c->reply->identity, "%s", key->arn);
	begin(c, &d, c->reply->action);
	write_session(&d, key);
	kiln_stsd_document_text(&d, "SubjectFromWebIdentityToken", web->subject);
	kiln_stsd_document_text(&d, "Audience", "sts.amazonaws.com");
	kiln_stsd_document_text(&d, "Provider", "kiln-sts");
	end(c, &d, c->reply->action);
}

/* ------------------------------------------------------------------ which */

static const struct {
	const char *name;
	void (*run)(struct call *c);
} actions[] = {
    {"GetCallerIdentity", caller_identity},
    {"AssumeRole", assume_role},
    {"AssumeRoleWithWebIdentity", assume_with_web_identity},
};

static bool is_form(const struct kiln_stsd_request *request)
{
	static const char form[] = "application/x-www-form-urlencoded";
	const struct kiln_slice type = kiln_stsd_header(request, "content-type");
	return type.len >= sizeof form - 1 && strncasecmp(type.at, form, sizeof form - 1) == 0;
}

/* A body counts only where it says that it is a form: whatever else is sent along is signed, and
 * otherwise none of STS's business. */
static const char *read_params(struct call *c)
{
	const char *wrong =
	    kiln_stsd_params_add(&c->params, c->request->query.at, c->request->query.len);
	if (wrong == NULL && is_form(c->request))
		wrong = kiln_stsd_params_add(&c->params, (const char *)c->request->body,
					     c->request->body_len);
	return wrong;
}

static void run(struct call *c)
{
	const char *wrong = read_params(c);
	if (wrong != NULL) {
		kiln_stsd_refuse(c->request, c->reply, 400, "MalformedQueryString", "%s", wrong);
		return;
	}
	const char *action = kiln_stsd_params_get(&c->params, "Action");
	const char *version = kiln_stsd_params_get(&c->params, "Version");
	if (action == NULL) {
		kiln_stsd_refuse(c->request, c->reply, 400, "MissingAction",
				 "The request has no parameter Action");
		return;
	}
	(void)snprintf(c->reply->action, sizeof c->reply->action, "%s", action);
	for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
		if (strcmp(actions[i].name, action) != 0)
			continue;
		if (version == NULL || strcmp(version, "2011-06-15") != 0)
			break;
		actions[i].run(c);
		return;
	}
	kiln_stsd_refuse(c->request, c->reply, 400, "InvalidAction",
			 "Could not find operation %.40s for version %.20s", action,
			 version != NULL ? version : "NO_VERSION_SPECIFIED");
}

void kiln_stsd_answer(struct kiln_stsd *sts, const struct kiln_stsd_request *request,
		      struct kiln_stsd_reply *reply)
{
	struct call c = {.sts = sts, .request = request, .reply = reply};
	run(&c);
	kiln_stsd_params_clear(&c.params);
	struct kiln_error err = {0};
	if (kiln_text_check(&reply->body, "the answer", &err) != KILN_OK)
		reply->status = 0;
}

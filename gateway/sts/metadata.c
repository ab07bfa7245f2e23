/* SPDX-License-Identifier: Apache-2.0
 * Where credentials come from on AWS, imitated: the endpoint of containers and the instance
 * metadata service, version 2. Every answer is a new session. */
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "aws/role.h"
#include "sts/document.h"
#include "sts/random.h"
#include "sts/request.h"

#define IMDS_TTL_MAX 21600

static void plain(struct kiln_stsd_reply *reply, unsigned status, const char *text)
{
	reply->status = status;
	reply->content_type = "text/plain";
	kiln_text_str(&reply->body, text);
}

static void deny(struct kiln_stsd_reply *reply, unsigned status, const char *code,
		 const char *problem)
{
	(void)snprintf(reply->code, sizeof reply->code, "%s", code);
	(void)snprintf(reply->problem, sizeof reply->problem, "%s", problem);
	plain(reply, status, problem);
	kiln_text_char(&reply->body, '\n');
}

static bool starts_with(struct kiln_slice text, const char *start, struct kiln_slice *rest)
{
	const size_t len = strlen(start);
	if (text.len < len || memcmp(text.at, start, len) != 0)
		return false;
	*rest = (struct kiln_slice){text.at + len, text.len - len};
	return true;
}

/* ------------------------------------------------------------------ a session as JSON */

static void add(struct kiln_text *out, const char *name, const char *value, const char *after)
{
	kiln_text_char(out, '"');
	kiln_text_str(out, name);
	kiln_text_str(out, "\":\"");
	kiln_text_str(out, value);
	kiln_text_str(out, after);
}

/* Everything in it is base64 or from a small set of characters: there is nothing to escape. */
static void write_session(struct kiln_stsd *sts, const struct kiln_stsd_request *request,
			  const struct kiln_stsd_key *like, bool instance,
			  struct kiln_stsd_reply *reply)
{
	char expires[21], now[21], role_arn[KILN_AWS_ROLE_ARN_MAX], session[65];
	struct kiln_error err = {0};
	struct kiln_aws_role role;
	const int64_t life = sts->session_max > 0 ? sts->session_max : 3600;
	const struct kiln_stsd_key *key =
	    kiln_stsd_issue_like(&sts->store, like, request->now + life, &err);
	if (key == NULL || kiln_aws_role_of_session(like->arn, strlen(like->arn), &role, session,
						    &err) != KILN_OK) {
		deny(reply, 500, "InternalFailure", err.message);
		return;
	}
	kiln_aws_role_format(&role, role_arn);
	kiln_stsd_iso_date(key->expires_at, expires);
	kiln_stsd_iso_date(request->now, now);
	(void)snprintf(reply->identity, sizeof reply->identity, "%s", key->arn);
	reply->status = 200;
	reply->content_type = instance ? "text/plain" : "application/json";
	kiln_text_char(&reply->body, '{');
	if (instance) {
		add(&reply->body, "Code", "Success", "\",");
		add(&reply->body, "LastUpdated", now, "\",");
		add(&reply->body, "Type", "AWS-HMAC", "\",");
	} else {
		add(&reply->body, "RoleArn", role_arn, "\",");
	}
	add(&reply->body, "AccessKeyId", key->access_key_id, "\",");
	add(&reply->body, "SecretAccessKey", key->secret_access_key, "\",");
	add(&reply->body, "Token", key->session_token, "\",");
	add(&reply->body, "Expiration", expires, "\"}");
}

/* ------------------------------------------------------------------ containers */

static void container(struct kiln_stsd *sts, const struct kiln_stsd_request *request,
		      struct kiln_slice name, struct kiln_stsd_reply *reply)
{
	char wanted[KILN_STSD_NAME_MAX + 1];
	const struct kiln_slice sent = kiln_stsd_header(request, "authorization");
	const struct kiln_stsd_key *key = NULL;
	(void)snprintf(reply->action, sizeof reply->action, "ContainerCredentials");
	if (name.len <= KILN_STSD_NAME_MAX) {
		(void)snprintf(wanted, sizeof wanted, "%.*s", (int)name.len, name.at);
		key = kiln_stsd_key_named(&sts->store, wanted);
	}
	if (strcmp(request->method, "GET") != 0) {
		deny(reply, 405, "MethodNotAllowed", "ask with GET");
	} else if (key == NULL || !key->by_role || key->container_token == NULL) {
		deny(reply, 404, "NotFound", "no such identity, or it has no container_token");
	} else if (sent.len != strlen(key->container_token) ||
		   CRYPTO_memcmp(sent.at, key->container_token, sent.len) != 0) {
		deny(reply, 401, "Unauthorized", "Authorization is not the container_token");
	} else {
		write_session(sts, request, key, false, reply);
	}
}

/* ------------------------------------------------------------------ instance metadata */

static void imds_token(struct kiln_stsd *sts, const struct kiln_stsd_request *request,
		       struct kiln_stsd_reply *reply)
{
	const struct kiln_slice ttl =
	    kiln_stsd_header(request, "x-aws-ec2-metadata-token-ttl-seconds");
	char secret[41];
	struct kiln_error err = {0};
	int64_t seconds = 0;
	for (size_t i = 0; i < ttl.len && i < 6; i++)
		seconds = ttl.at[i] >= '0' && ttl.at[i] <= '9' ? seconds * 10 + (ttl.at[i] - '0')
							       : IMDS_TTL_MAX + 1;
	if (ttl.len == 0 || seconds < 1 || seconds > IMDS_TTL_MAX) {
		deny(reply, 400, "BadRequest",
		     "X-aws-ec2-metadata-token-ttl-seconds must be 1 to 21600");
		return;
	}
	if (kiln_stsd_header(request, "x-forwarded-for").at != NULL) {
		deny(reply, 403, "Forbidden", "a token is not for a request that was forwarded");
		return;
	}
	if (kiln_stsd_random_secret(secret, &err) != KILN_OK) {
		deny(reply, 500, "InternalFailure", err.message);
		return;
	}
	const size_t slot = sts->imds_count++ % KILN_STSD_IMDS_MAX;
	(void)snprintf(sts->imds[slot].text, sizeof sts->imds[slot].text, "AQAEAI%s==", secret);
	sts->imds[slot].expires_at = request->now + seconds;
	(void)snprintf(reply->token_ttl, sizeof reply->token_ttl, "%d", (int)seconds);
	plain(reply, 200, sts->imds[slot].text);
}

static bool imds_may(const struct kiln_stsd *sts, const struct kiln_stsd_request *request)
{
	const struct kiln_slice sent = kiln_stsd_header(request, "x-aws-ec2-metadata-token");
	bool may = false;
	for (size_t i = 0; i < KILN_STSD_IMDS_MAX && sent.len > 0; i++)
		if (strlen(sts->imds[i].text) == sent.len &&
		    sts->imds[i].expires_at > request->now &&
		    CRYPTO_memcmp(sts->imds[i].text, sent.at, sent.len) == 0)
			may = true;
	return may;
}

static void imds(struct kiln_stsd *sts, const struct kiln_stsd_request *request,
		 struct kiln_slice path, struct kiln_stsd_reply *reply)
{
	struct kiln_aws_role role;
	char session[KILN_AWS_SESSION_MAX + 1], zone[KILN_STSD_NAME_MAX];
	struct kiln_error err = {0};
	struct kiln_slice rest;
	(void)snprintf(reply->action, sizeof reply->action, "InstanceMetadata");
	if (strcmp(request->method, "PUT") == 0 && kiln_slice_is(path, "api/token")) {
		imds_token(sts, request, reply);
		return;
	}
	if (strcmp(request->method, "GET") != 0) {
		deny(reply, 405, "MethodNotAllowed", "ask with GET");
		return;
	}
	if (!imds_may(sts, request)) {
		deny(reply, 401, "Unauthorized", "no token, or none of ours, or an old one");
		return;
	}
	if (kiln_slice_is(path, "meta-data/placement/region")) {
		plain(reply, 200, sts->region);
		return;
	}
	if (kiln_slice_is(path, "meta-data/placement/availability-zone")) {
		(void)snprintf(zone, sizeof zone, "%.40sa", sts->region);
		plain(reply, 200, zone);
		return;
	}
	if (sts->instance == NULL ||
	    !starts_with(path, "meta-data/iam/security-credentials", &rest) ||
	    kiln_aws_role_of_session(sts->instance->arn, strlen(sts->instance->arn), &role, session,
				     &err) != KILN_OK)
		deny(reply, 404, "NotFound", "there is nothing of that name");
	else if (rest.len == 0 || kiln_slice_is(rest, "/"))
		plain(reply, 200, role.name);
	else if (rest.at[0] == '/' && rest.len - 1 == strlen(role.name) &&
		 memcmp(rest.at + 1, role.name, rest.len - 1) == 0)
		write_session(sts, request, sts->instance, true, reply);
	else
		deny(reply, 404, "NotFound", "the instance has another role");
}

bool kiln_stsd_metadata(struct kiln_stsd *sts, const struct kiln_stsd_request *request,
			struct kiln_stsd_reply *reply)
{
	struct kiln_slice rest;
	const bool of_container = starts_with(request->path, "/_kiln/credentials/", &rest);
	if (!of_container && !starts_with(request->path, "/latest/", &rest))
		return false;
	/* Credentials without a signature: not for a page in a browser whose name was pointed here.
	 */
	if (!kiln_stsd_host_is_loopback(kiln_stsd_header(request, "host")))
		deny(reply, 403, "Forbidden", "Host must be a loopback address");
	else if (of_container)
		container(sts, request, rest, reply);
	else
		imds(sts, request, rest, reply);
	return true;
}

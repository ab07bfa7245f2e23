/* SPDX-License-Identifier: Apache-2.0
 * Who signed a request, judged as AWS judges it: the form of the header, the key, the scope, what
 * is signed, the date, the signature, and last whether the session is over. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "aws/date.h"
#include "aws/region.h"
#include "aws/url.h"
#include "sts/request.h"

#define WINDOW 900 /* seconds a date may be off, either way */

#define MISMATCH "SignatureDoesNotMatch"

static const char invalid_token[] = "The security token included in the request is invalid.";

static void copy(char *out, size_t room, struct kiln_slice from)
{
	(void)snprintf(out, room, "%.*s", (int)from.len, from.len > 0 ? from.at : "");
}

struct kiln_slice kiln_stsd_header(const struct kiln_stsd_request *request, const char *name)
{
	const size_t len = strlen(name);
	for (size_t i = 0; i < request->header_count; i++)
		if (request->headers[i].name.len == len &&
		    strncasecmp(request->headers[i].name.at, name, len) == 0)
			return request->headers[i].value;
	return (struct kiln_slice){0};
}

bool kiln_stsd_host_is_loopback(struct kiln_slice host)
{
	char text[160];
	struct kiln_url url;
	const int n =
	    snprintf(text, sizeof text, "http://%.*s/", (int)host.len, host.len > 0 ? host.at : "");
	return n > 0 && (size_t)n < sizeof text && kiln_url_read(text, &url) &&
	       strcmp(url.rest, "/") == 0 && kiln_url_is_loopback(&url);
}

/* ------------------------------------------------------------------ scope */

static bool is_host(struct kiln_slice host, const char *prefix, const char *region,
		    const char *suffix)
{
	char name[160];
	(void)snprintf(name, sizeof name, "%s%s.%s", prefix, region, suffix);
	return host.at != NULL && host.len == strlen(name) &&
	       strncasecmp(host.at, name, host.len) == 0;
}

/* Whether a request for this host may be signed for that region. The host is signed too, so this
 * settles which region the signer meant. */
static bool region_fits(struct kiln_slice host, const char *region)
{
	const struct kiln_aws_partition *p = kiln_aws_region_plausible(region);
	if (p == NULL)
		return false;
	if (kiln_stsd_host_is_loopback(host))
		return true;
	if (kiln_slice_is(host, "sts.amazonaws.com"))
		return strcmp(region, "us-east-1") == 0;
	return is_host(host, "sts.", region, p->suffix) ||
	       is_host(host, "sts-fips.", region, p->suffix) ||
	       is_host(host, "sts.", region, p->dual_suffix) ||
	       is_host(host, "sts-fips.", region, p->dual_suffix);
}

static bool check_scope(const struct kiln_stsd_request *request, const struct kiln_authorization *a,
			struct kiln_stsd_reply *reply)
{
	const struct kiln_slice host = kiln_stsd_header(request, "host");
	if (!region_fits(host, reply->region)) {
		kiln_stsd_refuse(request, reply, 403, MISMATCH,
				 "Credential should be scoped to a valid region.");
		return false;
	}
	if (!kiln_slice_is(a->service, "sts")) {
		kiln_stsd_refuse(request, reply, 403, MISMATCH,
				 "Credential should be scoped to correct service: 'sts'.");
		return false;
	}
	return true;
}

/* ------------------------------------------------------------------ what is signed */

static bool is_listed(struct kiln_slice list, struct kiln_slice name)
{
	for (size_t at = 0; at <= list.len;) {
		const char *end = memchr(list.at + at, ';', list.len - at);
		const size_t len = end != NULL ? (size_t)(end - list.at) - at : list.len - at;
		if (len == name.len && strncasecmp(list.at + at, name.at, len) == 0)
			return true;
		at += len + 1;
	}
	return false;
}

/* The host, the date, and every x-amz-* header that came: one that is not signed is not the
 * signer's. */
static bool check_signed(const struct kiln_stsd_request *request,
			 const struct kiln_authorization *a, struct kiln_stsd_reply *reply)
{
	for (size_t i = 0; i < request->header_count; i++) {
		const struct kiln_slice name = request->headers[i].name;
		const bool must = (name.len == 4 && strncasecmp(name.at, "host", 4) == 0) ||
				  (name.len > 6 && strncasecmp(name.at, "x-amz-", 6) == 0);
		if (!must || is_listed(a->signed_headers, name))
			continue;
		kiln_stsd_refuse(request, reply, 403, "AccessDenied",
				 "There were headers present in the request which were not signed: "
				 "%.*s",
				 (int)(name.len < 64 ? name.len : 64), name.at);
		return false;
	}
	return true;
}

/* ------------------------------------------------------------------ date */

static bool check_date(const struct kiln_stsd_request *request, const char *date,
		       const struct kiln_authorization *a, struct kiln_stsd_reply *reply)
{
	int64_t when;
	char now[17], edge[17];
	if (!kiln_aws_date_parse(date, strlen(date), &when)) {
		kiln_stsd_refuse(request, reply, 400, "IncompleteSignature",
				 "Date must be in ISO-8601 'basic format'. Got '%.40s'.", date);
		return false;
	}
	if (memcmp(a->date.at, date, 8) != 0) {
		kiln_stsd_refuse(request, reply, 403, MISMATCH,
				 "Date in Credential scope does not match YYYYMMDD from ISO-8601 "
				 "version of date from HTTP: '%.8s' != '%.8s'.",
				 a->date.at, date);
		return false;
	}
	kiln_aws_date_format(request->now, now);
	if (when < request->now - WINDOW) {
		kiln_aws_date_format(request->now - WINDOW, edge);
		kiln_stsd_refuse(request, reply, 403, MISMATCH,
				 "Signature expired: %s is now earlier than %s (%s - 15 min.)",
				 date, edge, now);
		return false;
	}
	if (when > request->now + WINDOW) {
		kiln_aws_date_format(request->now + WINDOW, edge);
		kiln_stsd_refuse(request, reply, 403, MISMATCH,
				 "Signature not yet current: %s is still later than %s (%s + 15 "
				 "min.)",
				 date, edge, now);
		return false;
	}
	return true;
}

/* ------------------------------------------------------------------ key and signature */

/* The token is the key's; a key of a user comes without. */
static bool token_fits(const struct kiln_stsd_request *request, const struct kiln_stsd_key *key)
{
	const struct kiln_slice sent = kiln_stsd_header(request, "x-amz-security-token");
	const size_t len = key->session_token != NULL ? strlen(key->session_token) : 0;
	return sent.len == len &&
	       (len == 0 || CRYPTO_memcmp(sent.at, key->session_token, len) == 0);
}

static bool check_signature(const struct kiln_stsd_request *request,
			    const struct kiln_authorization *a, const char *date,
			    const struct kiln_stsd_key *key, struct kiln_stsd_reply *reply)
{
	struct kiln_error err = {0};
	const struct kiln_sigv4_request signed_request = {
	    .method = kiln_slice_of(request->method),
	    .path = request->path,
	    .query = request->query,
	    .headers = request->headers,
	    .header_count = request->header_count,
	    .body = request->body,
	    .body_len = request->body_len,
	};
	const enum kiln_code code =
	    kiln_sigv4_verify(&signed_request, a, date, key->secret_access_key, &err);
	if (code == KILN_OK)
		return true;
	if (code != KILN_E_ROAST_PROOF)
		kiln_stsd_refuse(request, reply, 400, "IncompleteSignature", "%s", err.message);
	else
		kiln_stsd_refuse(request, reply, 403, MISMATCH,
				 "The request signature we calculated does not match the signature "
				 "you provided. Check your AWS Secret Access Key and signing "
				 "method. Consult the service documentation for details.");
	/* STS says no more; who develops may know. */
	(void)snprintf(reply->problem, sizeof reply->problem, "%s", err.message);
	return false;
}

static bool read_authorization(const struct kiln_stsd_request *request,
			       struct kiln_authorization *a, struct kiln_stsd_reply *reply)
{
	const struct kiln_slice header = kiln_stsd_header(request, "authorization");
	if (header.at == NULL) {
		kiln_stsd_refuse(request, reply, 403, "MissingAuthenticationToken",
				 "Request is missing Authentication Token");
		return false;
	}
	const char *wrong = kiln_authorization_read(header.at, header.len, a);
	if (wrong != NULL) {
		kiln_stsd_refuse(request, reply, 400, "IncompleteSignature",
				 "Authorization header: %s", wrong);
		return false;
	}
	copy(reply->key_id, sizeof reply->key_id, a->key_id);
	copy(reply->region, sizeof reply->region, a->region);
	return true;
}

const struct kiln_stsd_key *kiln_stsd_verify(const struct kiln_stsd *sts,
					     const struct kiln_stsd_request *request,
					     struct kiln_stsd_reply *reply)
{
	struct kiln_authorization a;
	char date[41];
	if (!read_authorization(request, &a, reply))
		return NULL;
	copy(date, sizeof date, kiln_stsd_header(request, "x-amz-date"));
	const struct kiln_stsd_key *key =
	    kiln_stsd_key_find(&sts->store, a.key_id.at, a.key_id.len);
	if (key == NULL) {
		kiln_stsd_refuse(request, reply, 403, "InvalidClientTokenId", "%s", invalid_token);
		return NULL;
	}
	if (!check_scope(request, &a, reply) || !check_signed(request, &a, reply) ||
	    !check_date(request, date, &a, reply))
		return NULL;
	if (!token_fits(request, key)) {
		kiln_stsd_refuse(request, reply, 403, "InvalidClientTokenId", "%s", invalid_token);
		return NULL;
	}
	if (!check_signature(request, &a, date, key, reply))
		return NULL;
	if (key->expires_at <= request->now) {
		kiln_stsd_refuse(request, reply, 403, "ExpiredToken",
				 "The security token included in the request is expired");
		return NULL;
	}
	(void)snprintf(reply->identity, sizeof reply->identity, "%s", key->arn);
	return key;
}

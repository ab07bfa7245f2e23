/* SPDX-License-Identifier: Apache-2.0
 * What `kiln whoami` prints; see report.h. */
#include "whoami/report.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- advice -------------------------------------------------------------------------------- */

static const char nothing_found[] =
    "On EC2 give the instance a role (an instance profile); on EKS use Pod Identity or a role for\n"
    "the service account; on ECS a task role. Elsewhere name a profile that assumes a role:\n"
    "AWS_PROFILE=name. Without an AWS account: `kiln sts --help`.";
static const char a_user[] =
    "Roast knows roles only. Let these keys assume one, in ~/.aws/config:\n"
    "    [profile roast]\n"
    "    role_arn = arn:aws:iam::123456789012:role/NAME\n"
    "    source_profile = default\n"
    "and start with AWS_PROFILE=roast.";
static const char refused[] =
    "STS does not take these credentials. ExpiredToken: fetch new ones. SignatureDoesNotMatch or\n"
    "RequestExpired: the secret key, or this machine's clock, is wrong. InvalidClientTokenId: "
    "they\n"
    "were revoked, or belong to another partition than the region.";
static const char in_between[] =
    "Something between here and AWS answers in STS's place: TLS interception, a captive portal, a\n"
    "gateway that redirects? Let this machine reach STS itself; authorities are the system's.";
static const char sts_away[] =
    "Can this machine reach it? It needs outbound TCP 443 to STS (a VPC without Internet: an\n"
    "interface endpoint for com.amazonaws.REGION.sts), and no proxy is used.";
static const char no_region[] =
    "Give --region NAME, or set AWS_REGION, or `region` in the profile. On EC2 it is found by "
    "itself.";
static const char on_loopback[] = "For `kiln sts`, say so: --development-sts.";

static bool says(const struct kiln_whoami_report *r, const char *part)
{
	return strstr(r->problem.message, part) != NULL;
}

static const struct kiln_chain_tried *tried_at(const struct kiln_whoami_report *r, unsigned i)
{
	return r->chain != NULL ? kiln_chain_tried(r->chain, i) : NULL;
}

/* The last resort is the metadata service. */
static bool looked_everywhere(const struct kiln_whoami_report *r)
{
	const struct kiln_chain_tried *tried, *last = NULL;
	for (unsigned i = 0; (tried = tried_at(r, i)) != NULL; i++)
		last = tried;
	return last != NULL && strcmp(last->where, "instance metadata") == 0;
}

/* There was an answer, or somebody to talk to; the words are those of sts_answer.c and libcurl. */
static const char *sts_advice(const struct kiln_whoami_report *r)
{
	if (says(r, "certificate") || says(r, "redirect") || says(r, "not of its own form") ||
	    says(r, "says nothing"))
		return in_between;
	return says(r, "gives no answer") ? sts_away : NULL;
}

const char *kiln_whoami_advice(const struct kiln_whoami_report *r)
{
	switch (r->problem.code) {
	case KILN_E_CREDENTIALS:
		if (says(r, "no session token"))
			return a_user;
		return looked_everywhere(r) ? nothing_found : NULL;
	case KILN_E_ACCESS_DENIED: return a_user;
	case KILN_E_ROAST_PROOF: return refused;
	case KILN_E_STS: return sts_advice(r);
	case KILN_E_CONFIG:
		if (r->source != NULL && r->region == NULL)
			return no_region;
		return says(r, "for development") ? on_loopback : NULL;
	default: return NULL;
	}
}

/* ---- text ---------------------------------------------------------------------------------- */

static void utc(int64_t at, char text[32])
{
	const time_t t = (time_t)at;
	struct tm tm;
	text[0] = '\0';
	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void print_expiry(const struct kiln_whoami_report *r)
{
	const long long left = (long long)(r->expires_at - r->now);
	char at[32];
	utc(r->expires_at, at);
	if (r->expires_at == 0)
		(void)puts("expires   not told by this source, and a gateway cannot renew these");
	else if (left <= 0)
		(void)printf("expires   has expired, at %s\n", at);
	else
		(void)printf("expires   in %lld h %lld min %lld s, at %s; a gateway renews it "
			     "before that\n",
			     left / 3600, left / 60 % 60, left % 60, at);
}

static void print_place(const struct kiln_whoami_report *r)
{
	if (r->region != NULL)
		(void)printf("region    %s, from %s\n", r->region, r->region_source);
	if (r->sts[0] != '\0')
		(void)printf("STS       %s\n", r->sts);
}

static void print_identity(const struct kiln_whoami_report *r)
{
	char arn[KILN_AWS_ROLE_ARN_MAX];
	kiln_aws_role_format(&r->role, arn);
	(void)printf("role      %s\n", arn);
	(void)printf("account   %s\n", r->role.account);
	(void)printf("session   %s\n", r->session);
	(void)printf("source    %s\n", r->source != NULL ? r->source : "-");
	print_expiry(r);
	print_place(r);
	(void)printf("\nPeers let this gateway in with --allow-role %s\n", arn);
}

static void print_problem(const struct kiln_whoami_report *r)
{
	const struct kiln_chain_tried *tried;
	const char *advice = kiln_whoami_advice(r);
	(void)fprintf(stderr, "kiln whoami: %s\n", r->problem.message);
	if (r->caller != NULL)
		(void)fprintf(stderr, "  STS says  %s\n", r->caller->arn);
	if (r->source != NULL)
		(void)fprintf(stderr, "  source    %s\n", r->source);
	if (r->region != NULL)
		(void)fprintf(stderr, "  region    %s, from %s\n", r->region, r->region_source);
	if (r->sts[0] != '\0' && r->source != NULL)
		(void)fprintf(stderr, "  STS       %s\n", r->sts);
	if (r->source == NULL && tried_at(r, 0) != NULL)
		(void)fputs("Looked at, in this order:\n", stderr);
	for (unsigned i = 0; r->source == NULL && (tried = tried_at(r, i)) != NULL; i++)
		(void)fprintf(stderr, "  %-20s%s\n", tried->where, tried->found);
	if (advice != NULL)
		(void)fprintf(stderr, "%s\n", advice);
}

void kiln_whoami_print(const struct kiln_whoami_report *r)
{
	if (r->problem.code == KILN_OK)
		print_identity(r);
	else
		print_problem(r);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void put(json_t *object, const char *key, const char *value)
{
	(void)json_object_set_new(object, key, value != NULL ? json_string(value) : json_null());
}

static json_t *tried_json(const struct kiln_whoami_report *r)
{
	json_t *list = json_array();
	const struct kiln_chain_tried *tried;
	for (unsigned i = 0; (tried = tried_at(r, i)) != NULL; i++)
		(void)json_array_append_new(
		    list, json_pack("{s:s, s:s}", "where", tried->where, "found", tried->found));
	return list;
}

void kiln_whoami_print_json(const struct kiln_whoami_report *r)
{
	const bool ok = r->problem.code == KILN_OK;
	char arn[KILN_AWS_ROLE_ARN_MAX], expires[32];
	json_t *all = json_object();
	kiln_aws_role_format(&r->role, arn);
	utc(r->expires_at, expires);
	(void)json_object_set_new(all, "ok", json_boolean(ok));
	put(all, "role", ok ? arn : NULL);
	put(all, "account", r->caller != NULL ? r->caller->account : NULL);
	put(all, "session", ok ? r->session : NULL);
	put(all, "arn", r->caller != NULL ? r->caller->arn : NULL);
	put(all, "user_id", r->caller != NULL ? r->caller->user_id : NULL);
	put(all, "source", r->source);
	put(all, "expires_at", r->expires_at != 0 ? expires : NULL);
	put(all, "region", r->region);
	put(all, "region_source", r->region_source);
	put(all, "sts", r->sts[0] != '\0' ? r->sts : NULL);
	(void)json_object_set_new(all, "tried", tried_json(r));
	if (!ok) {
		put(all, "code", kiln_code_name(r->problem.code));
		put(all, "error", r->problem.message);
		put(all, "advice", kiln_whoami_advice(r));
	}
	(void)json_dumpf(all, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	(void)putchar('\n');
	json_decref(all);
}

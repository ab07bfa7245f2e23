/* SPDX-License-Identifier: Apache-2.0
 * The instance metadata service, version 2 only: PUT for a token, then GET with it. Version 1 would
 * answer to any request that some server on this machine can be talked into. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "aws/chain_inner.h"
#include "aws/credentials_json.h"
#include "aws/region.h"
#include "aws/role.h"
#include "aws/url.h"

#define TIMEOUT_MS  1000u
#define TOKEN_LIFE  21600
#define CREDENTIALS "/latest/meta-data/iam/security-credentials/"
#define REGION      "/latest/meta-data/placement/region"

enum { TOKEN, ROLE, KEYS, PLACE };

bool kiln_provider_imds_off(const struct kiln_chain *chain)
{
	const char *off = kiln_chain_env(chain, "AWS_EC2_METADATA_DISABLED");
	return off != NULL && strcasecmp(off, "true") == 0;
}

static bool may_be_asked(const char *endpoint)
{
	struct kiln_url url;
	if (!kiln_url_read(endpoint, &url) || (url.rest[0] != '\0' && strcmp(url.rest, "/") != 0))
		return false;
	return kiln_url_is_loopback(&url) ||
	       strcmp(url.host, url.is_v6 ? "fd00:ec2::254" : "169.254.169.254") == 0;
}

const char *kiln_provider_imds_endpoint(const struct kiln_chain *chain)
{
	const char *endpoint = kiln_chain_env(chain, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = kiln_chain_env(chain, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	if (endpoint != NULL)
		return endpoint;
	return mode != NULL && strcasecmp(mode, "IPv6") == 0 ? "http://[fd00:ec2::254]"
							     : "http://169.254.169.254";
}

static enum kiln_step ask(struct kiln_chain *chain, unsigned state, const char *method,
			  const char *path, const char *name, const char *value)
{
	char url[512];
	const char *endpoint = kiln_provider_imds_endpoint(chain);
	if (!may_be_asked(endpoint))
		return kiln_chain_fail(chain, KILN_E_CONFIG,
				       "AWS_EC2_METADATA_SERVICE_ENDPOINT '%.80s' is refused: only "
				       "loopback, 169.254.169.254 or [fd00:ec2::254]",
				       endpoint);
	size_t len = strlen(endpoint);
	if (endpoint[len - 1] == '/')
		len--;
	(void)snprintf(url, sizeof url, "%.*s%s%s", (int)len, endpoint, path,
		       state == KEYS ? chain->imds.role : "");
	chain->imds.state = state;
	kiln_http_request_clear(&chain->http);
	enum kiln_code code = kiln_http_request_init(&chain->http, method, url, &chain->problem);
	if (code == KILN_OK)
		code = kiln_http_request_header(&chain->http, name, value, &chain->problem);
	chain->http.timeout_ms = TIMEOUT_MS;
	chain->http.answer_max = KILN_CREDENTIALS_JSON_MAX;
	chain->http.link_local = true;
	return kiln_chain_ask_http(chain, code);
}

static enum kiln_step get(struct kiln_chain *chain, unsigned state, const char *path)
{
	return ask(chain, state, "GET", path, "X-aws-ec2-metadata-token", chain->imds.token);
}

static enum kiln_step get_token(struct kiln_chain *chain)
{
	return ask(chain, TOKEN, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds",
		   "21600");
}

static enum kiln_step with_token(struct kiln_chain *chain)
{
	return chain->imds.for_region ? get(chain, PLACE, REGION) : get(chain, ROLE, CREDENTIALS);
}

static enum kiln_step start(struct kiln_chain *chain, int64_t now)
{
	chain->imds.renewed = false;
	if (kiln_provider_imds_off(chain))
		return kiln_chain_fail(chain, KILN_E_CONFIG,
				       "credential_source is Ec2InstanceMetadata, but "
				       "AWS_EC2_METADATA_DISABLED is set");
	return chain->imds.token_until > now ? with_token(chain) : get_token(chain);
}

/* The body as one word of printable characters; 0: it is something else. */
static size_t word(const struct kiln_http_answer *http, char *out, size_t room)
{
	size_t len = 0;
	while (len < http->len && http->body[len] > ' ' && http->body[len] <= '~')
		len++;
	if (len == 0 || len >= room)
		return 0;
	memcpy(out, http->body, len);
	out[len] = '\0';
	return len;
}

static enum kiln_step take_token(struct kiln_chain *chain, int64_t now,
				 const struct kiln_http_answer *http)
{
	if (word(http, chain->imds.token, sizeof chain->imds.token) != http->len || http->len == 0)
		return kiln_chain_fail(chain, KILN_E_CREDENTIALS,
				       "the metadata service gives a token that cannot be one");
	chain->imds.token_until = now + TOKEN_LIFE - 60;
	return with_token(chain);
}

/* One role's name; more would be more lines. */
static enum kiln_step take_role(struct kiln_chain *chain, const struct kiln_http_answer *http)
{
	const size_t len = word(http, chain->imds.role, sizeof chain->imds.role);
	if (!kiln_aws_is_name(chain->imds.role, len, 64) ||
	    (len < http->len && http->body[len] != '\n'))
		return kiln_chain_fail(chain, KILN_E_CREDENTIALS,
				       "the metadata service names a role that cannot be one");
	return get(chain, KEYS, CREDENTIALS);
}

static enum kiln_step take_keys(struct kiln_chain *chain, const struct kiln_http_answer *http)
{
	struct kiln_error why;
	if (kiln_credentials_read(KILN_CREDENTIALS_IMDS, http->body, http->len, &chain->fresh,
				  &why) != KILN_OK)
		return kiln_chain_fail(chain, why.code, "the metadata service: %s", why.message);
	kiln_chain_source(chain, "IMDSv2, role %s", chain->imds.role);
	return KILN_STEP_DONE;
}

static enum kiln_step take_place(struct kiln_chain *chain, const struct kiln_http_answer *http)
{
	char region[sizeof chain->region];
	if (word(http, region, sizeof region) == 0 || kiln_aws_region_plausible(region) == NULL)
		return kiln_chain_fail(chain, KILN_E_CREDENTIALS,
				       "the metadata service names a region that cannot be one");
	memcpy(chain->region, region, sizeof region);
	(void)snprintf(chain->region_source, sizeof chain->region_source,
		       "the instance's metadata");
	return KILN_STEP_DONE;
}

static enum kiln_step refused(struct kiln_chain *chain, const struct kiln_http_answer *http)
{
	const unsigned state = chain->imds.state;
	if (http->status == 401 && state != TOKEN && !chain->imds.renewed) {
		chain->imds.renewed = true;
		chain->imds.token_until = 0;
		return get_token(chain);
	}
	if (http->status == 0)
		return kiln_chain_fail(
		    chain, KILN_E_CREDENTIALS,
		    "nothing is configured, and the metadata service gives no answer "
		    "(no EC2 instance? in a container: hop limit 2?): %.60s",
		    http->problem);
	if (state == ROLE && http->status == 404)
		return kiln_chain_fail(chain, KILN_E_CREDENTIALS, "this instance has no role");
	return kiln_chain_fail(
	    chain, KILN_E_CREDENTIALS, "the metadata service answers with status %d%s",
	    http->status,
	    state == TOKEN ? " to the request for a token (only version 2 is used)" : "");
}

static enum kiln_step answer(struct kiln_chain *chain, int64_t now,
			     const struct kiln_chain_answer *answer)
{
	const struct kiln_http_answer *http = answer->http;
	if (kiln_chain_is_transient(http) && kiln_chain_again(chain))
		return KILN_STEP_ASK;
	if (http->status != 200)
		return refused(chain, http);
	switch (chain->imds.state) {
	case TOKEN: return take_token(chain, now, http);
	case ROLE: return take_role(chain, http);
	case KEYS: return take_keys(chain, http);
	default: return take_place(chain, http);
	}
}

const struct kiln_provider kiln_provider_imds = {start, answer};

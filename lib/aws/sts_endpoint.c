/* SPDX-License-Identifier: Apache-2.0
 * Where STS is: by partition, region, dual-stack and FIPS, or as the operator overrides it. */
#include <stdio.h>
#include <string.h>

#include "aws/region.h"
#include "aws/sts_request.h"
#include "aws/url.h"

void kiln_sts_proof_host(const char *region, char host[KILN_STS_HOST_MAX])
{
	const struct kiln_aws_partition *partition = kiln_aws_region_known(region);
	(void)snprintf(host, KILN_STS_HOST_MAX, "sts.%.32s.%s", region,
		       partition != NULL ? partition->suffix : "invalid");
}

/* "REGION.REST"; REST is what follows, and the partition the region's. */
static const struct kiln_aws_partition *after_region(const char *text, const char **rest)
{
	char region[KILN_AWS_REGION_MAX + 1];
	const size_t len = strcspn(text, ".");
	if (len >= sizeof region || text[len] == '\0')
		return NULL;
	memcpy(region, text, len);
	region[len] = '\0';
	*rest = text + len + 1;
	return kiln_aws_region_plausible(region);
}

static const char *after(const char *text, const char *prefix)
{
	const size_t len = strlen(prefix);
	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* ID.sts.REGION.vpce.SUFFIX: a VPC interface endpoint. */
static bool is_interface_endpoint(const char *host)
{
	const size_t len = strcspn(host, ".");
	const char *rest = len > 0 ? after(host + len, ".sts.") : NULL;
	const struct kiln_aws_partition *partition =
	    rest != NULL ? after_region(rest, &rest) : NULL;
	const char *suffix = partition != NULL ? after(rest, "vpce.") : NULL;
	return suffix != NULL && strcmp(suffix, partition->suffix) == 0;
}

/* Exactly the names that are STS's. A name that only has a label "sts" under a suffix of AWS may be
 * a customer's: sts.s3.amazonaws.com is the bucket "sts". */
static bool is_sts_of_aws(const char *host)
{
	const char *rest = after(host, "sts.");
	if (rest == NULL)
		rest = after(host, "sts-fips.");
	if (rest == NULL)
		return is_interface_endpoint(host);
	const struct kiln_aws_partition *partition = after_region(rest, &rest);
	if (partition == NULL)
		return strcmp(host, "sts.amazonaws.com") == 0;
	return strcmp(rest, partition->suffix) == 0 || strcmp(rest, partition->dual_suffix) == 0;
}

static enum kiln_code refuse(struct kiln_error *err, const char *url, const char *reason)
{
	return kiln_fail(err, KILN_E_CONFIG, "the STS endpoint '%.100s' is refused: %s", url,
			 reason);
}

enum kiln_code kiln_sts_endpoints_check(const struct kiln_sts_endpoints *endpoints,
					struct kiln_error *err)
{
	struct kiln_url url;
	const char *text = endpoints->override;
	if (text[0] == '\0')
		return KILN_OK;
	if (!kiln_url_read(text, &url) || (url.rest[0] != '\0' && strcmp(url.rest, "/") != 0))
		return refuse(err, text, "write https://HOST or https://HOST:PORT, and no path");
	if (endpoints->development && kiln_url_is_loopback(&url))
		return KILN_OK;
	if (kiln_url_is_loopback(&url))
		return refuse(err, text,
			      "STS on loopback is for development, which must be asked for "
			      "(--development-sts)");
	if (!url.https)
		return refuse(err, text, "it must be https");
	if (!is_sts_of_aws(url.host))
		return refuse(
		    err, text,
		    "whoever answers there could name any role; only STS of AWS is believed");
	return KILN_OK;
}

static enum kiln_code overridden(const struct kiln_sts_endpoints *endpoints,
				 char out[KILN_STS_URL_MAX], char host[KILN_STS_URL_MAX],
				 struct kiln_error *err)
{
	struct kiln_url url;
	enum kiln_code code = kiln_sts_endpoints_check(endpoints, err);
	if (code != KILN_OK)
		return code;
	(void)kiln_url_read(endpoints->override, &url); /* the check read it */
	const int end = (int)(url.authority_at + url.authority_len);
	(void)snprintf(out, KILN_STS_URL_MAX, "%.*s", end, endpoints->override);
	(void)snprintf(host, KILN_STS_URL_MAX, "%s", out + url.authority_at);
	const char *port = strrchr(host, ':');
	if (port != NULL && url.port == (url.https ? 443u : 80u))
		host[port - host] = '\0'; /* HTTP clients leave the scheme's own port out */
	return KILN_OK;
}

/* FIPS in GovCloud is the plain name. */
static bool has_fips_name(const struct kiln_aws_partition *partition)
{
	return strcmp(partition->name, "aws-us-gov") != 0;
}

enum kiln_code kiln_sts_url(const struct kiln_sts_endpoints *endpoints, const char *region,
			    char url[KILN_STS_URL_MAX], char host[KILN_STS_URL_MAX],
			    struct kiln_error *err)
{
	if (endpoints->override[0] != '\0')
		return overridden(endpoints, url, host, err);
	const struct kiln_aws_partition *partition = kiln_aws_region_plausible(region);
	if (partition == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "'%.40s' is no region of AWS", region);
	const bool fips = endpoints->fips && (endpoints->dual_stack || has_fips_name(partition));
	(void)snprintf(host, KILN_STS_URL_MAX, "sts%s.%s.%s", fips ? "-fips" : "", region,
		       endpoints->dual_stack ? partition->dual_suffix : partition->suffix);
	(void)snprintf(url, KILN_STS_URL_MAX, "https://%.200s", host);
	return KILN_OK;
}

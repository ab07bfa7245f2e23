/* SPDX-License-Identifier: Apache-2.0
 * Partitions and regions. A region becomes part of the host name that is asked, so a peer may only
 * name one of the list. */
#include "aws/region.h"

#include <string.h>

enum { AWS, CN, GOV, ISO, ISO_B, ISO_E, ISO_F, EUSC, PARTITIONS };

static const struct kiln_aws_partition partitions[PARTITIONS] = {
    [AWS] = {"aws", "amazonaws.com", "api.aws"},
    [CN] = {"aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    [GOV] = {"aws-us-gov", "amazonaws.com", "api.aws"},
    [ISO] = {"aws-iso", "c2s.ic.gov", "api.aws.ic.gov"},
    [ISO_B] = {"aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"},
    [ISO_E] = {"aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    [ISO_F] = {"aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
    [EUSC] = {"aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"},
};

static const struct {
	const char *name;
	unsigned partition;
} regions[] = {
    {"af-south-1", AWS},       {"ap-east-1", AWS},        {"ap-east-2", AWS},
    {"ap-northeast-1", AWS},   {"ap-northeast-2", AWS},   {"ap-northeast-3", AWS},
    {"ap-south-1", AWS},       {"ap-south-2", AWS},       {"ap-southeast-1", AWS},
    {"ap-southeast-2", AWS},   {"ap-southeast-3", AWS},   {"ap-southeast-4", AWS},
    {"ap-southeast-5", AWS},   {"ap-southeast-6", AWS},   {"ap-southeast-7", AWS},
    {"ca-central-1", AWS},     {"ca-west-1", AWS},        {"eu-central-1", AWS},
    {"eu-central-2", AWS},     {"eu-north-1", AWS},       {"eu-south-1", AWS},
    {"eu-south-2", AWS},       {"eu-west-1", AWS},        {"eu-west-2", AWS},
    {"eu-west-3", AWS},        {"il-central-1", AWS},     {"me-central-1", AWS},
    {"me-south-1", AWS},       {"mx-central-1", AWS},     {"sa-east-1", AWS},
    {"us-east-1", AWS},        {"us-east-2", AWS},        {"us-west-1", AWS},
    {"us-west-2", AWS},        {"cn-north-1", CN},        {"cn-northwest-1", CN},
    {"us-gov-east-1", GOV},    {"us-gov-west-1", GOV},    {"us-iso-east-1", ISO},
    {"us-iso-west-1", ISO},    {"us-isob-east-1", ISO_B}, {"us-isob-west-1", ISO_B},
    {"eu-isoe-west-1", ISO_E}, {"us-isof-east-1", ISO_F}, {"us-isof-south-1", ISO_F},
    {"eusc-de-east-1", EUSC},
};

/* A younger region is told by its first part; the longer ones come first. */
static const struct {
	const char *prefix;
	unsigned partition;
} prefixes[] = {
    {"us-gov-", GOV},    {"us-iso-", ISO}, {"us-isob-", ISO_B}, {"eu-isoe-", ISO_E},
    {"us-isof-", ISO_F}, {"eusc-", EUSC},  {"cn-", CN},         {"us-", AWS},
    {"eu-", AWS},        {"ap-", AWS},     {"sa-", AWS},        {"ca-", AWS},
    {"me-", AWS},        {"af-", AWS},     {"il-", AWS},        {"mx-", AWS},
};

const struct kiln_aws_partition *kiln_aws_partition_named(const char *name, size_t len)
{
	for (size_t i = 0; i < PARTITIONS; i++)
		if (strlen(partitions[i].name) == len && memcmp(partitions[i].name, name, len) == 0)
			return &partitions[i];
	return NULL;
}

const struct kiln_aws_partition *kiln_aws_partition_at(size_t index)
{
	return index < PARTITIONS ? &partitions[index] : NULL;
}

const struct kiln_aws_partition *kiln_aws_region_known(const char *region)
{
	for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++)
		if (strcmp(regions[i].name, region) == 0)
			return &partitions[regions[i].partition];
	return NULL;
}

/* letters-letters(-letters)-digits: what follows the prefix must look like "northeast-1". */
static bool is_place_and_number(const char *text)
{
	size_t letters = 0, digits = 0;
	while (text[letters] >= 'a' && text[letters] <= 'z')
		letters++;
	if (letters == 0 || text[letters] != '-')
		return false;
	for (const char *p = text + letters + 1; *p != '\0'; p++, digits++)
		if (*p < '0' || *p > '9')
			return false;
	return digits >= 1 && digits <= 2;
}

const struct kiln_aws_partition *kiln_aws_region_plausible(const char *region)
{
	const struct kiln_aws_partition *known = kiln_aws_region_known(region);
	if (known != NULL || strlen(region) > KILN_AWS_REGION_MAX)
		return known;
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		const size_t len = strlen(prefixes[i].prefix);
		if (strncmp(region, prefixes[i].prefix, len) != 0)
			continue;
		const char *rest = region + len;
		if (prefixes[i].partition == EUSC && strncmp(rest, "de-", 3) == 0)
			rest += 3;
		return is_place_and_number(rest) ? &partitions[prefixes[i].partition] : NULL;
	}
	return NULL;
}

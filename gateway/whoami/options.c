/* SPDX-License-Identifier: Apache-2.0
 * The command line of `kiln whoami`; see options.h. */
#include "whoami/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "aws/region.h"
#include "cli/suggest.h"
#include "cli/values.h"

#define TIMEOUT_MS 30000u

const char kiln_whoami_help[] =
    "kiln whoami: the AWS identity that `kiln server --roast` and `kiln client --roast` would\n"
    "present to their peers if they were started here, as this user, with this environment.\n"
    "\n"
    "Usage: kiln whoami [FLAGS]\n"
    "\n"
    "Finds AWS credentials as the gateway does, has STS say whose they are, and tells where they\n"
    "came from. It prints no secret and changes nothing. The first of these that is there counts,\n"
    "and when it fails the ones behind it are not tried:\n"
    "  1. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN\n"
    "  2. the profile AWS_PROFILE (or `default`) in ~/.aws/credentials and ~/.aws/config: keys,\n"
    "     role_arn with source_profile, credential_source or web_identity_token_file, or\n"
    "     credential_process\n"
    "  3. AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN (EKS, IAM roles for service accounts)\n"
    "  4. AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI (ECS, EKS Pod Identity)\n"
    "  5. the instance metadata service, version 2 (EC2)\n"
    "\n"
    "Flags\n"
    "  --region NAME       of the STS that is asked  [AWS_REGION, AWS_DEFAULT_REGION, the\n"
    "                      profile's, the instance's]\n"
    "  --timeout T         give up after T: 500ms, 10s, 1m                    [30s]\n"
    "  --json              one JSON object instead of text\n"
    "  --development-sts   let AWS_ENDPOINT_URL_STS name a server on loopback (`kiln sts`)\n"
    "\n"
    "Examples\n"
    "  AWS_PROFILE=orders kiln whoami\n"
    "  kiln whoami --json | jq -r .role\n"
    "  sudo -u kiln kiln whoami          # what the service's user would be\n"
    "\n"
    "Exit status: 0 there is an identity, 1 there is none (and why), 2 wrong usage.\n";

static const struct option flags[] = {
    {"region", required_argument, NULL, 'r'}, {"timeout", required_argument, NULL, 't'},
    {"json", no_argument, NULL, 'j'},         {"development-sts", no_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

static enum kiln_code take(struct kiln_whoami_options *o, int what, const char *value,
			   struct kiln_error *err)
{
	if (value != NULL && strncmp(value, "--", 2) == 0)
		return kiln_fail(err, KILN_E_CONFIG, "a value is missing before %.40s", value);
	switch (what) {
	case 'r':
		o->region = value;
		if (kiln_aws_region_plausible(value) == NULL)
			return kiln_fail(err, KILN_E_CONFIG,
					 "--region: AWS has no region '%.40s'; write one as in "
					 "eu-central-1",
					 value);
		break;
	case 't':
		if (kiln_value_duration("--timeout", value, &o->timeout_ms, err) != KILN_OK)
			return KILN_E_CONFIG;
		if (o->timeout_ms == 0)
			return kiln_fail(err, KILN_E_CONFIG,
					 "--timeout: it must be longer than 0; write 30s");
		break;
	case 'j': o->json = true; break;
	case 'd': o->development = true; break;
	default: o->help = true; break;
	}
	return KILN_OK;
}

static enum kiln_code refuse(int what, const char *token, struct kiln_error *err)
{
	const char *names[sizeof flags / sizeof flags[0]];
	size_t count = 0;
	char word[32];
	for (; flags[count].name != NULL; count++)
		names[count] = flags[count].name;
	if (what == ':')
		return kiln_fail(err, KILN_E_CONFIG, "%.40s needs a value", token);
	token += strspn(token, "-");
	(void)snprintf(word, sizeof word, "%.*s", (int)strcspn(token, "="), token);
	const char *meant = kiln_word_suggest(word, names, count);
	if (meant != NULL)
		return kiln_fail(err, KILN_E_CONFIG, "unknown flag --%s; did you mean --%s?", word,
				 meant);
	return kiln_fail(err, KILN_E_CONFIG, "unknown flag --%s; `kiln whoami --help` lists them",
			 word);
}

enum kiln_code kiln_whoami_options_read(struct kiln_whoami_options *o, int argc, char *const argv[],
					struct kiln_error *err)
{
	enum kiln_code code = KILN_OK;
	*o = (struct kiln_whoami_options){.timeout_ms = TIMEOUT_MS};
	optind = 0; /* glibc: start over */
	opterr = 0;
	while (code == KILN_OK && !o->help) {
		const int at = optind == 0 ? 1 : optind;
		const int what = getopt_long(argc, argv, "+:h", flags, NULL);
		if (what == -1)
			break;
		code = what == ':' || what == '?' ? refuse(what, argv[at], err)
						  : take(o, what, optarg, err);
	}
	if (code != KILN_OK || o->help)
		return code;
	if (optind < argc)
		return kiln_fail(err, KILN_E_CONFIG, "'%.80s' is no flag; see --help",
				 argv[optind]);
	return KILN_OK;
}

/* SPDX-License-Identifier: Apache-2.0
 * The command line of `kiln sts`; see options.h. */
#include "sts/options.h"

#include <getopt.h>
#include <string.h>

#include "aws/region.h"
#include "cli/suggest.h"
#include "cli/values.h"

enum {
	KEYS = 256,
	MAKE_KEYS,
	ROLE,
	FORCE,
	LISTEN,
	PRINT_ENV,
	REGION,
	IMDS,
	SESSION,
	LOG_FORMAT,
	LOG_LEVEL,
	CONTROL,
	BEHAVE, /* the flag's name is the setting's */
	HELP,
};

static const struct option options[] = {
    {"keys", required_argument, NULL, KEYS},
    {"make-keys", required_argument, NULL, MAKE_KEYS},
    {"role", required_argument, NULL, ROLE},
    {"force", no_argument, NULL, FORCE},
    {"listen", required_argument, NULL, LISTEN},
    {"print-env", no_argument, NULL, PRINT_ENV},
    {"region", required_argument, NULL, REGION},
    {"imds", required_argument, NULL, IMDS},
    {"session-duration", required_argument, NULL, SESSION},
    {"log-format", required_argument, NULL, LOG_FORMAT},
    {"log-level", required_argument, NULL, LOG_LEVEL},
    {"delay", required_argument, NULL, BEHAVE},
    {"throttle", required_argument, NULL, BEHAVE},
    {"fail-rate", required_argument, NULL, BEHAVE},
    {"garbage", required_argument, NULL, BEHAVE},
    {"control", no_argument, NULL, CONTROL},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static enum kiln_code take_region(struct kiln_stsd_options *o, const char *value,
				  struct kiln_error *err)
{
	o->region = value;
	if (kiln_aws_region_plausible(value) == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "--region: AWS has no region '%.40s'", value);
	return KILN_OK;
}

static enum kiln_code take_role(struct kiln_stsd_options *o, const char *value,
				struct kiln_error *err)
{
	if (o->role_count == KILN_STSD_MAKE_ROLES_MAX)
		return kiln_fail(err, KILN_E_CONFIG, "--role: at most %u",
				 KILN_STSD_MAKE_ROLES_MAX);
	o->roles[o->role_count++] = value;
	return KILN_OK;
}

static enum kiln_code take_behaviour(struct kiln_stsd_options *o, const char *name,
				     const char *value, struct kiln_error *err)
{
	char flag[32];
	(void)snprintf(flag, sizeof flag, "--%s", name);
	return kiln_stsd_behave(&o->behaviour, flag, name, value, err);
}

static enum kiln_code take(struct kiln_stsd_options *o, int what, int index, const char *value,
			   struct kiln_error *err)
{
	static const char *const formats[] = {"text", "json", NULL};
	static const char *const levels[] = {"debug", "info", "warning", "error", NULL};
	if (value != NULL && strncmp(value, "--", 2) == 0)
		return kiln_fail(err, KILN_E_CONFIG, "a value is missing before %.40s", value);
	switch (what) {
	case KEYS: o->keys = value; break;
	case MAKE_KEYS: o->make_keys = value; break;
	case FORCE: o->force = true; break;
	case LISTEN: o->listen_text = value; break;
	case PRINT_ENV: o->print_env = true; break;
	case IMDS: o->imds = value; break;
	case CONTROL: o->control = true; break;
	case ROLE: return take_role(o, value, err);
	case REGION: return take_region(o, value, err);
	case SESSION: return kiln_value_duration("--session-duration", value, &o->session_ms, err);
	case LOG_FORMAT:
		return kiln_value_word("--log-format", value, formats, &o->log_format, err);
	case LOG_LEVEL: return kiln_value_word("--log-level", value, levels, &o->log_level, err);
	case BEHAVE: return take_behaviour(o, options[index].name, value, err);
	default: o->help = true; break;
	}
	return KILN_OK;
}

static enum kiln_code refuse(int what, const char *token, struct kiln_error *err)
{
	const char *names[sizeof options / sizeof options[0]];
	size_t count = 0;
	for (; options[count].name != NULL; count++)
		names[count] = options[count].name;
	if (what == ':')
		return kiln_fail(err, KILN_E_CONFIG, "%.40s needs a value", token);
	char word[32];
	token += strspn(token, "-");
	(void)snprintf(word, sizeof word, "%.*s", (int)strcspn(token, "="), token);
	const char *meant = kiln_word_suggest(word, names, count);
	if (meant != NULL)
		return kiln_fail(err, KILN_E_CONFIG, "unknown flag --%s; did you mean --%s?", word,
				 meant);
	return kiln_fail(err, KILN_E_CONFIG, "unknown flag --%s; `kiln sts --help` lists them all",
			 word);
}

/* Whoever can reach this port can be anybody of the keys file: nobody but this machine may. */
static enum kiln_code find_listen(struct kiln_stsd_options *o, struct kiln_error *err)
{
	struct kiln_address address;
	struct kiln_endpoints found;
	enum kiln_code code = kiln_address_parse("--listen", o->listen_text, &address, err);
	if (code != KILN_OK)
		return code;
	if (address.is_unix)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--listen %.80s: clients of AWS know no Unix sockets; say "
				 "127.0.0.1:PORT",
				 o->listen_text);
	code = kiln_address_resolve(&address, KILN_TO_LISTEN, &found, err);
	if (code != KILN_OK)
		return code;
	for (size_t i = 0; i < found.count; i++)
		if (!kiln_address_is_loopback(&found.at[i].addr))
			return kiln_fail(
			    err, KILN_E_CONFIG,
			    "--listen %.80s: other machines could reach that, and this "
			    "STS hands out credentials; only loopback, such as "
			    "127.0.0.1:8787",
			    o->listen_text);
	o->listen = found.at[0];
	return KILN_OK;
}

static enum kiln_code check(struct kiln_stsd_options *o, struct kiln_error *err)
{
	if (o->make_keys != NULL && o->keys != NULL)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--make-keys writes keys and ends; start again with --keys");
	if (o->make_keys == NULL && o->role_count > 0)
		return kiln_fail(err, KILN_E_CONFIG, "--role goes with --make-keys FILE");
	if (o->make_keys != NULL && o->role_count == 0)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--make-keys needs --role arn:aws:iam::123456789012:role/Name");
	if (o->make_keys == NULL && o->keys == NULL)
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "--keys FILE is missing: who is known; --make-keys FILE --role ARN "
		    "makes one");
	if (o->session_ms != 0 && o->session_ms < 1000)
		return kiln_fail(err, KILN_E_CONFIG, "--session-duration is a second at least");
	return o->make_keys != NULL ? KILN_OK : find_listen(o, err);
}

enum kiln_code kiln_stsd_options_read(struct kiln_stsd_options *o, int argc, char *const argv[],
				      struct kiln_error *err)
{
	enum kiln_code code = KILN_OK;
	*o = (struct kiln_stsd_options){
	    .listen_text = "127.0.0.1:8787",
	    .region = "us-east-1",
	    .log_level = KILN_LOG_INFO,
	};
	optind = 0; /* glibc: start over */
	opterr = 0;
	while (code == KILN_OK && !o->help) {
		int at = optind == 0 ? 1 : optind, index = 0;
		int what = getopt_long(argc, argv, "+:h", options, &index);
		if (what == -1)
			break;
		code = what == ':' || what == '?' ? refuse(what, argv[at], err)
						  : take(o, what, index, optarg, err);
	}
	if (code != KILN_OK || o->help)
		return code;
	if (optind < argc)
		return kiln_fail(err, KILN_E_CONFIG, "'%.80s' is no flag; try --keys %.80s",
				 argv[optind], argv[optind]);
	return check(o, err);
}

/* SPDX-License-Identifier: Apache-2.0
 * Reads the command line with getopt_long over the table of flags. */
#include "cli/options.h"

#include <getopt.h>
#include <string.h>

#include "cli/flags.h"
#include "cli/suggest.h"

#define SECOND    UINT64_C(1000)
#define FIRST_VAL 256 /* of long options; below are the short ones */

static void set_defaults(struct kiln_gateway_options *o, enum kiln_gateway_mode mode)
{
	memset(o, 0, sizeof *o);
	o->mode = mode;
	o->peer_auth = KILN_PEER_REQUIRED;
	o->pin_workers = true;
	o->handshake_timeout = 10 * SECOND;
	o->roast_rate = 100;
	o->connect_timeout = 10 * SECOND;
	o->send_timeout = 60 * SECOND;
	o->close_timeout = 60 * SECOND;
	o->shutdown_timeout = 300 * SECOND;
	o->buffer_memory = 256u << 20;
	o->log_level = KILN_LOG_INFO;
}

static const char *subcommand(unsigned mode)
{
	return mode == KILN_GATEWAY_SERVER ? "server" : "client";
}

/* The flags of a mode, in getopt_long's own table. */
static void long_options(unsigned mode, struct option to[KILN_FLAGS_MAX + 1])
{
	size_t n = 0;
	for (size_t i = 0; i < kiln_flag_count; i++) {
		if ((kiln_flags[i].modes & mode) == 0)
			continue;
		to[n++] = (struct option){
		    .name = kiln_flags[i].name + 2,
		    .has_arg = kiln_flags[i].has_value ? required_argument : no_argument,
		    .val = FIRST_VAL + (int)i,
		};
	}
	to[n] = (struct option){0};
}

/* What stands before a '=' on the command line. */
static void bare_name(const char *token, char name[64])
{
	size_t len = strcspn(token, "=");
	if (len > 63)
		len = 63;
	memcpy(name, token, len);
	name[len] = '\0';
}

static enum kiln_code refuse_unknown(struct kiln_parse *p, const char *token)
{
	unsigned mode = p->options->mode, other = mode ^ 3u;
	char name[64];
	bare_name(token, name);
	if (kiln_flag_find(name, other) != NULL)
		return kiln_fail(p->err, KILN_E_CONFIG,
				 "%s belongs to `kiln %s`, this is `kiln %s`", name,
				 subcommand(other), subcommand(mode));
	const char *names[KILN_FLAGS_MAX];
	size_t count = 0;
	for (size_t i = 0; i < kiln_flag_count; i++)
		if ((kiln_flags[i].modes & mode) != 0)
			names[count++] = kiln_flags[i].name;
	const char *meant = kiln_word_suggest(name, names, count);
	if (meant != NULL)
		return kiln_fail(p->err, KILN_E_CONFIG, "unknown flag %s; did you mean %s?", name,
				 meant);
	return kiln_fail(p->err, KILN_E_CONFIG, "unknown flag %s; `kiln %s --help` lists them all",
			 name, subcommand(mode));
}

static enum kiln_code take(struct kiln_parse *p, const struct kiln_flag *flag, const char *value)
{
	const struct kiln_flag *real = flag;
	if (flag->same_as != NULL)
		real = kiln_flag_find(flag->same_as, p->options->mode);
	const char **given = &p->given[real - kiln_flags];
	if (!flag->many && *given != NULL)
		return kiln_fail(p->err, KILN_E_CONFIG, "%s is given twice", flag->name);
	if (flag->has_value && value[0] == '\0')
		return kiln_fail(p->err, KILN_E_CONFIG, "%s needs a value", flag->name);
	*given = flag->name;
	return flag->take(p, flag, value);
}

/* One flag that getopt_long knows. token is how it was written. It takes beginnings of names too;
 * those are refused, for a flag added later could make them mean something else. */
static enum kiln_code take_known(struct kiln_parse *p, int val, const char *token)
{
	const struct kiln_flag *flag = &kiln_flags[val - FIRST_VAL];
	char name[64];
	bare_name(token, name);
	if (strcmp(name, flag->name) != 0)
		return refuse_unknown(p, token);
	/* "--cert --key f": the value was forgotten, not "--key". */
	if (flag->has_value && strchr(token, '=') == NULL && strncmp(optarg, "--", 2) == 0)
		return kiln_fail(p->err, KILN_E_CONFIG, "%s needs a value, and %.40s is a flag",
				 flag->name, optarg);
	return take(p, flag, optarg);
}

static enum kiln_code refuse(struct kiln_parse *p, int what, const char *token)
{
	char name[64];
	bare_name(token, name);
	if (what == ':')
		return kiln_fail(p->err, KILN_E_CONFIG, "%s needs a value", name);
	if (optopt >= FIRST_VAL && strchr(token, '=') != NULL)
		return kiln_fail(p->err, KILN_E_CONFIG, "%s takes no value", name);
	return refuse_unknown(p, token);
}

static enum kiln_code parse_all(struct kiln_parse *p, int argc, char *const argv[])
{
	struct option options[KILN_FLAGS_MAX + 1];
	long_options(p->options->mode, options);
	optind = 0; /* glibc: start over */
	opterr = 0;
	for (;;) {
		int at = optind == 0 ? 1 : optind;
		/* '+': in order, so that argv[at] is the flag; ':': tell missing from unknown. */
		int what = getopt_long(argc, argv, "+:h", options, NULL);
		enum kiln_code code = KILN_OK;
		if (what == -1)
			break;
		if (what == 'h')
			p->options->help = true;
		else if (what == ':' || what == '?')
			code = refuse(p, what, argv[at]);
		else
			code = take_known(p, what, argv[at]);
		if (code != KILN_OK)
			return code;
		if (p->options->help)
			return KILN_OK;
	}
	if (optind < argc)
		return kiln_fail(
		    p->err, KILN_E_CONFIG,
		    "'%.80s' is no flag; every value follows its flag, as in --listen ADDR",
		    argv[optind]);
	return KILN_OK;
}

enum kiln_code kiln_options_parse(enum kiln_gateway_mode mode, int argc, char *const argv[],
				  struct kiln_gateway_options *options, struct kiln_error *err)
{
	struct kiln_parse p = {.options = options, .err = err};
	set_defaults(options, mode);
	enum kiln_code code = parse_all(&p, argc, argv);
	if (code != KILN_OK || options->help)
		return code;
	return kiln_options_check(&p);
}

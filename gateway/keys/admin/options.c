/* SPDX-License-Identifier: Apache-2.0
 * The command lines of the operator's commands; see options.h. */
#include "keys/admin/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/suggest.h"
#include "cli/values.h"
#include "keys/store/open.h"

enum {
	STORE = 256,
	KEY_FILE,
	KEY_FD,
	KEY_CREDENTIAL,
	OTHER,
	ANCHOR,
	JSON,
	TO,
	FROM,
	NEW,
	USER,
	DAYS,
	HELP
};

static const struct option flags[] = {
    {"store", required_argument, NULL, STORE},
    {"key-file", required_argument, NULL, KEY_FILE},
    {"key-fd", required_argument, NULL, KEY_FD},
    {"key-credential", required_argument, NULL, KEY_CREDENTIAL},
    {"other-key-file", required_argument, NULL, OTHER},
    {"anchor", required_argument, NULL, ANCHOR},
    {"json", no_argument, NULL, JSON},
    {"to", required_argument, NULL, TO},
    {"from", required_argument, NULL, FROM},
    {"new-key-file", required_argument, NULL, NEW},
    {"user", required_argument, NULL, USER},
    {"audit-days", required_argument, NULL, DAYS},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static unsigned needs(int what)
{
	switch (what) {
	case ANCHOR: return KILN_ADMIN_ANCHOR;
	case JSON: return KILN_ADMIN_JSON;
	case TO: return KILN_ADMIN_TO;
	case FROM: return KILN_ADMIN_FROM;
	case NEW: return KILN_ADMIN_NEW_KEY;
	case USER: return KILN_ADMIN_USER;
	case DAYS: return KILN_ADMIN_DAYS;
	case OTHER: return KILN_ADMIN_OTHER;
	default: return 0;
	}
}

static enum kiln_code take_fd(struct kiln_admin_options *o, const char *value,
			      struct kiln_error *err)
{
	char *end;
	errno = 0;
	const long fd = strtol(value, &end, 10);
	if (*value == '\0' || *end != '\0' || errno != 0 || fd < 0 || fd > INT_MAX)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--key-fd %.20s: give the number of an open descriptor, as in "
				 "--key-fd 3 3<key",
				 value);
	o->key.fd = (int)fd;
	return KILN_OK;
}

static enum kiln_code take_days(struct kiln_admin_options *o, const char *value,
				struct kiln_error *err)
{
	uint64_t days = 0;
	const enum kiln_code code =
	    kiln_value_count("--audit-days", value, 1, KILN_STORE_AUDIT_DAYS_MAX, &days, err);
	o->audit_days = (uint32_t)days;
	return code;
}

static enum kiln_code take(struct kiln_admin_options *o, int what, const char *value,
			   struct kiln_error *err)
{
	switch (what) {
	case STORE: o->store = value; break;
	case KEY_FILE: o->key.file = value; break;
	case KEY_FD: return take_fd(o, value, err);
	case KEY_CREDENTIAL: o->key.credential = value; break;
	case OTHER: o->other_key_file = value; break;
	case ANCHOR: o->anchor = value; break;
	case JSON: o->json = true; break;
	case TO: o->to = value; break;
	case FROM: o->from = value; break;
	case NEW: o->new_key_file = value; break;
	case USER: o->user = value; break;
	case DAYS: return take_days(o, value, err);
	default: o->help = true; break;
	}
	return KILN_OK;
}

static enum kiln_code refuse(int what, const char *token, const char *command,
			     struct kiln_error *err)
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
	return kiln_fail(err, KILN_E_CONFIG, "unknown flag --%s; `kiln keys %s --help` lists them",
			 word, command);
}

/* A flag whose value was forgotten has the next flag for one. */
static enum kiln_code refuse_value(int what, const char *token, const char *value, unsigned *seen,
				   struct kiln_error *err)
{
	if (value != NULL && strncmp(value, "--", 2) == 0)
		return kiln_fail(err, KILN_E_CONFIG, "%.40s needs a value; %.40s is a flag", token,
				 value);
	if (what >= STORE && what < HELP) {
		if ((*seen >> (what - STORE) & 1u) != 0)
			return kiln_fail(err, KILN_E_CONFIG, "%.40s is given more than once",
					 token);
		*seen |= 1u << (what - STORE);
	}
	return KILN_OK;
}

static enum kiln_code check(const struct kiln_admin_options *o, unsigned takes,
			    struct kiln_error *err)
{
	const int keys = (o->key.file != NULL) + (o->key.credential != NULL) + (o->key.fd >= 0);
	if (o->store == NULL)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--store is missing: a SQLite file, or postgresql:FILE with a "
				 "connection string in FILE");
	if (keys != 1)
		return kiln_fail(err, KILN_E_CONFIG,
				 "%s: --key-file FILE, --key-fd N or --key-credential NAME",
				 keys == 0 ? "the store's key is missing" : "one key, not several");
	if ((takes & KILN_ADMIN_TO) != 0 && o->to == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "--to FILE is missing: the backup");
	if ((takes & KILN_ADMIN_FROM) != 0 && o->from == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "--from FILE is missing: the backup");
	if ((takes & KILN_ADMIN_NEW_KEY) != 0 && o->new_key_file == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "--new-key-file FILE is missing");
	if ((takes & KILN_ADMIN_DAYS) != 0 && o->audit_days == 0)
		return kiln_fail(err, KILN_E_CONFIG,
				 "--audit-days N is missing: how old lines may get");
	return KILN_OK;
}

enum kiln_code kiln_admin_options_read(struct kiln_admin_options *o, unsigned takes, int argc,
				       char *const argv[], struct kiln_error *err)
{
	enum kiln_code code = KILN_OK;
	unsigned seen = 0;
	*o = (struct kiln_admin_options){.key.fd = -1};
	optind = 0; /* glibc: start over */
	opterr = 0;
	while (code == KILN_OK && !o->help) {
		const int at = optind == 0 ? 1 : optind;
		const int what = getopt_long(argc, argv, "+:h", flags, NULL);
		if (what == -1)
			break;
		if (what == '?' || what == ':')
			code = refuse(what, argv[at], argv[0], err);
		else if ((needs(what) & ~takes) != 0)
			code = kiln_fail(err, KILN_E_CONFIG, "`kiln keys %.20s` has no flag %.40s",
					 argv[0], argv[at]);
		else if ((code = refuse_value(what, argv[at], optarg, &seen, err)) == KILN_OK)
			code = take(o, what, optarg, err);
	}
	if (code != KILN_OK || o->help)
		return code;
	if (optind < argc)
		return kiln_fail(err, KILN_E_CONFIG, "'%.80s' is no flag; see --help",
				 argv[optind]);
	return check(o, takes, err);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of flags: which there are, for which subcommand, and what each does with its value.
 */
#ifndef KILN_CLI_FLAGS_H
#define KILN_CLI_FLAGS_H

#include "cli/options.h"

#define KILN_FLAGS_MAX 80u

/* A command line that is being read. */
struct kiln_parse {
	struct kiln_gateway_options *options;
	struct kiln_error *err;
	const char *given[KILN_FLAGS_MAX]; /* as written, by index of the flag it stands for */
	int client_auth;                   /* index into the words of --client-auth */
};

struct kiln_flag {
	const char *name;    /* with its two dashes */
	const char *same_as; /* another spelling of that flag, or NULL */
	unsigned modes;      /* enum kiln_gateway_mode, ored */
	bool has_value;
	bool many; /* may come several times */
	enum kiln_code (*take)(struct kiln_parse *p, const struct kiln_flag *flag,
			       const char *value);
	size_t offset; /* of the field in struct kiln_gateway_options, for simple ones */
	int arg;       /* whatever take wants to know */
};

extern const struct kiln_flag kiln_flags[];
extern const size_t kiln_flag_count;

/* The flag of that name for that mode; NULL when there is none. */
const struct kiln_flag *kiln_flag_find(const char *name, unsigned modes);

/* How the flag of that name (not an alias) was spelled on the command line; NULL: it was not. */
const char *kiln_flag_given(const struct kiln_parse *p, const char *name);

/* What no single flag can tell: missing ones, contradictions, and what follows from others. */
enum kiln_code kiln_options_check(struct kiln_parse *p) KILN_NODISCARD;

#endif

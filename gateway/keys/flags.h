/* SPDX-License-Identifier: Apache-2.0
 *
 * Command lines of `kiln keys COMMAND`: a table of flags over a struct of options.
 */
#ifndef KILN_KEYS_FLAGS_H
#define KILN_KEYS_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kiln/error.h>

enum kiln_keys_flag_kind {
	KILN_KEYS_FLAG_SWITCH,   /* bool */
	KILN_KEYS_FLAG_TEXT,     /* const char *, NULL until it is given */
	KILN_KEYS_FLAG_DURATION, /* uint64_t, ms; min and max in ms */
	KILN_KEYS_FLAG_COUNT,    /* uint64_t, min to max */
	KILN_KEYS_FLAG_WORD,     /* int: which of words */
	KILN_KEYS_FLAG_LIST,     /* struct kiln_keys_texts */
};

#define KILN_KEYS_TEXTS_MAX 64u

struct kiln_keys_texts {
	const char *at[KILN_KEYS_TEXTS_MAX];
	size_t count;
};

struct kiln_keys_flag {
	const char *name;  /* without its dashes */
	unsigned commands; /* which have it: bits */
	enum kiln_keys_flag_kind kind;
	size_t offset; /* in the options */
	uint64_t min, max;
	const char *const *words; /* ended by NULL */
};

#define KILN_KEYS_FLAGS_MAX 64u

struct kiln_keys_command_line {
	const char *program; /* "kiln keys serve", for messages */
	const struct kiln_keys_flag *flags;
	size_t count;
	unsigned command; /* one bit */
	void *options;
	const char **words; /* what is no flag, room for word_max */
	size_t word_max, *word_count;
	bool *help;
};

/* Reads argv behind the command's name. KILN_E_CONFIG with a sentence for the user. A flag that is
 * given twice is refused, but for lists. */
enum kiln_code kiln_keys_flags_read(const struct kiln_keys_command_line *line, int argc,
				    char *const argv[], struct kiln_error *err) KILN_NODISCARD;

#endif

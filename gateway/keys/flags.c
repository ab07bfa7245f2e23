/* SPDX-License-Identifier: Apache-2.0
 * Command lines of `kiln keys COMMAND`; see flags.h. */
#include "keys/flags.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/suggest.h"
#include "cli/values.h"

struct reading {
	const struct kiln_keys_command_line *line;
	const struct kiln_keys_flag *flags[KILN_KEYS_FLAGS_MAX]; /* of this command */
	struct option options[KILN_KEYS_FLAGS_MAX + 2];
	bool given[KILN_KEYS_FLAGS_MAX];
	size_t count;
	struct kiln_error *err;
};

static enum kiln_code in_bounds(const struct kiln_keys_flag *flag, uint64_t ms, const char *name,
				const char *value, struct kiln_error *err)
{
	if (ms >= flag->min && (flag->max == 0 || ms <= flag->max))
		return KILN_OK;
	return kiln_fail(err, KILN_E_CONFIG, "%s %.40s: it must be from %llu ms to %llu ms", name,
			 value, (unsigned long long)flag->min, (unsigned long long)flag->max);
}

static enum kiln_code append(struct kiln_keys_texts *list, const char *name, const char *value,
			     struct kiln_error *err)
{
	if (list->count == KILN_KEYS_TEXTS_MAX)
		return kiln_fail(err, KILN_E_CONFIG, "%s: at most %u of them", name,
				 KILN_KEYS_TEXTS_MAX);
	list->at[list->count++] = value;
	return KILN_OK;
}

static enum kiln_code take(struct reading *r, size_t index, const char *value)
{
	const struct kiln_keys_flag *flag = r->flags[index];
	char *field = (char *)r->line->options + flag->offset, name[40];
	(void)snprintf(name, sizeof name, "--%s", flag->name);
	if (r->given[index] && flag->kind != KILN_KEYS_FLAG_LIST)
		return kiln_fail(r->err, KILN_E_CONFIG, "%s is there twice", name);
	r->given[index] = true;
	if (value != NULL && strncmp(value, "--", 2) == 0)
		return kiln_fail(r->err, KILN_E_CONFIG, "%s: a value is missing before %.40s", name,
				 value);
	switch (flag->kind) {
	case KILN_KEYS_FLAG_SWITCH: *(bool *)(void *)field = true; return KILN_OK;
	case KILN_KEYS_FLAG_TEXT: *(const char **)(void *)field = value; return KILN_OK;
	case KILN_KEYS_FLAG_COUNT:
		return kiln_value_count(name, value, flag->min, flag->max,
					(uint64_t *)(void *)field, r->err);
	case KILN_KEYS_FLAG_WORD:
		return kiln_value_word(name, value, flag->words, (int *)(void *)field, r->err);
	case KILN_KEYS_FLAG_LIST:
		return append((struct kiln_keys_texts *)(void *)field, name, value, r->err);
	case KILN_KEYS_FLAG_DURATION: break;
	}
	uint64_t *ms = (uint64_t *)(void *)field;
	if (kiln_value_duration(name, value, ms, r->err) != KILN_OK)
		return KILN_E_CONFIG;
	return in_bounds(flag, *ms, name, value, r->err);
}

static enum kiln_code refuse(const struct reading *r, int what, const char *token)
{
	const char *names[KILN_KEYS_FLAGS_MAX];
	char word[40];
	for (size_t i = 0; i < r->count; i++)
		names[i] = r->flags[i]->name;
	if (what == ':')
		return kiln_fail(r->err, KILN_E_CONFIG, "%.40s needs a value", token);
	token += strspn(token, "-");
	(void)snprintf(word, sizeof word, "%.*s", (int)strcspn(token, "="), token);
	const char *meant = kiln_word_suggest(word, names, r->count);
	if (meant != NULL)
		return kiln_fail(r->err, KILN_E_CONFIG, "unknown flag --%s; did you mean --%s?",
				 word, meant);
	return kiln_fail(r->err, KILN_E_CONFIG, "unknown flag --%s; `%s --help` lists them", word,
			 r->line->program);
}

static void prepare(struct reading *r)
{
	for (size_t i = 0; i < r->line->count; i++) {
		const struct kiln_keys_flag *flag = &r->line->flags[i];
		if ((flag->commands & r->line->command) == 0)
			continue;
		r->options[r->count] = (struct option){
		    .name = flag->name,
		    .has_arg =
			flag->kind == KILN_KEYS_FLAG_SWITCH ? no_argument : required_argument,
		    .val = 256 + (int)r->count,
		};
		r->flags[r->count++] = flag;
	}
	r->options[r->count] = (struct option){.name = "help", .val = 'h'};
}

static enum kiln_code take_word(const struct reading *r, const char *word)
{
	const struct kiln_keys_command_line *line = r->line;
	if (*line->word_count == line->word_max)
		return kiln_fail(r->err, KILN_E_CONFIG, "'%.80s' is one too many; see `%s --help`",
				 word, line->program);
	line->words[(*line->word_count)++] = word;
	return KILN_OK;
}

enum kiln_code kiln_keys_flags_read(const struct kiln_keys_command_line *line, int argc,
				    char *const argv[], struct kiln_error *err)
{
	struct reading r = {.line = line, .err = err};
	enum kiln_code code = KILN_OK;
	prepare(&r);
	optind = 0; /* glibc: start over */
	opterr = 0;
	while (code == KILN_OK) {
		const int at = optind == 0 ? 1 : optind;
		/* "-": in order, what is no flag comes as the value of 1 */
		const int what = getopt_long(argc, argv, "-:h", r.options, NULL);
		if (what == -1)
			break;
		if (what == 'h') {
			*line->help = true;
			return KILN_OK;
		}
		if (what == 1)
			code = take_word(&r, optarg);
		else if (what == ':' || what == '?')
			code = refuse(&r, what, argv[at]);
		else
			code = take(&r, (size_t)(what - 256), optarg);
	}
	for (; code == KILN_OK && optind < argc; optind++) /* behind a "--" */
		code = take_word(&r, argv[optind]);
	return code;
}

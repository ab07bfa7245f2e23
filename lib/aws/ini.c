/* SPDX-License-Identifier: Apache-2.0
 * The shared files' syntax; see ini.h. The text is copied once and cut up in place. */
#include "aws/ini.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

struct reader {
	struct kiln_ini *ini;
	const char *what;
	struct kiln_error *err;
	unsigned line;
	const char *section; /* NULL before the first */
	const char *parent; /* the last key whose value was empty: what is indented belongs to it */
};

static enum kiln_code refuse(const struct reader *r, const char *reason)
{
	return kiln_fail(r->err, KILN_E_CONFIG, "%s, line %u: %s", r->what, r->line, reason);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static char *trim(char *text)
{
	while (is_blank(*text))
		text++;
	size_t len = strlen(text);
	while (len > 0 && is_blank(text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* From the start of a line, or behind a blank. */
static void cut_comment(char *text)
{
	for (char *p = text; *p != '\0'; p++) {
		if ((*p == '#' || *p == ';') && (p == text || is_blank(p[-1]))) {
			*p = '\0';
			return;
		}
	}
}

static const struct kiln_ini_item *find(const struct kiln_ini *ini, const char *section,
					const char *parent, const char *key)
{
	for (size_t i = 0; i < ini->count; i++) {
		const struct kiln_ini_item *item = &ini->items[i];
		if (item->key != NULL && strcmp(item->key, key) == 0 &&
		    strcmp(item->section, section) == 0 &&
		    (parent != NULL ? item->parent != NULL && strcmp(item->parent, parent) == 0
				    : item->parent == NULL))
			return item;
	}
	return NULL;
}

static enum kiln_code add(struct reader *r, const char *key, const char *value)
{
	struct kiln_ini *ini = r->ini;
	if (ini->count == KILN_INI_ITEMS_MAX)
		return refuse(r, "the file has too many entries");
	if (key != NULL && find(ini, r->section, r->parent, key) != NULL)
		return refuse(r, "the key stands twice in its section");
	ini->items[ini->count++] = (struct kiln_ini_item){r->section, r->parent, key, value};
	return KILN_OK;
}

/* "profile  \"a b\"" becomes "profile a b"; blanks inside the quotes stay. */
static void squeeze(char *text)
{
	char *out = text;
	bool quoted = false, blank = false;
	for (char *p = text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\'') {
			quoted = !quoted;
			continue;
		}
		if (is_blank(*p) && !quoted) {
			blank = true;
			continue;
		}
		if (blank)
			*out++ = ' ';
		blank = false;
		*out++ = *p;
	}
	*out = '\0';
}

static enum kiln_code read_section(struct reader *r, char *text)
{
	char *end = strchr(text, ']');
	if (end == NULL)
		return refuse(r, "a section's name has no ']'");
	cut_comment(end + 1);
	if (*trim(end + 1) != '\0')
		return refuse(r, "something follows a section's name");
	*end = '\0';
	char *name = trim(text + 1);
	squeeze(name);
	if (*name == '\0')
		return refuse(r, "a section has no name");
	r->section = name;
	r->parent = NULL;
	return add(r, NULL, "");
}

static void lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text + ('a' - 'A'));
}

static enum kiln_code read_pair(struct reader *r, char *text, bool indented)
{
	char *equals = strchr(text, '=');
	if (r->section == NULL)
		return refuse(r, "a key stands before the first section");
	if (equals == NULL)
		return refuse(r, "it is neither a section nor key = value");
	*equals = '\0';
	char *key = trim(text), *value = equals + 1;
	if (is_blank(value[0]))
		cut_comment(value);
	value = trim(value);
	if (*key == '\0')
		return refuse(r, "a key has no name");
	lower(key);
	if (!indented)
		r->parent = NULL;
	const enum kiln_code code = add(r, key, value);
	if (!indented && *value == '\0')
		r->parent = key;
	return code;
}

static enum kiln_code read_line(struct reader *r, char *line)
{
	if (strlen(line) > KILN_INI_LINE_MAX)
		return refuse(r, "the line is too long");
	const bool indented = is_blank(line[0]);
	char *text = trim(line);
	if (*text == '\0' || *text == '#' || *text == ';')
		return KILN_OK;
	if (*text == '[')
		return read_section(r, text);
	return read_pair(r, text, indented);
}

static enum kiln_code read_lines(struct reader *r, char *text)
{
	for (char *line = text; line != NULL;) {
		char *end = strchr(line, '\n');
		if (end != NULL)
			*end = '\0';
		r->line++;
		enum kiln_code code = read_line(r, line);
		if (code != KILN_OK)
			return code;
		line = end != NULL ? end + 1 : NULL;
	}
	return KILN_OK;
}

enum kiln_code kiln_ini_read(const void *data, size_t len, const char *what, struct kiln_ini *out,
			     struct kiln_error *err)
{
	struct reader r = {.ini = out, .what = what, .err = err};
	*out = (struct kiln_ini){0};
	if (len > KILN_INI_FILE_MAX)
		return kiln_fail(err, KILN_E_CONFIG, "%s is longer than %u bytes", what,
				 KILN_INI_FILE_MAX);
	if (len > 0 && memchr(data, '\0', len) != NULL)
		return kiln_fail(err, KILN_E_CONFIG, "%s is no text: it holds a NUL", what);
	out->size = len + 1;
	out->text = malloc(out->size);
	out->items = calloc(KILN_INI_ITEMS_MAX, sizeof out->items[0]);
	if (out->text == NULL || out->items == NULL) {
		kiln_ini_clear(out);
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory to read %s", what);
	}
	if (len > 0)
		memcpy(out->text, data, len);
	out->text[len] = '\0';
	enum kiln_code code = read_lines(&r, out->text);
	if (code != KILN_OK)
		kiln_ini_clear(out);
	return code;
}

bool kiln_ini_has(const struct kiln_ini *ini, const char *section)
{
	for (size_t i = 0; i < ini->count; i++)
		if (ini->items[i].key == NULL && strcmp(ini->items[i].section, section) == 0)
			return true;
	return false;
}

const char *kiln_ini_get(const struct kiln_ini *ini, const char *section, const char *parent,
			 const char *key)
{
	const struct kiln_ini_item *item = find(ini, section, parent, key);
	return item != NULL && item->value[0] != '\0' ? item->value : NULL;
}

void kiln_ini_clear(struct kiln_ini *ini)
{
	if (ini->text != NULL) {
		kiln_wipe(ini->text, ini->size);
		free(ini->text);
	}
	free(ini->items);
	*ini = (struct kiln_ini){0};
}

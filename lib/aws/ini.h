/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS's shared files (~/.aws/config, ~/.aws/credentials): sections of key = value, with limits.
 *
 *   [profile gateway]              # a comment; also ';', after a blank
 *   role_arn = arn:aws:iam::...
 *   [services local]
 *   sts =
 *     endpoint_url = http://...    indented below an empty value: its parent is "sts"
 */
#ifndef KILN_AWS_INI_H
#define KILN_AWS_INI_H

#include <kiln/error.h>

#define KILN_INI_FILE_MAX  262144u
#define KILN_INI_LINE_MAX  16384u
#define KILN_INI_ITEMS_MAX 1024u /* keys and sections together */

struct kiln_ini_item {
	const char *section; /* blanks squeezed, quotes gone: "profile gateway" */
	const char *parent;  /* the key above, for what is indented below it; else NULL */
	const char *key;     /* lower case; NULL: the section's head itself */
	const char *value;
};

struct kiln_ini {
	struct kiln_ini_item *items;
	size_t count;
	char *text; /* what the items point into */
	size_t size;
};

/* Reads the whole; what names the file in errors, which give the line and never a value. KILN_E_
 * CONFIG for a broken line, a key twice in one section, or more than the limits. *out is empty
 * then. */
KILN_NODISCARD enum kiln_code kiln_ini_read(const void *data, size_t len, const char *what,
					    struct kiln_ini *out, struct kiln_error *err);

bool kiln_ini_has(const struct kiln_ini *ini, const char *section);
/* NULL: there is none, or it is empty. parent is NULL for a key that is not indented. */
const char *kiln_ini_get(const struct kiln_ini *ini, const char *section, const char *parent,
			 const char *key);

void kiln_ini_clear(struct kiln_ini *ini); /* wipes: the files hold keys */

#endif

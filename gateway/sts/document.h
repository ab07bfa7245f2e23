/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers in both of STS's notations from one description: elements of XML, or members of JSON
 * objects, whichever the client wants.
 */
#ifndef KILN_STS_DOCUMENT_H
#define KILN_STS_DOCUMENT_H

#include "aws/text.h"

struct kiln_stsd_document {
	struct kiln_text *out;
	bool json;
	bool follows; /* JSON: a member came before, so a comma is due */
	unsigned depth;
};

/* XML: <name xmlns=...>. JSON: an object with the member name, or with NULL the object alone. */
void kiln_stsd_document_begin(struct kiln_stsd_document *d, struct kiln_text *out, bool json,
			      const char *name);
void kiln_stsd_document_open(struct kiln_stsd_document *d, const char *name);
void kiln_stsd_document_text(struct kiln_stsd_document *d, const char *name, const char *value);
/* A point in time: seconds in JSON, as a real number; a date in XML. */
void kiln_stsd_document_time(struct kiln_stsd_document *d, const char *name, int64_t seconds);
void kiln_stsd_document_close(struct kiln_stsd_document *d, const char *name);
/* name as in begin. */
void kiln_stsd_document_end(struct kiln_stsd_document *d, const char *name);

/* "2026-01-15T12:00:00Z" */
void kiln_stsd_iso_date(int64_t seconds, char out[21]);

#endif

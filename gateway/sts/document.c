/* SPDX-License-Identifier: Apache-2.0
 * JSON and XML from one description; see document.h. */
#include "sts/document.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "aws/date.h"

static void escape_json(struct kiln_text *out, const char *s)
{
	for (; *s != '\0'; s++) {
		char code[7];
		const unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\') {
			kiln_text_char(out, '\\');
			kiln_text_char(out, *s);
		} else if (c < 0x20) {
			(void)snprintf(code, sizeof code, "\\u%04x", c);
			kiln_text_str(out, code);
		} else {
			/* What a client sent may be no UTF-8; JSON has to be. */
			kiln_text_add(out, c < 0x7f ? s : "?", 1);
		}
	}
}

static void escape_xml(struct kiln_text *out, const char *s)
{
	for (; *s != '\0'; s++) {
		const unsigned char c = (unsigned char)*s;
		switch (*s) {
		case '&': kiln_text_str(out, "&amp;"); break;
		case '<': kiln_text_str(out, "&lt;"); break;
		case '>': kiln_text_str(out, "&gt;"); break;
		case '"': kiln_text_str(out, "&quot;"); break;
		default: kiln_text_add(out, c >= 0x20 && c < 0x7f ? s : "?", 1); break;
		}
	}
}

static void indent(struct kiln_stsd_document *d)
{
	for (unsigned i = 0; i < d->depth; i++)
		kiln_text_str(d->out, "  ");
}

static void member(struct kiln_stsd_document *d, const char *name)
{
	if (d->follows)
		kiln_text_char(d->out, ',');
	kiln_text_char(d->out, '"');
	kiln_text_str(d->out, name);
	kiln_text_str(d->out, "\":");
	d->follows = true;
}

static void tag(struct kiln_stsd_document *d, const char *before, const char *name,
		const char *after)
{
	kiln_text_str(d->out, before);
	kiln_text_str(d->out, name);
	kiln_text_str(d->out, after);
}

void kiln_stsd_document_open(struct kiln_stsd_document *d, const char *name)
{
	if (d->json) {
		member(d, name);
		kiln_text_char(d->out, '{');
		d->follows = false;
	} else {
		indent(d);
		tag(d, "<", name, ">\n");
	}
	d->depth++;
}

void kiln_stsd_document_close(struct kiln_stsd_document *d, const char *name)
{
	d->depth--;
	if (d->json) {
		kiln_text_char(d->out, '}');
		d->follows = true;
	} else {
		indent(d);
		tag(d, "</", name, ">\n");
	}
}

void kiln_stsd_document_text(struct kiln_stsd_document *d, const char *name, const char *value)
{
	if (d->json) {
		member(d, name);
		kiln_text_char(d->out, '"');
		escape_json(d->out, value);
		kiln_text_char(d->out, '"');
		return;
	}
	indent(d);
	tag(d, "<", name, ">");
	escape_xml(d->out, value);
	tag(d, "</", name, ">\n");
}

void kiln_stsd_document_time(struct kiln_stsd_document *d, const char *name, int64_t seconds)
{
	char text[32];
	if (d->json) {
		(void)snprintf(text, sizeof text, "%lld.0", (long long)seconds);
		member(d, name);
		kiln_text_str(d->out, text);
		return;
	}
	kiln_stsd_iso_date(seconds, text);
	kiln_stsd_document_text(d, name, text);
}

void kiln_stsd_document_begin(struct kiln_stsd_document *d, struct kiln_text *out, bool json,
			      const char *name)
{
	*d = (struct kiln_stsd_document){.out = out, .json = json};
	if (json) {
		kiln_text_char(out, '{');
		if (name != NULL)
			kiln_stsd_document_open(d, name);
		return;
	}
	tag(d, "<", name != NULL ? name : "ErrorResponse",
	    " xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n");
	d->depth++;
}

void kiln_stsd_document_end(struct kiln_stsd_document *d, const char *name)
{
	if (d->json) {
		kiln_text_str(d->out, name != NULL ? "}}" : "}");
		return;
	}
	tag(d, "</", name != NULL ? name : "ErrorResponse", ">\n");
}

void kiln_stsd_iso_date(int64_t seconds, char out[21])
{
	char t[17];
	kiln_aws_date_format(seconds, t);
	(void)snprintf(out, 21, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", t, t + 4, t + 6, t + 9, t + 11,
		       t + 13);
}

/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a URL that decide whom we talk to, read strictly: scheme://host[:port][/...]. No
 * user information, no backslash, no blank; only what every reader of URLs reads the same way.
 */
#ifndef KILN_AWS_URL_H
#define KILN_AWS_URL_H

#include <stdbool.h>
#include <stddef.h>

struct kiln_url {
	bool https;
	char host[128];      /* lower case, without brackets */
	bool is_v6;          /* it stood in brackets */
	unsigned port;       /* 0: the scheme's */
	const char *rest;    /* from the path on: "" or "/..." or "?..." */
	size_t authority_at; /* where host[:port] begins in the text */
	size_t authority_len;
};

/* false: not of this form. */
bool kiln_url_read(const char *text, struct kiln_url *out);

/* 127.0.0.0/8, ::1 or "localhost". */
bool kiln_url_is_loopback(const struct kiln_url *url);

#endif

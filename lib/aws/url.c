/* SPDX-License-Identifier: Apache-2.0
 * Reading URLs that come from configuration; see url.h. */
#include "aws/url.h"

#include <arpa/inet.h>
#include <string.h>

static bool copy_host(const char *text, size_t len, struct kiln_url *out)
{
	if (len == 0 || len >= sizeof out->host)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char c = text[i];
		const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		const bool other = (c >= '0' && c <= '9') || c == '-' || c == '.';
		if (!letter && !other && !(out->is_v6 && c == ':'))
			return false;
		out->host[i] = c;
		if (c >= 'A' && c <= 'Z')
			out->host[i] = (char)(c + ('a' - 'A'));
	}
	out->host[len] = '\0';
	struct in6_addr address;
	return !out->is_v6 || inet_pton(AF_INET6, out->host, &address) == 1;
}

static bool read_port(const char *text, size_t len, unsigned *port)
{
	if (len == 0)
		return true;
	if (text[0] != ':' || len < 2 || len > 6)
		return false;
	*port = 0;
	for (size_t i = 1; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*port = *port * 10 + (unsigned)(text[i] - '0');
	}
	return *port >= 1 && *port <= 65535;
}

bool kiln_url_read(const char *text, struct kiln_url *out)
{
	*out = (struct kiln_url){0};
	if (strncmp(text, "https://", 8) == 0)
		out->https = true;
	else if (strncmp(text, "http://", 7) != 0)
		return false;
	for (const char *p = text; *p != '\0'; p++)
		if (*p <= ' ' || *p > '~' || *p == '\\' || *p == '#')
			return false;
	const char *host = text + (out->https ? 8 : 7);
	const size_t len = strcspn(host, "/?");
	out->rest = host + len;
	out->authority_at = (size_t)(host - text);
	out->authority_len = len;
	if (host[0] == '[') {
		const char *end = memchr(host, ']', len);
		if (end == NULL)
			return false;
		out->is_v6 = true;
		return copy_host(host + 1, (size_t)(end - host) - 1, out) &&
		       read_port(end + 1, len - (size_t)(end + 1 - host), &out->port);
	}
	const char *colon = memchr(host, ':', len);
	const size_t host_len = colon != NULL ? (size_t)(colon - host) : len;
	return copy_host(host, host_len, out) &&
	       read_port(host + host_len, len - host_len, &out->port);
}

bool kiln_url_is_loopback(const struct kiln_url *url)
{
	struct in_addr v4;
	if (url->is_v6)
		return strcmp(url->host, "::1") == 0;
	if (inet_pton(AF_INET, url->host, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	return strcmp(url->host, "localhost") == 0;
}

/* SPDX-License-Identifier: Apache-2.0
 * Addresses as text: reading what an operator wrote and writing what a socket holds. */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define WANTED "write HOST:PORT, [IPv6]:PORT or unix:PATH"

static enum kiln_code parse_unix(const char *flag, const char *path, struct kiln_address *address,
				 struct kiln_error *err)
{
	size_t len = strlen(path);
	if (len == 0 || strcmp(path, "@") == 0)
		return kiln_fail(err, KILN_E_CONFIG, "%s: 'unix:%s' has no path", flag, path);
	if (len > KILN_UNIX_PATH_MAX)
		return kiln_fail(err, KILN_E_CONFIG,
				 "%s: the socket path is %zu bytes long, the system allows %u",
				 flag, len, KILN_UNIX_PATH_MAX);
	address->is_unix = true;
	memcpy(address->path, path, len + 1);
	return KILN_OK;
}

static enum kiln_code parse_port(const char *flag, const char *text, uint16_t *port,
				 struct kiln_error *err)
{
	unsigned value = 0;
	size_t n = 0;
	for (; text[n] >= '0' && text[n] <= '9' && n < 5; n++)
		value = value * 10 + (unsigned)(text[n] - '0');
	if (n == 0 || text[n] != '\0' || value > UINT16_MAX)
		return kiln_fail(err, KILN_E_CONFIG, "%s: '%.40s' is no port, a number up to 65535",
				 flag, text);
	*port = (uint16_t)value;
	return KILN_OK;
}

static enum kiln_code parse_host(const char *flag, const char *host, size_t len,
				 struct kiln_address *address, struct kiln_error *err)
{
	if (len > KILN_HOST_MAX)
		return kiln_fail(err, KILN_E_CONFIG,
				 "%s: the host name is %zu bytes long, %u at most", flag, len,
				 KILN_HOST_MAX);
	for (size_t i = 0; i < len; i++)
		if (host[i] <= ' ' || host[i] > '~' || strchr("[]/\\@,;", host[i]) != NULL)
			return kiln_fail(err, KILN_E_CONFIG,
					 "%s: '%.60s' cannot be a host name; " WANTED, flag, host);
	memcpy(address->host, host, len);
	address->host[len] = '\0';
	return KILN_OK;
}

/* "[IPv6]:PORT"; a zone such as %eth0 is the resolver's to understand. */
static enum kiln_code parse_bracketed(const char *flag, const char *text,
				      struct kiln_address *address, struct kiln_error *err)
{
	const char *end = strchr(text, ']');
	if (end == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "%s: '%.60s' lacks a ']'", flag, text);
	if (end[1] != ':')
		return kiln_fail(err, KILN_E_CONFIG, "%s: '%.60s' has no port; write %.60s:PORT",
				 flag, text, text);
	enum kiln_code code = parse_host(flag, text + 1, (size_t)(end - text - 1), address, err);
	if (code != KILN_OK)
		return code;
	char number[INET6_ADDRSTRLEN];
	size_t len = strcspn(address->host, "%");
	struct in6_addr in6;
	if (len >= sizeof number)
		len = 0;
	memcpy(number, address->host, len);
	number[len] = '\0';
	if (inet_pton(AF_INET6, number, &in6) != 1)
		return kiln_fail(err, KILN_E_CONFIG, "%s: '%.60s' is no IPv6 address", flag,
				 address->host);
	return parse_port(flag, end + 2, &address->port, err);
}

enum kiln_code kiln_address_parse(const char *flag, const char *text, struct kiln_address *address,
				  struct kiln_error *err)
{
	memset(address, 0, sizeof *address);
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(flag, text + 5, address, err);
	if (strstr(text, "://") != NULL)
		return kiln_fail(err, KILN_E_CONFIG, "%s: '%.60s' is a URL; " WANTED, flag, text);
	if (text[0] == '[')
		return parse_bracketed(flag, text, address, err);
	const char *colon = strrchr(text, ':');
	if (colon == NULL && (text[0] == '/' || text[0] == '.'))
		return kiln_fail(err, KILN_E_CONFIG,
				 "%s: '%.60s' looks like a path; write unix:%.60s", flag, text,
				 text);
	if (colon == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "%s: '%.60s' has no port; " WANTED, flag,
				 text);
	if (strchr(text, ':') != colon)
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "%s: '%.60s' has more than one colon; an IPv6 address needs brackets: "
		    "[IPv6]:PORT",
		    flag, text);
	enum kiln_code code = parse_host(flag, text, (size_t)(colon - text), address, err);
	return code == KILN_OK ? parse_port(flag, colon + 1, &address->port, err) : code;
}

/* ------------------------------------------------------------------ text of a socket address */

static const char *format_inet6(const struct sockaddr_in6 *in6, char text[KILN_ADDRESS_TEXT])
{
	char host[INET6_ADDRSTRLEN], zone[16] = "";
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		(void)inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], host, sizeof host);
		(void)snprintf(text, KILN_ADDRESS_TEXT, "%s:%u", host, ntohs(in6->sin6_port));
		return text;
	}
	if (in6->sin6_scope_id != 0)
		(void)snprintf(zone, sizeof zone, "%%%u", in6->sin6_scope_id);
	(void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
	(void)snprintf(text, KILN_ADDRESS_TEXT, "[%s%s]:%u", host, zone, ntohs(in6->sin6_port));
	return text;
}

/* An abstract name is every byte up to len and may hold NULs; the text ends at the first. */
static const char *format_unix(const struct sockaddr_un *un, socklen_t len,
			       char text[KILN_ADDRESS_TEXT])
{
	size_t start = offsetof(struct sockaddr_un, sun_path);
	size_t have = len > start ? len - start : 0;
	if (have > sizeof un->sun_path)
		have = sizeof un->sun_path;
	bool abstract = have > 1 && un->sun_path[0] == '\0' && un->sun_path[1] != '\0';
	const char *name = abstract ? un->sun_path + 1 : un->sun_path;
	int most = (int)(abstract ? have - 1 : have);
	(void)snprintf(text, KILN_ADDRESS_TEXT, "unix:%s%.*s", abstract ? "@" : "", most, name);
	return text;
}

const char *kiln_address_format(const struct sockaddr_storage *addr, socklen_t len,
				char text[KILN_ADDRESS_TEXT])
{
	if (addr->ss_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		struct sockaddr_in in;
		char host[INET_ADDRSTRLEN];
		memcpy(&in, addr, sizeof in);
		(void)inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
		(void)snprintf(text, KILN_ADDRESS_TEXT, "%s:%u", host, ntohs(in.sin_port));
		return text;
	}
	if (addr->ss_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		struct sockaddr_in6 in6;
		memcpy(&in6, addr, sizeof in6);
		return format_inet6(&in6, text);
	}
	if (addr->ss_family == AF_UNIX) {
		struct sockaddr_un un;
		memcpy(&un, addr, sizeof un);
		return format_unix(&un, len, text);
	}
	(void)snprintf(text, KILN_ADDRESS_TEXT, "unknown");
	return text;
}

/* ------------------------------------------------------------------ loopback and overlap */

bool kiln_address_is_loopback(const struct sockaddr_storage *addr)
{
	if (addr->ss_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, addr, sizeof in);
		return ntohl(in.sin_addr.s_addr) >> 24 == 127;
	}
	if (addr->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, addr, sizeof in6);
		return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr) && in6.sin6_addr.s6_addr[12] == 127);
	}
	return addr->ss_family == AF_UNIX;
}

static bool number(const char *text, struct sockaddr_storage *addr)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	memset(addr, 0, sizeof *addr);
	if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
		memcpy(addr, &in, sizeof in);
	else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
		memcpy(addr, &in6, sizeof in6);
	else
		return false;
	return true;
}

bool kiln_address_is_number(const char *text)
{
	struct sockaddr_storage addr;
	return number(text, &addr);
}

bool kiln_address_names_loopback(const struct kiln_address *address)
{
	struct sockaddr_storage addr;
	if (address->is_unix || strcasecmp(address->host, "localhost") == 0)
		return true;
	return number(address->host, &addr) && kiln_address_is_loopback(&addr);
}

bool kiln_address_overlaps(const struct kiln_address *listen, const struct kiln_address *target)
{
	if (listen->is_unix != target->is_unix)
		return false;
	if (listen->is_unix)
		return strcmp(listen->path, target->path) == 0;
	if (listen->port != target->port || listen->port == 0)
		return false;
	if (strcasecmp(listen->host, target->host) == 0)
		return true;
	bool any = listen->host[0] == '\0' || strcmp(listen->host, "0.0.0.0") == 0 ||
		   strcmp(listen->host, "::") == 0;
	bool local = kiln_address_names_loopback(target);
	return local && (any || strcasecmp(listen->host, "localhost") == 0 ||
			 (strcasecmp(target->host, "localhost") == 0 &&
			  kiln_address_names_loopback(listen)));
}

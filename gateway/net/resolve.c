/* SPDX-License-Identifier: Apache-2.0
 * From an address as written to socket addresses. The only file here that asks the resolver. */
#include "net/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static void resolve_unix(const struct kiln_address *address, struct kiln_endpoints *endpoints)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	size_t len = strlen(address->path);
	memcpy(un.sun_path, address->path, len);
	bool abstract = address->path[0] == '@';
	if (abstract)
		un.sun_path[0] = '\0';
	/* A path ends with its NUL, an abstract name with its length. */
	size_t total = offsetof(struct sockaddr_un, sun_path) + len + (abstract ? 0 : 1);
	memcpy(&endpoints->at[0].addr, &un, sizeof un);
	endpoints->at[0].len = (socklen_t)total;
	endpoints->count = 1;
}

static void resolve_any(uint16_t port, struct kiln_endpoints *endpoints)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
	memcpy(&endpoints->at[0].addr, &in6, sizeof in6);
	endpoints->at[0].len = sizeof in6;
	memcpy(&endpoints->at[1].addr, &in, sizeof in);
	endpoints->at[1].len = sizeof in;
	endpoints->count = 2;
}

static enum kiln_code refuse(const struct kiln_address *address, int rc, int sys_errno,
			     struct kiln_error *err)
{
	if (rc == EAI_SYSTEM)
		return kiln_fail_errno(err, KILN_E_TARGET, sys_errno, "cannot look up '%.100s'",
				       address->host);
	bool temporary = rc == EAI_AGAIN || rc == EAI_MEMORY || rc == EAI_FAIL;
	return kiln_fail(err, temporary ? KILN_E_TARGET : KILN_E_CONFIG,
			 "cannot look up '%.100s': %s", address->host, gai_strerror(rc));
}

enum kiln_code kiln_address_resolve(const struct kiln_address *address, enum kiln_address_use use,
				    struct kiln_endpoints *endpoints, struct kiln_error *err)
{
	memset(endpoints, 0, sizeof *endpoints);
	if (address->is_unix) {
		resolve_unix(address, endpoints);
		return KILN_OK;
	}
	if (address->host[0] == '\0' && use == KILN_TO_LISTEN) {
		resolve_any(address->port, endpoints);
		return KILN_OK;
	}
	if (address->host[0] == '\0')
		return kiln_fail(err, KILN_E_CONFIG, "port %u of which host? write HOST:PORT",
				 address->port);

	char port[8];
	(void)snprintf(port, sizeof port, "%u", address->port);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	int rc = getaddrinfo(address->host, port, &hints, &found);
	if (rc == EAI_NONAME) {
		hints.ai_flags = AI_NUMERICSERV;
		rc = getaddrinfo(address->host, port, &hints, &found);
	}
	if (rc != 0)
		return refuse(address, rc, errno, err);
	for (struct addrinfo *a = found; a != NULL && endpoints->count < KILN_ENDPOINTS_MAX;
	     a = a->ai_next) {
		if (a->ai_family != AF_INET && a->ai_family != AF_INET6)
			continue;
		struct kiln_endpoint *to = &endpoints->at[endpoints->count++];
		memcpy(&to->addr, a->ai_addr, a->ai_addrlen);
		to->len = a->ai_addrlen;
	}
	freeaddrinfo(found);
	if (endpoints->count == 0)
		return kiln_fail(err, KILN_E_CONFIG, "'%.100s' has no IPv4 or IPv6 address",
				 address->host);
	return KILN_OK;
}

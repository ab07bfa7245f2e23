/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses as an operator writes them, as the system calls want them, and as a log shows them:
 *
 *   HOST:PORT   [IPv6]:PORT   :PORT (any address of this machine)   unix:PATH   unix:@ABSTRACT
 *
 * kiln_address_parse is pure; kiln_address_resolve may ask the resolver, and so may block: at start
 * only. No allocation that outlives a call.
 */
#ifndef KILN_NET_ADDRESS_H
#define KILN_NET_ADDRESS_H

#include <sys/socket.h>

#include <kiln/error.h>

#define KILN_HOST_MAX      253u /* RFC 1035 2.3.4, written with dots */
#define KILN_UNIX_PATH_MAX 107u /* unix(7), without the NUL */
#define KILN_ENDPOINTS_MAX 8u
#define KILN_ADDRESS_TEXT  128u /* longest text of a socket address, NUL included */

struct kiln_address {
	bool is_unix;
	char host[KILN_HOST_MAX + 1];      /* without brackets; "" is any address */
	uint16_t port;                     /* 0: the kernel picks one (listening only) */
	char path[KILN_UNIX_PATH_MAX + 1]; /* as written: a leading '@' is the abstract namespace */
};

/* One address that a socket can be bound or connected to. */
struct kiln_endpoint {
	struct sockaddr_storage addr;
	socklen_t len;
};

struct kiln_endpoints {
	size_t count;
	struct kiln_endpoint at[KILN_ENDPOINTS_MAX];
};

/* Reads text as the value of flag (such as "--target", for the message). KILN_E_CONFIG when it is
 * no address; then *address is undefined. */
enum kiln_code kiln_address_parse(const char *flag, const char *text, struct kiln_address *address,
				  struct kiln_error *err) KILN_NODISCARD;

enum kiln_address_use {
	KILN_TO_LISTEN,
	KILN_TO_CONNECT,
};

/* Finds the socket addresses, at least one and at most KILN_ENDPOINTS_MAX, in the resolver's order.
 * Numbers are never looked up. Any address, to listen: [::] first (which takes IPv4 as well unless
 * IPV6_V6ONLY is set), then 0.0.0.0 for a machine without IPv6. KILN_E_CONFIG for a name that does
 * not exist, KILN_E_TARGET when the resolver could not tell. */
enum kiln_code kiln_address_resolve(const struct kiln_address *address, enum kiln_address_use use,
				    struct kiln_endpoints *endpoints,
				    struct kiln_error *err) KILN_NODISCARD;

/* Writes "192.0.2.1:80", "[::1]:80", "unix:/path", "unix:@abstract", "unix:" (unnamed) or "unknown"
 * into text and returns it. IPv4-mapped IPv6 is shown as IPv4. Bytes of a path are not escaped. */
const char *kiln_address_format(const struct sockaddr_storage *addr, socklen_t len,
				char text[KILN_ADDRESS_TEXT]);

/* True for an address that does not leave this machine: 127/8, ::1, mapped 127/8, Unix sockets. */
bool kiln_address_is_loopback(const struct sockaddr_storage *addr);

/* The same for an address that was not resolved: true for "localhost" and loopback numbers. */
bool kiln_address_names_loopback(const struct kiln_address *address);

/* True when text is an IPv4 or IPv6 address rather than a name. */
bool kiln_address_is_number(const char *text);

/* True when connections to target would come in at listen, as far as the text tells. */
bool kiln_address_overlaps(const struct kiln_address *listen, const struct kiln_address *target);

#endif

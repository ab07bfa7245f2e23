/* Loopback addresses and sockets of the load generator. */
#pragma once

#include <netinet/in.h>
#include <stdint.h>

struct net_addr {
	struct sockaddr_in sin;
};

/* "A.B.C.D:PORT"; false when it is not that. */
int net_parse(const char *text, struct net_addr *addr);
/* A non-blocking listening socket, or -1 with errno; the port taken is written back to addr. */
int net_listen(struct net_addr *addr);
/* "A.B.C.D" in the byte order of this machine; 0 when it is not that. */
uint32_t net_parse_host(const char *text);
/* A non-blocking socket whose connect has been started, or -1 with errno; from: the address that it
 * comes from, 0: any. */
int net_connect(const struct net_addr *addr, uint32_t from);
/* The result of a connect that was in progress: 0 or an errno. */
int net_connect_result(int fd);
void net_nodelay(int fd);
/* Lets this process have as many descriptors as it may, and says how many. */
unsigned long net_raise_fd_limit(void);

/* SPDX-License-Identifier: Apache-2.0
 * The load program: many connections that send bytes and want exactly those back. */
#ifndef KILN_INTEROP_LOAD_H
#define KILN_INTEROP_LOAD_H

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define SERIALS_MAX 8u

struct options {
	struct sockaddr_storage address;
	socklen_t address_len;
	SSL_CTX *tls; /* NULL: plain */
	const char *name;
	unsigned connections; /* at the same time */
	unsigned opening;     /* of them, how many may be opening at once */
	uint64_t size;        /* bytes of a request, and of its answer */
	uint64_t requests;    /* on one connection; 0: until it is told to stop */
	bool churn;           /* after those, connect again */
	bool digest;          /* tell the SHA-256 of each connection's streams at its end */
};

/* What has happened since the start, or since the last "mark". */
struct counts {
	uint64_t opened, closed, requests, failed, refused;
	struct {
		long serial; /* of the peer's certificate */
		uint64_t count;
	} serials[SERIALS_MAX];
};

enum state {
	IDLE,
	CONNECTING,
	HANDSHAKE,
	ECHO,
	CLOSING, /* we have said goodbye, and wait for the same */
	OVER,    /* and it will not connect again */
};

struct conn {
	enum state state;
	int fd;
	SSL *ssl;
	uint64_t seed;           /* the bytes of this connection */
	uint64_t sent, received; /* in all */
	uint64_t requests;       /* completed on this connection */
	uint64_t since_mark;     /* completed since the last "mark" */
	bool answered;           /* ever */
	EVP_MD_CTX *out, *in;    /* with options.digest */
	uint8_t waiting[16384];  /* bytes that a send did not take: TLS wants the same again */
	uint32_t waiting_len;
};

struct load {
	struct options options;
	struct counts total, mark;
	struct conn *conns;
	unsigned opening, up; /* connections opening; those that ever had an answer */
	bool stopping;
	int epoll;
};

/* Starts a connection. */
void load_open(struct load *load, struct conn *conn);

/* Moves it on as far as that goes. */
void load_run(struct load *load, struct conn *conn);

/* Nobody took it: counted, and no failure. */
void load_refuse(struct load *load, struct conn *conn);

/* Something went wrong: says so, and gives the connection up. */
void load_fail(struct load *load, struct conn *conn, const char *what);

#endif

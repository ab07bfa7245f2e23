/* SPDX-License-Identifier: Apache-2.0
 *
 * Roast over real sockets: the people of roast_rig.h with a struct kiln_aws each, an STS on
 * loopback that really verifies signatures and can fall silent, a listener, and somebody on the
 * wire.
 */
#ifndef KILN_TESTS_ROAST_WORLD_H
#define KILN_TESTS_ROAST_WORLD_H

#include "roast_rig.h"

#include <pthread.h>

#include <kiln/roast.h>

/* cmocka's group set-up and tear-down: the STS, and an environment that knows no AWS but it. */
int world_begin(void **state);
int world_end(void **state);

/* How many questions STS was asked. */
unsigned world_questions(void);
/* It takes requests, and answers none; those it has are never answered. */
void world_silence(bool silent);

/* Who has this person's keys in the environment. */
struct kiln_aws *world_aws(const struct person *person);

struct listener {
	int fd;
	char port[8];
};
struct listener world_listen(void);
int world_dial(const struct listener *listener);

/* One call of kiln_roast_accept in a thread, on the listener's next connection. */
struct acceptance {
	const struct listener *listener;
	int flags; /* of the socket, as accept4 takes them */
	struct kiln_roast_conn_options options;
	struct kiln_aws_role allowed;
	pthread_t thread;
	int fd;
	struct kiln_conn *conn;
	struct kiln_error err;
};
void accept_begin(struct acceptance *a);
/* Waits for it; a connection that was refused is closed. */
void accept_end(struct acceptance *a);

/* Somebody between `from` and `to`, who keeps the client's hello, puts white space in front of both
 * sides' first TLS record, and holds back what the client sends after its first one. */
struct wiretap {
	const struct listener *from, *to;
	pthread_t thread;
	struct wire hello, held; /* the client's */
	int release[2];
};
void wiretap_begin(struct wiretap *tap);
void wiretap_release(struct wiretap *tap); /* all in one piece */
void wiretap_end(struct wiretap *tap);

#endif

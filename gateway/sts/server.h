/* SPDX-License-Identifier: Apache-2.0
 *
 * The development STS on its socket: libmicrohttpd, driven by one loop, in one thread.
 */
#ifndef KILN_STS_SERVER_H
#define KILN_STS_SERVER_H

#include "sts/behave.h"
#include "sts/microhttpd.h"
#include "sts/request.h"

enum { KILN_STSD_ON_STS, KILN_STSD_ON_CREDENTIALS, KILN_STSD_SLOTS };

/* One request, from its first line to the end of its answer. */
struct kiln_stsd_exchange {
	struct kiln_stsd_server *server;
	struct MHD_Connection *connection;
	char *uri; /* as on the request line */
	struct kiln_text body;
	struct kiln_stsd_request request; /* its slices live in the connection and in uri */
	struct kiln_stsd_reply reply;
	uint64_t began_us;
	bool begun, too_large, ready; /* ready: there is an answer */
	bool drop;                    /* or there will be none */
	bool waits;                   /* it is in the server's list, its connection suspended */
	bool hangs;                   /* until the behaviour changes */
	uint64_t due_us;              /* when a delay is over */
	unsigned slot;                /* whose behaviour */
	int garbage;
	char behaviour[160];                        /* for the log */
	struct kiln_stsd_exchange *next, *previous; /* in the list */
};

struct kiln_stsd_server {
	struct kiln_stsd sts;
	struct kiln_stsd_behaviour behaviours[KILN_STSD_SLOTS];
	bool control;
	bool stopping;
	struct MHD_Daemon *daemon;
	struct kiln_stsd_exchange *waiting, *longest; /* the newest, and the oldest of them */
	unsigned waiting_count, waiting_max;
	bool resumed;  /* some of them: libmicrohttpd is to look at them */
	uint64_t open; /* exchanges */
	uint64_t requests;
};

/* Takes the listening socket. */
KILN_NODISCARD enum kiln_code kiln_stsd_server_start(struct kiln_stsd_server *server, int listener,
						     struct kiln_error *err);
/* Serves until SIGTERM or SIGINT, which are blocked and come through signal_fd; then ends what is
 * under way. */
void kiln_stsd_server_run(struct kiln_stsd_server *server, int signal_fd);
void kiln_stsd_server_stop(struct kiln_stsd_server *server);

/* ---- between exchange.c and server.c */

uint64_t kiln_stsd_now_us(void);

/* For MHD_OPTION_URI_LOG_CALLBACK, the access handler, and MHD_OPTION_NOTIFY_COMPLETED. */
void *kiln_stsd_exchange_begin(void *server, const char *uri, struct MHD_Connection *connection);
enum MHD_Result kiln_stsd_exchange_step(void *server, struct MHD_Connection *connection,
					const char *url, const char *method, const char *version,
					const char *data, size_t *len, void **exchange);
void kiln_stsd_exchange_end(void *server, struct MHD_Connection *connection, void **exchange,
			    enum MHD_RequestTerminationCode why);

/* Out of the list, and its handler is called again. */
void kiln_stsd_exchange_resume(struct kiln_stsd_exchange *exchange);
/* The same, and there will be no answer. */
void kiln_stsd_exchange_drop(struct kiln_stsd_exchange *exchange);

/* /_kiln/behave */
void kiln_stsd_control(struct kiln_stsd_server *server, const struct kiln_stsd_request *request,
		       struct kiln_stsd_reply *reply);

#endif

/* A run of the client: its connections, its clock and what it found. */
#pragma once

#include <sys/epoll.h>

#include "conn.h"
#include "options.h"
#include "samples.h"

struct run {
	const struct load_options *opt;
	SSL_CTX *tls; /* NULL when plain */
	int epoll;
	struct conn *conns;
	bool measuring;
	uint64_t seq;         /* of the last command */
	uint64_t started;     /* commands (churn: connections) of this phase */
	uint64_t finished;    /* the same */
	uint64_t quota;       /* how many this phase may start */
	uint64_t deadline_ns; /* or until when; 0: no limit in time */
	uint64_t due_ns;      /* with a rate: when the next has to start */
	uint64_t begun_ns;    /* when the last one that run_may_start counted was due */
	uint64_t resets;      /* connections that ended with a reset rather than an end of stream */
	struct cpu_sample before;
	struct cpu_sample after;
	struct samples latency;
	char cipher[64];
	char group[64];
	const char *error;
};

bool run_init(struct run *run, const struct load_options *opt);
void run_free(struct run *run);

/* Begins to connect and watches the socket; false and run->error when it cannot. */
bool run_open(struct run *run, struct conn *c);
/* Gives a ready connection its next command. */
void run_command(struct run *run, struct conn *c, bool verify);
/* Whether this phase may start one more; counts it when so. */
bool run_may_start(struct run *run);
/* Whether this phase has ended: nothing is under way, and with a rate nothing will be. */
bool run_is_over(const struct run *run);
/* Waits for events, or until the next is due; run->error when neither comes. How many events. */
int run_wait(struct run *run, struct epoll_event *events, int room);
/* With a rate: calls open with every idle connection for which something is due. */
void run_start_due(struct run *run, void (*open)(struct run *run, struct conn *c));

/* Called after a step of a connection; true: step it again. */
typedef bool (*run_handler)(struct run *run, struct conn *c);
/* Steps the connection, then has the handler look at it, until neither has more to do. */
void run_drive(struct run *run, struct conn *c, run_handler handler);
/* Waits for the sockets and drives them until `enough` or an error; false on error. */
bool run_loop(struct run *run, run_handler handler, bool (*enough)(struct run *run));

bool run_begin_measure(struct run *run);
bool run_end_measure(struct run *run);
/* The one JSON object on stdout. */
void run_report(struct run *run);

/* The modes; false and run->error when something went wrong. */
bool run_persistent(struct run *run); /* bulk-up, bulk-down, request, idle */
bool run_churn(struct run *run);      /* handshake */
bool run_flood(struct run *run);      /* flood */

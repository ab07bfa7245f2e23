/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection of a worker: two sockets, four operations, two flows. Its life is
 *
 *   accept -> [PROXY header] -> [Roast] -> handshake -> install -> connect -> [PROXY header] ->
 * relay -> close
 *
 * for a server (with --handoff: install -> hand-off -> gone, or relay); a client connects first and
 * handshakes with the target. Every file beside this one is one of those steps. Nothing here is
 * allocated between install and close, but for buffers borrowed from the worker's pool.
 */
#ifndef KILN_WORKER_LINK_H
#define KILN_WORKER_LINK_H

#include <netinet/in.h>

#include <kiln/ktls.h>

#include "worker/deadline.h"
#include "worker/settings.h"

struct kiln_agent_message;
struct kiln_aws_role;
struct kiln_endpoint;
struct kiln_handing;
struct kiln_roast;
struct kiln_worker;

enum kiln_phase {
	KILN_PHASE_PROXY_HEADER, /* waiting for the header in front of everything */
	KILN_PHASE_CONNECT,      /* opening the target */
	KILN_PHASE_ROAST,        /* the hellos that prove AWS roles, in front of TLS */
	KILN_PHASE_HANDSHAKE,
	KILN_PHASE_INSTALL,    /* completing a record that came in part before the keys go in */
	KILN_PHASE_HANDOFF,    /* the application has yet to say that it took it */
	KILN_PHASE_PROXY_SEND, /* telling the target whom it serves */
	KILN_PHASE_RELAY,
	KILN_PHASE_BROKEN,  /* truncated: the plain side takes what came before */
	KILN_PHASE_LINGER,  /* an alert was sent; it should arrive before the socket is reset */
	KILN_PHASE_CLOSING, /* waiting for the last events */
};

enum kiln_flow_end {
	KILN_FLOW_OPEN,
	KILN_FLOW_ENDED,  /* close_notify or FIN: the other side is told in kind */
	KILN_FLOW_BROKEN, /* truncation or reset: the other side is told so */
};

/* One direction of the relay. */
struct kiln_flow {
	struct kiln_buffer *head, *tail; /* received, waiting for their turn */
	struct kiln_buffer *out;         /* being sent; data and len are what is left */
	uint64_t bytes;                  /* delivered */
	uint64_t moved_at;               /* ms: last progress of the send under way */
	uint8_t queued;
	uint8_t end;  /* enum kiln_flow_end: what the source did */
	bool eof;     /* the source's socket is read to its end */
	bool told;    /* the sink was told of it, or of worse: nothing more goes that way */
	bool discard; /* the sink took nothing any more: it was not told, it left */
	bool slow;    /* receiving had to pause for the sink */
	bool bursts;  /* one of the worker's few that may receive many buffers at once */
};

/* What the TLS side's send operation is carrying. */
enum kiln_sending {
	KILN_SENDING_NOTHING,
	KILN_SENDING_DATA,
	KILN_SENDING_KEY_UPDATE,
	KILN_SENDING_CLOSE_NOTIFY,
};

struct kiln_link {
	struct kiln_worker *worker;
	struct kiln_link *next, *prev; /* the worker's list */
	struct kiln_link *next_hungry; /* the worker's list of those that wait for a buffer */
	struct kiln_deadline deadline;

	struct kiln_op tls_in, tls_out, plain_in, plain_out;
	int tls_fd, plain_fd;
	uint8_t phase;
	uint8_t path; /* enum kiln_path_reason */
	uint8_t sending;
	uint8_t control[KILN_KEY_UPDATE_LEN]; /* content of the control record being sent */
	bool tls_unix, plain_unix;
	bool key_update_wanted;  /* the peer asked for new keys of ours */
	bool key_update_request; /* and we ask for new keys of the peer's */
	bool key_update_asked;   /* and have done so */
	bool handshake_done;
	bool close_notify_sent;
	bool unanswered; /* the peer left with our close_notify, and without its own */
	bool hungry;     /* in that list */
	bool unasked;    /* Roast has a question, and there is no agent to ask */
	bool lent;       /* the application may have its socket as well, unsaid */
	bool handed_off; /* it has, and this is only the memory of it */
	bool has_notice; /* notice_fd carries the alerts of a relayed hand-off */
	uint8_t dropped; /* receives, while it lingers */
	uint8_t target;  /* index of the address being tried */
	/* A copy of that address: a reload may change the list meanwhile. */
	struct kiln_endpoint *connecting;

	struct kiln_flow up, down; /* TLS to plain, plain to TLS */
	struct kiln_traffic rx, tx;

	/* User space receiving, and the hand-over: a record that came in part. */
	uint8_t *partial; /* KILN_RECORD_MAX bytes, from the worker; NULL when there is none */
	uint32_t partial_len;

	struct kiln_roast *roast; /* until TLS is done: its certificate is in there */
	uint64_t question;        /* to the identity agent, waiting for its answer; 0: none */
	struct kiln_aws_role *peer_role; /* as STS says; NULL without Roast */
	struct kiln_handshake *handshake;
	struct kiln_buffer *early; /* bytes that came with the step before; a list */

	int receive_failed;    /* errno that ended receiving from the TLS side, 0 for a FIN */
	int notice_fd;         /* with has_notice */
	uint64_t acknowledged; /* by the plain side, while the stream is broken */
	uint64_t id;
	uint64_t started_at; /* ms */
	uint64_t started_us, handshake_us;
	struct sockaddr_storage
	    *proxied; /* the client's address by its PROXY header; NULL without */
	struct sockaddr_in6 peer_address; /* room for IPv4 and IPv6 */
	union { /* what the other side learns about the client, until it has it; NULL otherwise */
		uint8_t *proxy_header;
		struct kiln_handing *handing; /* with --handoff */
	};
	uint16_t proxy_header_len;
	uint16_t suite;
	char *peer_name; /* NULL when no certificate came */

	enum kiln_code code; /* why it ended */
	uint8_t alert_sent, alert_received, alert_due;
	uint8_t alert_plain; /* the application's, on notice_fd, for the peer; 0: none */
	char *why;           /* sentence, NULL when there is nothing to say */
};

_Static_assert(sizeof(struct kiln_link) <= 832, "what an idle connection costs: architecture, A4");

/* The connection that an operation is embedded in. */
#define KILN_LINK_OF(op, member)                                                                   \
	((struct kiln_link *)(void *)((char *)(op)-offsetof(struct kiln_link, member)))

/* accept.c */
void kiln_link_start(struct kiln_worker *worker, int fd);

/* connect.c */
void kiln_link_connect(struct kiln_link *conn);
void kiln_link_after_connect(struct kiln_link *conn);

/* roast.c */
void kiln_link_roast(struct kiln_link *conn);
void kiln_link_answered(struct kiln_link *conn, const struct kiln_agent_message *answer);
/* The agent that was asked is gone: the question is for the next one. */
void kiln_link_unasked(struct kiln_link *conn);
/* Who we are is known, or why not: what waited for that goes on. */
void kiln_link_identity(struct kiln_link *conn);

/* handshake.c */
void kiln_link_handshake(struct kiln_link *conn);

/* proxy_header.c */
/* Server: everything the target learns about the client, made while the session is at hand. */
void kiln_link_prepare_header(struct kiln_link *conn, const struct kiln_session *session);
/* Client: the header becomes the first data to the TLS side. False: the connection failed. */
bool kiln_link_announce(struct kiln_link *conn);

/* handoff_link.c */
/* What the application learns, made while the session is at hand. */
bool kiln_link_prepare_handoff(struct kiln_link *conn, const struct kiln_session *session,
			       struct kiln_error *err);
void kiln_link_hand_off(struct kiln_link *conn);
/* It is not handed off any more, because of err. Harmless when it is not being handed off. */
void kiln_link_unhand(struct kiln_link *conn, const struct kiln_error *err);
/* Tells the application that relays through us of an alert; nobody otherwise. */
void kiln_link_notify(const struct kiln_link *conn, uint8_t level, uint8_t alert);
/* The plain side's receiving gave result: is that the end of its stream? If not, alert_plain tells
 * what the application said of it. */
bool kiln_link_plain_ended(struct kiln_link *conn, int result);

/* install.c */
void kiln_link_install(struct kiln_link *conn);
void kiln_link_install_on(struct kiln_link *conn); /* a buffer can be had again */

/* relay.c: starts both flows, with conn->early as the first bytes of the accepted side. */
void kiln_link_relay(struct kiln_link *conn);
void kiln_link_pump_up(struct kiln_link *conn);
void kiln_link_pump_down(struct kiln_link *conn);

/* open.c: received bytes of the TLS side in user space. NULL: there is no more data to be had from
 * what came, or the connection failed over it, or it is hungry. */
struct kiln_buffer *kiln_link_open_records(struct kiln_link *conn);
bool kiln_link_take_control(struct kiln_link *conn, uint8_t type, const uint8_t *data, size_t len);
/* Ends the connection and returns false when no data may come now. */
bool kiln_link_take_data(struct kiln_link *conn, size_t len);

/* close.c */
/* Ends the connection: sends err->alert where the TLS side can still take it (0 sends none, and
 * neither does the peer's own), tells the plain side, lets go. Safe to call from any
 * step; nothing of conn may be used afterwards by the caller. */
void kiln_link_fail(struct kiln_link *conn, const struct kiln_error *err);
/* Ends a connection whose flows have both ended. */
void kiln_link_finish(struct kiln_link *conn);
/* Lets go of it without waiting for the peer to read an alert. */
void kiln_link_drop(struct kiln_link *conn);
/* From here on a close of the plain side is a reset, also the kernel's when this process is killed:
 * only kiln_link_finish makes it look like an end. */
void kiln_link_guard_plain(const struct kiln_link *conn);
/* The plain side is reset, now: its stream did not end, it broke. */
void kiln_link_abort_plain(const struct kiln_link *conn);
/* True when the connection is on its way out and this event was only its last word. */
bool kiln_link_absorb(struct kiln_link *conn, const struct kiln_event *event);
/* The step that begins now has ms milliseconds; 0 is no limit. */
void kiln_link_limit(struct kiln_link *conn, uint32_t ms);
void kiln_link_expired(struct kiln_deadline *deadline);

/* Sends the alert that is due (alert_due) and a FIN, unless a record is on its way. */
void kiln_link_say_due(struct kiln_link *conn);
/* Remembers the first thing that went wrong, for the access line. */
void kiln_link_remember(struct kiln_link *conn, const struct kiln_error *err);
/* The end of a broken connection whose plain side took what it takes: that side is reset. */
void kiln_link_reset(struct kiln_link *conn);

/* broken.c: the TLS peer is gone without close_notify: kiln_link_reset, but first the plain side
 * takes what came before. */
void kiln_link_break(struct kiln_link *conn);
/* A relaying connection that cannot go on, through no fault of what came: the TLS peer gets
 * err->alert now, and the plain side what came before; then kiln_link_reset. */
void kiln_link_cut(struct kiln_link *conn, const struct kiln_error *err);
void kiln_link_broken_check(struct kiln_link *conn);

/* queue.c */
void kiln_flow_push(struct kiln_flow *flow, struct kiln_buffer *buffer);
struct kiln_buffer *kiln_flow_pop(struct kiln_flow *flow);
void kiln_flow_drop(struct kiln_flow *flow, struct kiln_io *io); /* all that waits */

/* log_events.c */
void kiln_link_log(const struct kiln_link *conn);
/* The outcome of handing it off; NULL: it was taken. */
void kiln_link_log_handoff(const struct kiln_link *conn, const struct kiln_error *err);

/* What the operator calls up and down: towards the target and back, whichever side is TLS. */
static inline uint64_t kiln_link_bytes_up(const struct kiln_link *conn, enum kiln_role role)
{
	return role == KILN_SERVER ? conn->up.bytes : conn->down.bytes;
}

static inline uint64_t kiln_link_bytes_down(const struct kiln_link *conn, enum kiln_role role)
{
	return role == KILN_SERVER ? conn->down.bytes : conn->up.bytes;
}

static inline bool kiln_link_busy(const struct kiln_link *conn)
{
	return conn->tls_in.armed || conn->tls_out.armed || conn->plain_in.armed ||
	       conn->plain_out.armed;
}

#endif

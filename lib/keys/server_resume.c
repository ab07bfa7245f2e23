/* SPDX-License-Identifier: Apache-2.0
 * A session comes to another connection: docs/keys.md, "Many sessions, many connections". */
#include <string.h>

#include "base/bytes.h"
#include "keys/server_inner.h"

/* So that nobody keeps a session for ever by moving it. */
#define RESUMES_MAX 64u

/* A session that is bound to the exporter goes to no connection whose exporter is not known to both
 * ends, or is not the same at both: somebody stands in between. */
static bool authentic(const struct turn *turn, const struct session *s,
		      struct kiln_keys_channel *here)
{
	const struct kiln_keys_conn *conn = turn->conn;
	if (s->exporter_bound && !conn->has_exporter)
		return false;
	kiln_keys_channel_on(&s->channel, s->exporter_bound ? conn->exporter : NULL, here);
	return kiln_keys_frame_authentic(turn->frame, here);
}

static bool good(const struct turn *turn, const struct session *s, struct kiln_keys_channel *here)
{
	return s != NULL && s->keyed && s->state >= SESSION_OPEN && turn->frame->mac != NULL &&
	       authentic(turn, s, here) && turn->frame->sequence >= s->resume_next &&
	       turn->frame->sequence < UINT64_MAX && s->resumes < RESUMES_MAX;
}

static void tell(const struct turn *turn, const struct session *s, enum kiln_keys_error outcome)
{
	const bool resumed = outcome == KILN_KEYS_SUCCESS;
	const struct kiln_keys_event event = {
	    .what = resumed ? KILN_KEYS_EVENT_RESUMED : KILN_KEYS_EVENT_REFUSED,
	    .outcome = (uint16_t)outcome,
	    .user_id = resumed && s->known_user ? s->user_id : NULL,
	    .source = turn->conn->source,
	};
	kiln_keys_tell(turn->server, &event);
}

static void answer(struct turn *turn, struct session *s, const struct kiln_keys_channel *here)
{
	uint8_t frame[128];
	turn->out.next = s->received;
	const size_t len =
	    kiln_keys_frame_write(KILN_KEYS_RESUMED, s->id, turn->frame->sequence, &turn->out,
				  here->resume_server, frame, sizeof frame);
	if (kiln_keys_conn_put(turn->conn, frame, len) != NULL && turn->in.next + 1 == s->sent &&
	    s->last != NULL)
		(void)kiln_keys_conn_put(turn->conn, s->last, s->last_len);
}

static void resume(struct turn *turn, struct kiln_keys_channel *here)
{
	struct kiln_keys_conn *conn = turn->conn;
	struct session *s = kiln_keys_session_find(turn->server, turn->frame->session);
	enum kiln_keys_error rc = KILN_KEYS_SUCCESS;
	if (!good(turn, s, here) || !kiln_keys_message_read(KILN_KEYS_RESUME, turn->frame->body,
							    turn->frame->body_len, &turn->in))
		rc = KILN_KEYS_UNKNOWN_SESSION;
	else if (s->conn != conn &&
		 conn->session_count >= turn->server->options.sessions_per_conn_max)
		rc = KILN_KEYS_BUSY;
	tell(turn, s, rc);
	if (rc != KILN_KEYS_SUCCESS) {
		kiln_keys_conn_put_error(conn, turn->frame->session, turn->frame->sequence, rc,
					 rc == KILN_KEYS_BUSY ? 1000 : 0);
		return;
	}
	kiln_keys_session_touch(s);
	s->resumed_in_batch = true;
	s->resume_next = turn->frame->sequence + 1;
	s->resumes++;
	if (s->conn != conn)
		kiln_keys_session_attach(s, conn);
	memcpy(s->source, conn->source, sizeof s->source);
	kiln_keys_session_set(s, s->state,
			      s->state == SESSION_CLOSED ? QUEUE_CLOSED : QUEUE_REQUEST,
			      turn->now.steady_ms);
	answer(turn, s, here);
}

void kiln_keys_resume(struct turn *turn)
{
	struct kiln_keys_channel here;
	resume(turn, &here);
	kiln_wipe(&here, sizeof here);
}

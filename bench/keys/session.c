/* SPDX-License-Identifier: Apache-2.0
 * A session at the client (docs/keys.md, "A session"), for users of user.h. Everything that the
 * server says is checked: its place in the session, its MACs, its answer. */
#include <string.h>

#include "parts.h"

static size_t send_frame(struct bench_session *s, uint8_t type,
			 const struct kiln_keys_message *message, uint8_t *out)
{
	const uint8_t *key =
	    kiln_keys_has_mac(type) ? kiln_keys_channel_key(&s->channel, type) : NULL;
	const size_t len =
	    kiln_keys_frame_write(type, s->id, s->sent++, message, key, out, BENCH_OUT_MAX);
	if (len == 0)
		bench_die("a frame cannot be written", NULL);
	return len;
}

size_t bench_session_begin(struct bench_session *s, struct bench_user *user, uint8_t *out)
{
	struct kiln_keys_message m = {
	    .flags = KILN_KEYS_FLAG_EXPORTER,
	    .name = {(const uint8_t *)s->name, s->name_len},
	};
	s->sent = s->received = 0;
	memcpy(m.registration_request, &user->request, sizeof m.registration_request);
	memcpy(m.ke1, &user->ke1, sizeof m.ke1);
	return send_frame(s, s->registration ? KILN_KEYS_REGISTER_START : KILN_KEYS_LOGIN_START, &m,
			  out);
}

static size_t upload(struct bench_session *s, struct bench_user *user, uint8_t *out)
{
	struct kiln_keys_message m = {0};
	memcpy(m.record, &user->record, sizeof m.record);
	memcpy(m.ke1, &user->ke1, sizeof m.ke1);
	return send_frame(s, KILN_KEYS_REGISTER_UPLOAD, &m, out);
}

static size_t answer_ke2(struct bench_session *s, struct bench_user *user, const uint8_t *exporter,
			 const uint8_t *bytes, uint8_t *out)
{
	struct kiln_keys_message m = {0};
	struct kiln_opaque_ke2 ke2;
	struct kiln_opaque_ke3 ke3;
	uint8_t context[KILN_KEYS_CONTEXT_MAX], session_key[KILN_OPAQUE_SESSION_KEY_SIZE];
	const struct kiln_opaque_parameters parameters = {
	    .context = {context, kiln_keys_context(s->id, exporter, context)},
	    .client_identity = {s->name, s->name_len},
	};
	memcpy(&ke2, bytes, sizeof ke2);
	if (!bench_user_finish(user, &parameters, &ke2, &ke3, session_key))
		bench_die("the server's MAC in KE2 does not hold", NULL);
	kiln_keys_channel_init(&s->channel, session_key, s->id);
	memcpy(m.ke3, &ke3, sizeof m.ke3);
	return send_frame(s, KILN_KEYS_KE3, &m, out);
}

static size_t ask(struct bench_session *s, const struct kiln_keys_message *opened, uint8_t *out)
{
	struct kiln_keys_message m = {.operation =
					  s->registration ? KILN_KEYS_COMPLETE : KILN_KEYS_NOTHING};
	memcpy(m.user_id, opened->user_id, sizeof m.user_id);
	memset(m.wrapped, 'w', sizeof m.wrapped);
	return send_frame(s, KILN_KEYS_REQUEST, &m, out);
}

/* Which frame comes when. */
static uint8_t expected(const struct bench_session *s)
{
	static const uint8_t login[] = {KILN_KEYS_KE2, KILN_KEYS_OPEN, KILN_KEYS_RESPONSE};
	static const uint8_t registration[] = {KILN_KEYS_REGISTER_RESPONSE, KILN_KEYS_KE2,
					       KILN_KEYS_OPEN, KILN_KEYS_RESPONSE};
	if (s->registration)
		return s->received < sizeof registration ? registration[s->received] : 0;
	return s->received < sizeof login ? login[s->received] : 0;
}

size_t bench_session_take(struct bench_session *s, struct bench_user *user, const uint8_t *exporter,
			  const uint8_t *whole, size_t len, uint8_t *out)
{
	struct kiln_keys_frame frame;
	struct kiln_keys_message m;
	if (!kiln_keys_frame_read(whole, len, &frame) ||
	    !kiln_keys_message_read(frame.type, frame.body, frame.body_len, &m))
		bench_die("a frame breaks its form", NULL);
	if (frame.type == KILN_KEYS_ERROR || frame.type == KILN_KEYS_FAILURE)
		bench_die(kiln_keys_error_name(m.code), NULL);
	if (frame.type != expected(s) || frame.sequence != s->received++)
		bench_die("a frame is not the one that was to come", NULL);
	if (kiln_keys_has_mac(frame.type) && !kiln_keys_frame_authentic(&frame, &s->channel))
		bench_die("a frame's MAC does not hold", NULL);
	switch (frame.type) {
	case KILN_KEYS_REGISTER_RESPONSE: return upload(s, user, out);
	case KILN_KEYS_KE2: return answer_ke2(s, user, exporter, m.ke2, out);
	case KILN_KEYS_OPEN: return ask(s, &m, out);
	default: return 0;
	}
}

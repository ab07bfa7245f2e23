/* SPDX-License-Identifier: Apache-2.0
 * Somebody who can do with frames what he likes: every byte changed, cut, made longer, sent twice,
 * out of order, into other sessions, back to where it came from. Nothing of that may come through.
 * "The key server MUST reject all messages that fail the MAC verification checks." */
#include "keys_rig.h"

#include "base/bytes.h"
#include "keys/client_inner.h"

#define NAME "ada"
#define PASS "correct horse"

static const struct kiln_keys_ask generate = {.operation = KILN_KEYS_GENERATE};

static void init(struct rig *rig)
{
	rig_init(rig);
	for (size_t i = 1; i < 5; i++)
		rig->options.limits[i] = (struct kiln_keys_limit){1000000, 1, 1, 1};
	rig_start(rig);
}

/* A session from its first frame to its last, under the tap. */
static enum kiln_keys_step whole_session(struct rig *rig, bool registration)
{
	struct rig_link link;
	struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	options.registration = registration;
	rig_connect(&link, rig, 1, NULL);
	(void)rig_client(&link, &options);
	rig->frames[0] = rig->frames[1] = 0;
	enum kiln_keys_step step = rig_run(&link);
	if (step == KILN_KEYS_WANT_REQUEST)
		step = rig_ask(&link, &generate);
	rig_disconnect(&link);
	return step;
}

static bool is_target(const struct rig *rig, bool to_server)
{
	return (int)rig->frames[to_server] == rig->tap_frame / 2 &&
	       to_server == (rig->tap_frame % 2 == 1);
}

static void flip(struct rig *rig, bool to_server, uint8_t *frame, size_t *len)
{
	if (is_target(rig, to_server) && rig->tap_byte < *len)
		frame[rig->tap_byte] ^= (uint8_t)(1u << (rig->tap_byte % 8));
}

static void cut(struct rig *rig, bool to_server, uint8_t *frame, size_t *len)
{
	if (!is_target(rig, to_server))
		return;
	*len -= rig->tap_byte;
	kiln_store_be32(frame, (uint32_t)(*len - 4));
}

static void extend(struct rig *rig, bool to_server, uint8_t *frame, size_t *len)
{
	if (!is_target(rig, to_server))
		return;
	memset(frame + *len, 0, rig->tap_byte);
	*len += rig->tap_byte;
	kiln_store_be32(frame, (uint32_t)(*len - 4));
}

/* How long each frame of a session is, by what tap_frame says. */
static size_t lengths(bool registration, size_t length[16])
{
	struct rig rig;
	unsigned seen[2] = {0, 0};
	init(&rig);
	if (!registration)
		rig_register(&rig, NAME, PASS);
	rig.log_count = 0;
	assert_int_equal(whole_session(&rig, registration), KILN_KEYS_DONE);
	memset(length, 0, 16 * sizeof *length);
	for (size_t i = 0; i < rig.log_count; i++)
		length[2 * seen[rig.log[i].to_server]++ + rig.log[i].to_server] = rig.log[i].len;
	rig_end(&rig);
	return 2 * (size_t)seen[1];
}

static void each(bool registration, size_t most,
		 void (*tap)(struct rig *, bool, uint8_t *, size_t *))
{
	size_t length[16];
	const size_t count = lengths(registration, length);
	assert_int_equal(count, 8);
	struct rig rig;
	init(&rig);
	if (!registration)
		rig_register(&rig, NAME, PASS);
	for (size_t f = 0; f < count; f++) {
		assert_true(length[f] > 0);
		const size_t bytes = most != 0 ? most + 1 : length[f];
		for (size_t b = most != 0 ? 1 : 0; b < bytes; b++) {
			rig.tap = tap;
			rig.tap_frame = (int)f;
			rig.tap_byte = b;
			if (whole_session(&rig, registration) == KILN_KEYS_DONE)
				fail_msg("frame %zu, byte %zu came through", f, b);
			/* Only when the very last answer was lost was something done. */
			if (f + 2 < count || f % 2 == 1)
				assert_int_equal(registration ? rig.store->now.user_count
							      : rig.store->now.key_count,
						 0);
			rig.store->now.key_count = 0;
			if (registration)
				rig.store->now.user_count = 0;
			rig.store->now.line_count = 0;
			rig.store->now.bucket_count = 0;
		}
	}
	rig.tap = NULL;
	assert_int_equal(whole_session(&rig, registration), KILN_KEYS_DONE);
	rig_end(&rig);
}

static void test_every_byte(void **state)
{
	(void)state;
	each(true, 0, flip);
	each(false, 0, flip);
}

static void test_cut(void **state)
{
	(void)state;
	each(true, 24, cut);
	each(false, 24, cut);
}

static void test_longer(void **state)
{
	(void)state;
	each(true, 40, extend);
	each(false, 40, extend);
}

/* ---- frames of one's own making ------------------------------------------------------------- */

struct open {
	struct rig rig;
	struct rig_link link;
	uint8_t answer[1024];
	size_t len;
};

static void open_session(struct open *o)
{
	init(&o->rig);
	rig_register(&o->rig, NAME, PASS);
	rig_login(&o->link, &o->rig, NAME, PASS);
}

static void close_session(struct open *o)
{
	rig_disconnect(&o->link);
	rig_end(&o->rig);
}

/* A frame by the client's keys. */
static size_t make(const struct rig_link *link, uint8_t type, uint64_t sequence,
		   const struct kiln_keys_message *m, uint8_t frame[1024])
{
	return kiln_keys_frame_write(type, link->client->id, sequence, m,
				     kiln_keys_channel_key(&link->client->channel, type), frame,
				     1024);
}

static unsigned send_frame(struct open *o, uint8_t *frame, size_t len)
{
	assert_true(len > 0);
	o->len = rig_raw(&o->link, frame, len, o->answer, sizeof o->answer);
	return rig_error_code(o->answer, o->len);
}

static struct kiln_keys_message request(const struct rig_link *link, uint8_t operation)
{
	struct kiln_keys_message m = {.operation = operation};
	memcpy(m.user_id, kiln_keys_client_answer(link->client)->user_id, sizeof m.user_id);
	return m;
}

static size_t refused(const struct open *o, uint8_t action, uint16_t outcome)
{
	return memory_count_lines(o->rig.store, rig_user(&o->rig, NAME)->user_id, action, outcome);
}

static void assert_gone(struct open *o)
{
	uint8_t frame[1024];
	const struct kiln_keys_message m = request(&o->link, KILN_KEYS_GENERATE_SERVER);
	const size_t len = make(&o->link, KILN_KEYS_REQUEST, 2, &m, frame);
	assert_int_equal(send_frame(o, frame, len), KILN_KEYS_UNKNOWN_SESSION);
	assert_int_equal(o->rig.store->now.key_count, 0);
}

/* A bad MAC ends the session, and is written down. */
static void test_bad_mac(void **state)
{
	struct open o;
	uint8_t frame[1024];
	(void)state;
	open_session(&o);
	const struct kiln_keys_message m = request(&o.link, KILN_KEYS_GENERATE_SERVER);
	const size_t len = make(&o.link, KILN_KEYS_REQUEST, 2, &m, frame);
	frame[len - 1] ^= 0x80;
	assert_int_equal(send_frame(&o, frame, len), KILN_KEYS_BAD_MAC);
	assert_int_equal(o.answer[4], KILN_KEYS_FAILURE);
	assert_int_equal(refused(&o, KILN_KEYS_DID_REQUEST, KILN_KEYS_BAD_MAC), 1);
	assert_gone(&o);
	close_session(&o);
}

/* "The client may send a single request"; "MUST close the session upon completion". */
static void test_second_request(void **state)
{
	struct open o;
	uint8_t frame[1024];
	(void)state;
	open_session(&o);
	struct kiln_keys_message m = request(&o.link, KILN_KEYS_NOTHING);
	size_t len = make(&o.link, KILN_KEYS_REQUEST, 2, &m, frame);
	assert_int_equal(send_frame(&o, frame, len), 0);
	assert_int_equal(o.answer[4], KILN_KEYS_RESPONSE);
	m = request(&o.link, KILN_KEYS_GENERATE_SERVER);
	len = make(&o.link, KILN_KEYS_REQUEST, 3, &m, frame);
	assert_int_equal(send_frame(&o, frame, len), KILN_KEYS_SESSION_CLOSED);
	assert_int_equal(refused(&o, KILN_KEYS_DID_REQUEST, KILN_KEYS_SESSION_CLOSED), 1);
	assert_gone(&o);
	close_session(&o);
}

/* Replayed, and out of order. */
static void test_sequence(void **state)
{
	uint8_t frame[1024];
	(void)state;
	for (uint64_t number = 0; number < 6; number++) {
		struct open o;
		if (number == 2)
			continue; /* the right one */
		open_session(&o);
		const struct kiln_keys_message m = request(&o.link, KILN_KEYS_GENERATE_SERVER);
		const size_t len = make(&o.link, KILN_KEYS_REQUEST, number, &m, frame);
		assert_int_equal(send_frame(&o, frame, len), KILN_KEYS_UNEXPECTED);
		assert_gone(&o);
		close_session(&o);
	}
}

static void test_replay(void **state)
{
	struct open o;
	uint8_t frame[1024];
	(void)state;
	open_session(&o);
	const struct kiln_keys_message m = request(&o.link, KILN_KEYS_GENERATE_SERVER);
	const size_t len = make(&o.link, KILN_KEYS_REQUEST, 2, &m, frame);
	assert_int_equal(send_frame(&o, frame, len), 0);
	assert_int_equal(send_frame(&o, frame, len), KILN_KEYS_UNEXPECTED);
	assert_int_equal(o.rig.store->now.key_count, 1);
	/* The whole recorded login, again, on a connection of its own. */
	struct rig_link again;
	rig_connect(&again, &o.rig, 1, NULL);
	for (size_t i = 0; i < o.rig.log_count; i++)
		if (o.rig.log[i].to_server)
			(void)rig_raw(&again, o.rig.log[i].bytes, o.rig.log[i].len, o.answer,
				      sizeof o.answer);
	assert_int_equal(kiln_keys_server_count(o.rig.server).open, 0);
	assert_int_equal(o.rig.store->now.user_count, 1);
	rig_disconnect(&again);
	close_session(&o);
}

/* A good frame of one session under the id of another, and one sent over another's connection. */
static void test_splice(void **state)
{
	struct open o;
	struct rig_link other;
	uint8_t frame[1024];
	(void)state;
	open_session(&o);
	rig_login(&other, &o.rig, NAME, PASS);
	const struct kiln_keys_message m = request(&o.link, KILN_KEYS_GENERATE_SERVER);
	size_t len = make(&o.link, KILN_KEYS_REQUEST, 2, &m, frame);
	memcpy(frame + 5, other.client->id, 16);
	o.len = rig_raw(&other, frame, len, o.answer, sizeof o.answer);
	assert_int_equal(rig_error_code(o.answer, o.len), KILN_KEYS_BAD_MAC);
	len = make(&o.link, KILN_KEYS_REQUEST, 2, &m, frame);
	o.len = rig_raw(&other, frame, len, o.answer, sizeof o.answer);
	assert_int_equal(rig_error_code(o.answer, o.len), KILN_KEYS_UNKNOWN_SESSION);
	assert_int_equal(o.rig.store->now.key_count, 0);
	assert_int_equal(send_frame(&o, frame, len), 0); /* it did no harm */
	rig_disconnect(&other);
	close_session(&o);
}

/* KE2 of one session given to another: OPAQUE's context has the session's id. */
static void test_splice_ke2(void **state)
{
	struct rig rig;
	struct rig_link a, b;
	(void)state;
	init(&rig);
	rig_register(&rig, NAME, PASS);
	const struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	rig_connect(&a, &rig, 1, NULL);
	rig_connect(&b, &rig, 1, NULL);
	(void)rig_client(&a, &options);
	(void)rig_client(&b, &options);
	uint8_t copy[1024], answer[1024];
	size_t len, consumed;
	/* b's KE1, in a session with b's id: the same KE1 in a's gives another KE2. */
	const uint8_t *out = kiln_keys_client_output(b.client, &len);
	memcpy(copy, out, len);
	memcpy(copy + 5, a.client->id, 16);
	const size_t n = rig_raw(&a, copy, len, answer, sizeof answer);
	assert_int_equal(answer[4], KILN_KEYS_KE2);
	memcpy(answer + 5, b.client->id, 16);
	assert_int_equal(kiln_keys_client_feed(b.client, answer, n, &consumed),
			 KILN_KEYS_WANT_STRETCH);
	assert_int_equal(kiln_keys_client_stretch(b.client), KILN_KEYS_BROKEN);
	assert_int_equal(kiln_keys_client_error(b.client, NULL)->code, KILN_E_KEYS_PASSWORD);
	rig_disconnect(&a);
	rig_disconnect(&b);
	rig_end(&rig);
}

/* The server's frames back to the server, the client's to the client. */
static void test_reflection(void **state)
{
	struct open o;
	(void)state;
	open_session(&o);
	for (size_t i = 0; i < o.rig.log_count; i++) {
		size_t consumed;
		const struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
		struct kiln_keys_client *c = kiln_keys_client_new(&options, NULL);
		assert_non_null(c);
		if (!o.rig.log[i].to_server) {
			const unsigned code = send_frame(&o, o.rig.log[i].bytes, o.rig.log[i].len);
			assert_true(code != 0);
		}
		memcpy(c->id, o.rig.log[i].bytes + 5, 16);
		if (o.rig.log[i].to_server)
			assert_int_equal(kiln_keys_client_feed(c, o.rig.log[i].bytes,
							       o.rig.log[i].len, &consumed),
					 KILN_KEYS_BROKEN);
		kiln_keys_client_free(c);
	}
	assert_int_equal(kiln_keys_server_count(o.rig.server).open, 0);
	close_session(&o);
}

/* The request's user_id must be the session's; a request session completes no registration. */
static void test_not_its_own(void **state)
{
	struct open o;
	uint8_t frame[1024];
	(void)state;
	open_session(&o);
	struct kiln_keys_message m = request(&o.link, KILN_KEYS_GENERATE_SERVER);
	m.user_id[31] ^= 1;
	size_t len = make(&o.link, KILN_KEYS_REQUEST, 2, &m, frame);
	assert_int_equal(send_frame(&o, frame, len), KILN_KEYS_REFUSED);
	assert_gone(&o);
	close_session(&o);
	open_session(&o);
	m = request(&o.link, KILN_KEYS_COMPLETE);
	len = make(&o.link, KILN_KEYS_REQUEST, 2, &m, frame);
	assert_int_equal(send_frame(&o, frame, len), KILN_KEYS_UNEXPECTED);
	assert_gone(&o);
	close_session(&o);
}

/* "The only valid request for a registration is a request to complete registration." */
static void other_request(struct rig *rig, bool to_server, uint8_t *frame, size_t *len)
{
	if (to_server && frame[4] == KILN_KEYS_REQUEST) {
		struct kiln_keys_message m = {.operation = KILN_KEYS_GENERATE_SERVER};
		const struct rig_link *link = rig->tap_link;
		memcpy(m.user_id, kiln_keys_client_answer(link->client)->user_id, 32);
		*len = make(link, KILN_KEYS_REQUEST, 3, &m, frame);
	}
}

static void test_registration_only(void **state)
{
	struct rig rig;
	struct rig_link link;
	struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	(void)state;
	init(&rig);
	options.registration = true;
	rig_connect(&link, &rig, 1, NULL);
	(void)rig_client(&link, &options);
	rig.tap_link = &link;
	rig.tap = other_request;
	assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
	assert_int_equal(rig.event.outcome, KILN_KEYS_UNEXPECTED);
	assert_int_equal(rig.store->now.user_count, 0);
	assert_int_equal(rig.store->now.key_count, 0);
	rig_disconnect(&link);
	rig_end(&rig);
}

/* Every type in every state of a login: only one is taken in each. */
static void test_states(void **state)
{
	uint8_t frame[1024];
	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		struct open o;
		struct kiln_keys_message m;
		bool fits;
		if (type == KILN_KEYS_REQUEST || type == KILN_KEYS_RESUME)
			continue;
		open_session(&o);
		m = request(&o.link, KILN_KEYS_NOTHING);
		m.name = (struct kiln_keys_list){(const uint8_t *)NAME, 3};
		size_t len = KILN_KEYS_HEADER_LEN +
			     kiln_keys_message_write((uint8_t)type, &m, frame + 29, 900, &fits);
		kiln_store_be32(frame, (uint32_t)(len - 4));
		frame[4] = (uint8_t)type;
		memcpy(frame + 5, o.link.client->id, 16);
		kiln_store_be64(frame + 21, 2);
		const unsigned code = send_frame(&o, frame, len);
		if (type == KILN_KEYS_REGISTER_START || type == KILN_KEYS_LOGIN_START)
			assert_int_equal(code, KILN_KEYS_SESSION_EXISTS);
		else
			assert_int_equal(code,
					 type >= 0x40 ? KILN_KEYS_BAD_MAC : KILN_KEYS_UNEXPECTED);
		close_session(&o);
	}
}

static void test_lengths(void **state)
{
	static const uint32_t bad[] = {0, 1, 24, 16385, 0x01000000, 0xffffffff};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct open o;
		uint8_t length[4];
		open_session(&o);
		kiln_store_be32(length, bad[i]);
		assert_int_equal(send_frame(&o, length, 4), KILN_KEYS_MALFORMED);
		assert_true(kiln_keys_conn_ending(o.link.conn));
		close_session(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_byte),     cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_longer),         cmocka_unit_test(test_bad_mac),
	    cmocka_unit_test(test_second_request), cmocka_unit_test(test_sequence),
	    cmocka_unit_test(test_replay),         cmocka_unit_test(test_splice),
	    cmocka_unit_test(test_splice_ke2),     cmocka_unit_test(test_reflection),
	    cmocka_unit_test(test_not_its_own),    cmocka_unit_test(test_registration_only),
	    cmocka_unit_test(test_states),         cmocka_unit_test(test_lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * After the handshake: Kiln's record layer against OpenSSL's, for the three suites, in both roles
 * and directions, with key updates from either side. */
#include "tls_pair.h"

static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
				     "TLS_CHACHA20_POLY1305_SHA256"};
static const size_t sizes[] = {1, 2, 100, 16383, 16384};

static uint8_t data[KILN_RECORD_PLAIN_MAX], out[KILN_RECORD_MAX];
static struct pair pair;

static void fill(void)
{
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 5 + (i >> 7));
}

static void start(int role, const char *suite, unsigned tickets)
{
	struct kiln_tls_options options =
	    role == KILN_SERVER ? pair_server_options() : pair_client_options();
	struct tls_peer_options peer =
	    role == KILN_SERVER ? pair_client_peer() : pair_server_peer();
	options.cipher_suites = suite;
	peer.tickets = tickets;
	pair_open(&pair, &options, &peer);
	pair_run(&pair, SIZE_MAX);
	pair_assert_done(&pair);
	assert_string_equal(kiln_suite_name(pair.session.suite), suite);
	kiln_handshake_free(pair.hs); /* the session lives without it */
	pair.hs = NULL;
}

static void kiln_says(uint8_t type, const uint8_t *bytes, size_t len)
{
	uint8_t record[KILN_RECORD_MAX];
	size_t n;
	assert_int_equal(kiln_traffic_seal(&pair.session.tx, type, bytes, len, record, &n, NULL),
			 KILN_OK);
	tls_peer_put(&pair.peer, record, n);
}

static void peer_hears(size_t len)
{
	static uint8_t got[KILN_RECORD_PLAIN_MAX + 1];
	bool closed;
	assert_int_equal(tls_peer_read(&pair.peer, got, sizeof got, &closed), len);
	assert_memory_equal(got, data, len);
	assert_false(closed);
}

/* The next record of the peer; its content is in out. */
static size_t kiln_hears(uint8_t want_type)
{
	size_t length, n;
	uint8_t type;
	pair_take(&pair);
	assert_int_equal(kiln_record_length(pair.to_kiln.data, pair.to_kiln.len, &length, NULL),
			 KILN_OK);
	assert_in_range(length, 1, pair.to_kiln.len);
	assert_int_equal(
	    kiln_traffic_open(&pair.session.rx, pair.to_kiln.data, length, out, &n, &type, NULL),
	    KILN_OK);
	assert_int_equal(type, want_type);
	wire_drop(&pair.to_kiln, length);
	return n;
}

static void both_ways(void)
{
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		kiln_says(KILN_RECORD_DATA, data, sizes[i]);
		peer_hears(sizes[i]);
		tls_peer_write(&pair.peer, data, sizes[i]);
		assert_int_equal(kiln_hears(KILN_RECORD_DATA), sizes[i]);
		assert_memory_equal(out, data, sizes[i]);
	}
	kiln_says(KILN_RECORD_DATA, data, 0); /* an empty record brings nothing */
	peer_hears(0);
}

static void close_both(void)
{
	struct kiln_control control;
	static const uint8_t close_notify[] = {1, 0};
	bool closed;
	assert_int_equal(SSL_shutdown(pair.peer.ssl), 0);
	const size_t n = kiln_hears(KILN_RECORD_ALERT);
	assert_int_equal(
	    kiln_traffic_control(&pair.session.rx, KILN_RECORD_ALERT, out, n, &control, NULL),
	    KILN_OK);
	assert_true(control.close_notify);
	kiln_says(KILN_RECORD_ALERT, close_notify, 2);
	(void)tls_peer_read(&pair.peer, out, sizeof out, &closed);
	assert_true(closed);
	assert_int_equal(pair.to_kiln.len, 0);
	pair_close(&pair);
}

static void test_data(void **state)
{
	(void)state;
	for (int role = KILN_CLIENT; role <= KILN_SERVER; role++)
		for (int s = 0; s < 3; s++) {
			start(role, suites[s], 0);
			both_ways();
			close_both();
		}
}

/* OpenSSL's padding: block_padding of the peer's records. */
static void test_padded_by_openssl(void **state)
{
	(void)state;
	for (int s = 0; s < 3; s++) {
		start(KILN_SERVER, suites[s], 0);
		assert_int_equal(SSL_set_block_padding(pair.peer.ssl, 512), 1);
		both_ways();
		close_both();
	}
}

static void peer_updates(int kind)
{
	struct kiln_control control;
	assert_int_equal(SSL_key_update(pair.peer.ssl, kind), 1);
	assert_int_equal(SSL_do_handshake(pair.peer.ssl), 1);
	const size_t n = kiln_hears(KILN_RECORD_HANDSHAKE);
	assert_int_equal(
	    kiln_traffic_control(&pair.session.rx, KILN_RECORD_HANDSHAKE, out, n, &control, NULL),
	    KILN_OK);
	assert_true(control.key_update);
	assert_int_equal(control.update_requested, kind == SSL_KEY_UPDATE_REQUESTED);
	assert_int_equal(kiln_traffic_update(&pair.session.rx, NULL), KILN_OK);
}

static void kiln_updates(bool request)
{
	uint8_t message[KILN_KEY_UPDATE_LEN];
	kiln_key_update_message(message, request);
	kiln_says(KILN_RECORD_HANDSHAKE, message, sizeof message);
	assert_int_equal(kiln_traffic_update(&pair.session.tx, NULL), KILN_OK);
	peer_hears(0);
}

static void test_peer_updates(void **state)
{
	(void)state;
	for (int role = KILN_CLIENT; role <= KILN_SERVER; role++)
		for (int s = 0; s < 3; s++) {
			start(role, suites[s], 0);
			for (int i = 0; i < 5; i++) {
				peer_updates(SSL_KEY_UPDATE_NOT_REQUESTED);
				both_ways();
				peer_updates(SSL_KEY_UPDATE_REQUESTED);
				kiln_updates(false);
				both_ways();
			}
			assert_int_equal(pair.session.rx.key_updates, 10);
			close_both();
		}
}

/* OpenSSL answers our request before it sends anything else. */
static void test_kiln_updates(void **state)
{
	(void)state;
	for (int role = KILN_CLIENT; role <= KILN_SERVER; role++)
		for (int s = 0; s < 3; s++) {
			start(role, suites[s], 0);
			for (int i = 0; i < 5; i++) {
				struct kiln_control control;
				kiln_updates(true);
				tls_peer_write(&pair.peer, data, 10);
				const size_t n = kiln_hears(KILN_RECORD_HANDSHAKE);
				assert_int_equal(kiln_traffic_control(&pair.session.rx,
								      KILN_RECORD_HANDSHAKE, out, n,
								      &control, NULL),
						 KILN_OK);
				assert_true(control.key_update && !control.update_requested);
				assert_int_equal(kiln_traffic_update(&pair.session.rx, NULL),
						 KILN_OK);
				assert_int_equal(kiln_hears(KILN_RECORD_DATA), 10);
				both_ways();
			}
			close_both();
		}
}

/* Tickets of an OpenSSL server come as the first records, and are skipped. */
static void test_tickets(void **state)
{
	(void)state;
	start(KILN_CLIENT, suites[0], 2);
	unsigned tickets = 0;
	for (int i = 0; i < 2; i++) {
		struct kiln_control control;
		const size_t n = kiln_hears(KILN_RECORD_HANDSHAKE);
		assert_int_equal(kiln_traffic_control(&pair.session.rx, KILN_RECORD_HANDSHAKE, out,
						      n, &control, NULL),
				 KILN_OK);
		tickets += control.tickets;
	}
	assert_int_equal(tickets, 2);
	both_ways();
	close_both();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_data),         cmocka_unit_test(test_padded_by_openssl),
	    cmocka_unit_test(test_peer_updates), cmocka_unit_test(test_kiln_updates),
	    cmocka_unit_test(test_tickets),
	};
	fill();
	return cmocka_run_group_tests_name("tls: against OpenSSL", tests, pair_make_certificates,
					   pair_free_certificates);
}

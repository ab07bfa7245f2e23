/* SPDX-License-Identifier: Apache-2.0
 * The relay against a model: both sides say random pieces, the engine answers in random order with
 * random short sends, cancels come when they come, keys change in between. Whatever the order,
 * bytes out are bytes in, both ways, and nothing is held at the end.
 *
 *   unit_relay_random [first seed [runs]]     a failure prints its seed
 */
#include "relay_rig.h"

#include <stdio.h>

#define SAY_MAX 40000u /* longest piece */

static struct rig rig;
static uint64_t seed, state;
static uint64_t first_seed = 1, runs = 3000;

/* xorshift64*: the same runs everywhere. */
static uint32_t random_below(uint32_t limit)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * UINT64_C(2685821657736338717)) >> 33) % limit;
}

/* What one side says in all, and how far it got. Content is a function of the position. */
struct script {
	size_t total, said;
	bool ended;
};

static uint8_t byte_at(size_t at, uint8_t salt)
{
	return (uint8_t)(at * 167 + (at >> 8) * 13 + salt);
}

static size_t next_piece(struct script *script, uint8_t *out, size_t max, uint8_t salt)
{
	static const uint32_t sizes[] = {1, 30, 1500, 16384, SAY_MAX};
	size_t n = 1 + random_below(sizes[random_below(5)]);
	if (n > script->total - script->said)
		n = script->total - script->said;
	if (n > max)
		n = max;
	for (size_t i = 0; i < n; i++)
		out[i] = byte_at(script->said + i, salt);
	script->said += n;
	return n;
}

static bool listens(const struct kiln_op *op)
{
	/* While a cancel is under way, bytes may still come in front of it. */
	return op->armed && (!op->cancelling || random_below(4) == 0);
}

static void peer_speaks(struct script *peer)
{
	uint8_t piece[KILN_RECORD_PLAIN_MAX];
	if (peer->said < peer->total) {
		const size_t n = next_piece(peer, piece, sizeof piece, 1);
		if (rig.kernel)
			script_give(&rig.io, &rig.conn->tls_in, piece, n, KILN_RECORD_DATA);
		else
			rig_peer_seals(&rig, KILN_RECORD_DATA, piece, n);
		return;
	}
	if (peer->ended)
		return;
	peer->ended = true;
	const uint8_t close_notify[] = {1, 0};
	if (rig.kernel)
		rig_peer_says(&rig, KILN_RECORD_ALERT, close_notify, 2);
	else
		rig_peer_seals(&rig, KILN_RECORD_ALERT, close_notify, 2);
}

static void peer_updates(const struct script *peer)
{
	const uint8_t update[] = {24, 0, 0, 1, (uint8_t)random_below(2)};
	if (peer->ended || rig.conn->rx.useless > 20 || rig_sys.sets + 4 > RIG_CALLS)
		return;
	if (rig.kernel)
		rig_peer_says(&rig, KILN_RECORD_HANDSHAKE, update, sizeof update);
	else
		rig_peer_seals(&rig, KILN_RECORD_HANDSHAKE, update, sizeof update);
	assert_int_equal(kiln_traffic_update(&rig.peer_tx, NULL), KILN_OK);
}

/* Sealed bytes come in any cut, up to what a receive may bring. */
static void wire_moves(void)
{
	const uint32_t most = rig.from_peer.len < 65536 ? (uint32_t)rig.from_peer.len : 65536;
	if (most > 0 && listens(&rig.conn->tls_in))
		rig_peer_gives(&rig,
			       1 + random_below(random_below(2) ? most : (most < 40 ? most : 40)));
}

static size_t random_share(const struct kiln_op *op)
{
	if (op->kind == KILN_OP_SEND_RECORD)
		return op->len;
	return random_below(3) == 0 ? op->len : 1 + random_below(op->len);
}

static void answer_cancel(struct kiln_op *op)
{
	if (op->armed && op->cancelling)
		script_cancelled(&rig.io, op);
}

/* One random thing; a receive or send gets at most one last answer a turn. */
static void one_step(struct script *peer, struct script *target)
{
	uint8_t piece[SAY_MAX];
	struct kiln_link *conn = rig.conn;
	const bool held = rig.kernel && !listens(&conn->tls_in);
	switch (random_below(8)) {
	case 0:
		if (!held)
			peer_speaks(peer);
		break;
	case 1:
		if (!held && random_below(8) == 0)
			peer_updates(peer);
		break;
	case 2:
	case 3: wire_moves(); break;
	case 4:
		if (!listens(&conn->plain_in))
			break;
		if (target->said < target->total) {
			rig_plain_says(&rig, piece, next_piece(target, piece, sizeof piece, 2));
		} else if (!target->ended) {
			target->ended = true;
			rig_plain_ends(&rig, 0);
		}
		break;
	case 5:
		if (conn->plain_out.armed)
			rig_plain_takes(&rig, random_share(&conn->plain_out));
		break;
	case 6:
		if (conn->tls_out.armed)
			rig_peer_takes(&rig, random_share(&conn->tls_out));
		break;
	default:
		answer_cancel(&conn->tls_in);
		answer_cancel(&conn->plain_in);
		break;
	}
	rig_turn(&rig);
}

static void check_bytes(const struct wire *wire, size_t total, uint8_t salt)
{
	assert_int_equal(wire->len, total);
	for (size_t i = 0; i < total; i++)
		if (wire->data[i] != byte_at(i, salt))
			fail_msg("byte %zu is wrong", i);
}

static void one_run(void)
{
	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	struct script peer = {.total = random_below(200000)};
	struct script target = {.total = random_below(200000)};
	rig_open(&rig, KILN_SERVER);
	rig_relay(&rig, seed % 2 == 0, NULL);
	rig.io.late_cancel = true;
	if (random_below(4) == 0 && !rig.kernel)
		rig.conn->tx.limit = 1 + random_below(8);
	unsigned steps = 0, held = 0;
	for (; rig.conn != NULL && steps < 200000; steps++) {
		one_step(&peer, &target);
		held = rig.worker.pool.in_use > held ? rig.worker.pool.in_use : held;
	}
	assert_null(rig.conn);
	assert_int_equal(rig_ended.code, KILN_OK);
	check_bytes(&rig.plain_got, peer.total, 1);
	check_bytes(&rig.peer_got, target.total, 2);
	assert_true(rig.peer_close_notify);
	assert_int_equal(rig_ended.bytes_up, peer.total);
	assert_int_equal(rig_ended.bytes_down, target.total);
	/* Per direction: one being sent, two waiting, and what came in front of a late cancel. */
	assert_in_range(held, 0, 24);
	rig_close(&rig);
}

static void test_random_runs(void **unused)
{
	(void)unused;
	for (seed = first_seed; seed < first_seed + runs; seed++)
		one_run();
}

/* cmocka leaves the test by longjmp: the seed is told here. */
static int tell_seed(void **unused)
{
	(void)unused;
	if (seed < first_seed + runs)
		print_error("the run that failed: unit_relay_random %llu 1\n",
			    (unsigned long long)seed);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_random_runs, tell_seed),
	};
	if (argc > 1)
		first_seed = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		runs = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests_name("relay: random", tests, NULL, NULL);
}

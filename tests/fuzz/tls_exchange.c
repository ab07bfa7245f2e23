/* SPDX-License-Identifier: Apache-2.0
 * A real handshake between Kiln and Kiln, over a wire that the input spoils.
 * Run: fuzz_tls_exchange tests/fuzz/corpus/tls_exchange
 *
 * Input: which end is watched, in what pieces it is fed, then edits to the bytes on their way. A
 * watched end that finishes must have agreed with the other on every byte: their keys fit. */
#include "fuzz.h"

#include <kiln/tls.h>

#include "tls_certs.h"

#define WIRE_MAX 65536u

static struct kiln_tls_config *server_config, *client_config;

struct end {
	struct kiln_handshake *hs;
	enum kiln_step step;
	uint8_t wire[WIRE_MAX]; /* to this end */
	size_t wire_len;
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	struct identity *ca = identity_new(&(struct cert_spec){.cn = "CA", .ca = true}, NULL);
	struct identity *id =
	    identity_new(&(struct cert_spec){.cn = "x", .san = "DNS:server.example"}, ca);
	struct kiln_tls_options options = {
	    .role = KILN_SERVER,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .allow_any = true,
	    .cert_pem = id->cert_pem,
	    .cert_len = id->cert_len,
	    .key_pem = id->key_pem,
	    .key_len = id->key_len,
	    .ca_pem = ca->cert_pem,
	    .ca_len = ca->cert_len,
	};
	server_config = kiln_tls_config_new(&options, NULL);
	options.role = KILN_CLIENT;
	options.allow_any = false;
	options.verify_name = options.server_name = "server.example";
	client_config = kiln_tls_config_new(&options, NULL);
	require(server_config != NULL && client_config != NULL);
	identity_free(id);
	identity_free(ca);
	return 0;
}

/* One edit: flip, drop or insert a byte, or repeat some. */
static void spoil(struct fuzz_input *in, struct end *to)
{
	if (in->left < 4 || to->wire_len == 0)
		return;
	const uint8_t how = fuzz_byte(in);
	const size_t at = fuzz_short(in) % to->wire_len;
	const uint8_t value = fuzz_byte(in);
	const size_t behind = to->wire_len - at;
	switch (how % 8) {
	case 0: to->wire[at] ^= value; break;
	case 1: to->wire[at] = value; break;
	case 2:
		memmove(to->wire + at, to->wire + at + 1, behind - 1);
		to->wire_len--;
		break;
	case 3:
		if (to->wire_len == WIRE_MAX)
			break;
		memmove(to->wire + at + 1, to->wire + at, behind);
		to->wire[at] = value;
		to->wire_len++;
		break;
	case 4:
		if (to->wire_len + behind > WIRE_MAX)
			break;
		memmove(to->wire + at + behind, to->wire + at, behind);
		to->wire_len += behind;
		break;
	case 5: to->wire_len = at; break;
	default: break; /* left alone, for a while */
	}
}

static void feed(struct end *end, size_t piece, struct end *other)
{
	size_t len = end->wire_len < piece ? end->wire_len : piece, consumed, out_len;
	struct kiln_error err = {0};
	uint8_t *copy = malloc(len > 0 ? len : 1);
	require(copy != NULL);
	memcpy(copy, end->wire, len);
	end->step = kiln_handshake_step(end->hs, len > 0 ? copy : NULL, len, &consumed, &err);
	free(copy);
	require(consumed <= len);
	require(end->step != KILN_STEP_FAILED || err.code != KILN_OK);
	memmove(end->wire, end->wire + consumed, end->wire_len - consumed);
	end->wire_len -= consumed;
	const uint8_t *out = kiln_handshake_output(end->hs, &out_len);
	if (out_len > 0 && other->wire_len + out_len <= WIRE_MAX) {
		memcpy(other->wire + other->wire_len, out, out_len);
		other->wire_len += out_len;
	}
	kiln_handshake_sent(end->hs, out_len);
}

static void require_same_keys(struct end *a, struct end *b)
{
	struct kiln_session x, y;
	uint8_t record[64], plain[64], type;
	size_t len, n;
	require(kiln_handshake_finish(a->hs, &x, NULL) == KILN_OK);
	require(kiln_handshake_finish(b->hs, &y, NULL) == KILN_OK);
	require(kiln_traffic_seal(&x.tx, 23, "x", 1, record, &len, NULL) == KILN_OK);
	require(kiln_traffic_open(&y.rx, record, len, plain, &n, &type, NULL) == KILN_OK);
	require(x.peer.present && y.peer.present);
	kiln_session_clear(&x);
	kiln_session_clear(&y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct end ends[2];
	struct fuzz_input in = {data, size};
	const unsigned watched = fuzz_byte(&in) % 2;
	const size_t piece = fuzz_byte(&in) * 8u + 1;
	const unsigned quiet = fuzz_byte(&in) % 8; /* deliveries before the edits begin */
	for (int i = 0; i < 2; i++) {
		ends[i].hs =
		    kiln_handshake_new(i == 0 ? client_config : server_config, CERT_NOW, NULL);
		require(ends[i].hs != NULL);
		ends[i].step = KILN_STEP_NEED_INPUT;
		ends[i].wire_len = 0;
	}
	feed(&ends[0], 0, &ends[1]);
	for (unsigned turn = 0; turn < 4000; turn++) {
		struct end *to = &ends[(turn + 1) % 2];
		if (to->step != KILN_STEP_NEED_INPUT || to->wire_len == 0) {
			if (ends[0].wire_len == 0 && ends[1].wire_len == 0)
				break;
			continue;
		}
		if ((turn + 1) % 2 == watched && turn / 2 >= quiet)
			spoil(&in, to);
		if (to->wire_len > 0)
			feed(to, (turn + 1) % 2 == watched ? piece : WIRE_MAX, &ends[turn % 2]);
	}
	if (ends[0].step == KILN_STEP_DONE && ends[1].step == KILN_STEP_DONE)
		require_same_keys(&ends[0], &ends[1]);
	kiln_handshake_free(ends[0].hs);
	kiln_handshake_free(ends[1].hs);
	return 0;
}

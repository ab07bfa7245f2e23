/* SPDX-License-Identifier: Apache-2.0
 * A hand-off message with everything in it. */
#ifndef KILN_TESTS_HANDOFF_SAMPLE_H
#define KILN_TESTS_HANDOFF_SAMPLE_H

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "handoff/message.h"

static inline void handoff_direction(struct kiln_handoff_direction *d, uint8_t seed)
{
	memset(d->secret, seed, 32);
	d->secret_len = 32;
	d->records = UINT64_C(0x0102030405060708) + seed;
	d->limit = UINT64_MAX - seed;
	d->key_updates = 7u + seed;
	memcpy(d->message, "\x18\0\0\1\0", 5);
	d->message_have = 3;
	d->message_left = 9;
	d->useless = 4;
}

static inline void handoff_sample(struct kiln_handoff_message *m, bool in_kernel)
{
	static const uint8_t early[] = "said too soon";
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(443)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(8443)};
	struct sockaddr_un path = {.sun_family = AF_UNIX, .sun_path = "/run/in"};
	memset(m, 0, sizeof *m);
	m->kind = KILN_HANDOFF_CONNECTION;
	m->number = 0x1122334455667788;
	m->info.id = 42;
	m->info.proof = KILN_PROOF_ROAST;
	four.sin_addr.s_addr = htonl(0xc0000207);
	six.sin6_addr.s6_addr[15] = 9;
	six.sin6_scope_id = 3;
	memcpy(&m->info.peer, &four, sizeof four);
	memcpy(&m->info.local, &six, sizeof six);
	memcpy(&m->info.client, &path, sizeof path);
	memcpy(&m->info.destination, &four, sizeof four);
	memcpy(m->info.exporter_label, KILN_HANDOFF_LABEL, sizeof KILN_HANDOFF_LABEL);
	m->in_kernel = in_kernel;
	m->suite = 0x1301;
	m->peer.present = true;
	memcpy(m->peer.subject, "CN=a", 5);
	memcpy(m->peer.common_name, "a", 2);
	memset(m->peer.name, 'n', sizeof m->peer.name - 1);
	memset(m->peer.spki, 0x5a, sizeof m->peer.spki);
	memcpy(m->role.role.partition, "aws", 4);
	memcpy(m->role.role.account, "123456789012", 13);
	memcpy(m->role.role.name, "Orders", 7);
	memcpy(m->role.session, "i-1", 4);
	m->role.bound = true;
	memcpy(m->server_name, "host", 5);
	memcpy(m->alpn, "kiln-keys/1", 12);
	memcpy(m->group, "X25519", 7);
	memset(m->exporter, 0xe7, sizeof m->exporter);
	if (!in_kernel) {
		memcpy(m->path_reason, "switched_off", 13);
		return;
	}
	handoff_direction(&m->rx, 1);
	handoff_direction(&m->tx, 2);
	m->rx_closed = m->update_wanted = true;
	m->early = early;
	m->early_len = sizeof early;
}

#endif

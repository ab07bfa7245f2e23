/* SPDX-License-Identifier: Apache-2.0
 * What a struct kiln_tls_config is made of; for lib/tls only. */
#ifndef KILN_TLS_CONFIG_H
#define KILN_TLS_CONFIG_H

#include <openssl/ssl.h>

#include <kiln/tls.h>

#define KILN_RULES_MAX 256u

struct kiln_access_list {
	struct kiln_access_rule *rules; /* values are owned */
	size_t count;
	bool allow_any;
};

struct kiln_tls_config {
	_Atomic unsigned refs; /* all else is only read once it is built */
	enum kiln_role role;
	enum kiln_peer_auth peer_auth;
	SSL_CTX *ctx;
	char *server_name; /* owned; NULL where there is none */
	char *verify_name;
	uint8_t *alpn; /* wire format, RFC 7301 3.1 */
	unsigned alpn_len;
	struct kiln_access_list access;
	bool bare; /* each handshake has an identity of its own: identity.h */
};

/* Reads the certificate into *peer; false when it cannot be read. */
bool kiln_peer_describe(const X509 *cert, struct kiln_peer *peer);

/* Copies a rule list. KILN_E_CONFIG names the rule that is bad. */
enum kiln_code kiln_access_copy(struct kiln_access_list *list,
				const struct kiln_tls_options *options,
				struct kiln_error *err) KILN_NODISCARD;
void kiln_access_clear(struct kiln_access_list *list);

/* May the owner of this certificate come in? KILN_E_ACCESS_DENIED says who it is and why not. */
enum kiln_code kiln_access_check(const struct kiln_access_list *list, const X509 *cert,
				 struct kiln_error *err) KILN_NODISCARD;

#endif

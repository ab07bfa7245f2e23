/* SPDX-License-Identifier: Apache-2.0
 * The handshaker's hooks into OpenSSL, set by config.c. */
#ifndef KILN_TLS_HANDSHAKE_H
#define KILN_TLS_HANDSHAKE_H

#include <openssl/ssl.h>

void kiln_handshake_keylog(const SSL *ssl, const char *line);
void kiln_handshake_info(const SSL *ssl, int where, int value);
int kiln_handshake_verify(int preverified, X509_STORE_CTX *store);

/* Instead of OpenSSL's verification, for a bare configuration: see identity.h. */
int kiln_handshake_verify_leaf(X509_STORE_CTX *store, void *unused);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * What OpenSSL leaves behind. OpenSSL 3.0 frees an SSL with the traffic and exporter secrets still
 * in it, and a private key's DER form while it reads one: later, whoever can read the heap could
 * open recorded connections. Between begin and end, what OpenSSL frees in this thread is wiped.
 */
#ifndef KILN_BASE_OPENSSL_MEMORY_H
#define KILN_BASE_OPENSSL_MEMORY_H

#include <stdbool.h>

/* Puts our free() under OpenSSL's. Only before OpenSSL's first allocation, so first thing in main;
 * false when it is too late, and then begin and end do nothing. A library has no such moment: it is
 * the program's choice. */
bool kiln_openssl_memory_take_over(void);

void kiln_openssl_wipe_begin(void);
void kiln_openssl_wipe_end(void);

#endif

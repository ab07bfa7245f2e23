/* SPDX-License-Identifier: Apache-2.0
 *
 * Users whose logins cost their client next to nothing, so that a server is what is measured: all
 * have one record, whose private key is known here, and every login begins with the same KE1, whose
 * key share is that same key. To a server they are like any others: it evaluates the OPRF under the
 * account's own key, computes its three products, and checks a KE3 that only who has the private
 * key can make. What is left out is the client's: password, OPRF and envelope.
 */
#ifndef KILN_BENCH_USER_H
#define KILN_BENCH_USER_H

#include <kiln/opaque.h>

struct bench_user {
	uint8_t private_key[KILN_OPAQUE_SCALAR_SIZE];
	struct kiln_opaque_registration_request request;
	struct kiln_opaque_registration_record record;
	struct kiln_opaque_ke1 ke1;
	uint8_t server_key[KILN_OPAQUE_ELEMENT_SIZE];  /* as the last KE2 had it */
	uint8_t with_server[KILN_OPAQUE_ELEMENT_SIZE]; /* the product with that */
	bool knows_server;
};

bool bench_user_init(struct bench_user *user);

/* What a client makes of KE2. False: the server's MAC does not hold. */
bool bench_user_finish(struct bench_user *user, const struct kiln_opaque_parameters *parameters,
		       const struct kiln_opaque_ke2 *ke2, struct kiln_opaque_ke3 *ke3,
		       uint8_t session_key[KILN_OPAQUE_SESSION_KEY_SIZE]);

/* The account name of number n; its length. */
#define BENCH_NAME_SIZE 64
size_t bench_user_name(unsigned long long n, const char *prefix, char out[BENCH_NAME_SIZE]);
#define BENCH_FILLED "user" /* prefix of the users that fill makes */

#endif

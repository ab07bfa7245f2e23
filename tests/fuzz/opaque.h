/* SPDX-License-Identifier: Apache-2.0
 * What the OPAQUE targets share: a server and a user, always the same ones, and a good message that
 * the input takes the place of, or alters. */
#ifndef KILN_TESTS_FUZZ_OPAQUE_H
#define KILN_TESTS_FUZZ_OPAQUE_H

#include "fuzz.h"

#include <kiln/opaque.h>

static const struct kiln_opaque_ksf fuzz_ksf = {.profile = KILN_OPAQUE_KSF_NONE};
static const struct kiln_opaque_bytes fuzz_password = {"password", 8};
static const struct kiln_opaque_bytes fuzz_user = {"alice", 5};

struct fuzz_opaque {
	struct kiln_opaque_server server;
	struct kiln_opaque_registration_state registration_state;
	struct kiln_opaque_registration_request request;
	struct kiln_opaque_registration_response response;
	struct kiln_opaque_registration_record record;
	struct kiln_opaque_client_state client;
	struct kiln_opaque_server_state state;
	struct kiln_opaque_ke1 ke1;
	struct kiln_opaque_ke2 ke2;
	struct kiln_opaque_ke3 ke3;
	struct kiln_opaque_login login;
};

static inline bool fuzz_draw(void *user, void *out, size_t length)
{
	uint8_t *next = user;
	for (size_t i = 0; i < length; i++)
		((uint8_t *)out)[i] = *next = (uint8_t)(*next * 167 + 13);
	return true;
}

/* A registration and a login that worked. */
static inline const struct fuzz_opaque *fuzz_opaque(void)
{
	static struct fuzz_opaque w;
	static bool made;
	uint8_t seed = 1, export_key[KILN_OPAQUE_EXPORT_KEY_SIZE];
	const struct kiln_opaque_random random = {fuzz_draw, &seed};
	struct kiln_opaque_setup setup;
	struct kiln_opaque_registration_state registration_state;
	struct kiln_opaque_client_state client;
	if (made)
		return &w;
	require(kiln_opaque_setup_generate(&random, &setup, NULL) == KILN_OK);
	require(kiln_opaque_server_init(&setup, &w.server, NULL) == KILN_OK);
	require(kiln_opaque_create_registration_request(fuzz_password, &random, &w.request,
							&w.registration_state, NULL) == KILN_OK);
	require(kiln_opaque_create_registration_response(&w.server, fuzz_user, &w.request,
							 &w.response, NULL) == KILN_OK);
	registration_state = w.registration_state; /* the library uses up what it is given */
	require(kiln_opaque_finalize_registration_request(&registration_state, fuzz_password,
							  &fuzz_ksf, NULL, &w.response, &random,
							  &w.record, export_key, NULL) == KILN_OK);
	require(kiln_opaque_generate_ke1(fuzz_password, &random, &w.ke1, &w.client, NULL) ==
		KILN_OK);
	require(kiln_opaque_generate_ke2(&w.server, NULL, &w.record, fuzz_user, &w.ke1, &random,
					 &w.ke2, &w.state, NULL) == KILN_OK);
	client = w.client;
	require(kiln_opaque_generate_ke3(&client, fuzz_password, &fuzz_ksf, NULL, &w.ke2, &w.ke3,
					 &w.login, NULL) == KILN_OK);
	made = true;
	return &w;
}

/* The input as a message: in place of the good one, or (first byte odd) as what is altered of it.
 * true: it is the good one after all. */
static inline bool fuzz_message(const uint8_t *data, size_t size, const void *good, void *message,
				size_t length)
{
	uint8_t *bytes = message;
	const bool alter = size > 0 && (data[0] & 1) != 0;
	memset(bytes, 0, length);
	if (alter)
		memcpy(bytes, good, length);
	for (size_t i = 0; i + 1 < size && i < length; i++)
		bytes[i] ^= data[i + 1];
	return memcmp(message, good, length) == 0;
}

/* What failed says so, in the way that it may, and leaves nothing. */
static inline void fuzz_failed(enum kiln_code rc, const struct kiln_error *err, const void *out,
			       size_t length)
{
	require(rc == KILN_E_OPAQUE_AUTH || rc == KILN_E_OPAQUE_MESSAGE);
	require(err->code == rc && err->message[0] != '\0');
	for (size_t i = 0; i < length; i++)
		require(((const uint8_t *)out)[i] == 0);
}

#endif

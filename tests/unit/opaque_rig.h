/* SPDX-License-Identifier: Apache-2.0
 * What the OPAQUE tests share: a client and a server in one place, randomness from a script, and
 * hexadecimal. */
#ifndef KILN_TESTS_OPAQUE_RIG_H
#define KILN_TESTS_OPAQUE_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <kiln/opaque.h>

#define BYTES(text) ((struct kiln_opaque_bytes){(text), sizeof(text) - 1})

/* No stretching: for tests of everything else. */
extern const struct kiln_opaque_ksf rig_no_ksf;

/* Fails the test with err's message. */
void rig_ok(enum kiln_code rc, const struct kiln_error *err);

bool rig_zero(const void *p, size_t length);

/* Randomness that was written down. A draw of 64 for a scalar is given as its 32 bytes. */
struct rig_script {
	uint8_t bytes[512];
	size_t length, used;
	struct kiln_opaque_random random; /* after rig_script_add: what to give */
};
void rig_script_start(struct rig_script *script);
void rig_script_add(struct rig_script *script, const void *bytes, size_t length);
void rig_script_add_scalar(struct rig_script *script, const uint8_t scalar[32]);
/* The next fill()s give just these bytes, and this says that all of them were taken. */
void rig_script_done(const struct rig_script *script);

/* Everything that is said in a registration and a login, and both sides' states. Steps run in
 * order; a test changes what it likes between them. */
struct rig {
	struct kiln_opaque_server server;
	const struct kiln_opaque_ksf *ksf;
	struct kiln_opaque_parameters client_parameters, server_parameters;
	struct kiln_opaque_bytes password, credential;

	struct kiln_opaque_registration_state registration_state;
	struct kiln_opaque_registration_request registration_request;
	struct kiln_opaque_registration_response registration_response;
	struct kiln_opaque_registration_record record;
	uint8_t export_key[KILN_OPAQUE_EXPORT_KEY_SIZE];
	bool unknown; /* the server has no record */

	struct kiln_opaque_client_state client_state;
	struct kiln_opaque_server_state server_state;
	struct kiln_opaque_ke1 ke1;
	struct kiln_opaque_ke2 ke2;
	struct kiln_opaque_ke3 ke3;
	struct kiln_opaque_login login;
	uint8_t session_key[KILN_OPAQUE_SESSION_KEY_SIZE];
	struct kiln_error err;
};

/* A server with a setup of its own, and a user "alice" with a password, not registered. */
void rig_init(struct rig *rig);

/* The steps of both sides, each KILN_OK or the code that it gave. A state that a step uses up is
 * wiped by the library, whatever comes of it; here that is a copy, so that a step can be taken
 * again. */
enum kiln_code rig_request(struct rig *rig);
enum kiln_code rig_respond(struct rig *rig);
enum kiln_code rig_finalize(struct rig *rig);
enum kiln_code rig_ke1(struct rig *rig);
enum kiln_code rig_ke2(struct rig *rig);
enum kiln_code rig_ke3(struct rig *rig);
enum kiln_code rig_finish(struct rig *rig);

/* All steps of one; the first that fails says why. */
enum kiln_code rig_register(struct rig *rig);
enum kiln_code rig_login(struct rig *rig);

#endif

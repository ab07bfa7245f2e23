/* SPDX-License-Identifier: Apache-2.0
 * Against what others computed and recorded: vectors with Argon2id, among them libopaque's and the
 * npm package's profiles, the RFC's own file, and whole round trips of @serenity-kit/opaque, whose
 * states were recorded too, so that all of a client's work can be done again. */
#include "opaque_known.h"

#include "aws_golden.h"

#define PART      "opaque"
#define GIB_2_KIB (1 << 21)

/* 2 GiB are another test's. */
static bool is_large(const json_t *vector)
{
	const json_t *ksf = json_object_get(json_object_get(vector, "config"), "KSF");
	return json_integer_value(json_object_get(ksf, "m_kib")) >= GIB_2_KIB - 1;
}

static bool is_ours(const json_t *vector)
{
	const json_t *group = json_object_get(json_object_get(vector, "config"), "Group");
	return strcmp(json_string_value(group), "ristretto255") == 0;
}

static void run_all(const char *file, size_t expected)
{
	json_t *vectors = golden_json(PART, file);
	const json_t *vector;
	size_t i, run = 0;
	json_array_foreach(vectors, i, vector) {
		if (!is_ours(vector) || is_large(vector))
			continue;
		known_run(vector);
		run++;
	}
	assert_int_equal(run, expected);
	json_decref(vectors);
}

static void test_rfc(void **state)
{
	(void)state;
	run_all("rfc9807_vectors.json", 3);
}

static void test_with_argon2id(void **state)
{
	(void)state;
	run_all("opaque_argon2id_kat.json", 8);
}

/* ---- @serenity-kit/opaque */

static const json_t *object(const json_t *trip, const char *key)
{
	const json_t *value = json_object_get(trip, key);
	assert_non_null(value);
	return value;
}

static struct kiln_opaque_bytes text(const json_t *value)
{
	const char *s = json_string_value(value);
	return (struct kiln_opaque_bytes){s, s != NULL ? strlen(s) : 0};
}

/* The bytes of a recorded value from offset on. */
static void part_of(const json_t *trip, const char *key, size_t offset, void *out, size_t length)
{
	uint8_t bytes[512];
	assert_true(known_hex(object(trip, key), "hex", bytes, sizeof bytes) >= offset + length);
	memcpy(out, bytes + offset, length);
}

static void equal(const json_t *trip, const char *key, const void *got, size_t length)
{
	known_equal(object(trip, key), "hex", got, length);
}

static struct kiln_opaque_ksf ksf_of(const json_t *trip)
{
	const json_t *custom =
	    json_object_get(json_object_get(trip, "keyStretching"), "argon2id-custom");
	struct kiln_opaque_ksf ksf = {.profile = KILN_OPAQUE_KSF_DEFAULT};
	if (custom != NULL)
		ksf = (struct kiln_opaque_ksf){
		    KILN_OPAQUE_KSF_CUSTOM,
		    (uint32_t)json_integer_value(json_object_get(custom, "memory")),
		    (uint32_t)json_integer_value(json_object_get(custom, "iterations")),
		    (uint32_t)json_integer_value(json_object_get(custom, "parallelism"))};
	return ksf;
}

/* Its setup is seed, private key, and a point that we have no use for. */
static void serenity_setup(const json_t *trip, struct rig *r)
{
	struct kiln_opaque_setup setup;
	part_of(trip, "serverSetup", 0, setup.oprf_seed, sizeof setup.oprf_seed);
	part_of(trip, "serverSetup", sizeof setup.oprf_seed, setup.server_private_key,
		sizeof setup.server_private_key);
	rig_ok(kiln_opaque_public_key(setup.server_private_key, setup.server_public_key, &r->err),
	       &r->err);
	equal(trip, "serverPublicKey", setup.server_public_key, sizeof setup.server_public_key);
	rig_ok(kiln_opaque_server_init(&setup, &r->server, &r->err), &r->err);
}

static void serenity_registration(const json_t *trip, struct rig *r)
{
	struct rig_script script;
	uint8_t scalar[KILN_OPAQUE_SCALAR_SIZE];
	struct kiln_opaque_registration_record record;
	part_of(trip, "clientRegistrationState", 0, scalar, sizeof scalar);
	part_of(trip, "registrationRecord", 0, &record, sizeof record);
	rig_script_start(&script);
	rig_script_add_scalar(&script, scalar);
	rig_script_add(&script, record.envelope.envelope_nonce,
		       sizeof record.envelope.envelope_nonce);
	rig_ok(kiln_opaque_create_registration_request(r->password, &script.random,
						       &r->registration_request,
						       &r->registration_state, &r->err),
	       &r->err);
	equal(trip, "registrationRequest", &r->registration_request,
	      sizeof r->registration_request);
	rig_ok(rig_respond(r), &r->err);
	equal(trip, "registrationResponse", &r->registration_response,
	      sizeof r->registration_response);
	rig_ok(kiln_opaque_finalize_registration_request(
		   &r->registration_state, r->password, r->ksf, &r->client_parameters,
		   &r->registration_response, &script.random, &r->record, r->export_key, &r->err),
	       &r->err);
	rig_script_done(&script);
	equal(trip, "registrationRecord", &r->record, sizeof r->record);
	equal(trip, "regExportKey", r->export_key, sizeof r->export_key);
}

static void serenity_login(const json_t *trip, struct rig *r)
{
	part_of(trip, "clientLoginState", 0, r->client_state.blind, 32);
	part_of(trip, "clientLoginState", 128, r->client_state.client_secret, 32);
	part_of(trip, "KE1_startLoginRequest", 0, &r->client_state.ke1, 96);
	part_of(trip, "KE2_loginResponse", 0, &r->ke2, 320);
	const enum kiln_code rc = rig_ke3(r);
	if (json_object_get(trip, "login") != NULL) {
		assert_int_equal(rc, KILN_E_OPAQUE_AUTH); /* its client said no, too */
		return;
	}
	rig_ok(rc, &r->err);
	equal(trip, "KE3_finishLoginRequest", &r->ke3, sizeof r->ke3);
	equal(trip, "clientSessionKey", r->login.session_key, sizeof r->login.session_key);
	equal(trip, "exportKey", r->login.export_key, sizeof r->login.export_key);
	/* Its server's state is the session key and the MAC that it expects, at the end. */
	part_of(trip, "serverLoginState", 0, r->server_state.session_key, 64);
	part_of(trip, "serverLoginState", 64, r->server_state.expected_client_mac, 64);
	rig_ok(rig_finish(r), &r->err);
	equal(trip, "serverSessionKey", r->session_key, sizeof r->session_key);
}

static void test_serenity(void **state)
{
	(void)state;
	json_t *trips = golden_json(PART, "serenity_roundtrips.json");
	const json_t *trip;
	size_t i, run = 0;
	json_array_foreach(trips, i, trip) {
		struct rig r;
		const json_t *identities = json_object_get(trip, "identifiers");
		if (json_object_get(trip, "password") == NULL)
			continue; /* the unknown user: nothing of it can be done again */
		const struct kiln_opaque_ksf ksf = ksf_of(trip);
		memset(&r, 0, sizeof r);
		r.ksf = &ksf;
		r.password = text(object(trip, "password"));
		r.credential = text(object(trip, "userIdentifier"));
		r.client_parameters.client_identity = text(json_object_get(identities, "client"));
		r.client_parameters.server_identity = text(json_object_get(identities, "server"));
		serenity_setup(trip, &r);
		serenity_registration(trip, &r);
		serenity_login(trip, &r);
		run++;
	}
	assert_int_equal(run, 5);
	json_decref(trips);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rfc),
	    cmocka_unit_test(test_with_argon2id),
	    cmocka_unit_test(test_serenity),
	};
	if (!golden_here(PART))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

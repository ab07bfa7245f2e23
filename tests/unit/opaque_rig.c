/* SPDX-License-Identifier: Apache-2.0
 * See opaque_rig.h. */
#include "opaque_rig.h"

const struct kiln_opaque_ksf rig_no_ksf = {.profile = KILN_OPAQUE_KSF_NONE};

void rig_ok(enum kiln_code rc, const struct kiln_error *err)
{
	if (rc != KILN_OK)
		fail_msg("%s: %s", kiln_code_name(rc), err->message);
}

bool rig_zero(const void *p, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (((const uint8_t *)p)[i] != 0)
			return false;
	return true;
}

static bool play(void *user, void *out, size_t length)
{
	struct rig_script *script = user;
	assert_true(length <= script->length - script->used);
	memcpy(out, script->bytes + script->used, length);
	script->used += length;
	return true;
}

void rig_script_start(struct rig_script *script)
{
	script->length = script->used = 0;
	script->random = (struct kiln_opaque_random){play, script};
}

void rig_script_add(struct rig_script *script, const void *bytes, size_t length)
{
	assert_true(length <= sizeof script->bytes - script->length);
	memcpy(script->bytes + script->length, bytes, length);
	script->length += length;
}

void rig_script_add_scalar(struct rig_script *script, const uint8_t scalar[32])
{
	static const uint8_t high[32];
	rig_script_add(script, scalar, 32);
	rig_script_add(script, high, sizeof high);
}

void rig_script_done(const struct rig_script *script)
{
	assert_int_equal(script->used, script->length);
}

void rig_init(struct rig *rig)
{
	struct kiln_opaque_setup setup;
	memset(rig, 0, sizeof *rig);
	rig->ksf = &rig_no_ksf;
	rig->password = BYTES("correct horse battery staple");
	rig->credential = BYTES("alice");
	rig_ok(kiln_opaque_setup_generate(NULL, &setup, &rig->err), &rig->err);
	rig_ok(kiln_opaque_server_init(&setup, &rig->server, &rig->err), &rig->err);
}

enum kiln_code rig_request(struct rig *rig)
{
	return kiln_opaque_create_registration_request(
	    rig->password, NULL, &rig->registration_request, &rig->registration_state, &rig->err);
}

enum kiln_code rig_respond(struct rig *rig)
{
	return kiln_opaque_create_registration_response(&rig->server, rig->credential,
							&rig->registration_request,
							&rig->registration_response, &rig->err);
}

enum kiln_code rig_finalize(struct rig *rig)
{
	struct kiln_opaque_registration_state state = rig->registration_state;
	const enum kiln_code rc = kiln_opaque_finalize_registration_request(
	    &state, rig->password, rig->ksf, &rig->client_parameters, &rig->registration_response,
	    NULL, &rig->record, rig->export_key, &rig->err);
	assert_true(rig_zero(&state, sizeof state));
	return rc;
}

enum kiln_code rig_ke1(struct rig *rig)
{
	return kiln_opaque_generate_ke1(rig->password, NULL, &rig->ke1, &rig->client_state,
					&rig->err);
}

enum kiln_code rig_ke2(struct rig *rig)
{
	return kiln_opaque_generate_ke2(&rig->server, &rig->server_parameters,
					rig->unknown ? NULL : &rig->record, rig->credential,
					&rig->ke1, NULL, &rig->ke2, &rig->server_state, &rig->err);
}

enum kiln_code rig_ke3(struct rig *rig)
{
	struct kiln_opaque_client_state state = rig->client_state;
	const enum kiln_code rc =
	    kiln_opaque_generate_ke3(&state, rig->password, rig->ksf, &rig->client_parameters,
				     &rig->ke2, &rig->ke3, &rig->login, &rig->err);
	assert_true(rig_zero(&state, sizeof state));
	return rc;
}

enum kiln_code rig_finish(struct rig *rig)
{
	struct kiln_opaque_server_state state = rig->server_state;
	const enum kiln_code rc =
	    kiln_opaque_server_finish(&state, &rig->ke3, rig->session_key, &rig->err);
	assert_true(rig_zero(&state, sizeof state));
	return rc;
}

enum kiln_code rig_register(struct rig *rig)
{
	enum kiln_code rc;
	if ((rc = rig_request(rig)) || (rc = rig_respond(rig)) || (rc = rig_finalize(rig)))
		return rc;
	return kiln_opaque_check_record(&rig->record, &rig->err);
}

enum kiln_code rig_login(struct rig *rig)
{
	enum kiln_code rc;
	if ((rc = rig_ke1(rig)) || (rc = rig_ke2(rig)) || (rc = rig_ke3(rig)))
		return rc;
	return rig_finish(rig);
}

/* SPDX-License-Identifier: Apache-2.0
 * See opaque_known.h. */
#include "opaque_known.h"

#include "base/hex.h"

size_t known_hex(const json_t *object, const char *key, uint8_t *out, size_t room)
{
	const char *text = json_string_value(json_object_get(object, key));
	if (text == NULL)
		return 0;
	const size_t length = strlen(text);
	assert_true(length / 2 <= room);
	assert_true(kiln_hex_decode(text, length, out));
	return length / 2;
}

void known_bytes(const json_t *object, const char *key, void *out, size_t length)
{
	if (known_hex(object, key, out, length) != length)
		fail_msg("%s does not have %zu bytes", key, length);
}

void known_equal(const json_t *object, const char *key, const void *got, size_t length)
{
	uint8_t expected[512];
	assert_true(length <= sizeof expected);
	known_bytes(object, key, expected, length);
	if (memcmp(expected, got, length) != 0)
		fail_msg("%s is not as expected", key);
}

/* A vector's inputs, kept while it runs. */
struct known {
	const json_t *inputs, *outputs;
	struct rig_script script;
	struct rig rig;
	struct kiln_opaque_ksf ksf;
	uint8_t context[64], client_identity[64], server_identity[64];
	uint8_t password[64], credential[64];
};

static void add(struct known *k, const char *key)
{
	uint8_t bytes[KILN_OPAQUE_NONCE_SIZE];
	known_bytes(k->inputs, key, bytes, sizeof bytes);
	rig_script_add(&k->script, bytes, sizeof bytes);
}

static void add_scalar(struct known *k, const char *key)
{
	uint8_t scalar[KILN_OPAQUE_SCALAR_SIZE];
	known_bytes(k->inputs, key, scalar, sizeof scalar);
	rig_script_add_scalar(&k->script, scalar);
}

static struct kiln_opaque_bytes take(const json_t *object, const char *key, uint8_t *out,
				     size_t room)
{
	return (struct kiln_opaque_bytes){out, known_hex(object, key, out, room)};
}

static uint32_t number(const json_t *object, const char *key)
{
	return (uint32_t)json_integer_value(json_object_get(object, key));
}

static void start(struct known *k, const json_t *vector)
{
	const json_t *config = json_object_get(vector, "config");
	const json_t *ksf = json_object_get(config, "KSF");
	struct kiln_opaque_setup setup;
	memset(k, 0, sizeof *k);
	k->inputs = json_object_get(vector, "inputs");
	k->outputs = json_object_get(vector, "outputs");
	k->ksf.profile = KILN_OPAQUE_KSF_NONE;
	if (json_is_object(ksf))
		k->ksf = (struct kiln_opaque_ksf){KILN_OPAQUE_KSF_CUSTOM, number(ksf, "m_kib"),
						  number(ksf, "t"), number(ksf, "p")};
	else
		assert_string_equal(json_string_value(ksf), "Identity");

	struct kiln_opaque_parameters *p = &k->rig.client_parameters;
	p->context = take(config, "Context", k->context, sizeof k->context);
	p->client_identity =
	    take(k->inputs, "client_identity", k->client_identity, sizeof k->client_identity);
	p->server_identity =
	    take(k->inputs, "server_identity", k->server_identity, sizeof k->server_identity);
	k->rig.password = take(k->inputs, "password", k->password, sizeof k->password);
	k->rig.credential =
	    take(k->inputs, "credential_identifier", k->credential, sizeof k->credential);

	known_bytes(k->inputs, "oprf_seed", setup.oprf_seed, sizeof setup.oprf_seed);
	known_bytes(k->inputs, "server_private_key", setup.server_private_key,
		    sizeof setup.server_private_key);
	known_bytes(k->inputs, "server_public_key", setup.server_public_key,
		    sizeof setup.server_public_key);
	rig_ok(kiln_opaque_server_init(&setup, &k->rig.server, &k->rig.err), &k->rig.err);
}

static void registration(struct known *k)
{
	struct rig *r = &k->rig;
	rig_script_start(&k->script);
	add_scalar(k, "blind_registration");
	rig_ok(kiln_opaque_create_registration_request(r->password, &k->script.random,
						       &r->registration_request,
						       &r->registration_state, &r->err),
	       &r->err);
	rig_script_done(&k->script);
	known_equal(k->outputs, "registration_request", &r->registration_request,
		    sizeof r->registration_request);
	rig_ok(rig_respond(r), &r->err);
	known_equal(k->outputs, "registration_response", &r->registration_response,
		    sizeof r->registration_response);

	rig_script_start(&k->script);
	add(k, "envelope_nonce");
	rig_ok(kiln_opaque_finalize_registration_request(
		   &r->registration_state, r->password, &k->ksf, &r->client_parameters,
		   &r->registration_response, &k->script.random, &r->record, r->export_key,
		   &r->err),
	       &r->err);
	rig_script_done(&k->script);
	known_equal(k->outputs, "registration_upload", &r->record, sizeof r->record);
	known_equal(k->outputs, "export_key", r->export_key, sizeof r->export_key);
}

static void make_ke2(struct known *k)
{
	struct rig *r = &k->rig;
	rig_script_start(&k->script);
	add(k, "masking_nonce");
	add(k, "server_nonce");
	add(k, "server_keyshare_seed");
	rig_ok(kiln_opaque_generate_ke2(&r->server, &r->client_parameters, &r->record,
					r->credential, &r->ke1, &k->script.random, &r->ke2,
					&r->server_state, &r->err),
	       &r->err);
	rig_script_done(&k->script);
	known_equal(k->outputs, "KE2", &r->ke2, sizeof r->ke2);
}

static void login(struct known *k)
{
	struct rig *r = &k->rig;
	rig_script_start(&k->script);
	add_scalar(k, "blind_login");
	add(k, "client_nonce");
	add(k, "client_keyshare_seed");
	rig_ok(kiln_opaque_generate_ke1(r->password, &k->script.random, &r->ke1, &r->client_state,
					&r->err),
	       &r->err);
	rig_script_done(&k->script);
	known_equal(k->outputs, "KE1", &r->ke1, sizeof r->ke1);
	make_ke2(k);
	r->ksf = &k->ksf;
	rig_ok(rig_ke3(r), &r->err);
	known_equal(k->outputs, "KE3", &r->ke3, sizeof r->ke3);
	known_equal(k->outputs, "session_key", r->login.session_key, sizeof r->login.session_key);
	known_equal(k->outputs, "export_key", r->login.export_key, sizeof r->login.export_key);
	known_equal(k->inputs, "server_public_key", r->login.server_public_key,
		    sizeof r->login.server_public_key);
	rig_ok(rig_finish(r), &r->err);
	known_equal(k->outputs, "session_key", r->session_key, sizeof r->session_key);
}

/* The RFC's fake vectors say what the record of nobody is; its envelope is zero. */
static void fake(struct known *k)
{
	known_bytes(k->inputs, "client_public_key", k->rig.record.client_public_key,
		    sizeof k->rig.record.client_public_key);
	known_bytes(k->inputs, "masking_key", k->rig.record.masking_key,
		    sizeof k->rig.record.masking_key);
	known_bytes(k->inputs, "KE1", &k->rig.ke1, sizeof k->rig.ke1);
	make_ke2(k);
	/* And that is just what the server does with its own of nobody. */
	k->rig.server.unknown = k->rig.record;
	rig_script_start(&k->script);
	add(k, "masking_nonce");
	add(k, "server_nonce");
	add(k, "server_keyshare_seed");
	rig_ok(kiln_opaque_generate_ke2(&k->rig.server, &k->rig.client_parameters, NULL,
					k->rig.credential, &k->rig.ke1, &k->script.random,
					&k->rig.ke2, &k->rig.server_state, &k->rig.err),
	       &k->rig.err);
	known_equal(k->outputs, "KE2", &k->rig.ke2, sizeof k->rig.ke2);
}

void known_run(const json_t *vector)
{
	const json_t *config = json_object_get(vector, "config");
	const char *is_fake = json_string_value(json_object_get(config, "Fake"));
	struct known k;
	start(&k, vector);
	if (is_fake != NULL && strcmp(is_fake, "True") == 0) {
		fake(&k);
		return;
	}
	registration(&k);
	login(&k);
}

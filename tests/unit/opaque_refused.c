/* SPDX-License-Identifier: Apache-2.0
 * Logins that must fail, inputs that are out of bounds, elements that are none, and randomness that
 * cannot be had. */
#include "opaque_rig.h"

static void registered(struct rig *rig)
{
	rig_init(rig);
	rig_ok(rig_register(rig), &rig->err);
}

static void test_good(void **state)
{
	(void)state;
	struct rig rig;
	registered(&rig);
	for (int i = 0; i < 2; i++) {
		rig_ok(rig_login(&rig), &rig.err);
		assert_memory_equal(rig.session_key, rig.login.session_key, sizeof rig.session_key);
		assert_memory_equal(rig.export_key, rig.login.export_key, sizeof rig.export_key);
		assert_memory_equal(rig.server.setup.server_public_key, rig.login.server_public_key,
				    sizeof rig.login.server_public_key);
		assert_memory_not_equal(rig.session_key, rig.export_key, sizeof rig.session_key);
	}
}

/* Two logins have nothing in common but the keys of the registration. */
static void test_logins_differ(void **state)
{
	(void)state;
	struct rig rig, other;
	registered(&rig);
	other = rig;
	rig_ok(rig_login(&rig), &rig.err);
	rig_ok(rig_login(&other), &other.err);
	assert_memory_not_equal(rig.session_key, other.session_key, sizeof rig.session_key);
	for (size_t i = 0; i < sizeof rig.ke1; i += 32)
		assert_memory_not_equal((uint8_t *)&rig.ke1 + i, (uint8_t *)&other.ke1 + i, 32);
	for (size_t i = 0; i < sizeof rig.ke2; i += 32)
		assert_memory_not_equal((uint8_t *)&rig.ke2 + i, (uint8_t *)&other.ke2 + i, 32);
}

/* The client says no, with nothing in its hands; whatever it sends then, the server does too. */
static void login_fails(struct rig *rig)
{
	const struct kiln_opaque_ke3 zero = {{0}};
	assert_int_equal(rig_login(rig), KILN_E_OPAQUE_AUTH);
	assert_int_equal(rig->err.code, KILN_E_OPAQUE_AUTH);
	assert_true(rig_zero(&rig->ke3, sizeof rig->ke3));
	assert_true(rig_zero(&rig->login, sizeof rig->login));
	assert_memory_equal(&rig->ke3, &zero, sizeof zero);
	assert_int_equal(rig_finish(rig), KILN_E_OPAQUE_AUTH);
	assert_true(rig_zero(rig->session_key, sizeof rig->session_key));
}

static void test_wrong_password(void **state)
{
	(void)state;
	struct rig rig;
	registered(&rig);
	rig.password = BYTES("correct horse battery stapl");
	login_fails(&rig);
	rig.password = BYTES("correct horse battery staplf");
	login_fails(&rig);
	rig.password = BYTES("correct horse battery staple\0");
	login_fails(&rig);
	rig.password = BYTES("correct horse battery staple");
	rig_ok(rig_login(&rig), &rig.err);
}

/* To the client it is the same as a wrong password, to the last letter. */
static void test_unknown_user(void **state)
{
	(void)state;
	struct rig rig;
	struct kiln_error wrong;
	registered(&rig);
	rig.password = BYTES("another");
	login_fails(&rig);
	wrong = rig.err;
	const struct kiln_opaque_ke2 known = rig.ke2;
	rig.unknown = true;
	login_fails(&rig);
	assert_memory_equal(&rig.err, &wrong, sizeof wrong);
	assert_int_equal(sizeof rig.ke2, KILN_OPAQUE_KE2_SIZE);
	assert_memory_not_equal(&rig.ke2, &known, sizeof known);

	/* The OPRF's answer to the same question stays the same, as it does for one who exists. */
	const struct kiln_opaque_ke1 question = rig.ke1;
	const struct kiln_opaque_ke2 first = rig.ke2;
	rig.ke1 = question;
	rig_ok(rig_ke2(&rig), &rig.err);
	assert_memory_equal(rig.ke2.evaluated_message, first.evaluated_message, 32);
	assert_memory_not_equal(rig.ke2.masked_response, first.masked_response, 128);
	rig.unknown = false;
	rig_ok(rig_ke2(&rig), &rig.err);
	assert_memory_equal(rig.ke2.evaluated_message, first.evaluated_message, 32);
	rig.unknown = true;
	rig.credential = BYTES("bob");
	rig_ok(rig_ke2(&rig), &rig.err);
	assert_memory_not_equal(rig.ke2.evaluated_message, first.evaluated_message, 32);
}

static void test_another_users_record(void **state)
{
	(void)state;
	struct rig rig;
	registered(&rig);
	rig.credential = BYTES("bob");
	login_fails(&rig);
}

static void test_another_server(void **state)
{
	(void)state;
	struct rig rig, other;
	registered(&rig);
	rig_init(&other);
	struct kiln_opaque_setup setup = other.server.setup;
	memcpy(setup.oprf_seed, rig.server.setup.oprf_seed, sizeof setup.oprf_seed);
	/* It knows all but the private key. */
	rig_ok(kiln_opaque_server_init(&setup, &rig.server, &rig.err), &rig.err);
	login_fails(&rig);
}

static void test_parameters(void **state)
{
	(void)state;
	static const struct kiln_opaque_parameters all = {
	    {"context", 7}, {"alice@example", 13}, {"server.example", 14}};
	struct rig rig;
	rig_init(&rig);
	rig.client_parameters = rig.server_parameters = all;
	rig_ok(rig_register(&rig), &rig.err);
	rig_ok(rig_login(&rig), &rig.err);

	const struct kiln_opaque_parameters wrong[] = {
	    {{NULL, 0}, {"alice@example", 13}, {"server.example", 14}},
	    {{"contexu", 7}, {"alice@example", 13}, {"server.example", 14}},
	    {{"context", 6}, {"alice@example", 13}, {"server.example", 14}},
	    {{"context", 7}, {NULL, 0}, {"server.example", 14}},
	    {{"context", 7}, {"mallo@example", 13}, {"server.example", 14}},
	    {{"context", 7}, {"alice@example", 13}, {NULL, 0}},
	    {{"context", 7}, {"alice@example", 13}, {"server.examplf", 14}},
	    {{"context", 7}, {"server.example", 14}, {"alice@example", 13}},
	    {{"contexta", 8}, {"lice@example", 12}, {"server.example", 14}},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		rig.server_parameters = wrong[i];
		login_fails(&rig);
		/* Also where both sides agree on them, but not with the registration. */
		rig.client_parameters = wrong[i];
		if (wrong[i].client_identity.length == 13 &&
		    wrong[i].server_identity.length == 14 &&
		    memcmp(wrong[i].client_identity.data, "alice@example", 13) == 0 &&
		    memcmp(wrong[i].server_identity.data, "server.example", 14) == 0)
			rig_ok(rig_login(&rig), &rig.err); /* the context is the login's */
		else
			login_fails(&rig);
		rig.client_parameters = all;
	}
}

static void test_wrong_stretching(void **state)
{
	(void)state;
	const struct kiln_opaque_ksf other = {KILN_OPAQUE_KSF_CUSTOM, 8, 1, 1};
	struct rig rig;
	registered(&rig);
	rig.ksf = &other;
	login_fails(&rig);
}

/* ---- bounds */

#define USAGE_OF(rig, call)                                                                        \
	do {                                                                                       \
		(rig)->err.code = KILN_OK;                                                         \
		assert_int_equal((call), KILN_E_USAGE);                                            \
		assert_int_equal((rig)->err.code, KILN_E_USAGE);                                   \
	} while (0)
#define USAGE(call) USAGE_OF(&rig, call)

static void test_bounds(void **state)
{
	(void)state;
	static char long_bytes[1025];
	const struct kiln_opaque_bytes most = {long_bytes, 1024}, more = {long_bytes, 1025};
	struct rig rig;
	rig_init(&rig);
	rig.password = rig.credential = most;
	rig.client_parameters = (struct kiln_opaque_parameters){most, most, most};
	rig.server_parameters = rig.client_parameters;
	rig_ok(rig_register(&rig), &rig.err);
	rig_ok(rig_login(&rig), &rig.err);

	const struct kiln_opaque_bytes bad[] = {more, {NULL, 0}, {"", 0}, {NULL, 5}};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		rig.password = bad[i];
		USAGE(rig_request(&rig));
		USAGE(rig_finalize(&rig));
		USAGE(rig_ke1(&rig));
		USAGE(rig_ke3(&rig));
		rig.password = most;
		rig.credential = bad[i];
		USAGE(rig_respond(&rig));
		USAGE(rig_ke2(&rig));
		rig.credential = most;
	}
	struct kiln_opaque_bytes *const of_client[] = {&rig.client_parameters.context,
						       &rig.client_parameters.client_identity,
						       &rig.client_parameters.server_identity};
	for (size_t i = 0; i < 3; i++) {
		*of_client[i] = more;
		USAGE(rig_finalize(&rig));
		USAGE(rig_ke3(&rig));
		rig.server_parameters = rig.client_parameters;
		USAGE(rig_ke2(&rig));
		*of_client[i] = most;
		rig.server_parameters = rig.client_parameters;
	}
}

/* ---- elements that are none, or the identity: RFC 9496 A.2 has more of the kind */

static const uint8_t bad_elements[][32] = {
    {0},                                                               /* the identity */
    {0x01},                                                            /* negative */
    {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* not canonical: p */
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
    {0x26, 0x94, 0x8d, 0x35, 0xca, 0x62, 0xe6, 0x43, 0xe2, 0x6a, 0x83, /* not a square */
     0x17, 0x73, 0x32, 0xe6, 0xb6, 0xaf, 0xeb, 0x9d, 0x08, 0xe4, 0x26,
     0x8b, 0x65, 0x0f, 0x1f, 0x5b, 0xbd, 0x8d, 0x81, 0xd3, 0x71},
};

static void refused_element(struct rig *rig, enum kiln_code (*call)(struct rig *))
{
	rig->err.code = KILN_OK;
	assert_int_equal(call(rig), KILN_E_OPAQUE_MESSAGE);
	assert_int_equal(rig->err.code, KILN_E_OPAQUE_MESSAGE);
}

static void bad_element(struct rig *rig, uint8_t element[32], enum kiln_code (*call)(struct rig *))
{
	uint8_t good[32];
	memcpy(good, element, sizeof good);
	for (size_t i = 0; i < sizeof bad_elements / sizeof bad_elements[0]; i++) {
		memcpy(element, bad_elements[i], 32);
		refused_element(rig, call);
	}
	/* The right one with the bit that libsodium 1.0.18 does not look at. */
	memcpy(element, good, sizeof good);
	element[31] |= 0x80;
	refused_element(rig, call);
	memcpy(element, good, sizeof good);
}

static enum kiln_code check_record(struct rig *rig)
{
	return kiln_opaque_check_record(&rig->record, &rig->err);
}

static void test_bad_elements(void **state)
{
	(void)state;
	struct rig rig;
	registered(&rig);
	bad_element(&rig, rig.registration_request.blinded_message, rig_respond);
	bad_element(&rig, rig.registration_response.evaluated_message, rig_finalize);
	bad_element(&rig, rig.registration_response.server_public_key, rig_finalize);
	rig_ok(rig_register(&rig), &rig.err);
	bad_element(&rig, rig.record.client_public_key, check_record);
	rig_ok(rig_ke1(&rig), &rig.err);
	bad_element(&rig, rig.ke1.blinded_message, rig_ke2);
	bad_element(&rig, rig.ke1.client_public_keyshare, rig_ke2);
	rig.unknown = true;
	bad_element(&rig, rig.ke1.blinded_message, rig_ke2);
	bad_element(&rig, rig.ke1.client_public_keyshare, rig_ke2);
	rig.unknown = false;
	rig_ok(rig_ke2(&rig), &rig.err);
	bad_element(&rig, rig.ke2.evaluated_message, rig_ke3);
	bad_element(&rig, rig.ke2.server_public_keyshare, rig_ke3);
	rig_ok(rig_ke3(&rig), &rig.err);
	rig_ok(rig_finish(&rig), &rig.err);
}

/* ---- a setup that is none */

static void test_bad_setup(void **state)
{
	(void)state;
	static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
					  0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
					  0,    0,    0,    0,    0,    0,    0,    0,
					  0,    0,    0,    0,    0,    0,    0,    0x10};
	struct rig rig;
	struct kiln_opaque_server server;
	uint8_t public_key[32];
	rig_init(&rig);
	struct kiln_opaque_setup setup = rig.server.setup;
	setup.server_public_key[5] ^= 1;
	assert_int_equal(kiln_opaque_server_init(&setup, &server, &rig.err), KILN_E_OPAQUE_RECORD);
	assert_true(rig_zero(&server, sizeof server));
	memset(setup.server_private_key, 0, 32);
	assert_int_equal(kiln_opaque_server_init(&setup, &server, &rig.err), KILN_E_OPAQUE_RECORD);
	memcpy(setup.server_private_key, order, 32);
	assert_int_equal(kiln_opaque_public_key(setup.server_private_key, public_key, &rig.err),
			 KILN_E_OPAQUE_RECORD);
	setup.server_private_key[0]++;
	assert_int_equal(kiln_opaque_public_key(setup.server_private_key, public_key, &rig.err),
			 KILN_E_OPAQUE_RECORD);
	setup.server_private_key[0] -= 2;
	rig_ok(kiln_opaque_public_key(setup.server_private_key, public_key, &rig.err), &rig.err);
}

/* A state that was never filled is not used, nor blamed on the peer. */
static void test_empty_states(void **state)
{
	(void)state;
	struct rig rig;
	registered(&rig);
	rig_ok(rig_ke1(&rig), &rig.err);
	rig_ok(rig_ke2(&rig), &rig.err);
	const struct kiln_opaque_client_state good = rig.client_state;
	memset(&rig.client_state.blind, 0, 32);
	USAGE(rig_ke3(&rig));
	rig.client_state = good;
	memset(&rig.client_state.client_secret, 0, 32);
	USAGE(rig_ke3(&rig));
	memset(&rig.registration_state, 0, sizeof rig.registration_state);
	USAGE(rig_finalize(&rig));
}

/* Zeros meet a state of zeros: nobody is let in, least of all with a key that everybody knows. */
static void zeros_refused(struct rig *rig)
{
	const struct kiln_opaque_ke3 zeros = {{0}};
	const uint8_t key[KILN_OPAQUE_SEAL_KEY_SIZE] = {1};
	struct kiln_opaque_sealed_state sealed;
	memset(rig->session_key, 0xaa, sizeof rig->session_key);
	assert_int_equal(
	    kiln_opaque_server_finish(&rig->server_state, &zeros, rig->session_key, &rig->err),
	    KILN_E_OPAQUE_AUTH);
	assert_int_equal(rig->err.code, KILN_E_OPAQUE_AUTH);
	assert_true(rig_zero(rig->session_key, sizeof rig->session_key));
	USAGE_OF(rig, kiln_opaque_state_seal(key, rig->credential, 1, &rig->server_state, NULL,
					     &sealed, &rig->err));
	assert_true(rig_zero(&sealed, sizeof sealed));
}

static void test_used_server_state(void **state)
{
	(void)state;
	struct rig rig;
	registered(&rig);
	zeros_refused(&rig); /* never made */
	rig_ok(rig_login(&rig), &rig.err);
	rig_ok(kiln_opaque_server_finish(&rig.server_state, &rig.ke3, rig.session_key, &rig.err),
	       &rig.err);
	assert_memory_equal(rig.session_key, rig.login.session_key, sizeof rig.session_key);
	assert_true(rig_zero(&rig.server_state, sizeof rig.server_state));
	assert_int_equal(
	    kiln_opaque_server_finish(&rig.server_state, &rig.ke3, rig.session_key, &rig.err),
	    KILN_E_OPAQUE_AUTH);
	zeros_refused(&rig);

	/* One wrong KE3, and the right one comes too late. */
	rig_ok(rig_login(&rig), &rig.err);
	rig.ke3.client_mac[0] ^= 1;
	assert_int_equal(
	    kiln_opaque_server_finish(&rig.server_state, &rig.ke3, rig.session_key, &rig.err),
	    KILN_E_OPAQUE_AUTH);
	rig.ke3.client_mac[0] ^= 1;
	assert_int_equal(
	    kiln_opaque_server_finish(&rig.server_state, &rig.ke3, rig.session_key, &rig.err),
	    KILN_E_OPAQUE_AUTH);
	zeros_refused(&rig);
}

/* ---- randomness */

static unsigned draws_left;

static bool draw(void *user, void *out, size_t length)
{
	(void)user;
	if (draws_left == 0) {
		memset(out, 0x55, length); /* as a source might that fails half-way */
		return false;
	}
	draws_left--;
	memset(out, 0x42, length);
	return true;
}

static const struct kiln_opaque_random failing = {draw, NULL};

static bool draw_zero(void *user, void *out, size_t length)
{
	(void)user;
	memset(out, 0, length);
	return true;
}

static const struct kiln_opaque_random zero = {draw_zero, NULL};

static void test_no_randomness(void **state)
{
	(void)state;
	struct rig rig;
	struct kiln_opaque_setup setup;
	struct kiln_opaque_sealed_state sealed;
	const uint8_t key[32] = {1};
	registered(&rig);
	rig_ok(rig_login(&rig), &rig.err);
	for (unsigned n = 0; n < 2; n++) {
		draws_left = n;
		assert_int_equal(kiln_opaque_setup_generate(&failing, &setup, &rig.err),
				 KILN_E_SYSTEM);
		assert_true(rig_zero(&setup, sizeof setup));
	}
	for (unsigned n = 0; n < 3; n++) {
		draws_left = n;
		assert_int_equal(kiln_opaque_generate_ke1(rig.password, &failing, &rig.ke1,
							  &rig.client_state, &rig.err),
				 KILN_E_SYSTEM);
		assert_true(rig_zero(&rig.ke1, sizeof rig.ke1));
		assert_true(rig_zero(&rig.client_state, sizeof rig.client_state));
	}
	rig_ok(rig_ke1(&rig), &rig.err);
	for (unsigned n = 0; n < 3; n++) {
		draws_left = n;
		assert_int_equal(kiln_opaque_generate_ke2(&rig.server, NULL, &rig.record,
							  rig.credential, &rig.ke1, &failing,
							  &rig.ke2, &rig.server_state, &rig.err),
				 KILN_E_SYSTEM);
		assert_true(rig_zero(&rig.ke2, sizeof rig.ke2));
		assert_true(rig_zero(&rig.server_state, sizeof rig.server_state));
	}
	draws_left = 0;
	assert_int_equal(kiln_opaque_finalize_registration_request(
			     &rig.registration_state, rig.password, rig.ksf, NULL,
			     &rig.registration_response, &failing, &rig.record, rig.export_key,
			     &rig.err),
			 KILN_E_SYSTEM);
	assert_true(rig_zero(&rig.record, sizeof rig.record));
	assert_true(rig_zero(rig.export_key, sizeof rig.export_key));
	assert_int_equal(kiln_opaque_create_registration_request(rig.password, &failing,
								 &rig.registration_request,
								 &rig.registration_state, &rig.err),
			 KILN_E_SYSTEM);
	assert_true(rig_zero(&rig.registration_state, sizeof rig.registration_state));
	registered(&rig);
	rig_ok(rig_login(&rig), &rig.err);
	assert_int_equal(kiln_opaque_state_seal(key, BYTES("x"), 1, &rig.server_state, &failing,
						&sealed, &rig.err),
			 KILN_E_SYSTEM);
	assert_true(rig_zero(&sealed, sizeof sealed));
}

/* A source that gives nothing but zeros does not blind: that must not pass. */
static void test_zero_randomness(void **state)
{
	(void)state;
	struct rig rig;
	registered(&rig);
	assert_int_equal(kiln_opaque_create_registration_request(rig.password, &zero,
								 &rig.registration_request,
								 &rig.registration_state, &rig.err),
			 KILN_E_SYSTEM);
	assert_true(rig_zero(&rig.registration_request, sizeof rig.registration_request));
	assert_int_equal(
	    kiln_opaque_generate_ke1(rig.password, &zero, &rig.ke1, &rig.client_state, &rig.err),
	    KILN_E_SYSTEM);
	assert_true(rig_zero(&rig.ke1, sizeof rig.ke1));
}

/* err may be NULL, and is left alone on success. */
static void test_without_error(void **state)
{
	(void)state;
	struct rig rig;
	registered(&rig);
	memset(&rig.err, 0x5a, sizeof rig.err);
	const struct kiln_error before = rig.err;
	rig_ok(rig_login(&rig), &rig.err);
	assert_memory_equal(&rig.err, &before, sizeof before);
	rig.ke3.client_mac[0] ^= 1;
	assert_int_equal(
	    kiln_opaque_server_finish(&rig.server_state, &rig.ke3, rig.session_key, NULL),
	    KILN_E_OPAQUE_AUTH);
	assert_string_equal(kiln_code_name(KILN_E_OPAQUE_MESSAGE), "opaque_message");
	assert_string_equal(kiln_code_name(KILN_E_OPAQUE_AUTH), "opaque_auth");
	assert_string_equal(kiln_code_name(KILN_E_OPAQUE_STATE), "opaque_state");
	assert_string_equal(kiln_code_name(KILN_E_OPAQUE_RECORD), "opaque_record");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_logins_differ),
	    cmocka_unit_test(test_wrong_password),
	    cmocka_unit_test(test_unknown_user),
	    cmocka_unit_test(test_another_users_record),
	    cmocka_unit_test(test_another_server),
	    cmocka_unit_test(test_parameters),
	    cmocka_unit_test(test_wrong_stretching),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_bad_elements),
	    cmocka_unit_test(test_bad_setup),
	    cmocka_unit_test(test_empty_states),
	    cmocka_unit_test(test_used_server_state),
	    cmocka_unit_test(test_no_randomness),
	    cmocka_unit_test(test_zero_randomness),
	    cmocka_unit_test(test_without_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

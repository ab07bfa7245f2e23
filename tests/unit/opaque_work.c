/* SPDX-License-Identifier: Apache-2.0
 * One KE2, for opaque_work.sh to count the instructions of: for a user who exists, for another one,
 * for one who does not; and what a server would do that gives itself away. */
#include <stdio.h>
#include <string.h>

#include <kiln/opaque.h>

static bool draw(void *user, void *out, size_t length)
{
	uint8_t *next = user;
	for (size_t i = 0; i < length; i++)
		((uint8_t *)out)[i] = *next = (uint8_t)(*next * 167 + 13);
	return true;
}

struct user {
	struct kiln_opaque_bytes name, password;
	struct kiln_opaque_registration_record record;
};

static bool enrol(const struct kiln_opaque_server *server, const struct kiln_opaque_random *random,
		  struct user *user)
{
	static const struct kiln_opaque_ksf no_ksf = {.profile = KILN_OPAQUE_KSF_NONE};
	struct kiln_opaque_registration_request request;
	struct kiln_opaque_registration_state state;
	struct kiln_opaque_registration_response response;
	uint8_t export_key[KILN_OPAQUE_EXPORT_KEY_SIZE];
	return kiln_opaque_create_registration_request(user->password, random, &request, &state,
						       NULL) == KILN_OK &&
	       kiln_opaque_create_registration_response(server, user->name, &request, &response,
							NULL) == KILN_OK &&
	       kiln_opaque_finalize_registration_request(&state, user->password, &no_ksf, NULL,
							 &response, random, &user->record,
							 export_key, NULL) == KILN_OK;
}

/* usage: opaque_work known|other|unknown|hasty */
int main(int argc, char **argv)
{
	uint8_t seed = 1;
	const struct kiln_opaque_random random = {draw, &seed};
	const char *what = argc > 1 ? argv[1] : "";
	struct user alice = {.name = {"alice", 5}, .password = {"one password", 12}};
	struct user carol = {.name = {"carol", 5}, .password = {"and another one", 15}};
	struct kiln_opaque_setup setup;
	struct kiln_opaque_server server;
	struct kiln_opaque_ke1 ke1;
	struct kiln_opaque_client_state client;
	struct kiln_opaque_ke2 ke2;
	struct kiln_opaque_server_state state;
	if (kiln_opaque_setup_generate(&random, &setup, NULL) != KILN_OK ||
	    kiln_opaque_server_init(&setup, &server, NULL) != KILN_OK ||
	    !enrol(&server, &random, &alice) || !enrol(&server, &random, &carol))
		return 1;
	const struct user *user = strcmp(what, "other") == 0 ? &carol : &alice;
	const struct kiln_opaque_registration_record *record = &user->record;
	struct kiln_opaque_bytes name = user->name;
	if (strcmp(what, "unknown") == 0) {
		record = NULL;
		name = (struct kiln_opaque_bytes){"nobod", 5};
	}
	if (kiln_opaque_generate_ke1(user->password, &random, &ke1, &client, NULL) != KILN_OK)
		return 1;
	if (strcmp(what, "hasty") == 0)
		memset(&ke1.client_public_keyshare, 0, sizeof ke1.client_public_keyshare);
	const enum kiln_code rc = kiln_opaque_generate_ke2(&server, NULL, record, name, &ke1,
							   &random, &ke2, &state, NULL);
	return rc == (strcmp(what, "hasty") == 0 ? KILN_E_OPAQUE_MESSAGE : KILN_OK) ? 0 : 1;
}

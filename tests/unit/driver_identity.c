/* SPDX-License-Identifier: Apache-2.0
 * struct kiln_aws: who we are, found once for all threads, in time, and again when it is due. */
#include "roast_world.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "driver/identity.h"

#define THREADS  8
#define SHORT_MS 500

static char folder[] = "/tmp/kiln-identity-XXXXXX";

static int begin(void **state)
{
	char path[64];
	if (mkdtemp(folder) == NULL || world_begin(state) != 0)
		return -1;
	(void)snprintf(path, sizeof path, "%s/config", folder);
	return setenv("AWS_CONFIG_FILE", path, 1);
}

static int end(void **state)
{
	char path[64];
	for (const char *const *name = (const char *const[]){"config", "program", "hang", NULL};
	     *name != NULL; name++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, *name);
		(void)unlink(path);
	}
	(void)rmdir(folder);
	return world_end(state);
}

static void write_file(const char *name, mode_t mode, const char *text)
{
	char path[64];
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* It prints the person's keys, or hangs where the file "hang" is. */
static void write_program(const struct person *person)
{
	char text[1024];
	(void)snprintf(text, sizeof text,
		       "#!/bin/sh\n[ -e %s/hang ] && exec sleep 600\n"
		       "echo '{\"Version\":1,\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"%s\","
		       "\"SessionToken\":\"%s\"}'\n",
		       folder, person->key_id, person->secret, person->token);
	write_file("program", 0700, text);
}

/* A profile whose program is the client's. */
static struct kiln_aws *with_program(void)
{
	const struct kiln_aws_options options = {.development_sts = true, .profile = "program"};
	char text[128];
	write_program(&client_person);
	(void)snprintf(text, sizeof text, "[profile program]\ncredential_process = %s/program\n",
		       folder);
	write_file("config", 0600, text);
	struct kiln_aws *aws = kiln_aws_open(&options, NULL);
	assert_non_null(aws);
	return aws;
}

static void hang(bool on)
{
	char path[64];
	(void)snprintf(path, sizeof path, "%s/hang", folder);
	if (on)
		write_file("hang", 0600, "");
	else
		assert_int_equal(unlink(path), 0);
}

static void assert_client(struct kiln_aws *aws, uint32_t timeout_ms)
{
	const struct kiln_aws_role wanted = rig_role(client_person.role);
	struct kiln_aws_role role;
	struct kiln_error err = {0};
	char session[KILN_AWS_SESSION_MAX + 1];
	if (kiln_aws_whoami(aws, timeout_ms, &role, session, &err) != KILN_OK)
		fail_msg("%s", err.message);
	assert_true(kiln_aws_role_equal(&role, &wanted));
	assert_string_equal(session, "client-session");
}

static void assert_nobody(struct kiln_aws *aws, uint32_t timeout_ms, enum kiln_code code,
			  const char *words)
{
	struct kiln_error err = {0};
	const enum kiln_code rc = kiln_aws_whoami(aws, timeout_ms, NULL, NULL, &err);
	if (rc != code || err.code != code || strstr(err.message, words) == NULL)
		fail_msg("%s: %s", kiln_code_name(rc), err.message);
}

/* A search that ran out of its caller's time goes on with the next caller's. */
static void test_a_program_that_hangs(void **state)
{
	struct kiln_aws *aws = with_program();
	(void)state;
	hang(true);
	assert_nobody(aws, SHORT_MS, KILN_E_TIMEOUT, "/program");
	hang(false);
	assert_client(aws, 0);
	kiln_aws_close(aws);
}

/* While a refresh hangs there are the old ones; half of the time is for trying. */
static void test_a_refresh_that_hangs(void **state)
{
	struct kiln_aws *aws = with_program();
	struct kiln_aws_role role;
	struct kiln_error err = {0};
	const kiln_time_ms began = kiln_driver_now();
	(void)state;
	assert_client(aws, 0);
	hang(true);
	kiln_chain_refresh(aws->chain);
	assert_int_equal(kiln_aws_ready(aws, kiln_driver_now() + 2 * SHORT_MS, &role, &err),
			 KILN_OK);
	assert_true(kiln_driver_now() - began >= SHORT_MS);
	hang(false);
	assert_client(aws, 0);
	kiln_aws_close(aws);
}

static enum kiln_code sign_as(struct kiln_aws *aws, const struct person *person,
			      struct kiln_aws_proof *proof, struct kiln_error *err)
{
	static const uint8_t payload[] = "{}";
	const struct kiln_aws_role as = rig_role(person->role);
	return kiln_aws_sign(aws, &as, payload, 2, kiln_driver_now() + 15000, proof, err);
}

static void assert_signs_as(struct kiln_aws *aws, const struct person *person)
{
	struct kiln_aws_proof proof;
	struct kiln_error err = {0};
	if (sign_as(aws, person, &proof, &err) != KILN_OK)
		fail_msg("%s", err.message);
	assert_ptr_equal(sts_ask(&proof, time(NULL)), person);
	kiln_aws_proof_clear(&proof);
}

static void assert_signs_not_as(struct kiln_aws *aws, const struct person *person)
{
	struct kiln_aws_proof proof = {0};
	struct kiln_error err = {0};
	assert_int_equal(sign_as(aws, person, &proof, &err), KILN_E_CREDENTIALS);
	assert_non_null(strstr(err.message, "role has changed"));
}

/* In mid-handshake, when the payload that names the old role is written already: another thread has
 * found another's keys, and perhaps not yet whose they are. */
static void test_a_role_that_changes(void **state)
{
	struct kiln_aws *aws = with_program();
	struct kiln_error err = {0};
	(void)state;
	assert_client(aws, 0);
	assert_signs_as(aws, &client_person);
	write_program(&server_person);
	kiln_chain_refresh(aws->chain);
	(void)pthread_mutex_lock(&aws->lock);
	assert_int_equal(kiln_aws_search(aws, kiln_driver_now() + 15000, &err), KILN_OK);
	assert_string_equal(aws->known_key, client_person.key_id);
	(void)pthread_mutex_unlock(&aws->lock);
	assert_signs_not_as(aws, &client_person);
	assert_string_equal(aws->known_key, server_person.key_id);
	assert_signs_as(aws, &server_person);
	assert_signs_not_as(aws, &client_person);
	kiln_aws_close(aws);
}

static void test_what_is_missing(void **state)
{
	const struct kiln_aws_options development = {.development_sts = true};
	struct kiln_aws *aws = kiln_aws_open(&development, NULL);
	(void)state;
	assert_nobody(aws, 0, KILN_E_CREDENTIALS, "no AWS credentials");
	kiln_aws_close(aws);
	assert_null(kiln_aws_open(NULL, NULL)); /* and so is the process's own */
	assert_nobody(NULL, 0, KILN_E_CONFIG, "loopback is for development");

	(void)unsetenv("AWS_DEFAULT_REGION");
	aws = world_aws(&client_person);
	assert_nobody(aws, 0, KILN_E_CONFIG, "AWS_REGION");
	kiln_aws_close(aws);
	(void)setenv("AWS_DEFAULT_REGION", "eu-central-1", 1);

	aws = world_aws(&iam_user);
	assert_nobody(aws, 0, KILN_E_ACCESS_DENIED, "our own role is not known");
	kiln_aws_close(aws);
	assert_null(kiln_aws_open(&(struct kiln_aws_options){.region = "nowhere"}, NULL));
}

/* ---- threads ------------------------------------------------------------------------------- */

struct asker {
	pthread_t thread;
	struct kiln_aws *aws;
	uint32_t timeout_ms;
	struct kiln_error err;
};

static void *ask(void *arg)
{
	struct asker *asker = arg;
	(void)!kiln_aws_whoami(asker->aws, asker->timeout_ms, NULL, NULL, &asker->err);
	return NULL;
}

static void all_at_once(struct asker askers[THREADS], struct kiln_aws *aws, uint32_t timeout_ms)
{
	for (int i = 0; i < THREADS; i++) {
		askers[i] = (struct asker){.aws = aws, .timeout_ms = timeout_ms};
		assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
}

static void test_one_question_for_all(void **state)
{
	struct kiln_aws *aws = world_aws(&client_person);
	struct asker askers[THREADS];
	const unsigned before = world_questions();
	(void)state;
	all_at_once(askers, aws, 0);
	for (int i = 0; i < THREADS; i++)
		if (askers[i].err.code != KILN_OK)
			fail_msg("%s", askers[i].err.message);
	assert_int_equal(world_questions(), before + 1);
	kiln_aws_close(aws);
}

static void test_nobody_waits_longer_than_he_may(void **state)
{
	struct kiln_aws *aws = world_aws(&client_person);
	struct asker askers[THREADS];
	const kiln_time_ms began = kiln_driver_now();
	(void)state;
	world_silence(true);
	all_at_once(askers, aws, SHORT_MS);
	world_silence(false);
	for (int i = 0; i < THREADS; i++)
		if (askers[i].err.code != KILN_E_TIMEOUT)
			fail_msg("%s: %s", kiln_code_name(askers[i].err.code),
				 askers[i].err.message);
	assert_in_range(kiln_driver_now() - began, SHORT_MS, SHORT_MS + 5000);
	assert_client(aws, 0);
	kiln_aws_close(aws);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_program_that_hangs),
	    cmocka_unit_test(test_a_refresh_that_hangs),
	    cmocka_unit_test(test_a_role_that_changes),
	    cmocka_unit_test(test_what_is_missing),
	    cmocka_unit_test(test_one_question_for_all),
	    cmocka_unit_test(test_nobody_waits_longer_than_he_may),
	};
	return cmocka_run_group_tests(tests, begin, end);
}

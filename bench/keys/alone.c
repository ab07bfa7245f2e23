/* SPDX-License-Identifier: Apache-2.0
 * OPAQUE's server side by itself, without connections and stores: as many as fit into a time. What
 * the client has to do between the two halves of a login is not counted. Of accounts it has a list,
 * each with a name of its own, as bench/keys/serenity.mjs has. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "parts.h"

enum { BATCH = 50, ACCOUNTS = 1000 };

static struct bench_user user;
static struct kiln_opaque_server server;
static struct kiln_error err;
static char names[ACCOUNTS][BENCH_NAME_SIZE];
static const struct kiln_opaque_parameters parameters;

static double processor(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct kiln_opaque_bytes name_of(unsigned long n)
{
	const char *name = names[n % ACCOUNTS];
	return (struct kiln_opaque_bytes){name, strlen(name)};
}

/* Seconds for one batch. */
static double logins(unsigned long first)
{
	static struct kiln_opaque_ke2 ke2[BATCH];
	static struct kiln_opaque_ke3 ke3[BATCH];
	static struct kiln_opaque_server_state states[BATCH];
	uint8_t session_key[KILN_OPAQUE_SESSION_KEY_SIZE], key[KILN_OPAQUE_SESSION_KEY_SIZE];
	double began = processor();
	for (unsigned i = 0; i < BATCH; i++)
		if (kiln_opaque_generate_ke2(&server, &parameters, &user.record, name_of(first + i),
					     &user.ke1, NULL, &ke2[i], &states[i], &err) != KILN_OK)
			bench_die("generate_ke2", &err);
	double spent = processor() - began;
	for (unsigned i = 0; i < BATCH; i++)
		if (!bench_user_finish(&user, &parameters, &ke2[i], &ke3[i], key))
			bench_die("the server's MAC does not hold", NULL);
	began = processor();
	for (unsigned i = 0; i < BATCH; i++)
		if (kiln_opaque_server_finish(&states[i], &ke3[i], session_key, &err) != KILN_OK)
			bench_die("server_finish", &err);
	spent += processor() - began;
	return memcmp(key, session_key, sizeof key) == 0 ? spent : -1;
}

static double registrations(unsigned long first)
{
	struct kiln_opaque_registration_response response;
	const double began = processor();
	for (unsigned i = 0; i < BATCH; i++)
		if (kiln_opaque_create_registration_response(
			&server, name_of(first + i), &user.request, &response, &err) != KILN_OK ||
		    kiln_opaque_check_record(&user.record, &err) != KILN_OK)
			bench_die("registration", &err);
	return processor() - began;
}

int bench_alone(char **arguments)
{
	struct kiln_opaque_setup setup;
	const bool login = strcmp(arguments[0], "login") == 0;
	const double seconds = (double)bench_number(arguments[1]) / 1000;
	unsigned long count = 0;
	double spent = 0;
	if (kiln_opaque_setup_generate(NULL, &setup, &err) != KILN_OK ||
	    kiln_opaque_server_init(&setup, &server, &err) != KILN_OK || !bench_user_init(&user))
		bench_die("setup", &err);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		(void)bench_user_name(i, BENCH_FILLED, names[i]);
	(void)(login ? logins(0) : registrations(0)); /* warm */
	while (spent < seconds) {
		const double batch = login ? logins(count) : registrations(count);
		if (batch < 0)
			bench_die("the session keys differ", NULL);
		spent += batch;
		count += BATCH;
	}
	(void)printf("{\"ok\": true, \"count\": %lu, \"cpu_ns\": %.0f}\n", count, spent * 1e9);
	return 0;
}

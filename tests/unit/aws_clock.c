/* SPDX-License-Identifier: Apache-2.0
 * A clock that is set, by hours and in the middle of everything, under the credential chain. AWS's
 * own time goes on: so long its credentials last. The chain asks neither again and again nor never.
 */
#include <stdio.h>

#include "aws_world.h"

#define HOUR 3600

struct run {
	struct world world;
	int64_t seconds; /* AWS's time, since noon */
	int64_t skew;    /* of the machine's clock */
	char answer[600];
	unsigned searches, most_a_minute;
	int64_t lately[64]; /* when the last searches were */
};

static const struct world pod = {
    .environ = {"AWS_REGION=eu-west-1", "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/Pod",
		"AWS_WEB_IDENTITY_TOKEN_FILE=/run/token", "HOME=/home/k"},
    .files = {{"/run/token", "e30.e30.c2ln\n", 0}},
    .servers = {
	{"POST https://sts.eu-west-1.amazonaws.com/", NULL, 200, "application/json", NULL}}};

static int64_t noon; /* of the world */

/* STS gives an hour, by its own clock. */
static void renew(struct run *run)
{
	(void)snprintf(
	    run->answer, sizeof run->answer,
	    "{\"AssumeRoleWithWebIdentityResponse\":{\"AssumeRoleWithWebIdentityResult\":"
	    "{\"Credentials\":{\"AccessKeyId\":\"ASIAEXAMPLEPOD000001\","
	    "\"SecretAccessKey\":\"s3cr3t\",\"SessionToken\":\"t0k3n\",\"Expiration\":"
	    "%lld}},\"ResponseMetadata\":{}}}",
	    (long long)(noon + run->seconds + HOUR));
	run->world.servers[0].body = run->answer;
}

static void count(struct run *run)
{
	unsigned within = 0;
	run->lately[run->searches % 64] = run->seconds;
	run->searches++;
	for (unsigned i = 0; i < 64 && i < run->searches; i++)
		within += run->seconds - run->lately[i] < 60 ? 1 : 0;
	if (within > run->most_a_minute)
		run->most_a_minute = within;
}

/* Second by second; the clock shows what it shows. */
static void go_on(struct run *run, int64_t seconds)
{
	for (const int64_t end = run->seconds + seconds; run->seconds < end; run->seconds++) {
		const unsigned before = run->world.asked_files;
		run->world.now = noon + run->seconds + run->skew;
		renew(run);
		if (kiln_chain_step(run->world.chain, run->world.now) == NULL)
			continue;
		world_run(&run->world);
		assert_true(run->world.asked_files > before);
		count(run);
	}
}

static void begin(struct run *run, int64_t skew)
{
	*run = (struct run){.world = pod, .skew = skew};
	world_open(&run->world, NULL);
	noon = run->world.now;
}

static void end(struct run *run)
{
	assert_in_range(run->most_a_minute, 1, 8);
	world_close(&run->world);
}

static const struct kiln_aws_credentials *credentials_of(const struct run *run)
{
	const struct kiln_aws_credentials *credentials;
	return kiln_chain_credentials(run->world.chain, run->world.now, &credentials, NULL) ==
		       KILN_OK
		   ? credentials
		   : NULL;
}

/* There are some, and AWS takes them. */
static void assert_good(const struct run *run)
{
	const struct kiln_aws_credentials *credentials = credentials_of(run);
	assert_non_null(credentials);
	assert_true(credentials->expires_at > noon + run->seconds);
}

/* It was ahead and nothing was good; set right, it is minutes at most. */
static void it_was_ahead(void **state)
{
	(void)state;
	static const int64_t skews[] = {HOUR + 1, 5 * HOUR, 24 * HOUR, 1000 * HOUR};
	for (size_t i = 0; i < sizeof skews / sizeof skews[0]; i++) {
		struct run run;
		begin(&run, skews[i]);
		go_on(&run, 600);
		assert_null(credentials_of(&run));
		run.skew = 0;
		go_on(&run, 62);
		assert_good(&run);
		end(&run);
	}
}

/* While it waits to try again: STS is back, and the clock far behind. */
static void backwards_after_a_failure(void **state)
{
	(void)state;
	for (int64_t at = 1; at < 200; at += 7) {
		struct run run;
		begin(&run, 0);
		run.world.servers[0].status = 503;
		go_on(&run, at);
		run.world.servers[0].status = 200;
		run.skew = -5 * HOUR;
		go_on(&run, 62);
		assert_good(&run);
		end(&run);
	}
}

/* What was got before is renewed when the time has passed, as if nothing had been; what comes by a
 * clock that is behind, as soon as that is set right. */
static void backwards_with_good_ones(void **state)
{
	(void)state;
	struct run run;
	begin(&run, 0);
	go_on(&run, 100);
	assert_int_equal(run.searches, 1);
	run.skew = -5 * HOUR;
	for (int i = 0; i < 60; i++) {
		go_on(&run, 100);
		assert_int_equal(run.searches, run.seconds <= HOUR - 900 ? 1 : 2);
		if (run.seconds < 2 * HOUR - 900)
			assert_good(&run);
	}
	go_on(&run, 4 * HOUR);
	run.skew = 0;
	go_on(&run, 1);
	assert_good(&run);
	end(&run);
}

/* Ahead, all that comes looks old: tried again at a pace, and what there was is good as soon as the
 * clock is. */
static void forwards_and_back(void **state)
{
	(void)state;
	struct run run;
	begin(&run, 0);
	go_on(&run, 60);
	run.skew = 3 * HOUR;
	go_on(&run, 1800);
	assert_in_range(run.searches, 10, 1800 / 15);
	run.skew = 0;
	go_on(&run, 1);
	assert_good(&run);
	for (int i = 0; i < 12; i++) {
		go_on(&run, 600);
		assert_good(&run);
	}
	end(&run);
}

/* So far ahead that each new one is good for seconds. */
static void forwards_to_the_edge(void **state)
{
	(void)state;
	for (int64_t left = 1; left < 40; left += 3) {
		struct run run;
		begin(&run, HOUR - left);
		go_on(&run, 1200);
		end(&run);
	}
}

/* Whatever it does, every few minutes. */
static void it_is_set_all_the_time(void **state)
{
	(void)state;
	static const int64_t skews[] = {0,    -HOUR,     2 * HOUR, 5,        -5, 300 * HOUR,
					-600, -3 * HOUR, 50,       HOUR / 2, 0,  -300 * HOUR};
	struct run run;
	begin(&run, 0);
	for (unsigned i = 0; i < 200; i++) {
		run.skew = skews[i * 7 % 12];
		go_on(&run, 61 + i % 5 * 100);
	}
	run.skew = 0;
	go_on(&run, 62);
	assert_good(&run);
	assert_in_range(run.searches, 10, run.seconds / 15);
	end(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_was_ahead),
	    cmocka_unit_test(backwards_after_a_failure),
	    cmocka_unit_test(backwards_with_good_ones),
	    cmocka_unit_test(forwards_and_back),
	    cmocka_unit_test(forwards_to_the_edge),
	    cmocka_unit_test(it_is_set_all_the_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

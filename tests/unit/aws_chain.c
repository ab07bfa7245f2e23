/* SPDX-License-Identifier: Apache-2.0
 * The credential chain through a machine's life: start, refresh ahead of expiry, failures, expiry,
 * recovery; and which provider goes before which. */
#include "aws_world.h"

#include "aws/proof.h"

#define IMDS_AT(expires)                                                                           \
	{IMDS_TOKEN, "X-aws-ec2-metadata-token-ttl-seconds: 21600", 200, NULL, "t0k"},             \
	    {IMDS_ROLES, IMDS_NEED, 200, NULL, "Gateway"},                                         \
	    {IMDS_ROLES "Gateway", IMDS_NEED, 200, "text/plain", KEYS_JSON("Token", expires)},     \
	{                                                                                          \
		IMDS_REGION, IMDS_NEED, 200, NULL, "eu-west-1"                                     \
	}

static const struct world instance = {.servers = {IMDS_AT("2026-01-15T18:00:00Z")}};

static void an_instance(void **state)
{
	(void)state;
	struct world world = instance;
	world_open(&world, NULL);
	world_lacks(&world, "still being looked for");
	assert_null(kiln_chain_region(world.chain));
	world_run(&world);
	world_has(&world, "ASIAEXAMPLEROLE00001", "IMDSv2, role Gateway");
	assert_string_equal(kiln_chain_region(world.chain), "eu-west-1");
	assert_int_equal(world.asked_http, 4); /* one token serves all */
	assert_null(kiln_chain_problem(world.chain));
	/* 15 minutes before the end; the region is known, the token still good. */
	world.servers[2].body = KEYS_JSON("Token", "2026-01-16T00:00:00Z");
	world_sleep(&world, 6 * 3600 - 900, 6 * 3600 - 900);
	assert_int_equal(world.asked_http, 6);
	/* By the next time it is not. */
	world.servers[2].body = KEYS_JSON("Token", "2026-01-16T06:00:00Z");
	world_sleep(&world, 6 * 3600, 6 * 3600);
	assert_int_equal(world.asked_http, 9);
	world_close(&world);
}

/* What the chain gives after its expiry is good for a proof, too. */
static void proves_though_expired(struct world *world)
{
	const struct kiln_aws_credentials *credentials;
	struct kiln_aws_proof proof;
	struct kiln_error err;
	assert_int_equal(kiln_chain_credentials(world->chain, world->now, &credentials, &err),
			 KILN_OK);
	assert_true(credentials->expires_at <= world->now);
	if (kiln_aws_prove(credentials, kiln_chain_region(world->chain), world->now, "{}", 2,
			   &proof, &err) != KILN_OK)
		fail_msg("no proof: %s", err.message);
	assert_int_equal(kiln_aws_proof_check(&proof, world->now, &err), KILN_OK);
	assert_string_equal(proof.token, "t0k3n");
	kiln_aws_proof_clear(&proof);
}

/* From the first failed refresh to the end and beyond: the old ones stay. */
static void metadata_is_late(void **state)
{
	(void)state;
	struct world world = instance;
	world_open(&world, NULL);
	world_run(&world);
	world.servers[1].status = 503;
	world.servers[0].status = 503;
	world_sleep(&world, 6 * 3600 - 900, 6 * 3600 - 900);
	world_has(&world, "ASIAEXAMPLEROLE00001", "IMDSv2, role Gateway");
	assert_non_null(strstr(kiln_chain_problem(world.chain)->message, "status 503"));
	world_sleep(&world, 1, 2);
	world_sleep(&world, 2, 3);
	world_sleep(&world, 4, 5);
	unsigned rounds = 0;
	while (world.now < NOON + 6 * 3600 - 600) {
		world_sleep(&world, 8, 61);
		rounds++;
	}
	assert_in_range(rounds, 4, 20);
	rounds = 0;
	while (world.now < NOON + 6 * 3600) {
		world_sleep(&world, 10, 11);
		rounds++;
	}
	assert_in_range(rounds, 50, 61);
	world_has(&world, "ASIAEXAMPLEROLE00001", "IMDSv2, role Gateway");
	world_sleep(&world, 300, 600);
	world_has(&world, "ASIAEXAMPLEROLE00001", "IMDSv2, role Gateway");
	proves_though_expired(&world);
	world.servers[0].status = world.servers[1].status = 200;
	world.servers[2].body = KEYS_JSON("Token", "2026-01-16T00:30:00Z");
	world_sleep(&world, 300, 600);
	assert_null(kiln_chain_problem(world.chain));
	world_close(&world);
}

/* The service itself hands out what has expired: used, and asked again later. */
static void metadata_gives_expired(void **state)
{
	(void)state;
	struct world world = {.servers = {IMDS_AT("2026-01-15T11:59:59Z")}};
	world_open(&world, NULL);
	world_run(&world);
	world_has(&world, "ASIAEXAMPLEROLE00001", "IMDSv2, role Gateway");
	proves_though_expired(&world);
	world_sleep(&world, 300, 600);
	world_close(&world);
}

static const struct world pod = {
    .environ = {"AWS_REGION=eu-west-1", "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/Pod",
		"AWS_WEB_IDENTITY_TOKEN_FILE=/run/token", "HOME=/home/k"},
    .files = {{"/run/token", "e30.e30.c2ln\n", 0}},
    .servers = {{"POST https://sts.eu-west-1.amazonaws.com/", "WebIdentityToken=e30.e30.c2ln", 200,
		 "application/json",
		 STS_JSON("AssumeRoleWithWebIdentity", "ASIAEXAMPLEPOD000001", "1768482000")}}};

#define POD "web identity, role arn:aws:iam::123456789012:role/Pod"

/* Others than an instance's end with their expiry, and come back. */
static void sts_is_down(void **state)
{
	(void)state;
	struct world world = pod;
	world_open(&world, NULL);
	world_run(&world);
	world_has(&world, "ASIAEXAMPLEPOD000001", POD);
	world.servers[0].status = 0;
	world_sleep(&world, 2700, 2700);
	assert_int_equal(world.asked_http, 4); /* three tries */
	while (world.now < NOON + 3600) {
		world_has(&world, "ASIAEXAMPLEPOD000001", POD);
		world_sleep(&world, 1, 61);
	}
	world_lacks(&world, "timed out");
	world_sleep(&world, 30, 31);
	world_lacks(&world, "timed out");
	world.servers[0].status = 200;
	world.servers[0].need = "WebIdentityToken=bmV3.e30.c2ln";
	world.servers[0].body =
	    STS_JSON("AssumeRoleWithWebIdentity", "ASIAEXAMPLEPOD000002", "1768492800");
	world.files[0].text = "bmV3.e30.c2ln"; /* replaced meanwhile */
	world_sleep(&world, 30, 31);
	world_has(&world, "ASIAEXAMPLEPOD000002", POD);
	world_close(&world);
}

/* Credentials of 12 minutes must not be asked for in a loop. */
static void short_lived(void **state)
{
	(void)state;
	struct world world = pod;
	world.servers[0].body =
	    STS_JSON("AssumeRoleWithWebIdentity", "ASIAEXAMPLEPOD000001", "1768479120");
	world_open(&world, NULL);
	world_run(&world);
	world_sleep(&world, 301, 301);
	world_sleep(&world, 200, 301);
	world_close(&world);
}

static void expired_from_the_start(void **state)
{
	(void)state;
	struct world world = pod;
	world.servers[0].body =
	    STS_JSON("AssumeRoleWithWebIdentity", "ASIAEXAMPLEPOD000001", "1768478400");
	world_refuses(world, "have already expired");
}

static void refresh_by_hand(void **state)
{
	(void)state;
	struct world world = {.environ = {"HOME=/h", "AWS_REGION=us-east-1"},
			      .files = {{"/h/.aws/credentials",
					 "[default]\naws_access_key_id=AKIAEXAMPLESTATIC001\n"
					 "aws_secret_access_key=s3cr3t\n",
					 0}}};
	world_open(&world, NULL);
	world_run(&world);
	world_has(&world, "AKIAEXAMPLESTATIC001", "profile default");
	assert_true(kiln_chain_wake_at(world.chain) == INT64_MAX);
	world.files[0].text = "[default]\naws_access_key_id=AKIAEXAMPLESTATIC002\n"
			      "aws_secret_access_key=s3cr3t\n";
	kiln_chain_refresh(world.chain);
	world_run(&world);
	world_has(&world, "AKIAEXAMPLESTATIC002", "profile default");
	/* A broken file leaves what there was. */
	world.files[0].text = "[default\n";
	kiln_chain_refresh(world.chain);
	world_run(&world);
	world_has(&world, "AKIAEXAMPLESTATIC002", "profile default");
	assert_non_null(strstr(kiln_chain_problem(world.chain)->message, "line 1"));
	world_close(&world);
}

/* Everything is configured at once; one after the other is taken away. */
static void order(void **state)
{
	(void)state;
	struct world world = pod;
	world.environ[4] = "AWS_ACCESS_KEY_ID=AKIAEXAMPLEENVIRON01";
	world.environ[5] = "AWS_SECRET_ACCESS_KEY=s3cr3t";
	world.environ[6] = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/1";
	world.files[1] = (struct world_file){
	    "/home/k/.aws/credentials",
	    "[default]\naws_access_key_id=AKIAEXAMPLESTATIC001\naws_secret_access_key=s3cr3t\n", 0};
	world.servers[1] =
	    (struct world_server){"GET http://169.254.170.2/v2/credentials/1", NULL, 200, NULL,
				  KEYS_JSON("Token", "2026-01-15T18:00:00Z")};
	memcpy(&world.servers[2], instance.servers, 4 * sizeof world.servers[0]);
	world_gives(world, "AKIAEXAMPLEENVIRON01", "environment");
	world.environ[4] = "AWS_X=";
	world_gives(world, "AKIAEXAMPLESTATIC001", "profile default");
	world.files[1].path = "/nowhere";
	world_gives(world, "ASIAEXAMPLEPOD000001", POD);
	world.environ[2] = "AWS_Y=";
	world_gives(world, "ASIAEXAMPLEROLE00001",
		    "container endpoint http://169.254.170.2/v2/credentials/1");
	world.environ[6] = "AWS_Z=";
	world_gives(world, "ASIAEXAMPLEROLE00001", "IMDSv2, role Gateway");
	world.environ[6] = "AWS_EC2_METADATA_DISABLED=true";
	world_refuses(world, "metadata service is switched off");
	world.files[1] = (struct world_file){"/home/k/.aws/config", NULL, 13};
	world_refuses(world, "config cannot be read: Permission denied");
}

/* --profile: nothing else counts, the environment's keys least of all. */
static void explicit_profile(void **state)
{
	(void)state;
	struct world world = {
	    .environ = {"HOME=/h", "AWS_ACCESS_KEY_ID=AKIAEXAMPLEENVIRON01",
			"AWS_SECRET_ACCESS_KEY=s3cr3t", "AWS_REGION=us-east-1"},
	    .files = {{"/h/.aws/config",
		       "[profile a]\naws_access_key_id=AKIAEXAMPLESTATIC001\n"
		       "aws_secret_access_key=s3cr3t\n[profile empty]\nregion=us-east-1\n",
		       0}}};
	static const char *const names[] = {"a", "empty", "b"};
	static const char *const reasons[] = {NULL, "'empty' has no credentials",
					      "in none of the shared files"};
	for (size_t i = 0; i < 3; i++) {
		const struct kiln_chain_options options = {.profile = names[i]};
		world_open(&world, &options);
		world_run(&world);
		if (reasons[i] == NULL)
			world_has(&world, "AKIAEXAMPLESTATIC001", "profile a");
		else
			world_lacks(&world, reasons[i]);
		world_close(&world);
	}
	/* A profile that is only named by the environment must be there, too. */
	world.environ[1] = "AWS_PROFILE=b";
	world_refuses(world, "in none of the shared files");
}

static const char *region_of(struct world world, const struct kiln_chain_options *options)
{
	static char region[33];
	world_open(&world, options);
	world_run(&world);
	const char *found = kiln_chain_region(world.chain);
	(void)snprintf(region, sizeof region, "%s", found != NULL ? found : "none");
	world_close(&world);
	return region;
}

static void regions(void **state)
{
	(void)state;
	struct world world = {.environ = {"HOME=/h", "AWS_ACCESS_KEY_ID=AKIAEXAMPLEENVIRON01",
					  "AWS_SECRET_ACCESS_KEY=s3cr3t", "AWS_REGION=us-east-1",
					  "AWS_DEFAULT_REGION=us-east-2"},
			      .files = {{"/h/.aws/config", "[default]\nregion = us-west-1\n", 0}},
			      .servers = {IMDS_AT("2026-01-15T18:00:00Z")}};
	const struct kiln_chain_options options = {.region = "us-west-2"};
	assert_string_equal(region_of(world, &options), "us-west-2");
	assert_string_equal(region_of(world, NULL), "us-east-1");
	world.environ[3] = "AWS_X=";
	assert_string_equal(region_of(world, NULL), "us-east-2");
	world.environ[4] = NULL;
	assert_string_equal(region_of(world, NULL), "us-west-1");
	world.files[0].path = "/nowhere";
	assert_string_equal(region_of(world, NULL), "eu-west-1");
	world.servers[3].body = "evil.example/x";
	assert_string_equal(region_of(world, NULL), "none");
	world.environ[4] = "AWS_EC2_METADATA_DISABLED=TRUE";
	assert_string_equal(region_of(world, NULL), "none");
	world.environ[3] = "AWS_REGION=evil.example/";
	world_refuses(world, "no region of AWS");
	struct kiln_chain *chain;
	struct kiln_error err;
	const struct kiln_chain_options bad = {.region = "x"}, worse = {.session_name = "a b"};
	assert_why(kiln_chain_new(&bad, &chain, &err), &err, KILN_E_CONFIG, "no region");
	assert_why(kiln_chain_new(&worse, &chain, &err), &err, KILN_E_CONFIG, "no name");
}

static void refused_at_once(const char *variable, bool development, const char *words)
{
	const char *const environ[] = {"AWS_ENDPOINT_URL=https://sts.us-east-2.amazonaws.com",
				       variable, NULL};
	const struct kiln_chain_options options = {.environ = environ, .development = development};
	struct kiln_chain *chain;
	struct kiln_error err;
	assert_why(kiln_chain_new(&options, &chain, &err), &err, KILN_E_CONFIG, words);
	assert_null(chain);
}

/* What a file says is known later; what a variable says is known before there is a question. */
static void endpoint_variables(void **state)
{
	(void)state;
	refused_at_once("AWS_ENDPOINT_URL_STS=http://127.0.0.1:1", false, "for development");
	refused_at_once("AWS_ENDPOINT_URL_STS=https://sts.evil.example", true, "only STS of AWS");
	const char *const ignored[] = {"AWS_ENDPOINT_URL=http://127.0.0.1:1",
				       "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true", NULL};
	const struct kiln_chain_options options = {.environ = ignored};
	struct kiln_chain *chain;
	assert_int_equal(kiln_chain_new(&options, &chain, NULL), KILN_OK);
	kiln_chain_free(chain);
}

static struct kiln_sts_endpoints endpoints_of(struct world world, bool development)
{
	const struct kiln_chain_options options = {.development = development};
	world_open(&world, &options);
	world_run(&world);
	struct kiln_sts_endpoints endpoints = *kiln_chain_endpoints(world.chain);
	world_close(&world);
	return endpoints;
}

#define STS_A "https://sts.us-east-1.amazonaws.com"
#define STS_B "https://sts.us-east-2.amazonaws.com"
#define STS_C "https://sts.us-west-1.amazonaws.com"
#define STS_D "https://sts.us-west-2.amazonaws.com"

static void endpoints(void **state)
{
	(void)state;
	struct world world = {
	    .environ = {"HOME=/h", "AWS_ACCESS_KEY_ID=AKIAEXAMPLEENVIRON01",
			"AWS_SECRET_ACCESS_KEY=s3cr3t", "AWS_REGION=us-east-1",
			"AWS_ENDPOINT_URL_STS=" STS_A, "AWS_ENDPOINT_URL=" STS_B},
	    .files = {{"/h/.aws/config",
		       "[default]\nservices = s\nendpoint_url = " STS_D
		       "\nuse_dualstack_endpoint = true\nuse_fips_endpoint = true\n"
		       "[services s]\nsts =\n  endpoint_url = " STS_C "\n",
		       0}}};
	assert_string_equal(endpoints_of(world, false).override, STS_A);
	world.environ[4] = "AWS_X=";
	assert_string_equal(endpoints_of(world, false).override, STS_B);
	world.environ[5] = NULL;
	assert_string_equal(endpoints_of(world, false).override, STS_C);
	world.environ[5] = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true";
	assert_string_equal(endpoints_of(world, false).override, "");
	assert_true(endpoints_of(world, false).dual_stack);
	assert_true(endpoints_of(world, false).fips);
	world.environ[4] = "AWS_USE_DUALSTACK_ENDPOINT=false";
	assert_false(endpoints_of(world, false).dual_stack);
	world.environ[5] = NULL;
	world.files[0].text = "[default]\nendpoint_url = " STS_D "\n";
	assert_string_equal(endpoints_of(world, false).override, STS_D);
	world.files[0].text = "[default]\nendpoint_url = http://localhost:4566\n";
	assert_string_equal(endpoints_of(world, true).override, "http://localhost:4566");
	world_refuses(world, "for development");
	world.files[0].text = "[default]\nendpoint_url = https://sts.evil.example\n";
	world_refuses(world, "only STS of AWS is believed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_instance),
	    cmocka_unit_test(metadata_is_late),
	    cmocka_unit_test(metadata_gives_expired),
	    cmocka_unit_test(sts_is_down),
	    cmocka_unit_test(short_lived),
	    cmocka_unit_test(expired_from_the_start),
	    cmocka_unit_test(refresh_by_hand),
	    cmocka_unit_test(order),
	    cmocka_unit_test(explicit_profile),
	    cmocka_unit_test(regions),
	    cmocka_unit_test(endpoints),
	    cmocka_unit_test(endpoint_variables),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

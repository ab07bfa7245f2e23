/* SPDX-License-Identifier: Apache-2.0
 * Each provider of credentials: what it asks, whom it refuses to ask, and every bad answer. */
#include "aws_world.h"

#include "aws/json.h"

#define LATER  "2026-01-15T18:00:00Z"
#define REGION "AWS_REGION=eu-west-1"
#define STS    "POST https://sts.eu-west-1.amazonaws.com/"
#define KEYS   "aws_access_key_id=AKIAEXAMPLESTATIC001\naws_secret_access_key=s3cr3t\n"

static struct world with_config(const char *profile, const char *config)
{
	struct world world = {.environ = {"HOME=/h", REGION, profile},
			      .files = {{"/h/.aws/config", config, 0}}};
	return world;
}

static void environment(void **state)
{
	(void)state;
	struct world world = {.environ = {REGION, "AWS_ACCESS_KEY_ID=ASIAEXAMPLEENVIRON01",
					  "AWS_SECRET_ACCESS_KEY=s3cr3t",
					  "AWS_SESSION_TOKEN=t0k3n"}};
	world_gives(world, "ASIAEXAMPLEENVIRON01", "environment");
	world.environ[3] = "AWS_SESSION_TOKEN=t0k3n\n";
	world_refuses(world, "session token has a character");
	world.environ[2] = "AWS_SECRET_ACCESS_KEY=";
	world_refuses(world,
		      "environment (AWS_ACCESS_KEY_ID ...): the secret access key is missing");
}

static void shared_files(void **state)
{
	(void)state;
	struct world world = with_config("AWS_PROFILE=p", "[profile p]\n" KEYS);
	world_gives(world, "AKIAEXAMPLESTATIC001", "profile p");
	/* The credentials file goes first, key by key. */
	world.files[1] = (struct world_file){"/h/.aws/credentials",
					     "[p]\naws_access_key_id=AKIAEXAMPLESTATIC002\n", 0};
	world_gives(world, "AKIAEXAMPLESTATIC002", "profile p");
	world.environ[3] = "AWS_CONFIG_FILE=/etc/c";
	world.environ[4] = "AWS_SHARED_CREDENTIALS_FILE=~/k";
	world.files[0].path = "/etc/c";
	world_gives(world, "AKIAEXAMPLESTATIC001", "profile p");
	world.files[1].path = "/h/k";
	world_gives(world, "AKIAEXAMPLESTATIC002", "profile p");
	world_refuses(with_config("AWS_PROFILE=p", "[p]\n" KEYS), "in none of the shared files");
	world_refuses(
	    with_config("AWS_PROFILE=p", "[profile p]\naws_access_key_id=AKIAEXAMPLE00001\n"),
	    "profile 'p': the secret access key is missing");
	world_refuses(with_config("AWS_PROFILE=p", "[profile p]\nsso_session=x\n"),
		      "credential_process");
	world_refuses(with_config("AWS_PROFILE=p", "[profile p]\nx\n"), "/h/.aws/config, line 2");
	world_gives(with_config("AWS_X=", "[profile default]\n" KEYS), "AKIAEXAMPLESTATIC001",
		    "profile default");
}

#define ROLE(name) "role_arn=arn:aws:iam::123456789012:role/" name "\n"
#define FORM(name) "RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2F" name "&"

static void roles(void **state)
{
	(void)state;
	struct world world = with_config(
	    "AWS_PROFILE=c",
	    "[profile a]\n" KEYS "[profile b]\n" ROLE(
		"B") "source_profile=a\n"
		     "[profile c]\n" ROLE("C") "source_profile=b\nrole_session_name=me\n"
					       "external_id=x/y\nduration_seconds=900\n");
	world.servers[0] =
	    (struct world_server){STS, FORM("B") "RoleSessionName=kiln", 200, "application/json",
				  STS_JSON("AssumeRole", "ASIAEXAMPLEROLE0000B", "1768482000")};
	world.servers[1] = (struct world_server){
	    STS, FORM("C") "RoleSessionName=me&ExternalId=x%2Fy&DurationSeconds=900", 200,
	    "application/json", STS_JSON("AssumeRole", "ASIAEXAMPLEROLE0000C", "1768482000")};
	world_gives(world, "ASIAEXAMPLEROLE0000C",
		    "profile c, role arn:aws:iam::123456789012:role/C");
	world.servers[1].need = "Authorization: AWS4-HMAC-SHA256 Credential=ASIAEXAMPLEROLE0000B/";
	world_gives(world, "ASIAEXAMPLEROLE0000C",
		    "profile c, role arn:aws:iam::123456789012:role/C");
	world.servers[0].status = 403;
	world.servers[0].body = "{\"Error\":{\"Code\":\"AccessDenied\"}}";
	world_refuses(world, "role of the AWS profile 'b': STS refuses it: AccessDenied");
	world.servers[0].status = 500;
	world_open(&world, NULL);
	world_run(&world);
	world_lacks(&world, "try again later");
	assert_int_equal(world.asked_http, 3);
	world_close(&world);
	/* Its own keys assume its role. */
	world = with_config("AWS_PROFILE=s", "[profile s]\n" KEYS ROLE("B") "source_profile=s\n");
	world.servers[0] = (struct world_server){
	    STS, "Authorization: AWS4-HMAC-SHA256 Credential=AKIAEXAMPLESTATIC001/", 200,
	    "application/json", STS_JSON("AssumeRole", "ASIAEXAMPLEROLE0000B", "1768482000")};
	world_gives(world, "ASIAEXAMPLEROLE0000B",
		    "profile s, role arn:aws:iam::123456789012:role/B");
	world.environ[1] = "AWS_EC2_METADATA_DISABLED=true";
	world_refuses(world, "set AWS_REGION");
}

#define HOP(name, source) "[profile " name "]\n" ROLE(name) "source_profile=" source "\n"

static void role_settings(void **state)
{
	(void)state;
	static const struct {
		const char *config, *reason;
	} all[] = {
	    {"[profile p]\n" ROLE("R"), "needs source_profile"},
	    {"[profile p]\n" ROLE("R") "source_profile=q\n", "'q' cannot be used: it is in none"},
	    {"[profile p]\n" ROLE("R") "source_profile=q\ncredential_source=Environment\n", "both"},
	    {"[profile p]\n" ROLE("R") "source_profile=p\n", "has no credentials"},
	    {"[profile p]\n" ROLE("R") "source_profile=q\n[profile q]\n" ROLE(
		 "Q") "source_profile=p\n",
	     "back to itself"},
	    {"[profile p]\n" ROLE("R") "credential_source=Elsewhere\n", "must be Environment"},
	    {"[profile p]\n" ROLE("R") "credential_source=Environment\n",
	     "access key id is missing"},
	    {"[profile p]\n" ROLE("R") "credential_source=EcsContainer\n", "EcsContainer, but"},
	    {"[profile p]\n" ROLE("R") "source_profile=p\nmfa_serial=m\n" KEYS, "mfa_serial"},
	    {"[profile p]\n" ROLE("R") "source_profile=p\nduration_seconds=899\n" KEYS, "900 to"},
	    {"[profile p]\n" ROLE("R") "source_profile=p\nduration_seconds=9e3\n" KEYS, "900 to"},
	    {"[profile p]\n" ROLE("R") "source_profile=p\nrole_session_name=a b\n" KEYS, "no name"},
	    {HOP("p", "2") HOP("2", "3") HOP("3", "4") HOP("4", "5") HOP("5", "6") HOP("6", "7"),
	     "too many roles"},
	};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		world_refuses(with_config("AWS_PROFILE=p", all[i].config), all[i].reason);
}

/* role_arn + credential_source, and a profile's own web identity. */
static void sources(void **state)
{
	(void)state;
	struct world world = with_config(
	    "AWS_PROFILE=p", "[profile p]\n" ROLE("R") "credential_source=Ec2InstanceMetadata\n");
	const struct world_server imds[] = {
	    {IMDS_TOKEN, NULL, 200, NULL, "t0k"},
	    {IMDS_ROLES, IMDS_NEED, 200, NULL, "Gateway"},
	    {IMDS_ROLES "Gateway", IMDS_NEED, 200, NULL, KEYS_JSON("Token", LATER)},
	    {STS, "X-Amz-Security-Token: t0k3n", 200, "application/json",
	     STS_JSON("AssumeRole", "ASIAEXAMPLEROLE0000R", "1768482000")}};
	memcpy(world.servers, imds, sizeof imds);
	world_gives(world, "ASIAEXAMPLEROLE0000R",
		    "profile p, role arn:aws:iam::123456789012:role/R");
	world.environ[3] = "AWS_EC2_METADATA_DISABLED=true";
	world_refuses(world, "AWS_EC2_METADATA_DISABLED is set");
	world = with_config(
	    "AWS_PROFILE=p",
	    "[profile p]\n" ROLE("W") "web_identity_token_file=/w\nrole_session_name=pod\n");
	world.files[1] = (struct world_file){"/w", "e30", 0};
	world.servers[0] = (struct world_server){
	    STS, FORM("W") "RoleSessionName=pod&WebIdentityToken=e30", 200, "application/json",
	    STS_JSON("AssumeRoleWithWebIdentity", "ASIAEXAMPLEROLE0000W", "1768482000")};
	world_gives(world, "ASIAEXAMPLEROLE0000W",
		    "web identity, role arn:aws:iam::123456789012:role/W");
}

static void process(void **state)
{
	(void)state;
	struct world world =
	    with_config("AWS_PROFILE=p", "[profile p]\ncredential_process = /bin/get \"a b\" c\n");
	world.command = "/bin/get|a b|c";
	world.output = KEYS_JSON("SessionToken", LATER);
	world_gives(world, "ASIAEXAMPLEROLE00001", "credential_process of profile p");
	world.exit_status = 3;
	world_refuses(world, "/bin/get failed with status 3");
	world.exit_status = KILN_CHAIN_TOO_SLOW;
	world_refuses(world, "did not end within");
	world.exit_status = KILN_CHAIN_TOO_LONG;
	world_refuses(world, "printed more than");
	world.exit_status = 0;
	world.output = "s3cr3t";
	world_refuses(world, "/bin/get: the credentials' JSON is refused");
	world.command_error = 2;
	world_refuses(world, "/bin/get cannot be run: No such file");
	world.files[0].text = "[profile p]\ncredential_process = 'a\n";
	world_refuses(world, "does not end");
}

static void web_identity(void **state)
{
	(void)state;
	struct world world = {
	    .environ = {REGION, "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/P",
			"AWS_WEB_IDENTITY_TOKEN_FILE=/t", "AWS_ROLE_SESSION_NAME=pod@1"},
	    .files = {{"/t", "e30", 0}},
	    .servers = {
		{STS, "RoleSessionName=pod%401&", 200, "application/json",
		 STS_JSON("AssumeRoleWithWebIdentity", "ASIAEXAMPLEROLE0000P", "1768482000")}}};
	world_gives(world, "ASIAEXAMPLEROLE0000P",
		    "web identity, role arn:aws:iam::123456789012:role/P");
	world.files[0].text = " \n";
	world_refuses(world, "is empty");
	world.files[0].text = "e30\nX: y";
	world_refuses(world, "holds what cannot be sent");
	world.files[0].error = 13;
	world_refuses(world, "/t cannot be read: Permission denied");
	world.files[0] = (struct world_file){"/t", "e30", 0};
	world.servers[0].body = STS_JSON("AssumeRole", "ASIAEXAMPLEROLE0000P", "1768482000");
	world_refuses(world, "answers another question");
	world.servers[0].status = 400;
	world.servers[0].body = "{\"Error\":{\"Code\":\"ExpiredTokenException\"}}";
	world_refuses(world, "ExpiredTokenException");
	world.environ[3] = "AWS_ROLE_SESSION_NAME=a b";
	world_refuses(world, "no name for a role's session");
	world.environ[1] = "AWS_X=";
	world_refuses(world, "AWS_ROLE_ARN is not");
	world.environ[0] = "AWS_EC2_METADATA_DISABLED=true";
	world.environ[1] = "AWS_ROLE_ARN=arn:aws:iam::123456789012:role/P";
	world_refuses(world, "set AWS_REGION");
}

#define FULL "AWS_CONTAINER_CREDENTIALS_FULL_URI="

static void container(void **state)
{
	(void)state;
	struct world world = {
	    .environ = {REGION, FULL "http://169.254.170.23/v1/credentials",
			"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/pod/token",
			"AWS_CONTAINER_AUTHORIZATION_TOKEN=old"},
	    .files = {{"/pod/token", "p0d\n", 0}},
	    .servers = {{"GET http://169.254.170.23/v1/credentials", "Authorization: p0d", 200,
			 NULL, KEYS_JSON("Token", LATER)}}};
	world_gives(world, "ASIAEXAMPLEROLE00001",
		    "container endpoint http://169.254.170.23/v1/credentials");
	world.files[0].text = "p0d\r\nX: y";
	world_refuses(world, "holds what cannot be sent");
	world.files[0].error = 2;
	world_refuses(world, "cannot be read");
	world.environ[2] = "AWS_X=";
	world.servers[0].need = "Authorization: old";
	world_gives(world, "ASIAEXAMPLEROLE00001",
		    "container endpoint http://169.254.170.23/v1/credentials");
	world.environ[3] = "AWS_CONTAINER_AUTHORIZATION_TOKEN=a\r\nX: y";
	world_refuses(world, "end of a line");
	world.environ[3] = NULL;
	world.servers[0].need = NULL;
	world.servers[0].status = 404;
	world_refuses(world, "status 404");
	world.servers[0].status = 302;
	world_refuses(world, "status 302");
	world.servers[0].status = 0;
	world_refuses(world, "no answer: timed out");
	world.servers[0].status = 200;
	world.servers[0].body = "{\"message\":\"s3cr3t\"}";
	world_refuses(world, "container endpoint: the credentials' JSON");
}

static void container_hosts(void **state)
{
	(void)state;
	static const char *const fine[] = {"http://169.254.170.2/x",   "http://169.254.170.23/x",
					   "http://[fd00:ec2::23]/x",  "http://localhost:80/x",
					   "http://127.0.0.1:51679/x", "https://any.example/x"};
	static const char *const bad[] = {"http://169.254.170.3/x",
					  "http://169.254.169.254/x",
					  "http://evil.example/x",
					  "http://[fd00:ec2::24]/x",
					  "http://169.254.170.2.evil.example/x",
					  "http://localhost@evil.example",
					  "ftp://localhost/x",
					  "localhost/x",
					  "http://127.0.0.1 /x"};
	for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
		char variable[128], request[128], source[128];
		(void)snprintf(variable, sizeof variable, FULL "%s", fine[i]);
		(void)snprintf(request, sizeof request, "GET %s", fine[i]);
		(void)snprintf(source, sizeof source, "container endpoint %s", fine[i]);
		const struct world world = {
		    .environ = {REGION, variable},
		    .servers = {{request, NULL, 200, NULL, KEYS_JSON("Token", LATER)}}};
		world_gives(world, "ASIAEXAMPLEROLE00001", source);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char variable[128];
		(void)snprintf(variable, sizeof variable, FULL "%s", bad[i]);
		const struct world world = {.environ = {REGION, variable}};
		world_refuses(world, "AWS_CONTAINER_CREDENTIALS_FULL_URI is");
	}
	const struct world at = {
	    .environ = {REGION, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=@evil.example/"}};
	world_refuses(at, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not of the form");
}

static struct world instance(void)
{
	struct world world = {
	    .environ = {REGION},
	    .servers = {{IMDS_TOKEN, NULL, 200, NULL, "t0k"},
			{IMDS_ROLES, IMDS_NEED, 200, NULL, "Gateway\n"},
			{IMDS_ROLES "Gateway", IMDS_NEED, 200, NULL, KEYS_JSON("Token", LATER)}}};
	return world;
}

static void imds_with(unsigned server, int status, const char *body, const char *reason)
{
	struct world world = instance();
	world.servers[server].status = status;
	world.servers[server].body = body;
	world_refuses(world, reason);
}

static void imds(void **state)
{
	(void)state;
	world_gives(instance(), "ASIAEXAMPLEROLE00001", "IMDSv2, role Gateway");
	imds_with(0, 0, NULL, "hop limit 2?): timed out");
	imds_with(0, 403, "", "status 403 to the request for a token (only version 2 is used)");
	imds_with(0, 404, "", "only version 2");
	imds_with(0, 200, "", "a token that cannot be one");
	imds_with(0, 200, "a b", "a token that cannot be one");
	imds_with(0, 200, "a\r\nX: y", "a token that cannot be one");
	imds_with(1, 404, "", "this instance has no role");
	imds_with(1, 401, "", "status 401");
	imds_with(1, 200, "", "a role that cannot be one");
	imds_with(1, 200, "../../x", "a role that cannot be one");
	imds_with(1, 200, "<html>", "a role that cannot be one");
	imds_with(2, 404, "", "status 404");
	imds_with(2, 200, "{\"Code\":\"Failed\",\"Message\":\"m\"}", "Code is not Success");
	char longest[400];
	memset(longest, 'a', sizeof longest - 1);
	longest[399] = '\0';
	imds_with(0, 200, longest, "a token that cannot be one");
	imds_with(1, 200, longest, "a role that cannot be one");
}

/* A token that is refused is replaced, once. */
static void imds_token_ends(void **state)
{
	(void)state;
	struct world world = instance();
	world_open(&world, NULL);
	world_run(&world);
	world.servers[0].body = "n3w";
	world.servers[1].need = world.servers[2].need = "X-aws-ec2-metadata-token: n3w";
	world.servers[3] = (struct world_server){IMDS_ROLES, IMDS_NEED, 401, NULL, ""};
	world.servers[2].body = KEYS_JSON("Token", "2026-01-16T00:00:00Z");
	const unsigned before = world.asked_http;
	kiln_chain_refresh(world.chain);
	world_run(&world);
	assert_int_equal(world.asked_http - before, 4);
	assert_null(kiln_chain_problem(world.chain));
	world_close(&world);
}

static void imds_endpoints(void **state)
{
	(void)state;
	struct world world = instance();
	world.environ[1] = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6";
	world.servers[0].request = "PUT http://[fd00:ec2::254]/latest/api/token";
	world.servers[0].status = 403;
	world_refuses(world, "status 403");
	world.environ[1] = "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:1338/";
	world.servers[0].request = "PUT http://127.0.0.1:1338/latest/api/token";
	world_refuses(world, "status 403");
	static const char *const bad[] = {"http://evil.example", "http://169.254.169.253", "x",
					  "http://127.0.0.1/path", "http://[fd00:ec2::253]"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char variable[128];
		(void)snprintf(variable, sizeof variable, "AWS_EC2_METADATA_SERVICE_ENDPOINT=%s",
			       bad[i]);
		world.environ[1] = variable;
		world_refuses(world, "is refused: only loopback");
	}
}

/* An answer that nobody asked for is ignored, and a chain may end in the middle of anything. */
static void ends_anywhere(void **state)
{
	(void)state;
	struct world world = instance();
	world_open(&world, NULL);
	const struct kiln_chain_answer stray = {.error = 5};
	kiln_chain_answer(world.chain, NOON, &stray);
	world_run(&world);
	kiln_chain_answer(world.chain, NOON, &stray);
	world_has(&world, "ASIAEXAMPLEROLE00001", "IMDSv2, role Gateway");
	kiln_chain_refresh(world.chain);
	assert_non_null(kiln_chain_step(world.chain, NOON));
	kiln_chain_refresh(world.chain);
	world_close(&world);
	kiln_chain_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(environment),     cmocka_unit_test(shared_files),
	    cmocka_unit_test(roles),           cmocka_unit_test(role_settings),
	    cmocka_unit_test(sources),         cmocka_unit_test(process),
	    cmocka_unit_test(web_identity),    cmocka_unit_test(container),
	    cmocka_unit_test(container_hosts), cmocka_unit_test(imds),
	    cmocka_unit_test(imds_token_ends), cmocka_unit_test(imds_endpoints),
	    cmocka_unit_test(ends_anywhere),
	};
	kiln_json_memory_take_over(); /* as in the gateway */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

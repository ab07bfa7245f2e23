/* SPDX-License-Identifier: Apache-2.0
 * lib/aws and the development STS against each other, from memory: credentials of every provider, a
 * proof made with them, and whose it turns out to be. */
#include "aws_test.h"

#include <errno.h>

#include <kiln/aws.h>

#include "aws/chain.h"
#include "aws/role.h"
#include "sts/keys_file.h"
#include "sts/request.h"

#define HERE     "http://127.0.0.1:8787"
#define WEB_ROLE "arn:aws:iam::123456789012:role/Web"
#define DB_ROLE  "arn:aws:iam::210987654321:role/Db"
#define WEB_KEYS "ASIAEXAMPLEWEB000001"
#define SECRET   "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

static const char keys_file[] =
    "{\"identities\":[{\"name\":\"Web\",\"access_key_id\":\"" WEB_KEYS
    "\",\"secret_access_key\":\"" SECRET "\",\"session_token\":\"t0/k+en==\","
    "\"container_token\":\"open+sesame\","
    "\"arn\":\"arn:aws:sts::123456789012:assumed-role/Web/i-0123\"}],"
    "\"roles\":[{\"arn\":\"" WEB_ROLE "\"},{\"arn\":\"" DB_ROLE "\",\"external_id\":\"x=1&y\"}],"
    "\"web_identities\":[{\"token\":\"web.t0k3n+/=\",\"role\":\"" DB_ROLE "\"}]}";

struct rig {
	struct kiln_stsd sts;
	struct kiln_stsd_reply reply;
	unsigned asked;
};

static void set_up(struct rig *rig)
{
	struct kiln_error err = {0};
	*rig = (struct rig){.sts.region = "eu-west-3"};
	assert_int_equal(kiln_stsd_store_init(&rig->sts.store, NULL), KILN_OK);
	if (kiln_stsd_keys_read(&rig->sts.store, "keys", (const uint8_t *)keys_file,
				sizeof keys_file - 1, &err) != KILN_OK)
		fail_msg("%s", err.message);
	rig->sts.instance = &rig->sts.store.keys[0];
}

static void tear_down(struct rig *rig)
{
	kiln_stsd_reply_clear(&rig->reply);
	kiln_stsd_store_clear(&rig->sts.store);
}

/* ------------------------------------------------------------------ HTTP between the two */

static void add_header(struct kiln_stsd_request *r, struct kiln_slice name, struct kiln_slice value)
{
	assert_true(r->header_count < KILN_SIGV4_HEADERS_MAX);
	r->headers[r->header_count++] = (struct kiln_sigv4_header){name, value};
}

/* As libcurl sends it: "Name:" is left out, Host is the URL's unless it is given. */
static void describe(const struct kiln_http_request *http, struct kiln_stsd_request *r,
		     char length[24])
{
	bool host = false;
	assert_int_equal(strncmp(http->url, HERE, strlen(HERE)), 0);
	const char *path = http->url + strlen(HERE);
	const char *query = strchr(path, '?');
	*r = (struct kiln_stsd_request){.method = http->method, .now = NOON, .id = "id"};
	r->path = (struct kiln_slice){path, query != NULL ? (size_t)(query - path) : strlen(path)};
	r->query = kiln_slice_of(query != NULL ? query + 1 : "");
	r->body = http->body;
	r->body_len = http->body_len;
	for (unsigned i = 0; i < http->header_count; i++) {
		const char *line = http->headers[i].line, *colon = strchr(line, ':');
		assert_non_null(colon);
		host = host || strncmp(line, "Host:", 5) == 0;
		if (colon[1] != '\0')
			add_header(r, (struct kiln_slice){line, (size_t)(colon - line)},
				   kiln_slice_of(colon + 1 + strspn(colon + 1, " ")));
	}
	if (!host)
		add_header(r, kiln_slice_of("Host"), kiln_slice_of("127.0.0.1:8787"));
	(void)snprintf(length, 24, "%zu", http->body_len);
	if (http->body_len > 0 || strcmp(http->method, "POST") == 0)
		add_header(r, kiln_slice_of("Content-Length"), kiln_slice_of(length));
}

static void exchange(struct rig *rig, const struct kiln_http_request *http,
		     struct kiln_http_answer *answer)
{
	struct kiln_stsd_request request;
	char length[24];
	describe(http, &request, length);
	kiln_stsd_reply_clear(&rig->reply);
	rig->reply = (struct kiln_stsd_reply){0};
	if (!kiln_stsd_metadata(&rig->sts, &request, &rig->reply))
		kiln_stsd_answer(&rig->sts, &request, &rig->reply);
	rig->asked++;
	*answer = (struct kiln_http_answer){.status = (int)rig->reply.status,
					    .body = (const uint8_t *)rig->reply.body.data,
					    .len = rig->reply.body.len};
	(void)snprintf(answer->content_type, sizeof answer->content_type, "%s",
		       rig->reply.content_type);
}

/* ------------------------------------------------------------------ the chain */

static void answer_file(const struct kiln_chain_question *q, struct kiln_chain_answer *answer)
{
	static const char config[] = "[profile db]\nrole_arn = " DB_ROLE "\n"
				     "credential_source = Environment\nexternal_id = x=1&y\n"
				     "role_session_name = me@here\n";
	static const char token[] = "web.t0k3n+/=\n";
	answer->error = ENOENT;
	if (strcmp(q->path, "/config") == 0) {
		answer->data = (const uint8_t *)config;
		answer->len = sizeof config - 1;
		answer->error = 0;
	} else if (strcmp(q->path, "/token") == 0) {
		answer->data = (const uint8_t *)token;
		answer->len = sizeof token - 1;
		answer->error = 0;
	}
}

static void run(struct rig *rig, struct kiln_chain *chain)
{
	const struct kiln_chain_question *q;
	for (unsigned i = 0; (q = kiln_chain_step(chain, NOON)) != NULL; i++) {
		struct kiln_chain_answer answer = {0};
		struct kiln_http_answer http = {0};
		assert_true(i < 50);
		assert_int_not_equal(q->ask, KILN_CHAIN_COMMAND);
		if (q->ask == KILN_CHAIN_FILE)
			answer_file(q, &answer);
		else
			exchange(rig, q->http, &http);
		answer.http = &http;
		kiln_chain_answer(chain, NOON, &answer);
	}
}

/* With the chain's credentials: a proof, shown to the STS as a peer would. */
static void prove(struct rig *rig, const struct kiln_chain *chain, const char *region,
		  const char *arn)
{
	static const char body[] = "{\"ClientCA\":\"QUJD\"}";
	const struct kiln_aws_credentials *credentials;
	const struct kiln_sts_endpoints endpoints = {.development = true, .override = HERE};
	struct kiln_aws_proof proof;
	struct kiln_http_request http;
	struct kiln_http_answer answer;
	struct kiln_sts_identity identity;
	struct kiln_error err = {0};
	if (kiln_chain_credentials(chain, NOON, &credentials, &err) != KILN_OK)
		fail_msg("%s", err.message);
	assert_int_equal(
	    kiln_aws_prove(credentials, region, NOON, body, sizeof body - 1, &proof, NULL),
	    KILN_OK);
	assert_int_equal(kiln_aws_proof_check(&proof, NOON, NULL), KILN_OK);
	assert_int_equal(kiln_sts_identity_request(&endpoints, &proof, &http, NULL), KILN_OK);
	exchange(rig, &http, &answer);
	if (kiln_sts_identity_read(&answer, &identity, &err) != KILN_OK)
		fail_msg("%s; %s", err.message, rig->reply.problem);
	assert_string_equal(identity.arn, arn);

	http.body[2] ^= 1;
	exchange(rig, &http, &answer);
	assert_why(kiln_sts_identity_read(&answer, &identity, &err), &err, KILN_E_ROAST_PROOF, "");
	assert_string_equal(rig->reply.code, "SignatureDoesNotMatch");
	kiln_http_request_clear(&http);
	kiln_aws_proof_clear(&proof);
}

static void gives(const char *const *environ, const char *profile, const char *arn,
		  unsigned exchanges, const char *region)
{
	struct rig rig;
	struct kiln_chain *chain;
	const struct kiln_chain_options options = {
	    .environ = environ, .profile = profile, .development = true};
	set_up(&rig);
	assert_int_equal(kiln_chain_new(&options, &chain, NULL), KILN_OK);
	run(&rig, chain);
	assert_int_equal(rig.asked, exchanges);
	prove(&rig, chain, "us-west-2", arn);
	assert_string_equal(kiln_chain_region(chain), region);
	kiln_chain_free(chain);
	tear_down(&rig);
}

#define ENDPOINT "AWS_ENDPOINT_URL_STS=" HERE, "AWS_REGION=eu-central-1"
#define KEYS                                                                                       \
	"AWS_ACCESS_KEY_ID=" WEB_KEYS, "AWS_SECRET_ACCESS_KEY=" SECRET,                            \
	    "AWS_SESSION_TOKEN=t0/k+en=="

static void from_environment(void **state)
{
	const char *const environ[] = {KEYS, ENDPOINT, NULL};
	(void)state;
	gives(environ, NULL, "arn:aws:sts::123456789012:assumed-role/Web/i-0123", 0,
	      "eu-central-1");
}

static void by_assuming_a_role(void **state)
{
	const char *const environ[] = {KEYS, ENDPOINT, "AWS_CONFIG_FILE=/config", NULL};
	(void)state;
	gives(environ, "db", "arn:aws:sts::210987654321:assumed-role/Db/me@here", 1,
	      "eu-central-1");
}

static void by_web_identity(void **state)
{
	const char *const environ[] = {ENDPOINT, "AWS_ROLE_ARN=" DB_ROLE,
				       "AWS_WEB_IDENTITY_TOKEN_FILE=/token",
				       "AWS_ROLE_SESSION_NAME=pod", NULL};
	(void)state;
	gives(environ, NULL, "arn:aws:sts::210987654321:assumed-role/Db/pod", 1, "eu-central-1");
}

static void from_a_container(void **state)
{
	const char *const environ[] = {
	    ENDPOINT, "AWS_CONTAINER_CREDENTIALS_FULL_URI=" HERE "/_kiln/credentials/Web",
	    "AWS_CONTAINER_AUTHORIZATION_TOKEN=open+sesame", NULL};
	(void)state;
	gives(environ, NULL, "arn:aws:sts::123456789012:assumed-role/Web/i-0123", 1,
	      "eu-central-1");
}

/* The token, the role's name, its keys; and the region, which nothing else tells here. */
static void from_an_instance(void **state)
{
	const char *const environ[] = {"AWS_ENDPOINT_URL_STS=" HERE,
				       "AWS_EC2_METADATA_SERVICE_ENDPOINT=" HERE, NULL};
	(void)state;
	gives(environ, NULL, "arn:aws:sts::123456789012:assumed-role/Web/i-0123", 4, "eu-west-3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(from_environment), cmocka_unit_test(by_assuming_a_role),
	    cmocka_unit_test(by_web_identity),  cmocka_unit_test(from_a_container),
	    cmocka_unit_test(from_an_instance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

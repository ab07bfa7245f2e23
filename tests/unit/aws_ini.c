/* SPDX-License-Identifier: Apache-2.0
 * The shared files' syntax, a credential_process's words, credentials as JSON: and every refusal.
 */
#include "aws_test.h"

#include "aws/command.h"
#include "aws/credentials_json.h"
#include "aws/ini.h"

static void reads(void **state)
{
	(void)state;
	static const char text[] = "\n# comment\n  ; another\r\n"
				   "[default]   # of us\n"
				   "Region = eu-west-1 ; here\n"
				   "token=a=b#c;d\r\n"
				   "empty =\n"
				   "hash = # nothing\n"
				   "  nested = 1\n"
				   "  region = 2\n"
				   "[profile  \"a  b\"]\n"
				   "   region= us-east-1\n"
				   "\t\n"
				   "[default]\n"
				   "later = x";
	struct kiln_ini ini;
	assert_int_equal(kiln_ini_read(text, sizeof text - 1, "it", &ini, NULL), KILN_OK);
	assert_true(kiln_ini_has(&ini, "default"));
	assert_true(kiln_ini_has(&ini, "profile a  b"));
	assert_false(kiln_ini_has(&ini, "other"));
	assert_string_equal(kiln_ini_get(&ini, "default", NULL, "region"), "eu-west-1");
	assert_string_equal(kiln_ini_get(&ini, "default", NULL, "token"), "a=b#c;d");
	assert_null(kiln_ini_get(&ini, "default", NULL, "empty"));
	assert_null(kiln_ini_get(&ini, "default", NULL, "hash"));
	assert_string_equal(kiln_ini_get(&ini, "default", "hash", "nested"), "1");
	assert_string_equal(kiln_ini_get(&ini, "default", "hash", "region"), "2");
	assert_null(kiln_ini_get(&ini, "default", NULL, "nested"));
	assert_string_equal(kiln_ini_get(&ini, "profile a  b", NULL, "region"), "us-east-1");
	assert_string_equal(kiln_ini_get(&ini, "default", NULL, "later"), "x");
	kiln_ini_clear(&ini);
	assert_int_equal(kiln_ini_read(NULL, 0, "it", &ini, NULL), KILN_OK);
	assert_false(kiln_ini_has(&ini, ""));
	kiln_ini_clear(&ini);
}

static void refuse_bytes(const char *text, size_t len, const char *reason)
{
	struct kiln_ini ini;
	struct kiln_error err;
	assert_why(kiln_ini_read(text, len, "the file", &ini, &err), &err, KILN_E_CONFIG, reason);
	assert_null(strstr(err.message, "s3cr3t"));
	assert_null(ini.text);
}

static void refuse(const char *text, const char *reason)
{
	refuse_bytes(text, strlen(text), reason);
}

static void refused(void **state)
{
	(void)state;
	refuse("a = s3cr3t\n", "the file, line 1: a key stands before the first section");
	refuse("[x]\n\ns3cr3t\n", "line 3: it is neither a section nor");
	refuse("[x\n", "no ']'");
	refuse("[x] y\n", "something follows");
	refuse("[ ]\n", "no name");
	refuse("['']\na=1\n", "no name");
	refuse("[x]\n = s3cr3t\n", "no name");
	refuse("[x]\na=1\nA = 2\n", "line 3: the key stands twice");
	refuse("[x]\na=1\n[y]\n[x]\na=2\n", "line 5: the key stands twice");
	refuse("[x]\np=\n a=1\n a=2\n", "line 4: the key stands twice");
	refuse_bytes("[x]\na=\0b\n", 9, "holds a NUL");
	static char big[KILN_INI_FILE_MAX + 1];
	memset(big, '\n', sizeof big);
	refuse_bytes(big, sizeof big, "longer than");
	memcpy(big, "[x]\na=", 6);
	memset(big + 6, 'a', KILN_INI_LINE_MAX);
	refuse_bytes(big, sizeof big - 1, "line 2: the line is too long");
	size_t at = 0;
	for (unsigned i = 0; i <= KILN_INI_ITEMS_MAX; i++)
		at += (size_t)sprintf(big + at, "[s%u]\n", i);
	refuse_bytes(big, at, "too many entries");
}

static void words(const char *line, const char *want)
{
	struct kiln_command command;
	char got[256] = "";
	assert_int_equal(kiln_command_split(line, &command, NULL), KILN_OK);
	for (size_t i = 0; command.argv[i] != NULL; i++) {
		strcat(got, i > 0 ? "|" : "");
		strcat(got, command.argv[i]);
	}
	assert_string_equal(got, want);
	kiln_command_clear(&command);
}

static void no_words(const char *line, const char *reason)
{
	struct kiln_command command;
	struct kiln_error err;
	assert_why(kiln_command_split(line, &command, &err), &err, KILN_E_CONFIG, reason);
}

static void commands(void **state)
{
	(void)state;
	words("/bin/get", "/bin/get");
	words("  /bin/get  --a\tb ", "/bin/get|--a|b");
	words("\"/opt/my dir/get\" 'a \"b' c\\ d \"e\\\"f\\n\"",
	      "/opt/my dir/get|a \"b|c d|e\"f\\n");
	words("a\"b\"'c' '' $HOME `x` ; | > *", "abc||$HOME|`x`|;|||>|*");
	no_words("", "no command");
	no_words("   ", "no command");
	no_words("a \"b", "does not end");
	no_words("a 'b", "does not end");
	no_words("a b\\", "does not end");
	char many[128] = "";
	for (unsigned i = 0; i <= KILN_COMMAND_WORDS_MAX; i++)
		strcat(many, "a ");
	no_words(many, "more than 32 words");
}

#define KEYS "\"AccessKeyId\":\"ASIAEXAMPLEROLE00001\",\"SecretAccessKey\":\"s3cr3t\""
#define WHEN "\"Expiration\":\"2026-01-15T13:00:00Z\""

static void json_refused(enum kiln_credentials_form form, const char *text, const char *reason)
{
	struct kiln_aws_credentials credentials;
	struct kiln_error err;
	assert_why(
	    kiln_credentials_read(form, (const uint8_t *)text, strlen(text), &credentials, &err),
	    &err, KILN_E_CREDENTIALS, reason);
	assert_null(strstr(err.message, "s3cr3t"));
	assert_null(credentials.session_token);
}

static void json_read(enum kiln_credentials_form form, const char *text, int64_t expires_at)
{
	struct kiln_aws_credentials credentials;
	assert_int_equal(
	    kiln_credentials_read(form, (const uint8_t *)text, strlen(text), &credentials, NULL),
	    KILN_OK);
	assert_string_equal(credentials.secret_access_key, "s3cr3t");
	assert_true(credentials.expires_at == expires_at);
	kiln_aws_credentials_clear(&credentials);
}

static void credentials(void **state)
{
	(void)state;
	const enum kiln_credentials_form ecs = KILN_CREDENTIALS_CONTAINER,
					 imds = KILN_CREDENTIALS_IMDS,
					 process = KILN_CREDENTIALS_PROCESS;
	json_read(ecs, "{" KEYS "," WHEN ",\"Token\":\"t\",\"RoleArn\":\"r\"}", NOON + 3600);
	json_read(imds, "{" KEYS "," WHEN ",\"Token\":\"t\",\"Code\":\"Success\"}", NOON + 3600);
	json_read(process, "\n {" KEYS ",\"Version\":1} \n", 0);
	json_read(process, "{" KEYS ",\"Version\":1,\"SessionToken\":null,\"Expiration\":null}", 0);
	json_read(process, "{" KEYS "," WHEN ",\"Version\":1,\"SessionToken\":\"t\"}", NOON + 3600);
	json_refused(ecs, "", "not one JSON object");
	json_refused(ecs, "[]", "not one JSON object");
	json_refused(ecs, "{" KEYS "," KEYS "," WHEN ",\"Token\":\"t\"}", "not one JSON object");
	json_refused(ecs, "{" KEYS "," WHEN ",\"Token\":\"t\"}{}", "not one JSON object");
	json_refused(ecs, "{" KEYS "," WHEN "}", "Token is missing");
	json_refused(ecs, "{" KEYS "," WHEN ",\"SessionToken\":\"t\"}", "Token is missing");
	json_refused(ecs, "{" KEYS ",\"Token\":\"t\"}", "Expiration is missing");
	json_refused(ecs, "{" KEYS ",\"Token\":\"t\",\"Expiration\":1}", "Expiration is no date");
	json_refused(ecs, "{" WHEN ",\"Token\":\"t\"}", "access key id is missing");
	json_refused(ecs, "{\"AccessKeyId\":\"ASIA\"," WHEN ",\"Token\":\"t\"}", "secret");
	json_refused(ecs, "{" KEYS "," WHEN ",\"Token\":\"a\\r\\nX: b\"}", "line's end");
	json_refused(imds, "{" KEYS "," WHEN ",\"Token\":\"t\"}", "Code is not Success");
	json_refused(imds, "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"m\"}",
		     "Code is not Success");
	json_refused(process, "{" KEYS "}", "Version is not 1");
	json_refused(process, "{" KEYS ",\"Version\":2}", "Version is not 1");
	json_refused(process, "{" KEYS ",\"Version\":\"1\"}", "Version is not 1");
	json_refused(process, "{" KEYS ",\"Version\":1,\"SessionToken\":7,\"Expiration\":\"x\"}",
		     "Expiration is no date");
	char big[9000];
	const int at = snprintf(big, sizeof big, "{" KEYS ",\"Version\":1,\"SessionToken\":\"");
	memset(big + at, 'a', 8193);
	strcpy(big + at + 8193, "\"}");
	json_refused(process, big, "SessionToken is too long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(commands),
	    cmocka_unit_test(credentials),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0
 * One step of OPAQUE by libkiln, for tests whose other side is somebody else's. A line on standard
 * input is a command and its arguments, NAME=HEX each; a line on standard output its results in the
 * same form, or error=CODE as text. KSF: ksf=default, rfc9807, single, none, or MEMORY,T,P. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kiln/opaque.h>

#define LINE_MAX_BYTES 16384
#define ARGUMENTS_MAX  16

static struct {
	char *name;
	char *text; /* as it came */
	uint8_t *bytes;
	size_t length;
} arguments[ARGUMENTS_MAX];
static size_t argument_count;
static uint8_t decoded[LINE_MAX_BYTES / 2];

static void die(const char *what, const char *detail)
{
	fprintf(stderr, "opaque_tool: %s: %s\n", what, detail);
	exit(2);
}

static size_t from_hex(const char *text, uint8_t *out)
{
	const size_t digits = strlen(text);
	for (size_t i = 0; i + 1 < digits; i += 2) {
		const char pair[3] = {text[i], text[i + 1], '\0'};
		char *end;
		out[i / 2] = (uint8_t)strtoul(pair, &end, 16);
		if (*end != '\0')
			return 0;
	}
	return digits / 2;
}

static void read_arguments(char *rest)
{
	size_t used = 0;
	argument_count = 0;
	for (char *word = strtok(rest, " \n"); word != NULL; word = strtok(NULL, " \n")) {
		char *value = strchr(word, '=');
		if (value == NULL || argument_count == ARGUMENTS_MAX)
			die("no argument", word);
		*value++ = '\0';
		arguments[argument_count].name = word;
		arguments[argument_count].text = value;
		arguments[argument_count].bytes = decoded + used;
		arguments[argument_count].length = from_hex(value, decoded + used);
		used += arguments[argument_count++].length;
	}
}

static struct kiln_opaque_bytes get(const char *name)
{
	for (size_t i = 0; i < argument_count; i++)
		if (strcmp(arguments[i].name, name) == 0)
			return (struct kiln_opaque_bytes){arguments[i].bytes, arguments[i].length};
	return (struct kiln_opaque_bytes){NULL, 0};
}

static const char *get_text(const char *name)
{
	for (size_t i = 0; i < argument_count; i++)
		if (strcmp(arguments[i].name, name) == 0)
			return arguments[i].text;
	return "";
}

/* Just length bytes, where a struct is wanted. */
static void get_into(const char *name, void *out, size_t length)
{
	const struct kiln_opaque_bytes value = get(name);
	if (value.length != length)
		die("an argument is missing, or of another length", name);
	memcpy(out, value.data, length);
}

static void put(const char *name, const void *p, size_t length)
{
	printf("%s=", name);
	for (size_t i = 0; i < length; i++)
		printf("%02x", ((const uint8_t *)p)[i]);
	putchar(' ');
}

static bool done(enum kiln_code rc)
{
	if (rc != KILN_OK)
		printf("error=%s", kiln_code_name(rc));
	return rc == KILN_OK;
}

static struct kiln_opaque_parameters parameters(void)
{
	return (struct kiln_opaque_parameters){get("context"), get("client"), get("server")};
}

static struct kiln_opaque_ksf stretching(void)
{
	const char *text = get_text("ksf");
	struct kiln_opaque_ksf ksf = {.profile = KILN_OPAQUE_KSF_DEFAULT};
	if (strcmp(text, "rfc9807") == 0)
		ksf.profile = KILN_OPAQUE_KSF_RFC9807;
	else if (strcmp(text, "single") == 0)
		ksf.profile = KILN_OPAQUE_KSF_SINGLE;
	else if (strcmp(text, "none") == 0)
		ksf.profile = KILN_OPAQUE_KSF_NONE;
	else if (sscanf(text, "%u,%u,%u", &ksf.memory_kib, &ksf.iterations, &ksf.parallelism) == 3)
		ksf.profile = KILN_OPAQUE_KSF_CUSTOM;
	else if (strcmp(text, "default") != 0 && text[0] != '\0')
		die("no ksf", text);
	return ksf;
}

/* ---- the server's steps */

static void make_setup(void)
{
	struct kiln_opaque_setup setup;
	if (done(kiln_opaque_setup_generate(NULL, &setup, NULL)))
		put("setup", &setup, sizeof setup);
}

/* A setup of somebody else: seed and private key. */
static void take_setup(void)
{
	struct kiln_opaque_setup setup;
	get_into("oprf_seed", setup.oprf_seed, sizeof setup.oprf_seed);
	get_into("private_key", setup.server_private_key, sizeof setup.server_private_key);
	if (done(kiln_opaque_public_key(setup.server_private_key, setup.server_public_key, NULL)))
		put("setup", &setup, sizeof setup);
}

static struct kiln_opaque_server server(void)
{
	struct kiln_opaque_setup setup;
	struct kiln_opaque_server made;
	get_into("setup", &setup, sizeof setup);
	if (kiln_opaque_server_init(&setup, &made, NULL) != KILN_OK)
		die("the setup is bad", "");
	return made;
}

static void registration_response(void)
{
	const struct kiln_opaque_server own = server();
	struct kiln_opaque_registration_request request;
	struct kiln_opaque_registration_response response;
	get_into("request", &request, sizeof request);
	if (done(kiln_opaque_create_registration_response(&own, get("credential"), &request,
							  &response, NULL)))
		put("response", &response, sizeof response);
}

static void generate_ke2(void)
{
	const struct kiln_opaque_server own = server();
	const struct kiln_opaque_parameters agreed = parameters();
	struct kiln_opaque_registration_record record;
	struct kiln_opaque_ke1 ke1;
	struct kiln_opaque_ke2 ke2;
	struct kiln_opaque_server_state state;
	const bool known = get("record").length > 0;
	if (known) {
		get_into("record", &record, sizeof record);
		if (!done(kiln_opaque_check_record(&record, NULL)))
			return;
	}
	get_into("ke1", &ke1, sizeof ke1);
	if (!done(kiln_opaque_generate_ke2(&own, &agreed, known ? &record : NULL, get("credential"),
					   &ke1, NULL, &ke2, &state, NULL)))
		return;
	put("ke2", &ke2, sizeof ke2);
	put("state", &state, sizeof state);
}

static void finish(void)
{
	struct kiln_opaque_server_state state;
	struct kiln_opaque_ke3 ke3;
	uint8_t session_key[KILN_OPAQUE_SESSION_KEY_SIZE];
	get_into("state", &state, sizeof state);
	get_into("ke3", &ke3, sizeof ke3);
	if (done(kiln_opaque_server_finish(&state, &ke3, session_key, NULL)))
		put("session_key", session_key, sizeof session_key);
}

/* ---- the client's */

static void registration_request(void)
{
	struct kiln_opaque_registration_request request;
	struct kiln_opaque_registration_state state;
	if (!done(kiln_opaque_create_registration_request(get("password"), NULL, &request, &state,
							  NULL)))
		return;
	put("request", &request, sizeof request);
	put("state", &state, sizeof state);
}

static void registration_record(void)
{
	const struct kiln_opaque_parameters agreed = parameters();
	const struct kiln_opaque_ksf ksf = stretching();
	struct kiln_opaque_registration_state state;
	struct kiln_opaque_registration_response response;
	struct kiln_opaque_registration_record record;
	uint8_t export_key[KILN_OPAQUE_EXPORT_KEY_SIZE];
	get_into("state", &state, sizeof state);
	get_into("response", &response, sizeof response);
	if (!done(kiln_opaque_finalize_registration_request(&state, get("password"), &ksf, &agreed,
							    &response, NULL, &record, export_key,
							    NULL)))
		return;
	put("record", &record, sizeof record);
	put("export_key", export_key, sizeof export_key);
	put("server_public_key", response.server_public_key, sizeof response.server_public_key);
}

static void generate_ke1(void)
{
	struct kiln_opaque_ke1 ke1;
	struct kiln_opaque_client_state state;
	if (!done(kiln_opaque_generate_ke1(get("password"), NULL, &ke1, &state, NULL)))
		return;
	put("ke1", &ke1, sizeof ke1);
	put("state", &state, sizeof state);
}

static void generate_ke3(void)
{
	const struct kiln_opaque_parameters agreed = parameters();
	const struct kiln_opaque_ksf ksf = stretching();
	struct kiln_opaque_client_state state;
	struct kiln_opaque_ke2 ke2;
	struct kiln_opaque_ke3 ke3;
	struct kiln_opaque_login login;
	get_into("state", &state, sizeof state);
	get_into("ke2", &ke2, sizeof ke2);
	if (!done(kiln_opaque_generate_ke3(&state, get("password"), &ksf, &agreed, &ke2, &ke3,
					   &login, NULL)))
		return;
	put("ke3", &ke3, sizeof ke3);
	put("session_key", login.session_key, sizeof login.session_key);
	put("export_key", login.export_key, sizeof login.export_key);
	put("server_public_key", login.server_public_key, sizeof login.server_public_key);
}

static const struct {
	const char *name;
	void (*run)(void);
} commands[] = {
    {"make_setup", make_setup},
    {"take_setup", take_setup},
    {"registration_request", registration_request},
    {"registration_response", registration_response},
    {"registration_record", registration_record},
    {"ke1", generate_ke1},
    {"ke2", generate_ke2},
    {"ke3", generate_ke3},
    {"finish", finish},
};

static void run(char *line)
{
	char *rest = line + strcspn(line, " \n");
	if (*rest != '\0')
		*rest++ = '\0';
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(commands[i].name, line) == 0) {
			read_arguments(rest);
			commands[i].run();
			putchar('\n');
			(void)fflush(stdout);
			return;
		}
	}
	die("no command", line);
}

int main(void)
{
	static char line[LINE_MAX_BYTES];
	while (fgets(line, sizeof line, stdin) != NULL)
		run(line);
	return 0;
}

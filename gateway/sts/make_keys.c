/* SPDX-License-Identifier: Apache-2.0
 * Making keys; see make_keys.h. */
#include "sts/make_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <kiln/aws.h>

#include "aws/text.h"
#include "base/bytes.h"
#include "demo/files.h"
#include "sts/options.h"
#include "sts/random.h"

#define SESSION "kiln-sts" /* of every identity */

struct made {
	struct kiln_aws_role role;
	char name[80], arn[KILN_AWS_ROLE_ARN_MAX];
	char key_id[21], secret[41], token[KILN_STSD_TOKEN_LEN + 1];
	char web[KILN_STSD_TOKEN_LEN + 1], container[41];
};

struct job {
	struct made made[KILN_STSD_MAKE_ROLES_MAX];
	size_t count;
	const char *region;
	int dir;
	char base[NAME_MAX + 1]; /* the file's name in dir */
	bool force;
};

/* ------------------------------------------------------------------ making */

static enum kiln_code draw(struct made *m, struct kiln_error *err)
{
	enum kiln_code code = kiln_stsd_random_id("ASIA", m->key_id, err);
	if (code == KILN_OK)
		code = kiln_stsd_random_secret(m->secret, err);
	if (code == KILN_OK)
		code = kiln_stsd_random_token(m->token, err);
	if (code == KILN_OK)
		code = kiln_stsd_random_token(m->web, err);
	if (code == KILN_OK)
		code = kiln_stsd_random_secret(m->container, err);
	return code;
}

/* The role's name, and its account where another account's role has the name already. */
static enum kiln_code name_it(struct job *job, struct made *m, struct kiln_error *err)
{
	(void)snprintf(m->name, sizeof m->name, "%s", m->role.name);
	for (const struct made *other = job->made; other < m; other++) {
		if (kiln_aws_role_equal(&other->role, &m->role))
			return kiln_fail(err, KILN_E_CONFIG, "--role %.100s came twice", m->arn);
		if (strcmp(other->role.name, m->role.name) == 0)
			(void)snprintf(m->name, sizeof m->name, "%.50s-%s", m->role.name,
				       m->role.account);
	}
	for (const struct made *other = job->made; other < m; other++)
		if (strcmp(other->name, m->name) == 0)
			return kiln_fail(err, KILN_E_CONFIG,
					 "--role %.100s: there is no name left for it", m->arn);
	return KILN_OK;
}

static enum kiln_code make(struct job *job, const char *const roles[], size_t count,
			   struct kiln_error *err)
{
	for (size_t i = 0; i < count; i++) {
		struct made *m = &job->made[i];
		enum kiln_code code = kiln_aws_role_parse(roles[i], &m->role, err);
		if (code != KILN_OK)
			return code;
		kiln_aws_role_format(&m->role, m->arn);
		code = name_it(job, m, err);
		if (code == KILN_OK)
			code = draw(m, err);
		if (code != KILN_OK)
			return code;
		job->count++;
	}
	return KILN_OK;
}

/* ------------------------------------------------------------------ texts */

static void line(struct kiln_text *out, const char *before, const char *value, const char *after)
{
	kiln_text_str(out, before);
	kiln_text_str(out, value);
	kiln_text_str(out, after);
}

static void add_session_arn(struct kiln_text *out, const struct made *m)
{
	line(out, "arn:", m->role.partition, ":sts::");
	line(out, m->role.account, ":assumed-role/", m->role.name);
	kiln_text_str(out, "/" SESSION);
}

/* Nothing in it needs escaping: names were checked, the rest is base64. */
static void write_keys(const struct job *job, struct kiln_text *out)
{
	kiln_text_str(out, "{\"identities\": [");
	for (size_t i = 0; i < job->count; i++) {
		const struct made *m = &job->made[i];
		line(out, i > 0 ? ",\n  {\"name\": \"" : "\n  {\"name\": \"", m->name, "\",\n");
		kiln_text_str(out, "   \"arn\": \"");
		add_session_arn(out, m);
		line(out, "\",\n   \"access_key_id\": \"", m->key_id, "\",\n");
		line(out, "   \"secret_access_key\": \"", m->secret, "\",\n");
		line(out, "   \"session_token\": \"", m->token, "\",\n");
		line(out, "   \"container_token\": \"", m->container, "\"}");
	}
	kiln_text_str(out, "],\n \"roles\": [");
	for (size_t i = 0; i < job->count; i++)
		line(out, i > 0 ? ",\n  {\"arn\": \"" : "\n  {\"arn\": \"", job->made[i].arn,
		     "\"}");
	kiln_text_str(out, "],\n \"web_identities\": [");
	for (size_t i = 0; i < job->count; i++) {
		line(out, i > 0 ? ",\n  {\"role\": \"" : "\n  {\"role\": \"", job->made[i].arn,
		     "\",\n");
		line(out, "   \"subject\": \"", job->made[i].name, "\",\n");
		line(out, "   \"token\": \"", job->made[i].web, "\"}");
	}
	kiln_text_str(out, "]}\n");
}

static void write_profile(const struct made *m, struct kiln_text *out)
{
	line(out, "[", m->name, "]\n");
	line(out, "aws_access_key_id = ", m->key_id, "\n");
	line(out, "aws_secret_access_key = ", m->secret, "\n");
	line(out, "aws_session_token = ", m->token, "\n\n");
}

static void write_env(const struct job *job, const struct made *m, struct kiln_text *out)
{
	line(out, "# ", m->arn, "\n");
	line(out, "export AWS_ACCESS_KEY_ID='", m->key_id, "'\n");
	line(out, "export AWS_SECRET_ACCESS_KEY='", m->secret, "'\n");
	line(out, "export AWS_SESSION_TOKEN='", m->token, "'\n");
	line(out, "export AWS_REGION='", job->region, "'\n");
}

/* ------------------------------------------------------------------ files */

static enum kiln_code file_name(const struct job *job, const char *name, const char *ending,
				char out[NAME_MAX + 1], struct kiln_error *err)
{
	const int n = snprintf(out, NAME_MAX + 1, "%s%s%s%s", job->base, name[0] != '\0' ? "." : "",
			       name, ending);
	if (n < 0 || n > NAME_MAX)
		return kiln_fail(err, KILN_E_CONFIG, "the file name %.80s is too long", job->base);
	return KILN_OK;
}

/* Writes the text, or with a NULL text only looks whether the file is in the way. */
static enum kiln_code put(const struct job *job, const char *name, const char *ending,
			  struct kiln_text *text, struct kiln_error *err)
{
	char file[NAME_MAX + 1];
	enum kiln_code code = file_name(job, name, ending, file, err);
	if (code == KILN_OK && text == NULL && !job->force &&
	    faccessat(job->dir, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		code = kiln_fail(err, KILN_E_CONFIG, "%.120s is there already; --force replaces it",
				 file);
	if (text == NULL)
		return code;
	if (code == KILN_OK)
		code = kiln_text_check(text, "a file", err);
	if (code == KILN_OK)
		code =
		    kiln_file_write(job->dir, file, text->data, text->len, true, job->force, err);
	kiln_text_clear(text);
	return code;
}

static enum kiln_code put_role(const struct job *job, const struct made *m, bool look,
			       struct kiln_error *err)
{
	struct kiln_text env = {0}, web = {0}, container = {0};
	if (!look) {
		write_env(job, m, &env);
		kiln_text_str(&web, m->web);
		kiln_text_str(&container, m->container);
	}
	enum kiln_code code = put(job, m->name, ".env", look ? NULL : &env, err);
	if (code == KILN_OK)
		code = put(job, m->name, ".web-token", look ? NULL : &web, err);
	if (code == KILN_OK)
		code = put(job, m->name, ".container-token", look ? NULL : &container, err);
	kiln_text_clear(&env);
	kiln_text_clear(&web);
	kiln_text_clear(&container);
	return code;
}

/* All of them before any is written: a half-new set would not fit together. */
static enum kiln_code put_all(const struct job *job, bool look, struct kiln_error *err)
{
	struct kiln_text keys = {.max = 1u << 20}, profiles = {.max = 1u << 20};
	enum kiln_code code = KILN_OK;
	if (!look) {
		write_keys(job, &keys);
		for (size_t i = 0; i < job->count; i++)
			write_profile(&job->made[i], &profiles);
	}
	code = put(job, "", "", look ? NULL : &keys, err);
	if (code == KILN_OK)
		code = put(job, "", ".credentials", look ? NULL : &profiles, err);
	for (size_t i = 0; i < job->count && code == KILN_OK; i++)
		code = put_role(job, &job->made[i], look, err);
	kiln_text_clear(&keys);
	kiln_text_clear(&profiles);
	return code;
}

static enum kiln_code open_folder(struct job *job, const char *path, struct kiln_error *err)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const char *base = slash != NULL ? slash + 1 : path;
	const int n = slash == NULL
			  ? snprintf(folder, sizeof folder, ".")
			  : snprintf(folder, sizeof folder, "%.*s/", (int)(slash - path), path);
	if (n < 0 || (size_t)n >= sizeof folder || strlen(base) > NAME_MAX || base[0] == '\0')
		return kiln_fail(err, KILN_E_CONFIG, "--make-keys: '%.100s' cannot be a file",
				 path);
	(void)snprintf(job->base, sizeof job->base, "%s", base);
	job->dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (job->dir < 0)
		return kiln_fail(err, KILN_E_CONFIG, "--make-keys: cannot open %.120s: %s", folder,
				 strerror(errno));
	return KILN_OK;
}

static void tell(const struct job *job, const char *path, FILE *out)
{
	(void)fprintf(out, "Keys for `kiln sts --keys %s`, and for its clients:\n", path);
	for (size_t i = 0; i < job->count; i++)
		(void)fprintf(out, "  %s\n    . %s.%s.env\n", job->made[i].arn, path,
			      job->made[i].name);
	(void)fprintf(out,
		      "  or AWS_SHARED_CREDENTIALS_FILE=%s.credentials AWS_PROFILE=%s\n"
		      "and AWS_ENDPOINT_URL_STS=http://127.0.0.1:8787\n",
		      path, job->made[0].name);
}

enum kiln_code kiln_stsd_make_keys(const char *path, const char *const roles[], size_t count,
				   const char *region, bool force, FILE *out,
				   struct kiln_error *err)
{
	struct job job = {.region = region, .dir = -1, .force = force};
	enum kiln_code code = make(&job, roles, count, err);
	if (code == KILN_OK)
		code = open_folder(&job, path, err);
	if (code == KILN_OK)
		code = put_all(&job, true, err);
	if (code == KILN_OK)
		code = put_all(&job, false, err);
	if (code == KILN_OK)
		tell(&job, path, out);
	if (job.dir >= 0)
		(void)close(job.dir);
	kiln_wipe(&job, sizeof job);
	return code;
}

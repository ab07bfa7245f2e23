/* SPDX-License-Identifier: Apache-2.0
 * Reading the keys file; see keys_file.h. */
#include "sts/keys_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aws/credentials.h"
#include "aws/date.h"
#include "aws/json.h"
#include "aws/role.h"
#include "base/ascii.h"
#include "base/bytes.h"

#define FILE_MAX (1u << 20)

/* ------------------------------------------------------------------ members */

/* One entry of a list, and where it is, for messages. */
struct entry {
	const json_t *object;
	const char *list;
	size_t index;
	struct kiln_error *err;
};

static enum kiln_code bad(const struct entry *e, const char *key, const char *what)
{
	return kiln_fail(e->err, KILN_E_CONFIG, "%s[%zu]: %.40s %.120s", e->list, e->index, key,
			 what);
}

/* *text is NULL for a member that is not there and need not be. */
static enum kiln_code text_of(const struct entry *e, const char *key, bool needed, size_t max,
			      const char **text)
{
	*text = NULL;
	if (json_object_get(e->object, key) == NULL)
		return needed ? bad(e, key, "is missing") : KILN_OK;
	*text = kiln_json_text(e->object, key, max);
	if (*text == NULL || strlen(*text) != json_string_length(json_object_get(e->object, key)))
		return bad(e, key, "is empty, too long or no string");
	return kiln_ascii_is_visible(*text, strlen(*text))
		   ? KILN_OK
		   : bad(e, key, "has a blank or what is no ASCII");
}

static enum kiln_code copy_of(const struct entry *e, const char *key, bool needed, size_t max,
			      char **copy)
{
	const char *text;
	enum kiln_code code = text_of(e, key, needed, max, &text);
	*copy = NULL;
	if (code != KILN_OK || text == NULL)
		return code;
	*copy = strdup(text);
	return *copy != NULL ? KILN_OK : kiln_fail(e->err, KILN_E_NO_MEMORY, "no memory for keys");
}

static enum kiln_code place_of(const struct entry *e, const char *key, bool needed, char *out,
			       size_t room)
{
	const char *text;
	enum kiln_code code = text_of(e, key, needed, room - 1, &text);
	(void)snprintf(out, room, "%s", text != NULL ? text : "");
	return code;
}

/* A member that nobody reads is a typing error of one that somebody would have. */
static enum kiln_code only(const json_t *object, const char *const known[], const char *where,
			   struct kiln_error *err)
{
	const char *key;
	json_t *value;
	union {
		const json_t *lent;
		json_t *own;
	} same = {.lent = object};
	json_object_foreach(same.own, key, value) {
		size_t i = 0;
		while (known[i] != NULL && strcmp(known[i], key) != 0)
			i++;
		if (known[i] == NULL)
			return kiln_fail(err, KILN_E_CONFIG, "%s: unknown member '%.40s'", where,
					 key);
	}
	return KILN_OK;
}

/* ------------------------------------------------------------------ entries */

static enum kiln_code read_expiry(const struct entry *e, struct kiln_stsd_key *key)
{
	const char *text;
	enum kiln_code code = text_of(e, "expires", false, 40, &text);
	key->expires_at = KILN_STSD_FOREVER;
	if (code == KILN_OK && text != NULL &&
	    !kiln_iso_date_parse(text, strlen(text), &key->expires_at))
		return bad(e, "expires", "is not of the form 2027-01-31T00:00:00Z");
	return code;
}

static enum kiln_code read_identity(struct kiln_stsd_store *store, const struct entry *e)
{
	struct kiln_stsd_key *key = &store->keys[store->key_count];
	struct kiln_error cause = {0};
	enum kiln_code code = place_of(e, "name", true, key->name, sizeof key->name);
	store->key_count++; /* for whoever clears it, also when it is refused */
	if (code == KILN_OK)
		code = place_of(e, "access_key_id", true, key->access_key_id,
				sizeof key->access_key_id);
	if (code == KILN_OK)
		code = place_of(e, "secret_access_key", true, key->secret_access_key,
				sizeof key->secret_access_key);
	if (code == KILN_OK)
		code = place_of(e, "arn", true, key->arn, sizeof key->arn);
	if (code == KILN_OK)
		code = copy_of(e, "session_token", false, KILN_AWS_TOKEN_MAX, &key->session_token);
	if (code == KILN_OK)
		code = copy_of(e, "container_token", false, 1024, &key->container_token);
	if (code == KILN_OK)
		code = read_expiry(e, key);
	if (code != KILN_OK)
		return code;
	if (!kiln_aws_is_name(key->name, strlen(key->name), KILN_STSD_NAME_MAX))
		return bad(e, "name", "may have letters, digits and +=,.@-_ only");
	if (kiln_stsd_key_derive(key, &cause) != KILN_OK)
		return bad(e, "arn", cause.message);
	if (key->by_role && key->session_token == NULL)
		return bad(e, "session_token", "is missing: a role's keys have one");
	for (size_t i = 0; i + 1 < store->key_count; i++) {
		if (strcmp(store->keys[i].access_key_id, key->access_key_id) == 0)
			return bad(e, "access_key_id", "came before");
		if (strcmp(store->keys[i].name, key->name) == 0)
			return bad(e, "name", "came before");
	}
	return KILN_OK;
}

static enum kiln_code read_role(struct kiln_stsd_store *store, const struct entry *e)
{
	struct kiln_stsd_role *role = &store->roles[store->role_count++];
	char assumed[KILN_STSD_ARN_MAX + 1];
	struct kiln_error cause = {0};
	enum kiln_code code = place_of(e, "arn", true, role->arn, sizeof role->arn);
	if (code == KILN_OK)
		code = copy_of(e, "external_id", false, 1224, &role->external_id);
	if (code == KILN_OK &&
	    kiln_stsd_assumed_arn(role->arn, "session", assumed, &cause) != KILN_OK)
		code = bad(e, "arn", cause.message);
	return code;
}

static enum kiln_code read_web(struct kiln_stsd_store *store, const struct entry *e)
{
	struct kiln_stsd_web *web = &store->webs[store->web_count++];
	enum kiln_code code = copy_of(e, "token", true, 20000, &web->token);
	if (code == KILN_OK)
		code = place_of(e, "role", true, web->role_arn, sizeof web->role_arn);
	if (code == KILN_OK)
		code = place_of(e, "subject", false, web->subject, sizeof web->subject);
	if (code == KILN_OK && kiln_stsd_role_find(store, web->role_arn) == NULL)
		code = bad(e, "role", "is not in the list roles");
	return code;
}

/* ------------------------------------------------------------------ lists */

static const struct list {
	const char *name;
	size_t size; /* of one in memory */
	enum kiln_code (*read)(struct kiln_stsd_store *store, const struct entry *e);
	const char *members[8];
} lists[] = {
    {"identities",
     sizeof(struct kiln_stsd_key),
     read_identity,
     {"name", "access_key_id", "secret_access_key", "session_token", "arn", "expires",
      "container_token", NULL}},
    {"roles", sizeof(struct kiln_stsd_role), read_role, {"arn", "external_id", NULL}},
    {"web_identities", sizeof(struct kiln_stsd_web), read_web, {"token", "role", "subject", NULL}},
};

static void *make_room(struct kiln_stsd_store *store, const struct list *list, size_t count)
{
	void *room = calloc(count, list->size);
	if (list == &lists[0])
		store->keys = room;
	else if (list == &lists[1])
		store->roles = room;
	else
		store->webs = room;
	return room;
}

static enum kiln_code read_list(struct kiln_stsd_store *store, const json_t *root,
				const struct list *list, struct kiln_error *err)
{
	const json_t *array = json_object_get(root, list->name);
	const size_t count = json_array_size(array);
	if (array == NULL)
		return KILN_OK;
	if (!json_is_array(array) || count > KILN_STSD_FIXED_MAX)
		return kiln_fail(err, KILN_E_CONFIG, "%s is no list, or has more than %u entries",
				 list->name, KILN_STSD_FIXED_MAX);
	if (count > 0 && make_room(store, list, count) == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for keys");
	for (size_t i = 0; i < count; i++) {
		const struct entry e = {json_array_get(array, i), list->name, i, err};
		char where[48];
		(void)snprintf(where, sizeof where, "%s[%zu]", list->name, i);
		if (!json_is_object(e.object))
			return kiln_fail(err, KILN_E_CONFIG, "%s is no object", where);
		enum kiln_code code = only(e.object, list->members, where, err);
		if (code == KILN_OK)
			code = list->read(store, &e);
		if (code != KILN_OK)
			return code;
	}
	return KILN_OK;
}

enum kiln_code kiln_stsd_keys_read(struct kiln_stsd_store *store, const char *path,
				   const uint8_t *text, size_t len, struct kiln_error *err)
{
	static const char *const known[] = {"identities", "roles", "web_identities", NULL};
	struct kiln_error cause = {0};
	json_t *root = kiln_json_object(text, len, FILE_MAX);
	if (root == NULL)
		return kiln_fail(err, KILN_E_CONFIG,
				 "%.120s is not one JSON object in which no member comes twice; "
				 "`kiln sts --make-keys` writes an example",
				 path);
	enum kiln_code code = only(root, known, "the file", &cause);
	for (size_t i = 0; i < sizeof lists / sizeof lists[0] && code == KILN_OK; i++)
		code = read_list(store, root, &lists[i], &cause);
	if (code == KILN_OK && store->key_count == 0 && store->web_count == 0)
		code = kiln_fail(&cause, KILN_E_CONFIG, "it has no identities");
	kiln_json_wipe(root);
	if (code != KILN_OK)
		return kiln_fail(err, code, "%.100s: %.150s", path, cause.message);
	return KILN_OK;
}

/* ------------------------------------------------------------------ the file */

static enum kiln_code check_file(int fd, const char *path, struct stat *st, struct kiln_error *err)
{
	if (fstat(fd, st) != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "cannot look at %.150s", path);
	if (!S_ISREG(st->st_mode))
		return kiln_fail(err, KILN_E_CONFIG, "%.150s is no file", path);
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return kiln_fail(err, KILN_E_CONFIG, "%.150s belongs to another user", path);
	if ((st->st_mode & 077) != 0)
		return kiln_fail(err, KILN_E_CONFIG,
				 "%.100s has secrets in it and others may use it (mode %04o); "
				 "chmod 600 it",
				 path, (unsigned)(st->st_mode & 07777));
	if (st->st_size < 0 || st->st_size > (off_t)FILE_MAX)
		return kiln_fail(err, KILN_E_CONFIG, "%.150s is longer than 1 MiB", path);
	return KILN_OK;
}

static bool read_whole(int fd, uint8_t *data, size_t len)
{
	while (len > 0) {
		const ssize_t n = read(fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

enum kiln_code kiln_stsd_keys_load(struct kiln_stsd_store *store, const char *path,
				   struct kiln_error *err)
{
	struct stat st = {0};
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return kiln_fail(err, KILN_E_CONFIG, "cannot open --keys %.120s: %s", path,
				 strerror(errno));
	enum kiln_code code = check_file(fd, path, &st, err);
	const size_t len = (size_t)st.st_size;
	uint8_t *data = code == KILN_OK ? malloc(len + 1) : NULL;
	if (code == KILN_OK && data == NULL)
		code = kiln_fail(err, KILN_E_NO_MEMORY, "no memory for %.150s", path);
	if (code == KILN_OK && !read_whole(fd, data, len))
		code = kiln_fail(err, KILN_E_SYSTEM, "cannot read %.150s", path);
	(void)close(fd);
	if (code == KILN_OK)
		code = kiln_stsd_keys_read(store, path, data, len, err);
	if (data != NULL)
		kiln_wipe(data, len);
	free(data);
	return code;
}

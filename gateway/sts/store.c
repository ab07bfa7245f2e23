/* SPDX-License-Identifier: Apache-2.0
 * What the development STS knows; see store.h. */
#include "sts/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "aws/role.h"
#include "base/bytes.h"
#include "sts/random.h"

static void wipe_string(char **text)
{
	if (*text != NULL)
		kiln_wipe(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void kiln_stsd_key_clear(struct kiln_stsd_key *key)
{
	wipe_string(&key->session_token);
	wipe_string(&key->container_token);
	kiln_wipe(key, sizeof *key);
}

enum kiln_code kiln_stsd_store_init(struct kiln_stsd_store *store, struct kiln_error *err)
{
	*store = (struct kiln_stsd_store){0};
	store->issued = calloc(KILN_STSD_ISSUED_MAX, sizeof *store->issued);
	if (store->issued == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for sessions");
	return KILN_OK;
}

void kiln_stsd_store_clear(struct kiln_stsd_store *store)
{
	for (size_t i = 0; i < store->key_count; i++)
		kiln_stsd_key_clear(&store->keys[i]);
	for (size_t i = 0; i < store->role_count; i++)
		wipe_string(&store->roles[i].external_id);
	for (size_t i = 0; i < store->web_count; i++)
		wipe_string(&store->webs[i].token);
	for (size_t i = 0; store->issued != NULL && i < KILN_STSD_ISSUED_MAX; i++)
		kiln_stsd_key_clear(&store->issued[i]);
	free(store->keys);
	free(store->roles);
	free(store->webs);
	free(store->issued);
	*store = (struct kiln_stsd_store){0};
}

/* ------------------------------------------------------------------ ARNs */

/* What AWS calls the caller: AROA...:session for a role, AIDA... for a user, the account for root.
 */
enum kiln_code kiln_stsd_key_derive(struct kiln_stsd_key *key, struct kiln_error *err)
{
	struct kiln_aws_role role;
	struct kiln_error no_role = {0};
	char session[KILN_AWS_SESSION_MAX + 1], id[22];
	const size_t len = strlen(key->arn);
	key->by_role = kiln_aws_role_of_session(key->arn, len, &role, session, &no_role) == KILN_OK;
	if (key->by_role) {
		char role_arn[KILN_AWS_ROLE_ARN_MAX];
		kiln_aws_role_format(&role, role_arn);
		memcpy(key->account, role.account, sizeof key->account);
		enum kiln_code code =
		    kiln_stsd_unique_id("AROA", role_arn, strlen(role_arn), id, err);
		(void)snprintf(key->user_id, sizeof key->user_id, "%s:%s", id, session);
		return code;
	}
	if (!kiln_aws_account_of(key->arn, len, key->account))
		return kiln_fail(err, KILN_E_CONFIG,
				 "'%.100s' is no caller's ARN; write "
				 "arn:aws:sts::123456789012:assumed-role/Role/session",
				 key->arn);
	enum kiln_code code = kiln_stsd_unique_id("AIDA", key->arn, len, id, err);
	const bool is_root = len > 5 && strcmp(key->arn + len - 5, ":root") == 0;
	(void)snprintf(key->user_id, sizeof key->user_id, "%s", is_root ? key->account : id);
	return code;
}

/* STS drops the path of a role: arn:aws:iam::A:role/a/b/Name becomes A's assumed-role/Name. */
enum kiln_code kiln_stsd_assumed_arn(const char *role_arn, const char *session,
				     char out[KILN_STSD_ARN_MAX + 1], struct kiln_error *err)
{
	static const char kind[] = ":role/";
	struct kiln_aws_role role;
	char plain[KILN_STSD_ARN_MAX + 1];
	const char *at = strstr(role_arn, kind);
	const char *name = strrchr(role_arn, '/');
	int n = at == NULL ? -1
			   : snprintf(plain, sizeof plain, "%.*s%s%s", (int)(at - role_arn),
				      role_arn, kind, name + 1);
	if (n < 0 || (size_t)n >= sizeof plain)
		return kiln_fail(err, KILN_E_CONFIG, "'%.100s' is no role's ARN", role_arn);
	enum kiln_code code = kiln_aws_role_parse(plain, &role, err);
	if (code != KILN_OK)
		return code;
	(void)snprintf(out, KILN_STSD_ARN_MAX + 1, "arn:%s:sts::%s:assumed-role/%s/%s",
		       role.partition, role.account, role.name, session);
	return KILN_OK;
}

/* ------------------------------------------------------------------ finding */

static bool has_id(const struct kiln_stsd_key *key, const char *id, size_t len)
{
	return len > 0 && strncmp(key->access_key_id, id, len) == 0 &&
	       key->access_key_id[len] == '\0';
}

const struct kiln_stsd_key *kiln_stsd_key_find(const struct kiln_stsd_store *store, const char *id,
					       size_t len)
{
	if (len >= sizeof store->keys->access_key_id)
		return NULL;
	for (size_t i = 0; i < store->key_count; i++)
		if (has_id(&store->keys[i], id, len))
			return &store->keys[i];
	const uint64_t there =
	    store->issued_count < KILN_STSD_ISSUED_MAX ? store->issued_count : KILN_STSD_ISSUED_MAX;
	for (size_t i = 0; i < there; i++)
		if (has_id(&store->issued[i], id, len))
			return &store->issued[i];
	return NULL;
}

const struct kiln_stsd_key *kiln_stsd_key_named(const struct kiln_stsd_store *store,
						const char *name)
{
	for (size_t i = 0; i < store->key_count; i++)
		if (strcmp(store->keys[i].name, name) == 0)
			return &store->keys[i];
	return NULL;
}

const struct kiln_stsd_role *kiln_stsd_role_find(const struct kiln_stsd_store *store,
						 const char *arn)
{
	for (size_t i = 0; i < store->role_count; i++)
		if (strcmp(store->roles[i].arn, arn) == 0)
			return &store->roles[i];
	return NULL;
}

const struct kiln_stsd_web *kiln_stsd_web_find(const struct kiln_stsd_store *store,
					       const char *token)
{
	const size_t len = strlen(token);
	const struct kiln_stsd_web *found = NULL;
	for (size_t i = 0; i < store->web_count; i++)
		if (strlen(store->webs[i].token) == len &&
		    CRYPTO_memcmp(store->webs[i].token, token, len) == 0)
			found = &store->webs[i];
	return found;
}

/* ------------------------------------------------------------------ issuing */

static enum kiln_code fill(struct kiln_stsd_key *key, const char *arn, int64_t expires_at,
			   struct kiln_error *err)
{
	(void)snprintf(key->arn, sizeof key->arn, "%s", arn);
	key->expires_at = expires_at;
	key->session_token = malloc(KILN_STSD_TOKEN_LEN + 1);
	if (key->session_token == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a session");
	key->session_token[0] = '\0';
	enum kiln_code code = kiln_stsd_random_token(key->session_token, err);
	if (code == KILN_OK)
		code = kiln_stsd_random_id("ASIA", key->access_key_id, err);
	if (code == KILN_OK)
		code = kiln_stsd_random_secret(key->secret_access_key, err);
	if (code == KILN_OK)
		code = kiln_stsd_key_derive(key, err);
	return code;
}

static const struct kiln_stsd_key *issue(struct kiln_stsd_store *store, const char *arn,
					 int64_t expires_at, struct kiln_error *err)
{
	struct kiln_stsd_key *key = &store->issued[store->issued_count % KILN_STSD_ISSUED_MAX];
	kiln_stsd_key_clear(key);
	if (fill(key, arn, expires_at, err) != KILN_OK) {
		kiln_stsd_key_clear(key);
		return NULL;
	}
	store->issued_count++;
	return key;
}

const struct kiln_stsd_key *kiln_stsd_issue(struct kiln_stsd_store *store, const char *role_arn,
					    const char *session, int64_t expires_at,
					    struct kiln_error *err)
{
	char arn[KILN_STSD_ARN_MAX + 1];
	if (kiln_stsd_assumed_arn(role_arn, session, arn, err) != KILN_OK)
		return NULL;
	return issue(store, arn, expires_at, err);
}

const struct kiln_stsd_key *kiln_stsd_issue_like(struct kiln_stsd_store *store,
						 const struct kiln_stsd_key *like,
						 int64_t expires_at, struct kiln_error *err)
{
	return issue(store, like->arn, expires_at, err);
}

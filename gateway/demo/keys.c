/* SPDX-License-Identifier: Apache-2.0
 * The demo's third part: a key server behind a gateway, and a user of it. Then the demo looks into
 * the store's files for what must not be there. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include <kiln/keys.h>

#include "base/hex.h"
#include "demo/certs.h"
#include "demo/stage.h"
#include "driver/file.h"
#include "keys/store/open.h"

#define ACCOUNT  "ada@demo.example"
#define PASSWORD "a password that nobody guesses"
#define SECRET   "the words that open the wallet"

struct scene {
	struct kiln_demo_stage *stage;
	char store[PATH_MAX], key[PATH_MAX], ca[PATH_MAX], cert[PATH_MAX], cert_key[PATH_MAX];
	char socket[PATH_MAX + 8]; /* unix:PATH */
	char port[8];
	const char *path; /* ktls, userspace */
	json_t *gateway_ready, *keys_ready;
	struct kiln_tls_config *config;
	struct kiln_conn *conn;
	uint8_t user_id[KILN_KEYS_USER_ID_LEN], key_id[KILN_KEYS_KEY_ID_LEN];
	bool same, refused;
	char refusal[KILN_ERROR_MAX];
	struct kiln_keys_audit *entries;
	size_t entry_count;
	uint64_t looked_at; /* bytes */
	bool key_id_found;
	unsigned leaks, not_looked_at; /* files */
};

/* ---- what is needed ------------------------------------------------------------------------- */

static enum kiln_code make_store(struct scene *s, struct kiln_error *err)
{
	const struct kiln_store_options options = {.where = s->store};
	struct kiln_store_options with_key = options;
	struct kiln_store_key *key = kiln_store_key_make(s->key, err);
	if (key == NULL)
		return err->code;
	with_key.key = key;
	const enum kiln_code rc = kiln_store_create(&with_key, err);
	kiln_store_key_free(key);
	return rc;
}

static enum kiln_code write_pem(const struct scene *s, const char *name, const struct kiln_pem *pem,
				bool secret, struct kiln_error *err)
{
	return kiln_file_write(s->stage->dir.fd, name, pem->data, pem->len, secret, false, err);
}

static enum kiln_code make_certificate(struct scene *s, struct kiln_error *err)
{
	static const char *const dns[] = {"localhost", NULL}, *const ip[] = {"127.0.0.1", NULL};
	const struct kiln_leaf leaf = {
	    .common_name = "key server", .dns = dns, .ip = ip, .for_server = true};
	struct kiln_pem pem = {0};
	struct kiln_pair pair = {0};
	struct kiln_authority *ca =
	    kiln_authority_new("Kiln demo CA of the key server", (int64_t)time(NULL), 1, err);
	if (ca == NULL)
		return err->code;
	enum kiln_code rc = kiln_authority_cert(ca, &pem, err);
	if (rc == KILN_OK)
		rc = write_pem(s, "keys-ca.pem", &pem, false, err);
	if (rc == KILN_OK)
		rc = kiln_authority_issue(ca, &leaf, &pair, err);
	if (rc == KILN_OK)
		rc = write_pem(s, "keys-server.pem", &pair.cert, false, err);
	if (rc == KILN_OK)
		rc = write_pem(s, "keys-server.key", &pair.key, true, err);
	kiln_pair_clear(&pair);
	kiln_pem_clear(&pem);
	kiln_authority_free(ca);
	return rc;
}

static enum kiln_code name_files(struct scene *s, struct kiln_error *err)
{
	char socket[PATH_MAX];
	if (kiln_demo_file(s->stage, "keys.db", s->store, err) != KILN_OK ||
	    kiln_demo_file(s->stage, "keys.key", s->key, err) != KILN_OK ||
	    kiln_demo_file(s->stage, "keys-ca.pem", s->ca, err) != KILN_OK ||
	    kiln_demo_file(s->stage, "keys-server.pem", s->cert, err) != KILN_OK ||
	    kiln_demo_file(s->stage, "keys-server.key", s->cert_key, err) != KILN_OK ||
	    kiln_demo_file(s->stage, "keys.sock", socket, err) != KILN_OK)
		return err->code;
	(void)snprintf(s->socket, sizeof s->socket, "unix:%s", socket);
	return KILN_OK;
}

/* ---- processes ------------------------------------------------------------------------------ */

static enum kiln_code start_keys(struct scene *s, struct kiln_error *err)
{
	const char *const arguments[] = {"keys",
					 "serve",
					 "--listen",
					 s->socket,
					 "--store",
					 s->store,
					 "--key-file",
					 s->key,
					 "--registration",
					 "open",
					 "--shutdown-timeout",
					 "1s",
					 NULL};
	const struct kiln_demo_start start = {.arguments = arguments};
	struct kiln_demo_process *process;
	return kiln_demo_start(s->stage, &start, &process, &s->keys_ready, err);
}

static enum kiln_code start_gateway(struct scene *s, struct kiln_error *err)
{
	const char *const arguments[] = {"server",
					 "--listen",
					 "127.0.0.1:0",
					 "--handoff",
					 s->socket,
					 "--alpn",
					 KILN_KEYS_ALPN,
					 "--handoff-exporter",
					 KILN_KEYS_EXPORTER_LABEL,
					 "--cert",
					 s->cert,
					 "--key",
					 s->cert_key,
					 "--disable-client-auth",
					 "--workers",
					 "1",
					 NULL};
	const struct kiln_demo_start start = {.arguments = arguments};
	struct kiln_demo_process *process;
	const enum kiln_code rc =
	    kiln_demo_start(s->stage, &start, &process, &s->gateway_ready, err);
	const char *listen = rc == KILN_OK ? kiln_demo_listen(s->gateway_ready) : NULL;
	const char *colon = listen != NULL ? strrchr(listen, ':') : NULL;
	if (rc == KILN_OK && colon == NULL)
		return kiln_fail(err, KILN_E_SYSTEM, "the gateway does not say where it listens");
	if (rc == KILN_OK)
		(void)snprintf(s->port, sizeof s->port, "%.7s", colon + 1);
	s->path = json_string_value(json_object_get(s->gateway_ready, "path"));
	return rc;
}

/* ---- the user ------------------------------------------------------------------------------- */

static enum kiln_code dial(struct scene *s, struct kiln_error *err)
{
	const struct kiln_tls_files files = {.ca = s->ca};
	const struct kiln_tls_options tls = {
	    .role = KILN_CLIENT,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .server_name = "localhost",
	    .verify_name = "localhost",
	    .alpn = KILN_KEYS_ALPN,
	};
	const struct kiln_conn_options options = {
	    .exporter_label = KILN_KEYS_EXPORTER_LABEL,
	    .exporter_len = KILN_KEYS_EXPORTER_SIZE,
	};
	s->config = kiln_tls_config_load(&tls, &files, err);
	if (s->config == NULL)
		return err->code;
	return kiln_tls_connect(s->config, "127.0.0.1", s->port, &options, &s->conn, err) >= 0
		   ? KILN_OK
		   : err->code;
}

static enum kiln_code open_keys(const struct scene *s, const char *password,
				struct kiln_keys **keys, struct kiln_error *err)
{
	return kiln_keys_open(s->conn, ACCOUNT, password, strlen(password), NULL, keys, err);
}

static enum kiln_code use(struct scene *s, struct kiln_error *err)
{
	struct kiln_keys_secret back = {0};
	struct kiln_keys *keys = NULL;
	enum kiln_code rc = open_keys(s, PASSWORD, &keys, err);
	if (rc == KILN_OK)
		rc = kiln_keys_register(keys, NULL, err);
	if (rc == KILN_OK)
		rc = kiln_keys_store(keys, SECRET, sizeof SECRET - 1, s->key_id, err);
	if (rc == KILN_OK)
		rc = kiln_keys_retrieve(keys, s->key_id, KILN_KEYS_BACKUP, KILN_KEYS_FOR_NOTHING,
					&back, err);
	if (rc == KILN_OK) {
		memcpy(s->user_id, kiln_keys_user_id(keys), sizeof s->user_id);
		s->same = back.len == sizeof SECRET - 1 && memcmp(back.data, SECRET, back.len) == 0;
	}
	kiln_keys_close(keys);
	return rc;
}

static enum kiln_code try_wrong_password(struct scene *s, struct kiln_error *err)
{
	struct kiln_error why = {0};
	struct kiln_keys *keys = NULL;
	const enum kiln_code rc = open_keys(s, "a guess", &keys, err);
	if (rc != KILN_OK)
		return rc;
	s->refused = kiln_keys_login_test(keys, &why) == KILN_E_KEYS_PASSWORD;
	(void)snprintf(s->refusal, sizeof s->refusal, "%s", why.message);
	kiln_keys_close(keys);
	return KILN_OK;
}

static enum kiln_code read_log(struct scene *s, struct kiln_error *err)
{
	struct kiln_keys *keys = NULL;
	enum kiln_code rc = open_keys(s, PASSWORD, &keys, err);
	if (rc == KILN_OK)
		rc = kiln_keys_audit(keys, NULL, &s->entries, &s->entry_count, NULL, err);
	kiln_keys_close(keys);
	return rc;
}

/* ---- what is in the store's files ----------------------------------------------------------- */

static bool holds(const struct kiln_file *file, const void *what, size_t len)
{
	return len > 0 && memmem(file->data, file->len, what, len) != NULL;
}

/* As it is, in hexadecimal, and in base64 without its last group, which depends on what follows. */
static unsigned count_forms(const struct kiln_file *file, const char *what)
{
	char text[256];
	const size_t len = strlen(what);
	const uint8_t *bytes = (const uint8_t *)what;
	unsigned found = holds(file, what, len);
	kiln_hex_encode(bytes, len, text);
	found += holds(file, text, 2 * len);
	for (size_t skip = 0; skip < 3; skip++) { /* wherever it may begin in what is encoded */
		(void)sodium_bin2base64(text, sizeof text, bytes + skip, len - skip,
					sodium_base64_VARIANT_ORIGINAL);
		found += holds(file, text, (len - skip) / 3 * 4);
	}
	return found;
}

static void look_into(struct scene *s, const char *name)
{
	static const char *const nowhere[] = {PASSWORD, SECRET, ACCOUNT};
	struct kiln_file file;
	char path[PATH_MAX];
	if (snprintf(path, sizeof path, "%s/%s", s->stage->dir.path, name) >= (int)sizeof path ||
	    kiln_file_read_some(path, 64u << 20, &file) != 0) {
		s->not_looked_at++;
		return;
	}
	s->looked_at += file.len;
	s->key_id_found = s->key_id_found || holds(&file, s->key_id, sizeof s->key_id);
	for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++)
		s->leaks += count_forms(&file, nowhere[i]);
	kiln_file_clear(&file);
}

static enum kiln_code look(struct scene *s, struct kiln_error *err)
{
	DIR *folder = opendir(s->stage->dir.path);
	const struct dirent *entry;
	if (folder == NULL)
		return kiln_fail(err, KILN_E_SYSTEM, "the demo's folder cannot be read");
	while ((entry = readdir(folder)) != NULL)
		if (strncmp(entry->d_name, "keys.db", strlen("keys.db")) == 0)
			look_into(s, entry->d_name);
	(void)closedir(folder);
	return KILN_OK;
}

/* ---- what is told --------------------------------------------------------------------------- */

static const char *outcome_name(const struct kiln_keys_audit *entry)
{
	return entry->outcome == 0 ? "ok" : kiln_keys_error_name(entry->outcome);
}

static bool log_tells(const struct scene *s)
{
	bool stored = false, retrieved = false, guessed = false;
	for (size_t i = 0; i < s->entry_count; i++) {
		const struct kiln_keys_audit *e = &s->entries[i];
		stored = stored || (e->action == KILN_KEYS_DID_IMPORT && e->outcome == 0);
		retrieved = retrieved || (e->action == KILN_KEYS_DID_RETRIEVE && e->outcome == 0);
		guessed = guessed || (e->action == KILN_KEYS_DID_LOGIN && e->outcome != 0 &&
				      e->actor == KILN_KEYS_BY_STRANGER);
	}
	return stored && retrieved && guessed;
}

static bool is_well(const struct scene *s)
{
	return s->same && s->refused && log_tells(s) && s->leaks == 0 && s->not_looked_at == 0 &&
	       s->key_id_found;
}

static void report(const struct scene *s)
{
	char user[2 * KILN_KEYS_USER_ID_LEN + 1], key[2 * KILN_KEYS_KEY_ID_LEN + 1];
	kiln_hex_encode(s->user_id, sizeof s->user_id, user);
	kiln_hex_encode(s->key_id, sizeof s->key_id, key);
	kiln_demo_say("  registered   " ACCOUNT ", user %.16s..., path %s", user,
		      s->path != NULL ? s->path : "unknown");
	kiln_demo_say("  stored       a secret of %zu bytes as key %s, sealed before it left",
		      sizeof SECRET - 1, key);
	kiln_demo_say("  retrieved    %s", s->same ? "the same bytes" : "OTHER bytes");
	kiln_demo_say("  turned away  a wrong password: %s", s->refused ? s->refusal : "NOT");
	kiln_demo_say("  the user's audit log:");
	for (size_t i = 0; i < s->entry_count; i++)
		kiln_demo_say("    %3llu  %-10s %-9s %s", (unsigned long long)s->entries[i].number,
			      kiln_keys_action_name(s->entries[i].action),
			      kiln_keys_actor_name(s->entries[i].actor),
			      outcome_name(&s->entries[i]));
	kiln_demo_say("  the store's files, %llu bytes: %s, as they are, in hex or base64; %s",
		      (unsigned long long)s->looked_at,
		      s->leaks > 0 ? "password, secret or account name IS in them"
		      : s->not_looked_at > 0
			  ? "NOT all could be read"
			  : "neither password, secret nor account name is in them",
		      s->key_id_found ? "the key's id is" : "and NOT even the key's id");
	if (!is_well(s))
		kiln_demo_say("  This is NOT as it should be.");
}

static json_t *as_json(const struct scene *s)
{
	char user[2 * KILN_KEYS_USER_ID_LEN + 1], key[2 * KILN_KEYS_KEY_ID_LEN + 1];
	json_t *log = json_array();
	kiln_hex_encode(s->user_id, sizeof s->user_id, user);
	kiln_hex_encode(s->key_id, sizeof s->key_id, key);
	for (size_t i = 0; i < s->entry_count; i++)
		(void)json_array_append_new(
		    log, json_pack("{s:s, s:s, s:s}", "action",
				   kiln_keys_action_name(s->entries[i].action), "actor",
				   kiln_keys_actor_name(s->entries[i].actor), "outcome",
				   outcome_name(&s->entries[i])));
	return json_pack("{s:b, s:s, s:s, s:s, s:b, s:b, s:o, s:I, s:I, s:b}", "ok", is_well(s),
			 "path", s->path != NULL ? s->path : "", "user_id", user, "key_id", key,
			 "same_secret", s->same, "wrong_password_refused", s->refused, "audit", log,
			 "store_bytes", (json_int_t)s->looked_at, "leaks", (json_int_t)s->leaks,
			 "key_id_found", s->key_id_found);
}

/* ---- the part ------------------------------------------------------------------------------- */

static enum kiln_code play(struct scene *s, struct kiln_error *err)
{
	enum kiln_code rc = name_files(s, err);
	if (rc == KILN_OK)
		rc = make_store(s, err);
	if (rc == KILN_OK)
		rc = make_certificate(s, err);
	if (rc == KILN_OK)
		rc = start_keys(s, err);
	if (rc == KILN_OK)
		rc = start_gateway(s, err);
	if (rc == KILN_OK)
		rc = dial(s, err);
	if (rc == KILN_OK)
		rc = use(s, err);
	if (rc == KILN_OK)
		rc = try_wrong_password(s, err);
	if (rc == KILN_OK)
		rc = read_log(s, err);
	return rc == KILN_OK ? look(s, err) : rc;
}

enum kiln_code kiln_demo_keys(struct kiln_demo_stage *stage, json_t **shown, bool *ok,
			      struct kiln_error *err)
{
	static struct scene scene;
	memset(&scene, 0, sizeof scene);
	scene.stage = stage;
	kiln_demo_say("\nKeys: a secret behind a password, at a server that never learns either\n"
		      "  this program ══ TLS 1.3 ══▶ kiln server ── the connection itself ──▶ kiln "
		      "keys serve");
	const enum kiln_code rc = play(&scene, err);
	if (rc == KILN_OK) {
		report(&scene);
		*shown = as_json(&scene);
		*ok = is_well(&scene);
	}
	kiln_conn_close(scene.conn);
	kiln_tls_config_unref(scene.config);
	free(scene.entries);
	json_decref(scene.gateway_ready);
	json_decref(scene.keys_ready);
	return rc;
}

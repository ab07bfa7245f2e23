/* SPDX-License-Identifier: Apache-2.0
 * `kiln keys serve`: set-up in the order in which rights go away, and the end. */
#include "keys/serve/serve.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/bytes.h"
#include "keys/serve/keyd.h"
#include "keys/store/open.h"
#include "sandbox/sandbox.h"

/* ---- the store ------------------------------------------------------------------------------ */

static void on_progress(void *ctx, const char *what, int percent)
{
	struct kiln_log_line line;
	(void)ctx;
	kiln_log_begin(&line, KILN_LOG_INFO, "store_check");
	kiln_log_str(&line, "what", what);
	if (percent >= 0)
		kiln_log_u64(&line, "percent", (uint64_t)percent);
	kiln_log_end(&line);
}

/* What opens the store. */
struct keys {
	struct kiln_store_key *key, *other; /* other: NULL, or of a rotation */
};

static enum kiln_code read_keys(const struct kiln_keys_serve_options *o, struct keys *keys,
				struct kiln_error *err)
{
	const struct kiln_store_key_source source = {
	    .file = o->key_file,
	    .credential = o->key_credential,
	    .fd = o->key_fd != UINT64_MAX ? (int)o->key_fd : -1,
	};
	const struct kiln_store_key_source other = {.file = o->other_key_file, .fd = -1};
	keys->key = kiln_store_key_read(&source, err);
	if (keys->key == NULL)
		return err->code;
	if (o->other_key_file == NULL)
		return KILN_OK;
	keys->other = kiln_store_key_read(&other, err);
	return keys->other != NULL ? KILN_OK : err->code;
}

static void free_keys(struct keys *keys)
{
	if (keys->key != NULL)
		kiln_store_key_free(keys->key);
	if (keys->other != NULL)
		kiln_store_key_free(keys->other);
}

static enum kiln_code store_failed(const struct kiln_error *err)
{
	return err->code != KILN_OK ? err->code : KILN_E_SYSTEM;
}

/* The setup is made by whoever is first; the others take what that one made. */
static enum kiln_store_result make_setup(struct kiln_store *store, struct kiln_opaque_setup *setup,
					 struct kiln_error *err)
{
	if (kiln_opaque_setup_generate(NULL, setup, err) != KILN_OK)
		return KILN_STORE_FAILED;
	const enum kiln_store_result put = kiln_store_calls.setup_put(store, setup, err);
	return put == KILN_STORE_TAKEN ? kiln_store_calls.setup_get(store, setup, err) : put;
}

static enum kiln_code find_setup(struct kiln_store *store, struct kiln_opaque_setup *setup,
				 struct kiln_error *err)
{
	if (kiln_store_calls.begin(store, err) != KILN_STORE_OK)
		return store_failed(err);
	enum kiln_store_result got = kiln_store_calls.setup_get(store, setup, err);
	if (got == KILN_STORE_ABSENT)
		got = make_setup(store, setup, err);
	if (got != KILN_STORE_OK) {
		kiln_store_calls.rollback(store);
		return store_failed(err);
	}
	return kiln_store_calls.commit(store, err) == KILN_STORE_OK ? KILN_OK : store_failed(err);
}

/* ---- the machine ---------------------------------------------------------------------------- */

static enum kiln_code make_server(struct kiln_keyd *keyd, struct kiln_store *store,
				  struct kiln_error *err)
{
	const struct kiln_keys_serve_options *o = keyd->options;
	struct kiln_opaque_setup setup;
	struct kiln_keys_server_options options = {
	    .store = &kiln_store_calls,
	    .store_ctx = store,
	    .setup = &setup,
	    .identity = o->identity,
	    .registration = (enum kiln_keys_registration)o->registration,
	    .require_binding = !o->no_binding,
	    .sessions_max = (uint32_t)o->max_sessions,
	    .sessions_per_conn_max = (uint32_t)o->max_sessions_per_connection,
	    .detached_max = (uint32_t)o->max_detached,
	    .login_ms = (uint32_t)o->login_ms,
	    .request_ms = (uint32_t)o->request_ms,
	    .closed_ms = (uint32_t)o->resume_ms,
	    .detached_ms = (uint32_t)o->resume_ms,
	    .event = kiln_keyd_on_event,
	    .event_arg = keyd,
	};
	memcpy(options.limits, o->limits, sizeof options.limits);
	if (find_setup(store, &setup, err) == KILN_OK) {
		keyd->server = kiln_keys_server_new(&options, err);
		memcpy(keyd->server_key, setup.server_public_key, sizeof keyd->server_key);
	}
	kiln_wipe(&setup, sizeof setup);
	return keyd->server != NULL ? KILN_OK : err->code;
}

/* ---- rights --------------------------------------------------------------------------------- */

/* Out of a path, the folder that it is in; NULL for none. */
static const char *folder_of(const char *path, char out[PATH_MAX])
{
	char copy[PATH_MAX], *real;
	if (path == NULL || snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
		return NULL;
	real = realpath(dirname(copy), out);
	return real;
}

static const char *sqlite_path(const char *where)
{
	static const char prefix[] = "sqlite:";
	if (strncmp(where, "postgresql:", strlen("postgresql:")) == 0)
		return NULL;
	return strncmp(where, prefix, strlen(prefix)) == 0 ? where + strlen(prefix) : where;
}

static enum kiln_code enter_sandbox(const struct kiln_keys_serve_options *o, struct kiln_error *err)
{
	char store[PATH_MAX], anchor[PATH_MAX], listen[PATH_MAX], in_force[KILN_SANDBOX_TEXT];
	const char *writable[3] = {NULL};
	size_t count = 0;
	struct kiln_log_line line;
	if (folder_of(sqlite_path(o->store), store) != NULL)
		writable[count++] = store;
	if (folder_of(o->anchor, anchor) != NULL)
		writable[count++] = anchor;
	const struct kiln_sandbox_keys keys = {
	    .writable = writable,
	    .removable = o->path[0] != '@' ? folder_of(o->path, listen) : NULL,
	    .network = sqlite_path(o->store) == NULL,
	};
	const enum kiln_code rc = kiln_sandbox_keys(&keys, in_force, err);
	if (rc != KILN_OK)
		return rc;
	kiln_log_begin(&line, KILN_LOG_INFO, "sandbox");
	kiln_log_str(&line, "in_force", in_force);
	kiln_log_end(&line);
	return KILN_OK;
}

/* ---- start and end -------------------------------------------------------------------------- */

static void log_ready(const struct kiln_keyd *keyd)
{
	static const char *const registrations[] = {"closed", "token", "open"};
	const struct kiln_keys_serve_options *o = keyd->options;
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_INFO, "ready");
	kiln_log_str(&line, "version", KILN_VERSION);
	kiln_log_str(&line, "mode", "keys");
	kiln_log_str(&line, "listen", o->listen);
	kiln_log_str(&line, "store", sqlite_path(o->store) != NULL ? o->store : "postgresql");
	kiln_log_str(&line, "registration", registrations[o->registration]);
	kiln_log_bool(&line, "binding_required", !o->no_binding);
	kiln_log_str(&line, "server_identity", o->identity);
	kiln_log_hex(&line, "server_key", keyd->server_key, sizeof keyd->server_key);
	kiln_log_u64(&line, "max_connections", keyd->max_connections);
	kiln_log_u64(&line, "max_per_source", keyd->max_per_source);
	kiln_log_u64(&line, "pid", (uint64_t)getpid());
	kiln_log_end(&line);
}

static enum kiln_code open_store(const struct kiln_keys_serve_options *o, const struct keys *keys,
				 struct kiln_store **store, struct kiln_error *err)
{
	const struct kiln_store_options options = {
	    .where = o->store,
	    .key = keys->key,
	    .other_key = keys->other,
	    .anchor = o->anchor,
	    .keys_max = (uint32_t)o->max_keys,
	    .cache_mib = (uint32_t)o->store_cache,
	    .audit_days = (uint32_t)o->audit_days,
	    .progress = on_progress,
	};
	return kiln_store_open(&options, store, err);
}

static enum kiln_code open_listener(struct kiln_keyd *keyd, struct kiln_error *err)
{
	const struct kiln_keys_serve_options *o = keyd->options;
	const struct kiln_handoff_options options = {
	    .mode = o->mode,
	    .user = o->handoff_user,
	    .nonblocking = true,
	};
	keyd->listener = kiln_handoff_listen(o->path, &options, err);
	return keyd->listener != NULL ? KILN_OK : err->code;
}

/* The key may be root's to read; store and socket are the user's who is left. The socket comes
 * last: a gateway that finds it finds a server. */
static enum kiln_code set_up(struct kiln_keyd *keyd, struct kiln_store **store,
			     struct kiln_error *err)
{
	const struct kiln_keys_serve_options *o = keyd->options;
	struct keys keys = {0};
	enum kiln_code rc = kiln_keyd_plan(keyd, err);
	if (rc == KILN_OK)
		rc = read_keys(o, &keys, err);
	if (rc == KILN_OK)
		rc = kiln_sandbox_drop_user(o->user, err);
	if (rc == KILN_OK)
		rc = open_store(o, &keys, store, err);
	free_keys(&keys);
	keyd->store = *store;
	if (rc == KILN_OK)
		rc = make_server(keyd, *store, err);
	if (rc == KILN_OK && !kiln_keyd_read_tokens(keyd, err))
		rc = err->code;
	if (rc == KILN_OK)
		rc = open_listener(keyd, err);
	if (rc == KILN_OK)
		rc = kiln_keyd_open(keyd, err);
	return rc == KILN_OK ? enter_sandbox(o, err) : rc;
}

static enum kiln_code serve(struct kiln_keyd *keyd, struct kiln_error *err)
{
	struct kiln_store *store = NULL;
	enum kiln_code rc = set_up(keyd, &store, err);
	if (rc == KILN_OK) {
		log_ready(keyd);
		rc = kiln_keyd_run(keyd, err);
	}
	kiln_keyd_close(keyd);
	kiln_keys_server_free(keyd->server);
	if (store != NULL)
		kiln_store_close(store);
	return rc;
}

int kiln_keys_serve_main(int argc, char **argv)
{
	static struct kiln_keys_serve_options options;
	static struct kiln_keyd keyd = {.epoll = -1, .signals = -1};
	struct kiln_error err = {0};
	struct kiln_log_line line;
	if (kiln_keys_serve_options_read(&options, argc, argv, &err) != KILN_OK) {
		(void)fprintf(stderr, "kiln keys serve: %s\n", err.message);
		return 2;
	}
	if (options.help) {
		(void)fputs(kiln_keys_serve_help, stdout);
		return 0;
	}
	(void)prctl(PR_SET_NAME, "kiln-keys", 0, 0, 0);
	kiln_log_configure((enum kiln_log_format)options.log_format,
			   (enum kiln_log_level)options.log_level, "process", "keys");
	keyd.options = &options;
	if (serve(&keyd, &err) != KILN_OK) {
		kiln_keyd_log_error(
		    keyd.server == NULL || !keyd.ran ? "cannot_start" : "keys_failed", &err);
		return 1;
	}
	kiln_log_begin(&line, KILN_LOG_INFO, "stopped");
	kiln_log_end(&line);
	return 0;
}

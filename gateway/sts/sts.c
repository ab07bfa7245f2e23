/* SPDX-License-Identifier: Apache-2.0
 * `kiln sts`: a stand-in for AWS STS on this machine. */
#include "sts/sts.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "aws/json.h"
#include "log/log.h"
#include "sts/keys_file.h"
#include "sts/make_keys.h"
#include "sts/options.h"
#include "sts/server.h"

/* ------------------------------------------------------------------ start */

static enum kiln_code open_listener(const struct kiln_stsd_options *o, int *out,
				    char text[KILN_ADDRESS_TEXT], struct kiln_error *err)
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof bound;
	const int on = 1;
	const struct sockaddr *address = (const struct sockaddr *)&o->listen.addr;
	const int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "no socket for --listen");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, address, o->listen.len) != 0 || listen(fd, SOMAXCONN) != 0 ||
	    getsockname(fd, (struct sockaddr *)&bound, &len) != 0) {
		const int failed = errno;
		(void)close(fd);
		return kiln_fail(
		    err, KILN_E_CONFIG, "--listen %.100s: %s%s", o->listen_text, strerror(failed),
		    failed == EADDRINUSE ? "; another program has it: see `ss -ltnp`" : "");
	}
	(void)kiln_address_format(&bound, len, text);
	*out = fd;
	return KILN_OK;
}

/* Whose role the instance metadata shows. */
static enum kiln_code find_instance(struct kiln_stsd *sts, const char *name, struct kiln_error *err)
{
	if (name != NULL) {
		sts->instance = kiln_stsd_key_named(&sts->store, name);
		if (sts->instance == NULL || !sts->instance->by_role)
			return kiln_fail(err, KILN_E_CONFIG,
					 "--imds %.64s: the keys file has no role of that name",
					 name);
		return KILN_OK;
	}
	for (size_t i = 0; i < sts->store.key_count && sts->instance == NULL; i++)
		if (sts->store.keys[i].by_role)
			sts->instance = &sts->store.keys[i];
	return KILN_OK;
}

static enum kiln_code catch_signals(int *fd, struct kiln_error *err)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	*fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (*fd < 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "cannot wait for signals");
	return KILN_OK;
}

/* ------------------------------------------------------------------ telling */

static void print_env(const struct kiln_stsd_options *o, const struct kiln_stsd *sts,
		      const char *listen)
{
	(void)printf("export AWS_ENDPOINT_URL_STS=http://%s\n", listen);
	(void)printf("export AWS_REGION=%s\n", sts->region);
	for (size_t i = 0; i < sts->store.key_count; i++) {
		const struct kiln_stsd_key *key = &sts->store.keys[i];
		(void)printf("# %s is %s\n", key->name, key->arn);
		if (key->by_role && key->container_token != NULL)
			(void)printf("#   as in a container: export AWS_CONTAINER_CREDENTIALS_FULL_"
				     "URI=http://%s/_kiln/credentials/%s\n"
				     "#   AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%s.%s."
				     "container-token if --make-keys wrote it\n",
				     listen, key->name, o->keys, key->name);
	}
	if (sts->instance != NULL)
		(void)printf("# %s as on an instance: export AWS_EC2_METADATA_SERVICE_ENDPOINT="
			     "http://%s\n",
			     sts->instance->name, listen);
	(void)fflush(stdout);
}

static void log_ready(const struct kiln_stsd_options *o, const struct kiln_stsd_server *server,
		      const char *listen)
{
	struct kiln_log_line l;
	char hint[192];
	(void)snprintf(hint, sizeof hint, "clients set AWS_ENDPOINT_URL_STS=http://%s", listen);
	kiln_log_begin(&l, KILN_LOG_INFO, "ready");
	kiln_log_str(&l, "version", KILN_VERSION);
	kiln_log_str(&l, "mode", "sts");
	kiln_log_str(&l, "listen", listen);
	kiln_log_u64(&l, "identities", server->sts.store.key_count);
	kiln_log_str(&l, "imds", server->sts.instance != NULL ? server->sts.instance->name : NULL);
	kiln_log_bool(&l, "control", o->control);
	kiln_log_u64(&l, "pid", (uint64_t)getpid());
	kiln_log_str(&l, "hint", hint);
	kiln_log_end(&l);
}

static void log_end(const struct kiln_error *err)
{
	struct kiln_log_line l;
	if (err == NULL) {
		kiln_log_begin(&l, KILN_LOG_INFO, "stopped");
	} else {
		kiln_log_begin(&l, KILN_LOG_ERROR, "cannot_start");
		kiln_log_error(&l, err);
	}
	kiln_log_end(&l);
}

/* ------------------------------------------------------------------ the command */

static enum kiln_code serve(const struct kiln_stsd_options *o, struct kiln_stsd_server *server,
			    struct kiln_error *err)
{
	char listen_text[KILN_ADDRESS_TEXT];
	int listener = -1, signals = -1;
	server->control = o->control;
	server->behaviours[KILN_STSD_ON_STS] = o->behaviour;
	server->sts.region = o->region;
	server->sts.session_max = (int64_t)(o->session_ms / 1000);
	enum kiln_code code = kiln_stsd_store_init(&server->sts.store, err);
	if (code == KILN_OK)
		code = kiln_stsd_keys_load(&server->sts.store, o->keys, err);
	if (code == KILN_OK)
		code = find_instance(&server->sts, o->imds, err);
	if (code == KILN_OK)
		code = catch_signals(&signals, err);
	if (code == KILN_OK)
		code = open_listener(o, &listener, listen_text, err);
	if (code == KILN_OK)
		code = kiln_stsd_server_start(server, listener, err);
	if (code == KILN_OK) {
		log_ready(o, server, listen_text);
		if (o->print_env)
			print_env(o, &server->sts, listen_text);
		kiln_stsd_server_run(server, signals);
		kiln_stsd_server_stop(server);
	}
	if (signals >= 0)
		(void)close(signals);
	kiln_stsd_store_clear(&server->sts.store);
	return code;
}

int kiln_sts_main(int argc, char **argv)
{
	static struct kiln_stsd_server server;
	struct kiln_stsd_options o;
	struct kiln_error err = {0};
	kiln_json_memory_take_over();
	if (kiln_stsd_options_read(&o, argc, argv, &err) != KILN_OK) {
		(void)fprintf(stderr, "kiln sts: %s\n", err.message);
		return 2;
	}
	if (o.help) {
		(void)fputs(kiln_stsd_help, stdout);
		return 0;
	}
	if (o.make_keys != NULL) {
		if (kiln_stsd_make_keys(o.make_keys, o.roles, o.role_count, o.region, o.force,
					stdout, &err) == KILN_OK)
			return 0;
		(void)fprintf(stderr, "kiln sts: %s\n", err.message);
		return err.code == KILN_E_CONFIG ? 2 : 1;
	}
	kiln_log_configure((enum kiln_log_format)o.log_format, (enum kiln_log_level)o.log_level,
			   NULL, NULL);
	if (serve(&o, &server, &err) != KILN_OK) {
		log_end(&err);
		return 1;
	}
	log_end(NULL);
	return 0;
}

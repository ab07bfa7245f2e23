/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of `kiln server` and `kiln client`, checked as far as the text alone allows:
 * no file is read and no name is looked up here.
 */
#ifndef KILN_CLI_OPTIONS_H
#define KILN_CLI_OPTIONS_H

#include <stdio.h>

#include <kiln/aws.h>
#include <kiln/tls.h>

#include "aws/sts.h"
#include "log/level.h"
#include "net/address.h"
#include "worker/settings.h"

#define KILN_OPTION_LISTEN_MAX  16u
#define KILN_OPTION_RULES_MAX   256u
#define KILN_OPTION_WORKERS_MAX 256u
#define KILN_OPTION_ROLES_MAX   256u

enum kiln_gateway_mode {
	KILN_GATEWAY_SERVER = 1, /* TLS comes in, plain bytes go out */
	KILN_GATEWAY_CLIENT = 2, /* plain bytes come in, TLS goes out */
};

/* All times in milliseconds. Strings belong to argv (or to this struct, which therefore must not
 * be copied): both must outlive the options. */
struct kiln_gateway_options {
	enum kiln_gateway_mode mode;
	bool help; /* --help was given: nothing else was checked */

	struct kiln_address listen[KILN_OPTION_LISTEN_MAX];
	const char *listen_text[KILN_OPTION_LISTEN_MAX]; /* as written */
	size_t listen_count;
	struct kiln_address target;
	const char *target_text;
	bool handoff; /* --handoff: target is the application's socket */
	const char *handoff_user, *handoff_label; /* NULL: ours or root; the default label */
	bool reuse_port;   /* listen beside a gateway that has the port already */
	bool unsafe_plain; /* do not warn that plain bytes leave this machine */

	/* Files. cert and key are the same one after --keystore. A client may have neither; a
	 * client without cacert trusts the system's roots. */
	const char *cert, *key, *cacert;

	/* For struct kiln_tls_options, resolved: ready to be passed on. */
	enum kiln_peer_auth peer_auth;
	bool allow_any;
	struct kiln_access_rule rules[KILN_OPTION_RULES_MAX];
	size_t rule_count;
	const char *server_name;             /* client: the SNI, NULL for none */
	const char *verify_name;             /* client: NULL when rules alone decide */
	char target_name[KILN_HOST_MAX + 1]; /* client: where the two names above come from */
	const char *alpn, *cipher_suites;
	uint64_t rekey_after_records; /* 0: the cipher suite's own limit */

	/* Roast: AWS roles in place of certificates. */
	struct kiln_aws_role roles[KILN_OPTION_ROLES_MAX]; /* any of them is let in */
	size_t role_count;
	bool roast, require_binding;
	bool development_sts; /* AWS_ENDPOINT_URL_STS may name a server on loopback */
	unsigned roast_rate;  /* verifications a second for one source; 0 is no limit */
	const char *region;   /* NULL: as the AWS SDKs find it */

	unsigned workers; /* 0: one per CPU */
	bool pin_workers;
	enum kiln_engine engine;
	enum kiln_ktls_mode ktls;
	const char *user; /* to become, NULL to stay */

	/* 0 is no limit ... */
	uint64_t handshake_timeout, connect_timeout, send_timeout, idle_timeout, close_timeout;
	/* ... but at once here */
	uint64_t shutdown_timeout;
	uint64_t target_refresh;  /* how often the target is looked up; 0: at SIGHUP only */
	uint64_t max_connections; /* in all; 0 is no limit */
	uint64_t buffer_memory;   /* bytes for relay buffers, all workers together */

	enum kiln_proxy_send proxy_send;
	bool proxy_accept; /* a PROXY v2 header is expected on accepted connections */

	enum kiln_log_format log_format;
	enum kiln_log_level log_level;
};

/* Fills options from the arguments behind argv[0], which is the subcommand. KILN_E_CONFIG with one
 * sentence that names the flag and the way out. Not for two threads at once (getopt_long). */
enum kiln_code kiln_options_parse(enum kiln_gateway_mode mode, int argc, char *const argv[],
				  struct kiln_gateway_options *options,
				  struct kiln_error *err) KILN_NODISCARD;

/* The text of `kiln server --help` or `kiln client --help`. */
void kiln_options_help(enum kiln_gateway_mode mode, FILE *to);

#endif

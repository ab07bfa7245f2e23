/* SPDX-License-Identifier: Apache-2.0
 * Every flag of `kiln server` and `kiln client`, and the functions that store its value. */
#include "cli/flags.h"

#include <string.h>

#include <kiln/handoff.h>

#include "cli/values.h"

_Static_assert(sizeof(enum kiln_ktls_mode) == sizeof(int), "words are stored as int");

static void *field(struct kiln_parse *p, const struct kiln_flag *flag)
{
	return (char *)p->options + flag->offset;
}

static enum kiln_code take_true(struct kiln_parse *p, const struct kiln_flag *flag,
				const char *value)
{
	(void)value;
	*(bool *)field(p, flag) = true;
	return KILN_OK;
}

/* For flags that matter only by having been given. */
static enum kiln_code take_nothing(struct kiln_parse *p, const struct kiln_flag *flag,
				   const char *value)
{
	(void)p;
	(void)flag;
	(void)value;
	return KILN_OK;
}

static enum kiln_code take_string(struct kiln_parse *p, const struct kiln_flag *flag,
				  const char *value)
{
	*(const char **)field(p, flag) = value;
	return KILN_OK;
}

static enum kiln_code take_keystore(struct kiln_parse *p, const struct kiln_flag *flag,
				    const char *value)
{
	(void)flag;
	p->options->cert = p->options->key = value;
	return KILN_OK;
}

static enum kiln_code take_duration(struct kiln_parse *p, const struct kiln_flag *flag,
				    const char *value)
{
	return kiln_value_duration(flag->name, value, field(p, flag), p->err);
}

static enum kiln_code take_refresh(struct kiln_parse *p, const struct kiln_flag *flag,
				   const char *value)
{
	uint64_t *ms = &p->options->target_refresh;
	if (kiln_value_duration(flag->name, value, ms, p->err) != KILN_OK)
		return KILN_E_CONFIG;
	if (*ms > 0 && *ms < 1000)
		return kiln_fail(p->err, KILN_E_CONFIG,
				 "%s: '%.40s' is less than a second; 0 is never", flag->name,
				 value);
	return KILN_OK;
}

static enum kiln_code take_listen(struct kiln_parse *p, const struct kiln_flag *flag,
				  const char *value)
{
	struct kiln_gateway_options *o = p->options;
	if (o->listen_count == KILN_OPTION_LISTEN_MAX)
		return kiln_fail(p->err, KILN_E_CONFIG, "%s: at most %u addresses", flag->name,
				 KILN_OPTION_LISTEN_MAX);
	for (size_t i = 0; i < o->listen_count; i++)
		if (strcmp(o->listen_text[i], value) == 0)
			return kiln_fail(p->err, KILN_E_CONFIG, "%s: '%.80s' is given twice",
					 flag->name, value);
	o->listen_text[o->listen_count] = value;
	return kiln_address_parse(flag->name, value, &o->listen[o->listen_count++], p->err);
}

static enum kiln_code take_target(struct kiln_parse *p, const struct kiln_flag *flag,
				  const char *value)
{
	if (p->options->handoff)
		return kiln_fail(p->err, KILN_E_CONFIG,
				 "--handoff takes the place of %s; choose one", flag->name);
	p->options->target_text = value;
	return kiln_address_parse(flag->name, value, &p->options->target, p->err);
}

static enum kiln_code take_handoff(struct kiln_parse *p, const struct kiln_flag *flag,
				   const char *value)
{
	if (p->options->target_text != NULL)
		return kiln_fail(p->err, KILN_E_CONFIG,
				 "%s takes the place of --target; choose one", flag->name);
	if (take_target(p, flag, value) != KILN_OK)
		return KILN_E_CONFIG;
	p->options->handoff = true;
	if (!p->options->target.is_unix)
		return kiln_fail(p->err, KILN_E_CONFIG,
				 "%s: descriptors go over Unix sockets only; write unix:PATH, not "
				 "'%.80s'",
				 flag->name, value);
	return KILN_OK;
}

/* RFC 8446 7.5: any text; RFC 5705 4 wants them to be ASCII and registered, or private. */
static enum kiln_code take_label(struct kiln_parse *p, const struct kiln_flag *flag,
				 const char *value)
{
	const size_t len = strlen(value);
	for (size_t i = 0; i < len; i++)
		if (value[i] <= ' ' || value[i] > '~')
			return kiln_fail(p->err, KILN_E_CONFIG,
					 "%s: a label is printable, without blanks", flag->name);
	if (len > KILN_HANDOFF_LABEL_MAX)
		return kiln_fail(p->err, KILN_E_CONFIG, "%s: a label has at most %u bytes",
				 flag->name, KILN_HANDOFF_LABEL_MAX);
	p->options->handoff_label = value;
	return KILN_OK;
}

static enum kiln_code take_rule(struct kiln_parse *p, const struct kiln_flag *flag,
				const char *value)
{
	struct kiln_gateway_options *o = p->options;
	if (o->rule_count == KILN_OPTION_RULES_MAX)
		return kiln_fail(p->err, KILN_E_CONFIG, "%s: at most %u rules", flag->name,
				 KILN_OPTION_RULES_MAX);
	if (flag->arg == KILN_ACCESS_SPKI && kiln_value_hash(flag->name, value, p->err) != KILN_OK)
		return KILN_E_CONFIG;
	if (flag->arg == KILN_ACCESS_IP && !kiln_address_is_number(value))
		return kiln_fail(p->err, KILN_E_CONFIG,
				 "%s: '%.60s' is no IP address; write 192.0.2.7 or 2001:db8::7",
				 flag->name, value);
	o->rules[o->rule_count++] = (struct kiln_access_rule){
	    .kind = (enum kiln_access_kind)flag->arg,
	    .value = value,
	};
	return KILN_OK;
}

static enum kiln_code take_role(struct kiln_parse *p, const struct kiln_flag *flag,
				const char *value)
{
	struct kiln_gateway_options *o = p->options;
	char list[KILN_AWS_ROLE_ARN_MAX * 4];
	/* One, or several with commas between them. */
	if (strlen(value) >= sizeof list)
		return kiln_fail(p->err, KILN_E_CONFIG, "%s: too long; give the flag several times",
				 flag->name);
	memcpy(list, value, strlen(value) + 1);
	char *rest = list, *one;
	while ((one = strsep(&rest, ",")) != NULL) {
		struct kiln_error why = {0};
		if (o->role_count == KILN_OPTION_ROLES_MAX)
			return kiln_fail(p->err, KILN_E_CONFIG, "%s: at most %u roles", flag->name,
					 KILN_OPTION_ROLES_MAX);
		if (kiln_aws_role_parse(one, &o->roles[o->role_count++], &why) != KILN_OK)
			return kiln_fail(p->err, KILN_E_CONFIG, "%s: %.220s", flag->name,
					 why.message);
	}
	return KILN_OK;
}

static enum kiln_code take_roast_rate(struct kiln_parse *p, const struct kiln_flag *flag,
				      const char *value)
{
	uint64_t rate;
	if (kiln_value_count(flag->name, value, 0, 100000, &rate, p->err) != KILN_OK)
		return KILN_E_CONFIG;
	p->options->roast_rate = (unsigned)rate;
	return KILN_OK;
}

static enum kiln_code take_alpn(struct kiln_parse *p, const struct kiln_flag *flag,
				const char *value)
{
	p->options->alpn = value;
	return kiln_value_alpn(flag->name, value, p->err);
}

static enum kiln_code take_workers(struct kiln_parse *p, const struct kiln_flag *flag,
				   const char *value)
{
	uint64_t count;
	if (kiln_value_count(flag->name, value, 0, KILN_OPTION_WORKERS_MAX, &count, p->err) !=
	    KILN_OK)
		return KILN_E_CONFIG;
	p->options->workers = (unsigned)count;
	return KILN_OK;
}

static enum kiln_code take_max_connections(struct kiln_parse *p, const struct kiln_flag *flag,
					   const char *value)
{
	return kiln_value_count(flag->name, value, 0, 100000000, &p->options->max_connections,
				p->err);
}

static enum kiln_code take_rekey(struct kiln_parse *p, const struct kiln_flag *flag,
				 const char *value)
{
	return kiln_value_count(flag->name, value, 1, UINT64_C(1) << 24,
				&p->options->rekey_after_records, p->err);
}

static enum kiln_code take_buffer_memory(struct kiln_parse *p, const struct kiln_flag *flag,
					 const char *value)
{
	uint64_t *bytes = &p->options->buffer_memory;
	if (kiln_value_size(flag->name, value, bytes, p->err) != KILN_OK)
		return KILN_E_CONFIG;
	if (*bytes < 1u << 20 || *bytes > UINT64_C(1) << 40)
		return kiln_fail(p->err, KILN_E_CONFIG, "%s: '%.40s' is not from 1MiB to 1024GiB",
				 flag->name, value);
	return KILN_OK;
}

/* The words of each choice, in the order of its enum. */
static const char *const words[][5] = {
    {"auto", "off", "require"},
    {"auto", "io_uring", "epoll"},
    {"text", "json"},
    {"debug", "info", "warning", "error"},
    {"off", "on"},
    {"required", "optional", "none"},
    {"conn", "tls", "tls-full"},
};
enum { KTLS, ENGINE, LOG_FORMAT, LOG_LEVEL, ON_OFF, CLIENT_AUTH, PROXY_MODE };

static enum kiln_code take_word(struct kiln_parse *p, const struct kiln_flag *flag,
				const char *value)
{
	return kiln_value_word(flag->name, value, words[flag->arg], field(p, flag), p->err);
}

static enum kiln_code take_on_off(struct kiln_parse *p, const struct kiln_flag *flag,
				  const char *value)
{
	int index;
	if (kiln_value_word(flag->name, value, words[ON_OFF], &index, p->err) != KILN_OK)
		return KILN_E_CONFIG;
	*(bool *)field(p, flag) = index == 1;
	return KILN_OK;
}

static enum kiln_code take_client_auth(struct kiln_parse *p, const struct kiln_flag *flag,
				       const char *value)
{
	return kiln_value_word(flag->name, value, words[CLIENT_AUTH], &p->client_auth, p->err);
}

static enum kiln_code take_proxy_mode(struct kiln_parse *p, const struct kiln_flag *flag,
				      const char *value)
{
	int index;
	if (kiln_value_word(flag->name, value, words[PROXY_MODE], &index, p->err) != KILN_OK)
		return KILN_E_CONFIG;
	p->options->proxy_send = (enum kiln_proxy_send)((int)KILN_PROXY_SEND_CONN + index);
	return KILN_OK;
}

#define SERVER KILN_GATEWAY_SERVER
#define CLIENT KILN_GATEWAY_CLIENT
#define BOTH   ((unsigned)SERVER | (unsigned)CLIENT)
#define AT(m)  offsetof(struct kiln_gateway_options, m)

/* clang-format off */
const struct kiln_flag kiln_flags[] = {
	{"--help", NULL, BOTH, false, true, take_true, AT(help), 0},
	{"--listen", NULL, BOTH, true, true, take_listen, 0, 0},
	{"--target", NULL, BOTH, true, false, take_target, 0, 0},
	{"--handoff", NULL, SERVER, true, false, take_handoff, 0, 0},
	{"--handoff-user", NULL, SERVER, true, false, take_string, AT(handoff_user), 0},
	{"--handoff-exporter", NULL, SERVER, true, false, take_label, 0, 0},
	{"--target-refresh", NULL, BOTH, true, false, take_refresh, 0, 0},
	{"--reuse-port", NULL, BOTH, false, true, take_true, AT(reuse_port), 0},
	{"--unsafe-target", NULL, SERVER, false, true, take_true, AT(unsafe_plain), 0},
	{"--unsafe-listen", NULL, CLIENT, false, true, take_true, AT(unsafe_plain), 0},

	{"--cert", NULL, BOTH, true, false, take_string, AT(cert), 0},
	{"--key", NULL, BOTH, true, false, take_string, AT(key), 0},
	{"--keystore", NULL, BOTH, true, false, take_keystore, 0, 0},
	{"--cacert", NULL, BOTH, true, false, take_string, AT(cacert), 0},

	{"--allow-all", NULL, SERVER, false, true, take_true, AT(allow_any), 0},
	{"--allow-cn", NULL, SERVER, true, true, take_rule, 0, KILN_ACCESS_CN},
	{"--allow-ou", NULL, SERVER, true, true, take_rule, 0, KILN_ACCESS_OU},
	{"--allow-dns", NULL, SERVER, true, true, take_rule, 0, KILN_ACCESS_DNS},
	{"--allow-uri", NULL, SERVER, true, true, take_rule, 0, KILN_ACCESS_URI},
	{"--allow-ip", NULL, SERVER, true, true, take_rule, 0, KILN_ACCESS_IP},
	{"--allow-spki", NULL, SERVER, true, true, take_rule, 0, KILN_ACCESS_SPKI},
	{"--disable-client-auth", NULL, SERVER, false, true, take_nothing, 0, 0},
	{"--disable-authentication", "--disable-client-auth", SERVER, false, true, take_nothing, 0, 0},
	{"--client-auth", NULL, SERVER, true, false, take_client_auth, 0, 0},

	{"--server-name", NULL, CLIENT, true, false, take_string, AT(server_name), 0},
	{"--override-server-name", "--server-name", CLIENT, true, false, take_string, AT(server_name), 0},
	{"--verify-name", NULL, CLIENT, true, false, take_string, AT(verify_name), 0},
	{"--verify-cn", NULL, CLIENT, true, true, take_rule, 0, KILN_ACCESS_CN},
	{"--verify-ou", NULL, CLIENT, true, true, take_rule, 0, KILN_ACCESS_OU},
	{"--verify-dns", NULL, CLIENT, true, true, take_rule, 0, KILN_ACCESS_DNS},
	{"--verify-uri", NULL, CLIENT, true, true, take_rule, 0, KILN_ACCESS_URI},
	{"--verify-ip", NULL, CLIENT, true, true, take_rule, 0, KILN_ACCESS_IP},
	{"--verify-spki", NULL, CLIENT, true, true, take_rule, 0, KILN_ACCESS_SPKI},
	{"--disable-authentication", NULL, CLIENT, false, true, take_nothing, 0, 0},

	{"--roast", NULL, BOTH, false, true, take_true, AT(roast), 0},
	{"--allow-role", NULL, BOTH, true, true, take_role, 0, 0},
	{"--require-binding", NULL, BOTH, false, true, take_true, AT(require_binding), 0},
	{"--region", NULL, BOTH, true, false, take_string, AT(region), 0},
	{"--roast-rate", NULL, BOTH, true, false, take_roast_rate, 0, 0},
	{"--development-sts", NULL, BOTH, false, true, take_true, AT(development_sts), 0},

	{"--alpn", NULL, BOTH, true, false, take_alpn, 0, 0},
	{"--cipher-suites", NULL, BOTH, true, false, take_string, AT(cipher_suites), 0},
	{"--ktls", NULL, BOTH, true, false, take_word, AT(ktls), KTLS},
	{"--rekey-after-records", NULL, BOTH, true, false, take_rekey, 0, 0},

	{"--proxy-protocol", NULL, BOTH, false, true, take_nothing, 0, 0},
	{"--proxy-protocol-mode", NULL, SERVER, true, false, take_proxy_mode, 0, 0},
	{"--accept-proxy-protocol", NULL, BOTH, false, true, take_true, AT(proxy_accept), 0},

	{"--handshake-timeout", NULL, BOTH, true, false, take_duration, AT(handshake_timeout), 0},
	{"--connect-timeout", NULL, BOTH, true, false, take_duration, AT(connect_timeout), 0},
	{"--send-timeout", NULL, BOTH, true, false, take_duration, AT(send_timeout), 0},
	{"--idle-timeout", NULL, BOTH, true, false, take_duration, AT(idle_timeout), 0},
	{"--close-timeout", NULL, BOTH, true, false, take_duration, AT(close_timeout), 0},
	{"--shutdown-timeout", NULL, BOTH, true, false, take_duration, AT(shutdown_timeout), 0},
	{"--max-connections", NULL, BOTH, true, false, take_max_connections, 0, 0},
	{"--max-concurrent-conns", "--max-connections", BOTH, true, false, take_max_connections, 0, 0},
	{"--buffer-memory", NULL, BOTH, true, false, take_buffer_memory, 0, 0},

	{"--workers", NULL, BOTH, true, false, take_workers, 0, 0},
	{"--pin-workers", NULL, BOTH, true, false, take_on_off, AT(pin_workers), 0},
	{"--engine", NULL, BOTH, true, false, take_word, AT(engine), ENGINE},
	{"--user", NULL, BOTH, true, false, take_string, AT(user), 0},

	{"--log-format", NULL, BOTH, true, false, take_word, AT(log_format), LOG_FORMAT},
	{"--log-level", NULL, BOTH, true, false, take_word, AT(log_level), LOG_LEVEL},
};
/* clang-format on */

const size_t kiln_flag_count = sizeof kiln_flags / sizeof kiln_flags[0];
_Static_assert(sizeof kiln_flags / sizeof kiln_flags[0] <= KILN_FLAGS_MAX, "given[] has room");

const struct kiln_flag *kiln_flag_find(const char *name, unsigned modes)
{
	for (size_t i = 0; i < kiln_flag_count; i++)
		if ((kiln_flags[i].modes & modes) != 0 && strcmp(kiln_flags[i].name, name) == 0)
			return &kiln_flags[i];
	return NULL;
}

const char *kiln_flag_given(const struct kiln_parse *p, const char *name)
{
	const struct kiln_flag *flag = kiln_flag_find(name, p->options->mode);
	return flag == NULL ? NULL : p->given[flag - kiln_flags];
}

/* SPDX-License-Identifier: Apache-2.0
 * Rules between flags: what is missing, what contradicts, and what follows. */
#include <string.h>

#include "aws/region.h"
#include "cli/flags.h"

#define FAIL(p, ...) kiln_fail((p)->err, KILN_E_CONFIG, __VA_ARGS__)

static enum kiln_code check_addresses(struct kiln_parse *p)
{
	struct kiln_gateway_options *o = p->options;
	if (o->listen_count == 0)
		return FAIL(p, "--listen is missing: the address to accept connections at");
	if (o->target_text == NULL)
		return FAIL(p, o->mode == KILN_GATEWAY_SERVER
				   ? "--target is missing: the address to pass connections on to "
				     "(or --handoff, to hand them to an application)"
				   : "--target is missing: the address to pass connections on to");
	if (!o->target.is_unix && o->target.host[0] == '\0')
		return FAIL(p, "--target: '%s' has no host; write HOST:PORT", o->target_text);
	if (!o->target.is_unix && o->target.port == 0)
		return FAIL(p, "--target: port 0 cannot be connected to");
	for (size_t i = 0; i < o->listen_count; i++)
		if (kiln_address_overlaps(&o->listen[i], &o->target))
			return FAIL(p,
				    "--listen %.80s and --target %.80s are the same address: every "
				    "connection would come back here",
				    o->listen_text[i], o->target_text);
	return KILN_OK;
}

/* What the application learns comes in the hand-off's own message. */
static enum kiln_code check_handoff(struct kiln_parse *p)
{
	static const char *const of_target[] = {"--proxy-protocol", "--proxy-protocol-mode",
						"--target-refresh", "--unsafe-target"};
	static const char *const of_handoff[] = {"--handoff-user", "--handoff-exporter"};
	const bool handoff = p->options->handoff;
	const char *const *names = handoff ? of_target : of_handoff;
	for (size_t i = 0; i < (handoff ? 4 : 2); i++)
		if (kiln_flag_given(p, names[i]) != NULL)
			return handoff
				   ? FAIL(p,
					  "%s belongs to --target, and --handoff takes its place",
					  names[i])
				   : FAIL(p, "%s belongs to --handoff, which is missing", names[i]);
	return KILN_OK;
}

static enum kiln_code check_files(struct kiln_parse *p)
{
	const struct kiln_gateway_options *o = p->options;
	bool cert = kiln_flag_given(p, "--cert") != NULL, key = kiln_flag_given(p, "--key") != NULL;
	bool keystore = kiln_flag_given(p, "--keystore") != NULL;
	if (keystore && (cert || key))
		return FAIL(p, "--keystore holds certificate and key; leave --cert and --key out");
	if (cert && !key)
		return FAIL(p, "--key is missing: the private key of --cert %.80s", o->cert);
	if (key && !cert)
		return FAIL(p, "--cert is missing: the certificate of --key %.80s", o->key);
	if (o->mode == KILN_GATEWAY_SERVER && !cert && !keystore)
		return FAIL(p, "--cert and --key (or --keystore) are missing: a server needs a "
			       "certificate; `kiln certs --out DIR` makes some for a try");
	return KILN_OK;
}

/* ------------------------------------------------------------------ server */

static enum kiln_code check_client_auth(struct kiln_parse *p)
{
	struct kiln_gateway_options *o = p->options;
	const char *disabled = kiln_flag_given(p, "--disable-client-auth");
	if (kiln_flag_given(p, "--client-auth") != NULL) {
		static const enum kiln_peer_auth modes[] = {KILN_PEER_REQUIRED, KILN_PEER_OPTIONAL,
							    KILN_PEER_NONE};
		o->peer_auth = modes[p->client_auth];
		if (disabled != NULL && o->peer_auth != KILN_PEER_NONE)
			return FAIL(p, "%s contradicts --client-auth; choose one", disabled);
	}
	if (disabled != NULL)
		o->peer_auth = KILN_PEER_NONE;
	return KILN_OK;
}

static enum kiln_code check_server(struct kiln_parse *p)
{
	struct kiln_gateway_options *o = p->options;
	if (check_client_auth(p) != KILN_OK)
		return KILN_E_CONFIG;
	if (o->allow_any && o->rule_count > 0)
		return FAIL(p, "--allow-all lets everyone in that the other --allow flags would "
			       "choose from; give either");
	bool chosen = o->allow_any || o->rule_count > 0;
	if (o->peer_auth == KILN_PEER_NONE && chosen)
		return FAIL(p, "without client certificates there is nothing for --allow flags to "
			       "look at; give either those or --disable-client-auth");
	if (o->peer_auth == KILN_PEER_NONE)
		return KILN_OK;
	if (!chosen)
		return FAIL(p,
			    "who may connect? Choose: --allow-all (any certificate from --cacert), "
			    "--allow-cn, --allow-ou, --allow-dns, --allow-uri, --allow-ip, "
			    "--allow-spki, or --disable-client-auth");
	/* The system's roots vouch for names; that somebody has any certificate says nothing. */
	if (o->cacert == NULL && o->allow_any)
		return FAIL(p, "--allow-all without --cacert would let in whoever has a public "
			       "certificate; name the authority with --cacert, or the clients with "
			       "the other --allow flags");
	return KILN_OK;
}

/* ------------------------------------------------------------------ client */

/* The target's host as a name in a certificate: without a zone, without a final dot. */
static void set_target_name(struct kiln_gateway_options *o)
{
	if (o->target.is_unix)
		return;
	size_t len = strcspn(o->target.host, "%");
	if (len > 1 && o->target.host[len - 1] == '.')
		len--;
	memcpy(o->target_name, o->target.host, len);
	o->target_name[len] = '\0';
}

static bool only_keys(const struct kiln_gateway_options *o)
{
	for (size_t i = 0; i < o->rule_count; i++)
		if (o->rules[i].kind != KILN_ACCESS_SPKI)
			return false;
	return o->rule_count > 0;
}

/* --verify-name none: the rules alone decide. Names and addresses are what public authorities vouch
 * for; anybody may have a certificate of theirs with any unit or common name. */
static enum kiln_code check_no_name(struct kiln_parse *p)
{
	const struct kiln_gateway_options *o = p->options;
	if (o->rule_count == 0)
		return FAIL(p,
			    "--verify-name none leaves nobody to expect; say whom with the other "
			    "--verify flags");
	for (size_t i = 0; o->cacert == NULL && i < o->rule_count; i++)
		if (o->rules[i].kind == KILN_ACCESS_CN || o->rules[i].kind == KILN_ACCESS_OU ||
		    o->rules[i].kind == KILN_ACCESS_URI)
			return FAIL(p,
				    "--verify-name none without --cacert would trust whoever "
				    "has a public certificate that says '%.80s'; name the "
				    "authority with --cacert",
				    o->rules[i].value);
	return KILN_OK;
}

/* Settles which name is asked for (SNI) and which the certificate must be for. RFC 6066 3: an IP
 * address is no name to ask for. Rules come on top of the name, as ghostunnel's do; a public key by
 * itself says who somebody is, so that nothing but such rules needs no name. */
static enum kiln_code settle_names(struct kiln_parse *p)
{
	struct kiln_gateway_options *o = p->options;
	const bool by_key = only_keys(o) && o->server_name == NULL;
	set_target_name(o);
	if (o->server_name == NULL && o->target_name[0] != '\0')
		o->server_name = o->target_name;
	if (o->verify_name != NULL && strcmp(o->verify_name, "none") == 0) {
		o->verify_name = NULL;
		if (check_no_name(p) != KILN_OK)
			return KILN_E_CONFIG;
	} else if (o->verify_name == NULL && !by_key) {
		o->verify_name = o->server_name;
		if (o->verify_name == NULL)
			return FAIL(p,
				    "whom to expect at %.80s? Give --server-name NAME or "
				    "--verify-name NAME, or a key with --verify-spki; "
				    "--verify-name none leaves it to the other --verify flags",
				    o->target_text);
	}
	if (o->server_name != NULL && kiln_address_is_number(o->server_name))
		o->server_name = NULL;
	return KILN_OK;
}

static enum kiln_code check_client(struct kiln_parse *p)
{
	if (kiln_flag_given(p, "--disable-authentication") != NULL && p->options->cert != NULL)
		return FAIL(p, "--disable-authentication (show no certificate) contradicts --cert; "
			       "choose one");
	return settle_names(p);
}

/* ------------------------------------------------------------------ Roast */

/* The real library's deadline, for hellos and TLS together. */
#define ROAST_TIMEOUT_MS 15000u

/* What says who somebody is by a certificate has no place beside a role. */
static const char *const by_certificate[] = {
    "--cert",        "--key",
    "--keystore",    "--cacert",
    "--allow-all",   "--allow-cn",
    "--allow-ou",    "--allow-dns",
    "--allow-uri",   "--allow-ip",
    "--allow-spki",  "--disable-client-auth",
    "--client-auth", "--server-name",
    "--verify-name", "--verify-cn",
    "--verify-ou",   "--verify-dns",
    "--verify-uri",  "--verify-ip",
    "--verify-spki", "--disable-authentication",
    "--alpn",
};

static const char *const only_roast[] = {"--allow-role", "--require-binding", "--region",
					 "--roast-rate", "--development-sts"};

static const char *first_given(const struct kiln_parse *p, const char *const names[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (kiln_flag_given(p, names[i]) != NULL)
			return names[i];
	return NULL;
}

#define FIRST_GIVEN(p, names) first_given(p, names, sizeof(names) / sizeof((names)[0]))

static enum kiln_code check_roast(struct kiln_parse *p)
{
	struct kiln_gateway_options *o = p->options;
	const char *other = FIRST_GIVEN(p, by_certificate);
	if (other != NULL)
		return FAIL(p,
			    "%s does not go with --roast: both sides prove AWS roles, and make "
			    "their certificates themselves",
			    other);
	if (o->role_count == 0)
		return FAIL(p, "who may be at the other end? Give --allow-role "
			       "arn:aws:iam::123456789012:role/NAME, once for each role");
	if (o->target.is_unix && o->mode == KILN_GATEWAY_CLIENT)
		return FAIL(p, "--target: Roast names the server by its address, and a Unix socket "
			       "has none");
	if (o->region != NULL && kiln_aws_region_known(o->region) == NULL)
		return FAIL(p, "--region: AWS has no region '%.40s'; write one as in eu-central-1",
			    o->region);
	o->peer_auth = KILN_PEER_REQUIRED;
	if (kiln_flag_given(p, "--handshake-timeout") == NULL)
		o->handshake_timeout = ROAST_TIMEOUT_MS;
	if (o->handshake_timeout == 0 || o->handshake_timeout > ROAST_TIMEOUT_MS)
		return FAIL(p, "--handshake-timeout: with --roast at most 15s, which is how long a "
			       "peer waits");
	return KILN_OK;
}

static enum kiln_code check_no_roast(struct kiln_parse *p)
{
	const char *given = FIRST_GIVEN(p, only_roast);
	if (given != NULL)
		return FAIL(p, "%s belongs to --roast, which is missing", given);
	return KILN_OK;
}

/* ------------------------------------------------------------------ all of it */

enum kiln_code kiln_options_check(struct kiln_parse *p)
{
	struct kiln_gateway_options *o = p->options;
	bool server = o->mode == KILN_GATEWAY_SERVER;
	enum kiln_code code = check_addresses(p);
	if (code == KILN_OK && server)
		code = check_handoff(p);
	if (code == KILN_OK)
		code = o->roast ? check_roast(p) : check_no_roast(p);
	if (code == KILN_OK && !o->roast)
		code = check_files(p);
	if (code == KILN_OK && !o->roast)
		code = server ? check_server(p) : check_client(p);
	if (code != KILN_OK)
		return code;
	if (kiln_flag_given(p, "--proxy-protocol") != NULL && o->proxy_send == KILN_PROXY_SEND_OFF)
		o->proxy_send = server ? KILN_PROXY_SEND_TLS : KILN_PROXY_SEND_CONN;
	return KILN_OK;
}

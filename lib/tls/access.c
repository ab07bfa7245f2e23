/* SPDX-License-Identifier: Apache-2.0
 * Access rules over a verified certificate: any one match lets its owner in. */
#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tls/config.h"

static const char *kind_name(enum kiln_access_kind kind)
{
	switch (kind) {
	case KILN_ACCESS_CN: return "CN";
	case KILN_ACCESS_DNS: return "DNS name";
	case KILN_ACCESS_URI: return "URI";
	case KILN_ACCESS_IP: return "IP address";
	case KILN_ACCESS_SPKI: return "public key hash";
	case KILN_ACCESS_OU: return "OU";
	}
	return "rule";
}

static bool is_hex_hash(const char *text)
{
	size_t n = 0;
	for (; text[n] != '\0'; n++)
		if (!isxdigit((unsigned char)text[n]))
			return false;
	return n == 2 * (size_t)KILN_SPKI_HASH;
}

static bool is_ip(const char *text)
{
	uint8_t address[16];
	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* A '*' that is not a whole segment would be taken as one or as itself, depending on what follows:
 * neither is what its author meant. "**" anywhere but at the end would never match. */
static bool stars_are_segments(const char *pattern)
{
	for (const char *p = strchr(pattern, '*'); p != NULL; p = strchr(p + 1, '*')) {
		if (p > pattern && p[-1] != '/')
			return false;
		if (p[1] == '*')
			p++;
		else if (p[1] == '/')
			continue;
		if (p[1] != '\0')
			return false;
	}
	return true;
}

static enum kiln_code check_rule(const struct kiln_access_rule *rule, struct kiln_error *err)
{
	if (rule->value == NULL || rule->value[0] == '\0')
		return kiln_fail(err, KILN_E_CONFIG, "an access rule for a %s is empty",
				 kind_name(rule->kind));
	if (rule->kind == KILN_ACCESS_SPKI && !is_hex_hash(rule->value))
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "'%.80s' is no public key hash: write SHA-256 as 64 hexadecimal digits",
		    rule->value);
	if (rule->kind == KILN_ACCESS_IP && !is_ip(rule->value))
		return kiln_fail(err, KILN_E_CONFIG, "'%.80s' is no IP address", rule->value);
	if (rule->kind == KILN_ACCESS_URI && !stars_are_segments(rule->value))
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "'%.80s' is no URI pattern: '*' stands for a whole path segment, as "
		    "in spiffe://prod/*/api, and '**' for everything at the end",
		    rule->value);
	return KILN_OK;
}

enum kiln_code kiln_access_copy(struct kiln_access_list *list,
				const struct kiln_tls_options *options, struct kiln_error *err)
{
	list->allow_any = options->allow_any;
	if (options->rule_count > KILN_RULES_MAX)
		return kiln_fail(err, KILN_E_CONFIG, "more than %u access rules", KILN_RULES_MAX);
	if (options->rule_count == 0)
		return KILN_OK;
	list->rules = calloc(options->rule_count, sizeof *list->rules);
	if (list->rules == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for access rules");
	for (size_t i = 0; i < options->rule_count; i++) {
		enum kiln_code rc = check_rule(&options->rules[i], err);
		if (rc != KILN_OK)
			return rc;
		list->rules[i].kind = options->rules[i].kind;
		list->rules[i].value = strdup(options->rules[i].value);
		if (list->rules[i].value == NULL)
			return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for access rules");
		list->count++;
	}
	return KILN_OK;
}

void kiln_access_clear(struct kiln_access_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		union {
			const char *in;
			char *out;
		} value = {.in = list->rules[i].value}; /* const to readers, owned by the list */
		free(value.out);
	}
	free(list->rules);
	memset(list, 0, sizeof *list);
}

/* Exact match of text that must not hold a NUL inside (a classic way to forge a name). */
static bool same_text(const ASN1_STRING *value, const char *want, bool ignore_case)
{
	const size_t len = (size_t)ASN1_STRING_length(value);
	const char *text = (const char *)ASN1_STRING_get0_data(value);
	if (len != strlen(want) || memchr(text, '\0', len) != NULL)
		return false;
	return ignore_case ? strncasecmp(text, want, len) == 0 : memcmp(text, want, len) == 0;
}

/* '*' is one path segment, not empty; '**' at the end is all that remains, not empty. */
static bool uri_matches(const char *pattern, const char *text, size_t len)
{
	const char *end = text + len;
	while (*pattern != '\0') {
		if (strcmp(pattern, "**") == 0)
			return text < end;
		const bool starts_segment =
		    pattern[0] == '*' && (pattern[1] == '/' || pattern[1] == '\0');
		if (starts_segment) {
			const char *segment = text;
			while (text < end && *text != '/')
				text++;
			if (text == segment)
				return false;
			pattern++;
		} else if (text == end || *pattern++ != *text++) {
			return false;
		}
	}
	return text == end;
}

static bool ip_matches(const ASN1_STRING *value, const char *want)
{
	uint8_t address[16];
	const int family = strchr(want, ':') != NULL ? AF_INET6 : AF_INET;
	const int len = family == AF_INET6 ? 16 : 4;
	return inet_pton(family, want, address) == 1 && ASN1_STRING_length(value) == len &&
	       memcmp(ASN1_STRING_get0_data(value), address, (size_t)len) == 0;
}

static bool subject_has(const X509 *cert, int nid, const char *want)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	int i = -1;
	while ((i = X509_NAME_get_index_by_NID(subject, nid, i)) >= 0)
		if (same_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)), want,
			      false))
			return true;
	return false;
}

static bool name_matches(const GENERAL_NAME *name, const struct kiln_access_rule *rule)
{
	int type;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
	if (rule->kind == KILN_ACCESS_DNS)
		return type == GEN_DNS && same_text(value, rule->value, true);
	if (rule->kind == KILN_ACCESS_IP)
		return type == GEN_IPADD && ip_matches(value, rule->value);
	if (type != GEN_URI)
		return false;
	const char *text = (const char *)ASN1_STRING_get0_data(value);
	const size_t len = (size_t)ASN1_STRING_length(value);
	return memchr(text, '\0', len) == NULL && uri_matches(rule->value, text, len);
}

static bool alternative_name_has(const X509 *cert, const struct kiln_access_rule *rule)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++)
		found = name_matches(sk_GENERAL_NAME_value(names, i), rule);
	GENERAL_NAMES_free(names);
	return found;
}

static bool rule_matches(const X509 *cert, const struct kiln_peer *peer,
			 const struct kiln_access_rule *rule)
{
	switch (rule->kind) {
	case KILN_ACCESS_CN: return subject_has(cert, NID_commonName, rule->value);
	case KILN_ACCESS_OU: return subject_has(cert, NID_organizationalUnitName, rule->value);
	case KILN_ACCESS_DNS:
	case KILN_ACCESS_URI:
	case KILN_ACCESS_IP: return alternative_name_has(cert, rule);
	case KILN_ACCESS_SPKI: {
		char hex[2 * KILN_SPKI_HASH + 1];
		for (size_t i = 0; i < KILN_SPKI_HASH; i++)
			(void)snprintf(hex + 2 * i, 3, "%02x", peer->spki[i]);
		return strcasecmp(hex, rule->value) == 0; /* public data: no secret to time */
	}
	}
	return false;
}

enum kiln_code kiln_access_check(const struct kiln_access_list *list, const X509 *cert,
				 struct kiln_error *err)
{
	if (list->allow_any)
		return KILN_OK;
	struct kiln_peer peer = {0};
	if (!kiln_peer_describe(cert, &peer))
		return kiln_fail(err, KILN_E_ACCESS_DENIED,
				 "the peer's certificate cannot be read");
	for (size_t i = 0; i < list->count; i++)
		if (rule_matches(cert, &peer, &list->rules[i]))
			return KILN_OK;
	(void)kiln_fail(err, KILN_E_ACCESS_DENIED,
			"the peer is %.120s, which none of the %zu access rules allows", peer.name,
			list->count);
	if (err != NULL)
		err->alert = KILN_ALERT_ACCESS_DENIED;
	return KILN_E_ACCESS_DENIED;
}

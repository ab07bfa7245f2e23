/* SPDX-License-Identifier: Apache-2.0
 * Server names of Roast, with IPv6; see names.h. */
#include "roast/names.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* 4 or 16, the bytes of an address; 0 when the text is none. IPv4 inside IPv6 counts as IPv4. */
static int parse_ip(const char *text, uint8_t out[16])
{
	if (inet_pton(AF_INET, text, out) == 1)
		return 4;
	if (inet_pton(AF_INET6, text, out) != 1)
		return 0;
	if (memcmp(out, mapped, sizeof mapped) != 0)
		return 16;
	memmove(out, out + 12, 4);
	return 4;
}

static bool is_host_name(const char *name)
{
	const size_t len = strlen(name);
	return len > 0 && len <= KILN_ROAST_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
		   len;
}

enum kiln_code kiln_roast_name_from(const char *target, char out[KILN_ROAST_NAME_MAX + 1],
				    struct kiln_error *err)
{
	char text[KILN_ROAST_NAME_MAX + 1];
	uint8_t address[16];
	const bool bracketed = target[0] == '[';
	(void)snprintf(text, sizeof text, "%s", target + (bracketed ? 1 : 0));
	text[strcspn(text, bracketed ? "%]" : "%")] = '\0';
	const int bytes = parse_ip(text, address);
	if (bytes > 0 &&
	    inet_ntop(bytes == 4 ? AF_INET : AF_INET6, address, out, KILN_ROAST_NAME_MAX) != NULL)
		return KILN_OK;
	if (!is_host_name(target))
		return kiln_fail(err, KILN_E_USAGE,
				 "'%.100s' is no address and no host name that a server could "
				 "put into its certificate",
				 target);
	memcpy(out, target, strlen(target) + 1);
	return KILN_OK;
}

GENERAL_NAME *kiln_roast_name_to_san(const char *name)
{
	uint8_t address[16];
	const int bytes = parse_ip(name, address);
	GENERAL_NAME *san = GENERAL_NAME_new();
	ASN1_STRING *value =
	    ASN1_STRING_type_new(bytes > 0 ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
	const void *data = bytes > 0 ? (const void *)address : name;
	if (san == NULL || value == NULL ||
	    ASN1_STRING_set(value, data, bytes > 0 ? bytes : (int)strlen(name)) != 1) {
		GENERAL_NAME_free(san);
		ASN1_STRING_free(value);
		return NULL;
	}
	GENERAL_NAME_set0_value(san, bytes > 0 ? GEN_IPADD : GEN_DNS, value);
	return san;
}

static bool is_same(const GENERAL_NAME *san, const char *name, const uint8_t *address, int bytes)
{
	int type;
	const ASN1_STRING *value = GENERAL_NAME_get0_value(san, &type);
	if (type != (bytes > 0 ? GEN_IPADD : GEN_DNS))
		return false;
	const size_t len = (size_t)ASN1_STRING_length(value);
	const uint8_t *data = ASN1_STRING_get0_data(value);
	if (bytes > 0)
		return len == (size_t)bytes && memcmp(data, address, len) == 0;
	return len == strlen(name) && memchr(data, '\0', len) == NULL &&
	       strncasecmp((const char *)data, name, len) == 0;
}

bool kiln_roast_name_matches(const X509 *cert, const char *name)
{
	uint8_t address[16];
	const int bytes = parse_ip(name, address);
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool found = false;
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++)
		found = is_same(sk_GENERAL_NAME_value(names, i), name, address, bytes);
	GENERAL_NAMES_free(names);
	return found;
}

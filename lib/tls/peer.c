/* SPDX-License-Identifier: Apache-2.0
 * What a certificate says about its owner (RFC 5280 4.1.2.6, 4.2.1.6), as bounded printable text.
 */
#include <stdio.h>
#include <openssl/x509v3.h>

#include "base/bytes.h"
#include "tls/config.h"

/* Copies with everything outside printable ASCII as \xNN; cut at the end of out. */
static void copy_printable(char *out, size_t cap, const uint8_t *text, size_t len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		const bool plain = text[i] >= 0x20 && text[i] <= 0x7e && text[i] != '\\';
		if (n + (plain ? 1 : 4) >= cap)
			break;
		if (plain)
			out[n++] = (char)text[i];
		else
			n += (size_t)snprintf(out + n, cap - n, "\\x%02x", text[i]);
	}
	out[n] = '\0';
}

static void read_common_name(const X509_NAME *subject, struct kiln_peer *peer)
{
	int last = -1, i = -1;
	while ((i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0)
		last = i;
	if (last < 0)
		return;
	const ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last));
	copy_printable(peer->common_name, sizeof peer->common_name, ASN1_STRING_get0_data(value),
		       (size_t)ASN1_STRING_length(value));
}

static bool read_subject(const X509_NAME *subject, struct kiln_peer *peer)
{
	BIO *bio = BIO_new(BIO_s_mem());
	if (bio == NULL)
		return false;
	const uint8_t *text = NULL;
	long len = 0;
	if (X509_NAME_print_ex(bio, subject, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
		len = BIO_get_mem_data(bio, &text);
	copy_printable(peer->subject, sizeof peer->subject, text, len > 0 ? (size_t)len : 0);
	BIO_free(bio);
	return true;
}

/* The first URI, else the first DNS name, of the subject alternative names. */
static bool read_alternative_name(const X509 *cert, struct kiln_peer *peer)
{
	int found;
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, &found, NULL);
	if (names == NULL && found != -1)
		return false; /* it is there, and cannot be read: another name must not stand in */
	const ASN1_STRING *best = NULL;
	int best_type = 0;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		const ASN1_STRING *value =
		    GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
		if ((type == GEN_URI && best_type != GEN_URI) ||
		    (type == GEN_DNS && best == NULL)) {
			best = value;
			best_type = type;
		}
	}
	if (best != NULL)
		copy_printable(peer->name, sizeof peer->name, ASN1_STRING_get0_data(best),
			       (size_t)ASN1_STRING_length(best));
	GENERAL_NAMES_free(names);
	return true;
}

bool kiln_peer_describe(const X509 *cert, struct kiln_peer *peer)
{
	const X509_NAME *subject = X509_get_subject_name(cert);
	if (!read_subject(subject, peer))
		return false;
	read_common_name(subject, peer);
	if (!read_alternative_name(cert, peer))
		return false;
	if (peer->name[0] == '\0')
		(void)snprintf(peer->name, sizeof peer->name, "%s",
			       peer->common_name[0] != '\0' ? peer->common_name : peer->subject);

	/* The whole SubjectPublicKeyInfo, not only the key's bits: what `openssl pkey -pubin
	 * -outform der | sha256sum` gives, and what RFC 7469 pins. */
	uint8_t *der = NULL;
	const int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	if (len <= 0)
		return false;
	const bool ok = EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)len, peer->spki, NULL) == 1;
	OPENSSL_free(der);
	peer->present = ok;
	return ok;
}

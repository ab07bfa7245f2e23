/* SPDX-License-Identifier: Apache-2.0
 * Building an SSL_CTX that speaks TLS 1.3 and nothing else, from PEM in memory. */
#include "tls/config.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/openssl_memory.h"
#include "tls/handshake.h"
#include "tls/identity.h"
#include "tls/suite.h"

#define CHAIN_MAX 16u
#define ROOTS_MAX 4096u

/* OpenSSL's own words for what went wrong last, for the operator. */
static const char *openssl_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	ERR_clear_error();
	return reason != NULL ? reason : "unknown reason";
}

static bool holds(const void *pem, size_t len, const char *what)
{
	return len > 0 && memmem(pem, len, what, strlen(what)) != NULL;
}

static const char *origin(const char *given, const char *otherwise)
{
	return given != NULL ? given : otherwise;
}

/* After the last certificate that could be read: is that all there is, or is the next one broken?
 * A chain or a root store must not end silently in its middle. */
static enum kiln_code check_end(unsigned count, const char *from, struct kiln_error *err)
{
	const unsigned long last = ERR_peek_last_error();
	if (last == 0 ||
	    (ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE)) {
		ERR_clear_error();
		return KILN_OK;
	}
	return kiln_fail(err, KILN_E_CONFIG, "certificate %u in %.120s cannot be read: %s",
			 count + 1, from, openssl_reason());
}

/* Keys under a passphrase are refused instead of prompting on the gateway's terminal. */
/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's type */
static int no_passphrase(char *buf, int size, int rwflag, void *data)
{
	(void)buf, (void)size, (void)rwflag, (void)data;
	return 0;
}

static enum kiln_code load_chain(SSL_CTX *ctx, const struct kiln_tls_options *o,
				 struct kiln_error *err)
{
	BIO *bio = BIO_new_mem_buf(o->cert_pem, (int)o->cert_len);
	const char *from = origin(o->cert_origin, "the certificate file");
	enum kiln_code rc = KILN_OK;
	unsigned count = 0;
	for (X509 *cert; bio != NULL && rc == KILN_OK; count++) {
		cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		if (cert == NULL)
			break;
		if (count == CHAIN_MAX)
			rc = kiln_fail(err, KILN_E_CONFIG, "more than %u certificates in %.120s",
				       CHAIN_MAX, from);
		else if (count == 0 ? SSL_CTX_use_certificate(ctx, cert) != 1
				    : SSL_CTX_add1_chain_cert(ctx, cert) != 1)
			rc = kiln_fail(err, KILN_E_CONFIG, "certificate %u in %.120s: %s",
				       count + 1, from, openssl_reason());
		X509_free(cert);
	}
	if (bio == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for %.120s", from);
	BIO_free(bio);
	if (rc == KILN_OK)
		rc = check_end(count, from, err);
	if (rc == KILN_OK && count == 0)
		return kiln_fail(err, KILN_E_CONFIG, "no PEM certificate in %.120s%s", from,
				 holds(o->cert_pem, o->cert_len, "PRIVATE KEY-----")
				     ? ", but a private key: are certificate and key swapped?"
				     : "");
	return rc;
}

static enum kiln_code refuse_key(const struct kiln_tls_options *o, const char *from,
				 struct kiln_error *err)
{
	const char *reason = openssl_reason();
	if (!holds(o->key_pem, o->key_len, "PRIVATE KEY-----"))
		return kiln_fail(err, KILN_E_CONFIG, "no PEM private key in %.120s", from);
	if (holds(o->key_pem, o->key_len, "ENCRYPTED"))
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "the private key in %.120s needs a passphrase, and nobody is asked "
		    "for one: `openssl pkey -in OLD -out NEW` removes it",
		    from);
	return kiln_fail(err, KILN_E_CONFIG, "the private key in %.120s cannot be used (%s)", from,
			 reason);
}

static enum kiln_code load_key(SSL_CTX *ctx, const struct kiln_tls_options *o,
			       struct kiln_error *err)
{
	BIO *bio = BIO_new_mem_buf(o->key_pem, (int)o->key_len);
	EVP_PKEY *key =
	    bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	const char *from = origin(o->key_origin, "the key file");
	BIO_free(bio);
	if (key == NULL)
		return refuse_key(o, from, err);
	const int ok = SSL_CTX_use_PrivateKey(ctx, key);
	EVP_PKEY_free(key);
	if (ok != 1 || SSL_CTX_check_private_key(ctx) != 1)
		return kiln_fail(err, KILN_E_CONFIG,
				 "the private key in %.90s does not belong to the certificate in "
				 "%.90s (%s)",
				 from, origin(o->cert_origin, "the certificate file"),
				 openssl_reason());
	return KILN_OK;
}

static enum kiln_code load_roots(SSL_CTX *ctx, const struct kiln_tls_options *o,
				 struct kiln_error *err)
{
	BIO *bio = BIO_new_mem_buf(o->ca_pem, (int)o->ca_len);
	const char *from = origin(o->ca_origin, "the CA file");
	enum kiln_code rc = KILN_OK;
	unsigned count = 0;
	for (X509 *cert; bio != NULL && rc == KILN_OK; count++) {
		cert = PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL);
		if (cert == NULL)
			break;
		/* The names go into CertificateRequest, unless there are so many (a system's store)
		 * that they only cost bytes. */
		if (count == ROOTS_MAX)
			rc = kiln_fail(err, KILN_E_CONFIG, "more than %u certificates in %.120s",
				       ROOTS_MAX, from);
		else if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) != 1 ||
			 (o->role == KILN_SERVER && count < 32 &&
			  SSL_CTX_add_client_CA(ctx, cert) != 1))
			rc = kiln_fail(err, KILN_E_CONFIG, "certificate %u in %.120s: %s",
				       count + 1, from, openssl_reason());
		X509_free(cert);
	}
	if (bio == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for %.120s", from);
	BIO_free(bio);
	if (rc == KILN_OK)
		rc = check_end(count, from, err);
	if (rc == KILN_OK && count == 0)
		return kiln_fail(err, KILN_E_CONFIG, "no PEM certificate in %.120s", from);
	return rc;
}

/* "h2,http/1.1" to RFC 7301's length-prefixed list. */
static enum kiln_code load_alpn(struct kiln_tls_config *config, const char *list,
				struct kiln_error *err)
{
	const size_t len = strlen(list);
	if (len == 0 || len > 1024)
		return kiln_fail(err, KILN_E_CONFIG,
				 "the ALPN list is empty or longer than 1024 bytes");
	config->alpn = malloc(len + 1);
	if (config->alpn == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for the ALPN list");
	size_t start = 0;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && list[i] != ',') {
			config->alpn[i + 1] = (uint8_t)list[i];
			continue;
		}
		if (i == start || i - start > 255)
			return kiln_fail(err, KILN_E_CONFIG,
					 "ALPN list '%.80s': a protocol has 1 to 255 bytes", list);
		config->alpn[start] = (uint8_t)(i - start);
		start = i + 1;
	}
	config->alpn_len = (unsigned)(len + 1);
	return KILN_OK;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *in, unsigned in_len, void *arg)
{
	(void)ssl;
	const struct kiln_tls_config *config = arg;
	unsigned char *chosen = NULL;
	if (SSL_select_next_proto(&chosen, out_len, config->alpn, config->alpn_len, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 3.2: no_application_protocol */
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL knows more suites than there are records for here: a connection with one of those would
 * complete its handshake and go no further. */
static enum kiln_code load_suites(SSL_CTX *ctx, const char *list, struct kiln_error *err)
{
	size_t count, len;
	const struct kiln_suite *suites = kiln_suites(&count);
	for (const char *at = list;; at += len + 1) {
		size_t i = 0;
		len = strcspn(at, ":");
		while (i < count &&
		       (strlen(suites[i].name) != len || memcmp(suites[i].name, at, len) != 0))
			i++;
		if (i == count)
			return kiln_fail(
			    err, KILN_E_CONFIG,
			    "'%.*s' is no cipher suite of Kiln's; it has %s, %s and %s",
			    (int)(len < 60 ? len : 60), at, suites[0].name, suites[1].name,
			    suites[2].name);
		if (at[len] == '\0')
			break;
	}
	if (SSL_CTX_set_ciphersuites(ctx, list) == 1)
		return KILN_OK;
	return kiln_fail(err, KILN_E_CONFIG, "OpenSSL refuses the cipher suites '%.100s' (%s)",
			 list, openssl_reason());
}

static enum kiln_code check_options(const struct kiln_tls_options *o, struct kiln_error *err)
{
	const bool server = o->role == KILN_SERVER;
	if (server && (o->cert_len == 0 || o->key_len == 0))
		return kiln_fail(err, KILN_E_CONFIG,
				 "a server needs a certificate and its private key");
	if ((o->cert_len == 0) != (o->key_len == 0))
		return kiln_fail(err, KILN_E_CONFIG,
				 "a certificate needs its private key, and the other way round");
	if (!server && o->peer_auth != KILN_PEER_REQUIRED)
		return kiln_fail(err, KILN_E_CONFIG, "a client always verifies the server");
	if (!server && o->verify_name == NULL && o->rule_count == 0 && !o->allow_any)
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "a client needs to know whom it should talk to: a name to verify, or rules");
	if (o->peer_auth != KILN_PEER_NONE && o->ca_len == 0)
		return kiln_fail(err, KILN_E_CONFIG, "verifying the peer needs CA certificates");
	if (server && o->peer_auth != KILN_PEER_NONE && !o->allow_any && o->rule_count == 0)
		return kiln_fail(err, KILN_E_CONFIG, "no access rule: nobody could ever connect");
	if (o->cert_len > INT32_MAX || o->key_len > INT32_MAX || o->ca_len > INT32_MAX)
		return kiln_fail(err, KILN_E_CONFIG, "a PEM file is too large");
	return KILN_OK;
}

static void set_protocol(struct kiln_tls_config *config)
{
	SSL_CTX *ctx = config->ctx;
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION);
	/* No tickets and no cache: a connection's identity is proved on that connection, and the
	 * server's first record after Finished has number 0. */
	SSL_CTX_set_options(ctx,
			    SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* Exact-record feeding: OpenSSL asks for a header, then for that record, and no more. */
	SSL_CTX_set_read_ahead(ctx, 0);
	SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
	if (config->peer_auth == KILN_PEER_NONE)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	else
		SSL_CTX_set_verify(ctx,
				   SSL_VERIFY_PEER | (config->peer_auth == KILN_PEER_REQUIRED
							  ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT
							  : 0),
				   kiln_handshake_verify);
	SSL_CTX_set_keylog_callback(ctx, kiln_handshake_keylog);
	SSL_CTX_set_info_callback(ctx, kiln_handshake_info);
	if (config->alpn != NULL && config->role == KILN_SERVER)
		SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, config);
	if (config->bare)
		SSL_CTX_set_cert_verify_callback(ctx, kiln_handshake_verify_leaf, NULL);
}

static enum kiln_code build(struct kiln_tls_config *config, const struct kiln_tls_options *o,
			    struct kiln_error *err)
{
	enum kiln_code rc = config->bare ? KILN_OK : check_options(o, err);
	if (rc != KILN_OK)
		return rc;
	config->role = o->role;
	config->peer_auth = o->peer_auth;
	config->ctx =
	    SSL_CTX_new(o->role == KILN_SERVER ? TLS_server_method() : TLS_client_method());
	config->server_name = o->server_name != NULL ? strdup(o->server_name) : NULL;
	config->verify_name = o->verify_name != NULL ? strdup(o->verify_name) : NULL;
	if (config->ctx == NULL || (o->server_name != NULL && config->server_name == NULL) ||
	    (o->verify_name != NULL && config->verify_name == NULL))
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a TLS configuration");
	if (o->cert_len > 0)
		rc = load_chain(config->ctx, o, err);
	if (rc == KILN_OK && o->cert_len > 0)
		rc = load_key(config->ctx, o, err);
	if (rc == KILN_OK && o->peer_auth != KILN_PEER_NONE && !config->bare)
		rc = load_roots(config->ctx, o, err);
	if (rc == KILN_OK && o->alpn != NULL)
		rc = load_alpn(config, o->alpn, err);
	if (rc == KILN_OK)
		rc = kiln_access_copy(&config->access, o, err);
	if (rc == KILN_OK && o->cipher_suites != NULL)
		rc = load_suites(config->ctx, o->cipher_suites, err);
	if (rc == KILN_OK)
		set_protocol(config);
	ERR_clear_error();
	return rc;
}

static struct kiln_tls_config *config_new(const struct kiln_tls_options *options, bool bare,
					  struct kiln_error *err)
{
	struct kiln_tls_config *config = calloc(1, sizeof *config);
	if (config == NULL) {
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a TLS configuration");
		return NULL;
	}
	config->refs = 1;
	config->bare = bare;
	kiln_openssl_wipe_begin(); /* the private key passes through */
	const enum kiln_code rc = build(config, options, err);
	kiln_openssl_wipe_end();
	if (rc == KILN_OK)
		return config;
	kiln_tls_config_unref(config); /* the only reference: freed */
	return NULL; /* NOLINT(clang-analyzer-unix.Malloc): it does not follow the count */
}

struct kiln_tls_config *kiln_tls_config_new(const struct kiln_tls_options *options,
					    struct kiln_error *err)
{
	return config_new(options, false, err);
}

struct kiln_tls_config *kiln_tls_config_new_bare(enum kiln_role role, const char *cipher_suites,
						 struct kiln_error *err)
{
	const struct kiln_tls_options options = {
	    .role = role,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .allow_any = true, /* that its handshakes' verify functions let in */
	    .cipher_suites = cipher_suites,
	};
	return config_new(&options, true, err);
}

struct kiln_tls_config *kiln_tls_config_ref(struct kiln_tls_config *config)
{
	config->refs++;
	return config;
}

void kiln_tls_config_unref(struct kiln_tls_config *config)
{
	if (config == NULL || --config->refs > 0)
		return;
	kiln_openssl_wipe_begin();
	SSL_CTX_free(config->ctx);
	kiln_openssl_wipe_end();
	kiln_access_clear(&config->access);
	free(config->server_name);
	free(config->verify_name);
	free(config->alpn);
	free(config);
}

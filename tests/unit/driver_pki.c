/* SPDX-License-Identifier: Apache-2.0
 * Certificates, configurations and OpenSSL peers of the driver's tests; see driver_rig.h. */
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <time.h>

#include "demo/certs.h"
#include "driver_rig.h"

static struct kiln_pem ca;
static struct kiln_pair pairs[2]; /* by role */
struct kiln_tls_config *rig_server, *rig_client;

static void must(enum kiln_code code, const struct kiln_error *err)
{
	if (code != KILN_OK)
		fail_msg("%s", err->message);
}

struct kiln_tls_config *rig_config(enum kiln_role role, void (*change)(struct kiln_tls_options *))
{
	struct kiln_error err;
	struct kiln_tls_options o = {
	    .role = role,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .cert_pem = pairs[role].cert.data,
	    .cert_len = pairs[role].cert.len,
	    .key_pem = pairs[role].key.data,
	    .key_len = pairs[role].key.len,
	    .ca_pem = ca.data,
	    .ca_len = ca.len,
	    .allow_any = role == KILN_SERVER,
	    .server_name = role == KILN_CLIENT ? "localhost" : NULL,
	    .verify_name = role == KILN_CLIENT ? "localhost" : NULL,
	    .alpn = "kiln,h2",
	};
	if (change != NULL)
		change(&o);
	struct kiln_tls_config *config = kiln_tls_config_new(&o, &err);
	if (config == NULL)
		fail_msg("%s", err.message);
	return config;
}

int rig_set_up(void **state)
{
	static const char *const dns[] = {"localhost", NULL};
	static const char *const uri[] = {"spiffe://test/driver", NULL};
	const struct kiln_leaf server = {.common_name = "server", .dns = dns, .for_server = true};
	const struct kiln_leaf client = {.common_name = "client", .uri = uri, .for_client = true};
	struct kiln_error err;
	(void)state;
	rig_check_kernel();
	struct kiln_authority *authority = kiln_authority_new("Test CA", time(NULL), 2, &err);
	must(authority != NULL ? KILN_OK : err.code, &err);
	must(kiln_authority_cert(authority, &ca, &err), &err);
	must(kiln_authority_issue(authority, &server, &pairs[KILN_SERVER], &err), &err);
	must(kiln_authority_issue(authority, &client, &pairs[KILN_CLIENT], &err), &err);
	kiln_authority_free(authority);
	rig_server = rig_config(KILN_SERVER, NULL);
	rig_client = rig_config(KILN_CLIENT, NULL);
	return 0;
}

int rig_tear_down(void **state)
{
	(void)state;
	kiln_tls_config_unref(rig_server);
	kiln_tls_config_unref(rig_client);
	kiln_pem_clear(&ca);
	kiln_pair_clear(&pairs[KILN_SERVER]);
	kiln_pair_clear(&pairs[KILN_CLIENT]);
	return 0;
}

static void write_one(int dir, const char *name, const struct kiln_pem *pem)
{
	const int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, pem->data, pem->len), pem->len);
	(void)close(fd);
}

void rig_write_files(const char *directory)
{
	const int dir = open(directory, O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	write_one(dir, "ca.pem", &ca);
	write_one(dir, "server.pem", &pairs[KILN_SERVER].cert);
	write_one(dir, "server.key", &pairs[KILN_SERVER].key);
	write_one(dir, "client.pem", &pairs[KILN_CLIENT].cert);
	write_one(dir, "client.key", &pairs[KILN_CLIENT].key);
	(void)close(dir);
}

/* ---- OpenSSL as the peer, without any of our code; runs in the child ------------------------- */

static void use_pair(SSL_CTX *ctx, const struct kiln_pair *pair)
{
	BIO *cert_bio = BIO_new_mem_buf(pair->cert.data, (int)pair->cert.len);
	BIO *key_bio = BIO_new_mem_buf(pair->key.data, (int)pair->key.len);
	X509 *cert = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
	RIG_CHECK(SSL_CTX_use_certificate(ctx, cert) == 1);
	RIG_CHECK(SSL_CTX_use_PrivateKey(ctx, key) == 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	BIO_free(cert_bio);
	BIO_free(key_bio);
}

static void trust(SSL_CTX *ctx)
{
	BIO *bio = BIO_new_mem_buf(ca.data, (int)ca.len);
	X509 *root = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	RIG_CHECK(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root) == 1);
	X509_free(root);
	BIO_free(bio);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

SSL *rig_ssl(enum kiln_role role, int fd)
{
	static const uint8_t alpn[] = "\4kiln";
	SSL_CTX *ctx = SSL_CTX_new(role == KILN_SERVER ? TLS_server_method() : TLS_client_method());
	RIG_CHECK(ctx != NULL);
	use_pair(ctx, &pairs[role]);
	trust(ctx);
	(void)SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL *ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	RIG_CHECK(ssl != NULL);
	if (fd >= 0)
		RIG_CHECK(SSL_set_fd(ssl, fd) == 1);
	if (role == KILN_SERVER) {
		SSL_set_accept_state(ssl);
	} else {
		SSL_set_connect_state(ssl);
		RIG_CHECK(SSL_set_tlsext_host_name(ssl, "localhost") == 1);
		RIG_CHECK(SSL_set_alpn_protos(ssl, alpn, sizeof alpn - 1) == 0);
	}
	return ssl;
}

void rig_ssl_handshake(SSL *ssl)
{
	if (SSL_do_handshake(ssl) == 1)
		return;
	ERR_print_errors_fp(stderr);
	rig_child_failed(__FILE__, __LINE__, "OpenSSL's handshake");
}

void rig_ssl_free(SSL *ssl)
{
	SSL_free(ssl);
}

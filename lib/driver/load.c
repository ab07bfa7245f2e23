/* SPDX-License-Identifier: Apache-2.0
 * A configuration from PEM files. */
#include <openssl/x509.h>
#include <stdlib.h>
#include <unistd.h>

#include <kiln/conn.h>

#include "driver/file.h"

const char *kiln_system_roots(void)
{
	const char *path = getenv(X509_get_default_cert_file_env());
	if (path != NULL)
		return path;
	path = X509_get_default_cert_file();
	return access(path, R_OK) == 0 ? path : "/etc/ssl/certs/ca-certificates.crt";
}

struct kiln_tls_config *kiln_tls_config_load(const struct kiln_tls_options *options,
					     const struct kiln_tls_files *files,
					     struct kiln_error *err)
{
	struct kiln_file cert = {0}, key = {0}, ca = {0};
	struct kiln_tls_options whole = *options;
	struct kiln_tls_config *config = NULL;
	if (options->cert_pem != NULL || options->key_pem != NULL || options->ca_pem != NULL) {
		(void)kiln_fail(err, KILN_E_USAGE,
				"PEM texts come from files or options, not both");
		return NULL;
	}
	const char *roots = files->ca;
	if (roots == NULL && options->peer_auth != KILN_PEER_NONE)
		roots = kiln_system_roots();
	if (kiln_file_read("certificate file", files->cert, &cert, err) == KILN_OK &&
	    kiln_file_read("key file", files->key, &key, err) == KILN_OK &&
	    kiln_file_read("CA file", roots, &ca, err) == KILN_OK) {
		whole.cert_pem = cert.data;
		whole.cert_len = cert.len;
		whole.key_pem = key.data;
		whole.key_len = key.len;
		whole.ca_pem = ca.data;
		whole.ca_len = ca.len;
		config = kiln_tls_config_new(&whole, err);
	}
	kiln_file_clear(&cert);
	kiln_file_clear(&key);
	kiln_file_clear(&ca);
	return config;
}

/* SPDX-License-Identifier: Apache-2.0
 * A configuration from PEM files. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "driver/driver.h"

#define FILE_MAX (4u * 1024u * 1024u)

struct text {
	uint8_t *data;
	size_t len;
};

static void clear(struct text *text)
{
	if (text->data != NULL)
		kiln_wipe(text->data, text->len);
	free(text->data);
}

/* 0, or the errno of the failure; EIO for a file that got shorter meanwhile. */
static int read_whole(int fd, const struct text *text)
{
	size_t done = 0;
	while (done < text->len) {
		const ssize_t n = read(fd, text->data + done, text->len - done);
		if (n == 0)
			return EIO;
		if (n < 0 && errno != EINTR)
			return errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static enum kiln_code read_file(const char *what, const char *path, struct text *text,
				struct kiln_error *err)
{
	struct stat st;
	if (path == NULL)
		return KILN_OK;
	/* O_NONBLOCK: a FIFO by that name must not hold us up. */
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, errno, "%s %.150s cannot be opened",
				       what, path);
	enum kiln_code rc = KILN_OK;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    st.st_size > (off_t)FILE_MAX) {
		rc = kiln_fail(err, KILN_E_CONFIG, "%s %.150s is no file of 1 byte to 4 MiB", what,
			       path);
		goto out;
	}
	text->len = (size_t)st.st_size;
	text->data = malloc(text->len);
	if (text->data == NULL) {
		rc = kiln_fail(err, KILN_E_NO_MEMORY, "no memory for %s %.150s", what, path);
		goto out;
	}
	const int failed = read_whole(fd, text);
	if (failed != 0)
		rc = kiln_fail_errno(err, KILN_E_CONFIG, failed, "%s %.150s cannot be read", what,
				     path);
out:
	(void)close(fd);
	return rc;
}

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
	struct text cert = {0}, key = {0}, ca = {0};
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
	if (read_file("certificate file", files->cert, &cert, err) == KILN_OK &&
	    read_file("key file", files->key, &key, err) == KILN_OK &&
	    read_file("CA file", roots, &ca, err) == KILN_OK) {
		whole.cert_pem = cert.data;
		whole.cert_len = cert.len;
		whole.key_pem = key.data;
		whole.key_len = key.len;
		whole.ca_pem = ca.data;
		whole.ca_len = ca.len;
		config = kiln_tls_config_new(&whole, err);
	}
	clear(&cert);
	clear(&key);
	clear(&ca);
	return config;
}

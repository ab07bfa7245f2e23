/* SPDX-License-Identifier: Apache-2.0
 * Reading certificates and keys, and passing them to a worker; see material.h. */
#include "supervisor/material.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <kiln/conn.h>

#include "base/bytes.h"
#include "driver/file.h"
#include "roast/roast.h"

#define ORIGIN_MAX 128u /* a flag and its file, for messages */

/* Appends a file to the blob. The old blob is wiped when it moves: the key may be in it. */
static enum kiln_code append_file(struct kiln_material *m, size_t used, const char *flag,
				  const char *path, size_t *len, struct kiln_error *err)
{
	struct kiln_file file;
	const enum kiln_code rc = kiln_file_read(flag, path, &file, err);
	if (rc != KILN_OK)
		return rc;
	uint8_t *pem = malloc(used + file.len);
	if (pem == NULL) {
		kiln_file_clear(&file);
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for %s %.150s", flag, path);
	}
	if (used > 0) {
		memcpy(pem, m->pem, used);
		kiln_wipe(m->pem, used);
	}
	memcpy(pem + used, file.data, file.len);
	free(m->pem);
	m->pem = pem;
	*len = file.len;
	kiln_file_clear(&file);
	return KILN_OK;
}

/* --keystore names one file for both. */
static const char *cert_flag(const struct kiln_gateway_options *o)
{
	return o->cert == o->key ? "--keystore" : "--cert";
}

static const char *key_flag(const struct kiln_gateway_options *o)
{
	return o->cert == o->key ? "--keystore" : "--key";
}

enum kiln_code kiln_material_load(const struct kiln_gateway_options *o, struct kiln_material *m,
				  struct kiln_error *err)
{
	enum kiln_code rc = KILN_OK;
	memset(m, 0, sizeof *m);
	if (o->cert != NULL)
		rc = append_file(m, 0, cert_flag(o), o->cert, &m->cert_len, err);
	if (rc == KILN_OK && o->key != NULL)
		rc = append_file(m, m->cert_len, key_flag(o), o->key, &m->key_len, err);
	if (rc == KILN_OK && o->peer_auth != KILN_PEER_NONE && !o->roast)
		rc = append_file(m, m->cert_len + m->key_len, "--cacert",
				 o->cacert != NULL ? o->cacert : kiln_system_roots(), &m->ca_len,
				 err);
	if (rc != KILN_OK)
		kiln_material_clear(m);
	return rc;
}

enum kiln_code kiln_material_find_target(const struct kiln_gateway_options *o,
					 struct kiln_endpoints *targets, struct kiln_error *err)
{
	const enum kiln_code rc = kiln_address_resolve(&o->target, KILN_TO_CONNECT, targets, err);
	if (rc == KILN_OK)
		return KILN_OK;
	const struct kiln_error cause = *err;
	return kiln_fail(err, rc, "--target %.100s: %.140s", o->target_text, cause.message);
}

void kiln_material_clear(struct kiln_material *m)
{
	if (m->pem != NULL)
		kiln_wipe(m->pem, m->cert_len + m->key_len + m->ca_len);
	free(m->pem);
	memset(m, 0, sizeof *m);
}

struct kiln_tls_config *kiln_material_config(const struct kiln_gateway_options *o,
					     const struct kiln_material *m, struct kiln_error *err)
{
	char cert[ORIGIN_MAX] = "", key[ORIGIN_MAX] = "", ca[ORIGIN_MAX] = "";
	if (o->roast)
		return kiln_roast_config_new(o->mode == KILN_GATEWAY_SERVER ? KILN_SERVER
									    : KILN_CLIENT,
					     o->cipher_suites, err);
	if (o->cert != NULL)
		(void)snprintf(cert, sizeof cert, "%s %s", cert_flag(o), o->cert);
	if (o->key != NULL)
		(void)snprintf(key, sizeof key, "%s %s", key_flag(o), o->key);
	(void)snprintf(ca, sizeof ca, "--cacert %s",
		       o->cacert != NULL ? o->cacert : "(the system's authorities)");
	const struct kiln_tls_options tls = {
	    .role = o->mode == KILN_GATEWAY_SERVER ? KILN_SERVER : KILN_CLIENT,
	    .peer_auth = o->peer_auth,
	    .cert_pem = m->pem,
	    .cert_len = m->cert_len,
	    .key_pem = m->pem != NULL ? m->pem + m->cert_len : NULL,
	    .key_len = m->key_len,
	    .ca_pem = m->pem != NULL ? m->pem + m->cert_len + m->key_len : NULL,
	    .ca_len = m->ca_len,
	    .cert_origin = cert,
	    .key_origin = key,
	    .ca_origin = ca,
	    .rules = o->rules,
	    .rule_count = o->rule_count,
	    .allow_any = o->allow_any,
	    .server_name = o->server_name,
	    .verify_name = o->verify_name,
	    .alpn = o->alpn,
	    .cipher_suites = o->cipher_suites,
	};
	return kiln_tls_config_new(&tls, err);
}

struct header {
	size_t cert_len, key_len, ca_len;
	struct kiln_endpoints targets;
};

static bool write_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;
	while (len > 0) {
		const ssize_t n = write(fd, p, len);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool read_all(int fd, void *data, size_t len)
{
	uint8_t *p = data;
	while (len > 0) {
		const ssize_t n = read(fd, p, len);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

int kiln_material_to_fd(const struct kiln_material *m, struct kiln_error *err)
{
	struct header header;
	memset(&header, 0, sizeof header);
	header.cert_len = m->cert_len;
	header.key_len = m->key_len;
	header.ca_len = m->ca_len;
	header.targets = m->targets;
	const int fd = memfd_create("kiln-material", MFD_CLOEXEC);
	if (fd >= 0 && write_all(fd, &header, sizeof header) &&
	    write_all(fd, m->pem, m->cert_len + m->key_len + m->ca_len) &&
	    lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	(void)kiln_fail_errno(err, KILN_E_SYSTEM, errno,
			      "certificates cannot be passed to a worker");
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

enum kiln_code kiln_material_from_fd(int fd, struct kiln_material *m, struct kiln_error *err)
{
	struct header header;
	memset(m, 0, sizeof *m);
	if (!read_all(fd, &header, sizeof header) || header.cert_len > KILN_FILE_MAX ||
	    header.key_len > KILN_FILE_MAX || header.ca_len > KILN_FILE_MAX ||
	    header.targets.count > KILN_ENDPOINTS_MAX)
		return kiln_fail(err, KILN_E_SYSTEM,
				 "the supervisor's certificates cannot be read");
	const size_t len = header.cert_len + header.key_len + header.ca_len;
	m->pem = malloc(len + 1);
	if (m->pem == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for certificates");
	m->cert_len = header.cert_len;
	m->key_len = header.key_len;
	m->ca_len = header.ca_len;
	m->targets = header.targets;
	if (read_all(fd, m->pem, len))
		return KILN_OK;
	kiln_material_clear(m);
	return kiln_fail(err, KILN_E_SYSTEM, "the supervisor's certificates cannot be read");
}

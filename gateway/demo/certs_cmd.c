/* SPDX-License-Identifier: Apache-2.0
 * `kiln certs`: writes an authority, a server's and a client's certificate for a try. */
#include "demo/certs_cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/suggest.h"
#include "cli/values.h"
#include "demo/certs.h"
#include "demo/files.h"

#define NAMES_MAX 32u

struct list {
	const char *at[NAMES_MAX + 1]; /* ends with NULL */
	size_t count;
};

struct request {
	const char *out;
	const char *ca_cn, *client_cn;
	struct list dns, ip, uri;
	uint64_t days;
	int key; /* enum kiln_key_kind */
	bool force, help;
};

static const char help[] =
    "kiln certs: make certificates for tests and for a first try.\n"
    "\n"
    "Usage: kiln certs --out DIR [FLAGS]\n"
    "\n"
    "Writes ca.pem (the authority), server.pem and server.key, client.pem and client.key into\n"
    "DIR, which is made if need be. The authority's key is not kept, so nobody can ever add to\n"
    "them: run it again for new ones. Not for production.\n"
    "\n"
    "Examples\n"
    "  kiln certs --out /tmp/pki\n"
    "  kiln certs --out /tmp/pki --dns api.test --ip 192.0.2.7 --uri spiffe://test/api --days 2\n"
    "  openssl verify -CAfile /tmp/pki/ca.pem /tmp/pki/server.pem\n"
    "\n"
    "Flags\n"
    "  --out DIR          where to write\n"
    "  --force            replace files that are there\n"
    "  --dns NAME         DNS name of the server; may be repeated\n"
    "  --ip ADDRESS       IP address of the server; may be repeated\n"
    "                     [without --dns and --ip: localhost, 127.0.0.1 and ::1]\n"
    "  --uri URI          URI for both certificates, as in --allow-uri; may be repeated\n"
    "  --client-cn NAME   common name and DNS name of the client          [client]\n"
    "  --ca-cn NAME       common name of the authority                    [Kiln test CA]\n"
    "  --days N           valid for so long, 1 to 3650                    [30]\n"
    "  --key KIND         ec (P-256), rsa (2048 bits) or ed25519          [ec]\n";

enum { OUT = 256, FORCE, DNS, IP, URI, CLIENT_CN, CA_CN, DAYS, KEY, HELP };

static const struct option options[] = {
    {"out", required_argument, NULL, OUT},
    {"force", no_argument, NULL, FORCE},
    {"dns", required_argument, NULL, DNS},
    {"ip", required_argument, NULL, IP},
    {"uri", required_argument, NULL, URI},
    {"client-cn", required_argument, NULL, CLIENT_CN},
    {"ca-cn", required_argument, NULL, CA_CN},
    {"days", required_argument, NULL, DAYS},
    {"key", required_argument, NULL, KEY},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

/* ------------------------------------------------------------------ arguments */

static enum kiln_code add(struct list *list, const char *flag, const char *value,
			  struct kiln_error *err)
{
	if (list->count == NAMES_MAX)
		return kiln_fail(err, KILN_E_CONFIG, "%s: at most %u", flag, NAMES_MAX);
	list->at[list->count++] = value;
	return KILN_OK;
}

static enum kiln_code take(struct request *r, int what, const char *value, struct kiln_error *err)
{
	static const char *const kinds[] = {"ec", "rsa", "ed25519", NULL};
	if (value != NULL && strncmp(value, "--", 2) == 0)
		return kiln_fail(err, KILN_E_CONFIG, "a value is missing before %.40s", value);
	switch (what) {
	case OUT: r->out = value; break;
	case FORCE: r->force = true; break;
	case CLIENT_CN: r->client_cn = value; break;
	case CA_CN: r->ca_cn = value; break;
	case DNS: return add(&r->dns, "--dns", value, err);
	case IP: return add(&r->ip, "--ip", value, err);
	case URI: return add(&r->uri, "--uri", value, err);
	case DAYS: return kiln_value_count("--days", value, 1, 3650, &r->days, err);
	case KEY: return kiln_value_word("--key", value, kinds, &r->key, err);
	default: r->help = true; break;
	}
	return KILN_OK;
}

static enum kiln_code refuse(int what, const char *token, struct kiln_error *err)
{
	const char *names[sizeof options / sizeof options[0]];
	size_t count = 0;
	for (; options[count].name != NULL; count++)
		names[count] = options[count].name;
	if (what == ':')
		return kiln_fail(err, KILN_E_CONFIG, "%.40s needs a value", token);
	char word[32];
	token += strspn(token, "-");
	(void)snprintf(word, sizeof word, "%.*s", (int)strcspn(token, "="), token);
	const char *meant = kiln_word_suggest(word, names, count);
	if (meant != NULL)
		return kiln_fail(err, KILN_E_CONFIG, "unknown flag --%s; did you mean --%s?", word,
				 meant);
	return kiln_fail(err, KILN_E_CONFIG,
			 "unknown flag --%s; `kiln certs --help` lists them all", word);
}

static enum kiln_code parse(struct request *r, int argc, char *const argv[], struct kiln_error *err)
{
	enum kiln_code code = KILN_OK;
	optind = 0; /* glibc: start over */
	opterr = 0;
	while (code == KILN_OK && !r->help) {
		int at = optind == 0 ? 1 : optind;
		int what = getopt_long(argc, argv, "+:h", options, NULL);
		if (what == -1)
			break;
		code = what == ':' || what == '?' ? refuse(what, argv[at], err)
						  : take(r, what, optarg, err);
	}
	if (code != KILN_OK || r->help)
		return code;
	if (optind < argc)
		return kiln_fail(err, KILN_E_CONFIG, "'%.80s' is no flag; try --out %.80s",
				 argv[optind], argv[optind]);
	if (r->out[0] == '\0')
		return kiln_fail(err, KILN_E_CONFIG, "--out DIR is missing: where to write");
	if (r->dns.count == 0 && r->ip.count == 0) {
		r->dns = (struct list){.at = {"localhost"}, .count = 1};
		r->ip = (struct list){.at = {"127.0.0.1", "::1"}, .count = 2};
	}
	return KILN_OK;
}

/* ------------------------------------------------------------------ making and writing */

struct made {
	struct kiln_pem ca;
	struct kiln_pair server, client;
};

static void clear(struct made *made)
{
	kiln_pem_clear(&made->ca);
	kiln_pair_clear(&made->server);
	kiln_pair_clear(&made->client);
}

static enum kiln_code make(const struct request *r, struct made *made, struct kiln_error *err)
{
	const char *const client_dns[] = {r->client_cn, NULL};
	bool short_name = r->dns.count > 0 && strlen(r->dns.at[0]) <= 64;
	const struct kiln_leaf server = {
	    .common_name = short_name ? r->dns.at[0] : "server",
	    .dns = r->dns.at,
	    .ip = r->ip.at,
	    .uri = r->uri.at,
	    .for_server = true,
	    .key = (enum kiln_key_kind)r->key,
	};
	const struct kiln_leaf client = {
	    .common_name = r->client_cn,
	    .dns = client_dns,
	    .uri = r->uri.at,
	    .for_client = true,
	    .key = (enum kiln_key_kind)r->key,
	};
	struct kiln_authority *a =
	    kiln_authority_new(r->ca_cn, kiln_wall_clock(), (unsigned)r->days, err);
	if (a == NULL)
		return err->code;
	enum kiln_code code = kiln_authority_cert(a, &made->ca, err);
	if (code == KILN_OK)
		code = kiln_authority_issue(a, &server, &made->server, err);
	if (code == KILN_OK)
		code = kiln_authority_issue(a, &client, &made->client, err);
	kiln_authority_free(a);
	return code;
}

static enum kiln_code write_all(const struct request *r, const struct made *made,
				struct kiln_error *err)
{
	const struct {
		const char *name;
		const struct kiln_pem *pem;
		bool secret;
	} files[] = {
	    {"ca.pem", &made->ca, false},
	    {"server.pem", &made->server.cert, false},
	    {"server.key", &made->server.key, true},
	    {"client.pem", &made->client.cert, false},
	    {"client.key", &made->client.key, true},
	};
	const size_t count = sizeof files / sizeof files[0];
	if (mkdir(r->out, 0700) != 0 && errno != EEXIST)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "cannot make %.150s", r->out);
	int dir = open(r->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "cannot open %.150s", r->out);

	/* All of them before any is written: a half-new set would not fit together. */
	enum kiln_code code = KILN_OK;
	for (size_t i = 0; i < count && code == KILN_OK && !r->force; i++)
		if (faccessat(dir, files[i].name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			code = kiln_fail(err, KILN_E_CONFIG,
					 "%.120s/%s is there already; --force replaces it", r->out,
					 files[i].name);
	for (size_t i = 0; i < count && code == KILN_OK; i++)
		code = kiln_file_write(dir, files[i].name, files[i].pem->data, files[i].pem->len,
				       files[i].secret, r->force, err);
	(void)close(dir);
	return code;
}

static void tell_hash(const uint8_t hash[KILN_SPKI_HASH], FILE *out)
{
	for (size_t i = 0; i < KILN_SPKI_HASH; i++)
		(void)fprintf(out, "%02x", hash[i]);
	(void)fputc('\n', out);
}

static void tell(const struct request *r, const struct made *made, FILE *out)
{
	const char *d = r->out;
	(void)fprintf(out, "Certificates for tests, valid for %u days, in %s:\n", (unsigned)r->days,
		      d);
	(void)fprintf(out, "  ca.pem                  authority \"%s\"; its key is not kept\n",
		      r->ca_cn);
	(void)fprintf(out, "  server.pem, server.key ");
	for (size_t i = 0; i < r->dns.count; i++)
		(void)fprintf(out, " %s", r->dns.at[i]);
	for (size_t i = 0; i < r->ip.count; i++)
		(void)fprintf(out, " %s", r->ip.at[i]);
	(void)fprintf(out, "\n    SHA-256 of its public key: ");
	tell_hash(made->server.spki, out);
	(void)fprintf(
	    out, "  client.pem, client.key  %s\n    SHA-256 of its public key: ", r->client_cn);
	tell_hash(made->client.spki, out);
	(void)fprintf(out,
		      "Try:\n"
		      "  kiln server --listen 127.0.0.1:8443 --target 127.0.0.1:8080 --cert "
		      "%s/server.pem \\\n"
		      "      --key %s/server.key --cacert %s/ca.pem --allow-cn %s\n",
		      d, d, d, r->client_cn);
	(void)fprintf(
	    out,
	    "  kiln client --listen 127.0.0.1:8081 --target 127.0.0.1:8443 --server-name %s \\\n"
	    "      --cacert %s/ca.pem --cert %s/client.pem --key %s/client.key\n",
	    r->dns.count > 0 ? r->dns.at[0] : r->ip.at[0], d, d, d);
}

int kiln_certs_run(int argc, char *const argv[], FILE *out, FILE *complaints)
{
	struct request r = {.out = "", .ca_cn = "Kiln test CA", .client_cn = "client", .days = 30};
	struct kiln_error err = {0};
	if (parse(&r, argc, argv, &err) != KILN_OK) {
		(void)fprintf(complaints, "kiln certs: %s\n", err.message);
		return 2;
	}
	if (r.help) {
		(void)fputs(help, out);
		return 0;
	}
	struct made made = {0};
	enum kiln_code code = make(&r, &made, &err);
	if (code == KILN_OK)
		code = write_all(&r, &made, &err);
	if (code == KILN_OK)
		tell(&r, &made, out);
	else
		(void)fprintf(complaints, "kiln certs: %s\n", err.message);
	clear(&made);
	return code == KILN_OK ? 0 : 1;
}

int kiln_certs_main(int argc, char **argv)
{
	return kiln_certs_run(argc, argv, stdout, stderr);
}

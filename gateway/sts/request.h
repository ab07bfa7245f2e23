/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP request as data and the answer to it: the development STS without its network. Bytes and
 * a time go in, bytes and a status come out.
 */
#ifndef KILN_STS_REQUEST_H
#define KILN_STS_REQUEST_H

#include "aws/sigv4.h"
#include "aws/text.h"
#include "sts/store.h"

#define KILN_STSD_BODY_MAX  (128u << 10)
#define KILN_STSD_IMDS_MAX  64u /* session tokens of the metadata service at a time */
#define KILN_STSD_IMDS_TEXT 56u

struct kiln_stsd_request {
	const char *method;
	struct kiln_slice path, query; /* as on the request line, undecoded */
	struct kiln_sigv4_header headers[KILN_SIGV4_HEADERS_MAX];
	size_t header_count;
	const uint8_t *body;
	size_t body_len;
	int64_t now; /* seconds since 1970 */
	char id[37];
};

/* Value of the first header of that name, in any case; NULL slice: none came. */
struct kiln_slice kiln_stsd_header(const struct kiln_stsd_request *request, const char *name);

struct kiln_stsd_reply {
	unsigned status;
	const char *content_type;
	struct kiln_text body;
	char token_ttl[12]; /* of the metadata service's token answer; empty for others */
	/* for the log */
	char action[40];                      /* empty: not known */
	char key_id[129];                     /* as the signature claims */
	char identity[KILN_STSD_ARN_MAX + 1]; /* who it turned out to be */
	char region[33];
	char code[40]; /* of an error; empty: none */
	char problem[256];
};

void kiln_stsd_reply_clear(struct kiln_stsd_reply *reply);

/* What the service knows and may change while it runs. */
struct kiln_stsd {
	struct kiln_stsd_store store;
	const struct kiln_stsd_key *instance; /* whose role the metadata service shows; or NULL */
	const char *region;                   /* of the instance */
	int64_t session_max;                  /* seconds; no session lives longer; 0: as asked */
	struct {
		char text[KILN_STSD_IMDS_TEXT + 1];
		int64_t expires_at;
	} imds[KILN_STSD_IMDS_MAX];
	uint64_t imds_count; /* ever */
};

/* A refusal in STS's form, in the notation that the request asks for. */
void kiln_stsd_refuse(const struct kiln_stsd_request *request, struct kiln_stsd_reply *reply,
		      unsigned status, const char *code, const char *format, ...) KILN_PRINTF(5, 6);

/* POST or GET /: GetCallerIdentity, AssumeRole, AssumeRoleWithWebIdentity. */
void kiln_stsd_answer(struct kiln_stsd *sts, const struct kiln_stsd_request *request,
		      struct kiln_stsd_reply *reply);

/* /_kiln/credentials/NAME and /latest/...; false: the path is none of these. */
bool kiln_stsd_metadata(struct kiln_stsd *sts, const struct kiln_stsd_request *request,
			struct kiln_stsd_reply *reply);

/* The identity that signed, or NULL with the refusal in reply. */
const struct kiln_stsd_key *kiln_stsd_verify(const struct kiln_stsd *sts,
					     const struct kiln_stsd_request *request,
					     struct kiln_stsd_reply *reply);

/* "127.0.0.1:8787", "localhost", "[::1]:80": hosts of this machine. */
bool kiln_stsd_host_is_loopback(struct kiln_slice host);

bool kiln_stsd_wants_json(const struct kiln_stsd_request *request);

#endif

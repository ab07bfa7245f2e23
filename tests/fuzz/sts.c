/* SPDX-License-Identifier: Apache-2.0
 * Any request to the development STS, and any keys file. Run: fuzz_sts tests/fuzz/corpus/sts
 *
 * Input: method, path, query, body and headers, a line each. Whatever comes, there is an answer,
 * and nobody is anybody without a signature. What is accepted as JSON in an answer is JSON. */
#include "fuzz.h"

#include <jansson.h>

#include "sts/keys_file.h"
#include "sts/request.h"

static const char keys[] =
    "{\"identities\":[{\"name\":\"Web\",\"access_key_id\":\"ASIAEXAMPLEWEB000001\","
    "\"secret_access_key\":\"s3cr3t\",\"session_token\":\"t0k3n\",\"container_token\":\"open\","
    "\"arn\":\"arn:aws:sts::123456789012:assumed-role/Web/i-0123\"}],"
    "\"roles\":[{\"arn\":\"arn:aws:iam::123456789012:role/Web\"}],"
    "\"web_identities\":[{\"token\":\"web\",\"role\":\"arn:aws:iam::123456789012:role/Web\"}]}";

static struct kiln_stsd sts;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	require(kiln_stsd_store_init(&sts.store, NULL) == KILN_OK);
	require(kiln_stsd_keys_read(&sts.store, "keys", (const uint8_t *)keys, sizeof keys - 1,
				    NULL) == KILN_OK);
	sts.instance = &sts.store.keys[0];
	sts.region = "us-east-1";
	return 0;
}

/* Up to the end of the line, which is skipped. */
static struct kiln_slice line(const char **at, const char *end)
{
	const char *stop = memchr(*at, '\n', (size_t)(end - *at));
	const struct kiln_slice out = {*at, (size_t)((stop != NULL ? stop : end) - *at)};
	*at = stop != NULL ? stop + 1 : end;
	return out;
}

static void read_headers(struct kiln_stsd_request *r, const char *at, const char *end)
{
	while (at < end && r->header_count < KILN_SIGV4_HEADERS_MAX) {
		const struct kiln_slice all = line(&at, end);
		const char *colon = memchr(all.at, ':', all.len);
		if (colon == NULL || colon == all.at)
			continue;
		const size_t name = (size_t)(colon - all.at);
		r->headers[r->header_count++] =
		    (struct kiln_sigv4_header){{all.at, name}, {colon + 1, all.len - name - 1}};
	}
}

static void try_request(const char *at, const char *end)
{
	static const char *const methods[] = {"POST", "GET", "PUT", "HEAD"};
	struct kiln_stsd_request r = {.now = 1768478400, .id = "id"};
	struct kiln_stsd_reply reply = {0};
	const struct kiln_slice method = line(&at, end);
	r.method = methods[method.len % 4];
	r.path = line(&at, end);
	r.query = line(&at, end);
	const struct kiln_slice body = line(&at, end);
	r.body = (const uint8_t *)body.at;
	r.body_len = body.len;
	read_headers(&r, at, end);
	if (!kiln_stsd_metadata(&sts, &r, &reply))
		kiln_stsd_answer(&sts, &r, &reply);
	require(reply.status >= 200 && reply.body.len > 0 && !reply.body.failed);
	if (strcmp(reply.content_type, "application/json") == 0) {
		json_t *json =
		    json_loadb(reply.body.data, reply.body.len, JSON_REJECT_DUPLICATES, NULL);
		require(json != NULL);
		json_decref(json);
	}
	kiln_stsd_reply_clear(&reply);
}

static void try_keys(const uint8_t *data, size_t size)
{
	struct kiln_stsd_store store = {0};
	struct kiln_error err = {0};
	const enum kiln_code code = kiln_stsd_keys_read(&store, "keys", data, size, &err);
	require(code == KILN_OK || code == KILN_E_CONFIG);
	require((code == KILN_OK) == (err.message[0] == '\0'));
	kiln_stsd_store_clear(&store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && data[0] == '{') {
		try_keys(data, size);
		return 0;
	}
	char *copy = malloc(size + 1);
	require(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	try_request(copy, copy + size);
	free(copy);
	return 0;
}

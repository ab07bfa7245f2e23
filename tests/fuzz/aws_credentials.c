/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as credentials: the metadata service's, a container endpoint's, a process's.
 * Run: fuzz_aws_credentials tests/fuzz/corpus/aws_credentials
 *
 * The first byte chooses the form. What is accepted can stand in a header. */
#include "fuzz.h"

#include "aws/credentials_json.h"

static bool can_be_sent(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct kiln_aws_credentials credentials;
	size_t len;
	const enum kiln_credentials_form form = (enum kiln_credentials_form)(fuzz_byte(&in) % 3);
	uint8_t *text = fuzz_bytes(&in, in.left, &len);
	if (kiln_credentials_read(form, text, len, &credentials, NULL) == KILN_OK) {
		require(credentials.access_key_id[0] != '\0' &&
			can_be_sent(credentials.access_key_id));
		require(credentials.secret_access_key[0] != '\0');
		require(credentials.session_token == NULL ||
			can_be_sent(credentials.session_token));
		require(form == KILN_CREDENTIALS_PROCESS || credentials.expires_at > 0);
	} else {
		require(credentials.session_token == NULL);
	}
	kiln_aws_credentials_clear(&credentials);
	free(text);
	return 0;
}

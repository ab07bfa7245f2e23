/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a PROXY v2 header. Run: fuzz_proxy_v2 tests/fuzz/corpus/proxy_v2
 *
 * Beyond memory errors it looks for: a reader that asks for more than the header or makes no
 * progress, views that leave the header, and a header that reads differently after Kiln wrote it.
 */
#include <stdlib.h>
#include <string.h>

#include "proxy/proxy_v2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void require_inside(struct kiln_proxy_bytes view, const uint8_t *data, size_t len)
{
	if (view.data == NULL)
		return;
	const uint8_t *p = view.data;
	require(p >= data && p + view.len <= data + len);
}

static void require_same(struct kiln_proxy_bytes a, struct kiln_proxy_bytes b)
{
	require(a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));
}

/* What was understood must survive being sent on. */
static void check_again(const struct kiln_proxy_info *info)
{
	uint8_t out[KILN_PROXY_V2_MAX];
	size_t len = kiln_proxy_v2_encode(info, out, sizeof out);
	if (len == 0)
		return;
	struct kiln_proxy_info again;
	struct kiln_error err;
	size_t count;
	require(kiln_proxy_v2_decode(out, len, &count, &again, &err) == KILN_PROXY_DONE);
	require(count == len && again.command == info->command);
	if (info->command == KILN_PROXY_LOCAL)
		return;
	require_same(again.alpn, info->alpn);
	require_same(again.authority, info->authority);
	require_same(again.ssl.cn, info->ssl.cn);
	require(again.ssl.verify == info->ssl.verify);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Every prefix that the reader itself asks for, in a buffer of just that size. */
	size_t have = 0;
	for (;;) {
		struct kiln_proxy_info info;
		struct kiln_error err;
		size_t count;
		uint8_t *copy = malloc(have + 1);
		require(copy != NULL);
		if (have > 0)
			memcpy(copy, data, have);
		uint8_t *exact = realloc(copy, have == 0 ? 1 : have);
		require(exact != NULL);
		enum kiln_proxy_step step = kiln_proxy_v2_decode(exact, have, &count, &info, &err);
		if (step == KILN_PROXY_DONE) {
			require(count == have && have <= KILN_PROXY_V2_ACCEPT_MAX);
			require_inside(info.alpn, exact, count);
			require_inside(info.authority, exact, count);
			require_inside(info.unique_id, exact, count);
			require_inside(info.ssl.cn, exact, count);
			check_again(&info);
		}
		free(exact);
		if (step != KILN_PROXY_NEED)
			return 0;
		require(count > 0);
		if (count > size - have)
			return 0;
		have += count;
	}
}

/* SPDX-License-Identifier: Apache-2.0
 * RFC 9807's own Argon2id: 2 GiB, where they can be had. */
#include "opaque_ksf.h"

#include <stdio.h>

#define NEEDED_KIB (3L * 1024 * 1024)

static long available_kib(void)
{
	char line[128];
	long kib = 0;
	FILE *f = fopen("/proc/meminfo", "r");
	while (f != NULL && kib == 0 && fgets(line, sizeof line, f) != NULL)
		(void)sscanf(line, "MemAvailable: %ld kB", &kib);
	if (f != NULL)
		fclose(f);
	return kib;
}

static void test_rfc9807(void **state)
{
	(void)state;
	ksf_check(&(struct kiln_opaque_ksf){.profile = KILN_OPAQUE_KSF_RFC9807},
		  "74e4ad163be73d52d75e4beb084868cf1d12170129437d3a61ffdbb689c0640b"
		  "2587b22466dcd9d04b2de2549dc9ceedd93a19cb7f9a82cb078ffe4767c934bf");
}

/* What the npm package calls the RFC's is one KiB less. */
static void test_one_less(void **state)
{
	(void)state;
	ksf_check(&(struct kiln_opaque_ksf){KILN_OPAQUE_KSF_CUSTOM, 2097151, 1, 4},
		  "6a6a0786bf4a57252e2e61cac9b1067f10d5ea64f9e28f7bfd838e187c84dec7"
		  "a879b5207e7110ebe205445b79b731c4cbcc69732955c979d8eb7fcea9b997b5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rfc9807),
	    cmocka_unit_test(test_one_less),
	};
	if (available_kib() < NEEDED_KIB) {
		printf("skipped: 3 GiB of memory are not available\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

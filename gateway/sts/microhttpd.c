/* SPDX-License-Identifier: Apache-2.0
 * Loading libmicrohttpd; see microhttpd.h. */
#include "sts/microhttpd.h"

#include <dlfcn.h>
#include <string.h>

/* The number that has stood for this interface since 2012; the headers have the same. */
#define LIBRARY "libmicrohttpd.so.12"

struct kiln_mhd kiln_mhd;

/* ISO C has no conversion from an object's pointer to a function's. */
static bool find(void *library, const char *name, void *call, size_t size)
{
	void *found = dlsym(library, name);
	_Static_assert(sizeof found == sizeof kiln_mhd.run, "POSIX: they have the same size");
	memcpy(call, &found, size);
	return found != NULL;
}

enum kiln_code kiln_mhd_load(struct kiln_error *err)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return kiln_fail(err, KILN_E_UNSUPPORTED,
				 "`kiln sts` needs " LIBRARY ": %.120s; on Debian: apt-get install "
				 "libmicrohttpd12",
				 dlerror());
		/* It stays for as long as the process does. */
#define KILN_MHD_FIND(name)                                                                        \
	if (!find(library, "MHD_" #name, &kiln_mhd.name, sizeof kiln_mhd.name))                    \
		return kiln_fail(err, KILN_E_UNSUPPORTED, LIBRARY " has no MHD_" #name);
	KILN_MHD_CALLS(KILN_MHD_FIND)
#undef KILN_MHD_FIND
	return KILN_OK;
}

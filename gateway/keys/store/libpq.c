/* SPDX-License-Identifier: Apache-2.0
 * Loading libpq; see libpq.h. */
#include "keys/store/libpq.h"

#include <dlfcn.h>
#include <string.h>

/* The number that has stood for this interface since 2006; the headers have the same. */
#define LIBRARY "libpq.so.5"

struct kiln_pq kiln_pq;

/* ISO C has no conversion from an object's pointer to a function's. */
static bool find(void *library, const char *name, void *call, size_t size)
{
	void *found = dlsym(library, name);
	_Static_assert(sizeof found == sizeof kiln_pq.clear, "POSIX: they have the same size");
	memcpy(call, &found, size);
	return found != NULL;
}

enum kiln_code kiln_pq_load(struct kiln_error *err)
{
	if (kiln_pq.clear != NULL)
		return KILN_OK;
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return kiln_fail(err, KILN_E_UNSUPPORTED,
				 "a store in PostgreSQL needs " LIBRARY
				 ": %.120s; on Debian: apt-get "
				 "install libpq5",
				 dlerror());
		/* It stays for as long as the process does. */
#define KILN_PQ_FIND(name)                                                                         \
	if (!find(library, "PQ" #name, &kiln_pq.name, sizeof kiln_pq.name))                        \
		return kiln_fail(err, KILN_E_UNSUPPORTED, LIBRARY " has no PQ" #name);
	KILN_PQ_CALLS(KILN_PQ_FIND)
#undef KILN_PQ_FIND
	return KILN_OK;
}

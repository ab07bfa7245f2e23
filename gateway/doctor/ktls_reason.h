/* SPDX-License-Identifier: Apache-2.0
 *
 * From a refused setsockopt to a sentence that an operator can act on. The facts about the tls
 * module are gathered apart from the verdict, so that every verdict can be tried.
 */
#ifndef KILN_GATEWAY_KTLS_REASON_H
#define KILN_GATEWAY_KTLS_REASON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "doctor/probe.h"

enum kiln_kconfig {
	KILN_KCONFIG_UNKNOWN, /* this kernel's configuration is nowhere to be read */
	KILN_KCONFIG_NO,
	KILN_KCONFIG_MODULE,
	KILN_KCONFIG_BUILT_IN,
};

struct kiln_tls_module {
	enum kiln_kconfig config; /* CONFIG_TLS */
	bool loaded;
	bool folder;         /* /lib/modules has something for this kernel */
	bool file;           /* and tls.ko is in it */
	const char *install; /* the command that installs missing modules, or "" */
};

/* Looks at /proc/config.gz, /boot, /proc/modules and /lib/modules. */
void kiln_tls_module_look(struct kiln_tls_module *module);

/* One option of a kernel configuration file, gzipped or not. */
enum kiln_kconfig kiln_kconfig_read(const char *path, const char *option);

/* Why TCP_ULP "tls" was refused, and the command that would help ("": there is none). */
void kiln_ulp_reason(int sys_errno, const struct kiln_tls_module *module,
		     char reason[KILN_PROBE_TEXT], char fix[KILN_PROBE_TEXT]);

/* Why the keys of one cipher suite were refused; text is what the refusing call said. */
void kiln_cipher_reason(int sys_errno, uint16_t ktls_cipher, const char *text,
			char reason[KILN_PROBE_TEXT]);

#endif

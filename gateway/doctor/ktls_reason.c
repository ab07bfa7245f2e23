/* SPDX-License-Identifier: Apache-2.0
 * Verdicts on refused TLS socket options. */
#include "doctor/ktls_reason.h"

#include <errno.h>
#include <linux/tls.h>
#include <stdio.h>
#include <string.h>

static void say(char out[KILN_PROBE_TEXT], const char *text)
{
	(void)snprintf(out, KILN_PROBE_TEXT, "%s", text);
}

/* ENOENT: nobody has registered the name "tls". The kernel tries to load the module by itself, but
 * only for a process with CAP_NET_ADMIN. */
static void not_registered(const struct kiln_tls_module *module, char *reason, char *fix)
{
	if (module->loaded || module->config == KILN_KCONFIG_BUILT_IN) {
		say(reason, "the kernel has TLS but does not offer it to this process");
	} else if (module->file) {
		say(reason, "the tls module is not loaded");
		say(fix, "modprobe tls");
	} else if (module->config == KILN_KCONFIG_NO) {
		say(reason,
		    "this kernel was built without kernel TLS (CONFIG_TLS is not set); the stock "
		    "kernels of distributions have it");
	} else if (!module->folder) {
		say(reason, "the tls module is not loaded, and this system has no kernel modules "
			    "(in a container, load it on the host)");
		say(fix, "modprobe tls");
	} else if (module->config == KILN_KCONFIG_MODULE) {
		say(reason, "the tls module is not installed: this kernel's module package is "
			    "incomplete");
		say(fix, module->install);
	} else {
		say(reason, "this kernel has no tls module");
	}
}

void kiln_ulp_reason(int sys_errno, const struct kiln_tls_module *module,
		     char reason[KILN_PROBE_TEXT], char fix[KILN_PROBE_TEXT])
{
	char text[96];

	say(fix, "");
	switch (sys_errno) {
	case ENOENT: not_registered(module, reason, fix); return;
	case EPERM:
	case EACCES:
		say(reason, "a security policy (seccomp or a security module) refuses TCP_ULP");
		return;
	case ENOPROTOOPT:
	case EOPNOTSUPP: say(reason, "this kernel does not know TCP_ULP (Linux 4.13 does)"); return;
	case ENOSYS: say(reason, "a seccomp filter refuses TCP_ULP"); return;
	default:
		(void)snprintf(reason, KILN_PROBE_TEXT, "TCP_ULP tls is refused: %s",
			       strerror_r(sys_errno, text, sizeof text));
	}
}

static const char *crypto_module(uint16_t ktls_cipher)
{
	return ktls_cipher == TLS_CIPHER_CHACHA20_POLY1305 ? "chacha20poly1305" : "gcm";
}

void kiln_cipher_reason(int sys_errno, uint16_t ktls_cipher, const char *text,
			char reason[KILN_PROBE_TEXT])
{
	switch (sys_errno) {
	case ENOENT:
		(void)snprintf(reason, KILN_PROBE_TEXT,
			       "the kernel's crypto has no such cipher (module %s)",
			       crypto_module(ktls_cipher));
		return;
	case EINVAL:
	case ENOPROTOOPT:
		say(reason, "this kernel's TLS does not know this cipher in TLS 1.3");
		return;
	default: (void)snprintf(reason, KILN_PROBE_TEXT, "%.180s", text);
	}
}

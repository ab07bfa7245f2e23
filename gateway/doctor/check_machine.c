/* SPDX-License-Identifier: Apache-2.0
 * The kernel's version and the CPU's instructions for AES-GCM. */
#include <string.h>
#include <unistd.h>

#include "doctor/check.h"
#include "doctor/facts.h"

static void version(struct kiln_report *r)
{
	bool good = kiln_kernel_is(&r->kernel, 6, 1);

	kiln_report_add(r, "kernel", "kernel", good ? KILN_VERDICT_OK : KILN_VERDICT_LIMITED,
			good ? ""
			     : "Kiln is made for Linux 6.1 and later; below, it may use epoll "
			       "and user-space records",
			kiln_fact_upgrade_command(), "Linux %s%s%u.%u.%u%s", r->uts.release,
			r->kernel.exact ? ", upstream " : ", based on ", r->kernel.major,
			r->kernel.minor, r->kernel.patch,
			r->kernel.exact ? "" : " with a vendor's patches");
}

static void instruction(struct kiln_report *r, const char *flags, const char *key,
			const char *title, const char *flag, const char *without)
{
	bool there = kiln_fact_has_word(flags, flag);

	kiln_report_add(r, key, title, there ? KILN_VERDICT_OK : KILN_VERDICT_LIMITED,
			there ? "" : without, "", "%s", there ? "there" : "not there");
}

void kiln_check_machine(struct kiln_report *r)
{
	static const char slow[] = "AES-GCM is many times slower; clients without AES hardware do "
				   "better with CHACHA20-POLY1305";
	char flags[8192] = "";

	r->group = "Machine";
	version(r);
	if (kiln_fact_field("/proc/cpuinfo", "flags", flags, sizeof flags)) { /* x86 */
		instruction(r, flags, "cpu_aes", "AES-NI", "aes", slow);
		instruction(r, flags, "cpu_pclmulqdq", "PCLMULQDQ", "pclmulqdq", slow);
		instruction(r, flags, "cpu_vaes", "VAES", "vaes",
			    "AES-GCM works on one block at a time instead of two or four");
	} else if (kiln_fact_field("/proc/cpuinfo", "Features", flags, sizeof flags)) { /* arm64 */
		instruction(r, flags, "cpu_aes", "AES", "aes", slow);
		instruction(r, flags, "cpu_pmull", "PMULL", "pmull", slow);
	}
	kiln_report_add(r, "cpus", "CPUs", KILN_VERDICT_OK, "as many workers by default", NULL,
			"%ld", sysconf(_SC_NPROCESSORS_ONLN));
}

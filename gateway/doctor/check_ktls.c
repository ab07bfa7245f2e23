/* SPDX-License-Identifier: Apache-2.0
 * Kernel TLS and the kernel's known faults, in the doctor's words. */
#include "doctor/check.h"
#include "doctor/facts.h"
#include "tls/suite.h"

static void available(struct kiln_report *r)
{
	if (r->ktls.available)
		kiln_report_add(r, "ktls", "kernel TLS", KILN_VERDICT_OK,
				"established connections are encrypted by the kernel", NULL,
				"data went both ways on a loopback pair");
	else
		kiln_report_add(r, "ktls", "kernel TLS", KILN_VERDICT_MISSING,
				"connections stay in user space: same security, more memory each",
				r->ktls.fix, "%s", r->ktls.reason);
}

static void ciphers(struct kiln_report *r)
{
	static const char *const keys[KILN_PROBE_SUITES] = {"ktls_aes_128_gcm", "ktls_aes_256_gcm",
							    "ktls_chacha20_poly1305"};
	static const char *const titles[KILN_PROBE_SUITES] = {"  AES-128-GCM", "  AES-256-GCM",
							      "  CHACHA20-POLY1305"};

	for (size_t i = 0; i < KILN_PROBE_SUITES; i++) {
		if (r->ktls.cipher[i])
			kiln_report_add(r, keys[i], titles[i], KILN_VERDICT_OK, "", NULL,
					"tried: works");
		else
			kiln_report_add(r, keys[i], titles[i], KILN_VERDICT_MISSING,
					"connections with this cipher stay in user space",
					i == 2 ? "modprobe chacha20poly1305" : "modprobe gcm", "%s",
					r->ktls.cipher_reason[i]);
	}
}

static void rekey(struct kiln_report *r)
{
	if (r->ktls.rekey)
		kiln_report_add(
		    r, "ktls_rekey", "key change", KILN_VERDICT_OK,
		    "a peer's KeyUpdate is followed, and keys are changed at their limit", NULL,
		    "tried: data went on under the new key");
	else
		kiln_report_add(
		    r, "ktls_rekey", "key change", KILN_VERDICT_LIMITED,
		    "a peer's KeyUpdate ends its connection cleanly; a kernel from 6.14 "
		    "on follows it",
		    "", "tried: the kernel refuses a second key");
}

static void no_pad(struct kiln_report *r)
{
	bool safe = r->faults[KILN_FAULT_NO_PAD] == KILN_FAULT_FIXED;

	kiln_report_add(r, "ktls_no_pad", "receive without padding",
			r->ktls.no_pad && safe ? KILN_VERDICT_OK : KILN_VERDICT_LIMITED,
			"Kiln leaves TLS_RX_EXPECT_NO_PAD off; it would make receiving cheaper", "",
			"%s, %s", r->ktls.no_pad ? "accepted" : "refused",
			safe ? "and this kernel has the fix of CVE-2026-74611"
			     : "but this kernel is not known to have the fix of CVE-2026-74611");
}

void kiln_check_ktls(struct kiln_report *r)
{
	r->group = "Kernel TLS";
	available(r);
	/* Without the module there is nothing to say about its parts. */
	if (!r->ktls.available && r->ktls.cipher_reason[0][0] == '\0')
		return;
	ciphers(r);
	if (!r->ktls.available)
		return;
	rekey(r);
	no_pad(r);
}

static const char *status_text(enum kiln_fault_status status, bool in_use)
{
	switch (status) {
	case KILN_FAULT_FIXED: return "this kernel does not have it";
	case KILN_FAULT_APPLIES:
		return in_use ? "applies to this kernel"
			      : "applies to this kernel, without effect while it has no kernel TLS";
	case KILN_FAULT_UNKNOWN: break;
	}
	return "cannot tell from the version: the distribution may have patched it";
}

void kiln_check_faults(struct kiln_report *r)
{
	r->group = "Known kernel faults, and what Kiln does about them";
	for (unsigned i = 0; i < KILN_FAULTS; i++) {
		const struct kiln_fault *fault = kiln_fault((enum kiln_fault_id)i);
		bool harmless = r->faults[i] == KILN_FAULT_FIXED || !r->ktls.available;
		char found[KILN_PROBE_TEXT];

		(void)snprintf(found, sizeof found, "%s: %s", fault->title,
			       status_text(r->faults[i], r->ktls.available));
		kiln_report_add(
		    r, fault->key, fault->name, harmless ? KILN_VERDICT_OK : KILN_VERDICT_LIMITED,
		    fault->kiln,
		    kiln_fault_fix(fault, &r->kernel) != NULL ? kiln_fact_upgrade_command() : "",
		    "%s", found);
	}
}

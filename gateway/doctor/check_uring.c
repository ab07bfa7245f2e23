/* SPDX-License-Identifier: Apache-2.0
 * io_uring in the doctor's words. */
#include "doctor/check.h"

static void feature(struct kiln_report *r, const char *key, const char *title, bool there,
		    enum kiln_verdict otherwise, const char *meaning)
{
	kiln_report_add(r, key, title, there ? KILN_VERDICT_OK : otherwise, there ? "" : meaning,
			NULL, there ? "tried: works" : "tried: refused");
}

void kiln_check_uring(struct kiln_report *r)
{
	const struct kiln_uring_caps *u = &r->uring;

	r->group = "io_uring (built with liburing " KILN_LIBURING_VERSION ")";
	if (!u->available) {
		kiln_report_add(r, "io_uring", "io_uring", KILN_VERDICT_MISSING,
				"workers use epoll instead", u->fix, "%s", u->reason);
		return;
	}
	kiln_report_add(r, "io_uring", "io_uring",
			u->usable ? KILN_VERDICT_OK : KILN_VERDICT_LIMITED,
			u->usable ? "workers move bytes with it"
				  : "workers use epoll instead: something below is missing",
			NULL, "rings can be set up");
	feature(r, "io_uring_coop_taskrun", "  COOP_TASKRUN", u->coop_taskrun, KILN_VERDICT_LIMITED,
		"more interrupts of busy workers; Linux 5.19 has it");
	feature(r, "io_uring_single_issuer", "  SINGLE_ISSUER", u->single_issuer,
		KILN_VERDICT_LIMITED, "more locking; Linux 6.0 has it");
	feature(r, "io_uring_defer_taskrun", "  DEFER_TASKRUN", u->defer_taskrun,
		KILN_VERDICT_LIMITED, "less batching; Linux 6.1 has it");
	feature(r, "io_uring_buffer_ring", "  provided buffers", u->buffer_ring,
		KILN_VERDICT_MISSING, "memory would follow connections; Linux 5.19 has it");
	feature(r, "io_uring_multishot_accept", "  multishot accept", u->multishot_accept,
		KILN_VERDICT_MISSING, "one request per connection; Linux 5.19 has it");
	feature(r, "io_uring_multishot_recv", "  multishot recv", u->multishot_recv,
		KILN_VERDICT_MISSING, "one request per read; Linux 6.0 has it");
	feature(r, "io_uring_multishot_recvmsg", "  multishot recvmsg", u->multishot_recvmsg,
		KILN_VERDICT_MISSING, "one request per record; Linux 6.0 has it");
}

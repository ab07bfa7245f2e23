/* SPDX-License-Identifier: Apache-2.0
 * "kiln doctor": examines this machine and says what Kiln will make of it. */
#include "doctor/doctor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <kiln/tls.h>

#include "doctor/check.h"
#include "tls/suite.h"

static const char help[] =
    "usage: kiln doctor [--json]\n"
    "\n"
    "Says what this kernel and this user can do for Kiln: it tries kernel TLS with each\n"
    "cipher, io_uring, and eBPF steering, on loopback sockets of its own, and looks at\n"
    "rights, limits and known kernel faults. It changes nothing.\n"
    "\n"
    "  --json  for programs: an object with checks (by key: verdict, found, meaning, fix),\n"
    "          faults and summary (can_run, path, path_reason, engine, steering)\n"
    "  --help  this text\n"
    "\n"
    "verdicts: ok; limited (runs, but slower or with less); missing (Kiln goes without)\n"
    "exit status: 0 Kiln can run here, 1 it cannot, 2 wrong usage\n";

static void set_broken(struct kiln_report *r, const char *reason, int sys_errno)
{
	char text[96];

	if (r->broken[0] == '\0')
		(void)snprintf(r->broken, sizeof r->broken, "%s: %s", reason,
			       strerror_r(sys_errno, text, sizeof text));
}

/* Without an event loop or a record layer there is no path left. */
static void check_essentials(struct kiln_report *r)
{
	static const uint8_t secret[KILN_SECRET_MAX];
	size_t count;
	const struct kiln_suite *suites = kiln_suites(&count);
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll >= 0)
		(void)close(epoll);
	else if (!r->uring.usable)
		set_broken(r, "there is neither io_uring nor epoll", errno);
	for (size_t i = 0; i < count; i++) {
		struct kiln_traffic traffic = {0};
		struct kiln_error err = {0};
		if (kiln_traffic_init(&traffic, suites[i].id, secret, 0, &err) != KILN_OK &&
		    r->broken[0] == '\0')
			(void)snprintf(r->broken, sizeof r->broken, "OpenSSL has no %s: %.120s",
				       suites[i].name, err.message);
		kiln_traffic_clear(&traffic);
	}
}

static void examine(struct kiln_report *r)
{
	if (uname(&r->uts) == 0)
		kiln_kernel_parse(&r->kernel, r->uts.release, r->uts.version);
	for (unsigned i = 0; i < KILN_FAULTS; i++)
		r->faults[i] = kiln_fault_status(kiln_fault((enum kiln_fault_id)i), &r->kernel);
	if (kiln_probe_ktls(NULL, &r->ktls) != KILN_OK)
		(void)snprintf(r->broken, sizeof r->broken, "%s", r->ktls.reason);
	(void)kiln_probe_uring(&r->uring);

	kiln_check_machine(r);
	kiln_check_ktls(r);
	kiln_check_faults(r);
	kiln_check_uring(r);
	kiln_check_steering(r);
	kiln_check_rights(r);
	kiln_check_limits(r);
	check_essentials(r);
}

/* https://no-color.org: any value that is not empty says no. */
static bool wants_colour(void)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) == 1 && (no_colour == NULL || no_colour[0] == '\0') &&
	       (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

int kiln_doctor_main(int argc, char **argv)
{
	static struct kiln_report report; /* large for a stack, and there is one */
	bool json = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return fputs(help, stdout) == EOF ? 1 : 0;
		if (strcmp(argv[i], "--json") != 0) {
			(void)fprintf(stderr, "kiln doctor: unknown argument %s; see --help\n",
				      argv[i]);
			return 2;
		}
		json = true;
	}
	report = (struct kiln_report){0};
	examine(&report);
	bool written = true;
	if (json)
		written = kiln_report_print_json(&report, stdout);
	else
		kiln_report_print(&report, stdout, wants_colour());
	if (!written || fflush(stdout) != 0) {
		(void)fprintf(stderr, "kiln doctor: the report could not be written\n");
		return 1;
	}
	return report.broken[0] == '\0' ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0
 * Limits of this process and of the network stack. */
#include <sys/resource.h>

#include "doctor/check.h"
#include "doctor/facts.h"

#define FDS_TO_RUN    64u
#define FDS_DECENT    65536u
#define FDS_SPARE     64u
#define FDS_PER_RELAY 2u /* the connection and its target */

static void open_files(struct kiln_report *r)
{
	struct rlimit limit = {0};

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	bool decent = limit.rlim_max >= FDS_DECENT;
	unsigned long long relays =
	    limit.rlim_max > FDS_SPARE ? (limit.rlim_max - FDS_SPARE) / FDS_PER_RELAY : 0;
	char meaning[KILN_PROBE_TEXT];

	if (limit.rlim_max == RLIM_INFINITY)
		(void)snprintf(meaning, sizeof meaning, "no limit on connections per worker");
	else
		(void)snprintf(meaning, sizeof meaning, "about %llu connections per worker",
			       relays);
	kiln_report_add(
	    r, "rlimit_nofile", "open files",
	    decent ? KILN_VERDICT_OK
		   : (limit.rlim_max < FDS_TO_RUN ? KILN_VERDICT_MISSING : KILN_VERDICT_LIMITED),
	    meaning, "ulimit -n 1048576", "soft limit %llu, hard limit %llu",
	    (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
	if (limit.rlim_max < FDS_TO_RUN)
		(void)snprintf(r->broken, sizeof r->broken,
			       "at most %llu files can be open; raise it with ulimit -n",
			       (unsigned long long)limit.rlim_max);
}

static void locked_memory(struct kiln_report *r)
{
	struct rlimit limit = {0};
	bool counted = !kiln_kernel_is(&r->kernel, 5, 12);

	(void)getrlimit(RLIMIT_MEMLOCK, &limit);
	bool low = counted && limit.rlim_max < (64UL << 20);
	kiln_report_add(
	    r, "rlimit_memlock", "locked memory", low ? KILN_VERDICT_LIMITED : KILN_VERDICT_OK,
	    counted ? "rings and eBPF maps count against it on this kernel"
		    : "rings and eBPF maps do not count against it on this kernel",
	    "ulimit -l unlimited", limit.rlim_max == RLIM_INFINITY ? "unlimited" : "%llu KiB",
	    (unsigned long long)limit.rlim_max / 1024);
}

static void sysctl(struct kiln_report *r, const char *key, const char *title, const char *path,
		   long enough, const char *good, const char *bad, const char *fix)
{
	long value;

	if (!kiln_fact_number(path, &value)) {
		kiln_report_add(r, key, title, KILN_VERDICT_OK, "", NULL, "not to be seen here");
		return;
	}
	kiln_report_add(r, key, title, value >= enough ? KILN_VERDICT_OK : KILN_VERDICT_LIMITED,
			value >= enough ? good : bad, fix, "%ld", value);
}

static void local_ports(struct kiln_report *r)
{
	long first = 0, last = -1;
	bool seen = kiln_fact_two_numbers("/proc/sys/net/ipv4/ip_local_port_range", &first, &last);
	long count = last - first + 1;
	char meaning[KILN_PROBE_TEXT];

	(void)snprintf(meaning, sizeof meaning,
		       "up to %ld connections at once to one TCP target address", count);
	kiln_report_add(
	    r, "ip_local_port_range", "local ports",
	    !seen || count >= 28000 ? KILN_VERDICT_OK : KILN_VERDICT_LIMITED, seen ? meaning : "",
	    "sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"", "%ld to %ld", first, last);
}

void kiln_check_limits(struct kiln_report *r)
{
	r->group = "Limits";
	open_files(r);
	locked_memory(r);
	sysctl(r, "nr_open", "fs.nr_open", "/proc/sys/fs/nr_open", 1048576,
	       "the most that open files can be raised to", "caps open files below 1048576",
	       "sysctl -w fs.nr_open=1048576");
	sysctl(r, "somaxconn", "net.core.somaxconn", "/proc/sys/net/core/somaxconn", 4096, "",
	       "a burst of connections overflows the accept queue",
	       "sysctl -w net.core.somaxconn=65535");
	sysctl(r, "tcp_max_syn_backlog", "tcp_max_syn_backlog",
	       "/proc/sys/net/ipv4/tcp_max_syn_backlog", 1024, "",
	       "a burst of connections falls back to SYN cookies",
	       "sysctl -w net.ipv4.tcp_max_syn_backlog=65535");
	local_ports(r);
}

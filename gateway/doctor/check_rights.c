/* SPDX-License-Identifier: Apache-2.0
 * Capabilities, seccomp, and whether this is a container. */
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "doctor/check.h"
#include "doctor/facts.h"

static void capability(struct kiln_report *r, unsigned number, const char *key, const char *title,
		       const char *with, const char *without, const char *fix)
{
	bool held = kiln_fact_capability(number);

	kiln_report_add(r, key, title, held ? KILN_VERDICT_OK : KILN_VERDICT_LIMITED,
			held ? with : without, fix, held ? "held" : "not held");
}

static void low_ports(struct kiln_report *r)
{
	long first = 1024;

	(void)kiln_fact_number("/proc/sys/net/ipv4/ip_unprivileged_port_start", &first);
	bool held = kiln_fact_capability(CAP_NET_BIND_SERVICE);
	kiln_report_add(
	    r, "cap_net_bind_service", "CAP_NET_BIND_SERVICE",
	    held || first <= 443 ? KILN_VERDICT_OK : KILN_VERDICT_LIMITED,
	    held || first <= 443 ? "can listen on port 443" : "cannot listen on port 443",
	    "setcap cap_net_bind_service+ep $(command -v kiln)",
	    "%s; ports from %ld on are free for everybody", held ? "held" : "not held", first);
}

static const char *container(void)
{
	static const struct {
		const char *path, *name;
	} signs[] = {
	    {"/.dockerenv", "Docker"},
	    {"/run/.containerenv", "Podman"},
	    {"/run/systemd/container", "a container of systemd"},
	    {"/var/run/secrets/kubernetes.io", "Kubernetes"},
	};

	for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
		if (access(signs[i].path, F_OK) == 0)
			return signs[i].name;
	return NULL;
}

static void walls(struct kiln_report *r)
{
	const char *name = container();
	bool filtered = kiln_fact_seccomp() == 2;

	kiln_report_add(r, "container", "container", KILN_VERDICT_OK,
			name != NULL ? "the host decides about modules, sysctls and eBPF" : "",
			NULL, "%s", name != NULL ? name : "no sign of one");
	kiln_report_add(
	    r, "seccomp", "seccomp", filtered ? KILN_VERDICT_LIMITED : KILN_VERDICT_OK,
	    filtered ? "system calls may be refused; the lines above were tried under it" : "", "",
	    "%s", filtered ? "a filter is in force" : "no filter");
}

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#define LANDLOCK_VERSION     1u
#define LANDLOCK_RULES_TCP   4 /* from this version on it rules over connections */
#define TCP_FASTOPEN_CLIENTS 1

/* A send with MSG_FASTOPEN connects, and Landlock does not look; seccomp does not see into the
 * ring. T10 in docs/threat-model.md. */
static void fast_open(struct kiln_report *r)
{
	static const char key[] = "tcp_fastopen", title[] = "TCP Fast Open";
	const long landlock =
	    syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_VERSION);
	long value = 0;
	char fix[64];

	const bool known = kiln_fact_number("/proc/sys/net/ipv4/tcp_fastopen", &value);
	if (!known || (value & TCP_FASTOPEN_CLIENTS) == 0) {
		kiln_report_add(r, key, title, KILN_VERDICT_OK,
				"no way for a worker around Landlock's rule for connections", NULL,
				"%s", known ? "off for clients" : "this kernel has none");
		return;
	}
	if (landlock < LANDLOCK_RULES_TCP || !r->uring.usable) {
		kiln_report_add(r, key, title, KILN_VERDICT_OK,
				!r->uring.usable ? "workers have no io_uring to use it with"
						 : "Landlock has no rule for connections here that "
						   "it would go around",
				NULL, "on for clients");
		return;
	}
	(void)snprintf(fix, sizeof fix, "sysctl -w net.ipv4.tcp_fastopen=%ld",
		       value & ~(long)TCP_FASTOPEN_CLIENTS);
	kiln_report_add(
	    r, key, title, KILN_VERDICT_LIMITED,
	    "through its io_uring a worker that was taken over connects past Landlock's "
	    "rule, to any TCP port; or use --engine epoll",
	    fix, "on for clients (net.ipv4.tcp_fastopen=%ld)", value);
}

void kiln_check_rights(struct kiln_report *r)
{
	static const char steering[] = "setcap cap_bpf,cap_net_admin+ep $(command -v kiln)";

	r->group = "Rights";
	capability(r, CAP_BPF, "cap_bpf", "CAP_BPF", "", "no steering by CPU", steering);
	capability(r, CAP_NET_ADMIN, "cap_net_admin", "CAP_NET_ADMIN",
		   "the kernel loads the tls module on demand",
		   "no steering by CPU, and the tls module must be loaded already", steering);
	low_ports(r);
	capability(r, CAP_SETUID, "cap_setuid", "CAP_SETUID", "workers can drop to another user",
		   "workers run as the user that starts kiln",
		   "setcap cap_setuid,cap_setgid+ep $(command -v kiln)");
	kiln_report_add(r, "cap_sys_admin", "CAP_SYS_ADMIN", KILN_VERDICT_OK, "not needed", NULL,
			kiln_fact_capability(CAP_SYS_ADMIN) ? "held" : "not held");
	walls(r);
	fast_open(r);
}

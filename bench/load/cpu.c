/* Who used the processor: see cpu.h. */
#include "cpu.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PF_KTHREAD 0x00200000u

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t cpu_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int cpu_parse_group(const char *text, struct cpu_group *group)
{
	const char *equals = strchr(text, '=');

	if (!equals || equals == text || (size_t)(equals - text) >= sizeof(group->name))
		return 0;
	memset(group, 0, sizeof(*group));
	memcpy(group->name, text, (size_t)(equals - text));
	for (const char *p = equals + 1; *p;) {
		char *end;
		long pid = strtol(p, &end, 10);

		if (end == p || pid <= 0 || group->count == CPU_MAX_PIDS)
			return 0;
		group->pids[group->count++] = (pid_t)pid;
		p = *end == ',' ? end + 1 : end;
		if (*end && *end != ',')
			return 0;
	}
	return group->count > 0;
}

/* The first line of /proc/PID/FILE; false when the process is gone. */
static bool read_proc(const char *pid, const char *file, char *line, int size)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%.16s/%s", pid, file);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	bool got = fgets(line, size, f) != NULL;
	(void)fclose(f);
	return got;
}

static bool is_kernel_thread(const char *pid)
{
	char line[512];

	if (!read_proc(pid, "stat", line, sizeof(line)))
		return false;
	/* After the name in parentheses: state ppid pgrp session tty tpgid flags */
	const char *p = strrchr(line, ')');
	for (int blanks = 0; p && blanks < 7; blanks++)
		p = strchr(p + 1, ' ');
	return p && (strtoul(p, NULL, 10) & PF_KTHREAD);
}

static uint64_t schedstat_ns(const char *pid)
{
	char line[128];

	return read_proc(pid, "schedstat", line, sizeof(line)) ? strtoull(line, NULL, 10) : 0;
}

static uint64_t kernel_threads_ns(void)
{
	uint64_t sum = 0;
	DIR *dir = opendir("/proc");

	if (!dir)
		return 0;
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (isdigit((unsigned char)e->d_name[0]) && is_kernel_thread(e->d_name))
			sum += schedstat_ns(e->d_name);
	}
	closedir(dir);
	return sum;
}

static void read_tls_stat(struct cpu_sample *out)
{
	char line[128];
	FILE *f = fopen("/proc/net/tls_stat", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "TlsTxSw ", 8) == 0)
			out->ktls_tx = strtoull(line + 8, NULL, 10);
		else if (strncmp(line, "TlsRxSw ", 8) == 0)
			out->ktls_rx = strtoull(line + 8, NULL, 10);
	}
	if (f)
		(void)fclose(f);
}

static int sample_group(const struct cpu_group *group, uint64_t *ns)
{
	*ns = 0;
	for (size_t i = 0; i < group->count; i++) {
		clockid_t id;

		if (clock_getcpuclockid(group->pids[i], &id) != 0) {
			(void)fprintf(stderr, "kiln-load: process %d of group %s is gone\n",
				      (int)group->pids[i], group->name);
			return 0;
		}
		*ns += read_clock(id);
	}
	return 1;
}

static int sample_clocks(const struct cpu_group *groups, size_t count, struct cpu_sample *out)
{
	for (size_t i = 0; i < count; i++) {
		if (!sample_group(&groups[i], &out->groups_ns[i]))
			return 0;
	}
	out->self_ns = read_clock(CLOCK_PROCESS_CPUTIME_ID);
	out->wall_ns = cpu_now_ns();
	return 1;
}

static void sample_kernel(struct cpu_sample *out)
{
	out->kthreads_ns = kernel_threads_ns();
	read_tls_stat(out);
}

int cpu_sample_start(const struct cpu_group *groups, size_t count, struct cpu_sample *out)
{
	memset(out, 0, sizeof(*out));
	sample_kernel(out);
	return sample_clocks(groups, count, out);
}

int cpu_sample_end(const struct cpu_group *groups, size_t count, struct cpu_sample *out)
{
	memset(out, 0, sizeof(*out));
	if (!sample_clocks(groups, count, out))
		return 0;
	sample_kernel(out);
	return 1;
}

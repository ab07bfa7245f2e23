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

static bool is_kernel_thread(const char *pid)
{
	char path[64];
	char line[512];
	unsigned int flags = 0;

	(void)snprintf(path, sizeof(path), "/proc/%.16s/stat", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return false;
	bool got = fgets(line, sizeof(line), f) != NULL;
	(void)fclose(f);
	const char *after_name = got ? strrchr(line, ')') : NULL;
	/* state ppid pgrp session tty tpgid flags */
	if (!after_name || sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) != 1)
		return false;
	return flags & PF_KTHREAD;
}

static uint64_t schedstat_ns(const char *pid)
{
	char path[64];
	unsigned long long ns = 0;

	(void)snprintf(path, sizeof(path), "/proc/%.16s/schedstat", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &ns) != 1)
		ns = 0;
	(void)fclose(f);
	return ns;
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
	char name[64];
	unsigned long long value;
	FILE *f = fopen("/proc/net/tls_stat", "re");

	if (!f)
		return;
	while (fscanf(f, "%63s %llu", name, &value) == 2) {
		if (strcmp(name, "TlsTxSw") == 0)
			out->ktls_tx = value;
		else if (strcmp(name, "TlsRxSw") == 0)
			out->ktls_rx = value;
	}
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

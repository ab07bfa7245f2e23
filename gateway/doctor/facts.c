/* SPDX-License-Identifier: Apache-2.0
 * Reads small files under /proc. */
#include "doctor/facts.h"

#include <ctype.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool read_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return false;
	bool got = fgets(line, size, file) != NULL;
	(void)fclose(file);
	return got;
}

bool kiln_fact_number(const char *path, long *value)
{
	char line[64], *end;

	if (!read_line(path, line, sizeof line))
		return false;
	*value = strtol(line, &end, 10);
	return end != line;
}

bool kiln_fact_two_numbers(const char *path, long *first, long *second)
{
	char line[64], *middle, *end;

	if (!read_line(path, line, sizeof line))
		return false;
	*first = strtol(line, &middle, 10);
	*second = strtol(middle, &end, 10);
	return middle != line && end != middle;
}

/* Lines may be longer than any buffer here (CPU flags): getline grows. */
bool kiln_fact_field(const char *path, const char *name, char *out, size_t size)
{
	char *line = NULL;
	size_t room = 0, len = strlen(name);
	bool found = false;
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return false;
	while (!found && getline(&line, &room, file) >= 0) {
		if (strncmp(line, name, len) != 0 || isalnum((unsigned char)line[len]) != 0)
			continue;
		const char *value = line + len + strspn(line + len, ": \t");
		(void)snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
		found = true;
	}
	free(line);
	(void)fclose(file);
	return found;
}

bool kiln_fact_has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = strstr(words, word); at != NULL; at = strstr(at + len, word))
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

int kiln_fact_seccomp(void)
{
	char value[16];

	return kiln_fact_field("/proc/self/status", "Seccomp", value, sizeof value)
		   ? (int)strtol(value, NULL, 10)
		   : 0;
}

static const struct {
	const char *program, *upgrade, *modules;
} managers[] = {
    {"/usr/bin/apt-get", "apt-get full-upgrade", "apt-get install linux-modules-extra-$(uname -r)"},
    {"/usr/bin/dnf", "dnf upgrade kernel", "dnf install kernel-modules-$(uname -r)"},
    {"/usr/bin/zypper", "zypper update kernel-default", "zypper install kernel-default"},
    {"/usr/bin/pacman", "pacman -Syu linux", "pacman -S linux"},
};

const char *kiln_fact_upgrade_command(void)
{
	for (size_t i = 0; i < sizeof managers / sizeof managers[0]; i++)
		if (access(managers[i].program, X_OK) == 0)
			return managers[i].upgrade;
	return "";
}

const char *kiln_fact_modules_command(void)
{
	for (size_t i = 0; i < sizeof managers / sizeof managers[0]; i++)
		if (access(managers[i].program, X_OK) == 0)
			return managers[i].modules;
	return "";
}

bool kiln_fact_capability(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (syscall(SYS_capget, &header, data) != 0)
		return false;
	return (data[capability / 32].effective & (UINT32_C(1) << (capability % 32))) != 0;
}

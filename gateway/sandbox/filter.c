/* SPDX-License-Identifier: Apache-2.0
 * Seccomp filters out of tables; see filter.h. */
#include "sandbox/filter.h"

#include <errno.h>
#include <sys/socket.h>

int kiln_filter_calls(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = seccomp_rule_add(filter, action, calls[i], 0);
	return rc;
}

int kiln_filter_conditions(scmp_filter_ctx filter, const struct kiln_filter_condition *conditions,
			   size_t count)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		const struct kiln_filter_condition *c = &conditions[i];
		const struct scmp_arg_cmp compare = {
		    .arg = c->n, .op = SCMP_CMP_MASKED_EQ, .datum_a = c->mask, .datum_b = c->value};
		rc = seccomp_rule_add_array(filter, c->action, c->call, 1, &compare);
	}
	return rc;
}

int kiln_filter_socket(scmp_filter_ctx filter, int call, int family, int type, int protocol)
{
	const struct scmp_arg_cmp compare[] = {
	    {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = (uint64_t)family},
	    {.arg = 1,
	     .op = SCMP_CMP_MASKED_EQ,
	     .datum_a = ~(uint64_t)(SOCK_CLOEXEC | SOCK_NONBLOCK),
	     .datum_b = (uint64_t)type},
	    {.arg = 2, .op = SCMP_CMP_EQ, .datum_a = (uint64_t)protocol},
	};

	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, KILN_FILTER_COUNT(compare),
				      compare);
}

scmp_filter_ctx kiln_filter_new(uint32_t otherwise)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);
	/* A tree instead of a list of comparisons; libseccomp before 2.5 has none. */
	if (filter != NULL)
		(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	return filter;
}

enum kiln_code kiln_filter_load(scmp_filter_ctx filter, int rc, struct kiln_error *err)
{
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	if (rc == -EINVAL || rc == -ENOSYS)
		return kiln_fail_errno(err, KILN_E_UNSUPPORTED, -rc,
				       "this kernel takes no seccomp filter");
	if (rc != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, -rc, "cannot set the seccomp filter");
	return KILN_OK;
}

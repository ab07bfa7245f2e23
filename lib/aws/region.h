/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS's partitions and regions, as far as STS is concerned.
 */
#ifndef KILN_AWS_REGION_H
#define KILN_AWS_REGION_H

#include <stdbool.h>
#include <stddef.h>

#define KILN_AWS_REGION_MAX 32u

struct kiln_aws_partition {
	const char *name;
	const char *suffix;      /* of DNS names: "amazonaws.com" */
	const char *dual_suffix; /* of names that also have IPv6 */
};

/* NULL: AWS has no such partition. */
const struct kiln_aws_partition *kiln_aws_partition_named(const char *name, size_t len);
const struct kiln_aws_partition *kiln_aws_partition_at(size_t index); /* NULL behind the last */

/* The partition of a region that this release knows; NULL for others. For what a peer says. */
const struct kiln_aws_partition *kiln_aws_region_known(const char *region);

/* The same, and for names that only look like a region of a partition: for what an operator says,
 * whose region may be younger than this program. */
const struct kiln_aws_partition *kiln_aws_region_plausible(const char *region);

#endif

/* SPDX-License-Identifier: Apache-2.0
 *
 * CRC-32C (Castagnoli), RFC 3720 appendix B.4: what the PROXY header's checksum TLV holds.
 */
#ifndef KILN_PROXY_CRC32C_H
#define KILN_PROXY_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from crc (0 at the start) over len bytes, so that pieces can be chained. */
uint32_t kiln_crc32c(uint32_t crc, const void *data, size_t len);

#endif

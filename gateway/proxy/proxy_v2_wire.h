/* SPDX-License-Identifier: Apache-2.0
 *
 * What the reader and the writer of PROXY v2 headers share: proxy-protocol.txt section 2.2.
 */
#ifndef KILN_PROXY_V2_WIRE_H
#define KILN_PROXY_V2_WIRE_H

#define KILN_PROXY_SIGNATURE     "\r\n\r\n\0\r\nQUIT\n"
#define KILN_PROXY_SIGNATURE_LEN 12u

/* The fixed part behind the signature. */
#define KILN_PROXY_AT_COMMAND 12u /* version 2 in the high half, command in the low one */
#define KILN_PROXY_AT_FAMILY  13u /* address family in the high half, transport in the low one */
#define KILN_PROXY_AT_LENGTH  14u /* of what follows the fixed part */

#define KILN_PROXY_VERSION 0x20u

#define KILN_PROXY_FAMILY_UNSPEC 0u
#define KILN_PROXY_FAMILY_INET   1u
#define KILN_PROXY_FAMILY_INET6  2u
#define KILN_PROXY_FAMILY_UNIX   3u

#define KILN_PROXY_TRANSPORT_UNSPEC 0u
#define KILN_PROXY_TRANSPORT_STREAM 1u
#define KILN_PROXY_TRANSPORT_DGRAM  2u

/* Address blocks: two addresses, then two ports; or two paths. */
#define KILN_PROXY_INET_LEN  12u
#define KILN_PROXY_INET6_LEN 36u
#define KILN_PROXY_UNIX_PATH 108u
#define KILN_PROXY_UNIX_LEN  216u

#define KILN_PROXY_TLV_HEADER 3u /* type, then a length of two bytes */
#define KILN_PROXY_SSL_FIXED  5u /* client bits, verify result; sub-TLVs follow */
#define KILN_PROXY_CRC_LEN    4u

#endif

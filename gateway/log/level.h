/* SPDX-License-Identifier: Apache-2.0
 *
 * How much is logged, and in which notation.
 */
#ifndef KILN_LOG_LEVEL_H
#define KILN_LOG_LEVEL_H

enum kiln_log_level {
	KILN_LOG_DEBUG,
	KILN_LOG_INFO,
	KILN_LOG_WARNING,
	KILN_LOG_ERROR,
};

enum kiln_log_format {
	KILN_LOG_TEXT, /* key=value */
	KILN_LOG_JSON, /* one object per line */
};

#endif

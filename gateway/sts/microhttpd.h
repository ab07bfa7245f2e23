/* SPDX-License-Identifier: Apache-2.0
 *
 * libmicrohttpd, loaded when `kiln sts` starts and never before. Debian's is built with GnuTLS: to
 * link it would put a second TLS library and eight more into every worker that faces the Internet,
 * and add to the start of every command, for the sake of a tool for development.
 */
#ifndef KILN_STS_MICROHTTPD_H
#define KILN_STS_MICROHTTPD_H

#include <microhttpd.h>

#include <kiln/error.h>

#define KILN_MHD_CALLS(X)                                                                          \
	X(add_response_header)                                                                     \
	X(create_response_from_buffer)                                                             \
	X(create_response_from_buffer_with_free_callback_cls)                                      \
	X(create_response_from_callback)                                                           \
	X(destroy_response)                                                                        \
	X(get_connection_values_n)                                                                 \
	X(get_daemon_info)                                                                         \
	X(get_timeout)                                                                             \
	X(queue_response)                                                                          \
	X(quiesce_daemon)                                                                          \
	X(resume_connection)                                                                       \
	X(run)                                                                                     \
	X(start_daemon)                                                                            \
	X(stop_daemon)                                                                             \
	X(suspend_connection)

/* kiln_mhd.run is MHD_run, and so on. */
struct kiln_mhd {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a member's name takes none */
#define KILN_MHD_FIELD(name) __typeof__(&MHD_##name) name;
	KILN_MHD_CALLS(KILN_MHD_FIELD)
#undef KILN_MHD_FIELD
};

extern struct kiln_mhd kiln_mhd;

/* KILN_E_UNSUPPORTED when this machine has no such library. */
KILN_NODISCARD enum kiln_code kiln_mhd_load(struct kiln_error *err);

#endif

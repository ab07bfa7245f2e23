/* SPDX-License-Identifier: Apache-2.0
 *
 * libpq, loaded when a store in PostgreSQL is opened and never before. Debian's pulls in Kerberos,
 * LDAP, SASL and with them GnuTLS: to link it would put some twenty libraries into every worker
 * that faces the Internet, and into gateways that know no database.
 */
#ifndef KILN_KEYS_STORE_LIBPQ_H
#define KILN_KEYS_STORE_LIBPQ_H

#include <libpq-fe.h>

#include <kiln/error.h>

#define KILN_PQ_CALLS(X)                                                                           \
	X(clear)                                                                                   \
	X(cmdStatus)                                                                               \
	X(cmdTuples)                                                                               \
	X(connectdbParams)                                                                         \
	X(consumeInput)                                                                            \
	X(errorMessage)                                                                            \
	X(finish)                                                                                  \
	X(flush)                                                                                   \
	X(getResult)                                                                               \
	X(getlength)                                                                               \
	X(getvalue)                                                                                \
	X(isBusy)                                                                                  \
	X(ntuples)                                                                                 \
	X(resultErrorField)                                                                        \
	X(resultStatus)                                                                            \
	X(sendPrepare)                                                                             \
	X(sendQuery)                                                                               \
	X(sendQueryPrepared)                                                                       \
	X(serverVersion)                                                                           \
	X(setNoticeProcessor)                                                                      \
	X(setnonblocking)                                                                          \
	X(socket)                                                                                  \
	X(status)

/* kiln_pq.clear is PQclear, and so on. */
struct kiln_pq {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a member's name takes none */
#define KILN_PQ_FIELD(name) __typeof__(&PQ##name) name;
	KILN_PQ_CALLS(KILN_PQ_FIELD)
#undef KILN_PQ_FIELD
};

extern struct kiln_pq kiln_pq;

/* KILN_E_UNSUPPORTED when this machine has no such library. */
KILN_NODISCARD enum kiln_code kiln_pq_load(struct kiln_error *err);

#endif

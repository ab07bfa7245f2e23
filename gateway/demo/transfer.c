/* SPDX-License-Identifier: Apache-2.0
 * The demo's client end; see transfer.h. */
#include "demo/transfer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double seconds(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The receipt is the last bytes of the stream: what comes is hashed as soon as it cannot be it. */
static bool receive(int fd, struct kiln_demo_transfer *t)
{
	static uint8_t window[65536 + sizeof(struct kiln_demo_receipt)];
	const size_t tail = sizeof t->receipt;
	size_t have = 0;
	ssize_t n;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		return false;
	while ((n = recv(fd, window + have, sizeof window - have, 0)) > 0) {
		have += (size_t)n;
		if (have <= tail)
			continue;
		(void)EVP_DigestUpdate(md, window, have - tail);
		t->received += have - tail;
		memmove(window, window + have - tail, tail);
		have = tail;
	}
	const bool ok =
	    n == 0 && have == tail && EVP_DigestFinal_ex(md, t->received_hash, NULL) == 1;
	if (ok)
		memcpy(&t->receipt, window, tail);
	EVP_MD_CTX_free(md);
	return ok;
}

enum kiln_code kiln_demo_exchange(uint16_t port, uint64_t bytes, struct kiln_demo_transfer *t,
				  struct kiln_error *err)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	enum kiln_code rc = KILN_OK;
	memset(t, 0, sizeof *t);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		rc =
		    kiln_fail_errno(err, KILN_E_SYSTEM, errno, "the client side cannot be reached");
		goto out;
	}
	const double start = seconds();
	if (!kiln_demo_send_random(fd, bytes, t->sent_hash) || shutdown(fd, SHUT_WR) != 0) {
		rc = kiln_fail_errno(err, KILN_E_TARGET, errno, "the bytes could not be sent");
		goto out;
	}
	t->sent = bytes;
	if (!receive(fd, t))
		rc = kiln_fail_errno(err, KILN_E_TARGET, errno, "the answer did not come in full");
	t->seconds = seconds() - start;
out:
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

bool kiln_demo_matches(const struct kiln_demo_transfer *t)
{
	return t->sent == t->receipt.received &&
	       memcmp(t->sent_hash, t->receipt.received_hash, KILN_DEMO_HASH) == 0 &&
	       memcmp(t->received_hash, t->receipt.sent_hash, KILN_DEMO_HASH) == 0;
}

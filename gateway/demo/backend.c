/* SPDX-License-Identifier: Apache-2.0
 * The demo's backend; see transfer.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "demo/transfer.h"

#define CHUNK 65536u

static bool send_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;
	while (len > 0) {
		const ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

bool kiln_demo_send_random(int fd, uint64_t bytes, uint8_t hash[KILN_DEMO_HASH])
{
	static uint8_t chunk[CHUNK];
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool ok = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
	for (uint64_t left = bytes; ok && left > 0;) {
		const size_t n = left < CHUNK ? (size_t)left : CHUNK;
		ok = RAND_bytes(chunk, (int)n) == 1 && EVP_DigestUpdate(md, chunk, n) == 1 &&
		     send_all(fd, chunk, n);
		left -= n;
	}
	ok = ok && EVP_DigestFinal_ex(md, hash, NULL) == 1;
	EVP_MD_CTX_free(md);
	return ok;
}

static void serve(int fd, uint64_t answer_bytes)
{
	static uint8_t chunk[CHUNK];
	struct kiln_demo_receipt receipt;
	memset(&receipt, 0, sizeof receipt);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ssize_t n = -1;
	if (md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1)
		while ((n = recv(fd, chunk, sizeof chunk, 0)) > 0) {
			receipt.received += (uint64_t)n;
			(void)EVP_DigestUpdate(md, chunk, (size_t)n);
		}
	if (n == 0 && EVP_DigestFinal_ex(md, receipt.received_hash, NULL) == 1 &&
	    kiln_demo_send_random(fd, answer_bytes, receipt.sent_hash))
		(void)send_all(fd, &receipt,
			       sizeof receipt); /* the other end misses it if it fails */
	EVP_MD_CTX_free(md);
	(void)close(fd);
}

enum kiln_code kiln_demo_backend(uint64_t answer_bytes, pid_t *pid, uint16_t *port,
				 struct kiln_error *err)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof address;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
	    listen(fd, 16) != 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
		(void)kiln_fail_errno(err, KILN_E_SYSTEM, errno,
				      "the backend cannot listen on loopback");
		if (fd >= 0)
			(void)close(fd);
		return KILN_E_SYSTEM;
	}
	*port = ntohs(address.sin_port);
	*pid = fork();
	if (*pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			const int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
			if (connection >= 0)
				serve(connection, answer_bytes);
		}
	}
	const int failed = errno;
	(void)close(fd);
	return *pid > 0
		   ? KILN_OK
		   : kiln_fail_errno(err, KILN_E_SYSTEM, failed, "the backend cannot be started");
}

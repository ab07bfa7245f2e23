/* SPDX-License-Identifier: Apache-2.0
 * One end of a large transfer: one side sends and ends its half, the other side answers with the
 * SHA-256 of what it got through the half that is still open, and ends that.
 *
 *   interop_bulk --listen HOST:PORT | --connect HOST:PORT [--tls CA] [--name N]
 *                [--send BYTES] [--seed N]       without --send it receives
 *
 * Lines of JSON come out: "listening" with the port, "progress" every second, "end" with the size,
 * the SHA-256 of this end and, when TLS is spoken here, its cipher. Exit status 0 only when both
 * ends have the same SHA-256 and both halves ended cleanly. */
#include "bulk.h"

#include <errno.h>
#include <getopt.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCK       65536u
#define BLOCK_WORDS (BLOCK / sizeof(uint64_t))
#define DIGEST      32u

struct transfer {
	struct end end;
	EVP_MD_CTX *hash;
	uint64_t done;
	double started_at, said_at;
	uint8_t digest[DIGEST];
};

void bulk_die(const char *what)
{
	const unsigned long tls = ERR_peek_last_error();
	(void)fprintf(stderr, "interop_bulk: %s: %s\n", what,
		      tls != 0 ? ERR_error_string(tls, NULL) : strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void say_progress(struct transfer *t)
{
	if (now() < t->said_at + 1)
		return;
	t->said_at = now();
	(void)printf("{\"event\":\"progress\",\"bytes\":%llu}\n", (unsigned long long)t->done);
	(void)fflush(stdout);
}

static void count(struct transfer *t, const uint8_t *data, size_t len)
{
	if (EVP_DigestUpdate(t->hash, data, len) != 1)
		bulk_die("SHA-256");
	t->done += len;
	say_progress(t);
}

/* Random words once, and each block adds its number to them: cheap where the processor is
 * emulated, and no two blocks are alike. */
static void fill_first(uint64_t words[BLOCK_WORDS], uint64_t seed)
{
	for (size_t i = 0; i < BLOCK_WORDS; i++) {
		uint64_t x = (seed += UINT64_C(0x9e3779b97f4a7c15));
		x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
		words[i] = x ^ (x >> 31);
	}
}

static void fill_next(uint64_t words[BLOCK_WORDS])
{
	for (size_t i = 0; i < BLOCK_WORDS; i++)
		words[i] += UINT64_C(0x9e3779b97f4a7c15);
}

static void send_all(struct transfer *t, uint64_t size, uint64_t seed)
{
	static uint64_t words[BLOCK_WORDS];
	const uint8_t *block = (const uint8_t *)words;
	fill_first(words, seed);
	while (t->done < size) {
		const uint64_t left = size - t->done;
		const size_t len = left < BLOCK ? (size_t)left : BLOCK;
		bulk_write(&t->end, block, len);
		count(t, block, len);
		fill_next(words);
	}
	bulk_end(&t->end);
}

static void receive_all(struct transfer *t)
{
	static uint8_t block[BLOCK];
	for (size_t n; (n = bulk_read(&t->end, block, sizeof block)) > 0;)
		count(t, block, n);
}

static void finish_hash(struct transfer *t)
{
	if (EVP_DigestFinal_ex(t->hash, t->digest, NULL) != 1)
		bulk_die("SHA-256");
}

/* The answer comes after our half has ended, and then the other half ends. */
static void compare_digests(struct transfer *t)
{
	uint8_t theirs[DIGEST + 1];
	size_t have = 0;
	for (size_t n; (n = bulk_read(&t->end, theirs + have, sizeof theirs - have)) > 0;) {
		have += n;
		if (have == sizeof theirs)
			break;
	}
	errno = EBADMSG;
	if (have != DIGEST)
		bulk_die("the answer is no SHA-256");
	if (memcmp(theirs, t->digest, DIGEST) != 0)
		bulk_die("the other end has another SHA-256");
}

static void run(struct transfer *t, bool sends, uint64_t size, uint64_t seed)
{
	t->hash = EVP_MD_CTX_new();
	if (t->hash == NULL || EVP_DigestInit_ex(t->hash, EVP_sha256(), NULL) != 1)
		bulk_die("SHA-256");
	t->started_at = t->said_at = now();
	if (sends) {
		send_all(t, size, seed);
		finish_hash(t);
		compare_digests(t);
	} else {
		receive_all(t);
		finish_hash(t);
		bulk_write(&t->end, t->digest, DIGEST);
		bulk_end(&t->end);
	}
	EVP_MD_CTX_free(t->hash);
}

static void print_end(const struct transfer *t)
{
	(void)printf("{\"event\":\"end\",\"bytes\":%llu,\"seconds\":%.3f,\"sha256\":\"",
		     (unsigned long long)t->done, now() - t->started_at);
	for (unsigned i = 0; i < DIGEST; i++)
		(void)printf("%02x", t->digest[i]);
	(void)printf("\"");
	if (t->end.ssl != NULL)
		(void)printf(",\"cipher\":\"%s\"", SSL_get_cipher_name(t->end.ssl));
	(void)printf("}\n");
}

int main(int argc, char **argv)
{
	enum { LISTEN = 1, CONNECT, TLS, NAME, SEND, SEED };
	static const struct option flags[] = {
	    {"listen", 1, NULL, LISTEN}, {"connect", 1, NULL, CONNECT}, {"tls", 1, NULL, TLS},
	    {"name", 1, NULL, NAME},     {"send", 1, NULL, SEND},       {"seed", 1, NULL, SEED},
	    {NULL, 0, NULL, 0},
	};
	static struct transfer transfer;
	char *listen_at = NULL, *connect_to = NULL;
	const char *ca = NULL, *name = "localhost";
	uint64_t size = 0, seed = 1;
	bool sends = false;
	(void)signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
		switch (flag) {
		case LISTEN: listen_at = optarg; break;
		case CONNECT: connect_to = optarg; break;
		case TLS: ca = optarg; break;
		case NAME: name = optarg; break;
		case SEND: size = strtoull(optarg, NULL, 10), sends = true; break;
		case SEED: seed = strtoull(optarg, NULL, 10); break;
		default: return 2;
		}
	}
	if ((listen_at == NULL) == (connect_to == NULL)) {
		(void)fprintf(stderr, "interop_bulk: one of --listen and --connect is needed\n");
		return 2;
	}
	if (listen_at != NULL)
		bulk_accept(&transfer.end, listen_at);
	else
		bulk_connect(&transfer.end, connect_to);
	if (ca != NULL)
		bulk_start_tls(&transfer.end, ca, name);
	run(&transfer, sends, size, seed);
	print_end(&transfer);
	bulk_close(&transfer.end);
	return 0;
}

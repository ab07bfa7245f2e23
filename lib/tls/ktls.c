/* SPDX-License-Identifier: Apache-2.0
 * Keys into the kernel, and the records that are not data. Linux uapi/linux/tls.h and
 * Documentation/networking/tls.rst. */
#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include <kiln/ktls.h>

#include "base/bytes.h"
#include "base/sys.h"
#include "tls/secret.h"
#include "tls/traffic.h"

#ifndef SOL_TLS
#define SOL_TLS 282
#endif
#ifndef TCP_ULP
#define TCP_ULP 31
#endif

union crypto_info {
	struct tls_crypto_info head;
	struct tls12_crypto_info_aes_gcm_128 aes128;
	struct tls12_crypto_info_aes_gcm_256 aes256;
	struct tls12_crypto_info_chacha20_poly1305 chacha;
};

/* The kernel calls the first four bytes of a GCM nonce the salt and the other eight the IV. */
static socklen_t fill_info(union crypto_info *info, const struct kiln_suite *suite,
			   const struct kiln_traffic_keys *keys, uint64_t sequence)
{
	memset(info, 0, sizeof *info);
	info->head.version = TLS_1_3_VERSION;
	info->head.cipher_type = suite->ktls_cipher;
	switch (suite->ktls_cipher) {
	case TLS_CIPHER_AES_GCM_128:
		memcpy(info->aes128.salt, keys->iv, sizeof info->aes128.salt);
		memcpy(info->aes128.iv, keys->iv + 4, sizeof info->aes128.iv);
		memcpy(info->aes128.key, keys->key, sizeof info->aes128.key);
		kiln_store_be64(info->aes128.rec_seq, sequence);
		return sizeof info->aes128;
	case TLS_CIPHER_AES_GCM_256:
		memcpy(info->aes256.salt, keys->iv, sizeof info->aes256.salt);
		memcpy(info->aes256.iv, keys->iv + 4, sizeof info->aes256.iv);
		memcpy(info->aes256.key, keys->key, sizeof info->aes256.key);
		kiln_store_be64(info->aes256.rec_seq, sequence);
		return sizeof info->aes256;
	default:
		memcpy(info->chacha.iv, keys->iv, sizeof info->chacha.iv);
		memcpy(info->chacha.key, keys->key, sizeof info->chacha.key);
		kiln_store_be64(info->chacha.rec_seq, sequence);
		return sizeof info->chacha;
	}
}

static const struct kiln_sys *real(const struct kiln_sys *sys)
{
	return sys != NULL ? sys : &kiln_sys_linux;
}

/* 0, or the errno of the refusal; EPROTO when the keys could not be derived. */
static int install_one(const struct kiln_sys *sys, int fd, int option,
		       const struct kiln_traffic *traffic)
{
	struct kiln_traffic_keys keys;
	union crypto_info info;
	int result = EPROTO;
	if (kiln_derive_keys(traffic->suite, traffic->secret, &keys, NULL) == KILN_OK) {
		socklen_t len = fill_info(&info, traffic->suite, &keys, traffic->sequence);
		result = sys->setsockopt(fd, SOL_TLS, option, &info, len) == 0 ? 0 : errno;
	}
	kiln_wipe(&keys, sizeof keys);
	kiln_wipe(&info, sizeof info);
	return result;
}

enum kiln_code kiln_ktls_install(const struct kiln_sys *sys, int fd, struct kiln_traffic *rx,
				 struct kiln_traffic *tx, bool *spoiled, struct kiln_error *err)
{
	sys = real(sys);
	*spoiled = false;
	/* The ULP changes nothing until a direction has keys, so a refusal here costs nothing. */
	if (sys->setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls" - 1) != 0)
		return kiln_fail_errno(err, KILN_E_UNSUPPORTED, errno, "%s",
				       errno == ENOTCONN ? "the peer closed its side before the "
							   "keys could go into the kernel"
							 : "TCP_ULP tls refused");
	int failed = install_one(sys, fd, TLS_TX, tx);
	if (failed != 0)
		return kiln_fail_errno(err, KILN_E_UNSUPPORTED, failed, "TLS_TX %s refused",
				       tx->suite->name);
	*spoiled = true;
	failed = install_one(sys, fd, TLS_RX, rx);
	if (failed != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, failed, "TLS_RX %s refused after TLS_TX",
				       rx->suite->name);
	*spoiled = false;
	rx->where = tx->where = KILN_IN_KERNEL;
	kiln_traffic_release_cipher(rx);
	kiln_traffic_release_cipher(tx);
	return KILN_OK;
}

enum kiln_code kiln_ktls_rekey(const struct kiln_sys *sys, int fd, enum kiln_direction direction,
			       const struct kiln_traffic *traffic, struct kiln_error *err)
{
	int failed = install_one(real(sys), fd, direction == KILN_RX ? TLS_RX : TLS_TX, traffic);
	if (failed != 0)
		return kiln_fail_errno(
		    err, KILN_E_TLS_KEY_UPDATE, failed,
		    "this kernel cannot change the %s key of a TLS socket (Linux "
		    "6.14 can)",
		    direction == KILN_RX ? "receiving" : "sending");
	return KILN_OK;
}

/* Before 6.14 a second key is refused with EBUSY unseen; since then it is read, and one of another
 * TLS version is refused with EINVAL before anything is touched (net/tls/tls_main.c). */
bool kiln_ktls_can_rekey(const struct kiln_sys *sys, int fd, enum kiln_direction direction)
{
	const struct tls_crypto_info other = {
	    .version = TLS_1_2_VERSION,
	    .cipher_type = TLS_CIPHER_AES_GCM_128,
	};
	return real(sys)->setsockopt(fd, SOL_TLS, direction == KILN_RX ? TLS_RX : TLS_TX, &other,
				     sizeof other) != 0 &&
	       errno == EINVAL;
}

ssize_t kiln_ktls_send_record(const struct kiln_sys *sys, int fd, uint8_t type, const void *data,
			      size_t len)
{
	union {
		struct cmsghdr head;
		uint8_t space[CMSG_SPACE(1)];
	} control;
	union {
		const void *in;
		void *out;
	} bytes = {.in = data}; /* sendmsg takes no const, and does not write */
	struct iovec iov = {.iov_base = bytes.out, .iov_len = len};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof control.space,
	};
	memset(&control, 0, sizeof control);
	control.head.cmsg_level = SOL_TLS;
	control.head.cmsg_type = TLS_SET_RECORD_TYPE;
	control.head.cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(&control.head) = type;
	return real(sys)->sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t kiln_ktls_receive(const struct kiln_sys *sys, int fd, void *data, size_t len, int flags,
			  uint8_t *type)
{
	union {
		struct cmsghdr head;
		uint8_t space[CMSG_SPACE(1)];
	} control;
	struct iovec iov = {.iov_base = data, .iov_len = len};
	struct msghdr msg = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof control.space,
	};
	ssize_t n = real(sys)->recvmsg(fd, &msg, flags);
	*type = KILN_RECORD_DATA;
	if (n < 0)
		return n;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	if (c != NULL && c->cmsg_level == SOL_TLS && c->cmsg_type == TLS_GET_RECORD_TYPE)
		*type = *CMSG_DATA(c);
	return n;
}

static enum kiln_code refuse(struct kiln_error *err, enum kiln_code code, uint8_t alert,
			     int sys_errno, const char *rule)
{
	(void)kiln_fail_errno(err, code, sys_errno, "record refused: %s", rule);
	if (err != NULL)
		err->alert = alert;
	return code;
}

/* What the kernel says about the peer's records (Documentation/networking/tls.rst and
 * net/tls/tls_sw.c). KILN_OK: it is not about records. */
static enum kiln_code judge_record(int sys_errno, struct kiln_error *err)
{
	switch (sys_errno) {
	case EBADMSG:
		return refuse(err, KILN_E_TLS_DECRYPT, KILN_ALERT_BAD_RECORD_MAC, sys_errno,
			      "its tag does not verify (RFC 8446 5.2)");
	case EMSGSIZE:
		return refuse(err, KILN_E_TLS_RECORD, KILN_ALERT_RECORD_OVERFLOW, sys_errno,
			      "too long (RFC 8446 5.2)");
	case EINVAL:
	case EPROTO:
		return refuse(err, KILN_E_TLS_RECORD, KILN_ALERT_UNEXPECTED_MESSAGE, sys_errno,
			      "no TLS 1.3 record (RFC 8446 5.2)");
	default: return KILN_OK;
	}
}

enum kiln_code kiln_ktls_receive_verdict(struct kiln_traffic *rx, int sys_errno,
					 struct kiln_error *err)
{
	if (rx->where == KILN_IN_KERNEL && sys_errno == EKEYEXPIRED)
		return kiln_traffic_count_useless(rx, err);
	if (rx->where == KILN_IN_KERNEL) {
		const enum kiln_code rc = judge_record(sys_errno, err);
		if (rc != KILN_OK)
			return rc;
	}
	switch (sys_errno) {
	case ECONNRESET:
	case EPIPE:
		return kiln_fail_errno(err, KILN_E_TLS_TRUNCATED, sys_errno,
				       "the peer reset the connection without close_notify");
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
		return kiln_fail_errno(err, KILN_E_TLS_TRUNCATED, sys_errno,
				       "the peer cannot be reached any more");
	default: return kiln_fail_errno(err, KILN_E_SYSTEM, sys_errno, "receiving failed");
	}
}

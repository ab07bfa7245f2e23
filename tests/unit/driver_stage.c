/* SPDX-License-Identifier: Apache-2.0
 * The played kernel of driver_stage.h. */
#include "driver_stage.h"

#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "base/sys.h"

#define SOL_TLS_NUMBER 282

static const struct stage_step *script; /* NULL: the handshake, with real calls */
static size_t left;

/* Comes into force with the first call after the handshake, which sets the ULP. */
static const struct stage_step *prepared;
static size_t prepared_len;

struct rig stage_rig;

/* ---- steps ---------------------------------------------------------------------------------- */

struct stage_step stage_ok(enum stage_call call)
{
	return (struct stage_step){.call = call};
}

struct stage_step stage_fails(enum stage_call call, int with)
{
	return (struct stage_step){.call = call, .failed = with};
}

struct stage_step stage_data(const char *text)
{
	return (struct stage_step){.call = STAGE_RECV, .data = text, .len = strlen(text)};
}

struct stage_step stage_sends(const char *text)
{
	return (struct stage_step){.call = STAGE_SEND, .data = text, .len = strlen(text)};
}

struct stage_step stage_control(uint8_t type, const char *data, size_t len)
{
	return (struct stage_step){STAGE_RECVMSG, 0, type, data, len};
}

struct stage_step stage_update(bool asks)
{
	return stage_control(KILN_RECORD_HANDSHAKE, asks ? "\x18\0\0\1\1" : "\x18\0\0\1\0", 5);
}

struct stage_step stage_answer(void)
{
	return (struct stage_step){STAGE_SENDMSG, 0, KILN_RECORD_HANDSHAKE, "\x18\0\0\1\0", 5};
}

struct stage_step stage_alert(uint8_t level, uint8_t alert)
{
	static char text[256][2];
	text[alert][0] = (char)level;
	text[alert][1] = (char)alert;
	return (struct stage_step){STAGE_SENDMSG, 0, KILN_RECORD_ALERT, text[alert], 2};
}

/* ---- system calls --------------------------------------------------------------------------- */

static const struct stage_step *next(enum stage_call call)
{
	if (left == 0)
		fail_msg("a system call (%d) behind the end of the script", (int)call);
	assert_int_equal(script->call, call);
	left--;
	errno = script->failed;
	return script++;
}

static int play_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	(void)fd, (void)value, (void)len;
	if (script == NULL) {
		script = prepared;
		left = prepared_len;
	}
	const enum stage_call call = level == IPPROTO_TCP && name == TCP_ULP ? STAGE_SET_ULP
				     : name == TLS_TX                        ? STAGE_SET_TX
									     : STAGE_SET_RX;
	return next(call)->failed != 0 ? -1 : 0;
}

static ssize_t play_recv(int fd, void *data, size_t len, int flags)
{
	if (script == NULL)
		return recv(fd, data, len, flags);
	const struct stage_step *step = next(STAGE_RECV);
	if (step->failed != 0)
		return -1;
	assert_true(step->len <= len);
	memcpy(data, step->data, step->len);
	return (ssize_t)step->len;
}

static ssize_t play_recvmsg(int fd, struct msghdr *msg, int flags)
{
	const struct stage_step *step = next(STAGE_RECVMSG);
	(void)fd, (void)flags;
	if (step->failed != 0)
		return -1;
	assert_true(step->len <= msg->msg_iov->iov_len);
	memcpy(msg->msg_iov->iov_base, step->data, step->len);
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_TLS_NUMBER;
	c->cmsg_type = TLS_GET_RECORD_TYPE;
	c->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(c) = step->type;
	return (ssize_t)step->len;
}

/* A step shorter than what is sent is a short write. */
static ssize_t play_send(int fd, const void *data, size_t len, int flags)
{
	assert_true(flags & MSG_NOSIGNAL);
	if (script == NULL)
		return send(fd, data, len, flags);
	const struct stage_step *step = next(STAGE_SEND);
	if (step->failed != 0)
		return -1;
	if (step->data == NULL)
		return (ssize_t)len;
	assert_true(step->len <= len);
	assert_memory_equal(data, step->data, step->len);
	return (ssize_t)step->len;
}

static ssize_t play_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	const struct stage_step *step = next(STAGE_SENDMSG);
	(void)fd;
	assert_true(flags & MSG_NOSIGNAL);
	if (step->failed != 0)
		return -1;
	assert_int_equal(*CMSG_DATA(CMSG_FIRSTHDR(msg)), step->type);
	assert_int_equal(msg->msg_iov->iov_len, step->len);
	assert_memory_equal(msg->msg_iov->iov_base, step->data, step->len);
	return (ssize_t)step->len;
}

static const struct kiln_sys played = {
    .setsockopt = play_setsockopt,
    .recv = play_recv,
    .recvmsg = play_recvmsg,
    .send = play_send,
    .sendmsg = play_sendmsg,
};

/* ---- curtain -------------------------------------------------------------------------------- */

static void patient_peer(int fd, int sync, const void *arg)
{
	(void)rig_child_open(fd, arg, (struct kiln_conn_options){0});
	rig_hear(sync);
}

int stage_accept(const struct stage_step *steps, size_t count, uint64_t rekey_records,
		 struct kiln_conn **conn, struct kiln_error *err)
{
	const struct kiln_conn_options o = {.rekey_records = rekey_records, .sys = &played};
	script = NULL;
	prepared = steps;
	prepared_len = count;
	rig_start(&stage_rig, &rig_ways[2], patient_peer, &rig_ways[2]);
	return kiln_tls_accept(rig_server, stage_rig.fd, &o, conn, err);
}

struct kiln_conn *stage_open(const struct stage_step *steps, size_t count, uint64_t rekey_records)
{
	struct kiln_conn *conn;
	struct kiln_error err;
	if (stage_accept(steps, count, rekey_records, &conn, &err) < 0)
		fail_msg("%s", err.message);
	return conn;
}

static void end(void)
{
	assert_int_equal(left, 0);
	script = NULL;
	rig_say(stage_rig.sync);
	rig_finish(&stage_rig);
}

void stage_close(struct kiln_conn *conn)
{
	/* close_notify where it is still due, and a look for what nobody read. */
	const struct stage_step last[] = {
	    stage_fails(STAGE_SENDMSG, EPIPE),
	    stage_fails(STAGE_RECVMSG, EAGAIN),
	};
	assert_int_equal(left, 0);
	const bool over = kiln_conn_write(conn, "", 0, NULL) != 0;
	script = over ? last + 1 : last;
	left = over ? 1 : 2;
	kiln_conn_close(conn);
	end();
}

void stage_close_fd(void)
{
	assert_int_equal(close(stage_rig.fd), 0);
	end();
}

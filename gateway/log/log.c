/* SPDX-License-Identifier: Apache-2.0
 * Builds log lines in a fixed buffer. */
#include "log/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log/escape.h"
#include "log/sink.h"

/* Kept free for what kiln_log_finish adds: the two notes on losses, and the line's end. */
#define TAIL 96u

static bool is_json(void)
{
	return kiln_log_sink.format == KILN_LOG_JSON;
}

static size_t room(const struct kiln_log_line *l)
{
	return l->limit - l->len;
}

static void put(struct kiln_log_line *l, const char *text, size_t len)
{
	memcpy(l->text + l->len, text, len);
	l->len += len;
}

/* Starts a field whose value needs at least value_len bytes; false when there is no room. */
static bool put_key(struct kiln_log_line *l, const char *key, size_t value_len)
{
	size_t len = strlen(key);
	if (!l->wanted)
		return false;
	if (room(l) < len + 4 + value_len) {
		l->truncated = true;
		return false;
	}
	if (is_json()) {
		put(l, l->len == 0 ? "{\"" : ",\"", 2);
		put(l, key, len);
		put(l, "\":", 2);
	} else {
		if (l->len > 0)
			put(l, " ", 1);
		put(l, key, len);
		put(l, "=", 1);
	}
	return true;
}

/* A value that needs no escaping and, in JSON, no quotes. */
static void put_bare(struct kiln_log_line *l, const char *key, const char *value)
{
	size_t len = strlen(value);
	if (put_key(l, key, len))
		put(l, value, len);
}

static void put_quoted(struct kiln_log_line *l, const uint8_t *p, size_t left)
{
	size_t end = l->len + (room(l) < KILN_LOG_VALUE_MAX ? room(l) : KILN_LOG_VALUE_MAX) - 1;
	put(l, "\"", 1);
	while (left > 0) {
		struct kiln_log_escaped e;
		kiln_log_escape(kiln_log_sink.format, p, left, &e);
		if (e.len > end - l->len) {
			l->truncated = true;
			break;
		}
		put(l, e.text, e.len);
		p += e.taken;
		left -= e.taken;
	}
	put(l, "\"", 1);
}

void kiln_log_bytes(struct kiln_log_line *l, const char *key, const void *data, size_t len)
{
	bool bare = !is_json() && len <= KILN_LOG_VALUE_MAX && kiln_log_is_bare(data, len);
	if (bare && put_key(l, key, len))
		put(l, data, len);
	else if (!bare && put_key(l, key, 2))
		put_quoted(l, data, len);
}

void kiln_log_str(struct kiln_log_line *l, const char *key, const char *value)
{
	if (value != NULL)
		kiln_log_bytes(l, key, value, strlen(value));
}

void kiln_log_u64(struct kiln_log_line *l, const char *key, uint64_t value)
{
	/* Beyond 63 bits, readers of JSON disagree about numbers: as text. */
	const char *quote = is_json() && value > INT64_MAX ? "\"" : "";
	char text[32];
	(void)snprintf(text, sizeof text, "%s%" PRIu64 "%s", quote, value, quote);
	put_bare(l, key, text);
}

void kiln_log_i64(struct kiln_log_line *l, const char *key, int64_t value)
{
	char text[32];
	(void)snprintf(text, sizeof text, "%" PRId64, value);
	put_bare(l, key, text);
}

void kiln_log_bool(struct kiln_log_line *l, const char *key, bool value)
{
	put_bare(l, key, value ? "true" : "false");
}

void kiln_log_ms(struct kiln_log_line *l, const char *key, uint64_t microseconds)
{
	char text[40];
	(void)snprintf(text, sizeof text, "%" PRIu64 ".%03u", microseconds / 1000,
		       (unsigned)(microseconds % 1000));
	put_bare(l, key, text);
}

void kiln_log_hex(struct kiln_log_line *l, const char *key, const void *data, size_t len)
{
	static const char digit[] = "0123456789abcdef";
	char text[KILN_LOG_VALUE_MAX - 2];
	const uint8_t *p = data;
	if (2 * len > sizeof text) {
		len = sizeof text / 2;
		l->truncated = true;
	}
	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digit[p[i] >> 4];
		text[2 * i + 1] = digit[p[i] & 15];
	}
	kiln_log_bytes(l, key, text, 2 * len);
}

void kiln_log_error(struct kiln_log_line *l, const struct kiln_error *err)
{
	kiln_log_str(l, "code", kiln_code_name(err->code));
	kiln_log_str(l, "error", err->message);
	if (err->alert != 0)
		kiln_log_str(l, "alert", kiln_alert_name(err->alert));
}

/* The constant field is "3" in the program, but a number to readers of JSON. */
static void put_constant(struct kiln_log_line *l, const char *key, const char *value)
{
	bool number = value[0] != '\0' && (value[0] != '0' || value[1] == '\0') &&
		      strspn(value, "0123456789") == strlen(value) && strlen(value) < 18;
	if (number)
		put_bare(l, key, value);
	else
		kiln_log_str(l, key, value);
}

void kiln_log_begin(struct kiln_log_line *l, enum kiln_log_level level, const char *event)
{
	char time[KILN_LOG_TIME_MAX];
	struct timespec now = {0};
	l->wanted = kiln_log_wanted(level);
	l->truncated = false;
	l->len = 0;
	l->limit = sizeof l->text - TAIL;
	if (!l->wanted)
		return;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	kiln_log_time(&now, time);
	kiln_log_str(l, "time", time);
	kiln_log_str(l, "level", kiln_log_level_name(level));
	if (kiln_log_sink.key != NULL && kiln_log_sink.value != NULL)
		put_constant(l, kiln_log_sink.key, kiln_log_sink.value);
	kiln_log_str(l, "event", event);
}

const char *kiln_log_finish(struct kiln_log_line *l, size_t *len)
{
	*len = 0;
	if (!l->wanted)
		return l->text;
	l->limit = sizeof l->text - 2;
	if (l->truncated)
		kiln_log_bool(l, "log_truncated", true);
	if (kiln_log_sink.dropped > 0)
		kiln_log_u64(l, "log_dropped", kiln_log_sink.dropped);
	if (is_json())
		put(l, "}", 1);
	put(l, "\n", 1);
	*len = l->len;
	return l->text;
}

static void write_held(void)
{
	const struct iovec lines = {kiln_log_sink.held, kiln_log_sink.held_len};
	if (lines.iov_len > 0 && !kiln_log_write(&lines))
		kiln_log_sink.dropped += kiln_log_sink.held_lines;
	kiln_log_sink.held_len = kiln_log_sink.held_lines = 0;
}

/* A line that says how many were lost goes out by itself, or others would say it again. */
static bool hold(const struct iovec *line)
{
	if (!kiln_log_sink.holds || kiln_log_sink.dropped > 0)
		return false;
	if (line->iov_len > sizeof kiln_log_sink.held - kiln_log_sink.held_len)
		write_held();
	if (kiln_log_sink.dropped > 0)
		return false;
	memcpy(kiln_log_sink.held + kiln_log_sink.held_len, line->iov_base, line->iov_len);
	kiln_log_sink.held_len += line->iov_len;
	kiln_log_sink.held_lines++;
	return true;
}

void kiln_log_hold(void)
{
	kiln_log_sink.holds = kiln_log_sink.out != KILN_LOG_TO_SOCKET;
}

void kiln_log_let_go(void)
{
	write_held();
	kiln_log_sink.holds = false;
}

void kiln_log_end(struct kiln_log_line *l)
{
	size_t len;
	(void)kiln_log_finish(l, &len);
	if (len == 0)
		return;
	const struct iovec line = {.iov_base = l->text, .iov_len = len};
	if (hold(&line))
		return;
	if (kiln_log_write(&line))
		kiln_log_sink.dropped = 0;
	else
		kiln_log_sink.dropped++;
}

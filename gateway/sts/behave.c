/* SPDX-License-Identifier: Apache-2.0
 * Misbehaviour on demand; see behave.h. */
#include "sts/behave.h"

#include <stdio.h>
#include <string.h>

#include "cli/values.h"

static const char *const garbage_words[] = {"none", "html", "cut", "large", NULL};
static const char *const switch_words[] = {"0", "1", NULL};

/* ------------------------------------------------------------------ playing */

static bool throttle(struct kiln_stsd_behaviour *b, uint64_t now_us)
{
	const uint64_t one = 1000000, most = b->throttle * one;
	uint64_t passed = now_us - b->last_us;
	if (b->last_us == 0 || passed > one)
		passed = one;
	b->last_us = now_us;
	b->tokens_us += passed * b->throttle;
	if (b->tokens_us > most)
		b->tokens_us = most;
	if (b->tokens_us < one)
		return true;
	b->tokens_us -= one;
	return false;
}

enum kiln_stsd_play kiln_stsd_play(struct kiln_stsd_behaviour *b, uint64_t now_us)
{
	if (b->drop)
		return KILN_STSD_PLAY_DROP;
	if (b->throttled && throttle(b, now_us))
		return KILN_STSD_PLAY_THROTTLE;
	b->owed += b->fail_percent;
	if (b->owed >= 100) {
		b->owed -= 100;
		return KILN_STSD_PLAY_FAIL;
	}
	return KILN_STSD_PLAY_ANSWER;
}

/* ------------------------------------------------------------------ setting */

static bool all_digits(const char *text)
{
	return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static enum kiln_code set_delay(struct kiln_stsd_behaviour *b, const char *flag, const char *value,
				struct kiln_error *err)
{
	const uint64_t max = UINT64_C(600) * 1000;
	enum kiln_code code = all_digits(value)
				  ? kiln_value_count(flag, value, 0, max, &b->delay_ms, err)
				  : kiln_value_duration(flag, value, &b->delay_ms, err);
	if (code == KILN_OK && b->delay_ms > max)
		return kiln_fail(err, KILN_E_CONFIG, "%s is 10 minutes at most", flag);
	return code;
}

static enum kiln_code set_throttle(struct kiln_stsd_behaviour *b, const char *flag,
				   const char *value, struct kiln_error *err)
{
	char number[24];
	const size_t len = strlen(value);
	const size_t unit = len > 2 && strcmp(value + len - 2, "/s") == 0 ? 2 : 0;
	(void)snprintf(number, sizeof number, "%.*s",
		       (int)(len - unit < sizeof number ? len - unit : sizeof number), value);
	b->throttled = true;
	b->last_us = 0;
	b->tokens_us = 0;
	return kiln_value_count(flag, number, 0, 1000000, &b->throttle, err);
}

static enum kiln_code set_switch(bool *on, const char *flag, const char *value,
				 struct kiln_error *err)
{
	int word = 0;
	enum kiln_code code = kiln_value_word(flag, value, switch_words, &word, err);
	*on = word == 1;
	return code;
}

enum kiln_code kiln_stsd_behave(struct kiln_stsd_behaviour *b, const char *flag, const char *name,
				const char *value, struct kiln_error *err)
{
	if (strcmp(name, "delay") == 0)
		return set_delay(b, flag, value, err);
	if (strcmp(name, "throttle") == 0)
		return set_throttle(b, flag, value, err);
	if (strcmp(name, "fail-rate") == 0)
		return kiln_value_count(flag, value, 0, 100, &b->fail_percent, err);
	if (strcmp(name, "garbage") == 0)
		return kiln_value_word(flag, value, garbage_words, &b->garbage, err);
	if (strcmp(name, "hang") == 0)
		return set_switch(&b->hang, flag, value, err);
	if (strcmp(name, "drop") == 0)
		return set_switch(&b->drop, flag, value, err);
	return kiln_fail(err, KILN_E_CONFIG,
			 "'%.40s' is none of delay, throttle, fail-rate, garbage, hang, drop, on",
			 name);
}

enum kiln_code kiln_stsd_behave_all(struct kiln_stsd_behaviour *b,
				    const struct kiln_stsd_params *params, struct kiln_error *err)
{
	struct kiln_stsd_behaviour fresh = {0};
	for (size_t i = 0; i < params->count; i++) {
		const char *name = params->text + params->at[i].name;
		if (strcmp(name, "on") == 0)
			continue;
		enum kiln_code code =
		    kiln_stsd_behave(&fresh, name, name, params->text + params->at[i].value, err);
		if (code != KILN_OK)
			return code;
	}
	*b = fresh;
	return KILN_OK;
}

void kiln_stsd_behaviour_tell(const struct kiln_stsd_behaviour *b, char *out, size_t room)
{
	char throttle_text[32] = "", delay[32] = "", fail[32] = "", garbage[32] = "";
	if (b->delay_ms > 0)
		(void)snprintf(delay, sizeof delay, " delay=%llums",
			       (unsigned long long)b->delay_ms);
	if (b->throttled)
		(void)snprintf(throttle_text, sizeof throttle_text, " throttle=%llu/s",
			       (unsigned long long)b->throttle);
	if (b->fail_percent > 0)
		(void)snprintf(fail, sizeof fail, " fail-rate=%llu",
			       (unsigned long long)b->fail_percent);
	if (b->garbage != KILN_STSD_SANE)
		(void)snprintf(garbage, sizeof garbage, " garbage=%s", garbage_words[b->garbage]);
	char all[160];
	(void)snprintf(all, sizeof all, "%s%s%s%s%s%s", delay, throttle_text, fail, garbage,
		       b->hang ? " hang=1" : "", b->drop ? " drop=1" : "");
	(void)snprintf(out, room, "%s", all[0] != '\0' ? all + 1 : "well");
}

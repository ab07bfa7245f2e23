/* SPDX-License-Identifier: Apache-2.0
 * --tokens FILE, and `kiln keys token`; see tokens.h. */
#include "keys/serve/tokens.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/bytes.h"
#include "base/hex.h"
#include "driver/file.h"
#include "keys/flags.h"

#define TOKEN_BYTES 16 /* of randomness */
#define DAY_S       86400

/* ---- the file ------------------------------------------------------------------------------- */

struct line {
	const char *token;
	size_t len;
	uint64_t expires_ms;
};

static enum kiln_code bad_line(const char *path, unsigned number, struct kiln_error *err)
{
	return kiln_fail(err, KILN_E_CONFIG,
			 "--tokens %.100s, line %u: write TOKEN 2026-12-31; a token has up to %d "
			 "bytes",
			 path, number, KILN_KEYS_TOKEN_MAX);
}

/* text is changed. False: it breaks the form. An empty line has no token. */
static bool read_line(char *text, struct line *line)
{
	static const char blank[] = " \t\r";
	struct tm tm = {0};
	char *rest = NULL, *token = strtok_r(text, blank, &rest);
	memset(line, 0, sizeof *line);
	if (token == NULL || token[0] == '#')
		return true;
	const char *date = strtok_r(NULL, blank, &rest);
	const char *end = date != NULL ? strptime(date, "%Y-%m-%d", &tm) : NULL;
	line->token = token;
	line->len = strlen(token);
	if (end == NULL || *end != '\0' || strtok_r(NULL, blank, &rest) != NULL ||
	    line->len > KILN_KEYS_TOKEN_MAX)
		return false;
	const time_t last_day = timegm(&tm);
	line->expires_ms = last_day > 0 ? ((uint64_t)last_day + DAY_S) * 1000 : 0;
	return line->expires_ms != 0;
}

static enum kiln_store_result add(struct kiln_store *store, const struct line *line,
				  uint64_t now_ms, uint64_t *added, struct kiln_error *err)
{
	if (line->token == NULL || line->expires_ms <= now_ms)
		return KILN_STORE_OK; /* a token that is over is not made anew */
	const enum kiln_store_result rc = kiln_store_calls.token_add(
	    store, (const uint8_t *)line->token, line->len, line->expires_ms, err);
	*added += rc == KILN_STORE_OK;
	return rc == KILN_STORE_TAKEN ? KILN_STORE_OK : rc;
}

static enum kiln_code add_all(const char *path, char *text, struct kiln_store *store,
			      uint64_t now_ms, uint64_t *added, struct kiln_error *err)
{
	struct line line;
	unsigned number = 0;
	for (char *next = text; next != NULL;) {
		char *at = next;
		next = strchr(at, '\n');
		if (next != NULL)
			*next++ = '\0';
		number++;
		if (!read_line(at, &line))
			return bad_line(path, number, err);
		if (add(store, &line, now_ms, added, err) != KILN_STORE_OK)
			return err->code;
	}
	return KILN_OK;
}

enum kiln_code kiln_keyd_tokens_load(const char *path, struct kiln_store *store, uint64_t now_ms,
				     uint64_t *added, struct kiln_error *err)
{
	struct kiln_file file;
	*added = 0;
	if (kiln_file_read("--tokens", path, &file, err) != KILN_OK)
		return err->code;
	char *text = calloc(1, file.len + 1);
	enum kiln_code rc = KILN_OK;
	if (text == NULL)
		rc = kiln_fail(err, KILN_E_NO_MEMORY, "no memory for --tokens");
	else
		memcpy(text, file.data, file.len);
	if (rc == KILN_OK && kiln_store_calls.begin(store, err) != KILN_STORE_OK)
		rc = err->code;
	else if (rc == KILN_OK) {
		rc = add_all(path, text, store, now_ms, added, err);
		if (rc != KILN_OK)
			kiln_store_calls.rollback(store);
		else if (kiln_store_calls.commit(store, err) != KILN_STORE_OK)
			rc = err->code;
	}
	if (text != NULL)
		kiln_wipe(text, file.len);
	free(text);
	kiln_file_clear(&file);
	return rc;
}

/* ---- kiln keys token ------------------------------------------------------------------------ */

static const char help[] =
    "usage: kiln keys token [--count N] [--days N] >> FILE\n\n"
    "Makes registration tokens: lines for the file that `kiln keys serve --registration token\n"
    "--tokens FILE` reads at its start and at SIGHUP. Each is good for one registration.\n\n"
    "  install -o kiln-keys -m 600 /dev/null /var/lib/kiln/tokens   (once: it is the server's)\n"
    "  kiln keys token --count 3 >> /var/lib/kiln/tokens\n"
    "  systemctl reload kiln-keys\n"
    "and whoever gets one, in a file of mode 0600:\n"
    "  kiln keys register --server keys.example:8443 --account me@example.org \\\n"
    "       --token-file invitation\n\n"
    "  --count N    how many [1]\n"
    "  --days N     how long they are good [7]\n";

struct options {
	uint64_t count, days;
	bool help;
};

static const struct kiln_keys_flag flags[] = {
    {"count", 1, KILN_KEYS_FLAG_COUNT, offsetof(struct options, count), 1, 100000, NULL},
    {"days", 1, KILN_KEYS_FLAG_COUNT, offsetof(struct options, days), 1, 36500, NULL},
};

static bool print_token(const char *day)
{
	uint8_t random[TOKEN_BYTES];
	char text[2 * TOKEN_BYTES + 1];
	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return false;
	kiln_hex_encode(random, sizeof random, text);
	return printf("%s %s\n", text, day) > 0;
}

int kiln_keys_token_main(int argc, char **argv)
{
	struct options o = {.count = 1, .days = 7};
	struct kiln_error err = {0};
	struct tm tm;
	char day[16] = "";
	size_t words = 0;
	const struct kiln_keys_command_line line = {
	    .program = "kiln keys token",
	    .flags = flags,
	    .count = sizeof flags / sizeof flags[0],
	    .command = 1,
	    .options = &o,
	    .word_count = &words,
	    .help = &o.help,
	};
	if (kiln_keys_flags_read(&line, argc, argv, &err) != KILN_OK) {
		(void)fprintf(stderr, "kiln keys token: %s\n", err.message);
		return 2;
	}
	if (o.help) {
		(void)fputs(help, stdout);
		return 0;
	}
	const time_t last = time(NULL) + (time_t)o.days * DAY_S;
	bool good = gmtime_r(&last, &tm) != NULL && strftime(day, sizeof day, "%Y-%m-%d", &tm) > 0;
	for (uint64_t i = 0; good && i < o.count; i++)
		good = print_token(day);
	return good && fflush(stdout) == 0 ? 0 : 1;
}

/* SPDX-License-Identifier: Apache-2.0
 * Edit distance (optimal string alignment) over short words. */
#include "cli/suggest.h"

#include <stdint.h>
#include <string.h>

#define WORD_MAX 63u

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;
	return least < c ? least : c;
}

size_t kiln_word_distance(const char *a, const char *b)
{
	size_t rows = strlen(a), columns = strlen(b);
	size_t d[WORD_MAX + 1][WORD_MAX + 1];
	if (rows > WORD_MAX || columns > WORD_MAX)
		return SIZE_MAX;
	for (size_t i = 0; i <= rows; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= columns; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= rows; i++) {
		for (size_t j = 1; j <= columns; j++) {
			size_t replace = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
			d[i][j] = smallest(d[i - 1][j] + 1, d[i][j - 1] + 1, replace);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[rows][columns];
}

/* The one candidate that word is the start of. */
static const char *only_completion(const char *word, const char *const candidates[], size_t count)
{
	const char *found = NULL;
	for (size_t i = 0; i < count; i++) {
		if (strncmp(candidates[i], word, strlen(word)) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = candidates[i];
	}
	return found;
}

const char *kiln_word_suggest(const char *word, const char *const candidates[], size_t count)
{
	const char *nearest = only_completion(word, candidates, count);
	if (nearest != NULL || word[0] == '\0')
		return nearest;
	/* A third of the letters may be wrong, but never a whole short word. */
	size_t least = strlen(word) / 3 + 1;
	if (least > 4)
		least = 4;
	for (size_t i = 0; i < count; i++) {
		size_t distance = kiln_word_distance(word, candidates[i]);
		if (distance < least) {
			least = distance;
			nearest = candidates[i];
		}
	}
	return nearest;
}

/* Latencies, kept one by one: percentiles are exact. */
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>

void samples_add(struct samples *s, uint64_t ns)
{
	if (s->count == s->room) {
		size_t room = s->room ? s->room * 2 : 65536;
		uint64_t *grown = realloc(s->ns, room * sizeof(*grown));

		if (!grown) {
			(void)fprintf(stderr, "kiln-load: no memory for %zu latencies\n", room);
			exit(1);
		}
		s->ns = grown;
		s->room = room;
	}
	s->ns[s->count++] = ns;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void samples_sort(struct samples *s)
{
	if (s->count)
		qsort(s->ns, s->count, sizeof(*s->ns), compare);
}

uint64_t samples_quantile(const struct samples *s, double q)
{
	if (!s->count)
		return 0;
	double rank = q * (double)s->count;
	size_t index = (size_t)rank;

	if (index > 0 && (double)index == rank)
		index--;
	return s->ns[index < s->count ? index : s->count - 1];
}

double samples_mean(const struct samples *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->count; i++)
		sum += (double)s->ns[i];
	return s->count ? sum / (double)s->count : 0;
}

void samples_free(struct samples *s)
{
	free(s->ns);
	*s = (struct samples){0};
}

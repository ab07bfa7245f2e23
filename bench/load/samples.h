/* Latencies, kept one by one: percentiles are exact. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct samples {
	uint64_t *ns;
	size_t count;
	size_t room;
};

void samples_add(struct samples *s, uint64_t ns);
/* Sorts; call before samples_quantile. */
void samples_sort(struct samples *s);
/* q in 0..1, by nearest rank; 0 when there is none. */
uint64_t samples_quantile(const struct samples *s, double q);
double samples_mean(const struct samples *s);
void samples_free(struct samples *s);

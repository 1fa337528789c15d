// SPDX-License-Identifier: GPL-2.0-only
/*
 * The access patterns.
 */
#include <math.h>
#include <stdlib.h>

#include "patterns.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define CLUSTER		32

enum { UP, DOWN, MIXED };

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t random_below(struct fm_walk *walk, size_t n)
{
	return next_random(&walk->seed) % n;
}

static void shuffle(struct fm_walk *walk, size_t *a, size_t n)
{
	size_t i, other, swap;

	for (i = n; i > 1; i--) {
		other = random_below(walk, i);
		swap = a[i - 1];
		a[i - 1] = a[other];
		a[other] = swap;
	}
}

static void count_up(size_t *a, size_t n, size_t first, size_t step)
{
	size_t i;

	for (i = 0; i < n; i++)
		a[i] = first + i * step;
}

static void turn_round(size_t *a, size_t n)
{
	size_t i, swap;

	for (i = 0; i < n / 2; i++) {
		swap = a[i];
		a[i] = a[n - 1 - i];
		a[n - 1 - i] = swap;
	}
}

static size_t draw_prefix(struct fm_walk *walk, size_t n)
{
	count_up(walk->touch, n, 0, 1);
	return n;
}

static size_t draw_sequential(struct fm_walk *walk, size_t n)
{
	count_up(walk->touch, n, random_below(walk, walk->pages - n + 1), 1);
	return n;
}

static size_t draw_reverse(struct fm_walk *walk, size_t n)
{
	draw_sequential(walk, n);
	turn_round(walk->touch, n);
	return n;
}

/* One pass: a share that needs a second one is out of reach. */
static size_t draw_stride(struct fm_walk *walk, size_t n)
{
	size_t stride = walk->arg, fit = walk->pages / stride;

	if (n > fit + fit / 20)
		return 0;
	if (n > fit)
		n = fit;
	count_up(walk->touch, n,
		 random_below(walk, walk->pages - (n - 1) * stride), stride);
	return n;
}

static size_t draw_streams(struct fm_walk *walk, size_t n)
{
	size_t half = walk->pages / 2, each = n / 2, a, b, i;

	a = random_below(walk, half - each + 1);
	b = half + random_below(walk, half - each + 1);
	if (n < 2)
		return draw_sequential(walk, n);
	for (i = 0; i < each; i++) {
		walk->touch[2 * i] = a + i;
		walk->touch[2 * i + 1] = walk->arg ? b + each - 1 - i : b + i;
	}
	return 2 * each;
}

/* As many streams as @arg says, each in a part of its own. */
static size_t draw_many_streams(struct fm_walk *walk, size_t n)
{
	size_t part = walk->pages / walk->arg, each = n / walk->arg, i, j, first;

	for (i = 0; i < walk->arg; i++) {
		first = i * part + random_below(walk, part - each + 1);
		for (j = 0; j < each; j++)
			walk->touch[j * walk->arg + i] = first + j;
	}
	return each * walk->arg;
}

static size_t draw_random(struct fm_walk *walk, size_t n)
{
	count_up(walk->touch, walk->pages, 0, 1);
	shuffle(walk, walk->touch, walk->pages);
	return n;
}

static int compare_pages(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return x < y ? -1 : x > y;
}

static size_t draw_ascending(struct fm_walk *walk, size_t n)
{
	draw_random(walk, n);
	qsort(walk->touch, n, sizeof(*walk->touch), compare_pages);
	return n;
}

static size_t draw_shuffled_prefix(struct fm_walk *walk, size_t n)
{
	draw_prefix(walk, n);
	shuffle(walk, walk->touch, n);
	return n;
}

static void draw_cluster(struct fm_walk *walk, size_t *a, size_t n,
			 size_t first, int order)
{
	count_up(a, n, first, 1);
	if (order == DOWN)
		turn_round(a, n);
	if (order == MIXED)
		shuffle(walk, a, n);
}

/* Clusters at places that are @phase off a multiple of their size. */
static size_t clusters(struct fm_walk *walk, size_t n, size_t size, size_t phase, int order)
{
	size_t slots = walk->pages / size, i, len;
	size_t *slot = calloc(slots, sizeof(*slot));
	size_t page, at = 0;

	if (!slot)
		abort();
	count_up(slot, slots, 0, 1);
	shuffle(walk, slot, slots);
	for (i = 0; at < n && i < slots; i++) {
		page = slot[i] * size + phase;
		len = n - at < size ? n - at : size;
		draw_cluster(walk, walk->touch + at, len, page, order);
		for (; len; len--, at++)
			walk->touch[at] %= walk->pages;
	}
	free(slot);
	return at;
}

static size_t draw_clusters(struct fm_walk *walk, size_t n)
{
	return clusters(walk, n, CLUSTER, 0, walk->arg);
}

static size_t draw_loose_clusters(struct fm_walk *walk, size_t n)
{
	return clusters(walk, n, CLUSTER, 1 + random_below(walk, CLUSTER - 1),
			walk->arg);
}

/* Of @arg pages each. */
static size_t draw_clusters_of(struct fm_walk *walk, size_t n)
{
	return clusters(walk, n, walk->arg, random_below(walk, walk->arg), UP);
}

struct weighted {
	double key;
	size_t page;
};

static int compare_weighted(const void *a, const void *b)
{
	const struct weighted *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

/*
 * Zipf: page i is drawn with weight 1 / (i + 1), to the power of @arg percent. The order
 * in which pages come up first is that of exponential times of these rates.
 */
static size_t draw_skewed(struct fm_walk *walk, size_t n)
{
	struct weighted *w = calloc(walk->pages, sizeof(*w));
	size_t i;

	if (!w)
		abort();
	for (i = 0; i < walk->pages; i++) {
		w[i].page = i;
		w[i].key = -log((random_below(walk, 1UL << 40) + 1.0) /
				(1UL << 40)) * pow(i + 1, walk->arg / 100.0);
	}
	qsort(w, walk->pages, sizeof(*w), compare_weighted);
	for (i = 0; i < n; i++)
		walk->touch[i] = w[i].page;
	free(w);
	return n;
}

/* A matrix by columns: pass after pass, each one page further on. */
static size_t draw_columns(struct fm_walk *walk, size_t n)
{
	size_t stride = walk->arg, rows = walk->pages / stride, i;

	for (i = 0; i < n; i++)
		walk->touch[i] = i % rows * stride + i / rows;
	return n;
}

enum family {
	SEQUENTIAL, REVERSE, PREFIX, STRIDED, INTERLEAVED, RANDOM, CLUSTERED, SKEWED,
	SURPRISE,
};

const struct fm_pattern fm_patterns[] = {
	{ "sequential", SEQUENTIAL, FM_ALONG, draw_sequential, 0 },
	{ "reverse", REVERSE, FM_NO_HINT_FITS, draw_reverse, 0 },
	{ "prefix", PREFIX, FM_ALONG, draw_prefix, 0 },
	{ "stride 2", STRIDED, FM_ALONG, draw_stride, 2 },
	{ "stride 4", STRIDED, FM_ALONG, draw_stride, 4 },
	{ "stride 8", STRIDED, FM_ALONG, draw_stride, 8 },
	{ "stride 16", STRIDED, FM_NO_HINT_FITS, draw_stride, 16 },
	{ "stride 32", STRIDED, FM_APART, draw_stride, 32 },
	{ "stride 64", STRIDED, FM_APART, draw_stride, 64 },
	{ "stride 128", STRIDED, FM_APART, draw_stride, 128 },
	{ "stride 256", STRIDED, FM_APART, draw_stride, 256 },
	{ "stride 512", STRIDED, FM_APART, draw_stride, 512 },
	{ "two streams", INTERLEAVED, FM_ALONG, draw_streams, UP },
	{ "random", RANDOM, FM_APART, draw_random, 0 },
	{ "clusters, aligned", CLUSTERED, FM_NO_HINT_FITS, draw_clusters, UP },
	{ "clusters, loose", CLUSTERED, FM_NO_HINT_FITS, draw_loose_clusters, UP },
	{ "skewed", SKEWED, FM_APART, draw_skewed, 100 },
#define TUNED_END	17
	{ "sequential, again", SEQUENTIAL, FM_ALONG, draw_sequential, 0 },
	{ "reverse, again", REVERSE, FM_NO_HINT_FITS, draw_reverse, 0 },
	{ "prefix, again", PREFIX, FM_ALONG, draw_prefix, 0 },
	{ "stride 3", STRIDED, FM_ALONG, draw_stride, 3 },
	{ "stride 6", STRIDED, FM_ALONG, draw_stride, 6 },
	{ "stride 12", STRIDED, FM_NO_HINT_FITS, draw_stride, 12 },
	{ "stride 24", STRIDED, FM_NO_HINT_FITS, draw_stride, 24 },
	{ "stride 50", STRIDED, FM_APART, draw_stride, 50 },
	{ "stride 100", STRIDED, FM_APART, draw_stride, 100 },
	{ "stride 300", STRIDED, FM_APART, draw_stride, 300 },
	{ "three streams", INTERLEAVED, FM_ALONG, draw_many_streams, 3 },
	{ "seven streams", INTERLEAVED, FM_ALONG, draw_many_streams, 7 },
	{ "random, again", RANDOM, FM_APART, draw_random, 0 },
	{ "clusters of 12", CLUSTERED, FM_NO_HINT_FITS, draw_clusters_of, 12 },
	{ "clusters of 50", CLUSTERED, FM_NO_HINT_FITS, draw_clusters_of, 50 },
	{ "clusters of 150", CLUSTERED, FM_NO_HINT_FITS, draw_clusters_of, 150 },
	{ "skewed less", SKEWED, FM_APART, draw_skewed, 70 },
#define JUDGED_END	34
	{ "ascending", SURPRISE, FM_NO_HINT_FITS, draw_ascending, 0 },
	{ "prefix, shuffled", SURPRISE, FM_NO_HINT_FITS, draw_shuffled_prefix, 0 },
	{ "streams, opposed", SURPRISE, FM_NO_HINT_FITS, draw_streams, DOWN },
	{ "clusters, down", SURPRISE, FM_NO_HINT_FITS, draw_loose_clusters, DOWN },
	{ "clusters, mixed", SURPRISE, FM_NO_HINT_FITS, draw_loose_clusters, MIXED },
	{ "columns of 8", SURPRISE, FM_NO_HINT_FITS, draw_columns, 8 },
	{ "columns of 64", SURPRISE, FM_NO_HINT_FITS, draw_columns, 64 },
	{ "columns of 512", SURPRISE, FM_NO_HINT_FITS, draw_columns, 512 },
};

const size_t fm_nr_patterns = ARRAY_SIZE(fm_patterns);
const struct fm_pattern_set fm_pattern_sets[FM_NR_SETS] = {
	[FM_TUNED] = { "tuned", "What the rules were tuned on", 0, TUNED_END, 0 },
	[FM_JUDGED] = { "judged", "What they were not tuned on", TUNED_END, JUDGED_END, 1000 },
	[FM_SURPRISES] = { "surprise", "What they were not made for", JUDGED_END,
			   ARRAY_SIZE(fm_patterns), 0 },
};

const double fm_shares[FM_SHARES] = { 0.2, 1, 5, 25, 50, 100 };

/**
 * fm_draw() - draw a pattern
 * @walk: its pages are known, the rest is filled in
 * @pattern: which
 * @share: of its pages to touch, in percent
 * @seed: draws differ by it
 * @exact: touch just so many; else from a fifth less to a quarter more, since
 *	at a single number of pages one window is luckier than another
 *
 * Return: false if the mapping is too small for it
 */
bool fm_draw(struct fm_walk *walk, const struct fm_pattern *pattern,
	     double share, uint64_t seed, bool exact)
{
	size_t n;

	walk->seed = (seed + 1) * 0x9e3779b97f4a7c15ULL;
	walk->arg = pattern->arg;
	next_random(&walk->seed);
	next_random(&walk->seed);
	if (!exact && share < 100)
		share *= 0.8 + 0.45 * random_below(walk, 1000) / 1000;
	n = walk->pages * share / 100 + 0.5;
	if (n > walk->pages)
		n = walk->pages;
	walk->n = pattern->draw(walk, n ? n : 1);
	return walk->n;
}

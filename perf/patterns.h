/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Access patterns: which pages of a mapping are touched, and in which order. What
 * is measured and what is simulated share them.
 */
#ifndef _PATTERNS_H
#define _PATTERNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct fm_walk - one draw of a pattern
 * @pages: of the mapping
 * @touch: the pages touched, each once, in order; has room for all
 * @n: how many
 * @seed: for what is random
 * @arg: of the pattern
 */
struct fm_walk {
	size_t pages;
	size_t *touch;
	size_t n;
	uint64_t seed;
	size_t arg;
};

/* What a hint of madvise(2) would say of a pattern, if anything. */
enum fm_nature { FM_NO_HINT_FITS, FM_ALONG, FM_APART };

/**
 * struct fm_pattern - an order in which pages are touched
 * @name: for the tables
 * @family: patterns of one family count as one in a mean
 * @nature: which hint is right for it
 * @draw: fills in walk->touch; returns how many, 0 if they do not fit
 * @arg: for @draw
 */
struct fm_pattern {
	const char *name;
	unsigned int family;
	enum fm_nature nature;
	size_t (*draw)(struct fm_walk *walk, size_t n);
	size_t arg;
};

extern const struct fm_pattern fm_patterns[];
extern const size_t fm_nr_patterns;

/**
 * struct fm_pattern_set - patterns that stand one after the other
 * @word: for plans
 * @name: for the tables
 * @first: the first of them in fm_patterns[]
 * @end: the one behind the last
 * @seed: of their first draw
 */
struct fm_pattern_set {
	const char *word;
	const char *name;
	size_t first;
	size_t end;
	uint64_t seed;
};

/* What the policy was tuned on, what it is judged by, and what it was not made for. */
enum fm_set { FM_TUNED, FM_JUDGED, FM_SURPRISES, FM_NR_SETS };
extern const struct fm_pattern_set fm_pattern_sets[FM_NR_SETS];

#define FM_SHARES	6
extern const double fm_shares[FM_SHARES];

bool fm_draw(struct fm_walk *walk, const struct fm_pattern *pattern,
	     double share, uint64_t seed, bool exact);

#endif /* _PATTERNS_H */

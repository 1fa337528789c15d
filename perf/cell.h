/* SPDX-License-Identifier: GPL-2.0-only */
/* A cell: a way of mapping a memory and of touching it, and what that costs. */
#ifndef _CELL_H
#define _CELL_H

#include "buffer.h"
#include "patterns.h"

#define FM_MAX_THREADS	2

enum hint { NO_HINT, HINT_SEQUENTIAL, HINT_RANDOM };
enum history { FIRST, REPEATED, AFTER_ALL };
enum by { BY_MMAP, BY_FORK };

/**
 * struct cell - what is done with a subject
 * @pattern: which pages are touched
 * @share: how many, in percent
 * @access: how
 * @hint: what madvise(2) says of it
 * @history: first: nobody mapped this buffer before; after all: the mapping before had all
 *	of its pages touched
 * @threads: how many touch it, each a part; 1 if @by is BY_FORK
 * @by: how the mapping comes: by mmap(2), or to a child of who touched the same pages
 */
struct cell {
	const struct fm_pattern *pattern;
	double share;
	enum access access;
	enum hint hint;
	enum history history;
	unsigned int threads;
	enum by by;
};

/**
 * struct cost - what a cell cost
 * @mmap_ns: mmap(2), and madvise(2) if there is a hint; of a child, fork(2), less what it
 *	costs without the mapping
 * @touch_ns: the touches
 * @munmap_ns: munmap(2); of a child, its end, likewise
 * @faults: minor faults during the touches
 * @table_kib: page tables, in KiB
 * @p50_ns: median of a single touch; of a child, 0
 * @p99_ns: the touch that 1 % of the touches exceed; likewise
 * @runs: how many there were, of which the cheapest is @mmap_ns to @faults
 */
struct cost {
	__u64 mmap_ns;
	__u64 touch_ns;
	__u64 munmap_ns;
	long faults;
	long table_kib;
	__u64 p50_ns;
	__u64 p99_ns;
	unsigned int runs;
};

static inline __u64 fm_total_ns(const struct cost *cost)
{
	return cost->mmap_ns + cost->touch_ns + cost->munmap_ns;
}

struct cost fm_measure_cell(struct source *source,
			    const struct subject *subject,
			    const struct cell *cell, struct plan *plan,
			    unsigned int repeats);

#endif /* _CELL_H */

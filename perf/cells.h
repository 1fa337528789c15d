/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fmbench --plan: many cells in one go. A cell is a way of mapping a memory and
 * of touching it.
 */
#ifndef _CELLS_H
#define _CELLS_H

#include "fmbench.h"
#include "patterns.h"

#define FM_MAX_VALUES	64
#define FM_MAX_LINE	1024
#define FM_MAX_NAME	32
#define FM_MAX_DEFAULT	32
#define FM_MAX_GROUPS	64
#define FM_MAX_THREADS	2

/* What is not the driver's has a layout of its own. */
enum layout { CONTIGUOUS, SCATTERED, OWN };
enum hint { NO_HINT, HINT_SEQUENTIAL, HINT_RANDOM };
enum history { FIRST, REPEATED };

/**
 * struct subject - memory, and how it gets into page tables
 * @strategy: by name, with "/WINDOW" behind it; see fm_make_source()
 * @layout: of the physical memory
 * @bytes: size of the buffer and of the mapping
 */
struct subject {
	const char *strategy;
	enum layout layout;
	size_t bytes;
};

/**
 * struct cell - what is done with a subject
 * @pattern: which pages are touched
 * @share: how many, in percent
 * @access: how
 * @hint: what madvise(2) says of it
 * @history: first: nobody mapped this buffer before
 * @threads: how many touch it, each a part
 */
struct cell {
	const struct fm_pattern *pattern;
	double share;
	enum access access;
	enum hint hint;
	enum history history;
	unsigned int threads;
};

/**
 * struct cost - what a cell cost
 * @mmap_ns: mmap(2), and madvise(2) if there is a hint
 * @touch_ns: the touches
 * @munmap_ns: munmap(2)
 * @faults: minor faults during the touches
 * @table_kib: page tables, in KiB
 * @p50_ns: median of a single touch
 * @p99_ns: the touch that 1 % of the touches exceed
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

enum axis {
	STRATEGY, LAYOUT, SIZE, PATTERN, SHARE, ACCESS, HINT, HISTORY, THREADS, NR_AXES
};

/* Those before it say what is mapped, the others what is done with it. */
#define FIRST_CELL_AXIS	PATTERN

struct axis_values {
	const char *value[FM_MAX_VALUES];
	size_t n;
};

/**
 * struct group - a line of a plan
 * @text: the line, cut into words
 * @defaults: what it does not say
 * @axes: the words of each axis
 */
struct group {
	char text[FM_MAX_LINE];
	char defaults[NR_AXES][FM_MAX_DEFAULT];
	struct axis_values axes[NR_AXES];
};

static inline __u64 fm_total_ns(const struct cost *cost)
{
	return cost->mmap_ns + cost->touch_ns + cost->munmap_ns;
}

/* scatter.c */
void fm_scatter(size_t pages);

/* buffer.c */
bool fm_make_source(struct source *source, const struct subject *subject);

/* reference.c */
bool fm_make_reference(struct source *source, const struct subject *subject);

/* cell.c */
struct cost fm_measure_cell(struct source *source,
			    const struct subject *subject,
			    const struct cell *cell, struct plan *plan,
			    unsigned int repeats);

/* group.c */
size_t fm_read_plan(const char *path, struct group **groups);
enum layout fm_nth_layout(const struct group *group, size_t n);
size_t fm_nth_bytes(const struct group *group, size_t n);
size_t fm_cells_of_subject(const struct group *group);
struct cell fm_nth_cell(const struct group *group, size_t n);
void fm_print_cell(const struct cell *cell, size_t touched);
const char *fm_layout_name(enum layout layout);

/* cells.c */
void fm_run_plan(const struct config *config);

#endif

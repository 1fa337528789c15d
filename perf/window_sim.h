/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Replays access patterns against module/base/window.c and adds up what faults,
 * translations and page tables cost.
 */
#ifndef _WINDOW_SIM_H
#define _WINDOW_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "patterns.h"
#include "window.h"

/**
 * struct fm_costs - instructions of the kernel
 * @fault: a fault that maps one page, from trap to return
 * @batch: what is more of it where the window is larger
 * @page: each further page that it maps
 * @skip: each page of the window that is mapped already
 * @glance: seeing whether the page table is worth a look
 * @look: each entry of a page table that is read to choose the window
 * @decide: the arithmetic of window.c
 * @unmap: each page that munmap() unmaps
 * @table: a new page table, and freeing it
 * @eager: mapping everything at mmap(), in batches, beyond its pages and tables
 * @insert: a page of vm_insert_pages(), and what unmapping it costs more
 */
struct fm_costs {
	double fault;
	double batch;
	double page;
	double skip;
	double glance;
	double look;
	double decide;
	double unmap;
	double table;
	double eager;
	double insert;
};

enum fm_mode { FM_COLD, FM_RIGHT_HINT, FM_WRONG_HINT, FM_REPEATED, FM_NR_MODES };

/* Against the best fixed window, or the best windows that there could have been. */
enum fm_yardstick { FM_FIXED, FM_OPTIMUM, FM_NR_YARDSTICKS };

/* Parts of the policy that a replay can do without. */
enum fm_part {
	FM_PART_RUNS	= 1 << 0,
	FM_PART_SAMPLE	= 1 << 1,
	FM_PART_STRIDE	= 1 << 2,
	FM_PART_START	= 1 << 3,
	FM_PART_FILLED	= 1 << 4,
};

/**
 * struct fm_memory - what is known of a buffer when it is mapped again
 * @window: what was learned from faults
 * @filled: page tables that became full the last time
 */
struct fm_memory {
	struct fm_history window;
	bool filled[FM_TABLES_KNOWN];
};

/**
 * struct fm_sim - what to simulate
 * @costs: of each step
 * @pages: of the mapping
 * @draws: of each pattern and share
 * @exact: shares are what they are, not up to a quarter more or a fifth less
 * @kind: what is mapped
 * @without: parts of the policy that are left out
 */
struct fm_sim {
	struct fm_costs costs;
	size_t pages;
	unsigned int draws;
	bool exact;
	enum fm_kind kind;
	unsigned int without;
};

extern const struct fm_costs fm_measured_costs[FM_NR_KINDS];

/**
 * struct fm_best - the best that could have been chosen, with the touches known
 * @eager: cost of mapping all in batches at mmap()
 * @insert: cost of mapping all at mmap() by vm_insert_pages()
 * @fixed: cost of each fixed window, by the power of two
 * @cost: by yardstick: of the cheapest of these but @insert; or of a window of its own at
 *	each fault, which maps a run of pages to be touched, and what lies between two runs
 *	where that costs less than a fault
 */
struct fm_best {
	double eager;
	double insert;
	double fixed[FM_TABLE_SHIFT + 1];
	double cost[FM_NR_YARDSTICKS];
};

/**
 * struct fm_replay - what a walk cost
 * @cost: in all
 * @faults: how many there were
 * @mapped: pages mapped
 */
struct fm_replay {
	double cost;
	size_t faults;
	size_t mapped;
};

/**
 * struct fm_cell - a pattern at a share of pages, cost over the best that was possible
 * @ratio: for each yardstick and mode; 0 if there is no such case
 * @cold: cost in the mode of that name
 */
struct fm_cell {
	double ratio[FM_NR_YARDSTICKS][FM_NR_MODES];
	double cold;
};

/* The shares of a pattern. */
struct fm_cells {
	struct fm_cell at[FM_SHARES];
};

/**
 * struct fm_summary - a mode over all cells
 * @mean: geometric mean over families of the geometric means over their cells
 * @worst: the worst cell, that of @pattern and @share
 * @pattern: its pattern
 * @share: its share of pages, in percent
 */
struct fm_summary {
	double mean;
	double worst;
	const struct fm_pattern *pattern;
	double share;
};

struct fm_best fm_find_best(const struct fm_walk *walk, const struct fm_costs *costs);
struct fm_replay fm_replay(const struct fm_walk *walk, const struct fm_sim *sim,
			   struct fm_memory *memory,
			   unsigned long mapping, enum fm_hint hint);
struct fm_cell fm_simulate(const struct fm_sim *sim, const struct fm_pattern *pattern,
			   double share, uint64_t seed);
struct fm_summary fm_summarise(const struct fm_cells *cells,
			       const struct fm_pattern_set *set,
			       enum fm_yardstick yardstick, enum fm_mode mode);

#endif /* _WINDOW_SIM_H */

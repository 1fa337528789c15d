/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line. */
#ifndef _OPTIONS_H
#define _OPTIONS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "plan.h"

#define MAX_SHARES	32
#define LEAST_RUNS	3

/**
 * enum phase - a part of a run, which perf is to count
 * @PHASE_ALL: the whole run
 * @PHASE_MMAP: mmap(2)
 * @PHASE_TOUCH: the touches
 * @PHASE_MUNMAP: munmap(2)
 * @PHASE_EMPTY: what telling perf and reading the clock cost
 * @NR_PHASES: how many there are
 */
enum phase {
	PHASE_ALL,
	PHASE_MMAP,
	PHASE_TOUCH,
	PHASE_MUNMAP,
	PHASE_EMPTY,
	NR_PHASES,
};

/**
 * struct config - what the user asked for
 * @bytes: size of the mapping
 * @shares: shares of its pages to touch, in percent
 * @nr_shares: how many of @shares there are
 * @order: in which order, and which of the pages
 * @access: how they are touched
 * @warmups: runs that are not measured
 * @repeats: at most so many measured runs
 * @budget_ns: no further run than LEAST_RUNS once the measured ones took that
 *	long; 0: no limit
 * @settle: wait for a quiet machine first
 * @tolerance_ppm: by how much a fixed piece of work may differ on a quiet one
 * @scatter: nodes get their memory in blocks that do not touch
 * @header: print the line of column names
 * @verbose: tell on stderr which memory is being measured
 * @first: measure the first use of new buffers instead
 * @plan: the file that says what to measure instead, or NULL
 * @control: "CTL,ACK", the fifos of perf stat --control, or NULL
 * @phase: of which part of a run it is enabled
 */
struct config {
	size_t bytes;
	double shares[MAX_SHARES];
	unsigned int nr_shares;
	enum order order;
	enum access access;
	unsigned int warmups;
	unsigned int repeats;
	__u64 budget_ns;
	bool settle;
	unsigned int tolerance_ppm;
	bool scatter;
	bool header;
	bool verbose;
	bool first;
	const char *plan;
	const char *control;
	enum phase phase;
};

void fm_parse_options(struct config *config, int argc, char **argv);

#endif /* _OPTIONS_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measuring the cells of a plan, one after the other.
 */
#include <errno.h>
#include <string.h>

#include "cells.h"
#include "common.h"
#include "group.h"
#include "mapping.h"
#include "scatter.h"

/* What a trap costs in hardware beyond its instructions: an estimate. */
#define TRAP_NS		1000

struct progress {
	size_t done;
	size_t all;
	unsigned int percent;
};

static size_t cells_of_group(const struct group *group)
{
	return fm_cells_of_subject(group) * group->axes[STRATEGY].n *
	       group->axes[LAYOUT].n * group->axes[SIZE].n;
}

static void tell_progress(struct progress *progress, size_t cells,
			  const char *strategy)
{
	unsigned int percent;

	progress->done += cells;
	percent = progress->done * 100 / progress->all;
	if (percent / 5 != progress->percent / 5)
		print_info("%3u %% of %zu cells, %s", percent, progress->all,
			   strategy);
	progress->percent = percent;
}

static void print_columns(void)
{
	fputs("strategy,layout,bytes,extents,", stdout);
	fputs("pattern,family,nature,share,touched,access,hint,history,threads,by,",
	      stdout);
	puts("faults,table_kib,mmap,touch,munmap,total,with_traps,p50,p99,runs");
}

static void print_cost(const struct source *source,
		       const struct subject *subject, const struct cell *cell,
		       size_t touched, const struct cost *cost)
{
	__u64 total = fm_total_ns(cost);

	printf("%s,%s,%zu,%s,", subject->strategy,
	       fm_layout_name(subject->layout), subject->bytes, source->extents);
	fm_print_cell(cell, touched);
	printf("%ld,%ld,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%u\n", cost->faults,
	       cost->table_kib, cost->mmap_ns, cost->touch_ns, cost->munmap_ns,
	       total, total + TRAP_NS * cost->faults, cost->p50_ns,
	       cost->p99_ns, cost->runs);
	fflush(stdout);
	if (ferror(stdout))
		exit_err("cannot write the results: %s", strerror(errno));
}

/* The pages are drawn alike for all: only how they are mapped differs. */
static bool draw(struct plan *plan, const struct cell *cell)
{
	struct fm_walk walk = { .pages = plan->pages, .touch = plan->index };

	if (!fm_draw(&walk, cell->pattern, cell->share, 0, true))
		return false;
	plan->touched = walk.n;
	return true;
}

static void measure_subject(const struct group *group,
			    const struct subject *subject, unsigned int repeats)
{
	size_t n = fm_cells_of_subject(group), i;
	struct source source;
	struct plan plan;
	struct cell cell;
	struct cost cost;

	if (!fm_make_source(&source, subject)) {
		print_info("%s: not on this kernel", subject->strategy);
		return;
	}
	fm_alloc_plan(&plan, subject->bytes / fm_page_size());
	fm_lock_ourselves();
	for (i = 0; i < n; i++) {
		cell = fm_nth_cell(group, i);
		if (!draw(&plan, &cell))
			continue;
		cost = fm_measure_cell(&source, subject, &cell, &plan, repeats);
		print_cost(&source, subject, &cell, plan.touched, &cost);
	}
	fm_free_plan(&plan);
	fm_close_source(&source);
}

static void measure_place(const struct group *group, struct subject *subject,
			  unsigned int repeats, struct progress *progress)
{
	size_t pages = subject->bytes / fm_page_size(), i;

	fm_scatter(subject->layout == SCATTERED ? pages : 0);
	for (i = 0; i < group->axes[STRATEGY].n; i++) {
		subject->strategy = group->axes[STRATEGY].value[i];
		measure_subject(group, subject, repeats);
		tell_progress(progress, fm_cells_of_subject(group),
			      subject->strategy);
	}
	fm_scatter(0);
}

static void measure_group(const struct group *group,
			  unsigned int repeats, struct progress *progress)
{
	struct subject subject;
	size_t i, j;

	for (i = 0; i < group->axes[LAYOUT].n; i++) {
		for (j = 0; j < group->axes[SIZE].n; j++) {
			subject.layout = fm_nth_layout(group, i);
			subject.bytes = fm_nth_bytes(group, j);
			measure_place(group, &subject, repeats, progress);
		}
	}
}

/**
 * fm_run_plan() - measure all the cells of a plan, and print them
 * @path: its file
 * @repeats: most runs of a cell
 *
 * Exits if something is wrong.
 */
void fm_run_plan(const char *path, unsigned int repeats)
{
	struct group *groups[FM_MAX_GROUPS];
	size_t n = fm_read_plan(path, groups), i;
	struct progress progress = { };

	for (i = 0; i < n; i++)
		progress.all += cells_of_group(groups[i]);
	print_columns();
	for (i = 0; i < n; i++) {
		measure_group(groups[i], repeats, &progress);
		free(groups[i]);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measuring a cell: what mmap, touch and munmap cost, together, in the cheapest
 * of a few runs; and then, in one more run, what each touch takes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "cell.h"
#include "child.h"
#include "common.h"
#include "mapping.h"

#define LEAST_CELL_RUNS	2
/* Two runs are as good as the same if they differ by less. */
#define SAME_PER_MILLE	3
/* Children without the mapping, of which the cheapest counts. */
#define CHILDREN	4

struct toucher {
	pthread_t thread;
	pthread_barrier_t *start;
	char *addr;
	struct plan part;
	enum access access;
};

static void *touch_part(void *arg)
{
	struct toucher *toucher = arg;

	pthread_barrier_wait(toucher->start);
	fm_touch(toucher->addr, &toucher->part, toucher->access);
	pthread_barrier_wait(toucher->start);
	return NULL;
}

/* Before the mapping: making a thread is not what is measured. */
static void start_threads(struct toucher *touchers, pthread_barrier_t *start,
			  const struct cell *cell, const struct plan *plan,
			  char *addr)
{
	size_t each = plan->touched / cell->threads;
	struct toucher *toucher;
	unsigned int i;

	pthread_barrier_init(start, NULL, cell->threads);
	for (i = 0; i < cell->threads; i++) {
		toucher = &touchers[i];
		toucher->start = start;
		toucher->addr = addr;
		toucher->access = cell->access;
		toucher->part = *plan;
		toucher->part.index += i * each;
		toucher->part.touched = i + 1 < cell->threads ? each :
					plan->touched - i * each;
		if (i && pthread_create(&toucher->thread, NULL, touch_part,
					toucher))
			exit_err("no thread");
	}
}

static void join_threads(struct toucher *touchers, pthread_barrier_t *start,
			 const struct cell *cell)
{
	unsigned int i;

	for (i = 1; i < cell->threads; i++)
		pthread_join(touchers[i].thread, NULL);
	pthread_barrier_destroy(start);
}

static const int advice[] = {
	[NO_HINT]		= MADV_NORMAL,
	[HINT_SEQUENTIAL]	= MADV_SEQUENTIAL,
	[HINT_RANDOM]		= MADV_RANDOM,
};

static void map_cell(const struct source *source, const struct subject *subject,
		     const struct cell *cell, char *addr)
{
	fm_map(source, subject->bytes, addr, cell->access);
	if (cell->hint != NO_HINT &&
	    madvise(addr, subject->bytes, advice[cell->hint]))
		exit_err("%s: madvise: %s", source->name, strerror(errno));
}

static struct cost map_once(const struct source *source,
			    const struct subject *subject,
			    const struct cell *cell, const struct plan *plan,
			    char *addr)
{
	struct toucher touchers[FM_MAX_THREADS];
	__u64 start, mapped, touching, done, end;
	pthread_barrier_t barrier;
	struct cost cost = { };
	long faults, before;

	start_threads(touchers, &barrier, cell, plan, addr);
	before = fm_table_kib();
	start = fm_now_ns();
	map_cell(source, subject, cell, addr);
	mapped = fm_now_ns();

	faults = fm_minor_faults();
	touching = fm_now_ns();
	if (cell->threads == 1)
		fm_touch(addr, plan, cell->access);
	else
		touch_part(&touchers[0]);
	done = fm_now_ns();
	cost.faults = fm_minor_faults() - faults;
	cost.table_kib = fm_table_kib() - before;

	end = fm_now_ns();
	munmap(addr, subject->bytes);
	cost.munmap_ns = fm_now_ns() - end;
	cost.mmap_ns = mapped - start;
	cost.touch_ns = done - touching;
	join_threads(touchers, &barrier, cell);
	return cost;
}

static __u64 beyond(__u64 cost, __u64 without)
{
	return cost > without ? cost - without : 0;
}

/* Only what is alike each time is the child's own cost. */
static struct child child_without_mapping(char *addr, enum access access)
{
	struct child least = fm_have_child(addr, NULL, access), child;
	unsigned int i;

	for (i = 1; i < CHILDREN; i++) {
		child = fm_have_child(addr, NULL, access);
		if (child.fork_ns + child.exit_ns < least.fork_ns + least.exit_ns)
			least = child;
	}
	return least;
}

/* The mapping of the parent, which has touched the same pages, is not counted. */
static struct cost fork_once(const struct source *source,
			     const struct subject *subject,
			     const struct cell *cell, const struct plan *plan,
			     char *addr)
{
	struct child child, without;

	without = child_without_mapping(addr, cell->access);
	map_cell(source, subject, cell, addr);
	fm_touch(addr, plan, cell->access);
	child = fm_have_child(addr, plan, cell->access);
	munmap(addr, subject->bytes);
	return (struct cost) {
		.mmap_ns = beyond(child.fork_ns, without.fork_ns),
		.touch_ns = child.touch_ns,
		.munmap_ns = beyond(child.exit_ns, without.exit_ns),
		.faults = child.faults,
		.table_kib = child.table_kib - without.table_kib,
	};
}

static struct cost run_once(const struct source *source,
			    const struct subject *subject,
			    const struct cell *cell, const struct plan *plan,
			    char *addr)
{
	if (cell->by == BY_FORK)
		return fork_once(source, subject, cell, plan, addr);
	return map_once(source, subject, cell, plan, addr);
}

/*
 * A buffer that nobody has mapped, and of which nothing was learned, in the
 * memory of the one before it. Making it has warmed up everything else.
 */
static void renew(struct source *source, const struct subject *subject)
{
	fm_close_source(source);
	if (!fm_make_source(source, subject))
		exit_err("%s: cannot be made again", subject->strategy);
}

/* What a window has learned of it is wrong for whoever touches less. */
static void touch_all(const struct source *source, const struct subject *subject,
		      const struct cell *cell, const struct plan *plan, char *addr)
{
	struct plan all;

	fm_alloc_plan(&all, plan->pages);
	memcpy(all.first_bytes, plan->first_bytes, plan->pages);
	fm_choose_pages(&all, 100, SEQUENTIAL);
	map_cell(source, subject, cell, addr);
	fm_touch(addr, &all, cell->access);
	munmap(addr, subject->bytes);
	fm_free_plan(&all);
}

static bool agree(__u64 a, __u64 b)
{
	__u64 least = a < b ? a : b, most = a < b ? b : a;

	return most - least <= least * SAME_PER_MILLE / 1000;
}

static struct cost cheapest_run(struct source *source,
				const struct subject *subject,
				const struct cell *cell, const struct plan *plan,
				char *addr, unsigned int most)
{
	struct cost best = { }, cost;
	unsigned int i;
	bool same;

	if (cell->history == REPEATED && source->learns)
		renew(source, subject);
	if (cell->history == REPEATED)
		run_once(source, subject, cell, plan, addr);
	for (i = 0; i < most; i++) {
		if (cell->history == FIRST)
			renew(source, subject);
		if (cell->history == AFTER_ALL)
			touch_all(source, subject, cell, plan, addr);
		cost = run_once(source, subject, cell, plan, addr);
		same = i && agree(fm_total_ns(&cost), fm_total_ns(&best));
		if (!i || fm_total_ns(&cost) < fm_total_ns(&best))
			best = cost;
		if (i + 1 >= LEAST_CELL_RUNS && same)
			break;
	}
	best.runs = i < most ? i + 1 : most;
	return best;
}

static int compare_times(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

static __u64 clock_costs(void)
{
	__u64 least = ~0ULL, took;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		took = fm_now_ns();
		took = fm_now_ns() - took;
		if (took < least)
			least = took;
	}
	return least;
}

static void time_touches(char *addr, const struct plan *plan,
			 enum access access, __u64 *took)
{
	__u64 start, clock = clock_costs();
	struct plan one = *plan;
	size_t i;

	one.touched = 1;
	for (i = 0; i < plan->touched; i++) {
		one.index = plan->index + i;
		start = fm_now_ns();
		fm_touch(addr, &one, access);
		took[i] = fm_now_ns() - start - clock;
	}
}

/* In a run of its own, since reading the clock costs as much as a touch. */
static void find_percentiles(struct source *source,
			     const struct subject *subject,
			     const struct cell *cell, const struct plan *plan,
			     char *addr, struct cost *cost)
{
	__u64 *took = calloc(plan->touched, sizeof(*took));
	size_t n = plan->touched;

	if (!took)
		exit_err("no memory for %zu times", n);
	memset(took, 1, n * sizeof(*took));
	if (cell->history == FIRST)
		renew(source, subject);
	map_cell(source, subject, cell, addr);
	time_touches(addr, plan, cell->access, took);
	munmap(addr, subject->bytes);
	qsort(took, n, sizeof(*took), compare_times);
	cost->p50_ns = took[n / 2];
	cost->p99_ns = took[n - 1 - n / 100];
	free(took);
}

/**
 * fm_measure_cell() - measure what a cell costs
 * @source: the memory, made for @subject; is made anew if the cell is of a first
 *	mapping
 * @subject: what it is
 * @cell: what is done with it
 * @plan: the pages to touch
 * @repeats: most runs to try; two that agree are enough
 *
 * Return: the cheapest run; interrupts and other threads only ever add to it
 */
struct cost fm_measure_cell(struct source *source,
			    const struct subject *subject,
			    const struct cell *cell, struct plan *plan,
			    unsigned int repeats)
{
	char *addr = fm_common_address();
	struct cost cost;

	cost = cheapest_run(source, subject, cell, plan, addr, repeats);
	if (cell->by == BY_MMAP)
		find_percentiles(source, subject, cell, plan, addr, &cost);
	return cost;
}

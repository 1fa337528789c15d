// SPDX-License-Identifier: GPL-2.0-only
/*
 * The best that was possible, the replay of a mapping's life, and the comparison of the two.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "window_sim.h"

#define MAX_FAMILIES	16

/* Single pages, by filemap_map_pages(): a read and a write differ in two steps. */
#define PAGE_COSTS(fault_one, map_more) { \
	.fault = (fault_one), \
	.batch = 400, \
	.page = (map_more), \
	.skip = 60, \
	.glance = 110, \
	.look = 10, \
	.decide = 200, \
	.unmap = 414, \
	.table = 8834, \
	.eager = 5000, \
	.insert = 300, \
}

/* Linux 6.12 on x86-64, memory in frames or pages that do not touch. */
const struct fm_costs fm_measured_costs[FM_NR_KINDS] = {
	[FM_FRAME] = {
		.fault = 2290,
		.batch = 150,
		.page = 48,
		.skip = 17,
		.glance = 110,
		.look = 10,
		.decide = 200,
		.unmap = 128,
		.table = 8834,
		.eager = 5000,
		.insert = 568,
	},
	[FM_PAGE_READ] = PAGE_COSTS(2030, 300),
	[FM_PAGE_WRITTEN] = PAGE_COSTS(2285, 380),
};

static void *zeroes(size_t n)
{
	void *p = calloc(n, 1);

	if (!p) {
		perror("window_sim");
		exit(1);
	}
	return p;
}

/* How many aligned blocks of 2^shift pages are touched. */
static size_t count_blocks(const struct fm_walk *walk, unsigned int shift)
{
	char *seen = zeroes((walk->pages >> shift) + 1);
	size_t i, n = 0;

	for (i = 0; i < walk->n; i++) {
		n += !seen[walk->touch[i] >> shift];
		seen[walk->touch[i] >> shift] = 1;
	}
	free(seen);
	return n;
}

static double fault_cost(const struct fm_costs *costs, size_t pages)
{
	return costs->fault + (pages > 1 ? costs->batch : 0) - costs->page +
	       pages * (costs->page + costs->unmap);
}

/*
 * Whoever knows what will be touched maps run after run, each at its first touch; two
 * runs of a page table become one if what lies between costs less than a fault.
 */
static double optimum(const struct fm_walk *walk, const struct fm_costs *costs)
{
	double gap = (costs->fault - costs->page) / (costs->page + costs->unmap), sum = 0;
	char *touched = zeroes(walk->pages);
	size_t first = 0, last = 0, i, n = 0;

	for (i = 0; i < walk->n; i++)
		touched[walk->touch[i]] = 1;
	for (i = 0; i < walk->pages; i++) {
		if (!touched[i])
			continue;
		if (n && (i - last - 1 > gap || i / FM_TABLE_PAGES != last / FM_TABLE_PAGES)) {
			sum += fault_cost(costs, n);
			n = 0;
		}
		if (!n)
			first = i;
		last = i;
		n = last - first + 1;
	}
	free(touched);
	return sum + (n ? fault_cost(costs, n) : 0);
}

/**
 * fm_find_best() - find what would have been best
 * @walk: the touches to come
 * @costs: of each step
 *
 * Return: the cost of each choice, for mapping, touching and unmapping
 */
struct fm_best fm_find_best(const struct fm_walk *walk, const struct fm_costs *costs)
{
	size_t all = (walk->pages + FM_TABLE_PAGES - 1) / FM_TABLE_PAGES;
	double each = costs->page + costs->unmap, tables;
	struct fm_best best;
	unsigned int i;

	best.eager = costs->eager + all * costs->table + walk->pages * each;
	best.insert = all * costs->table + walk->pages * (costs->insert + costs->unmap);
	best.cost[FM_FIXED] = best.eager;
	tables = count_blocks(walk, FM_TABLE_SHIFT) * costs->table;
	for (i = 0; i <= FM_TABLE_SHIFT; i++) {
		best.fixed[i] = tables + count_blocks(walk, i) * fault_cost(costs, 1UL << i);
		best.cost[FM_FIXED] = fmin(best.cost[FM_FIXED], best.fixed[i]);
	}
	best.cost[FM_OPTIMUM] = fmin(best.eager, tables + optimum(walk, costs));
	return best;
}

struct mapping {
	const struct fm_sim *sim;
	struct fm_memory *memory;
	char *present;
	char *has_table;
	struct fm_replay sum;
};

static bool is_present(const void *table, unsigned long page)
{
	return ((const char *)table)[page];
}

static void leave_out(unsigned int without, struct fm_history *window,
		      struct fm_table_view *view)
{
	static const struct fm_side nothing;

	if (without & FM_PART_RUNS)
		view->below = nothing;
	if (without & FM_PART_RUNS)
		view->above = nothing;
	if (without & FM_PART_SAMPLE)
		view->sampled = 0;
	if (without & FM_PART_STRIDE)
		window->step = 0;
	if (without & FM_PART_START)
		window->start = 8;
}

/* A new page table costs the same whatever is mapped by it. */
static bool is_empty(struct mapping *m, size_t table)
{
	if (m->has_table[table])
		return false;
	m->has_table[table] = 1;
	m->sum.cost += m->sim->costs.table;
	return true;
}

static struct fm_span choose(struct mapping *m, struct fm_touch *touch)
{
	size_t table = touch->page >> FM_TABLE_SHIFT;
	bool *filled = &m->memory->filled[table % FM_TABLES_KNOWN];
	const struct fm_costs *costs = &m->sim->costs;
	struct fm_history *window = &m->memory->window;
	struct fm_table_view view = { 0 };
	struct fm_span span;

	view.empty = is_empty(m, table);
	touch->filled = view.empty && *filled && !(m->sim->without & FM_PART_FILLED);
	m->sum.cost += costs->glance;
	leave_out(m->sim->without, window, &view);
	span = fm_window_guess(window, touch, view.empty);
	if (span.count)
		return span;
	if (touch->filled)
		*filled = false;
	if (!view.empty)
		view = fm_window_look(m->present, touch, is_present);
	m->sum.cost += costs->decide + view.looked * costs->look;
	leave_out(m->sim->without, window, &view);
	span = fm_window_choose(window, touch, &view);
	if (fm_window_fills(touch, &view, &span))
		*filled = true;
	return span;
}

static void take_fault(struct mapping *m, struct fm_touch *touch)
{
	const struct fm_costs *costs = &m->sim->costs;
	struct fm_span span = choose(m, touch);
	unsigned long page;

	m->sum.faults++;
	m->sum.cost += costs->fault - costs->page;
	if (span.count > 1)
		m->sum.cost += costs->batch;
	for (page = span.first; page < span.first + span.count; page++) {
		if (m->present[page]) {
			m->sum.cost += costs->skip;
			continue;
		}
		m->present[page] = 1;
		m->sum.mapped++;
		m->sum.cost += costs->page + costs->unmap;
	}
}

/**
 * fm_replay() - map, touch and unmap
 * @walk: the touches
 * @sim: costs, and parts that are left out
 * @memory: what was learned; is updated
 * @mapping: tells mappings apart
 * @hint: as given by madvise(2)
 *
 * Return: what it cost
 */
struct fm_replay fm_replay(const struct fm_walk *walk, const struct fm_sim *sim,
			   struct fm_memory *memory,
			   unsigned long mapping, enum fm_hint hint)
{
	struct mapping m = { .sim = sim, .memory = memory };
	struct fm_touch touch = {
		.mapping = mapping, .hint = hint, .kind = sim->kind,
	};
	size_t i;

	m.present = zeroes(walk->pages);
	m.has_table = zeroes((walk->pages >> FM_TABLE_SHIFT) + 1);
	for (i = 0; i < walk->n; i++) {
		touch.page = walk->touch[i];
		if (m.present[touch.page])
			continue;
		touch.lo = touch.page & ~(FM_TABLE_PAGES - 1);
		touch.hi = touch.lo + FM_TABLE_PAGES;
		if (touch.hi > walk->pages)
			touch.hi = walk->pages;
		take_fault(&m, &touch);
	}
	free(m.present);
	free(m.has_table);
	return m.sum;
}

struct totals {
	unsigned int draws;
	double best[FM_NR_YARDSTICKS], single, table;
	double cold, repeated, hinted[FM_HINT_SEQUENTIAL + 1];
};

static double replay_cost(const struct fm_walk *walk, const struct fm_sim *sim,
			  enum fm_hint hint)
{
	struct fm_memory memory = { 0 };

	return fm_replay(walk, sim, &memory, 1, hint).cost;
}

static void add_draw(struct totals *t, const struct fm_walk *walk,
		     const struct fm_sim *sim)
{
	struct fm_best best = fm_find_best(walk, &sim->costs);
	struct fm_memory memory = { 0 };
	enum fm_yardstick yardstick;
	enum fm_hint hint;

	t->draws++;
	for (yardstick = 0; yardstick < FM_NR_YARDSTICKS; yardstick++)
		t->best[yardstick] += best.cost[yardstick];
	t->single += best.fixed[0];
	t->table += best.fixed[FM_TABLE_SHIFT];
	t->cold += fm_replay(walk, sim, &memory, 1, FM_HINT_NONE).cost;
	t->repeated += fm_replay(walk, sim, &memory, 2, FM_HINT_NONE).cost;
	for (hint = FM_HINT_RANDOM; hint <= FM_HINT_SEQUENTIAL; hint++)
		t->hinted[hint] += replay_cost(walk, sim, hint);
}

/*
 * Single pages are a right thing to hint at only as long as they are the best
 * that can be mapped.
 */
static enum fm_hint right_hint(const struct fm_pattern *pattern,
			       const struct totals *t)
{
	if (pattern->nature == FM_ALONG)
		return FM_HINT_SEQUENTIAL;
	if (pattern->nature == FM_APART && t->single < 1.05 * t->best[FM_FIXED] &&
	    t->table > 1.5 * t->best[FM_FIXED])
		return FM_HINT_RANDOM;
	return FM_HINT_NONE;
}

static void compare(struct fm_cell *cell, const struct totals *t, enum fm_hint right,
		    enum fm_yardstick yardstick)
{
	double *ratio = cell->ratio[yardstick], best = t->best[yardstick];
	enum fm_hint hint;

	ratio[FM_COLD] = t->cold / best;
	ratio[FM_REPEATED] = t->repeated / best;
	for (hint = FM_HINT_RANDOM; hint <= FM_HINT_SEQUENTIAL; hint++) {
		if (hint == right)
			ratio[FM_RIGHT_HINT] = t->hinted[hint] / best;
		else
			ratio[FM_WRONG_HINT] = fmax(ratio[FM_WRONG_HINT],
						    t->hinted[hint] / best);
	}
}

/**
 * fm_simulate() - compare the policy with the best that was possible
 * @sim: what to simulate
 * @pattern: which pages are touched
 * @share: and how many, in percent
 * @seed: of the first draw
 *
 * What is best is chosen for each draw anew. A repeated mapping is touched as the one
 * before was. Of two wrong hints, the worse counts.
 *
 * Return: ratios of mean costs; all 0 if the mapping is too small
 */
struct fm_cell fm_simulate(const struct fm_sim *sim, const struct fm_pattern *pattern,
			   double share, uint64_t seed)
{
	struct fm_walk walk = { .pages = sim->pages };
	struct totals totals = { 0 };
	struct fm_cell cell = { 0 };
	enum fm_hint right;
	unsigned int i;

	walk.touch = zeroes(walk.pages * sizeof(*walk.touch));
	for (i = 0; i < sim->draws; i++)
		if (fm_draw(&walk, pattern, share, seed + i, sim->exact))
			add_draw(&totals, &walk, sim);
	free(walk.touch);
	if (!totals.draws)
		return cell;
	right = right_hint(pattern, &totals);
	compare(&cell, &totals, right, FM_FIXED);
	compare(&cell, &totals, right, FM_OPTIMUM);
	cell.cold = totals.cold / totals.draws;
	return cell;
}

/**
 * fm_summarise() - one mode over all cells of a set
 * @cells: of each pattern
 * @set: which patterns
 * @yardstick: against what
 * @mode: which
 *
 * Return: its mean and its worst cell
 */
struct fm_summary fm_summarise(const struct fm_cells *cells,
			       const struct fm_pattern_set *set,
			       enum fm_yardstick yardstick, enum fm_mode mode)
{
	double sum[MAX_FAMILIES] = { 0 }, total = 0, ratio;
	unsigned int n[MAX_FAMILIES] = { 0 }, families = 0, family;
	struct fm_summary s = { 0 };
	size_t i, j;

	for (i = set->first; i < set->end; i++) {
		for (j = 0; j < FM_SHARES; j++) {
			ratio = cells[i].at[j].ratio[yardstick][mode];
			if (!(ratio > 0))
				continue;
			sum[fm_patterns[i].family] += log(ratio);
			n[fm_patterns[i].family]++;
			if (ratio > s.worst) {
				s.worst = ratio;
				s.pattern = &fm_patterns[i];
				s.share = fm_shares[j];
			}
		}
	}
	for (family = 0; family < MAX_FAMILIES; family++) {
		if (!n[family])
			continue;
		total += sum[family] / n[family];
		families++;
	}
	s.mean = families ? exp(total / families) : 0;
	return s;
}

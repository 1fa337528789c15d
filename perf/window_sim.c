// SPDX-License-Identifier: GPL-2.0
/*
 * The oracle, the replay of a mapping's life, and the comparison of the two.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "window_sim.h"

#define MAX_FAMILIES	16

/* Linux 6.12 on x86-64, memory in frames that do not touch. */
const struct fm_costs fm_measured_costs = {
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

/**
 * fm_ask_oracle() - find what would have been best
 * @walk: the touches to come
 * @costs: of each step
 *
 * Return: the cost of each choice, for mapping, touching and unmapping
 */
struct fm_oracle fm_ask_oracle(const struct fm_walk *walk,
			       const struct fm_costs *costs)
{
	size_t all = (walk->pages + FM_TABLE_PAGES - 1) / FM_TABLE_PAGES;
	double each = costs->page + costs->unmap, tables;
	struct fm_oracle oracle;
	unsigned int i;

	oracle.eager = costs->eager + all * costs->table + walk->pages * each;
	oracle.insert = all * costs->table +
		walk->pages * (costs->insert + costs->unmap);
	oracle.best = oracle.eager;
	tables = count_blocks(walk, FM_TABLE_SHIFT) * costs->table;
	for (i = 0; i <= FM_TABLE_SHIFT; i++) {
		oracle.fixed[i] = tables + count_blocks(walk, i) *
			(costs->fault + (i ? costs->batch : 0) - costs->page +
			 (1UL << i) * each);
		if (oracle.fixed[i] < oracle.best)
			oracle.best = oracle.fixed[i];
	}
	return oracle;
}

struct mapping {
	const struct fm_sim *sim;
	struct fm_history *window;
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
		window->steady = 0;
	if (without & FM_PART_LENGTH)
		window->length = 0;
	if (without & FM_PART_TABLES)
		window->tables = (struct fm_odds){ 0 };
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

static struct fm_span choose(struct mapping *m,
			     const struct fm_touch *touch)
{
	const struct fm_costs *costs = &m->sim->costs;
	struct fm_table_view view = { 0 };
	struct fm_span span;

	view.empty = is_empty(m, touch->page >> FM_TABLE_SHIFT);
	m->sum.cost += costs->glance;
	leave_out(m->sim->without, m->window, &view);
	span = fm_window_guess(m->window, touch, view.empty);
	if (span.count)
		return span;
	if (!view.empty)
		view = fm_window_look(m->present, touch, is_present);
	m->sum.cost += costs->decide + view.looked * costs->look;
	leave_out(m->sim->without, m->window, &view);
	return fm_window_choose(m->window, touch, &view);
}

static void take_fault(struct mapping *m, const struct fm_touch *touch)
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
 * @window: what was learned; is updated
 * @mapping: tells mappings apart
 * @hint: as given by madvise(2)
 *
 * Return: what it cost
 */
struct fm_replay fm_replay(const struct fm_walk *walk, const struct fm_sim *sim,
			   struct fm_history *window,
			   unsigned long mapping, enum fm_hint hint)
{
	struct mapping m = { .sim = sim, .window = window };
	struct fm_touch touch = { .mapping = mapping, .hint = hint };
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
	double best, single, table;
	double cold, repeated, hinted[FM_HINT_SEQUENTIAL + 1];
};

static double replay_cost(const struct fm_walk *walk, const struct fm_sim *sim,
			  enum fm_hint hint)
{
	struct fm_history window = { 0 };

	return fm_replay(walk, sim, &window, 1, hint).cost;
}

static void add_draw(struct totals *t, const struct fm_walk *walk,
		     const struct fm_sim *sim)
{
	struct fm_oracle oracle = fm_ask_oracle(walk, &sim->costs);
	struct fm_history window = { 0 };
	enum fm_hint hint;

	t->draws++;
	t->best += oracle.best;
	t->single += oracle.fixed[0];
	t->table += oracle.fixed[FM_TABLE_SHIFT];
	t->cold += fm_replay(walk, sim, &window, 1, FM_HINT_NONE).cost;
	t->repeated += fm_replay(walk, sim, &window, 2, FM_HINT_NONE).cost;
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
	if (pattern->nature == FM_APART && t->single < 1.05 * t->best &&
	    t->table > 1.5 * t->best)
		return FM_HINT_RANDOM;
	return FM_HINT_NONE;
}

static struct fm_cell compare(const struct totals *t, enum fm_hint right)
{
	struct fm_cell cell = { .cold = t->cold / t->draws };
	enum fm_hint hint;
	double ratio;

	cell.ratio[FM_COLD] = t->cold / t->best;
	cell.ratio[FM_REPEATED] = t->repeated / t->best;
	for (hint = FM_HINT_RANDOM; hint <= FM_HINT_SEQUENTIAL; hint++) {
		ratio = t->hinted[hint] / t->best;
		if (hint == right)
			cell.ratio[FM_RIGHT_HINT] = ratio;
		else if (ratio > cell.ratio[FM_WRONG_HINT])
			cell.ratio[FM_WRONG_HINT] = ratio;
	}
	return cell;
}

/**
 * fm_simulate() - compare the policy with the oracle
 * @sim: what to simulate
 * @pattern: which pages are touched
 * @share: and how many, in percent
 *
 * The oracle chooses for each draw anew. A repeated mapping is touched as the one
 * before was. Of two wrong hints, the worse counts.
 *
 * Return: ratios of mean costs; all 0 if the mapping is too small
 */
struct fm_cell fm_simulate(const struct fm_sim *sim,
			   const struct fm_pattern *pattern, double share)
{
	struct fm_walk walk = { .pages = sim->pages };
	struct totals totals = { 0 };
	struct fm_cell cell = { 0 };
	unsigned int i;

	walk.touch = zeroes(walk.pages * sizeof(*walk.touch));
	for (i = 0; i < sim->draws; i++)
		if (fm_draw(&walk, pattern, share, i, sim->exact))
			add_draw(&totals, &walk, sim);
	free(walk.touch);
	if (totals.best > 0)
		cell = compare(&totals, right_hint(pattern, &totals));
	return cell;
}

/**
 * fm_summarise() - one mode over all cells
 * @cells: FM_SHARES of each pattern
 * @patterns: how many of them
 * @mode: which
 *
 * Return: its mean and its worst cell
 */
struct fm_summary fm_summarise(const struct fm_cell *cells, size_t patterns,
			       enum fm_mode mode)
{
	double sum[MAX_FAMILIES] = { 0 }, total = 0, ratio;
	unsigned int n[MAX_FAMILIES] = { 0 }, families = 0, family;
	struct fm_summary s = { 0 };
	size_t i, j;

	for (i = 0; i < patterns; i++) {
		for (j = 0; j < FM_SHARES; j++) {
			ratio = cells[i * FM_SHARES + j].ratio[mode];
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

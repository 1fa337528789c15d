// SPDX-License-Identifier: GPL-2.0-only
/* The fault window: its bounds, its rules and what it costs. It needs no driver. */
#include <limits.h>
#include <string.h>

#include "faultmap_test.h"
#include "window_sim.h"

#define PAGES	(64UL << 8)
#define DRAWS	16

static uint64_t random_state = 1;

static unsigned long next_random(void)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return random_state >> 24;
}

static unsigned long random_below(unsigned long n)
{
	return next_random() % n;
}

static bool holds(struct fm_span span, const struct fm_touch *touch)
{
	return span.first >= touch->lo && span.first <= touch->page &&
	       span.count && span.count <= touch->hi - span.first &&
	       span.count > touch->page - span.first;
}

/* The last table but one is the highest whose end is a number. */
static struct fm_touch random_touch(void)
{
	static const unsigned long tables[] = { 0, 1, ULONG_MAX / 512 - 1 };
	unsigned long base = tables[random_below(3)] * FM_TABLE_PAGES;
	struct fm_touch touch = { .mapping = random_below(3) };

	touch.lo = base + random_below(FM_TABLE_PAGES);
	touch.hi = touch.lo + 1;
	touch.hi += random_below(base + FM_TABLE_PAGES - touch.lo);
	touch.page = touch.lo + random_below(touch.hi - touch.lo);
	touch.hint = random_below(3);
	touch.filled = !random_below(8);
	return touch;
}

static bool is_present(const void *table, unsigned long page)
{
	return ((const char *)table)[page % FM_TABLE_PAGES];
}

static void random_table(char *table)
{
	unsigned long full = random_below(101), i;

	for (i = 0; i < FM_TABLE_PAGES; i++)
		table[i] = random_below(100) < full;
}

/* A table is empty, or shows something; as the fault handler would see it. */
static struct fm_table_view random_view(const struct fm_touch *touch)
{
	struct fm_table_view view = { .empty = true };
	char table[FM_TABLE_PAGES];

	if (!random_below(4))
		return view;
	random_table(table);
	table[touch->page % FM_TABLE_PAGES] = 0;
	return fm_window_look(table, touch, is_present);
}

static struct fm_span choose(struct fm_history *window, const struct fm_touch *touch,
			     const struct fm_table_view *view)
{
	struct fm_span span;

	span = fm_window_guess(window, touch, view->empty);
	return span.count ? span : fm_window_choose(window, touch, view);
}

/* Every state, as a torn update may leave it, and not only those it gets into. */
TEST(span_holds_the_fault_in_any_state)
{
	struct fm_history window;
	unsigned char *bytes = (unsigned char *)&window;
	struct fm_table_view view;
	struct fm_touch touch;
	unsigned long i, bad = 0;
	size_t j;

	for (i = 0; i < 300000; i++) {
		for (j = 0; j < sizeof(window); j++)
			bytes[j] = random_below(3) ? next_random() : 0;
		window.down = random_below(2);
		touch = random_touch();
		view = random_view(&touch);
		bad += !holds(choose(&window, &touch, &view), &touch);
	}
	EXPECT_EQ(0, bad);
}

TEST(span_holds_the_fault_in_any_sequence)
{
	struct fm_history window = { 0 };
	struct fm_table_view view;
	struct fm_touch touch;
	unsigned long i, bad = 0;

	for (i = 0; i < 300000; i++) {
		touch = random_touch();
		view = random_view(&touch);
		bad += !holds(choose(&window, &touch, &view), &touch);
	}
	EXPECT_EQ(0, bad);
}

TEST(fixed_block_is_exact)
{
	struct fm_touch touch = { .lo = 512, .hi = 1024 };
	struct fm_span span;
	unsigned long n;

	for (n = 1; n <= FM_TABLE_PAGES; n *= 2) {
		for (touch.page = touch.lo; touch.page < touch.hi; touch.page++) {
			span = fm_window_fixed(n, &touch);
			ASSERT_EQ(touch.page / n * n, span.first);
			ASSERT_EQ(n, span.count);
		}
	}
}

TEST(fixed_block_is_cut_at_the_bounds)
{
	struct fm_touch touch = { .lo = 515, .hi = 530, .page = 520 };
	struct fm_span span = fm_window_fixed(16, &touch);

	EXPECT_EQ(515, span.first);
	EXPECT_EQ(13, span.count);
	touch.page = 528;
	span = fm_window_fixed(16, &touch);
	EXPECT_EQ(528, span.first);
	EXPECT_EQ(2, span.count);
}

TEST(fixed_block_does_not_overflow)
{
	struct fm_touch touch = { .hi = ULONG_MAX };
	struct fm_span span;

	touch.lo = ULONG_MAX - 100;
	touch.page = ULONG_MAX - 1;
	span = fm_window_fixed(512, &touch);
	EXPECT_TRUE(holds(span, &touch));
	EXPECT_EQ(100, span.count);
	EXPECT_TRUE(holds(fm_window_fixed(ULONG_MAX, &touch), &touch));
}

static void map(char *table, struct fm_span span)
{
	memset(table + span.first % FM_TABLE_PAGES, 1, span.count);
}

TEST(look_measures_neighbours)
{
	struct fm_touch touch = { .page = 300, .lo = 0, .hi = 512 };
	char table[FM_TABLE_PAGES] = { 0 };
	struct fm_table_view view;

	view = fm_window_look(table, &touch, is_present);
	EXPECT_EQ(0, view.below.reach);
	EXPECT_EQ(0, view.above.reach);
	EXPECT_EQ(0, view.sampled);
	EXPECT_EQ(FM_SAMPLES / 2 + 8, view.looked);

	map(table, (struct fm_span){ 300 - 40, 40 });
	map(table, (struct fm_span){ 304, 100 });
	view = fm_window_look(table, &touch, is_present);
	EXPECT_EQ(0, view.below.gap);
	EXPECT_EQ(32, view.below.reach);
	EXPECT_EQ(3, view.above.gap);
	EXPECT_EQ(64, view.above.reach);

	memset(table, 1, sizeof(table));
	view = fm_window_look(table, &touch, is_present);
	EXPECT_EQ(FM_SAMPLES, view.sampled);
}

/* What lies outside the VMA or the buffer is nobody's to look at. */
static bool is_inside(const void *bounds, unsigned long page)
{
	const struct fm_touch *touch = bounds;

	if (page < touch->lo || page >= touch->hi)
		abort();
	return true;
}

TEST(look_stays_within_the_bounds)
{
	struct fm_touch touch;
	int i;

	for (i = 0; i < 100000; i++) {
		touch = random_touch();
		fm_window_look(&touch, &touch, is_inside);
	}
}

/* Faults as they come from touching @walk; returns how many. */
static size_t faults(const struct fm_walk *walk, struct fm_memory *memory,
		     unsigned long mapping, enum fm_hint hint)
{
	struct fm_sim sim = { .costs = fm_measured_costs[FM_FRAME], .pages = walk->pages };

	return fm_replay(walk, &sim, memory, mapping, hint).faults;
}

FIXTURE(walk) {
	struct fm_walk walk;
	struct fm_memory memory;
};

FIXTURE_SETUP(walk)
{
	self->walk.pages = PAGES;
	self->walk.touch = calloc(PAGES, sizeof(*self->walk.touch));
	ASSERT_NE(NULL, self->walk.touch);
}

FIXTURE_TEARDOWN(walk)
{
	free(self->walk.touch);
}

static bool draw_random(struct fm_walk *walk, double share)
{
	size_t i = 0;

	while (strcmp(fm_patterns[i].name, "random"))
		i++;
	return fm_draw(walk, &fm_patterns[i], share, 0, true);
}

static void touch_every(struct fm_walk *walk, size_t stride)
{
	size_t i;

	walk->n = walk->pages / stride;
	for (i = 0; i < walk->n; i++)
		walk->touch[i] = i * stride;
}

/* Some faults for the first table, then one each. */
TEST_F(walk, stream_fills_tables)
{
	size_t tables = PAGES / FM_TABLE_PAGES;

	touch_every(&self->walk, 1);
	EXPECT_GE(tables + 20, faults(&self->walk, &self->memory, 1, FM_HINT_NONE));
	EXPECT_GE(tables + 20, faults(&self->walk, &self->memory, 1, FM_HINT_RANDOM));
}

/* Wide strides are answered page by page, once they are seen. */
TEST_F(walk, strides_get_single_pages)
{
	struct fm_sim sim = { .costs = fm_measured_costs[FM_FRAME], .pages = PAGES };
	struct fm_replay replay;

	touch_every(&self->walk, 64);
	replay = fm_replay(&self->walk, &sim, &self->memory, 1, FM_HINT_NONE);
	EXPECT_EQ(self->walk.n, replay.faults);
	EXPECT_GE(self->walk.n + 100, replay.mapped);
}

/* Advice takes effect at once. */
TEST_F(walk, random_maps_single_pages)
{
	struct fm_touch touch = {
		.mapping = 1, .lo = 0, .hi = 512, .page = 100,
		.hint = FM_HINT_RANDOM,
	};
	struct fm_table_view view = { .empty = true };
	struct fm_span span;

	span = choose(&self->memory.window, &touch, &view);
	EXPECT_EQ(1, span.count);
	touch.hint = FM_HINT_NONE;
	span = choose(&self->memory.window, &touch, &view);
	EXPECT_LT(4, span.count);
	touch.hint = FM_HINT_SEQUENTIAL;
	span = choose(&self->memory.window, &touch, &view);
	EXPECT_LT(32, span.count);
}

/* A mapping that was filled is filled again, a table a fault. */
TEST_F(walk, history_fills_tables)
{
	size_t tables = PAGES / FM_TABLE_PAGES, cold;

	ASSERT_TRUE(draw_random(&self->walk, 100));
	cold = faults(&self->walk, &self->memory, 1, FM_HINT_NONE);
	EXPECT_LT(8 * tables, cold);
	EXPECT_GE(2 * tables, faults(&self->walk, &self->memory, 2, FM_HINT_NONE));
}

/* One in so many is not filled at once: what is touched here and there from now on is seen. */
TEST_F(walk, filled_tables_are_looked_at)
{
	struct fm_sim sim = { .costs = fm_measured_costs[FM_FRAME], .pages = PAGES };
	struct fm_replay replay;
	unsigned int i;

	touch_every(&self->walk, 1);
	faults(&self->walk, &self->memory, 1, FM_HINT_NONE);
	touch_every(&self->walk, FM_TABLE_PAGES);
	replay = fm_replay(&self->walk, &sim, &self->memory, 2, FM_HINT_NONE);
	EXPECT_LT(PAGES / 2, replay.mapped);
	for (i = 0; i < 200; i++)
		replay = fm_replay(&self->walk, &sim, &self->memory, 3 + i, FM_HINT_NONE);
	EXPECT_GT(PAGES / 4, replay.mapped);
}

/* Where no fault goes on with another, the next ones get single pages. */
TEST_F(walk, scattered_touches_get_single_pages)
{
	struct fm_sim sim = { .costs = fm_measured_costs[FM_FRAME], .pages = PAGES };
	struct fm_replay replay;

	ASSERT_TRUE(draw_random(&self->walk, 0.2));
	replay = fm_replay(&self->walk, &sim, &self->memory, 1, FM_HINT_NONE);
	EXPECT_LT(self->walk.n + 8, replay.mapped);
	EXPECT_GT(2 * self->walk.n, replay.mapped);
}

/*
 * In a matrix by columns the second one passes next to the first: it is a stride, and
 * yet not single pages.
 */
TEST_F(walk, neighbouring_strides_fill_in)
{
	size_t i, tables = PAGES / FM_TABLE_PAGES;

	self->walk.n = PAGES;
	for (i = 0; i < PAGES; i++)
		self->walk.touch[i] = i % tables * FM_TABLE_PAGES + i / tables;
	EXPECT_GT(PAGES / 8, faults(&self->walk, &self->memory, 1, FM_HINT_NONE));
}

/* A mapping in which single pages were touched foretells one of single pages. */
TEST_F(walk, history_spares_tables)
{
	struct fm_sim sim = { .costs = fm_measured_costs[FM_FRAME], .pages = PAGES };
	struct fm_replay cold, again;

	ASSERT_TRUE(draw_random(&self->walk, 0.2));
	cold = fm_replay(&self->walk, &sim, &self->memory, 1, FM_HINT_NONE);
	again = fm_replay(&self->walk, &sim, &self->memory, 2, FM_HINT_NONE);
	EXPECT_LT(self->walk.n + 8, cold.mapped);
	EXPECT_GE(self->walk.n + 2, again.mapped);
}

struct costs {
	double mean, worst;
};

static void expect_costs(struct __test_metadata *_metadata, enum fm_set which,
			 const struct costs *limits)
{
	const struct fm_pattern_set *set = &fm_pattern_sets[which];
	struct fm_sim sim = {
		.costs = fm_measured_costs[FM_FRAME], .pages = PAGES, .draws = DRAWS,
	};
	static struct fm_cells cells[64];
	struct fm_summary s;
	enum fm_mode mode;
	size_t i, j;

	for (i = set->first; i < set->end; i++)
		for (j = 0; j < FM_SHARES; j++)
			cells[i].at[j] = fm_simulate(&sim, &fm_patterns[i], fm_shares[j],
						     set->seed);
	for (mode = 0; mode < FM_NR_MODES; mode++) {
		s = fm_summarise(cells, set, FM_FIXED, mode);
		TH_LOG("mode %d: mean %.3f, worst %.2f: %s at %g %%", mode, s.mean,
		       s.worst, s.pattern->name, s.share);
		EXPECT_GE(limits[mode].mean, s.mean);
		EXPECT_GE(limits[mode].worst, s.worst);
	}
}

/* What notes/window.md says of 64 MiB. The draws are the same each time. */
TEST(costs_stay_near_the_best)
{
	static const struct costs limits[] = {
		[FM_COLD] = { 1.17, 1.66 },
		[FM_RIGHT_HINT] = { 1.05, 1.19 },
		[FM_WRONG_HINT] = { 1.26, 1.89 },
		[FM_REPEATED] = { 1.05, 1.39 },
	};

	expect_costs(_metadata, FM_TUNED, limits);
}

TEST(costs_are_not_those_of_the_tuning)
{
	static const struct costs limits[] = {
		[FM_COLD] = { 1.17, 1.65 },
		[FM_RIGHT_HINT] = { 1.06, 1.22 },
		[FM_WRONG_HINT] = { 1.32, 2.78 },
		[FM_REPEATED] = { 1.06, 1.43 },
	};

	expect_costs(_metadata, FM_JUDGED, limits);
}

/* The dearest cell of @kind, first mapped, over windows of @pages as a power of two. */
static double worst_over_fixed(struct __test_metadata *_metadata, enum fm_kind kind,
			       unsigned int pages)
{
	const struct fm_pattern_set *set = &fm_pattern_sets[FM_TUNED];
	static size_t touch[PAGES];
	struct fm_walk walk = { .pages = PAGES, .touch = touch };
	struct fm_sim sim = {
		.costs = fm_measured_costs[kind], .pages = PAGES, .kind = kind,
	};
	double ratio, worst = 0;
	size_t i, j;

	for (i = set->first; i < set->end; i++) {
		for (j = 0; j < FM_SHARES; j++) {
			struct fm_memory memory = { 0 };

			if (!fm_draw(&walk, &fm_patterns[i], fm_shares[j], set->seed, true))
				continue;
			ratio = fm_replay(&walk, &sim, &memory, 1, FM_HINT_NONE).cost /
				fm_find_best(&walk, &sim.costs).fixed[pages];
			if (ratio > worst)
				TH_LOG("%.2f: %s at %g %%", ratio, fm_patterns[i].name,
				       fm_shares[j]);
			worst = ratio > worst ? ratio : worst;
		}
	}
	return worst;
}

/* A memfd maps a page for a write, and is an eighth dearer; for a read it maps 16. */
TEST(pages_cost_about_what_a_memfd_does)
{
	EXPECT_GE(1.12, worst_over_fixed(_metadata, FM_PAGE_WRITTEN, 0));
	EXPECT_GE(1.45, worst_over_fixed(_metadata, FM_PAGE_READ, 4));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many pages around a fault to map. notes/window.md says why, with figures.
 *
 * A fault costs as much as mapping and unmapping some 13 pages, and the pages of
 * a whole page table as much as 39 faults. So:
 *
 * - A fault next to a run of mapped pages goes on with it: half as many again.
 * - Another one starts something, as long as runs have been of late: a start that
 *   meets no run halves the next one, a run makes it twice its length.
 * - The shorter starts are, the sooner a table is filled that is in use here and
 *   there: nobody knows how many more of its pages will be touched.
 * - A table that became full the last time is filled at its first fault.
 * - Faults at a constant distance, too large to fill in, get a page each.
 */
#include "window.h"

/**
 * struct fm_price - what follows from the price of a page
 * @start: a little less than what costs as much as a fault
 * @usual: the longest start that a new mapping takes over, and that of MADV_SEQUENTIAL
 * @fill: a table is filled if so many samples for each page of a start are in use
 * @fill_hinted: the same with MADV_RANDOM
 * @narrow: pages that cost as much as a fault; a stride up to that is filled in
 * @least: the shortest reach that is taken for a run
 * @probe: of so many faults among single pages, one looks whether they stay single
 */
struct fm_price {
	unsigned char start;
	unsigned char usual;
	unsigned char fill;
	unsigned char fill_hinted;
	unsigned char narrow;
	unsigned char least;
	unsigned char probe;
};

/*
 * A reference, a map count and statistics are kept for each struct page: a fault costs as
 * much as three. To be no dearer than a memfd, which maps one page for a write and 16 for
 * a read, a table that is written is filled only when most of it is in use.
 */
static const struct fm_price fm_prices[FM_NR_KINDS] = {
	[FM_FRAME] = {
		.start = 8, .usual = 40, .fill = 2, .fill_hinted = 4, .narrow = 13, .least = 1,
		.probe = 3,
	},
	[FM_PAGE_READ] = {
		.start = 8, .usual = 16, .fill = 4, .fill_hinted = 8, .narrow = 3, .least = 2,
		.probe = 16,
	},
	[FM_PAGE_WRITTEN] = {
		.start = 1, .usual = 8, .fill = 24, .fill_hinted = 24, .narrow = 3, .least = 2,
		.probe = 16,
	},
};

/* One in so many tables is not filled at once, to see whether it would be. */
#define FM_PROBE_FILLED		32

static const struct fm_price *fm_price(const struct fm_touch *touch)
{
	return &fm_prices[touch->kind];
}

/* A new mapping, or new advice. */
static void fm_begin_mapping(struct fm_history *w, const struct fm_touch *touch)
{
	const struct fm_price *price = fm_price(touch);

	/* What was advised is not what was learned. */
	if (!w->start || w->hint == FM_HINT_RANDOM)
		w->start = price->start;
	w->mapping = touch->mapping;
	w->hint = touch->hint;
	/* Nothing comes over from another mapping. */
	w->last = touch->page + FM_TABLE_PAGES;
	w->step = 0;
	if (w->start > price->usual || w->hint == FM_HINT_SEQUENTIAL)
		w->start = price->usual;
	if (w->hint == FM_HINT_RANDOM)
		w->start = 1;
}

static void fm_learn_step(struct fm_history *w, const struct fm_touch *touch)
{
	unsigned long page = touch->page;
	long step = page - w->last;

	w->distance = step < 0 ? w->last - page : page - w->last;
	w->strides = step == w->step && w->distance > fm_price(touch)->narrow;
	w->step = step;
	w->last = page;
}

/* A first fault near the last one: a stream that comes over from another table. */
static bool fm_comes_over(const struct fm_history *w, const struct fm_table_view *view)
{
	return view->empty && w->distance <= w->start;
}

static void fm_learn_start(struct fm_history *w, const struct fm_touch *touch,
			   const struct fm_side *run)
{
	unsigned int reach = 2 * run->reach;

	if (!run->reach)
		w->start -= w->start / 2;
	else if (run->gap < fm_near(touch) - 1 && w->start < reach)
		w->start = reach;
}

static bool fm_fills(const struct fm_history *w, const struct fm_touch *touch,
		     const struct fm_table_view *view)
{
	const struct fm_price *price = fm_price(touch);
	unsigned int fill = w->hint == FM_HINT_RANDOM ? price->fill_hinted : price->fill;

	return view->sampled >= fill * w->start;
}

static unsigned long fm_window_pages(const struct fm_history *w, const struct fm_side *run)
{
	unsigned long more = run->reach + run->reach / 2;

	return more > w->start ? more : w->start;
}

/* @pages from the fault on, away from @run if there is one. */
static struct fm_span fm_place(const struct fm_history *w,
			       const struct fm_touch *touch,
			       const struct fm_side *run,
			       unsigned long pages)
{
	unsigned long above = touch->hi - touch->page - 1;
	unsigned long below = touch->page - touch->lo;
	unsigned long up = w->down ? run->gap : pages - 1;
	unsigned long down = w->down ? pages - 1 : run->gap;

	if (up > above)
		up = above;
	if (down > below)
		down = below;
	return (struct fm_span){ touch->page - down, down + 1 + up };
}

static struct fm_span fm_whole_table(const struct fm_touch *touch)
{
	return (struct fm_span){ touch->lo, touch->hi - touch->lo };
}

/**
 * fm_window_fixed() - the block that holds a fault
 * @pages: size of the blocks into which the address space is divided
 * @touch: the fault
 *
 * Return: the part of the block that may be mapped
 */
struct fm_span fm_window_fixed(unsigned long pages,
			       const struct fm_touch *touch)
{
	unsigned long first = touch->page - touch->page % pages;
	unsigned long count;

	if (first < touch->lo) {
		pages -= touch->lo - first;
		first = touch->lo;
	}
	count = touch->hi - first;
	return (struct fm_span){ first, count < pages ? count : pages };
}

/**
 * fm_window_guess() - choose what to map, if that is clear without a look
 * @w: what was learned so far
 * @touch: the fault
 * @empty: there is no page table yet
 *
 * Return: pages as fm_window_choose() gives them; none if it is to be asked,
 * with what the page table shows
 */
struct fm_span fm_window_guess(struct fm_history *w,
			       const struct fm_touch *touch, bool empty)
{
	bool single;

	if (w->mapping != touch->mapping || w->hint != touch->hint)
		fm_begin_mapping(w, touch);
	if (touch->filled && ++w->skips % FM_PROBE_FILLED)
		return fm_whole_table(touch);
	fm_learn_step(w, touch);
	single = w->strides || (w->start == 1 && w->distance > fm_near(touch) &&
				(!empty || touch->kind != FM_FRAME));
	single = single && ++w->skips % fm_price(touch)->probe;
	return (struct fm_span){ touch->page, single };
}

/**
 * fm_window_choose() - choose what to map
 * @w: what was learned so far
 * @touch: the fault, of which fm_window_guess() has just said nothing
 * @view: what its page table shows
 *
 * Return: pages that hold the fault, none outside of @touch->lo and @touch->hi
 */
struct fm_span fm_window_choose(struct fm_history *w,
				const struct fm_touch *touch,
				const struct fm_table_view *view)
{
	static const struct fm_side none;
	const struct fm_side *run = &view->below, *other = &view->above;
	struct fm_span span;

	if (view->above.reach > view->below.reach) {
		run = &view->above;
		other = &view->below;
	}
	/* With random touches, some mapped pages are neighbours by chance. */
	if (run->reach < fm_price(touch)->least || (touch->kind != FM_FRAME && other->reach))
		run = &none;
	if (run->reach)
		w->down = run == &view->above;
	else if (w->strides)
		return (struct fm_span){ touch->page, 1 };
	if (fm_fills(w, touch, view))
		span = fm_whole_table(touch);
	else
		span = fm_place(w, touch, run, fm_window_pages(w, run));
	if (!fm_comes_over(w, view))
		fm_learn_start(w, touch, run);
	return span;
}

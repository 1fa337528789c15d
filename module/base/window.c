// SPDX-License-Identifier: GPL-2.0
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

/* A little less than what costs as much as a fault. */
#define FM_START		8
/* So much of what an earlier mapping has shown is believed, and of MADV_SEQUENTIAL. */
#define FM_START_USUAL		40
/* Of the samples, for each page of a start. */
#define FM_FILL			2
#define FM_FILL_HINTED		4
/* Pages that cost as much as a fault: a smaller stride is better filled in. */
#define FM_NARROW		13
/* Of so many faults among single pages, one looks whether they stay single. */
#define FM_PROBE_SINGLE		3
/* One in so many tables is not filled at once, to see whether it would be. */
#define FM_PROBE_FILLED		32

/* A new mapping, or new advice. */
static void fm_begin_mapping(struct fm_history *w, const struct fm_touch *touch)
{
	/* What was advised is not what was learned. */
	if (!w->start || w->hint == FM_HINT_RANDOM)
		w->start = FM_START;
	w->mapping = touch->mapping;
	w->hint = touch->hint;
	/* Nothing comes over from another mapping. */
	w->last = touch->page + FM_TABLE_PAGES;
	w->step = 0;
	if (w->start > FM_START_USUAL || w->hint == FM_HINT_SEQUENTIAL)
		w->start = FM_START_USUAL;
	if (w->hint == FM_HINT_RANDOM)
		w->start = 1;
}

static void fm_learn_step(struct fm_history *w, unsigned long page)
{
	long step = page - w->last;

	w->distance = step < 0 ? w->last - page : page - w->last;
	w->strides = step == w->step && w->distance > FM_NARROW;
	w->step = step;
	w->last = page;
}

/* A first fault near the last one: a stream that comes over from another table. */
static bool fm_comes_over(const struct fm_history *w, const struct fm_table_view *view)
{
	return view->empty && w->distance <= w->start;
}

static void fm_learn_start(struct fm_history *w, const struct fm_side *run)
{
	unsigned int reach = 2 * run->reach;

	if (!run->reach)
		w->start -= w->start / 2;
	else if (run->gap < FM_NEAR - 1 && w->start < reach)
		w->start = reach;
}

static bool fm_fills(const struct fm_history *w, const struct fm_table_view *view)
{
	unsigned int fill = w->hint == FM_HINT_RANDOM ? FM_FILL_HINTED : FM_FILL;

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
	fm_learn_step(w, touch->page);
	single = w->strides || (w->start == 1 && w->distance > FM_NEAR && !empty);
	single = single && ++w->skips % FM_PROBE_SINGLE;
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
	const struct fm_side *run;
	struct fm_span span;

	run = view->above.reach > view->below.reach ? &view->above : &view->below;
	if (run->reach)
		w->down = run == &view->above;
	else if (w->strides)
		return (struct fm_span){ touch->page, 1 };
	if (fm_fills(w, view))
		span = fm_whole_table(touch);
	else
		span = fm_place(w, touch, run, fm_window_pages(w, run));
	if (!fm_comes_over(w, view))
		fm_learn_start(w, run);
	return span;
}

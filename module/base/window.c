// SPDX-License-Identifier: GPL-2.0
/*
 * How many pages around a fault to map. notes/window.md says why, with figures.
 *
 * A fault costs as much as mapping and unmapping some 13 pages, and the pages of
 * a whole page table as much as 39 faults. So:
 *
 * - A fault next to a run of mapped pages goes on with it: half as many again.
 * - Another one starts something: about ten pages, more as the table fills.
 * - As long as runs have been of late, so long a start is made.
 * - A table that is five eighths full, or half covered by one run, is filled.
 * - A stream that comes over from filled tables fills the next one at once; so
 *   does any fault if the last mapping ended with most tables full.
 * - Faults at a constant distance, too large to fill in, get a page each.
 * - Where hardly a fault goes on with a run, in the last mapping or in this one, or
 *   user space says so, a start is one page, mostly without a look at the table,
 *   until the table has had its 30 faults or so; a page right next to another
 *   shows that it is not so.
 */
#include "window.h"

/* A little less than what costs as much as a fault. */
#define FM_START		9
/* By so much does a start grow as the table gets full. */
#define FM_START_SLOPE		18
/* The first page of a table is dearer than another, by the table. */
#define FM_START_EMPTY		16
/* Of the samples: stands for some 32 pages, when to rent has cost as much as to buy. */
#define FM_SPARSE_LIMIT		2
/* More where user space says so: it may still be wrong. */
#define FM_SPARSE_LIMIT_HINTED	4
#define FM_SHORTEST		8UL
#define FM_LENGTH_MAX		5
#define FM_LENGTH_HINTED	2
#define FM_TRUST		3
#define FM_STEADY		2
#define FM_STEADY_MAX		7
/* Tables are begun long before they fill: all of 8 GiB are remembered. */
#define FM_TABLES_MEMORY	8192
#define FM_RUNS_MEMORY		64
/* So few faults tell nothing of the next mapping. */
#define FM_EVIDENCE		4
/* One in so many tables is not filled at once, to see whether it would be. */
#define FM_PROBE		32
/* Of so many faults among single pages, one looks whether they stay single. */
#define FM_PROBE_SPARSE		2
#define FM_PROBE_STRIDE		4
/* So many faults of which hardly one went on with a run are enough to tell. */
#define FM_SPARSE_SOON		8
/* Of the samples: a table so full is worth the rest of it. */
#define FM_FULL_ENOUGH		(5 * FM_SAMPLES / 8)
/* One full table may have been all there was to it. */
#define FM_SURE			2
/* Pages that cost as much as a fault: a smaller stride is better filled in. */
#define FM_NARROW		13

static void fm_note_try(struct fm_odds *odds, unsigned int memory)
{
	if (++odds->tries < memory)
		return;
	odds->tries /= 2;
	odds->hits /= 2;
}

static void fm_note_hit(struct fm_odds *odds)
{
	if (odds->hits < odds->tries)
		odds->hits++;
}

static bool fm_odds_are_high(const struct fm_odds *odds)
{
	return 4 * odds->hits >= 3 * odds->tries && odds->hits;
}

static bool fm_odds_are_low(const struct fm_odds *odds)
{
	return 4 * odds->hits < odds->tries || !odds->hits;
}

/* A new mapping, or new advice: history becomes an expectation. */
static void fm_begin_mapping(struct fm_history *w, const struct fm_touch *touch)
{
	w->mapping = touch->mapping;
	w->hint = touch->hint;
	w->last = touch->page;
	w->stride = 0;
	w->steady = 0;
	if (w->tables.tries) {
		w->expect = FM_EXPECT_UNKNOWN;
		if (fm_odds_are_high(&w->tables))
			w->expect = FM_EXPECT_FULL;
		else if (w->runs.tries >= FM_EVIDENCE && !w->length &&
			 fm_odds_are_low(&w->tables) && fm_odds_are_low(&w->runs))
			w->expect = FM_EXPECT_SPARSE;
	}
	w->tables = (struct fm_odds){ 0 };
	w->runs = (struct fm_odds){ 0 };

	if (w->hint == FM_HINT_RANDOM)
		w->expect = FM_EXPECT_SPARSE;
	if (w->hint != FM_HINT_SEQUENTIAL)
		return;
	if (w->expect == FM_EXPECT_SPARSE)
		w->expect = FM_EXPECT_UNKNOWN;
	if (w->length < FM_LENGTH_HINTED) {
		w->length = FM_LENGTH_HINTED;
		w->trust = 0;
	}
}

static unsigned long fm_distance(long distance)
{
	unsigned long pages = distance;

	return distance < 0 ? -pages : pages;
}

/* The majority vote of Boyer and Moore over the distances of the faults. */
static void fm_learn_stride(struct fm_history *w, unsigned long page)
{
	w->step = page - w->last;
	w->last = page;
	if (w->step == w->stride) {
		if (w->steady < FM_STEADY_MAX)
			w->steady++;
	} else if (w->steady) {
		w->steady--;
	} else {
		w->stride = w->step;
	}
}

static bool fm_strides(const struct fm_history *w)
{
	return w->steady >= FM_STEADY && w->step == w->stride &&
	       fm_distance(w->step) > FM_NARROW;
}

static bool fm_at_edge(const struct fm_touch *touch)
{
	return touch->page - touch->lo < FM_NEAR ||
	       touch->hi - touch->page <= FM_NEAR;
}

/* At its edge, because a stream seems to come over from the table next to it. */
static bool fm_fill_at_once(struct fm_history *w, const struct fm_touch *touch)
{
	if (w->expect == FM_EXPECT_FULL && ++w->skips % FM_PROBE)
		return true;
	if (w->tables.hits >= FM_SURE && fm_odds_are_high(&w->tables) && fm_at_edge(touch))
		return true;
	fm_note_try(&w->tables, FM_TABLES_MEMORY);
	return false;
}

/* What a run must have to count as one. */
static unsigned long fm_shortest_run(const struct fm_history *w)
{
	return FM_SHORTEST << w->length;
}

/*
 * How long a run is expected to become; 0 if nothing is. With advice it is not
 * what a stride can be, lest the pages of one pass for a run.
 */
static unsigned long fm_usual_length(const struct fm_history *w)
{
	unsigned long pages = w->length ? fm_shortest_run(w) : 0;

	return w->hint == FM_HINT_SEQUENTIAL ? pages + pages / 4 : pages;
}

/*
 * Only a run that goes on where the last fault left it tells of lengths: another
 * one may just lie next to it.
 */
static void fm_learn_length(struct fm_history *w,
			    const struct fm_side *run, unsigned long distance)
{
	unsigned long length = run->reach - run->gap;

	if (length >= fm_shortest_run(w) && run->gap <= 2 &&
	    distance <= 2UL * run->reach) {
		w->trust = FM_TRUST;
		if (w->expect == FM_EXPECT_SPARSE)
			w->expect = FM_EXPECT_UNKNOWN;
		if (w->length < FM_LENGTH_MAX)
			w->length++;
	} else if (!run->reach) {
		if (w->trust)
			w->trust--;
		else if (w->length)
			w->length--;
	}
}

/* What earlier mappings would have told of this one, had there been any. */
static void fm_learn_sparse(struct fm_history *w)
{
	if (w->expect == FM_EXPECT_UNKNOWN && w->hint != FM_HINT_SEQUENTIAL &&
	    w->runs.tries >= FM_SPARSE_SOON && fm_odds_are_low(&w->runs) && !w->length)
		w->expect = FM_EXPECT_SPARSE;
}

static unsigned int fm_sparse_limit(const struct fm_history *w)
{
	return w->hint == FM_HINT_RANDOM ? FM_SPARSE_LIMIT_HINTED : FM_SPARSE_LIMIT;
}

static bool fm_table_fills(const struct fm_history *w,
			   const struct fm_side *run, unsigned int sampled)
{
	if (w->expect == FM_EXPECT_SPARSE && !run->reach &&
	    sampled >= fm_sparse_limit(w))
		return true;
	return sampled >= FM_FULL_ENOUGH ||
	       (run->gap < 2 && run->reach >= FM_TABLE_PAGES / 2);
}

static unsigned long fm_start_pages(const struct fm_history *w,
				    const struct fm_side *run,
			   const struct fm_table_view *view)
{
	if (w->expect == FM_EXPECT_SPARSE && !(run->reach && !run->gap))
		return 1;
	if (view->empty)
		return FM_START_EMPTY;
	return (FM_START * FM_SAMPLES + FM_START_SLOPE * view->sampled) /
	       (FM_SAMPLES - view->sampled);
}

static unsigned long fm_window_pages(const struct fm_history *w,
				     const struct fm_side *run,
			    const struct fm_table_view *view,
			    unsigned long usual)
{
	unsigned long pages = fm_start_pages(w, run, view);
	unsigned long more = run->reach + run->reach / 2;

	if (usual > run->reach && usual - run->reach > pages)
		pages = usual - run->reach;
	return more > pages ? more : pages;
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

	/* A start that does not fit on one side has the rest on the other. */
	if (!run->reach && up > above)
		down = up - above;
	if (!run->reach && down > below)
		up = down - below;
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

/*
 * A look now and then tells whether it is still so; in a matrix by columns, where
 * each stride passes next to the one before, it is not.
 */
static bool fm_stays_single(struct fm_history *w)
{
	if (fm_strides(w))
		return fm_odds_are_low(&w->runs) && ++w->skips % FM_PROBE_STRIDE;
	return w->expect == FM_EXPECT_SPARSE && fm_distance(w->step) > FM_NEAR &&
	       ++w->skips % FM_PROBE_SPARSE;
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
			       const struct fm_touch *touch,
					    bool empty)
{
	if (w->mapping != touch->mapping || w->hint != touch->hint)
		fm_begin_mapping(w, touch);
	if (empty && fm_fill_at_once(w, touch))
		return fm_whole_table(touch);
	fm_learn_stride(w, touch->page);
	if (fm_stays_single(w)) {
		fm_note_try(&w->runs, FM_RUNS_MEMORY);
		return (struct fm_span){ touch->page, 1 };
	}
	return (struct fm_span){ 0 };
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
	unsigned long usual;

	run = view->above.reach > view->below.reach ? &view->above : &view->below;
	fm_note_try(&w->runs, FM_RUNS_MEMORY);
	if (run->reach) {
		fm_note_hit(&w->runs);
		w->down = run == &view->above;
	} else if (fm_strides(w)) {
		return (struct fm_span){ touch->page, 1 };
	}
	usual = fm_usual_length(w);
	fm_learn_length(w, run, fm_distance(w->step));
	fm_learn_sparse(w);
	if (fm_table_fills(w, run, view->sampled)) {
		fm_note_hit(&w->tables);
		return fm_whole_table(touch);
	}
	return fm_place(w, touch, run, fm_window_pages(w, run, view, usual));
}

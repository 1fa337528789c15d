// SPDX-License-Identifier: GPL-2.0
/*
 * How many pages around a fault to map. notes/window.md says why, with figures.
 *
 * A fault costs as much as mapping and unmapping some 18 pages, and the pages of
 * a whole page table as much as 27 faults. So:
 *
 * - A fault next to a run of mapped pages goes on with it: half as many again.
 * - Another one starts something: about ten pages, more as the table fills.
 * - As long as runs have been of late, so long a start is made.
 * - A table that is half full, or half covered by one run, is filled.
 * - A stream that comes over from a filled table fills the next one at once; so
 *   does any fault if the last mapping ended with most tables full.
 * - Faults at a constant distance, too large to fill in, get a page each.
 * - Where the last mapping was touched in single pages only, or user space says
 *   so, a start is one page, until a table has had its 27 faults; a page right
 *   next to another shows that it is not so.
 */
#include "window.h"

/* Half of what costs as much as a fault: one may be wrong half of the time. */
#define FM_START		11
/* By so much does a start grow as the table gets full. */
#define FM_START_SLOPE		18
/* The first page of a table is dearer than another, by the table. */
#define FM_START_EMPTY		16
/* Stands for some 27 pages of a table. */
#define FM_SPARSE_LIMIT		5
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

static void note_try(struct faultmap_odds *odds, unsigned int memory)
{
	if (++odds->tries < memory)
		return;
	odds->tries /= 2;
	odds->hits /= 2;
}

static void note_hit(struct faultmap_odds *odds)
{
	if (odds->hits < odds->tries)
		odds->hits++;
}

static bool mostly(const struct faultmap_odds *odds)
{
	return 4 * odds->hits >= 3 * odds->tries && odds->hits;
}

static bool seldom(const struct faultmap_odds *odds)
{
	return 4 * odds->hits < odds->tries || !odds->hits;
}

/* A new mapping, or new advice: history becomes an expectation. */
static void renew(struct faultmap_window *w, const struct faultmap_touch *touch)
{
	w->mapping = touch->mapping;
	w->hint = touch->hint;
	w->last = touch->page;
	w->stride = 0;
	w->steady = 0;
	if (w->tables.tries) {
		w->expect = FM_EXPECT_UNKNOWN;
		if (mostly(&w->tables))
			w->expect = FM_EXPECT_FULL;
		else if (w->runs.tries >= FM_EVIDENCE && !w->length &&
			 seldom(&w->tables) && seldom(&w->runs))
			w->expect = FM_EXPECT_SPARSE;
	}
	w->tables = (struct faultmap_odds){ 0 };
	w->runs = (struct faultmap_odds){ 0 };

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

/*
 * The majority vote of Boyer and Moore over the distances of the faults. A
 * stride of less than a fault is worth of pages is better filled in.
 */
static bool strides(struct faultmap_window *w, unsigned long page)
{
	long distance = page - w->last;

	w->last = page;
	if (distance == w->stride) {
		if (w->steady < FM_STEADY_MAX)
			w->steady++;
	} else if (w->steady) {
		w->steady--;
	} else {
		w->stride = distance;
	}
	return w->steady >= FM_STEADY && distance == w->stride &&
	       (distance > 2 * FM_NEAR + 1 || distance < -2 * FM_NEAR - 1);
}

static bool at_edge(const struct faultmap_touch *touch)
{
	return touch->page - touch->lo < FM_NEAR ||
	       touch->hi - touch->page <= FM_NEAR;
}

/* At its edge, because a stream seems to come over from the table next to it. */
static bool fill_at_once(struct faultmap_window *w,
			 const struct faultmap_touch *touch)
{
	if (w->expect == FM_EXPECT_FULL && ++w->skips % FM_PROBE)
		return true;
	if (mostly(&w->tables) && at_edge(touch))
		return true;
	note_try(&w->tables, FM_TABLES_MEMORY);
	return false;
}

/* What a run must have to count as one; the mask, in case of a torn update. */
static unsigned long shortest(const struct faultmap_window *w)
{
	return FM_SHORTEST << (w->length & 7);
}

/*
 * How long a run is expected to become; 0 if nothing is. With advice it is not
 * what a stride can be, lest the pages of one pass for a run.
 */
static unsigned long usual_length(const struct faultmap_window *w)
{
	unsigned long pages = w->length ? shortest(w) : 0;

	return w->hint == FM_HINT_SEQUENTIAL ? pages + pages / 4 : pages;
}

/*
 * Only a run that goes on where the last fault left it tells of lengths: another
 * one may just lie next to it.
 */
static void learn_length(struct faultmap_window *w,
			 const struct faultmap_side *run, unsigned long distance)
{
	unsigned long length = run->reach - run->gap;

	if (length >= shortest(w) && run->gap <= 2 &&
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

static bool fills(const struct faultmap_window *w,
		  const struct faultmap_side *run, unsigned int sampled)
{
	if (w->expect == FM_EXPECT_SPARSE && !run->reach &&
	    sampled >= FM_SPARSE_LIMIT)
		return true;
	return sampled >= FM_SAMPLES / 2 ||
	       (run->gap < 2 && run->reach >= FM_TABLE_PAGES / 2);
}

static unsigned long start(const struct faultmap_window *w,
			   const struct faultmap_side *run,
			   const struct faultmap_table_view *view)
{
	if (w->expect == FM_EXPECT_SPARSE && !(run->reach && !run->gap))
		return 1;
	if (view->empty)
		return FM_START_EMPTY;
	return (FM_START * FM_SAMPLES + FM_START_SLOPE * view->sampled) /
	       (FM_SAMPLES - view->sampled);
}

static unsigned long window(const struct faultmap_window *w,
			    const struct faultmap_side *run,
			    const struct faultmap_table_view *view,
			    unsigned long usual)
{
	unsigned long pages = start(w, run, view);
	unsigned long more = run->reach + run->reach / 2;

	if (usual > run->reach && usual - run->reach > pages)
		pages = usual - run->reach;
	return more > pages ? more : pages;
}

/* @pages from the fault on, away from @run if there is one. */
static struct faultmap_span place(const struct faultmap_window *w,
				  const struct faultmap_touch *touch,
				  const struct faultmap_side *run,
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
	return (struct faultmap_span){ touch->page - down, down + 1 + up };
}

static struct faultmap_span all(const struct faultmap_touch *touch)
{
	return (struct faultmap_span){ touch->lo, touch->hi - touch->lo };
}

/**
 * faultmap_window_fixed() - the block that holds a fault
 * @pages: size of the blocks into which the address space is divided
 * @touch: the fault
 *
 * Return: the part of the block that may be mapped
 */
struct faultmap_span faultmap_window_fixed(unsigned long pages,
					   const struct faultmap_touch *touch)
{
	unsigned long first = touch->page - touch->page % pages;
	unsigned long count;

	if (first < touch->lo) {
		pages -= touch->lo - first;
		first = touch->lo;
	}
	count = touch->hi - first;
	return (struct faultmap_span){ first, count < pages ? count : pages };
}

/**
 * faultmap_window_span() - choose what to map
 * @w: what was learned so far
 * @touch: the fault
 * @view: what its page table shows
 *
 * Return: pages that hold the fault, none outside of @touch->lo and @touch->hi
 */
struct faultmap_span faultmap_window_span(struct faultmap_window *w,
					  const struct faultmap_touch *touch,
					  const struct faultmap_table_view *view)
{
	const struct faultmap_side *run;
	unsigned long distance, usual;
	bool strided;

	if (w->mapping != touch->mapping || w->hint != touch->hint)
		renew(w, touch);
	if (view->empty && fill_at_once(w, touch))
		return all(touch);

	distance = touch->page > w->last ? touch->page - w->last :
					   w->last - touch->page;
	strided = strides(w, touch->page);
	run = view->above.reach > view->below.reach ? &view->above : &view->below;
	note_try(&w->runs, FM_RUNS_MEMORY);
	if (run->reach) {
		note_hit(&w->runs);
		w->down = run == &view->above;
	} else if (strided) {
		return (struct faultmap_span){ touch->page, 1 };
	}
	usual = usual_length(w);
	learn_length(w, run, distance);
	if (fills(w, run, view->sampled)) {
		note_hit(&w->tables);
		return all(touch);
	}
	return place(w, touch, run, window(w, run, view, usual));
}

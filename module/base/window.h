/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many pages around a fault to map: pure arithmetic, also built in user
 * space, where perf/winsim replays access patterns against it.
 *
 * Pages are numbered by address: those with equal page >> FM_TABLE_SHIFT share a
 * page table.
 */
#ifndef _FAULTMAP_WINDOW_H
#define _FAULTMAP_WINDOW_H

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/types.h>
#else
#include <stdbool.h>
#include <sys/cdefs.h>
#endif

#define FM_TABLE_SHIFT		9
#define FM_TABLE_PAGES		512UL

/* Entries that are read to estimate how full a page table is. */
#define FM_SAMPLES		32
/* A prime, so that no other stride of the pages meets all of them, or none. */
#define FM_SAMPLE_STEP		13
/* A neighbour within so many frames, or struct pages, belongs to the same run. */
#define FM_NEAR			8
#define FM_NEAR_PAGE		2
/* Tables of which is known whether they became full; more share what is known. */
#define FM_TABLES_KNOWN		1024

enum fm_hint {
	FM_HINT_NONE,
	FM_HINT_RANDOM,
	FM_HINT_SEQUENTIAL,
};

/**
 * struct fm_history - what was learned from the faults of one CPU
 * @mapping: whose faults they were
 * @last: page of the last fault
 * @step: its distance from the one before
 * @distance: the same without its sign
 * @start: pages to map where nothing is mapped yet
 * @strides: the last two steps were the same, and wide
 * @down: the last run went towards lower addresses
 * @skips: faults answered without a look
 * @hint: what user space said of the mapping
 *
 * All zeroes is a valid start. Whoever uses it keeps others out; what a CPU has
 * learned between the calls for one fault, from another, does no harm.
 */
struct fm_history {
	unsigned long mapping;
	unsigned long last;
	long step;
	unsigned long distance;
	unsigned short start;
	bool strides;
	bool down;
	unsigned char skips;
	unsigned char hint;
};

/* A struct page costs more than a frame, and not the same for a read and for a write. */
enum fm_kind { FM_FRAME, FM_PAGE_READ, FM_PAGE_WRITTEN, FM_NR_KINDS };

/**
 * struct fm_touch - a fault
 * @mapping: tells mappings apart
 * @page: the page that was touched
 * @lo: first page that may be mapped along with it
 * @hi: the page behind the last one; @lo and @hi lie in the same page table
 * @hint: as given by madvise(2)
 * @filled: its page table is empty, and became full the last time
 * @kind: what it maps
 */
struct fm_touch {
	unsigned long mapping;
	unsigned long page;
	unsigned long lo;
	unsigned long hi;
	enum fm_hint hint;
	bool filled;
	enum fm_kind kind;
};

/**
 * struct fm_side - the mapped pages on one side of a fault
 * @gap: unmapped pages next to the fault, at most FM_NEAR - 1
 * @reach: pages up to the far end of the mapped ones, the gap included, rounded
 *	down to a power of two; 0 if none is near
 */
struct fm_side {
	unsigned short gap;
	unsigned short reach;
};

/**
 * struct fm_table_view - what the page table of a fault shows
 * @empty: nothing was ever mapped by it; the rest is then zero
 * @below: what is mapped before the fault
 * @above: what is mapped behind it
 * @sampled: of FM_SAMPLES entries, so many are in use; 0 if none of the first half is
 * @looked: entries read to find out
 */
struct fm_table_view {
	bool empty;
	struct fm_side below;
	struct fm_side above;
	unsigned short sampled;
	unsigned short looked;
};

/**
 * struct fm_span - pages to map
 * @first: the first one
 * @count: how many
 */
struct fm_span {
	unsigned long first;
	unsigned long count;
};

typedef bool (*fm_present_fn)(const void *table, unsigned long page);

static __always_inline unsigned int fm_near(const struct fm_touch *touch)
{
	return touch->kind == FM_FRAME ? FM_NEAR : FM_NEAR_PAGE;
}

static __always_inline struct fm_side
fm_look_aside(const void *table, const struct fm_touch *touch, unsigned long room,
	      int direction, fm_present_fn present, unsigned short *looked)
{
	struct fm_side side = { 0 };
	unsigned long i;

	for (i = 1; i <= room; i *= 2) {
		++*looked;
		if (present(table, touch->page + direction * (long)i)) {
			if (!side.reach)
				side.gap = i > 2 ? i - 1 : i / 2;
			side.reach = i;
		} else if (side.reach || i >= fm_near(touch)) {
			break;
		}
	}
	return side;
}

/* Every other one of the samples: the even or the odd ones. */
static __always_inline unsigned short
fm_sample(const void *table, const struct fm_touch *touch,
	  unsigned int odd, fm_present_fn present, unsigned short *looked)
{
	unsigned long base = touch->page & ~(FM_TABLE_PAGES - 1);
	unsigned long page = base + odd * FM_SAMPLE_STEP;
	unsigned long end = base + FM_SAMPLES * FM_SAMPLE_STEP;
	unsigned short sampled = 0;

	if (end > touch->hi)
		end = touch->hi;
	while (page < touch->lo)
		page += 2 * FM_SAMPLE_STEP;
	for (; page < end; page += 2 * FM_SAMPLE_STEP) {
		++*looked;
		sampled += present(table, page);
	}
	return sampled;
}

/**
 * fm_window_look() - see what the page table of a fault shows
 * @table: for @present
 * @touch: the fault
 * @present: tells whether a page between @touch->lo and @touch->hi is mapped
 *
 * Neighbours are tried 1, 2, 4, ... pages away, so that a run of any length is
 * measured by a few reads. The caller holds the lock of the page table, or does
 * not mind a wrong answer. Inline, because a call for each entry would cost more
 * than reading it.
 *
 * Return: what fm_window_choose() wants to know
 */
static __always_inline struct fm_table_view
fm_window_look(const void *table, const struct fm_touch *touch,
	       fm_present_fn present)
{
	struct fm_table_view view = { 0 };

	view.below = fm_look_aside(table, touch,
				   touch->page - touch->lo, -1, present,
					 &view.looked);
	view.above = fm_look_aside(table, touch,
				   touch->hi - touch->page - 1, 1, present,
					 &view.looked);
	view.sampled = fm_sample(table, touch, 0, present, &view.looked);
	if (view.sampled)
		view.sampled += fm_sample(table, touch, 1, present,
						&view.looked);
	return view;
}

/**
 * fm_window_fills() - whether a page table is full now, or nearly
 * @touch: the fault
 * @view: what the table showed
 * @span: what is mapped at this fault
 *
 * Return: what is to be said by @filled of the next touch that finds it empty
 */
static __always_inline bool fm_window_fills(const struct fm_touch *touch,
					    const struct fm_table_view *view,
					    const struct fm_span *span)
{
	unsigned long sample = FM_TABLE_PAGES / FM_SAMPLES;

	return span->count + (view->sampled + 2) * sample >= touch->hi - touch->lo;
}

struct fm_span fm_window_fixed(unsigned long pages, const struct fm_touch *touch);
struct fm_span fm_window_guess(struct fm_history *history,
			       const struct fm_touch *touch, bool empty);
struct fm_span fm_window_choose(struct fm_history *history,
				const struct fm_touch *touch,
				const struct fm_table_view *view);

#endif /* _FAULTMAP_WINDOW_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of an object: the kernel address of each of its pages.
 *
 * It has two levels, so that growth adds to it and moves nothing: readers may look
 * at it all the while. Entries are filled in before the object's size lets a reader
 * see them; or, where &fm_object_ops.frames answers for what is not there yet, at any
 * time, and count as soon as they say how long their run is, which is said last.
 */
#include <linux/export.h>
#include <linux/gfp.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "internal.h"

/* Room for @nr leaves at least; what there was keeps its place. */
static int fm_table_extend(struct fm_object *obj, unsigned long nr)
{
	struct fm_table *table, *old = obj->table;

	if (old && nr <= old->nr)
		return 0;
	if (old)
		nr = max(nr, 2 * old->nr);
	table = kvzalloc(struct_size(table, leaf, nr), FM_GFP);
	if (!table)
		return -ENOMEM;
	table->nr = nr;
	/* Kept to the end: all that were replaced are not as large as the last. */
	table->old = old;
	if (old)
		memcpy(table->leaf, old->leaf, old->nr * sizeof(old->leaf[0]));
	/* Pairs with the address dependency in fm_find(). */
	smp_store_release(&obj->table, table);
	return 0;
}

/**
 * fm_table_reserve() - have room in the table
 * @obj: the object; whoever calls keeps others from changing its size
 * @from: so many pages have room already
 * @to: so many pages need room
 *
 * Room that is not used, after a failure or a shrink, stays with the object.
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int fm_table_reserve(struct fm_object *obj, unsigned long from, unsigned long to)
{
	unsigned long nr = DIV_ROUND_UP(to, FM_LEAF_ENTRIES), i;
	int ret;

	ret = fm_table_extend(obj, nr);
	for (i = from >> FM_LEAF_SHIFT; !ret && i < nr; i++) {
		if (obj->table->leaf[i])
			continue;
		obj->table->leaf[i] = (unsigned long *)get_zeroed_page(FM_GFP);
		if (!obj->table->leaf[i])
			ret = -ENOMEM;
		cond_resched();
	}
	return ret;
}
EXPORT_SYMBOL_GPL(fm_table_reserve);

/**
 * fm_table_free() - free the table
 * @obj: the object, which nobody uses any more
 */
void fm_table_free(struct fm_object *obj)
{
	struct fm_table *table, *old;
	unsigned long i;

	for (i = 0; obj->table && i < obj->table->nr; i++)
		free_page((unsigned long)obj->table->leaf[i]);
	for (table = obj->table; table; table = old) {
		old = table->old;
		kvfree(table);
	}
}

/**
 * fm_table_add() - enter pages
 * @obj: the object, with room for them in the table; it has no file yet, or is smaller, or
 *	it has &fm_object_ops.frames, and the caller keeps others from entering pages
 * @first: the page of the object that the first one is
 * @addr: its kernel address, which those of the others follow
 * @npages: how many pages
 * @mark_each: mark all of them, and not just the first
 */
void fm_table_add(struct fm_object *obj, unsigned long first, void *addr,
		  unsigned long npages, bool mark_each)
{
	unsigned long entry = (unsigned long)addr, i;

	for (i = 0; i < npages; i++, entry += PAGE_SIZE)
		WRITE_ONCE(*fm_entry(obj->table, first + i),
			   entry | (!i || mark_each ? FM_MARK : 0));
}
EXPORT_SYMBOL_GPL(fm_table_add);

/* Whether the page behind @next is the frame behind that of @entry. */
static bool fm_adjoins(enum fm_addresses addresses, unsigned long entry,
		       unsigned long next)
{
	/* Of memory that has no frames to tell, what was entered at once is contiguous. */
	if (addresses == FM_OPAQUE)
		return !(next & FM_MARK);
	return fm_entry_pfn(addresses, entry) + 1 == fm_entry_pfn(addresses, next);
}

static unsigned long fm_with_run(unsigned long entry, unsigned long run)
{
	return (entry & (PAGE_MASK | FM_MARK)) | run << FM_RUN_SHIFT;
}

static unsigned long fm_run_before(enum fm_addresses addresses, unsigned long entry,
				   unsigned long next)
{
	return fm_adjoins(addresses, entry, next) ? min(fm_run(next) + 1, FM_RUN_MAX) : 1;
}

/**
 * fm_table_find_runs() - note at each page how far its frames go on behind it
 * @obj: the object
 * @from: the first page that is new
 * @to: the page behind the last one, the end of what was entered
 *
 * To be called before fm_object_grow() lets new pages be seen. The pages before the
 * first of them gain what it goes on with, as far as that can be noted. Readers may look
 * at those, and see the new run or the old one.
 *
 * Of an object with &fm_object_ops.frames, an entry counts from this call on, which has
 * to be the last thing done to its memory; others are not changed.
 *
 * Context: may sleep.
 */
void fm_table_find_runs(struct fm_object *obj, unsigned long from,
			unsigned long to)
{
	unsigned long i, entry, next = 0, run;
	unsigned long first = obj->ops->frames ? from : 0;

	/* Pairs with the address dependency of a reader of one of these entries. */
	smp_wmb();
	for (i = to; i-- > first; next = entry) {
		unsigned long *where = fm_entry(obj->table, i);

		entry = *where;
		run = i + 1 < to ?
			fm_run_before(obj->ops->addresses, entry, next) : 1;
		entry = fm_with_run(entry, run);
		if (i < from && entry == *where)
			break;
		WRITE_ONCE(*where, entry);
		cond_resched();
	}
}
EXPORT_SYMBOL_GPL(fm_table_find_runs);

/**
 * fm_table_remove() - remove pages, so that &fm_object_ops.frames is asked for them
 * @obj: the object
 * @from: the first page
 * @to: the page behind the last one, the end of what was entered; nobody sees these
 *	pages, since the object is smaller
 *
 * No run goes on into them afterwards: they may come to be seen before they are there.
 */
void fm_table_remove(struct fm_object *obj, unsigned long from, unsigned long to)
{
	unsigned long i, entry;

	for (i = from; i < to; i++)
		WRITE_ONCE(*fm_entry(obj->table, i), 0);
	for (i = from; to > from && i-- > 0; ) {
		entry = *fm_entry(obj->table, i);
		if (fm_run(entry) <= from - i)
			break;
		WRITE_ONCE(*fm_entry(obj->table, i),
			   fm_with_run(entry, from - i));
	}
}
EXPORT_SYMBOL_GPL(fm_table_remove);

/**
 * fm_table_fill() - enter all of an object's memory, which lies at consecutive addresses
 * @obj: the object, which has no file and no table yet
 * @addr: the kernel address of its first page
 * @npages: its size
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int fm_table_fill(struct fm_object *obj, void *addr, unsigned long npages)
{
	int ret = fm_table_reserve(obj, 0, npages);

	if (ret)
		return ret;
	fm_table_add(obj, 0, addr, npages, false);
	fm_table_find_runs(obj, 0, npages);
	return 0;
}
EXPORT_SYMBOL_GPL(fm_table_fill);

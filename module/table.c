// SPDX-License-Identifier: GPL-2.0
/*
 * The table of a buffer: the kernel address of each of its pages.
 *
 * It has two levels, so that growth adds to it and moves nothing: readers may look
 * at it all the while. Entries are filled in before the buffer's size lets a reader
 * see them.
 */
#include <linux/gfp.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "faultmap.h"

/* Room for @nr leaves at least; what there was keeps its place. */
static int faultmap_table_extend(struct faultmap_buffer *buf, unsigned long nr)
{
	struct faultmap_table *table, *old = buf->table;

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
	/* Pairs with the address dependency in faultmap_find(). */
	smp_store_release(&buf->table, table);
	return 0;
}

/**
 * faultmap_table_reserve() - have room in the table
 * @buf: the buffer; whoever calls keeps others from changing its size
 * @npages: for so many pages
 *
 * Room that is not used, after a failure or a shrink, stays with the buffer.
 *
 * Return: 0 or -ENOMEM.
 */
int faultmap_table_reserve(struct faultmap_buffer *buf, unsigned long npages)
{
	unsigned long i = buf->allocated >> FM_LEAF_SHIFT;
	unsigned long nr = DIV_ROUND_UP(npages, FM_LEAF_ENTRIES);
	int ret;

	ret = faultmap_table_extend(buf, nr);
	for (; !ret && i < nr; i++) {
		if (buf->table->leaf[i])
			continue;
		buf->table->leaf[i] = (unsigned long *)get_zeroed_page(FM_GFP);
		if (!buf->table->leaf[i])
			ret = -ENOMEM;
		cond_resched();
	}
	return ret;
}

/**
 * faultmap_table_free() - free the table
 * @buf: the buffer, which nobody uses any more, and whose memory is freed
 */
void faultmap_table_free(struct faultmap_buffer *buf)
{
	struct faultmap_table *table, *old;
	unsigned long i;

	for (i = 0; buf->table && i < buf->table->nr; i++)
		free_page((unsigned long)buf->table->leaf[i]);
	for (table = buf->table; table; table = old) {
		old = table->old;
		kvfree(table);
	}
}

/**
 * faultmap_table_add() - enter a block
 * @buf: the buffer, with room for it in the table
 * @first: the page of the buffer that its first one is
 * @block: the block
 */
void faultmap_table_add(struct faultmap_buffer *buf, unsigned long first,
			const struct faultmap_block *block)
{
	unsigned long addr = (unsigned long)block->addr, i;

	for (i = 0; i < block->npages; i++, addr += PAGE_SIZE)
		*faultmap_entry(buf->table, first + i) =
			addr | (!i || block->split ? FM_BLOCK : 0);
}

/* Whether the page behind @next is the frame behind that of @entry. */
static bool faultmap_adjoins(const struct faultmap_memory *memory,
			     unsigned long entry, unsigned long next)
{
	/* Of memory that has no frames to tell, a block is contiguous. */
	if (memory->mmap)
		return !(next & FM_BLOCK);
	return faultmap_entry_pfn(memory, entry) + 1 ==
	       faultmap_entry_pfn(memory, next);
}

static unsigned long faultmap_run_before(const struct faultmap_memory *memory,
					 unsigned long entry, unsigned long next)
{
	unsigned long run = (next & ~PAGE_MASK) >> FM_RUN_SHIFT;

	return faultmap_adjoins(memory, entry, next) ? min(run + 1, FM_RUN_MAX) : 1;
}

/**
 * faultmap_find_runs() - note at each page how far its frames go on behind it
 * @buf: the buffer
 * @from: the first page that is new
 * @to: the page behind the last one, the end of what is allocated
 *
 * The pages before the first new one gain what it goes on with, as far as that
 * can be noted. Readers may look at those, and see the new run or the old one.
 *
 * Context: may sleep.
 */
void faultmap_find_runs(struct faultmap_buffer *buf, unsigned long from,
			unsigned long to)
{
	unsigned long i, entry, next = 0, run;

	for (i = to; i-- > 0; next = entry) {
		unsigned long *where = faultmap_entry(buf->table, i);

		entry = *where;
		run = i + 1 < to ?
			faultmap_run_before(buf->memory, entry, next) : 1;
		entry = (entry & (PAGE_MASK | FM_BLOCK)) | run << FM_RUN_SHIFT;
		if (i < from && entry == *where)
			break;
		WRITE_ONCE(*where, entry);
		cond_resched();
	}
}

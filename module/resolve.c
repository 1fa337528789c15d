// SPDX-License-Identifier: GPL-2.0
/*
 * The one question asked of memory: which frame lies at an offset.
 *
 * Whoever asks is in a read section of the buffer's SRCU domain from the question
 * until the answer is used up: until the page is referenced and locked, the
 * translations are installed, or the bytes are copied. Readers write no cache line
 * that is shared between CPUs.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/srcu.h>

#include "faultmap.h"

static unsigned long faultmap_run(unsigned long entry)
{
	return (entry & ~PAGE_MASK) >> FM_RUN_SHIFT;
}

/*
 * Returns how many pages there are from @pgoff on, and the table that they all are
 * in; of a device's memory there is none.
 */
static __always_inline unsigned long
faultmap_find(const struct faultmap_buffer *buf, pgoff_t pgoff,
	      const struct faultmap_table **table)
{
	/* Pairs with faultmap_set_size(): the table is filled that far by now. */
	unsigned long npages = smp_load_acquire(&buf->npages);

	*table = READ_ONCE(buf->table);
	return pgoff < npages ? npages - pgoff : 0;
}

static __always_inline unsigned long
faultmap_load(const struct faultmap_table *table, pgoff_t pgoff)
{
	return READ_ONCE(*faultmap_entry(table, pgoff));
}

static unsigned long faultmap_resolve_any(const struct faultmap_buffer *buf,
					  pgoff_t pgoff, unsigned long max,
					  unsigned long *pfn)
{
	const struct faultmap_memory *memory = buf->memory;
	const struct faultmap_table *table;
	unsigned long left = faultmap_find(buf, pgoff, &table);
	unsigned long entry, run, more;

	max = min(max, left);
	if (!max)
		return 0;
	if (memory->is_device) {
		*pfn = PHYS_PFN(buf->range.start) + pgoff;
		return max;
	}
	entry = faultmap_load(table, pgoff);
	run = faultmap_run(entry);
	if (memory->mmap)
		return min(run, max);
	*pfn = faultmap_entry_pfn(memory, entry);
	/* Only the longest run that can be told may go on behind its end. */
	for (more = run; more == FM_RUN_MAX && run < max; run += more) {
		entry = faultmap_load(table, pgoff + run);
		if (faultmap_entry_pfn(memory, entry) != *pfn + run)
			break;
		more = faultmap_run(entry);
	}
	return min(run, max);
}

/**
 * faultmap_resolve() - the one question asked of memory: what lies at an offset
 * @file: the file through which it is asked
 * @pgoff: offset into the buffer in pages
 * @max: how many pages are of interest, at least 1
 * @pfn: where the page frame number at @pgoff goes, unless the memory has a way of
 *	its own to be mapped
 *
 * Context: in a read section, and for as long as the answer is used.
 * Return: how many pages from @pgoff on, at most @max, lie in consecutive
 * frames; 0 if @pgoff is beyond the buffer or the file is revoked.
 */
unsigned long faultmap_resolve(const struct faultmap_file *file, pgoff_t pgoff,
			       unsigned long max, unsigned long *pfn)
{
	if (faultmap_revoked(file))
		return 0;
	return faultmap_resolve_any(file->buffer, pgoff, max, pfn);
}

/**
 * faultmap_resolve_each() - ask the same of each of several pages
 * @file: the file through which it is asked
 * @pgoff: offset into the buffer in pages
 * @max: how many pages are of interest
 * @pfn: where their page frame numbers go
 *
 * For memory that is not contiguous, at less than half the cost.
 *
 * Context: in a read section, and for as long as the answer is used.
 * Return: how many pages from @pgoff on lie inside the buffer, at most @max, and
 * fewer at the end of a leaf; 0 if the file is revoked.
 */
unsigned long faultmap_resolve_each(const struct faultmap_file *file,
				    pgoff_t pgoff, unsigned long max,
				    unsigned long *pfn)
{
	const struct faultmap_buffer *buf = file->buffer;
	const struct faultmap_table *table;
	unsigned long left = faultmap_find(buf, pgoff, &table);
	unsigned long *entry, i;

	if (!left || faultmap_revoked(file))
		return 0;
	max = min(max, left);
	if (buf->memory->is_device) {
		for (i = 0; i < max; i++)
			pfn[i] = PHYS_PFN(buf->range.start) + pgoff + i;
		return max;
	}
	max = min(max, FM_LEAF_ENTRIES - (pgoff & (FM_LEAF_ENTRIES - 1)));
	entry = faultmap_entry(table, pgoff);
	for (i = 0; i < max; i++)
		pfn[i] = faultmap_entry_pfn(buf->memory, READ_ONCE(entry[i]));
	return max;
}

/**
 * faultmap_resolve_page() - ask the same of a single page, of memory that has them
 * @file: the file through which it is asked
 * @pgoff: offset into the buffer in pages
 *
 * Context: in a read section, and for as long as the answer is used.
 * Return: the page, without a reference of its own, or NULL if @pgoff is beyond the
 * buffer or the file is revoked.
 */
struct page *faultmap_resolve_page(const struct faultmap_file *file, pgoff_t pgoff)
{
	const struct faultmap_buffer *buf = file->buffer;
	const struct faultmap_table *table;

	if (faultmap_revoked(file) || !faultmap_find(buf, pgoff, &table))
		return NULL;
	return pfn_to_page(faultmap_entry_pfn(buf->memory,
					      faultmap_load(table, pgoff)));
}

/**
 * faultmap_resolve_block() - ask for the block that some pages lie in
 * @file: the file through which it is asked, of a buffer that has a table
 * @pgoff: offset of the first page into the buffer in pages
 * @npages: how many pages there are
 * @first: where it goes how many pages of the block come before them
 *
 * Context: in a read section, and for as long as the answer is used.
 * Return: the kernel address of the block; ERR_PTR(-ENXIO) if some of the pages are
 * beyond the buffer or the file is revoked, ERR_PTR(-EOPNOTSUPP) if they lie in
 * more than one block.
 */
void *faultmap_resolve_block(const struct faultmap_file *file, pgoff_t pgoff,
			     unsigned long npages, unsigned long *first)
{
	const struct faultmap_table *table;
	unsigned long i, start = pgoff;

	if (faultmap_revoked(file) ||
	    faultmap_find(file->buffer, pgoff, &table) < npages)
		return ERR_PTR(-ENXIO);
	for (i = 1; i < npages; i++)
		if (faultmap_load(table, pgoff + i) & FM_BLOCK)
			return ERR_PTR(-EOPNOTSUPP);
	while (!(faultmap_load(table, start) & FM_BLOCK))
		start--;
	*first = pgoff - start;
	return faultmap_entry_addr(faultmap_load(table, start));
}

/**
 * faultmap_kernel_addr() - tell where the kernel sees a page of a buffer
 * @file: the file through which it is asked
 * @pgoff: offset into the buffer in pages, for which faultmap_resolve() has just
 *	given an answer
 *
 * Context: in the read section of that faultmap_resolve().
 * Return: the address; of a device's memory, one for memcpy_fromio().
 */
void *faultmap_kernel_addr(const struct faultmap_file *file, pgoff_t pgoff)
{
	const struct faultmap_buffer *buf = file->buffer;

	if (buf->memory->is_device)
		return (__force void *)buf->range.virt + (pgoff << PAGE_SHIFT);
	return faultmap_entry_addr(faultmap_load(READ_ONCE(buf->table), pgoff));
}

/**
 * faultmap_buffer_extents() - count the contiguous pieces of a buffer
 * @buf: the buffer
 *
 * Return: the number of pieces; 0 if the device is gone.
 */
unsigned long faultmap_buffer_extents(struct faultmap_buffer *buf)
{
	unsigned long run, pfn, extents = 0;
	pgoff_t pgoff = 0;
	int idx;

	idx = srcu_read_lock(&buf->srcu);
	while ((run = faultmap_resolve_any(buf, pgoff, ULONG_MAX, &pfn))) {
		pgoff += run;
		extents++;
		cond_resched();
	}
	srcu_read_unlock(&buf->srcu, idx);
	return extents;
}

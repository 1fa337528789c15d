// SPDX-License-Identifier: GPL-2.0
/*
 * The one question asked of memory: which frame lies at an offset.
 *
 * Whoever asks holds faultmap_srcu from the question until the answer is used up:
 * until the page is referenced and locked, the translations are installed, or the
 * bytes are copied. Readers write no cache line that is shared between CPUs.
 */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/srcu.h>

#include "faultmap.h"

DEFINE_SRCU(faultmap_srcu);

static unsigned long faultmap_run(unsigned long addr)
{
	return (addr & ~PAGE_MASK) >> FM_RUN_SHIFT;
}

/**
 * faultmap_find_runs() - note at each page how far its frames go on behind it
 * @buf: the buffer that the pages will be of
 * @addr: their addresses, which gain their runs
 * @npages: how many
 *
 * Context: may sleep; nobody else sees @addr yet.
 */
void faultmap_find_runs(const struct faultmap_buffer *buf, unsigned long *addr,
			unsigned long npages)
{
	unsigned long i, pfn, next = 0, run = 0;

	for (i = npages; i-- > 0; next = pfn) {
		pfn = faultmap_pfn(buf, addr, i);
		run = pfn + 1 == next ? min(run + 1, FM_RUN_MAX) : 1;
		addr[i] = (addr[i] & (PAGE_MASK | FM_BLOCK)) | run << FM_RUN_SHIFT;
		cond_resched();
	}
}

static unsigned long faultmap_resolve_any(const struct faultmap_buffer *buf,
					  pgoff_t pgoff, unsigned long max,
					  unsigned long *pfn)
{
	unsigned long npages, run, more;
	unsigned long *addr;

	/* Pairs with faultmap_set_size(): @addr is as long, or longer. */
	npages = smp_load_acquire(&buf->npages);
	addr = READ_ONCE(buf->addr);
	if (pgoff >= npages || !addr)
		return 0;
	max = min(max, npages - pgoff);
	*pfn = faultmap_pfn(buf, addr, pgoff);
	run = faultmap_run(addr[pgoff]);
	/* Only the longest run that can be told may go on behind its end. */
	for (more = run; more == FM_RUN_MAX && run < max; run += more) {
		if (faultmap_pfn(buf, addr, pgoff + run) != *pfn + run)
			break;
		more = faultmap_run(addr[pgoff + run]);
	}
	return min(run, max);
}

/**
 * faultmap_resolve() - the one question asked of memory: what lies at an offset
 * @file: the file through which it is asked
 * @pgoff: offset into the buffer in pages
 * @max: how many pages are of interest, at least 1
 * @pfn: where the page frame number at @pgoff goes
 *
 * Context: faultmap_srcu is held, and for as long as the answer is used.
 * Return: how many pages from @pgoff on, at most @max, lie in consecutive
 * frames; 0 if @pgoff is beyond the buffer or the file is revoked.
 */
unsigned long faultmap_resolve(const struct faultmap_file *file, pgoff_t pgoff,
			       unsigned long max, unsigned long *pfn)
{
	if (faultmap_revoked(file))
		return 0;
	return faultmap_resolve_any(file->view->buffer, pgoff, max, pfn);
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
 * Context: faultmap_srcu is held, and for as long as the answer is used.
 * Return: how many pages from @pgoff on lie inside the buffer, at most @max; 0 if
 * the file is revoked.
 */
unsigned long faultmap_resolve_each(const struct faultmap_file *file,
				    pgoff_t pgoff, unsigned long max,
				    unsigned long *pfn)
{
	const struct faultmap_buffer *buf = file->view->buffer;
	unsigned long npages, *addr, i;

	/* As in faultmap_resolve_any(). */
	npages = smp_load_acquire(&buf->npages);
	addr = READ_ONCE(buf->addr);
	if (faultmap_revoked(file) || pgoff >= npages || !addr)
		return 0;
	max = min(max, npages - pgoff);
	for (i = 0; i < max; i++)
		pfn[i] = faultmap_pfn(buf, addr, pgoff + i);
	return max;
}

/**
 * faultmap_resolve_page() - ask the same of a single page, of memory that has them
 * @file: the file through which it is asked
 * @pgoff: offset into the buffer in pages
 *
 * Context: faultmap_srcu is held, and for as long as the answer is used.
 * Return: the page, without a reference of its own, or NULL if @pgoff is beyond the
 * buffer or the file is revoked.
 */
struct page *faultmap_resolve_page(const struct faultmap_file *file, pgoff_t pgoff)
{
	const struct faultmap_buffer *buf = file->view->buffer;
	unsigned long npages, *addr;

	if (faultmap_revoked(file))
		return NULL;
	/* As in faultmap_resolve_any(). */
	npages = smp_load_acquire(&buf->npages);
	addr = READ_ONCE(buf->addr);
	if (pgoff >= npages || !addr)
		return NULL;
	return pfn_to_page(faultmap_pfn(buf, addr, pgoff));
}

/**
 * faultmap_kernel_addr() - tell where the kernel sees a page of a buffer
 * @file: the file through which it is asked
 * @pgoff: offset into the buffer in pages, for which faultmap_resolve() has just
 *	given an answer
 *
 * Context: faultmap_srcu is held since before faultmap_resolve().
 * Return: the address; of a device's memory, one for memcpy_fromio().
 */
void *faultmap_kernel_addr(const struct faultmap_file *file, pgoff_t pgoff)
{
	unsigned long *addr = READ_ONCE(file->view->buffer->addr);

	return (void *)(addr[pgoff] & PAGE_MASK);
}

/**
 * faultmap_buffer_extents() - count the contiguous pieces of a buffer
 * @buf: the buffer
 *
 * Return: the number of pieces; 0 if there is no memory yet.
 */
unsigned long faultmap_buffer_extents(struct faultmap_buffer *buf)
{
	unsigned long run, pfn, extents = 0;
	pgoff_t pgoff = 0;
	int idx;

	idx = srcu_read_lock(&faultmap_srcu);
	while ((run = faultmap_resolve_any(buf, pgoff, ULONG_MAX, &pfn))) {
		pgoff += run;
		extents++;
		cond_resched();
	}
	srcu_read_unlock(&faultmap_srcu, idx);
	return extents;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer: memory of one kind, in blocks, from the first page to the last.
 */
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "memory.h"

/**
 * faultmap_buffer_create() - make a buffer, still without memory
 * @inode: its inode, of which it takes over the reference, on failure too
 * @memory: the kind of memory
 * @npages: size in pages, not zero
 * @order: largest block order to ask for
 * @on_demand: each block comes into being when it is first touched; for memory that
 *	has &faultmap_memory.demand_ops
 *
 * Return: the buffer with one reference, for faultmap_buffer_put(), or an
 * ERR_PTR; that of @inode, if it is one.
 */
struct faultmap_buffer *faultmap_buffer_create(struct inode *inode,
					       const struct faultmap_memory *memory,
					       unsigned long npages,
					       unsigned int order, bool on_demand)
{
	struct faultmap_buffer *buf;
	int ret;

	buf = kzalloc(sizeof(*buf), FM_GFP);
	if (!buf) {
		if (!IS_ERR(inode))
			iput(inode);
		return ERR_PTR(-ENOMEM);
	}
	ret = fm_object_init(&buf->obj, on_demand ? memory->demand_ops : &memory->ops,
			     inode, npages);
	if (ret) {
		kfree(buf);
		return ERR_PTR(ret);
	}
	kref_init(&buf->ref);
	mutex_init(&buf->demand_lock);
	buf->memory = memory;
	buf->order = order;
	buf->obj.has_huge = order >= PMD_SHIFT - PAGE_SHIFT;
	return buf;
}

static unsigned long faultmap_entry(const struct faultmap_buffer *buf,
				    unsigned long index)
{
	return READ_ONCE(*fm_entry(READ_ONCE(buf->obj.table), index));
}

static struct page *faultmap_page(const struct faultmap_buffer *buf,
				  unsigned long index)
{
	return fm_entry_page(buf->memory->ops.addresses, faultmap_entry(buf, index));
}

static bool faultmap_is_on_demand(const struct faultmap_buffer *buf)
{
	return buf->obj.ops->frames;
}

static void faultmap_own_pages(struct faultmap_buffer *buf, unsigned long first,
			       unsigned long npages)
{
	unsigned long i;

	for (i = first; i < first + npages; i++) {
		struct page *page = faultmap_page(buf, i);
		struct folio *folio = page_folio(page);

		if (page == &folio->page)
			fm_folio_adopt(&buf->obj, folio, i);
	}
}

static void faultmap_disown_pages(struct faultmap_buffer *buf,
				  unsigned long from, unsigned long to)
{
	unsigned long i;

	for (i = from; i < to; i++) {
		struct page *page = faultmap_page(buf, i);
		struct folio *folio = page_folio(page);

		if (page == &folio->page)
			fm_folio_abandon(folio);
	}
}

static void faultmap_free_block(struct faultmap_buffer *buf, unsigned long from,
				unsigned long to)
{
	void *addr = fm_entry_addr(faultmap_entry(buf, from));

	if (buf->memory->ops.has_pages)
		faultmap_disown_pages(buf, from, to);
	atomic_long_sub(to - from, &buf->held);
	faultmap_block_free(buf->memory, addr, to - from);
}

/*
 * Frees, from the end, the blocks that begin at or after page @from: a block that
 * reaches across stays whole, and allocated.
 */
static void faultmap_free_from(struct faultmap_buffer *buf, unsigned long from)
{
	unsigned long i, entry, before = buf->allocated;

	for (i = before; i-- > from; ) {
		entry = faultmap_entry(buf, i);
		if (entry & FM_MARK)
			faultmap_free_block(buf, i, buf->allocated);
		if (entry & FM_MARK || !entry)
			buf->allocated = i;
		cond_resched();
	}
	fm_table_remove(&buf->obj, buf->allocated, before);
}

static void faultmap_buffer_release(struct kref *ref)
{
	struct faultmap_buffer *buf =
		container_of(ref, struct faultmap_buffer, ref);

	faultmap_free_from(buf, 0);
	fm_object_destroy(&buf->obj);
	kfree(buf);
}

/**
 * faultmap_buffer_get() - take a reference to a buffer
 * @buf: the buffer
 */
void faultmap_buffer_get(struct faultmap_buffer *buf)
{
	kref_get(&buf->ref);
}

/**
 * faultmap_buffer_put() - drop a reference to a buffer
 * @buf: the buffer; the last reference frees its memory
 *
 * Every mapping holds its file and so a reference: nothing can be mapped when
 * the last one goes.
 *
 * Context: may sleep.
 */
void faultmap_buffer_put(struct faultmap_buffer *buf)
{
	kref_put(&buf->ref, faultmap_buffer_release);
}

static void faultmap_add_block(struct faultmap_buffer *buf, unsigned long first,
			       const struct faultmap_block *block)
{
	fm_table_add(&buf->obj, first, block->addr, block->npages, block->split);
	if (buf->memory->ops.has_pages)
		faultmap_own_pages(buf, first, block->npages);
	atomic_long_add(block->npages, &buf->held);
}

/* Allocates the next block, for pages before @to. */
static int faultmap_alloc_block(struct faultmap_buffer *buf, unsigned long to)
{
	const struct faultmap_memory *memory = buf->memory;
	unsigned long first = buf->allocated;
	struct faultmap_block block = {
		.npages = min(to - first, memory->max_block),
	};
	int ret;

	if (fatal_signal_pending(current))
		return -EINTR;
	ret = memory->alloc(buf, first, &block);
	if (ret)
		return ret;
	faultmap_add_block(buf, first, &block);
	buf->allocated += block.npages;
	cond_resched();
	return 0;
}

/* What waits to be freed may be free by now. */
static int faultmap_limit_take_again(unsigned long npages)
{
	if (!faultmap_limit_take(npages))
		return 0;
	faultmap_pinned_reap();
	return faultmap_limit_take(npages);
}

/* What is touched gets its memory then. */
static int faultmap_let_allocate(struct faultmap_buffer *buf, unsigned long npages)
{
	int ret = fm_table_reserve(&buf->obj, buf->allocated, npages);

	if (!ret)
		buf->allocated = npages;
	return ret;
}

/* Gives the buffer memory for @npages pages, more than it has, within the limits. */
static int faultmap_allocate(struct faultmap_buffer *buf, unsigned long npages)
{
	unsigned long before = buf->allocated;
	int ret;

	if (faultmap_is_on_demand(buf))
		return faultmap_let_allocate(buf, npages);
	ret = faultmap_limit_take_again(npages - before);
	if (ret)
		return ret;
	ret = fm_table_reserve(&buf->obj, before, npages);
	while (!ret && buf->allocated < npages)
		ret = faultmap_alloc_block(buf, npages);
	if (ret) {
		faultmap_limit_give(npages - buf->allocated);
		faultmap_free_from(buf, before);
		return ret;
	}
	fm_table_find_runs(&buf->obj, before, npages);
	return 0;
}

/* An area of vmalloc() has a price of its own: 16 pages share it. */
#define FAULTMAP_DEMAND_ORDER	4

/*
 * Whether nothing is there yet of an aligned block, which ends inside the buffer: it has
 * one leaf of the table for itself, which is there since one of its pages is touched.
 */
static_assert((FM_LEAF_ENTRIES << PAGE_SHIFT) % PMD_SIZE == 0);

static bool faultmap_is_hole(const struct faultmap_buffer *buf, unsigned long first,
			     unsigned long npages)
{
	unsigned long i;

	if (first + npages > READ_ONCE(buf->obj.npages))
		return false;
	for (i = first; i < first + npages; i++)
		if (faultmap_entry(buf, i))
			return false;
	return true;
}

/* The largest block that may come into being around a page of which there is nothing. */
static unsigned int faultmap_demand_order(const struct faultmap_buffer *buf, pgoff_t pgoff)
{
	unsigned int order = buf->memory->has_order ? buf->order : FAULTMAP_DEMAND_ORDER;

	order = min_t(unsigned int, order, PMD_SHIFT - PAGE_SHIFT);
	while (order && !faultmap_is_hole(buf, round_down(pgoff, 1UL << order), 1UL << order))
		order--;
	return order;
}

static int faultmap_alloc_on_demand(struct faultmap_buffer *buf, pgoff_t pgoff)
{
	unsigned int order = faultmap_demand_order(buf, pgoff);
	struct faultmap_block block = { };
	unsigned long first;
	int ret = 0;

	while (order && faultmap_limit_take(1UL << order))
		order--;
	if (!order)
		ret = faultmap_limit_take_again(1);
	if (ret)
		return ret;
	block.npages = 1UL << order;
	ret = buf->memory->alloc(buf, round_down(pgoff, block.npages), &block);
	if (ret) {
		faultmap_limit_give(1UL << order);
		return ret;
	}
	/* It may be smaller than what was asked for. */
	faultmap_limit_give((1UL << order) - block.npages);
	first = round_down(pgoff, block.npages);
	faultmap_add_block(buf, first, &block);
	fm_table_find_runs(&buf->obj, first, first + block.npages);
	return 0;
}

/**
 * faultmap_buffer_touch() - give a page of a buffer memory, on demand
 * @obj: the buffer's object
 * @pgoff: the page, which has no memory in the object's table
 * @max: how many pages are of interest
 * @touch: it is to be allocated; if not, nothing is done
 * @pfn: where its frame goes
 *
 * What comes into being is zeroed, charged to the caller's memory cgroup, and counts for
 * max_total.
 *
 * Context: &fm_object_ops.frames; may sleep with @touch.
 * Return: 1; 0 if there is no memory to be had, or the caller is being killed.
 */
unsigned long faultmap_buffer_touch(struct fm_object *obj, pgoff_t pgoff,
				    unsigned long max, bool touch, unsigned long *pfn)
{
	struct faultmap_buffer *buf = faultmap_buffer_of(obj);
	int ret = 0;

	if (!touch || mutex_lock_killable(&buf->demand_lock))
		return 0;
	/* Another touch may have been faster. */
	if (!faultmap_entry(buf, pgoff))
		ret = faultmap_alloc_on_demand(buf, pgoff);
	if (!ret)
		*pfn = page_to_pfn(faultmap_page(buf, pgoff));
	mutex_unlock(&buf->demand_lock);
	return !ret;
}

/**
 * faultmap_buffer_populate() - see that a buffer has its memory
 * @obj: the buffer's object
 *
 * Context: &fm_object_ops.populate; may sleep, for long.
 * Return: 0, -ENOMEM, -ENOSPC if other buffers have too much, or -EINTR when the
 * caller is being killed.
 */
int faultmap_buffer_populate(struct fm_object *obj)
{
	struct faultmap_buffer *buf = faultmap_buffer_of(obj);

	return buf->allocated ? 0 : faultmap_allocate(buf, obj->npages);
}

/**
 * faultmap_buffer_block() - tell which block some pages lie in
 * @buf: the buffer
 * @pgoff: offset of the first page into it, in pages
 * @npages: how many pages there are, all of them inside the buffer
 * @first: where it goes how many pages of the block come before them
 *
 * Context: in a read section of the buffer's object, and for as long as the answer is
 * used.
 * Return: the kernel address of the block; ERR_PTR(-ENXIO) if the buffer has become too
 * short, ERR_PTR(-EOPNOTSUPP) if the pages lie in more than one block.
 */
void *faultmap_buffer_block(struct faultmap_buffer *buf, pgoff_t pgoff,
			    unsigned long npages, unsigned long *first)
{
	unsigned long i, has, start = pgoff;

	/* The table is filled that far by now. */
	has = smp_load_acquire(&buf->obj.npages);
	if (pgoff >= has || npages > has - pgoff)
		return ERR_PTR(-ENXIO);
	for (i = 1; i < npages; i++)
		if (READ_ONCE(*fm_entry(buf->obj.table, pgoff + i)) & FM_MARK)
			return ERR_PTR(-EOPNOTSUPP);
	while (!(faultmap_entry(buf, start) & FM_MARK))
		start--;
	*first = pgoff - start;
	return fm_entry_addr(faultmap_entry(buf, start));
}

static int faultmap_shrink(struct fm_view *view, unsigned long npages)
{
	int ret = fm_object_shrink(view, npages);

	if (!ret)
		faultmap_free_from(faultmap_buffer_of(view->obj), npages);
	return ret;
}

/* What an earlier shrink left of a block must not show again. */
static void faultmap_clear(struct faultmap_buffer *buf, unsigned long from,
			   unsigned long to)
{
	unsigned long i;

	for (i = from; i < to; i++) {
		if (buf->memory->ops.map || !PageHWPoison(faultmap_page(buf, i)))
			clear_page(fm_entry_addr(faultmap_entry(buf, i)));
		cond_resched();
	}
}

static int faultmap_grow(struct faultmap_buffer *buf, unsigned long npages)
{
	unsigned long before = buf->allocated;
	int ret;

	ret = faultmap_check_limit(npages);
	if (!ret && npages > before)
		ret = faultmap_allocate(buf, npages);
	if (ret)
		return ret;
	faultmap_clear(buf, buf->obj.npages, min(before, npages));
	return fm_object_grow(&buf->obj, npages);
}

static int faultmap_grow_device(struct faultmap_buffer *buf, unsigned long npages)
{
	if (npages > buf->range.npages)
		return -EFBIG;
	return fm_object_grow(&buf->obj, npages);
}

/**
 * faultmap_buffer_resize() - change the size of a buffer
 * @view: a view of the buffer, of which there is an open file
 * @npages: the new size in pages, not zero
 *
 * Context: may sleep; the inode lock is held, and no mmap_lock.
 * Return: 0, -ENOMEM, -EFBIG if a buffer may not be that large or there is not as
 * much of a device's memory, -ENOSPC if other buffers have too much, -EINTR. On
 * failure the buffer is as before.
 */
int faultmap_buffer_resize(struct fm_view *view, unsigned long npages)
{
	struct faultmap_buffer *buf = faultmap_buffer_of(view->obj);

	if (npages < buf->obj.npages)
		return faultmap_shrink(view, npages);
	if (buf->memory->ops.is_linear)
		return faultmap_grow_device(buf, npages);
	return npages > buf->obj.npages ? faultmap_grow(buf, npages) : 0;
}

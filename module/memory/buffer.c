// SPDX-License-Identifier: GPL-2.0
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
 *
 * Return: the buffer with one reference, for faultmap_buffer_put(), or an
 * ERR_PTR; that of @inode, if it is one.
 */
struct faultmap_buffer *faultmap_buffer_create(struct inode *inode,
					       const struct faultmap_memory *memory,
					       unsigned long npages,
					       unsigned int order)
{
	struct faultmap_buffer *buf;
	int ret;

	buf = kzalloc(sizeof(*buf), FM_GFP);
	if (!buf) {
		if (!IS_ERR(inode))
			iput(inode);
		return ERR_PTR(-ENOMEM);
	}
	ret = fm_object_init(&buf->obj, &memory->ops, inode, npages);
	if (ret) {
		kfree(buf);
		return ERR_PTR(ret);
	}
	kref_init(&buf->ref);
	buf->memory = memory;
	buf->order = order;
	buf->obj.has_huge = order >= PMD_SHIFT - PAGE_SHIFT;
	return buf;
}

static unsigned long faultmap_entry(const struct faultmap_buffer *buf,
				    unsigned long index)
{
	return *fm_entry(buf->obj.table, index);
}

static struct page *faultmap_page(const struct faultmap_buffer *buf,
				  unsigned long index)
{
	return fm_entry_page(buf->memory->ops.addresses, faultmap_entry(buf, index));
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

/*
 * Frees, from the end, the blocks that begin at or after page @from: a block that
 * reaches across stays whole, and allocated.
 */
static void faultmap_free_from(struct faultmap_buffer *buf, unsigned long from)
{
	unsigned long i, entry;

	for (i = buf->allocated; i-- > from; ) {
		entry = faultmap_entry(buf, i);
		if (!(entry & FM_MARK))
			continue;
		if (buf->memory->ops.has_pages)
			faultmap_disown_pages(buf, i, buf->allocated);
		faultmap_block_free(buf->memory, fm_entry_addr(entry),
				    buf->allocated - i);
		buf->allocated = i;
		cond_resched();
	}
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
	fm_table_add(&buf->obj, first, block.addr, block.npages, block.split);
	if (memory->ops.has_pages)
		faultmap_own_pages(buf, first, block.npages);
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

/* Gives the buffer memory for @npages pages, more than it has, within the limits. */
static int faultmap_allocate(struct faultmap_buffer *buf, unsigned long npages)
{
	unsigned long before = buf->allocated;
	int ret;

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
	fm_object_grow(&buf->obj, npages);
	return 0;
}

static int faultmap_grow_device(struct faultmap_buffer *buf, unsigned long npages)
{
	if (npages > buf->range.npages)
		return -EFBIG;
	fm_object_grow(&buf->obj, npages);
	return 0;
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

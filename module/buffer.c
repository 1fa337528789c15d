// SPDX-License-Identifier: GPL-2.0
/*
 * A buffer: memory of one kind, its size, and the order in which translations
 * and memory may go away.
 *
 * RESIZE and REVOKE change what faultmap_resolve() will answer, wait for those who
 * asked before and still use the answer, zap the translations, and only then let
 * memory go.
 */
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "faultmap.h"
#include "trace.h"

/**
 * faultmap_check_bytes() - tell whether a buffer may have a size
 * @bytes: the size
 *
 * Return: 0, -EINVAL for zero or no multiple of the page size, -EFBIG.
 */
int faultmap_check_bytes(u64 bytes)
{
	if (!bytes || !PAGE_ALIGNED(bytes))
		return -EINVAL;
	if (bytes > MAX_LFS_FILESIZE)
		return -EFBIG;
	return 0;
}

static void faultmap_set_size(struct faultmap_buffer *buf, unsigned long npages)
{
	/* Pairs with faultmap_find(): the table is filled that far by now. */
	smp_store_release(&buf->npages, npages);
	i_size_write(buf->inode, (loff_t)npages << PAGE_SHIFT);
}

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

	if (IS_ERR(inode))
		return ERR_CAST(inode);
	buf = kzalloc(sizeof(*buf), FM_GFP);
	if (!buf)
		goto put_inode;
	if (init_srcu_struct(&buf->srcu))
		goto free_buf;

	kref_init(&buf->ref);
	mutex_init(&buf->open_lock);
	spin_lock_init(&buf->list_lock);
	INIT_LIST_HEAD(&buf->files);
	INIT_LIST_HEAD(&buf->unsettled);
	INIT_LIST_HEAD(&buf->awaited);
	buf->inode = inode;
	buf->memory = memory;
	buf->order = order;
	faultmap_set_size(buf, npages);
	return buf;

free_buf:
	kfree(buf);
put_inode:
	iput(inode);
	return ERR_PTR(-ENOMEM);
}

static struct page *faultmap_page(const struct faultmap_buffer *buf,
				  unsigned long index)
{
	return pfn_to_page(faultmap_entry_pfn(buf->memory,
					      *faultmap_entry(buf->table, index)));
}

/*
 * Pages say which page of which file they are, as those of the page cache do. By
 * that the kernel tells which futex is meant, and maps a folio as a whole. Where it
 * would split a folio it counts on the references that the page cache has on one, and
 * takes any others for its own: without them it would find all other mappings, and
 * drop references that those of frames never had.
 */
static void faultmap_own_pages(struct faultmap_buffer *buf, unsigned long first,
			       unsigned long npages)
{
	unsigned long i;

	for (i = first; i < first + npages; i++) {
		struct page *page = faultmap_page(buf, i);
		struct folio *folio = page_folio(page);

		if (page != &folio->page)
			continue;
		folio_ref_add(folio, folio_nr_pages(folio));
		folio->mapping = buf->inode->i_mapping;
		folio->index = i;
	}
}

/*
 * Whoever has pinned a page keeps it, without a file. The lock keeps out those who
 * have found the file there, and still look at it.
 */
static void faultmap_disown_pages(struct faultmap_buffer *buf,
				  unsigned long from, unsigned long to)
{
	unsigned long i;

	for (i = from; i < to; i++) {
		struct page *page = faultmap_page(buf, i);
		struct folio *folio = page_folio(page);

		if (page != &folio->page)
			continue;
		folio_lock(folio);
		folio->mapping = NULL;
		folio_ref_sub(folio, folio_nr_pages(folio));
		folio_unlock(folio);
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
		entry = *faultmap_entry(buf->table, i);
		if (!(entry & FM_BLOCK))
			continue;
		if (buf->memory->has_pages)
			faultmap_disown_pages(buf, i, buf->allocated);
		faultmap_block_free(buf->memory, faultmap_entry_addr(entry),
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
	faultmap_table_free(buf);
	cleanup_srcu_struct(&buf->srcu);
	iput(buf->inode);
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
	faultmap_table_add(buf, first, &block);
	if (memory->has_pages)
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
	ret = faultmap_table_reserve(buf, npages);
	while (!ret && buf->allocated < npages)
		ret = faultmap_alloc_block(buf, npages);
	if (ret) {
		faultmap_limit_give(npages - buf->allocated);
		faultmap_free_from(buf, before);
		return ret;
	}
	faultmap_find_runs(buf, before, npages);
	return 0;
}

/**
 * faultmap_buffer_populate() - see that a buffer has its memory
 * @buf: the buffer
 *
 * Context: may sleep, for long; open_lock is held.
 * Return: 0, -ENOMEM, -ENOSPC if other buffers have too much, or -EINTR when the
 * caller is being killed.
 */
int faultmap_buffer_populate(struct faultmap_buffer *buf)
{
	lockdep_assert_held(&buf->open_lock);
	if (buf->memory->is_device || buf->allocated)
		return 0;
	return faultmap_allocate(buf, buf->npages);
}

/* A fault that was answered before the bounds changed holds its page's lock. */
static void faultmap_wait_faults(struct faultmap_buffer *buf, pgoff_t from, pgoff_t to)
{
	pgoff_t i;

	if (!buf->memory->has_pages)
		return;
	for (i = from; i < to; i++) {
		struct page *page = faultmap_page(buf, i);

		lock_page(page);
		unlock_page(page);
		cond_resched();
	}
}

/*
 * Removes every translation from page @from on, in every process. The caller has
 * seen to it that no new one will be made, and holds open_lock; before, the buffer had
 * at least @to pages, and it may be growing.
 */
static void faultmap_zap(struct faultmap_buffer *buf, pgoff_t from, pgoff_t to)
{
	/* Expedited: where nobody reads, there is nothing to wait for. */
	synchronize_srcu_expedited(&buf->srcu);
	/* Pairs with faultmap_set_size(): the table is filled that far by now. */
	faultmap_wait_faults(buf, from, max(to, smp_load_acquire(&buf->npages)));
	faultmap_unmap_all(buf, from);
}

static void faultmap_count_zap(struct faultmap_view *view, pgoff_t from)
{
	faultmap_count(view, FM_ZAPS, 1);
	trace_faultmap_zap(view, from);
}

static int faultmap_shrink(struct faultmap_view *view, unsigned long npages)
{
	struct faultmap_buffer *buf = view->buffer;
	unsigned long before = buf->npages;

	if (mutex_lock_killable(&buf->open_lock))
		return -EINTR;
	faultmap_set_size(buf, npages);
	faultmap_zap(buf, npages, before);
	faultmap_free_from(buf, npages);
	mutex_unlock(&buf->open_lock);
	faultmap_count_zap(view, npages);
	return 0;
}

/* What an earlier shrink left of a block must not show again. */
static void faultmap_clear(struct faultmap_buffer *buf, unsigned long from,
			   unsigned long to)
{
	unsigned long i;

	for (i = from; i < to; i++) {
		if (buf->memory->mmap || !PageHWPoison(faultmap_page(buf, i)))
			clear_page(faultmap_entry_addr(*faultmap_entry(buf->table, i)));
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
	faultmap_clear(buf, buf->npages, min(before, npages));
	faultmap_set_size(buf, npages);
	return 0;
}

static int faultmap_grow_device(struct faultmap_buffer *buf, unsigned long npages)
{
	if (npages > buf->range.npages)
		return -EFBIG;
	faultmap_set_size(buf, npages);
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
int faultmap_buffer_resize(struct faultmap_view *view, unsigned long npages)
{
	struct faultmap_buffer *buf = view->buffer;

	if (npages < buf->npages)
		return faultmap_shrink(view, npages);
	if (buf->memory->is_device)
		return faultmap_grow_device(buf, npages);
	return npages > buf->npages ? faultmap_grow(buf, npages) : 0;
}

/* All files that there are; open(2) is kept from adding one. */
static void faultmap_revoke_files(struct faultmap_buffer *buf)
{
	struct faultmap_file *file;

	spin_lock(&buf->list_lock);
	list_for_each_entry(file, &buf->files, list)
		WRITE_ONCE(file->revoked, true);
	spin_unlock(&buf->list_lock);
}

/**
 * faultmap_buffer_revoke() - cut off all files and mappings there are
 * @file: a file of the buffer
 *
 * A file that is opened meanwhile waits until the zap is done, lest that take from
 * it what cannot come back. Who makes the buffer larger meanwhile is not waited for.
 *
 * Context: may sleep; no mmap_lock may be held.
 * Return: 0, -ENODEV if the file is revoked already, -EINTR.
 */
int faultmap_buffer_revoke(struct faultmap_file *file)
{
	struct faultmap_buffer *buf = file->buffer;
	int ret = 0;

	if (mutex_lock_killable(&buf->open_lock))
		return -EINTR;
	if (faultmap_revoked(file)) {
		ret = -ENODEV;
	} else {
		faultmap_revoke_files(buf);
		faultmap_zap(buf, 0, 0);
		faultmap_count_zap(file->view, 0);
	}
	mutex_unlock(&buf->open_lock);
	return ret;
}

/**
 * faultmap_buffer_kill() - cut off everyone, because the memory goes away
 * @buf: a buffer of a device's memory
 *
 * Whoever still has a file or a mapping of the buffer may keep it, dead, and no new
 * file can be opened. When this returns, nobody looks at the memory any more.
 *
 * Context: may sleep; no mmap_lock may be held.
 */
void faultmap_buffer_kill(struct faultmap_buffer *buf)
{
	inode_lock(buf->inode);
	mutex_lock(&buf->open_lock);
	faultmap_revoke_files(buf);
	faultmap_set_size(buf, 0);
	faultmap_zap(buf, 0, 0);
	mutex_unlock(&buf->open_lock);
	inode_unlock(buf->inode);
}

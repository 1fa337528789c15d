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
	/* Pairs with faultmap_resolve_any(): @addr is that long by now. */
	smp_store_release(&buf->npages, npages);
	i_size_write(buf->inode, (loff_t)npages << PAGE_SHIFT);
}

/**
 * faultmap_buffer_create() - make a buffer, still without memory
 * @memory: the kind of memory
 * @npages: size in pages, not zero
 * @order: largest block order to ask for
 *
 * Return: the buffer with one reference, for faultmap_buffer_put(), or an
 * ERR_PTR.
 */
struct faultmap_buffer *faultmap_buffer_create(const struct faultmap_memory *memory,
					       unsigned long npages,
					       unsigned int order)
{
	struct faultmap_buffer *buf;
	struct inode *inode;

	buf = kzalloc(sizeof(*buf), FM_GFP);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	inode = faultmap_inode_create();
	if (IS_ERR(inode)) {
		kfree(buf);
		return ERR_CAST(inode);
	}

	kref_init(&buf->ref);
	mutex_init(&buf->alloc_lock);
	spin_lock_init(&buf->unsettled_lock);
	INIT_LIST_HEAD(&buf->unsettled);
	buf->inode = inode;
	buf->memory = memory;
	buf->order = order;
	faultmap_set_size(buf, npages);
	return buf;
}

/*
 * Frees, from the end, the blocks that begin at or after page @from. Returns how
 * many pages are left: a block that reaches across @from stays whole.
 */
static unsigned long faultmap_free_blocks(const struct faultmap_memory *memory,
					  const unsigned long *addr,
					  unsigned long from, unsigned long to)
{
	unsigned long i;

	for (i = to; i-- > from; ) {
		if (!(addr[i] & FM_BLOCK))
			continue;
		memory->free((void *)(addr[i] & PAGE_MASK));
		to = i;
		cond_resched();
	}
	return to;
}

/* Shrinks what is allocated, as far as blocks allow, to @npages. */
static void faultmap_free_from(struct faultmap_buffer *buf, unsigned long npages)
{
	unsigned long before = buf->allocated;

	buf->allocated = faultmap_free_blocks(buf->memory, buf->addr, npages, before);
	if (!buf->memory->is_device)
		faultmap_limit_give(before - buf->allocated);
}

static void faultmap_buffer_release(struct kref *ref)
{
	struct faultmap_buffer *buf =
		container_of(ref, struct faultmap_buffer, ref);

	faultmap_free_from(buf, 0);
	kvfree(buf->addr);
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
 */
void faultmap_buffer_put(struct faultmap_buffer *buf)
{
	kref_put(&buf->ref, faultmap_buffer_release);
}

static long faultmap_alloc_blocks(struct faultmap_buffer *buf,
				  unsigned long *addr, unsigned long from,
				  unsigned long to)
{
	const struct faultmap_memory *memory = buf->memory;
	unsigned long n = from;
	long got;

	while (n < to) {
		got = fatal_signal_pending(current) ? -EINTR :
			memory->alloc(buf, addr + n, n,
				      min(to - n, memory->max_block));
		if (got < 0) {
			faultmap_free_blocks(memory, addr, from, n);
			return got;
		}
		n += got;
		cond_resched();
	}
	return 0;
}

/* Gives the buffer memory for @npages pages, more than it has; alloc_lock is held. */
static int faultmap_allocate_unlimited(struct faultmap_buffer *buf,
				       unsigned long npages)
{
	unsigned long *addr, *old = buf->addr;
	int ret;

	addr = kvmalloc_array(npages, sizeof(*addr), FM_GFP);
	if (!addr)
		return -ENOMEM;
	if (old)
		memcpy(addr, old, buf->allocated * sizeof(*addr));
	ret = faultmap_alloc_blocks(buf, addr, buf->allocated, npages);
	if (ret) {
		kvfree(addr);
		return ret;
	}

	faultmap_find_runs(buf, addr, npages);

	/* Pairs with the address dependency in faultmap_resolve_any(). */
	smp_store_release(&buf->addr, addr);
	buf->allocated = npages;
	if (old) {
		synchronize_srcu(&faultmap_srcu);
		kvfree(old);
	}
	return 0;
}

/* The same within the limits. */
static int faultmap_allocate(struct faultmap_buffer *buf, unsigned long npages)
{
	unsigned long more = npages - buf->allocated;
	int ret;

	if (buf->memory->is_device)
		return faultmap_allocate_unlimited(buf, npages);
	ret = faultmap_limit_take(more);
	if (ret)
		return ret;
	ret = faultmap_allocate_unlimited(buf, npages);
	if (ret)
		faultmap_limit_give(more);
	return ret;
}

/**
 * faultmap_buffer_populate() - see that a buffer has its memory
 * @buf: the buffer
 *
 * Context: may sleep; may be called under the mmap_lock.
 * Return: 0, -ENOMEM, -ENOSPC if other buffers have too much, or -EINTR when the
 * caller is being killed.
 */
int faultmap_buffer_populate(struct faultmap_buffer *buf)
{
	int ret = 0;

	if (READ_ONCE(buf->addr))
		return 0;
	if (mutex_lock_killable(&buf->alloc_lock))
		return -EINTR;
	if (!buf->addr)
		ret = faultmap_allocate(buf, buf->npages);
	mutex_unlock(&buf->alloc_lock);
	return ret;
}

/*
 * A fault that was answered before the bounds changed holds its page's lock.
 *
 * The first allocation may be going on; what it brings after we have looked is
 * mapped by nobody who saw the old bounds. Otherwise the inode lock keeps @addr.
 */
static void faultmap_wait_faults(struct faultmap_buffer *buf, pgoff_t from)
{
	unsigned long *addr, allocated;
	pgoff_t i;

	if (!buf->memory->has_pages)
		return;
	mutex_lock(&buf->alloc_lock);
	addr = buf->addr;
	allocated = buf->allocated;
	mutex_unlock(&buf->alloc_lock);
	for (i = from; i < allocated; i++) {
		struct page *page = pfn_to_page(faultmap_pfn(buf, addr, i));

		lock_page(page);
		unlock_page(page);
		cond_resched();
	}
}

/*
 * Removes every translation from page @from on, in every process. The caller has
 * seen to it that no new one will be made, and holds the inode lock.
 */
static void faultmap_zap(struct faultmap_buffer *buf, pgoff_t from)
{
	synchronize_srcu(&faultmap_srcu);
	faultmap_wait_faults(buf, from);
	faultmap_settle_mappings(buf);
	unmap_mapping_range(buf->inode->i_mapping, (loff_t)from << PAGE_SHIFT,
			    0, 1);
}

static void faultmap_count_zap(struct faultmap_view *view, pgoff_t from)
{
	faultmap_count(view, FM_ZAPS, 1);
	trace_faultmap_zap(view, from);
}

static void faultmap_shrink(struct faultmap_view *view, unsigned long npages)
{
	struct faultmap_buffer *buf = view->buffer;

	/* The first allocation may be going on, for the size it found. */
	mutex_lock(&buf->alloc_lock);
	faultmap_set_size(buf, npages);
	mutex_unlock(&buf->alloc_lock);
	/* What is allocated from now on is of the new size: nothing to take back. */
	if (!READ_ONCE(buf->addr))
		return;

	faultmap_zap(buf, npages);
	faultmap_count_zap(view, npages);
	mutex_lock(&buf->alloc_lock);
	faultmap_free_from(buf, npages);
	mutex_unlock(&buf->alloc_lock);
}

/* What an earlier shrink left of a block must not show again. */
static void faultmap_clear_tail(struct faultmap_buffer *buf)
{
	unsigned long i;

	if (buf->memory->is_device)
		return;
	for (i = buf->npages; i < buf->allocated; i++)
		clear_page((void *)(buf->addr[i] & PAGE_MASK));
}

static int faultmap_check_growth(const struct faultmap_buffer *buf,
				 unsigned long npages)
{
	if (buf->memory->is_device)
		return npages > buf->range.npages ? -EFBIG : 0;
	return npages > buf->npages ? faultmap_check_limit(npages) : 0;
}

static int faultmap_grow(struct faultmap_buffer *buf, unsigned long npages)
{
	int ret;

	if (mutex_lock_killable(&buf->alloc_lock))
		return -EINTR;
	ret = faultmap_check_growth(buf, npages);
	if (!ret && buf->addr && npages > buf->allocated)
		ret = faultmap_allocate(buf, npages);
	if (!ret) {
		if (buf->addr)
			faultmap_clear_tail(buf);
		faultmap_set_size(buf, npages);
	}
	mutex_unlock(&buf->alloc_lock);
	return ret;
}

/**
 * faultmap_buffer_resize() - change the size of a buffer
 * @file: a file of the buffer
 * @npages: the new size in pages, not zero
 *
 * Context: may sleep; no mmap_lock may be held.
 * Return: 0, -ENODEV if the file is revoked, -ENOMEM, -EFBIG if a buffer may not
 * be that large or there is not as much of a device's memory, -ENOSPC if other
 * buffers have too much, -EINTR. On failure the buffer is as before.
 */
int faultmap_buffer_resize(struct faultmap_file *file, unsigned long npages)
{
	struct faultmap_buffer *buf = file->view->buffer;
	int ret = 0;

	if (down_write_killable(&buf->inode->i_rwsem))
		return -EINTR;
	if (faultmap_revoked(file))
		ret = -ENODEV;
	else if (npages < buf->npages)
		faultmap_shrink(file->view, npages);
	else
		ret = faultmap_grow(buf, npages);
	inode_unlock(buf->inode);
	return ret;
}

/**
 * faultmap_buffer_revoke() - cut off all files and mappings there are
 * @file: a file of the buffer
 *
 * Context: may sleep; no mmap_lock may be held.
 * Return: 0, -ENODEV if the file is revoked already, -EINTR.
 */
int faultmap_buffer_revoke(struct faultmap_file *file)
{
	struct faultmap_buffer *buf = file->view->buffer;
	int ret = 0;

	if (down_write_killable(&buf->inode->i_rwsem))
		return -EINTR;
	if (faultmap_revoked(file)) {
		ret = -ENODEV;
	} else {
		WRITE_ONCE(buf->generation, buf->generation + 1);
		faultmap_zap(buf, 0);
		faultmap_count_zap(file->view, 0);
	}
	inode_unlock(buf->inode);
	return ret;
}

/**
 * faultmap_buffer_kill() - cut off everyone, because the memory goes away
 * @buf: a buffer that no new file can be opened of
 *
 * Whoever still has a file or a mapping of the buffer may keep it, dead. When
 * this returns, nobody looks at the memory any more.
 *
 * Context: may sleep; no mmap_lock may be held.
 */
void faultmap_buffer_kill(struct faultmap_buffer *buf)
{
	inode_lock(buf->inode);
	WRITE_ONCE(buf->generation, buf->generation + 1);
	mutex_lock(&buf->alloc_lock);
	faultmap_set_size(buf, 0);
	mutex_unlock(&buf->alloc_lock);
	if (READ_ONCE(buf->addr))
		faultmap_zap(buf, 0);
	inode_unlock(buf->inode);
}

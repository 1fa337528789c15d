// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks that their buffer has given up while somebody still refers to a page of
 * them: a DMA, a pipe, an io_uring. They are no one's buffer, but memory that was
 * asked for all the same: so they count until they can be freed.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "memory.h"

/**
 * struct faultmap_pinned - a block that waits
 * @list: in faultmap_pinned_blocks
 * @memory: its kind
 * @addr: its kernel address
 * @npages: its size in pages
 */
struct faultmap_pinned {
	struct list_head list;
	const struct faultmap_memory *memory;
	void *addr;
	unsigned long npages;
};

static LIST_HEAD(faultmap_pinned_blocks);
static DEFINE_MUTEX(faultmap_pinned_lock);	/* faultmap_pinned_blocks, faultmap_walks */
static unsigned long faultmap_walks;

static void faultmap_pinned_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(faultmap_pinned_reaper, faultmap_pinned_work);

/*
 * No translation is left, so that references can only become fewer. To a page whose
 * memory has failed the kernel keeps one for good.
 */
static bool faultmap_is_pinned(const struct faultmap_memory *memory, void *addr,
			       unsigned long npages)
{
	unsigned long entry = (unsigned long)addr, i;

	for (i = 0; memory->ops.has_pages && i < npages; i++, entry += PAGE_SIZE) {
		struct page *page = fm_entry_page(memory->ops.addresses, entry);

		if (!PageHWPoison(page) && folio_ref_count(page_folio(page)) > 1)
			return true;
	}
	return false;
}

static void faultmap_block_give(const struct faultmap_memory *memory, void *addr,
				unsigned long npages)
{
	memory->free(addr);
	faultmap_limit_give(npages);
}

/**
 * faultmap_block_free() - free a block, or see to it that it is freed
 * @memory: its kind
 * @addr: its kernel address
 * @npages: its size in pages, for faultmap_limit_give()
 *
 * Context: may sleep; no page table maps any of it.
 */
void faultmap_block_free(const struct faultmap_memory *memory, void *addr,
			 unsigned long npages)
{
	struct faultmap_pinned *pinned;

	if (!faultmap_is_pinned(memory, addr, npages)) {
		faultmap_block_give(memory, addr, npages);
		return;
	}
	/* Charged, it would kill somebody where the cgroup of who frees is full. */
	pinned = kmalloc(sizeof(*pinned), GFP_KERNEL | __GFP_NOFAIL);
	pinned->memory = memory;
	pinned->addr = addr;
	pinned->npages = npages;
	mutex_lock(&faultmap_pinned_lock);
	list_add_tail(&pinned->list, &faultmap_pinned_blocks);
	mutex_unlock(&faultmap_pinned_lock);
	schedule_delayed_work(&faultmap_pinned_reaper, HZ);
}

static void faultmap_pinned_free(struct faultmap_pinned *pinned)
{
	list_del(&pinned->list);
	faultmap_block_give(pinned->memory, pinned->addr, pinned->npages);
	kfree(pinned);
}

static void faultmap_pinned_walk(void)
{
	struct faultmap_pinned *pinned, *next;

	WRITE_ONCE(faultmap_walks, faultmap_walks + 1);
	list_for_each_entry_safe(pinned, next, &faultmap_pinned_blocks, list) {
		if (!faultmap_is_pinned(pinned->memory, pinned->addr, pinned->npages))
			faultmap_pinned_free(pinned);
		cond_resched();
	}
}

/**
 * faultmap_pinned_reap() - free the blocks that nobody refers to any more
 *
 * There may be a block for each page that limits allow.
 *
 * Context: may sleep; it does nothing for a process that is being killed and would wait.
 * Return: whether some are left.
 */
bool faultmap_pinned_reap(void)
{
	unsigned long before = READ_ONCE(faultmap_walks);
	bool left;

	if (mutex_lock_killable(&faultmap_pinned_lock))
		return true;
	/* Else somebody has begun and ended one since we wanted it. */
	if (before == faultmap_walks)
		faultmap_pinned_walk();
	left = !list_empty(&faultmap_pinned_blocks);
	mutex_unlock(&faultmap_pinned_lock);
	return left;
}

/* Nothing tells when the last reference goes; to look takes a tenth of a CPU at most. */
static void faultmap_pinned_work(struct work_struct *work)
{
	unsigned long since = jiffies;

	if (faultmap_pinned_reap())
		schedule_delayed_work(&faultmap_pinned_reaper, HZ + 10 * (jiffies - since));
}

/**
 * faultmap_pinned_exit() - leave the blocks to those who refer to them
 */
void faultmap_pinned_exit(void)
{
	struct faultmap_pinned *pinned, *next;

	cancel_delayed_work_sync(&faultmap_pinned_reaper);
	list_for_each_entry_safe(pinned, next, &faultmap_pinned_blocks, list)
		faultmap_pinned_free(pinned);
}

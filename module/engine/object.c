// SPDX-License-Identifier: GPL-2.0-only
/*
 * An object: its inode, its size, and the order in which translations and memory may
 * go away.
 *
 * Whoever takes memory back changes what fm_resolve() will answer, waits for those who
 * asked before and still use the answer, zaps the translations, and only then is it
 * the owner's to free.
 */
#include <linux/export.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>

#include "../faultmap_uapi.h"	/* for its version alone */
#include "internal.h"
#include "trace.h"

#define FM_ENGINE_MAGIC	0x666d6170

static int fm_init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, FM_ENGINE_MAGIC) ? 0 : -ENOMEM;
}

/* No owner: it would keep the module loaded for as long as it is mounted. */
static struct file_system_type fm_fs_type = {
	.name			= "faultmap",
	.init_fs_context	= fm_init_fs_context,
	.kill_sb		= kill_anon_super,
};

static struct vfsmount *fm_mnt;

static int __init fm_engine_init(void)
{
	fm_mnt = kern_mount(&fm_fs_type);
	return PTR_ERR_OR_ZERO(fm_mnt);
}
module_init(fm_engine_init);

/* Whoever has an object uses the module. */
static void __exit fm_engine_exit(void)
{
	kern_unmount(fm_mnt);
}
module_exit(fm_engine_exit);

MODULE_DESCRIPTION("Mapping engine: kernel memory in user space, eagerly or on fault, for any driver");
MODULE_AUTHOR("The faultmap authors");
MODULE_VERSION(FAULTMAP_VERSION);
MODULE_LICENSE("GPL");

/**
 * fm_inode_create() - make an inode for an object that has none of its own
 *
 * Return: an inode, for fm_object_init() or iput(), or an ERR_PTR.
 */
struct inode *fm_inode_create(void)
{
	return alloc_anon_inode(fm_mnt->mnt_sb);
}
EXPORT_SYMBOL_GPL(fm_inode_create);

static void fm_set_size(struct fm_object *obj, unsigned long npages)
{
	/* Pairs with fm_find(): the table is filled that far by now. */
	smp_store_release(&obj->npages, npages);
	i_size_write(obj->inode, (loff_t)npages << PAGE_SHIFT);
}

/* Memory is in a table, linear or its owner's to answer for, and opaque only in a table. */
static bool fm_is_contradictory(const struct fm_object_ops *ops)
{
	if (ops->is_linear && (ops->frames || ops->has_pages))
		return true;
	if (!ops->map)
		return ops->addresses == FM_OPAQUE;
	return ops->addresses != FM_OPAQUE || ops->has_pages || ops->is_linear ||
	       ops->frames;
}

/**
 * fm_object_init() - make an object
 * @obj: the object, zeroed
 * @ops: what its memory is like
 * @inode: its inode, of which it takes over the reference, on failure too; an ERR_PTR
 *	is a failure
 * @npages: its size
 *
 * Return: 0, until fm_object_destroy(); -EINVAL for what @ops cannot say at once;
 * -ENOMEM, or the errno of @inode.
 */
int fm_object_init(struct fm_object *obj, const struct fm_object_ops *ops,
		   struct inode *inode, unsigned long npages)
{
	int ret;

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	if (fm_is_contradictory(ops)) {
		iput(inode);
		return -EINVAL;
	}
	ret = init_srcu_struct(&obj->srcu);
	if (ret) {
		iput(inode);
		return ret;
	}
	mutex_init(&obj->open_lock);
	spin_lock_init(&obj->lock);
	INIT_LIST_HEAD(&obj->files);
	INIT_LIST_HEAD(&obj->pending);
	INIT_LIST_HEAD(&obj->awaited);
	obj->inode = inode;
	obj->ops = ops;
	fm_set_size(obj, npages);
	return 0;
}
EXPORT_SYMBOL_GPL(fm_object_init);

/**
 * fm_object_destroy() - undo fm_object_init()
 * @obj: the object, which has no file, and so no mapping, any more
 *
 * Its table goes, too; what that pointed to is the owner's to free, before or after. What
 * fm_folio_adopt() got has been abandoned before: the inode may go with the object.
 */
void fm_object_destroy(struct fm_object *obj)
{
	struct xarray *pages = &obj->inode->i_mapping->i_pages;
	unsigned long index = 0;

	WARN_ON_ONCE(!list_empty(&obj->files));
	WARN_ON_ONCE(xa_find(pages, &index, ULONG_MAX, XA_PRESENT));
	/* An entry for which there was not memory enough may have left a node. */
	xa_destroy(pages);
	fm_table_free(obj);
	cleanup_srcu_struct(&obj->srcu);
	iput(obj->inode);
}
EXPORT_SYMBOL_GPL(fm_object_destroy);

/**
 * fm_folio_adopt() - say of a folio which pages of an object it is
 * @obj: the object
 * @folio: a folio of its memory, on no list and of no other file
 * @pgoff: the page of the object that its first one is
 *
 * Sets the folio's mapping and index, as those of the page cache have them, by which the
 * kernel finds a shared futex. It also takes a reference for each page, as the page cache
 * does: a kernel that would split a folio counts on these. Without them it would unmap
 * the folio everywhere, and drop references that mappings of frames never had.
 *
 * A single page also goes where the kernel looks for the pages of a file, so that a fault
 * may map it along with others, without a question for its offset. If there is no memory
 * for that, it is mapped alone.
 *
 * Until fm_folio_abandon(), the owner must not free it, and must show nothing else there.
 */
void fm_folio_adopt(struct fm_object *obj, struct folio *folio, pgoff_t pgoff)
{
	/* Else the kernel would map one page in place of another. */
	WARN_ON_ONCE(!IS_ALIGNED(pgoff, folio_nr_pages(folio)));
	folio_ref_add(folio, folio_nr_pages(folio));
	folio->mapping = obj->inode->i_mapping;
	folio->index = pgoff;
	if (folio_test_large(folio))
		return;
	folio_mark_uptodate(folio);
	xa_store_irq(&folio->mapping->i_pages, pgoff, folio, FM_GFP);
}
EXPORT_SYMBOL_GPL(fm_folio_adopt);

/**
 * fm_folio_abandon() - undo fm_folio_adopt()
 * @folio: the folio, which no translation shows any more
 *
 * Whoever has pinned it keeps it, without a file. The lock keeps out those who have
 * found the file there, and still look at it.
 *
 * Context: may sleep.
 */
void fm_folio_abandon(struct folio *folio)
{
	folio_lock(folio);
	if (!folio_test_large(folio))
		xa_erase_irq(&folio->mapping->i_pages, folio->index);
	folio->mapping = NULL;
	folio_ref_sub(folio, folio_nr_pages(folio));
	folio_unlock(folio);
}
EXPORT_SYMBOL_GPL(fm_folio_abandon);

/* A fault that was answered before the bounds changed holds its page's lock. */
static void fm_wait_faults(struct fm_object *obj, pgoff_t from, pgoff_t to)
{
	pgoff_t i;

	/* Without a file there is no mapping, and maybe no memory yet. */
	if (!obj->ops->has_pages || list_empty_careful(&obj->files))
		return;
	for (i = from; i < to; i++) {
		struct page *page = fm_object_page(obj, i);

		if (page) {
			lock_page(page);
			unlock_page(page);
		}
		cond_resched();
	}
}

/*
 * Removes every translation from page @from on, in every process. The caller has
 * seen to it that no new one will be made, and holds open_lock; before, the object had
 * at least @to pages, and it may be growing.
 */
static void fm_zap(struct fm_object *obj, pgoff_t from, pgoff_t to)
{
	/* Expedited: where nobody reads, there is nothing to wait for. */
	synchronize_srcu_expedited(&obj->srcu);
	/* Pairs with fm_set_size(): the table is filled that far by now. */
	fm_wait_faults(obj, from, max(to, smp_load_acquire(&obj->npages)));
	fm_unmap_all(obj, from);
}

static void fm_count_zap(struct fm_view *view, pgoff_t from)
{
	fm_count(view, FM_ZAPS, 1);
	trace_faultmap_zap(view, from);
}

/**
 * fm_object_grow() - let more of an object be seen
 * @obj: the object
 * @npages: its new size, not less than it is; the memory is there, or will be at the
 *	first touch, and shows nothing that it should not
 *
 * Context: the caller holds the inode lock, which fm_object_kill() takes.
 * Return: 0; -ENODEV if the object was killed; -EINVAL if it is larger than that.
 */
int fm_object_grow(struct fm_object *obj, unsigned long npages)
{
	lockdep_assert_held_write(&obj->inode->i_rwsem);
	if (obj->dead)
		return -ENODEV;
	if (npages < obj->npages)
		return -EINVAL;
	fm_set_size(obj, npages);
	return 0;
}
EXPORT_SYMBOL_GPL(fm_object_grow);

/**
 * fm_object_shrink() - take back the end of an object
 * @view: a view of the object, where it is counted
 * @npages: the new size, not more than it is
 *
 * When this returns 0, nothing shows or uses what lies beyond, but for pages that
 * somebody has pinned, and its memory is the owner's.
 *
 * Context: may sleep; the caller holds the inode lock; no mmap_lock may be held.
 * Return: 0; -EINVAL if it is smaller than that; -EINTR if the caller is being killed.
 * After a failure nothing has changed.
 */
int fm_object_shrink(struct fm_view *view, unsigned long npages)
{
	struct fm_object *obj = view->obj;
	unsigned long before = obj->npages;

	lockdep_assert_held_write(&obj->inode->i_rwsem);
	if (npages > before)
		return -EINVAL;
	if (mutex_lock_killable(&obj->open_lock))
		return -EINTR;
	fm_set_size(obj, npages);
	fm_zap(obj, npages, before);
	mutex_unlock(&obj->open_lock);
	fm_count_zap(view, npages);
	return 0;
}
EXPORT_SYMBOL_GPL(fm_object_shrink);

/* All files that there are; open(2) is kept from adding one. */
static void fm_revoke_files(struct fm_object *obj)
{
	struct fm_file *file;

	spin_lock(&obj->lock);
	list_for_each_entry(file, &obj->files, list)
		WRITE_ONCE(file->revoked, true);
	spin_unlock(&obj->lock);
}

/**
 * fm_object_revoke() - cut off all files and mappings there are
 * @file: a file of the object
 *
 * A file that is opened meanwhile waits until the zap is done, lest that take from
 * it what cannot come back. Who makes the object larger meanwhile is not waited for.
 *
 * Context: may sleep; no mmap_lock may be held.
 * Return: 0, -ENODEV if the file is revoked already, -EINTR.
 */
int fm_object_revoke(struct fm_file *file)
{
	struct fm_object *obj = file->obj;
	int ret = 0;

	if (mutex_lock_killable(&obj->open_lock))
		return -EINTR;
	if (fm_revoked(file)) {
		ret = -ENODEV;
	} else {
		fm_revoke_files(obj);
		fm_zap(obj, 0, 0);
		fm_count_zap(file->view, 0);
	}
	mutex_unlock(&obj->open_lock);
	return ret;
}
EXPORT_SYMBOL_GPL(fm_object_revoke);

/**
 * fm_object_kill() - cut off everyone, because the memory goes away
 * @obj: the object
 *
 * Whoever still has a file or a mapping of it may keep it, dead, and no new file can be
 * made. When this returns, nobody looks at the memory any more, and that may go; the object
 * itself has to stay for fm_object_destroy() until the last file is released.
 *
 * Context: may sleep; no mmap_lock and not the inode lock may be held.
 */
void fm_object_kill(struct fm_object *obj)
{
	unsigned long before;

	inode_lock(obj->inode);
	mutex_lock(&obj->open_lock);
	before = obj->npages;
	obj->dead = true;
	fm_revoke_files(obj);
	fm_set_size(obj, 0);
	fm_zap(obj, 0, before);
	mutex_unlock(&obj->open_lock);
	inode_unlock(obj->inode);
}
EXPORT_SYMBOL_GPL(fm_object_kill);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that grows by write(2), and gets each page at its first touch: what nopage
 * was made for. Its size is in whole pages. Opened with O_TRUNC it is emptied, though it
 * may be mapped; a mapping may be larger than it is, and shows what is written later.
 *
 * For a device of your own, change where a page comes from (scull_get) and where it goes
 * (scull_empty).
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "fm_engine.h"

#define SCULL_MAX	(64 << 20)	/* bytes */

static bool use_vmalloc;
module_param_named(vmalloc, use_vmalloc, bool, 0444);
MODULE_PARM_DESC(vmalloc, "get pages from vmalloc(), not from the page allocator");

static bool by_frame;
module_param(by_frame, bool, 0444);
MODULE_PARM_DESC(by_frame, "map page frames, those around a touch with it, not pages");

/* The kernel address of each page that was touched. */
static DEFINE_XARRAY(scull_pages);

static struct fm_object scull_object;
static struct fm_view scull_view;

static void *scull_get(void)
{
	if (use_vmalloc)
		return __vmalloc(PAGE_SIZE, FM_GFP | __GFP_ZERO);
	return (void *)get_zeroed_page(FM_GFP);
}

static void scull_put(void *addr)
{
	if (use_vmalloc)
		vfree(addr);
	else
		free_page((unsigned long)addr);
}

/* Of two who touch a page first, one gets the other's. */
static void *scull_touch(pgoff_t pgoff)
{
	void *addr = scull_get(), *other;

	if (!addr)
		return NULL;
	other = xa_cmpxchg(&scull_pages, pgoff, NULL, addr, GFP_KERNEL);
	if (!other)
		return addr;
	scull_put(addr);
	return xa_is_err(other) ? NULL : other;
}

/* Returns the frame of a page; it may sleep only if @touch is set. */
static unsigned long scull_frames(struct fm_object *obj, pgoff_t pgoff,
				  unsigned long max, bool touch, unsigned long *pfn)
{
	void *addr = xa_load(&scull_pages, pgoff);

	if (!addr && touch)
		addr = scull_touch(pgoff);
	if (!addr)
		return 0;
	*pfn = page_to_pfn(use_vmalloc ? vmalloc_to_page(addr) : virt_to_page(addr));
	return 1;
}

static const struct fm_object_ops scull_ops = {
	.has_pages	= true,
	.frames		= scull_frames,
};

/* When the pages are freed, only pinned ones are still referenced. */
static int scull_empty(void)
{
	unsigned long i;
	void *addr;
	int ret;

	inode_lock(scull_object.inode);
	ret = fm_object_shrink(&scull_view, 0);
	if (!ret) {
		xa_for_each(&scull_pages, i, addr)
			scull_put(addr);
		xa_destroy(&scull_pages);
	}
	inode_unlock(scull_object.inode);
	return ret;
}

static int scull_open(struct inode *inode, struct file *filp)
{
	int ret = fm_open(&scull_view, filp);

	if (ret || !(filp->f_flags & O_TRUNC) || !(filp->f_mode & FMODE_WRITE))
		return ret;
	ret = scull_empty();
	if (ret)
		fm_release(inode, filp);
	return ret;
}

static int scull_grow(const struct fm_file *file, loff_t end)
{
	int ret = 0;

	inode_lock(scull_object.inode);
	if (fm_revoked(file))
		ret = -ENODEV;
	else if (end > i_size_read(scull_object.inode))
		ret = fm_object_grow(&scull_object, DIV_ROUND_UP(end, PAGE_SIZE));
	inode_unlock(scull_object.inode);
	return ret;
}

static ssize_t scull_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	loff_t end = iocb->ki_pos + iov_iter_count(from);

	if (!iov_iter_count(from))
		return 0;
	if (end > SCULL_MAX)
		return -EFBIG;
	return scull_grow(iocb->ki_filp->private_data, end) ?: fm_write_iter(iocb, from);
}

static const struct file_operations scull_fops = {
	.owner			= THIS_MODULE,
	.open			= scull_open,
	.release		= fm_release,
	.llseek			= fm_llseek,
	.read_iter		= fm_read_iter,
	.write_iter		= scull_write_iter,
	.mmap			= fm_mmap,
	.get_unmapped_area	= fm_get_unmapped_area,
};

static struct miscdevice scull_device = {
	MISC_DYNAMIC_MINOR, "scull", &scull_fops
};

static int __init scull_init(void)
{
	int ret;

	ret = fm_object_init(&scull_object, &scull_ops, fm_inode_create(), 0);
	if (ret)
		return ret;
	ret = fm_view_init(&scull_view, &scull_object, by_frame ? FM_LAZY_PFN : FM_LAZY);
	scull_view.window = !by_frame;
	ret = ret ?: misc_register(&scull_device);
	if (ret) {
		fm_view_destroy(&scull_view);
		fm_object_destroy(&scull_object);
	}
	return ret;
}
module_init(scull_init);

static void __exit scull_exit(void)
{
	misc_deregister(&scull_device);
	scull_empty();
	fm_view_destroy(&scull_view);
	fm_object_destroy(&scull_object);
}
module_exit(scull_exit);

MODULE_DESCRIPTION("A device that grows, and gets each page at its first touch");
MODULE_LICENSE("GPL");

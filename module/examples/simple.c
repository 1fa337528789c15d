// SPDX-License-Identifier: GPL-2.0-only
/*
 * The old book's pair of devices over one buffer: /dev/simple-remap maps all of it at
 * mmap(2), by remap_pfn_range(), /dev/simple-fault each page at its first touch. The
 * engine does what nopage and remap_page_range() once did in a driver.
 *
 * For a device of your own, change where the memory comes from, and the strategies
 * under which it is offered.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

#include "fm_engine.h"

#define SIMPLE_PAGES	64

/* Of vmalloc(): its pages have reference counts of their own. */
static const struct fm_object_ops simple_ops = {
	.addresses	= FM_VMALLOC,
	.has_pages	= true,
};

static struct fm_object simple_object;
static void *simple_memory;

/* Both show one object; each counts what is done by it. */
static struct fm_view simple_remap_view, simple_fault_view;

static int simple_remap_open(struct inode *inode, struct file *filp)
{
	return fm_open(&simple_remap_view, filp);
}

static int simple_fault_open(struct inode *inode, struct file *filp)
{
	return fm_open(&simple_fault_view, filp);
}

/* The engine implements every file operation but open. */
#define SIMPLE_FOPS(open_) {					\
	.owner			= THIS_MODULE,			\
	.open			= (open_),			\
	.release		= fm_release,			\
	.llseek			= fm_llseek,			\
	.read_iter		= fm_read_iter,			\
	.write_iter		= fm_write_iter,		\
	.mmap			= fm_mmap,			\
	.get_unmapped_area	= fm_get_unmapped_area,		\
}

static const struct file_operations simple_remap_fops = SIMPLE_FOPS(simple_remap_open);
static const struct file_operations simple_fault_fops = SIMPLE_FOPS(simple_fault_open);

static struct miscdevice simple_remap = {
	MISC_DYNAMIC_MINOR, "simple-remap", &simple_remap_fops
};

static struct miscdevice simple_fault = {
	MISC_DYNAMIC_MINOR, "simple-fault", &simple_fault_fops
};

static int __init simple_init(void)
{
	int ret = -ENOMEM;

	simple_memory = vzalloc(SIMPLE_PAGES * PAGE_SIZE);
	if (!simple_memory)
		return ret;
	ret = fm_object_init(&simple_object, &simple_ops, fm_inode_create(), SIMPLE_PAGES);
	if (ret)
		goto free_memory;
	ret = fm_table_fill(&simple_object, simple_memory, SIMPLE_PAGES) ?:
	      fm_view_init(&simple_remap_view, &simple_object, FM_EAGER) ?:
	      fm_view_init(&simple_fault_view, &simple_object, FM_LAZY) ?:
	      misc_register(&simple_remap);
	if (ret)
		goto destroy;
	ret = misc_register(&simple_fault);
	if (ret)
		goto deregister;
	return 0;

deregister:
	misc_deregister(&simple_remap);
destroy:
	fm_view_destroy(&simple_fault_view);
	fm_view_destroy(&simple_remap_view);
	fm_object_destroy(&simple_object);
free_memory:
	vfree(simple_memory);
	return ret;
}
module_init(simple_init);

/* No file is left: each has a reference to the module. */
static void __exit simple_exit(void)
{
	misc_deregister(&simple_fault);
	misc_deregister(&simple_remap);
	fm_view_destroy(&simple_fault_view);
	fm_view_destroy(&simple_remap_view);
	fm_object_destroy(&simple_object);
	vfree(simple_memory);
}
module_exit(simple_exit);

MODULE_DESCRIPTION("Two devices that map one buffer, eagerly and on fault");
MODULE_LICENSE("GPL");

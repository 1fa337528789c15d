// SPDX-License-Identifier: GPL-2.0-only
/*
 * faultmap: kernel memory mapped to user space, eagerly or on fault.
 *
 * The module: its parameters, and the nodes that it always has.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "driver.h"

static char *size = "64M";
module_param(size, charp, 0444);
MODULE_PARM_DESC(size, "size of each node's buffer in bytes, with an optional suffix K, M or G; a multiple of the page size (default 64M)");

static unsigned int order = (PMD_SHIFT - PAGE_SHIFT) > MAX_PAGE_ORDER ?
			    MAX_PAGE_ORDER : PMD_SHIFT - PAGE_SHIFT;
module_param(order, uint, 0444);
MODULE_PARM_DESC(order, "largest block to ask the page allocator for, as a power of two of pages; smaller ones are taken where none is free (default: what a PMD maps, 9 with pages of 4 KiB)");

static bool on_demand;
module_param(on_demand, bool, 0444);
MODULE_PARM_DESC(on_demand, "the buffers of pages and vmalloc nodes get memory where they are touched, not all of it when they are opened (default 0)");

unsigned int faultmap_window;
module_param_named(window, faultmap_window, uint, 0444);
MODULE_PARM_DESC(window, "pages to map around a fault on a lazy node, 1 to 512; 0 to learn it from the faults (default 0)");

static LIST_HEAD(faultmap_nodes);

/* All nodes of a kind of memory show one buffer, which lives as long as they. */
static int faultmap_add_nodes_of(const struct faultmap_memory *memory,
				 unsigned long npages)
{
	struct faultmap_buffer *buf;
	int ret;

	buf = faultmap_buffer_create(fm_inode_create(), memory, npages,
				     memory->has_order ? order : 0,
				     on_demand && memory->demand_ops);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	ret = faultmap_nodes_add(&faultmap_nodes, buf, memory->name);
	faultmap_buffer_put(buf);
	return ret;
}

static int faultmap_add_nodes(unsigned long npages)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < faultmap_nr_memories && !ret; i++)
		if (!faultmap_memories[i]->ops.is_linear)
			ret = faultmap_add_nodes_of(faultmap_memories[i], npages);
	if (ret)
		faultmap_nodes_remove(&faultmap_nodes);
	return ret;
}

static int faultmap_check_params(u64 *bytes)
{
	int ret;

	ret = faultmap_parse_bytes("size", size, bytes) ?: faultmap_limit_init();
	if (ret)
		return ret;
	if (order > MAX_PAGE_ORDER) {
		pr_warn("order=%u: give 0 to %d\n", order, MAX_PAGE_ORDER);
		return -EINVAL;
	}
	if (faultmap_window > FAULTMAP_WINDOW_MAX) {
		pr_warn("window=%u: give 0 to %d\n", faultmap_window,
			FAULTMAP_WINDOW_MAX);
		return -EINVAL;
	}
	return 0;
}

static void faultmap_exit_memory(void)
{
	faultmap_pinned_exit();
	faultmap_dma_exit();
}

static int faultmap_init_nodes(unsigned long npages)
{
	int ret;

	ret = faultmap_nodes_init();
	if (ret)
		return ret;
	ret = faultmap_add_nodes(npages);
	if (ret)
		goto exit_nodes;
	ret = faultmap_phys_init();
	if (ret)
		goto remove_nodes;
	ret = faultmap_pci_init();
	if (ret)
		goto exit_phys;
	return 0;

exit_phys:
	faultmap_phys_exit();
remove_nodes:
	faultmap_nodes_remove(&faultmap_nodes);
exit_nodes:
	faultmap_nodes_exit();
	return ret;
}

static void faultmap_exit_nodes(void)
{
	faultmap_pci_exit();
	faultmap_phys_exit();
	faultmap_nodes_remove(&faultmap_nodes);
	faultmap_nodes_exit();
}

static int __init faultmap_init(void)
{
	u64 bytes;
	int ret;

	ret = faultmap_check_params(&bytes);
	if (ret)
		return ret;
	ret = faultmap_dma_init();
	if (ret)
		return ret;
	ret = faultmap_init_nodes(bytes >> PAGE_SHIFT);
	if (ret)
		goto exit_memory;
	ret = faultmap_control_init();
	if (ret)
		goto exit_nodes;
	return 0;

exit_nodes:
	faultmap_exit_nodes();
exit_memory:
	faultmap_exit_memory();
	return ret;
}
module_init(faultmap_init);

static void __exit faultmap_exit(void)
{
	faultmap_control_exit();
	faultmap_exit_nodes();
	faultmap_exit_memory();
}
module_exit(faultmap_exit);

MODULE_DESCRIPTION("Kernel memory mapped to user space, eagerly or on fault");
MODULE_AUTHOR("The faultmap authors");
MODULE_VERSION(FAULTMAP_VERSION);
MODULE_LICENSE("GPL");

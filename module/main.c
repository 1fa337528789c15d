// SPDX-License-Identifier: GPL-2.0
/*
 * faultmap: kernel memory mapped to user space, eagerly or on fault.
 *
 * The module: its parameters, the nodes below /dev/faultmap, and the control
 * node that makes private buffers.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "faultmap.h"

static char *size = "64M";
module_param(size, charp, 0444);
MODULE_PARM_DESC(size, "size of each node's buffer in bytes, with an optional suffix K, M or G; a multiple of the page size (default 64M)");

static unsigned int order = 9;
module_param(order, uint, 0444);
MODULE_PARM_DESC(order, "largest block to ask the page allocator for, as a power of two of pages; smaller ones are taken where none is free (default 9)");

unsigned int faultmap_window;
module_param_named(window, faultmap_window, uint, 0444);
MODULE_PARM_DESC(window, "pages to map around a fault on a lazy-pfn node, 1 to 512; 0 to learn it from the faults (default 0)");

static LIST_HEAD(faultmap_nodes);

static int faultmap_check_order(const struct faultmap_memory *memory,
				unsigned int value)
{
	return value > (memory->has_order ? MAX_PAGE_ORDER : 0) ? -EINVAL : 0;
}

/* Only frames that are mapped lazily can have company; only the eager are batched. */
static int faultmap_check_window(const struct faultmap_create *create)
{
	bool lazy_pfn = create->strategy == FAULTMAP_STRATEGY_LAZY_PFN;
	bool eager = create->strategy == FAULTMAP_STRATEGY_EAGER;

	if (create->window > (lazy_pfn ? FAULTMAP_WINDOW_MAX : 1))
		return -EINVAL;
	return create->flags & FAULTMAP_CREATE_BATCHED && !eager ? -EINVAL : 0;
}

static int faultmap_check_create(const struct faultmap_create *create)
{
	const struct faultmap_memory *memory;

	if (create->memory >= faultmap_nr_memories ||
	    create->strategy >= faultmap_nr_strategies ||
	    create->flags & ~FAULTMAP_CREATE_BATCHED || create->reserved ||
	    faultmap_check_window(create))
		return -EINVAL;
	memory = faultmap_memories[create->memory];
	if ((create->flags & FAULTMAP_CREATE_BATCHED &&
	     (!FM_HAVE_BATCH || memory->mmap)) ||
	    memory->is_device ||
	    !faultmap_supported(memory, faultmap_strategies[create->strategy]))
		return -EOPNOTSUPP;
	return faultmap_check_order(memory, create->order) ?:
	       faultmap_check_bytes(create->bytes) ?:
	       faultmap_check_limit(create->bytes >> PAGE_SHIFT);
}

static struct faultmap_view *
faultmap_create_view(const struct faultmap_create *create)
{
	struct faultmap_buffer *buf;
	struct faultmap_view *view;

	buf = faultmap_buffer_create(faultmap_private_inode(),
				     faultmap_memories[create->memory],
				     create->bytes >> PAGE_SHIFT, create->order);
	if (IS_ERR(buf))
		return ERR_CAST(buf);
	view = faultmap_view_create(buf, faultmap_strategies[create->strategy]);
	faultmap_buffer_put(buf);
	if (!IS_ERR(view)) {
		view->private = true;
		if (create->strategy == FAULTMAP_STRATEGY_LAZY_PFN)
			view->window = create->window;
		view->batched = create->flags & FAULTMAP_CREATE_BATCHED;
	}
	return view;
}

static struct faultmap_file *
faultmap_create_file(const struct faultmap_create *create)
{
	struct faultmap_view *view = faultmap_create_view(create);
	struct faultmap_file *file;

	if (IS_ERR(view))
		return ERR_CAST(view);
	file = faultmap_file_create(view);
	faultmap_view_put(view);
	return file;
}

/*
 * A file, its descriptor, its dentry and that in debugfs come from the kernel, and
 * where the caller's cgroup is full they wake its OOM killer. See first that there
 * is room for them: that fails like anything else.
 */
static int faultmap_find_room(void)
{
	void *room = kvmalloc(SZ_32K, FM_GFP);

	kvfree(room);
	return room ? 0 : -ENOMEM;
}

static int faultmap_open_private(struct faultmap_file *file)
{
	struct file *filp;
	int fd = faultmap_find_room() ?: get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	filp = faultmap_private_file(file);
	if (IS_ERR(filp)) {
		put_unused_fd(fd);
		return PTR_ERR(filp);
	}
	faultmap_debugfs_add(file->view, NULL);
	faultmap_file_attach(filp, file);
	fd_install(fd, filp);
	return fd;
}

static long faultmap_ioctl_create(struct file *control, void *arg)
{
	const struct faultmap_create *create = arg;
	struct faultmap_file *file;
	int fd;

	fd = faultmap_check_create(create);
	if (fd)
		return fd;
	file = faultmap_create_file(create);
	if (IS_ERR(file))
		return PTR_ERR(file);
	/* What room there was is this CPU's now, and may be out of others' reach. */
	migrate_disable();
	fd = faultmap_open_private(file);
	migrate_enable();
	if (fd < 0)
		faultmap_file_free(file);
	return fd;
}

static const struct faultmap_ioctl faultmap_control_ioctls[] = {
	{ FAULTMAP_CREATE, 0, faultmap_ioctl_create },
};

static long faultmap_control_ioctl(struct file *filp, unsigned int cmd,
				   unsigned long arg)
{
	struct faultmap_create create = { };

	return faultmap_ioctl_call(filp, cmd, (void __user *)arg, &create,
				   faultmap_control_ioctls,
				   ARRAY_SIZE(faultmap_control_ioctls));
}

static int faultmap_control_open(struct inode *inode, struct file *filp)
{
	return faultmap_private_pin();
}

static int faultmap_control_release(struct inode *inode, struct file *filp)
{
	faultmap_private_unpin();
	return 0;
}

static const struct file_operations faultmap_control_fops = {
	.owner		= THIS_MODULE,
	.open		= faultmap_control_open,
	.release	= faultmap_control_release,
	.unlocked_ioctl	= faultmap_control_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice faultmap_control = {
	.minor		= MISC_DYNAMIC_MINOR,
	.name		= "faultmap-control",
	.nodename	= "faultmap/control",
	.mode		= 0600,
	.fops		= &faultmap_control_fops,
};

/* All nodes of a kind of memory show one buffer, which lives as long as they. */
static int faultmap_add_nodes_of(const struct faultmap_memory *memory,
				 unsigned long npages)
{
	struct faultmap_buffer *buf;
	int ret;

	buf = faultmap_buffer_create(faultmap_inode_create(), memory, npages,
				     memory->has_order ? order : 0);
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
		if (!faultmap_memories[i]->is_device)
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

/* In the order in which they depend on each other. */
static int faultmap_init_memory(void)
{
	int ret;

	ret = faultmap_inode_init();
	if (ret)
		return ret;
	ret = faultmap_dma_init();
	if (ret)
		goto exit_buffer;
	faultmap_batch_init();
	faultmap_debugfs_init();
	return 0;

exit_buffer:
	faultmap_inode_exit();
	return ret;
}

static void faultmap_exit_memory(void)
{
	faultmap_debugfs_exit();
	faultmap_pinned_exit();
	faultmap_dma_exit();
	faultmap_inode_exit();
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
	ret = faultmap_init_memory();
	if (ret)
		return ret;
	ret = faultmap_init_nodes(bytes >> PAGE_SHIFT);
	if (ret)
		goto exit_memory;
	ret = misc_register(&faultmap_control);
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
	misc_deregister(&faultmap_control);
	faultmap_exit_nodes();
	faultmap_exit_memory();
}
module_exit(faultmap_exit);

MODULE_DESCRIPTION("Kernel memory mapped to user space, eagerly or on fault");
MODULE_AUTHOR("The faultmap authors");
MODULE_LICENSE("GPL");

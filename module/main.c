// SPDX-License-Identifier: GPL-2.0
/*
 * faultmap: kernel memory mapped to user space, eagerly or on fault.
 *
 * The module: its parameters, the nodes below /dev/faultmap, and the control
 * node that makes private buffers.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "faultmap.h"

static char *size = "64M";
module_param(size, charp, 0444);
MODULE_PARM_DESC(size, "size of each node's buffer in bytes, with an optional suffix K, M or G; a multiple of the page size (default 64M)");

static unsigned int order = 9;
module_param(order, uint, 0444);
MODULE_PARM_DESC(order, "largest block to ask the page allocator for, as a power of two of pages; smaller ones are taken where none is free (default 9)");

static struct faultmap_node *faultmap_nodes;
static unsigned int faultmap_nr_nodes;

static int faultmap_check_order(const struct faultmap_memory *memory,
				unsigned int value)
{
	return value > (memory->has_order ? MAX_PAGE_ORDER : 0) ? -EINVAL : 0;
}

static int faultmap_check_create(const struct faultmap_create *create)
{
	if (create->memory >= faultmap_nr_memories ||
	    create->strategy >= faultmap_nr_strategies ||
	    create->window > 1 || create->flags || create->reserved)
		return -EINVAL;
	if (!faultmap_supported(faultmap_memories[create->memory],
				faultmap_strategies[create->strategy]))
		return -EOPNOTSUPP;
	return faultmap_check_order(faultmap_memories[create->memory],
				    create->order) ?:
	       faultmap_check_bytes(create->bytes);
}

static struct faultmap_view *
faultmap_create_view(const struct faultmap_create *create)
{
	struct faultmap_buffer *buf;
	struct faultmap_view *view;

	buf = faultmap_buffer_create(faultmap_memories[create->memory],
				     create->bytes >> PAGE_SHIFT, create->order);
	if (IS_ERR(buf))
		return ERR_CAST(buf);
	view = faultmap_view_create(buf, faultmap_strategies[create->strategy],
				    NULL);
	faultmap_buffer_put(buf);
	return view;
}

static struct file *faultmap_create_filp(const struct faultmap_create *create)
{
	struct faultmap_view *view = faultmap_create_view(create);
	struct faultmap_file *file;
	struct file *filp;

	if (IS_ERR(view))
		return ERR_CAST(view);
	file = faultmap_file_create(view);
	faultmap_view_put(view);
	if (!file)
		return ERR_PTR(-ENOMEM);
	filp = anon_inode_getfile("[faultmap]", &faultmap_fops, NULL,
				  O_RDWR | O_CLOEXEC);
	if (IS_ERR(filp))
		faultmap_file_free(file);
	else
		faultmap_file_attach(filp, file);
	return filp;
}

static long faultmap_ioctl_create(struct file *control, void *arg)
{
	const struct faultmap_create *create = arg;
	struct file *filp;
	int fd, ret;

	ret = faultmap_check_create(create);
	if (ret)
		return ret;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	filp = faultmap_create_filp(create);
	if (IS_ERR(filp)) {
		put_unused_fd(fd);
		return PTR_ERR(filp);
	}
	fd_install(fd, filp);
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

static const struct file_operations faultmap_control_fops = {
	.owner		= THIS_MODULE,
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

static int faultmap_node_add(struct faultmap_node *node,
			     struct faultmap_buffer *buf,
			     const struct faultmap_strategy *strategy)
{
	int ret;

	snprintf(node->name, sizeof(node->name), "%s-%s", buf->memory->name,
		 strategy->name);
	snprintf(node->path, sizeof(node->path), "faultmap/%s", node->name);
	snprintf(node->sysname, sizeof(node->sysname), "faultmap-%s", node->name);
	node->view = faultmap_view_create(buf, strategy, node->name);
	if (IS_ERR(node->view))
		return PTR_ERR(node->view);

	node->misc.minor = MISC_DYNAMIC_MINOR;
	node->misc.name = node->sysname;
	node->misc.nodename = node->path;
	node->misc.mode = 0600;
	node->misc.fops = &faultmap_fops;
	ret = misc_register(&node->misc);
	if (ret)
		faultmap_view_put(node->view);
	return ret;
}

static void faultmap_remove_nodes(void)
{
	struct faultmap_node *node;

	while (faultmap_nr_nodes) {
		node = &faultmap_nodes[--faultmap_nr_nodes];
		misc_deregister(&node->misc);
		faultmap_view_put(node->view);
	}
	kfree(faultmap_nodes);
}

/* All nodes of a kind of memory show one buffer, which lives as long as they. */
static int faultmap_add_nodes_of(const struct faultmap_memory *memory,
				 unsigned long npages)
{
	struct faultmap_buffer *buf;
	unsigned int i;
	int ret = 0;

	buf = faultmap_buffer_create(memory, npages,
				     memory->has_order ? order : 0);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	for (i = 0; i < faultmap_nr_strategies && !ret; i++) {
		if (!faultmap_supported(memory, faultmap_strategies[i]))
			continue;
		ret = faultmap_node_add(&faultmap_nodes[faultmap_nr_nodes], buf,
					faultmap_strategies[i]);
		if (!ret)
			faultmap_nr_nodes++;
	}
	faultmap_buffer_put(buf);
	return ret;
}

static int faultmap_add_nodes(unsigned long npages)
{
	unsigned int i;
	int ret = 0;

	faultmap_nodes = kcalloc(faultmap_nr_memories * faultmap_nr_strategies,
				 sizeof(*faultmap_nodes), GFP_KERNEL);
	if (!faultmap_nodes)
		return -ENOMEM;
	for (i = 0; i < faultmap_nr_memories && !ret; i++)
		ret = faultmap_add_nodes_of(faultmap_memories[i], npages);
	if (ret)
		faultmap_remove_nodes();
	return ret;
}

static int faultmap_check_params(u64 *bytes)
{
	char *end;

	*bytes = memparse(size, &end);
	if (end == size || *end || faultmap_check_bytes(*bytes)) {
		pr_warn("size=%s: give a multiple of %lu bytes, such as 64M\n",
			size, PAGE_SIZE);
		return -EINVAL;
	}
	if (order > MAX_PAGE_ORDER) {
		pr_warn("order=%u: give 0 to %d\n", order, MAX_PAGE_ORDER);
		return -EINVAL;
	}
	return 0;
}

static int __init faultmap_init(void)
{
	u64 bytes;
	int ret;

	ret = faultmap_check_params(&bytes);
	if (ret)
		return ret;
	ret = faultmap_buffer_init();
	if (ret)
		return ret;
	faultmap_debugfs_init();
	ret = faultmap_add_nodes(bytes >> PAGE_SHIFT);
	if (ret)
		goto exit_buffer;
	ret = misc_register(&faultmap_control);
	if (ret)
		goto remove_nodes;
	return 0;

remove_nodes:
	faultmap_remove_nodes();
exit_buffer:
	faultmap_debugfs_exit();
	faultmap_buffer_exit();
	return ret;
}
module_init(faultmap_init);

static void __exit faultmap_exit(void)
{
	misc_deregister(&faultmap_control);
	faultmap_remove_nodes();
	faultmap_debugfs_exit();
	faultmap_buffer_exit();
}
module_exit(faultmap_exit);

MODULE_DESCRIPTION("Kernel memory mapped to user space, eagerly or on fault");
MODULE_AUTHOR("The faultmap authors");
MODULE_LICENSE("GPL");

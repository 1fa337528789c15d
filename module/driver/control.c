// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control node, which makes private buffers.
 */
#include <linux/file.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "driver.h"

/* A strategy has one number here and in user space. */
static_assert((int)FAULTMAP_STRATEGY_EAGER == FM_EAGER);
static_assert((int)FAULTMAP_STRATEGY_LAZY == FM_LAZY);
static_assert((int)FAULTMAP_STRATEGY_EAGER_PAGE == FM_EAGER_PAGE);
static_assert((int)FAULTMAP_STRATEGY_LAZY_PFN == FM_LAZY_PFN);
static_assert(FAULTMAP_WINDOW_MAX == FM_WINDOW_MAX);

#define FAULTMAP_CREATE_FLAGS	(FAULTMAP_CREATE_BATCHED | FAULTMAP_CREATE_ON_DEMAND)

static int faultmap_check_order(const struct faultmap_memory *memory,
				unsigned int value)
{
	return value > (memory->has_order ? MAX_PAGE_ORDER : 0) ? -EINVAL : 0;
}

/* Only what is mapped lazily can have company; only the eager are batched. */
static int faultmap_check_window(const struct faultmap_create *create)
{
	bool eager = create->strategy == FAULTMAP_STRATEGY_EAGER;
	bool lazy = fm_strategies[create->strategy]->lazy;

	if (create->window > (lazy ? FAULTMAP_WINDOW_MAX : 1))
		return -EINVAL;
	return create->flags & FAULTMAP_CREATE_BATCHED && !eager ? -EINVAL : 0;
}

static bool faultmap_can_create(const struct faultmap_create *create)
{
	const struct faultmap_memory *memory = faultmap_memories[create->memory];
	const struct fm_object_ops *ops = create->flags & FAULTMAP_CREATE_ON_DEMAND ?
		memory->demand_ops : &memory->ops;

	if (!ops || ops->is_linear || !fm_supported(ops, create->strategy))
		return false;
	return !(create->flags & FAULTMAP_CREATE_BATCHED) || fm_can_batch(ops);
}

static int faultmap_check_create(const struct faultmap_create *create)
{
	const struct faultmap_memory *memory;

	if (create->memory >= faultmap_nr_memories ||
	    create->strategy >= FM_NR_STRATEGIES ||
	    create->flags & ~FAULTMAP_CREATE_FLAGS || create->reserved ||
	    faultmap_check_window(create))
		return -EINVAL;
	if (!faultmap_can_create(create))
		return -EOPNOTSUPP;
	memory = faultmap_memories[create->memory];
	return faultmap_check_order(memory, create->order) ?:
	       faultmap_check_bytes(create->bytes) ?:
	       faultmap_check_limit(create->bytes >> PAGE_SHIFT);
}

/* As the node would be called that shows such memory, with a number of its own. */
static void faultmap_name_private(struct faultmap_view *view)
{
	static atomic_t last;

	snprintf(view->view.name, FM_NAME_SIZE, "%s-%s#%u", view->buffer->memory->name,
		 view->view.strategy->name, atomic_inc_return(&last));
}

static struct faultmap_view *
faultmap_create_view(const struct faultmap_create *create)
{
	struct faultmap_buffer *buf;
	struct faultmap_view *view;

	buf = faultmap_buffer_create(faultmap_private_inode(&faultmap_fops,
							    &faultmap_inode_ops),
				     faultmap_memories[create->memory],
				     create->bytes >> PAGE_SHIFT, create->order,
				     create->flags & FAULTMAP_CREATE_ON_DEMAND);
	if (IS_ERR(buf))
		return ERR_CAST(buf);
	view = faultmap_view_create(buf, create->strategy);
	faultmap_buffer_put(buf);
	if (!IS_ERR(view)) {
		view->private = true;
		faultmap_name_private(view);
		view->view.batched = create->flags & FAULTMAP_CREATE_BATCHED;
		if (view->view.batched)
			view->view.window = FM_WINDOW_MAX;
		else if (view->view.strategy->lazy)
			view->view.window = create->window;
	}
	return view;
}

/* The file has the view's reference from now on; that has a file already. */
static int faultmap_open_private(struct faultmap_view *view, struct fm_file *file)
{
	struct file *filp;
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	filp = faultmap_private_file(view->buffer->obj.inode);
	if (IS_ERR(filp)) {
		put_unused_fd(fd);
		return PTR_ERR(filp);
	}
	fm_file_attach(filp, file);
	faultmap_view_bind(view);
	fd_install(fd, filp);
	return fd;
}

static int faultmap_pin_and_open(struct faultmap_view *view, struct fm_file *file)
{
	int fd = faultmap_private_pin();

	if (fd)
		return fd;
	fd = faultmap_open_private(view, file);
	if (fd < 0)
		faultmap_private_unpin();
	return fd;
}

static long faultmap_ioctl_create(struct file *control, void *arg)
{
	const struct faultmap_create *create = arg;
	struct faultmap_view *view;
	struct fm_file *file;
	int fd;

	fd = faultmap_check_create(create);
	if (fd)
		return fd;
	view = faultmap_create_view(create);
	if (IS_ERR(view))
		return PTR_ERR(view);
	file = fm_file_create(&view->view);
	fd = PTR_ERR_OR_ZERO(file);
	if (!fd) {
		fd = faultmap_pin_and_open(view, file);
		if (fd < 0)
			fm_file_free(file);
	}
	if (fd < 0)
		faultmap_view_put(view);
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

/**
 * faultmap_control_init() - make the control node
 *
 * Return: 0 or a negative errno.
 */
int faultmap_control_init(void)
{
	return misc_register(&faultmap_control);
}

/**
 * faultmap_control_exit() - remove it
 */
void faultmap_control_exit(void)
{
	misc_deregister(&faultmap_control);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The nodes below /dev/faultmap: a buffer has one for each strategy that its
 * memory can be mapped by.
 *
 * They are no misc devices, whose open() holds a lock of all misc devices: the first
 * open of a node clears its memory, and any may wait for a REVOKE.
 */
#include <linux/device.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "driver.h"

/**
 * struct faultmap_node - a device node
 * @list: in the list of those that show one buffer
 * @view: what it shows
 * @minor: its number among the nodes
 */
struct faultmap_node {
	struct list_head list;
	struct faultmap_view *view;
	u32 minor;
};

#define FM_MINORS	XA_LIMIT(0, 255)	/* those of register_chrdev() */

static struct class faultmap_class = {
	.name	= "faultmap",
};

static int faultmap_major;

/* The views of the nodes, by minor number: each node has a reference to its own. */
static DEFINE_XARRAY_ALLOC(faultmap_node_views);

static struct faultmap_view *faultmap_node_view(const struct inode *inode)
{
	struct faultmap_view *view;

	xa_lock(&faultmap_node_views);
	view = xa_load(&faultmap_node_views, iminor(inode));
	if (view)
		kref_get(&view->ref);
	xa_unlock(&faultmap_node_views);
	return view;
}

/* The node may have been taken away meanwhile. */
static int faultmap_node_open(struct inode *inode, struct file *filp)
{
	struct faultmap_view *view = faultmap_node_view(inode);
	int ret;

	if (!view)
		return -ENODEV;
	/* Of the same owner, which has been referenced for it. */
	filp->f_op = &faultmap_fops;
	ret = faultmap_file_open(view, filp);
	faultmap_view_put(view);
	return ret;
}

static const struct file_operations faultmap_node_fops = {
	.owner	= THIS_MODULE,
	.open	= faultmap_node_open,
};

/**
 * faultmap_nodes_init() - see that nodes can be made
 *
 * Return: 0 or a negative errno.
 */
int faultmap_nodes_init(void)
{
	int ret;

	ret = class_register(&faultmap_class);
	if (ret)
		return ret;
	faultmap_major = register_chrdev(0, KBUILD_MODNAME, &faultmap_node_fops);
	if (faultmap_major < 0) {
		class_unregister(&faultmap_class);
		return faultmap_major;
	}
	return 0;
}

/**
 * faultmap_nodes_exit() - undo faultmap_nodes_init(), when no node is left
 */
void faultmap_nodes_exit(void)
{
	unregister_chrdev(faultmap_major, KBUILD_MODNAME);
	class_unregister(&faultmap_class);
}

static int faultmap_node_register(struct faultmap_node *node)
{
	struct device *dev;
	int ret;

	ret = xa_alloc(&faultmap_node_views, &node->minor, node->view, FM_MINORS,
		       GFP_KERNEL);
	if (ret)
		return ret;
	/* For a slash below /dev. Without more ado, the node is for root only. */
	dev = device_create(&faultmap_class, NULL, MKDEV(faultmap_major, node->minor),
			    NULL, "faultmap!%s", node->view->view.name);
	if (IS_ERR(dev)) {
		xa_erase(&faultmap_node_views, node->minor);
		return PTR_ERR(dev);
	}
	return 0;
}

static void faultmap_node_unregister(struct faultmap_node *node)
{
	device_destroy(&faultmap_class, MKDEV(faultmap_major, node->minor));
	xa_erase(&faultmap_node_views, node->minor);
}

static int faultmap_node_add(struct list_head *nodes, struct faultmap_buffer *buf,
			     enum fm_strategy_id strategy, const char *prefix)
{
	struct faultmap_node *node = kzalloc(sizeof(*node), GFP_KERNEL);
	int ret;

	if (!node)
		return -ENOMEM;
	node->view = faultmap_view_create(buf, strategy);
	if (IS_ERR(node->view)) {
		ret = PTR_ERR(node->view);
		goto free_node;
	}
	snprintf(node->view->view.name, FM_NAME_SIZE, "%s-%s", prefix,
		 fm_strategies[strategy]->name);
	if (fm_strategies[strategy]->lazy)
		node->view->view.window = faultmap_window;
	ret = faultmap_node_register(node);
	if (ret)
		goto put_view;
	list_add(&node->list, nodes);
	return 0;

put_view:
	faultmap_view_put(node->view);
free_node:
	kfree(node);
	return ret;
}

/**
 * faultmap_nodes_add() - make the nodes of a buffer
 * @nodes: where they are kept, for faultmap_nodes_remove(); what is there already
 *	is removed with them on failure
 * @buf: the buffer, of which each node takes a reference
 * @prefix: what their names begin with, before "-<strategy>"
 *
 * Return: 0 or a negative errno.
 */
int faultmap_nodes_add(struct list_head *nodes, struct faultmap_buffer *buf,
		       const char *prefix)
{
	enum fm_strategy_id i;
	int ret = 0;

	for (i = 0; i < FM_NR_STRATEGIES && !ret; i++)
		if (fm_supported(&buf->memory->ops, i))
			ret = faultmap_node_add(nodes, buf, i, prefix);
	if (ret)
		faultmap_nodes_remove(nodes);
	return ret;
}

/**
 * faultmap_nodes_remove() - take away nodes
 * @nodes: the list of them, empty afterwards
 *
 * They can no longer be found; whoever has opened one keeps the buffer, and who is
 * just opening one may yet get it.
 */
void faultmap_nodes_remove(struct list_head *nodes)
{
	struct faultmap_node *node, *next;

	list_for_each_entry_safe(node, next, nodes, list) {
		faultmap_node_unregister(node);
		faultmap_view_put(node->view);
		kfree(node);
	}
	INIT_LIST_HEAD(nodes);
}

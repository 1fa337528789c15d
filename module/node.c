// SPDX-License-Identifier: GPL-2.0
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

#include "faultmap.h"

#define FM_MINORS	XA_LIMIT(0, 255)	/* those of register_chrdev() */

static struct class faultmap_class = {
	.name	= "faultmap",
};

static int faultmap_major;

/* The views of the nodes, by minor number: each node has a reference to its own. */
static DEFINE_XARRAY_ALLOC(faultmap_node_views);

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
	faultmap_major = register_chrdev(0, KBUILD_MODNAME, &faultmap_fops);
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

/**
 * faultmap_node_view() - what a node shows
 * @inode: the node's inode
 *
 * Return: a reference to the view, for faultmap_view_put(), or NULL if the node has
 * been taken away.
 */
struct faultmap_view *faultmap_node_view(const struct inode *inode)
{
	struct faultmap_view *view;

	xa_lock(&faultmap_node_views);
	view = xa_load(&faultmap_node_views, iminor(inode));
	if (view)
		kref_get(&view->ref);
	xa_unlock(&faultmap_node_views);
	return view;
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
			    NULL, "faultmap!%s", node->name);
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
			     const struct faultmap_strategy *strategy,
			     const char *prefix)
{
	struct faultmap_node *node = kzalloc(sizeof(*node), GFP_KERNEL);
	int ret;

	if (!node)
		return -ENOMEM;
	snprintf(node->name, sizeof(node->name), "%s-%s", prefix, strategy->name);
	node->view = faultmap_view_create(buf, strategy);
	if (IS_ERR(node->view)) {
		ret = PTR_ERR(node->view);
		goto free_node;
	}
	faultmap_debugfs_add(node->view, node->name);
	if (strategy->id == FAULTMAP_STRATEGY_LAZY_PFN)
		node->view->window = faultmap_window;
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
	unsigned int i;
	int ret = 0;

	for (i = 0; i < faultmap_nr_strategies && !ret; i++)
		if (faultmap_supported(buf->memory, faultmap_strategies[i]))
			ret = faultmap_node_add(nodes, buf, faultmap_strategies[i],
						prefix);
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
		/* The name is free, though somebody may keep the view. */
		faultmap_debugfs_remove(node->view);
		faultmap_view_put(node->view);
		kfree(node);
	}
	INIT_LIST_HEAD(nodes);
}

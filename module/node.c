// SPDX-License-Identifier: GPL-2.0
/*
 * The nodes below /dev/faultmap: a buffer has one for each strategy that its
 * memory can be mapped by.
 */
#include <linux/slab.h>

#include "faultmap.h"

static int faultmap_node_register(struct faultmap_node *node)
{
	snprintf(node->path, sizeof(node->path), "faultmap/%s", node->name);
	snprintf(node->sysname, sizeof(node->sysname), "faultmap-%s", node->name);
	node->misc.minor = MISC_DYNAMIC_MINOR;
	node->misc.name = node->sysname;
	node->misc.nodename = node->path;
	node->misc.mode = 0600;
	node->misc.fops = &faultmap_fops;
	return misc_register(&node->misc);
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
 * Nobody can open them from now on; who has done so keeps the buffer.
 */
void faultmap_nodes_remove(struct list_head *nodes)
{
	struct faultmap_node *node, *next;

	list_for_each_entry_safe(node, next, nodes, list) {
		misc_deregister(&node->misc);
		/* The name is free, though somebody may keep the view. */
		faultmap_debugfs_remove(node->view);
		faultmap_view_put(node->view);
		kfree(node);
	}
	INIT_LIST_HEAD(nodes);
}

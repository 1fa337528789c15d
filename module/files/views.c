// SPDX-License-Identifier: GPL-2.0-only
/*
 * Views of buffers: counted, and of a private buffer found by its inode.
 */
#include <linux/slab.h>

#include "files.h"

/* Guards the i_private of private inodes, until the view behind it has a reference. */
static DEFINE_SPINLOCK(faultmap_private_lock);

/**
 * faultmap_view_create() - show a buffer under a strategy
 * @buf: the buffer, of which the view takes a reference
 * @strategy: how it is mapped
 *
 * Return: the view with one reference, for faultmap_view_put(), or an ERR_PTR.
 */
struct faultmap_view *faultmap_view_create(struct faultmap_buffer *buf,
					   enum fm_strategy_id strategy)
{
	struct faultmap_view *view = kzalloc(sizeof(*view), FM_GFP);
	int ret;

	if (!view)
		return ERR_PTR(-ENOMEM);
	ret = fm_view_init(&view->view, &buf->obj, strategy);
	if (ret) {
		kfree(view);
		return ERR_PTR(ret);
	}
	kref_init(&view->ref);
	spin_lock_init(&view->base_lock);
	faultmap_buffer_get(buf);
	view->buffer = buf;
	return view;
}

static void faultmap_view_unbind(struct faultmap_view *view)
{
	struct inode *inode = view->buffer->obj.inode;
	bool was_bound;

	spin_lock(&faultmap_private_lock);
	was_bound = inode->i_private;
	inode->i_private = NULL;
	spin_unlock(&faultmap_private_lock);
	if (was_bound)
		faultmap_private_unpin();
}

static void faultmap_view_release(struct kref *ref)
{
	struct faultmap_view *view = container_of(ref, struct faultmap_view, ref);

	if (view->private)
		faultmap_view_unbind(view);
	fm_view_destroy(&view->view);
	faultmap_buffer_put(view->buffer);
	kfree(view);
}

/**
 * faultmap_view_put() - drop a reference to a view
 * @view: the view; with the last reference its counters are gone
 */
void faultmap_view_put(struct faultmap_view *view)
{
	kref_put(&view->ref, faultmap_view_release);
}

/**
 * faultmap_view_bind() - let the view of a private buffer be found by its inode
 * @view: the view, of which there is a file; it takes over a faultmap_private_pin(),
 *	since as long as there is a file, others join its mount
 */
void faultmap_view_bind(struct faultmap_view *view)
{
	spin_lock(&faultmap_private_lock);
	view->buffer->obj.inode->i_private = view;
	spin_unlock(&faultmap_private_lock);
}

/**
 * faultmap_view_find() - what a private buffer's inode shows
 * @inode: the inode
 *
 * Return: a reference to the view, for faultmap_view_put(), or NULL if the last file
 * was closed meanwhile.
 */
struct faultmap_view *faultmap_view_find(struct inode *inode)
{
	struct faultmap_view *view;

	spin_lock(&faultmap_private_lock);
	view = inode->i_private;
	if (view && !kref_get_unless_zero(&view->ref))
		view = NULL;
	spin_unlock(&faultmap_private_lock);
	return view;
}

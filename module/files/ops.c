// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files through which a buffer is used: open, ioctl, truncate, fdinfo. What they do
 * with its memory is the engine's.
 */
#include <linux/fs.h>

#include "files.h"

/**
 * faultmap_file_open() - make an open file one of a view
 * @view: the view, of which the file takes a reference
 * @filp: the file, whose operations are faultmap_fops
 *
 * The first one gives the buffer its memory.
 *
 * Context: may sleep, for long.
 * Return: 0, -ENOMEM, -ENOSPC if other buffers have too much, -ENODEV if the device is
 * gone, -EINTR.
 */
int faultmap_file_open(struct faultmap_view *view, struct file *filp)
{
	int ret = fm_open(&view->view, filp);

	if (!ret)
		kref_get(&view->ref);
	return ret;
}

/* A private buffer: by /proc/PID/fd, since it has no name. */
static int faultmap_open(struct inode *inode, struct file *filp)
{
	struct faultmap_view *view = faultmap_view_find(inode);
	int ret;

	if (!view)
		return -ENODEV;
	ret = faultmap_file_open(view, filp);
	faultmap_view_put(view);
	return ret;
}

static int faultmap_release(struct inode *inode, struct file *filp)
{
	struct faultmap_view *view = faultmap_view_of(filp);

	fm_release(inode, filp);
	faultmap_view_put(view);
	return 0;
}

union faultmap_arg {
	struct faultmap_info info;
	struct faultmap_stats stats;
	struct faultmap_resize resize;
	struct faultmap_export export;
};

static long faultmap_ioctl_info(struct file *filp, void *arg)
{
	struct faultmap_view *view = faultmap_view_of(filp);
	struct faultmap_buffer *buf = view->buffer;
	struct faultmap_info *info = arg;

	info->bytes = i_size_read(buf->obj.inode);
	info->extents = fm_object_extents(&buf->obj);
	info->memory = buf->memory->id;
	info->strategy = view->view.strategy->id;
	info->order = buf->order;
	info->window = view->view.window;
	info->held = faultmap_buffer_held(buf);
	info->flags = buf->obj.ops->frames ? FAULTMAP_INFO_ON_DEMAND :
		FAULTMAP_INFO_ALLOCATED;
	if (view->private)
		info->flags |= FAULTMAP_INFO_PRIVATE;
	if (fm_revoked(filp->private_data))
		info->flags |= FAULTMAP_INFO_REVOKED;
	return 0;
}

static long faultmap_ioctl_stats(struct file *filp, void *arg)
{
	faultmap_stats_read(faultmap_view_of(filp), arg);
	return 0;
}

static long faultmap_ioctl_stats_reset(struct file *filp, void *arg)
{
	faultmap_stats_reset(faultmap_view_of(filp));
	return 0;
}

static long faultmap_ioctl_resize(struct file *filp, void *arg)
{
	const struct faultmap_resize *resize = arg;
	struct fm_file *file = filp->private_data;
	struct inode *inode = file->obj->inode;
	int ret;

	if (resize->flags)
		return -EINVAL;
	ret = faultmap_check_bytes(resize->bytes);
	if (ret)
		return ret;
	if (down_write_killable(&inode->i_rwsem))
		return -EINTR;
	ret = fm_revoked(file) ? -ENODEV :
		faultmap_buffer_resize(file->view, resize->bytes >> PAGE_SHIFT);
	inode_unlock(inode);
	return ret;
}

static long faultmap_ioctl_revoke(struct file *filp, void *arg)
{
	return fm_object_revoke(filp->private_data);
}

static long faultmap_ioctl_export(struct file *filp, void *arg)
{
	const struct faultmap_export *export = arg;

	if (export->flags || export->reserved)
		return -EINVAL;
	return faultmap_dmabuf_export(filp);
}

static const struct faultmap_ioctl faultmap_ioctls[] = {
	{ FAULTMAP_INFO, 0, faultmap_ioctl_info },
	{ FAULTMAP_STATS, 0, faultmap_ioctl_stats },
	{ FAULTMAP_STATS_RESET, FMODE_WRITE, faultmap_ioctl_stats_reset },
	{ FAULTMAP_RESIZE, FMODE_WRITE, faultmap_ioctl_resize },
	{ FAULTMAP_REVOKE, FMODE_WRITE, faultmap_ioctl_revoke },
	{ FAULTMAP_EXPORT, FMODE_READ | FMODE_WRITE, faultmap_ioctl_export },
};

static long faultmap_unlocked_ioctl(struct file *filp, unsigned int cmd,
				    unsigned long arg)
{
	union faultmap_arg karg = { };

	return faultmap_ioctl_call(filp, cmd, (void __user *)arg, &karg,
				   faultmap_ioctls, ARRAY_SIZE(faultmap_ioctls));
}

static void faultmap_show_fdinfo(struct seq_file *m, struct file *filp)
{
	faultmap_stats_show(m, faultmap_view_of(filp));
}

/* truncate(2) has no file, which might be revoked. */
static int faultmap_truncate(struct inode *inode, const struct iattr *attr)
{
	struct faultmap_view *view;
	int ret;

	ret = faultmap_check_bytes(attr->ia_size);
	if (ret)
		return ret;
	if (attr->ia_valid & ATTR_FILE && fm_revoked(attr->ia_file->private_data))
		return -ENODEV;
	view = faultmap_view_find(inode);
	if (!view)
		return -ENXIO;
	ret = faultmap_buffer_resize(&view->view, attr->ia_size >> PAGE_SHIFT);
	faultmap_view_put(view);
	return ret;
}

/* The caller holds the inode lock. */
static int faultmap_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
			    struct iattr *attr)
{
	int ret;

	ret = setattr_prepare(idmap, dentry, attr);
	if (!ret && attr->ia_valid & ATTR_SIZE) {
		ret = faultmap_truncate(d_inode(dentry), attr);
		attr->ia_valid &= ~ATTR_SIZE;
	}
	return ret ?: simple_setattr(idmap, dentry, attr);
}

/* Of private buffers, whose files look like regular ones. */
const struct inode_operations faultmap_inode_ops = {
	.setattr	= faultmap_setattr,
};

const struct file_operations faultmap_fops = {
	.owner		= THIS_MODULE,
	.open		= faultmap_open,
	.release	= faultmap_release,
	.llseek		= fm_llseek,
	.read_iter	= fm_read_iter,
	.write_iter	= fm_write_iter,
	.splice_read	= copy_splice_read,
	.splice_write	= iter_file_splice_write,
	.unlocked_ioctl	= faultmap_unlocked_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= fm_mmap,
	.get_unmapped_area = fm_get_unmapped_area,
	/* There is nothing that memory would have to be written to. */
	.fsync		= noop_fsync,
	.show_fdinfo	= faultmap_show_fdinfo,
};

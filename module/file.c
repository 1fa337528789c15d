// SPDX-License-Identifier: GPL-2.0
/*
 * The files through which a buffer is used: views, descriptors, read, write and
 * ioctl.
 */
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "faultmap.h"

static void faultmap_view_free(struct faultmap_view *view)
{
	free_percpu(view->windows);
	free_percpu(view->counters);
	kfree(view);
}

/**
 * faultmap_view_create() - show a buffer under a strategy
 * @buf: the buffer, of which the view takes a reference
 * @strategy: how it is mapped
 *
 * Return: the view with one reference, for faultmap_view_put(), or an ERR_PTR.
 */
struct faultmap_view *faultmap_view_create(struct faultmap_buffer *buf,
					   const struct faultmap_strategy *strategy)
{
	static atomic_t last_id;
	struct faultmap_view *view;

	view = kzalloc(sizeof(*view), FM_GFP);
	if (!view)
		return ERR_PTR(-ENOMEM);
	view->counters = alloc_percpu_gfp(struct faultmap_counters, FM_GFP);
	view->windows = alloc_percpu_gfp(struct faultmap_window, FM_GFP);
	if (!view->counters || !view->windows) {
		faultmap_view_free(view);
		return ERR_PTR(-ENOMEM);
	}

	kref_init(&view->ref);
	spin_lock_init(&view->base_lock);
	faultmap_buffer_get(buf);
	view->buffer = buf;
	view->strategy = strategy;
	view->window = 1;
	view->id = atomic_inc_return(&last_id);
	return view;
}

static void faultmap_view_release(struct kref *ref)
{
	struct faultmap_view *view = container_of(ref, struct faultmap_view, ref);

	faultmap_debugfs_remove(view);
	if (view->private)
		faultmap_private_forget(view);
	faultmap_buffer_put(view->buffer);
	faultmap_view_free(view);
}

/**
 * faultmap_view_put() - drop a reference to a view
 * @view: the view; with the last reference its counters are gone
 */
void faultmap_view_put(struct faultmap_view *view)
{
	kref_put(&view->ref, faultmap_view_release);
}

static int faultmap_file_add(struct faultmap_file *file)
{
	struct faultmap_buffer *buf = file->buffer;
	int ret;

	if (mutex_lock_killable(&buf->open_lock))
		return -EINTR;
	/* Only the buffer of a device that is gone has no pages. */
	ret = buf->npages ? faultmap_buffer_populate(buf) : -ENODEV;
	if (!ret) {
		spin_lock(&buf->list_lock);
		list_add_tail(&file->list, &buf->files);
		spin_unlock(&buf->list_lock);
	}
	mutex_unlock(&buf->open_lock);
	return ret;
}

/**
 * faultmap_file_create() - describe a new open file of a view
 * @view: the view, of which the file takes a reference
 *
 * The first one gives the buffer its memory: here, and not at mmap(2), where all
 * threads of a process would wait for the mmap_lock until it is cleared.
 *
 * Context: may sleep, for long.
 * Return: the description, for faultmap_file_attach() or faultmap_file_free(), or an
 * ERR_PTR: -ENOMEM, -ENOSPC if other buffers have too much, -ENODEV if the device is
 * gone, -EINTR.
 */
struct faultmap_file *faultmap_file_create(struct faultmap_view *view)
{
	struct faultmap_file *file = kzalloc(sizeof(*file), FM_GFP);
	int ret;

	if (!file)
		return ERR_PTR(-ENOMEM);
	file->view = view;
	file->buffer = view->buffer;
	ret = faultmap_file_add(file);
	if (ret) {
		kfree(file);
		return ERR_PTR(ret);
	}
	kref_get(&view->ref);
	return file;
}

/**
 * faultmap_file_free() - free what faultmap_file_create() returned
 * @file: the description
 */
void faultmap_file_free(struct faultmap_file *file)
{
	struct faultmap_buffer *buf = file->buffer;

	spin_lock(&buf->list_lock);
	list_del(&file->list);
	spin_unlock(&buf->list_lock);
	faultmap_view_put(file->view);
	kfree(file);
}

/**
 * faultmap_file_attach() - make an open file one of a buffer
 * @filp: the file, not yet visible to user space
 * @file: its description, which it owns from now on
 *
 * All mappings of a buffer belong to one address space object, whatever node
 * they come from, so that one zap reaches them all.
 */
void faultmap_file_attach(struct file *filp, struct faultmap_file *file)
{
	filp->private_data = file;
	filp->f_mapping = file->buffer->inode->i_mapping;
	/* A write fault is no change of the device node. */
	filp->f_mode |= FMODE_NOCMTIME | FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
}

/* A node, or a private buffer: by /proc/PID/fd, since it has no name. */
static int faultmap_open(struct inode *inode, struct file *filp)
{
	struct faultmap_view *view = S_ISREG(inode->i_mode) ?
		faultmap_private_view(inode) : faultmap_node_view(inode);
	struct faultmap_file *file;

	if (!view)
		return -ENODEV;
	file = faultmap_file_create(view);
	faultmap_view_put(view);
	if (IS_ERR(file))
		return PTR_ERR(file);
	faultmap_file_attach(filp, file);
	return 0;
}

static int faultmap_release(struct inode *inode, struct file *filp)
{
	faultmap_file_free(filp->private_data);
	return 0;
}

static loff_t faultmap_llseek(struct file *filp, loff_t offset, int whence)
{
	struct faultmap_file *file = filp->private_data;

	return fixed_size_llseek(filp, offset, whence,
				 i_size_read(file->buffer->inode));
}

static void faultmap_copy_io(void *addr, void *memory, size_t len,
			     enum faultmap_direction direction)
{
	void __iomem *io = (void __force __iomem *)addr;

	if (direction == FM_FROM_BUFFER)
		memcpy_fromio(memory, io, len);
	else
		memcpy_toio(io, memory, len);
}

/* The pages of memory that has frames are seen as user space sees them. */
static void faultmap_copy_pfn(unsigned long pfn, size_t offset, void *memory,
			      size_t len, enum faultmap_direction direction)
{
	if (direction == FM_FROM_BUFFER)
		memcpy_from_page(memory, pfn_to_page(pfn), offset, len);
	else
		memcpy_to_page(pfn_to_page(pfn), offset, memory, len);
}

static void faultmap_copy_addr(void *addr, void *memory, size_t len,
			       enum faultmap_direction direction)
{
	if (direction == FM_FROM_BUFFER)
		memcpy(memory, addr, len);
	else
		memcpy(addr, memory, len);
}

/**
 * faultmap_copy() - copy between kernel memory and the buffer
 * @file: a file of the buffer
 * @pos: where in the buffer, in bytes
 * @memory: kernel memory
 * @len: how many bytes
 * @direction: which way
 *
 * Return: the number of bytes copied, at most to the end of a page; 0 beyond the
 * end of the buffer, or if the file is revoked; -EIO if the memory has failed.
 */
ssize_t faultmap_copy(struct faultmap_file *file, loff_t pos, void *memory,
		      size_t len, enum faultmap_direction direction)
{
	const struct faultmap_memory *kind = file->buffer->memory;
	unsigned int offset = offset_in_page(pos);
	pgoff_t pgoff = pos >> PAGE_SHIFT;
	unsigned long pfn = 0;
	ssize_t done;
	int idx;

	/* A pgoff_t of 32 bits does not hold the page of every position. */
	if (pos >= i_size_read(file->buffer->inode))
		return 0;
	done = min_t(size_t, len, PAGE_SIZE - offset);
	idx = faultmap_read_lock(file);
	if (!faultmap_resolve(file, pgoff, 1, &pfn))
		done = 0;
	else if (faultmap_has_failed(kind, pfn))
		done = -EIO;
	else if (kind->is_device)
		faultmap_copy_io(faultmap_kernel_addr(file, pgoff) + offset,
				 memory, done, direction);
	else if (kind->mmap)
		faultmap_copy_addr(faultmap_kernel_addr(file, pgoff) + offset,
				   memory, done, direction);
	else
		faultmap_copy_pfn(pfn, offset, memory, done, direction);
	faultmap_read_unlock(file, idx);
	return done;
}

/* What a read or write says that has moved nothing: @ret is what faultmap_copy() says. */
static ssize_t faultmap_stuck(const struct faultmap_file *file, ssize_t ret,
			      ssize_t at_the_end)
{
	if (ret)
		return ret;
	return faultmap_revoked(file) ? -ENODEV : at_the_end;
}

/*
 * User memory is never touched in a read section: it may be a mapping of this very
 * buffer, whose fault, or whose mmap_lock, RESIZE waits for.
 */
static ssize_t faultmap_read_pages(struct faultmap_file *file, loff_t *pos,
				   struct iov_iter *to, char *bounce)
{
	size_t copied, done = 0;
	ssize_t len;

	while (iov_iter_count(to)) {
		len = faultmap_copy(file, *pos, bounce, iov_iter_count(to),
				    FM_FROM_BUFFER);
		if (len <= 0)
			return done ? done : faultmap_stuck(file, len, 0);
		copied = copy_to_iter(bounce, len, to);
		*pos += copied;
		done += copied;
		if (copied < len)
			return done ? done : -EFAULT;
		if (fatal_signal_pending(current))
			return done;
		cond_resched();
	}
	return done;
}

static ssize_t faultmap_write_pages(struct faultmap_file *file, loff_t *pos,
				    struct iov_iter *from, char *bounce)
{
	size_t copied, done = 0;
	ssize_t len;

	while (iov_iter_count(from)) {
		len = min_t(size_t, iov_iter_count(from),
			    PAGE_SIZE - offset_in_page(*pos));
		copied = copy_from_iter(bounce, len, from);
		if (!copied)
			return done ? done : -EFAULT;
		len = faultmap_copy(file, *pos, bounce, copied, FM_TO_BUFFER);
		if (len <= 0)
			return done ? done : faultmap_stuck(file, len, -ENOSPC);
		*pos += len;
		done += len;
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	return done;
}

typedef ssize_t (*faultmap_rw_fn)(struct faultmap_file *file, loff_t *pos,
				  struct iov_iter *iter, char *bounce);

static ssize_t faultmap_rw(struct kiocb *iocb, struct iov_iter *iter,
			   faultmap_rw_fn rw)
{
	struct faultmap_file *file = iocb->ki_filp->private_data;
	char *bounce;
	ssize_t ret;

	if (faultmap_revoked(file))
		return -ENODEV;
	bounce = (char *)__get_free_page(GFP_KERNEL);
	if (!bounce)
		return -ENOMEM;
	ret = rw(file, &iocb->ki_pos, iter, bounce);
	free_page((unsigned long)bounce);
	return ret;
}

static ssize_t faultmap_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	return faultmap_rw(iocb, to, faultmap_read_pages);
}

static ssize_t faultmap_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);

	/* Behind the end there is no room; a device has no end to append to. */
	if (iocb->ki_flags & IOCB_APPEND && S_ISREG(inode->i_mode))
		iocb->ki_pos = i_size_read(inode);
	return faultmap_rw(iocb, from, faultmap_write_pages);
}

union faultmap_arg {
	struct faultmap_info info;
	struct faultmap_stats stats;
	struct faultmap_resize resize;
};

static long faultmap_ioctl_info(struct file *filp, void *arg)
{
	struct faultmap_file *file = filp->private_data;
	struct faultmap_view *view = file->view;
	struct faultmap_buffer *buf = view->buffer;
	struct faultmap_info *info = arg;

	info->bytes = i_size_read(buf->inode);
	info->extents = faultmap_buffer_extents(buf);
	info->memory = buf->memory->id;
	info->strategy = view->strategy->id;
	info->order = buf->order;
	info->window = view->window;
	info->flags = FAULTMAP_INFO_ALLOCATED;
	if (view->private)
		info->flags |= FAULTMAP_INFO_PRIVATE;
	if (faultmap_revoked(file))
		info->flags |= FAULTMAP_INFO_REVOKED;
	return 0;
}

static long faultmap_ioctl_stats(struct file *filp, void *arg)
{
	struct faultmap_file *file = filp->private_data;

	faultmap_stats_read(file->view, arg);
	return 0;
}

static long faultmap_ioctl_stats_reset(struct file *filp, void *arg)
{
	struct faultmap_file *file = filp->private_data;

	faultmap_stats_reset(file->view);
	return 0;
}

static long faultmap_ioctl_resize(struct file *filp, void *arg)
{
	const struct faultmap_resize *resize = arg;
	struct faultmap_file *file = filp->private_data;
	struct inode *inode = file->buffer->inode;
	int ret;

	if (resize->flags)
		return -EINVAL;
	ret = faultmap_check_bytes(resize->bytes);
	if (ret)
		return ret;
	if (down_write_killable(&inode->i_rwsem))
		return -EINTR;
	ret = faultmap_revoked(file) ? -ENODEV :
		faultmap_buffer_resize(file->view, resize->bytes >> PAGE_SHIFT);
	inode_unlock(inode);
	return ret;
}

static long faultmap_ioctl_revoke(struct file *filp, void *arg)
{
	return faultmap_buffer_revoke(filp->private_data);
}

static const struct faultmap_ioctl faultmap_ioctls[] = {
	{ FAULTMAP_INFO, 0, faultmap_ioctl_info },
	{ FAULTMAP_STATS, 0, faultmap_ioctl_stats },
	{ FAULTMAP_STATS_RESET, FMODE_WRITE, faultmap_ioctl_stats_reset },
	{ FAULTMAP_RESIZE, FMODE_WRITE, faultmap_ioctl_resize },
	{ FAULTMAP_REVOKE, FMODE_WRITE, faultmap_ioctl_revoke },
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
	struct faultmap_file *file = filp->private_data;

	faultmap_stats_show(m, file->view);
}

/* truncate(2) has no file, which might be revoked. */
static int faultmap_truncate(struct inode *inode, const struct iattr *attr)
{
	struct faultmap_view *view;
	int ret;

	ret = faultmap_check_bytes(attr->ia_size);
	if (ret)
		return ret;
	if (attr->ia_valid & ATTR_FILE && faultmap_revoked(attr->ia_file->private_data))
		return -ENODEV;
	view = faultmap_private_view(inode);
	if (!view)
		return -ENXIO;
	ret = faultmap_buffer_resize(view, attr->ia_size >> PAGE_SHIFT);
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
	.llseek		= faultmap_llseek,
	.read_iter	= faultmap_read_iter,
	.write_iter	= faultmap_write_iter,
	.splice_read	= copy_splice_read,
	.splice_write	= iter_file_splice_write,
	.unlocked_ioctl	= faultmap_unlocked_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.mmap		= faultmap_mmap,
	.get_unmapped_area = faultmap_get_unmapped_area,
	/* There is nothing that memory would have to be written to. */
	.fsync		= noop_fsync,
	.show_fdinfo	= faultmap_show_fdinfo,
};

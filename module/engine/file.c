// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open files of an object: their life, and read(2) and write(2).
 */
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "internal.h"

static int fm_file_add(struct fm_file *file)
{
	struct fm_object *obj = file->obj;
	int ret = 0;

	if (mutex_lock_killable(&obj->open_lock))
		return -EINTR;
	if (obj->dead)
		ret = -ENODEV;
	else if (obj->ops->populate)
		ret = obj->ops->populate(obj);
	if (!ret) {
		spin_lock(&obj->lock);
		list_add_tail(&file->list, &obj->files);
		spin_unlock(&obj->lock);
	}
	mutex_unlock(&obj->open_lock);
	return ret;
}

/**
 * fm_file_create() - describe a new open file of a view
 * @view: the view, which has to outlive it
 *
 * The object may get its memory here, and not at mmap(2), where all threads of a
 * process would wait for the mmap_lock until it is cleared.
 *
 * Context: may sleep, for as long as &fm_object_ops.populate does.
 * Return: the description, for fm_file_attach() or fm_file_free(), or an ERR_PTR:
 * -ENOMEM, -ENODEV if the object was killed, -EINTR, or what populate returns.
 */
struct fm_file *fm_file_create(struct fm_view *view)
{
	struct fm_file *file = kzalloc(sizeof(*file), FM_GFP);
	unsigned int i;
	int ret;

	if (!file)
		return ERR_PTR(-ENOMEM);
	file->view = view;
	file->obj = view->obj;
	file->limit = ULONG_MAX;
	for (i = 0; i < ARRAY_SIZE(file->pmd_locks); i++)
		mutex_init(&file->pmd_locks[i]);
	ret = fm_file_add(file);
	if (ret) {
		kfree(file);
		return ERR_PTR(ret);
	}
	return file;
}
EXPORT_SYMBOL_GPL(fm_file_create);

/**
 * fm_file_free() - free what fm_file_create() returned
 * @file: the description, of which no mapping is left; at &file_operations.release
 */
void fm_file_free(struct fm_file *file)
{
	struct fm_object *obj = file->obj;

	spin_lock(&obj->lock);
	list_del(&file->list);
	spin_unlock(&obj->lock);
	kfree(file);
}
EXPORT_SYMBOL_GPL(fm_file_free);

/**
 * fm_file_attach() - make an open file one of an object
 * @filp: the file, not yet visible to user space
 * @file: its description, its private_data from now on
 *
 * It can be sought in, and read and written at a position; a device that cannot calls
 * stream_open() afterwards.
 *
 * All mappings of an object belong to one address space, whatever file they come from,
 * so that one zap reaches them all.
 */
void fm_file_attach(struct file *filp, struct fm_file *file)
{
	filp->private_data = file;
	filp->f_mapping = file->obj->inode->i_mapping;
	/* A write fault is no change of a device node. */
	filp->f_mode |= FMODE_NOCMTIME | FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
}
EXPORT_SYMBOL_GPL(fm_file_attach);

/**
 * fm_file_limit() - keep the mappings of a file inside the first pages of its object
 * @file: its description, of which there is no mapping yet
 * @npages: how many
 *
 * What mmap(2) is asked for has to end there, and does not grow: no fault can come for more.
 * That also binds remap_file_pages(2), which knows of the file alone, and calls its mmap.
 */
void fm_file_limit(struct fm_file *file, unsigned long npages)
{
	file->limit = npages;
}
EXPORT_SYMBOL_GPL(fm_file_limit);

/**
 * fm_open() - for &file_operations.open: an open file of a view
 * @view: the view, which has to outlive the file
 * @filp: the file
 *
 * Context: as fm_file_create().
 * Return: 0, until fm_release(), or what fm_file_create() fails with.
 */
int fm_open(struct fm_view *view, struct file *filp)
{
	struct fm_file *file = fm_file_create(view);

	if (IS_ERR(file))
		return PTR_ERR(file);
	fm_file_attach(filp, file);
	return 0;
}
EXPORT_SYMBOL_GPL(fm_open);

/**
 * fm_release() - undo fm_open(): &file_operations.release
 * @inode: the file's inode
 * @filp: the file
 *
 * The file has used the view and its object up to here: an owner that counts references
 * drops the file's own afterwards.
 *
 * Return: 0.
 */
int fm_release(struct inode *inode, struct file *filp)
{
	fm_file_free(filp->private_data);
	return 0;
}
EXPORT_SYMBOL_GPL(fm_release);

/**
 * fm_llseek() - &file_operations.llseek, within the object's size
 * @filp: a file of the object
 * @offset: in bytes
 * @whence: SEEK_SET, SEEK_CUR or SEEK_END
 *
 * Return: the new position, or -EINVAL.
 */
loff_t fm_llseek(struct file *filp, loff_t offset, int whence)
{
	struct fm_file *file = filp->private_data;

	return fixed_size_llseek(filp, offset, whence, i_size_read(file->obj->inode));
}
EXPORT_SYMBOL_GPL(fm_llseek);

static void fm_copy_io(void *addr, void *memory, size_t len,
		       enum fm_direction direction)
{
	void __iomem *io = (void __force __iomem *)addr;

	if (direction == FM_FROM_OBJECT)
		memcpy_fromio(memory, io, len);
	else
		memcpy_toio(io, memory, len);
}

/* The pages of memory that has frames are seen as user space sees them. */
static void fm_copy_pfn(unsigned long pfn, size_t offset, void *memory,
			size_t len, enum fm_direction direction)
{
	if (direction == FM_FROM_OBJECT)
		memcpy_from_page(memory, pfn_to_page(pfn), offset, len);
	else
		memcpy_to_page(pfn_to_page(pfn), offset, memory, len);
}

static void fm_copy_addr(void *addr, void *memory, size_t len,
			 enum fm_direction direction)
{
	if (direction == FM_FROM_OBJECT)
		memcpy(memory, addr, len);
	else
		memcpy(addr, memory, len);
}

/* Memory that nobody has touched yet reads as zeroes, and is not allocated for that. */
static ssize_t fm_copy_nothing(const struct fm_file *file, pgoff_t pgoff, void *memory,
			       size_t len, enum fm_direction direction)
{
	if (direction == FM_TO_OBJECT || !file->obj->ops->frames || fm_revoked(file) ||
	    pgoff >= READ_ONCE(file->obj->npages))
		return 0;
	memset(memory, 0, len);
	return len;
}

/**
 * fm_copy() - copy between kernel memory and the object
 * @file: a file of the object
 * @pos: where in the object, in bytes
 * @memory: kernel memory
 * @len: how many bytes
 * @direction: which way
 *
 * Return: the number of bytes copied, at most to the end of a page; 0 beyond the
 * end of the object, or if the file is revoked; -EIO if the memory has failed.
 */
ssize_t fm_copy(struct fm_file *file, loff_t pos, void *memory,
		size_t len, enum fm_direction direction)
{
	const struct fm_object_ops *ops = file->obj->ops;
	unsigned int offset = offset_in_page(pos);
	pgoff_t pgoff = pos >> PAGE_SHIFT;
	unsigned long pfn = 0;
	ssize_t done;
	int idx;

	/* A pgoff_t of 32 bits does not hold the page of every position. */
	if (pos >= i_size_read(file->obj->inode))
		return 0;
	done = min_t(size_t, len, PAGE_SIZE - offset);
	idx = fm_read_lock(file);
	if (!fm_resolve(file, pgoff, 1, direction == FM_TO_OBJECT, &pfn))
		done = fm_copy_nothing(file, pgoff, memory, done, direction);
	else if (fm_has_failed(ops, pfn))
		done = -EIO;
	else if (ops->is_linear)
		fm_copy_io(fm_kernel_addr(file->obj, pgoff) + offset,
			   memory, done, direction);
	else if (ops->map)
		fm_copy_addr(fm_kernel_addr(file->obj, pgoff) + offset,
			     memory, done, direction);
	else
		fm_copy_pfn(pfn, offset, memory, done, direction);
	fm_read_unlock(file, idx);
	return done;
}

/* What a read or write says that has moved nothing: @ret is what fm_copy() says. */
static ssize_t fm_stuck(const struct fm_file *file, ssize_t ret,
			ssize_t at_the_end)
{
	if (ret)
		return ret;
	return fm_revoked(file) ? -ENODEV : at_the_end;
}

/*
 * User memory is never touched in a read section: it may be a mapping of this very
 * object, whose fault, or whose mmap_lock, RESIZE waits for.
 */
static ssize_t fm_read_pages(struct fm_file *file, loff_t *pos,
			     struct iov_iter *to, char *bounce)
{
	size_t copied, done = 0;
	ssize_t len;

	while (iov_iter_count(to)) {
		len = fm_copy(file, *pos, bounce, iov_iter_count(to),
			      FM_FROM_OBJECT);
		if (len <= 0)
			return done ? done : fm_stuck(file, len, 0);
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

static ssize_t fm_write_pages(struct fm_file *file, loff_t *pos,
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
		len = fm_copy(file, *pos, bounce, copied, FM_TO_OBJECT);
		if (len <= 0)
			return done ? done : fm_stuck(file, len, -ENOSPC);
		*pos += len;
		done += len;
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	return done;
}

typedef ssize_t (*fm_rw_fn)(struct fm_file *file, loff_t *pos,
				  struct iov_iter *iter, char *bounce);

static ssize_t fm_rw(struct kiocb *iocb, struct iov_iter *iter, fm_rw_fn rw)
{
	struct fm_file *file = iocb->ki_filp->private_data;
	char *bounce;
	ssize_t ret;

	if (fm_revoked(file))
		return -ENODEV;
	bounce = (char *)__get_free_page(GFP_KERNEL);
	if (!bounce)
		return -ENOMEM;
	ret = rw(file, &iocb->ki_pos, iter, bounce);
	free_page((unsigned long)bounce);
	return ret;
}

/**
 * fm_read_iter() - &file_operations.read_iter
 * @iocb: the file and the position
 * @to: where the bytes go
 *
 * Return: how many were read, fewer at the end of the object; -ENODEV if the file is
 * revoked, -EIO if the memory has failed, -EFAULT, -ENOMEM.
 */
ssize_t fm_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	return fm_rw(iocb, to, fm_read_pages);
}
EXPORT_SYMBOL_GPL(fm_read_iter);

/**
 * fm_write_iter() - &file_operations.write_iter
 * @iocb: the file and the position
 * @from: where the bytes are
 *
 * Return: how many were written, fewer at the end of the object; -ENOSPC behind it, and
 * else as fm_read_iter().
 */
ssize_t fm_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);

	/* Behind the end there is no room; a device has no end to append to. */
	if (iocb->ki_flags & IOCB_APPEND && S_ISREG(inode->i_mode))
		iocb->ki_pos = i_size_read(inode);
	return fm_rw(iocb, from, fm_write_pages);
}
EXPORT_SYMBOL_GPL(fm_write_iter);

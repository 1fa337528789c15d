// SPDX-License-Identifier: GPL-2.0-only
/*
 * A ring, as perf, io_uring and packet sockets have it: write(2) appends a record, and
 * whoever has mapped /dev/ring reads it in place. ring.h has the layout.
 *
 * For a device of your own, change who appends records (ring_write_iter).
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>

#include "fm_engine.h"
#include "ring.h"

#define RING_BYTES	(RING_PAGES * (u32)PAGE_SIZE)
#define RING_START	(-RING_BYTES)	/* wraps soon, as jiffies do */

static struct fm_object ring_object;
static struct fm_view ring_view;

static struct ring_header *ring_header;	/* a page, and the data pages behind it */
static void *ring_data;
static DEFINE_MUTEX(ring_lock);		/* held by who appends, however slow its memory is */
static u32 ring_head = RING_START;	/* ours: user space may write to the header's */
static u32 ring_noticed = RING_START;	/* the tail that poll(2) has seen last */
static DECLARE_WAIT_QUEUE_HEAD(ring_wait);

/* Header, data, and the data again. */
static unsigned long ring_frames(struct fm_object *obj, pgoff_t pgoff,
				 unsigned long max, bool touch, unsigned long *pfn)
{
	pgoff_t page = pgoff > RING_PAGES ? pgoff - RING_PAGES : pgoff;

	*pfn = vmalloc_to_pfn((void *)ring_header + page * PAGE_SIZE);
	return 1;
}

static const struct fm_object_ops ring_ops = {
	.has_pages	= true,
	.frames		= ring_frames,
};

/*
 * How many bytes are free; -EAGAIN if fewer than @need; -EPROTO if the tail, which may be
 * any number, is not between the head and a ring before it.
 */
static int ring_room(int need)
{
	u32 head, used;

	/* The tail is judged by the head of its time; both move meanwhile. */
	do {
		head = READ_ONCE(ring_head);
		smp_rmb();	/* the head before the tail */
		/* Pairs with the consumer's store-release: what it has read may go. */
		used = head - smp_load_acquire(&ring_header->tail);
	} while (head != READ_ONCE(ring_head));
	if (used > RING_BYTES)
		return -EPROTO;
	return RING_BYTES - used < need ? -EAGAIN : RING_BYTES - used;
}

static bool ring_copy(u32 pos, struct iov_iter *from)
{
	u32 at = pos % RING_BYTES, bytes = iov_iter_count(from);
	u32 first = min(bytes, RING_BYTES - at);

	return copy_from_iter_full(ring_data + at, first, from) &&
	       copy_from_iter_full(ring_data, bytes - first, from);
}

static ssize_t ring_append(struct iov_iter *from)
{
	u32 bytes = iov_iter_count(from), size = ring_record_size(bytes);
	struct ring_record *record = ring_data + ring_head % RING_BYTES;
	int room = ring_room(size);

	if (room < 0)
		return room;
	record->bytes = bytes;
	if (!ring_copy(ring_head + sizeof(*record), from))
		return -EFAULT;
	/* Before user space sees it: no valid tail is ahead of this one. */
	WRITE_ONCE(ring_head, ring_head + size);
	/* Pairs with the consumer's load-acquire: the record is complete. */
	smp_store_release(&ring_header->head, ring_head);
	wake_up_interruptible_poll(&ring_wait, EPOLLIN | EPOLLRDNORM);
	return bytes;
}

static ssize_t ring_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	size_t bytes = iov_iter_count(from);
	ssize_t ret;

	if (bytes > RING_BYTES / 2 - sizeof(struct ring_record))
		return -EMSGSIZE;
	do {
		if (mutex_lock_interruptible(&ring_lock))
			return -ERESTARTSYS;
		ret = ring_append(from);
		mutex_unlock(&ring_lock);
		if (ret != -EAGAIN || iocb->ki_filp->f_flags & O_NONBLOCK)
			return ret;
	} while (!wait_event_interruptible(ring_wait,
					   ring_room(ring_record_size(bytes)) != -EAGAIN));
	return -ERESTARTSYS;
}

/*
 * A store to the tail calls nobody: a consumer comes here before it waits, and wakes who
 * waits for room. Once for each tail: else two who do so by poll(2) wake each other.
 */
static __poll_t ring_poll(struct file *filp, poll_table *wait)
{
	u32 tail = READ_ONCE(ring_header->tail);
	int room;

	poll_wait(filp, &ring_wait, wait);
	if (xchg(&ring_noticed, tail) != tail)
		wake_up_interruptible_poll(&ring_wait, EPOLLOUT | EPOLLWRNORM);
	room = ring_room(0);
	if (room < 0)
		return EPOLLERR;
	return (room < RING_BYTES ? EPOLLIN | EPOLLRDNORM : 0) |
	       (room >= RING_BYTES / 2 ? EPOLLOUT | EPOLLWRNORM : 0);	/* for any record */
}

/* Private mappings are refused: after a write they would show a copy, and no ring. */
static int ring_mmap(struct file *filp, struct vm_area_struct *vma)
{
	bool is_header = !vma->vm_pgoff && vma_pages(vma) == 1;

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (!is_header && vma->vm_flags & VM_WRITE)
		return -EACCES;
	/* Nor later: mprotect(2) asks no driver, nor mremap(2) that extends the header. */
	fm_vma_restrict(vma, is_header);
	return fm_mmap(filp, vma);
}

static int ring_open(struct inode *inode, struct file *filp)
{
	/* In this order: fm_open() gives it a position. */
	return fm_open(&ring_view, filp) ?: stream_open(inode, filp);
}

static const struct file_operations ring_fops = {
	.owner			= THIS_MODULE,
	.open			= ring_open,
	.release		= fm_release,
	.write_iter		= ring_write_iter,
	.poll			= ring_poll,
	.mmap			= ring_mmap,
	.get_unmapped_area	= fm_get_unmapped_area,
};

static struct miscdevice ring_device = { MISC_DYNAMIC_MINOR, "ring", &ring_fops };

static int __init ring_init(void)
{
	int ret;

	ring_header = vzalloc((1 + RING_PAGES) * PAGE_SIZE);
	if (!ring_header)
		return -ENOMEM;
	ring_data = (void *)ring_header + PAGE_SIZE;
	ring_header->head = RING_START;
	ring_header->tail = RING_START;
	ret = fm_object_init(&ring_object, &ring_ops, fm_inode_create(), 1 + 2 * RING_PAGES);
	if (ret)
		goto free_memory;
	ret = fm_view_init(&ring_view, &ring_object, FM_LAZY) ?: misc_register(&ring_device);
	if (!ret)
		return 0;
	fm_view_destroy(&ring_view);
	fm_object_destroy(&ring_object);
free_memory:
	vfree(ring_header);
	return ret;
}
module_init(ring_init);

static void __exit ring_exit(void)
{
	misc_deregister(&ring_device);
	fm_view_destroy(&ring_view);
	fm_object_destroy(&ring_object);
	vfree(ring_header);
}
module_exit(ring_exit);

MODULE_DESCRIPTION("A ring of records, mapped by those who read them");
MODULE_LICENSE("GPL");

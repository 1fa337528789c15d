/* SPDX-License-Identifier: GPL-2.0-only */
/* The files of the driver: views with names and counters, and what can be done by one. */
#ifndef _FAULTMAP_FILES_H
#define _FAULTMAP_FILES_H

#include "../memory/memory.h"

struct seq_file;

/**
 * struct faultmap_view - a view of a buffer
 * @view: it, for the engine
 * @ref: held by the node, and by each file
 * @buffer: the memory
 * @private: made by FAULTMAP_CREATE
 * @base_lock: guards @base
 * @base: what the counters were at the last reset
 */
struct faultmap_view {
	struct fm_view view;
	struct kref ref;
	struct faultmap_buffer *buffer;
	bool private;
	spinlock_t base_lock;		/* @base */
	struct fm_counters base;
};

static inline struct faultmap_view *faultmap_view_of(const struct file *filp)
{
	const struct fm_file *file = filp->private_data;

	return container_of(file->view, struct faultmap_view, view);
}

/* mount.c */
int faultmap_private_pin(void);
void faultmap_private_unpin(void);
struct inode *faultmap_private_inode(const struct file_operations *fops,
				     const struct inode_operations *iops);
struct file *faultmap_private_file(struct inode *inode);

/* views.c */
struct faultmap_view *faultmap_view_create(struct faultmap_buffer *buf,
					   enum fm_strategy_id strategy);
void faultmap_view_put(struct faultmap_view *view);
void faultmap_view_bind(struct faultmap_view *view);
struct faultmap_view *faultmap_view_find(struct inode *inode);

/* stats.c */
void faultmap_stats_read(struct faultmap_view *view, struct faultmap_stats *stats);
void faultmap_stats_reset(struct faultmap_view *view);
void faultmap_stats_show(struct seq_file *m, struct faultmap_view *view);

/* dmabuf.c */
#if IS_ENABLED(CONFIG_DMA_SHARED_BUFFER)
int faultmap_dmabuf_export(struct file *filp);
#else
static inline int faultmap_dmabuf_export(struct file *filp)
{
	return -EOPNOTSUPP;
}
#endif

/* ops.c */
extern const struct file_operations faultmap_fops;
extern const struct inode_operations faultmap_inode_ops;

int faultmap_file_open(struct faultmap_view *view, struct file *filp);

/* ioctl.c */
/**
 * struct faultmap_ioctl - an entry of an ioctl table
 * @cmd: the command, with its direction and the size of what this kernel knows
 * @mode: what the descriptor must be open for
 * @call: does it, on a kernel copy of the argument
 */
struct faultmap_ioctl {
	unsigned int cmd;
	fmode_t mode;
	long (*call)(struct file *filp, void *arg);
};

long faultmap_ioctl_call(struct file *filp, unsigned int cmd, void __user *uarg,
			 void *karg, const struct faultmap_ioctl *table,
			 unsigned int nr);

#endif /* _FAULTMAP_FILES_H */

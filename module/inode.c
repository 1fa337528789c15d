// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes of buffers: each has one, whose address space all its mappings share,
 * whatever file they were made through. A private buffer's is also that of its
 * files: like a regular file it has a size, locks, and can be opened again.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/slab.h>

#include "faultmap.h"

#define FAULTMAP_MAGIC	0x666d6170

/* As the kernel does it, but for what happens in a full cgroup. */
static struct inode *faultmap_alloc_inode(struct super_block *sb)
{
	struct inode *inode = kzalloc(sizeof(*inode), FM_GFP);

	if (inode)
		inode_init_once(inode);
	return inode;
}

static void faultmap_free_inode(struct inode *inode)
{
	kfree(inode);
}

static const struct super_operations faultmap_super_ops = {
	.alloc_inode	= faultmap_alloc_inode,
	.free_inode	= faultmap_free_inode,
	.statfs		= simple_statfs,
};

static int faultmap_init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, FAULTMAP_MAGIC);

	if (!ctx)
		return -ENOMEM;
	ctx->ops = &faultmap_super_ops;
	return 0;
}

/* No owner: it would keep the module loaded for as long as it is mounted. */
static struct file_system_type faultmap_fs_type = {
	.name			= "faultmap",
	.init_fs_context	= faultmap_init_fs_context,
	.kill_sb		= kill_anon_super,
};

/*
 * The last steps of closing a file run when its own reference to the module is gone.
 * So the files of private buffers are on a mount with an owner, which is there for
 * as long as they are, or somebody who may make one.
 */
static struct file_system_type faultmap_private_fs_type = {
	.owner			= THIS_MODULE,
	.name			= "faultmap-private",
	.init_fs_context	= faultmap_init_fs_context,
	.kill_sb		= kill_anon_super,
};

static struct vfsmount *faultmap_mnt;
static struct vfsmount *faultmap_private_mnt;
static int faultmap_private_pins;

/* Guards the i_private of private inodes, until the view behind it has a reference. */
static DEFINE_SPINLOCK(faultmap_private_lock);

/**
 * faultmap_inode_init() - mount the file system of the nodes' inodes
 *
 * Return: 0 or a negative errno.
 */
int faultmap_inode_init(void)
{
	faultmap_mnt = kern_mount(&faultmap_fs_type);
	return PTR_ERR_OR_ZERO(faultmap_mnt);
}

/**
 * faultmap_inode_exit() - undo faultmap_inode_init(), when no buffer is left
 */
void faultmap_inode_exit(void)
{
	kern_unmount(faultmap_mnt);
	/* Inodes are freed by RCU, and by a function of ours. */
	rcu_barrier();
}

/**
 * faultmap_inode_create() - make the inode of a buffer that nodes show
 *
 * Return: an inode, for iput(), or an ERR_PTR.
 */
struct inode *faultmap_inode_create(void)
{
	return alloc_anon_inode(faultmap_mnt->mnt_sb);
}

/**
 * faultmap_private_pin() - see that private buffers can be made
 *
 * Return: 0, until faultmap_private_unpin(), or a negative errno.
 */
int faultmap_private_pin(void)
{
	return simple_pin_fs(&faultmap_private_fs_type, &faultmap_private_mnt,
			     &faultmap_private_pins);
}

/**
 * faultmap_private_unpin() - undo faultmap_private_pin()
 */
void faultmap_private_unpin(void)
{
	simple_release_fs(&faultmap_private_mnt, &faultmap_private_pins);
}

/**
 * faultmap_private_inode() - make the inode of a private buffer
 *
 * Context: between faultmap_private_pin() and faultmap_private_unpin().
 * Return: an inode, for iput(), or an ERR_PTR.
 */
struct inode *faultmap_private_inode(void)
{
	struct inode *inode = alloc_anon_inode(faultmap_private_mnt->mnt_sb);

	if (IS_ERR(inode))
		return inode;
	/* Up to 6.12, only so is it found by what ends a watch when the mount goes. */
	inode_sb_list_add(inode);
	inode->i_mode |= S_IFREG;
	/* A write fault would ask for the time of each page's first write. */
	inode->i_flags |= S_NOCMTIME;
	inode->i_op = &faultmap_inode_ops;
	inode->i_fop = &faultmap_fops;
	/*
	 * It counts as open for writing, as it always is by the driver: of what is not,
	 * some kernels would collapse the pages into huge ones, by way of a page cache.
	 */
	atomic_set(&inode->i_writecount, 1);
	return inode;
}

/**
 * faultmap_private_file() - open a private buffer for the first time
 * @file: the description, for faultmap_file_attach()
 *
 * Context: between faultmap_private_pin() and faultmap_private_unpin().
 * Return: the file, or an ERR_PTR.
 */
struct file *faultmap_private_file(struct faultmap_file *file)
{
	struct inode *inode = file->buffer->inode;
	struct file *filp;
	int ret;

	/* For faultmap_private_forget(): while there is a file, others join its mount. */
	ret = faultmap_private_pin();
	if (ret)
		return ERR_PTR(ret);
	ihold(inode);
	filp = alloc_file_pseudo(inode, faultmap_private_mnt, "faultmap",
				 O_RDWR | O_LARGEFILE, &faultmap_fops);
	if (IS_ERR(filp)) {
		iput(inode);
		faultmap_private_unpin();
		return filp;
	}
	/* As open(2) does it, for threads that share it. */
	filp->f_mode |= FMODE_ATOMIC_POS;
	/* Closing gives back a reference that open(2) would have taken. */
	__module_get(THIS_MODULE);
	spin_lock(&faultmap_private_lock);
	inode->i_private = file->view;
	spin_unlock(&faultmap_private_lock);
	return filp;
}

/**
 * faultmap_private_view() - what a private buffer's inode shows
 * @inode: the inode
 *
 * Return: a reference to the view, for faultmap_view_put(), or NULL if the last file
 * was closed meanwhile.
 */
struct faultmap_view *faultmap_private_view(struct inode *inode)
{
	struct faultmap_view *view;

	spin_lock(&faultmap_private_lock);
	view = inode->i_private;
	if (view && !kref_get_unless_zero(&view->ref))
		view = NULL;
	spin_unlock(&faultmap_private_lock);
	return view;
}

/**
 * faultmap_private_forget() - no longer find a private view by its inode
 * @view: the view, which is about to be freed
 */
void faultmap_private_forget(struct faultmap_view *view)
{
	struct inode *inode = view->buffer->inode;
	bool had_file;

	spin_lock(&faultmap_private_lock);
	had_file = inode->i_private;
	inode->i_private = NULL;
	spin_unlock(&faultmap_private_lock);
	if (had_file)
		faultmap_private_unpin();
}

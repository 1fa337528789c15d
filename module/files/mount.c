// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inodes and files of private buffers. Like a regular file one has a size, locks, and
 * can be opened again.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "files.h"

#define FAULTMAP_MAGIC	0x666d6170

static int faultmap_init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, FAULTMAP_MAGIC) ? 0 : -ENOMEM;
}

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

static struct vfsmount *faultmap_private_mnt;
static int faultmap_private_pins;

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
 * @fops: what its files do
 * @iops: what can be done to it
 *
 * Context: between faultmap_private_pin() and faultmap_private_unpin().
 * Return: an inode, for iput(), or an ERR_PTR.
 */
struct inode *faultmap_private_inode(const struct file_operations *fops,
				     const struct inode_operations *iops)
{
	struct inode *inode = alloc_anon_inode(faultmap_private_mnt->mnt_sb);

	if (IS_ERR(inode))
		return inode;
	/* Up to 6.12, only so is it found by what ends a watch when the mount goes. */
	inode_sb_list_add(inode);
	inode->i_mode |= S_IFREG;
	/* A write fault would ask for the time of each page's first write. */
	inode->i_flags |= S_NOCMTIME;
	inode->i_op = iops;
	inode->i_fop = fops;
	/*
	 * It counts as open for writing, as it always is by the driver: of what is not,
	 * some kernels would collapse the pages into huge ones, by way of a page cache.
	 */
	atomic_set(&inode->i_writecount, 1);
	return inode;
}

/**
 * faultmap_private_file() - open a private buffer for the first time
 * @inode: its inode
 *
 * Context: between faultmap_private_pin() and faultmap_private_unpin().
 * Return: the file, or an ERR_PTR.
 */
struct file *faultmap_private_file(struct inode *inode)
{
	struct file *filp;

	ihold(inode);
	filp = alloc_file_pseudo(inode, faultmap_private_mnt, "faultmap",
				 O_RDWR | O_LARGEFILE, inode->i_fop);
	if (IS_ERR(filp)) {
		iput(inode);
		return filp;
	}
	/* As open(2) does it, for threads that share it. */
	filp->f_mode |= FMODE_ATOMIC_POS;
	/* Closing gives back a reference that open(2) would have taken. */
	__module_get(THIS_MODULE);
	return filp;
}

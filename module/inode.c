// SPDX-License-Identifier: GPL-2.0
/*
 * Inodes of buffers: each has one, whose address space all its mappings share,
 * whatever file they were made through.
 */
#include <linux/fs.h>
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

static struct vfsmount *faultmap_mnt;

/**
 * faultmap_inode_init() - mount the file system of the buffers' inodes
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
 * faultmap_inode_create() - make the inode of a buffer
 *
 * Return: an inode, for iput(), or an ERR_PTR.
 */
struct inode *faultmap_inode_create(void)
{
	return alloc_anon_inode(faultmap_mnt->mnt_sb);
}

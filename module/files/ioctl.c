// SPDX-License-Identifier: GPL-2.0-only
/*
 * From an ioctl number to a handler: handlers see kernel memory only, and a
 * structure may be longer or shorter in user space than here.
 */
#include <linux/fs.h>
#include <linux/uaccess.h>

#include "files.h"

static const struct faultmap_ioctl *
faultmap_ioctl_find(unsigned int cmd, const struct faultmap_ioctl *table,
		    unsigned int nr)
{
	const unsigned int size_bits = _IOC_SIZEMASK << _IOC_SIZESHIFT;
	unsigned int i;

	for (i = 0; i < nr; i++)
		if ((table[i].cmd | size_bits) == (cmd | size_bits))
			return &table[i];
	return NULL;
}

static int faultmap_copy_result(void __user *uarg, size_t usize,
				const void *karg, size_t ksize)
{
	size_t size = min(usize, ksize);

	if (copy_to_user(uarg, karg, size) ||
	    clear_user(uarg + size, usize - size))
		return -EFAULT;
	return 0;
}

/**
 * faultmap_ioctl_call() - look up an ioctl and call its handler
 * @filp: the file
 * @cmd: the number that user space gave, with its idea of the size
 * @uarg: the argument in user space
 * @karg: zeroed memory for the kernel's copy, large enough for every entry
 * @table: the ioctls of this kind of file
 * @nr: how many there are
 *
 * Return: what the handler returns; -ENOTTY for an unknown command, -EBADF if
 * the file is not open for what it needs, -EFAULT, -E2BIG.
 */
long faultmap_ioctl_call(struct file *filp, unsigned int cmd, void __user *uarg,
			 void *karg, const struct faultmap_ioctl *table,
			 unsigned int nr)
{
	const struct faultmap_ioctl *ioctl = faultmap_ioctl_find(cmd, table, nr);
	size_t ksize, usize = _IOC_SIZE(cmd);
	long ret;

	if (!ioctl)
		return -ENOTTY;
	if ((filp->f_mode & ioctl->mode) != ioctl->mode)
		return -EBADF;

	ksize = _IOC_SIZE(ioctl->cmd);
	if (_IOC_DIR(cmd) & _IOC_WRITE) {
		ret = copy_struct_from_user(karg, ksize, uarg, usize);
		if (ret)
			return ret;
	}
	ret = ioctl->call(filp, karg);
	if (ret >= 0 && _IOC_DIR(cmd) & _IOC_READ &&
	    faultmap_copy_result(uarg, usize, karg, ksize))
		return -EFAULT;
	return ret;
}

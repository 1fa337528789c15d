// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much memory user space may ask for: in one buffer, and in all of them.
 *
 * A buffer takes its share when it gets its memory, since until then it has none,
 * and gives back what it frees. A device's memory is no one's share.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/module.h>

#include "memory.h"

/**
 * struct faultmap_limit - a parameter
 * @given: what it was given as, NULL if it was not
 * @npages: the limit in force
 */
struct faultmap_limit {
	char *given;
	unsigned long npages;
};

/* Who reads it wants a number, whatever it was given as. */
static int faultmap_get_limit(char *buffer, const struct kernel_param *kp)
{
	const struct faultmap_limit *limit =
		container_of(kp->arg, struct faultmap_limit, given);

	return sysfs_emit(buffer, "%llu\n", (u64)limit->npages << PAGE_SHIFT);
}

static const struct kernel_param_ops param_ops_bytes = {
	.set = param_set_charp,
	.get = faultmap_get_limit,
	.free = param_free_charp,
};

#define param_check_bytes	param_check_charp

static struct faultmap_limit faultmap_max_size;
module_param_named(max_size, faultmap_max_size.given, bytes, 0444);
MODULE_PARM_DESC(max_size, "largest buffer that FAULTMAP_CREATE makes and FAULTMAP_RESIZE grows, in bytes, with an optional suffix K, M or G (default max_total)");

static struct faultmap_limit faultmap_max_total;
module_param_named(max_total, faultmap_max_total.given, bytes, 0444);
MODULE_PARM_DESC(max_total, "most memory that all buffers may have at once, in bytes, with an optional suffix K, M or G (default the machine's)");

static atomic_long_t faultmap_total;

/**
 * faultmap_check_bytes() - tell whether a buffer may have a size
 * @bytes: the size
 *
 * Return: 0, -EINVAL for zero or no multiple of the page size, -EFBIG.
 */
int faultmap_check_bytes(u64 bytes)
{
	if (!bytes || !PAGE_ALIGNED(bytes))
		return -EINVAL;
	if (bytes > MAX_LFS_FILESIZE)
		return -EFBIG;
	return 0;
}

/**
 * faultmap_parse_bytes() - read a parameter that is a size
 * @name: the parameter
 * @value: what it was given
 * @bytes: where the size goes
 *
 * Return: 0, or -EINVAL if it is no size that a buffer may have.
 */
int faultmap_parse_bytes(const char *name, const char *value, u64 *bytes)
{
	char *end;

	*bytes = memparse(value, &end);
	if (end != value && !*end && !faultmap_check_bytes(*bytes))
		return 0;
	pr_warn("%s=%s: give a multiple of %lu bytes, such as 64M\n", name, value,
		PAGE_SIZE);
	return -EINVAL;
}

static int faultmap_parse_limit(const char *name, struct faultmap_limit *limit,
				unsigned long most)
{
	u64 bytes;
	int ret;

	limit->npages = most;
	if (!limit->given)
		return 0;
	ret = faultmap_parse_bytes(name, limit->given, &bytes);
	if (!ret)
		limit->npages = min_t(u64, bytes >> PAGE_SHIFT, most);
	return ret;
}

/**
 * faultmap_limit_init() - read the limits
 *
 * More than the machine has is as much as it has.
 *
 * Return: 0, or -EINVAL for a limit that cannot be read.
 */
int faultmap_limit_init(void)
{
	int ret;

	ret = faultmap_parse_limit("max_total", &faultmap_max_total, totalram_pages());
	if (ret)
		return ret;
	return faultmap_parse_limit("max_size", &faultmap_max_size,
				    faultmap_max_total.npages);
}

/**
 * faultmap_check_limit() - tell whether a buffer may have so many pages
 * @npages: its size in pages
 *
 * Return: 0 or -EFBIG.
 */
int faultmap_check_limit(unsigned long npages)
{
	return npages > faultmap_max_size.npages ? -EFBIG : 0;
}

/**
 * faultmap_limit_take() - take a share of what all buffers may have
 * @npages: how many pages a buffer is about to get, for faultmap_limit_give()
 *
 * Return: 0, or -ENOSPC if the others leave less.
 */
int faultmap_limit_take(unsigned long npages)
{
	long total = atomic_long_read(&faultmap_total);

	do {
		if (npages > faultmap_max_total.npages - total)
			return -ENOSPC;
	} while (!atomic_long_try_cmpxchg(&faultmap_total, &total, total + npages));
	return 0;
}

/**
 * faultmap_limit_give() - give a share back
 * @npages: how many pages a buffer did not get, or has freed
 */
void faultmap_limit_give(unsigned long npages)
{
	atomic_long_sub(npages, &faultmap_total);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of the kind "phys": a device's, at physical addresses.
 *
 * The kernel and user space see it in one way, cached, write-combined or not at
 * all cached: x86 does not allow two ways at once.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>

#include "memory.h"

static char *cache = "uc";
module_param(cache, charp, 0444);
MODULE_PARM_DESC(cache, "how the memory of devices is accessed: wb (cached), wc (write-combined) or uc (uncached, default)");

static const char *const faultmap_cache_names[] = {
	[FM_WRITE_BACK]		= "wb",
	[FM_WRITE_COMBINED]	= "wc",
	[FM_UNCACHED]		= "uc",
};

#ifdef CONFIG_X86
/*
 * ioremap() may have got another memory type than it asked for, by what the MTRRs or
 * PAT say of the range. User space must have the same.
 */
static pgprot_t faultmap_kernel_prot(const void __iomem *virt)
{
	unsigned int level;
	pte_t *pte = lookup_address((__force unsigned long)virt, &level);
	pgprot_t prot = pte_pgprot(*pte);

	return level == PG_LEVEL_4K ? prot : pgprot_large_2_4k(prot);
}

static pgprot_t faultmap_same_type(pgprot_t kernel, pgprot_t prot)
{
	return __pgprot((pgprot_val(prot) & ~_PAGE_CACHE_MASK) |
			(pgprot_val(kernel) & _PAGE_CACHE_MASK));
}
#else
static pgprot_t faultmap_kernel_prot(const void __iomem *virt)
{
	return PAGE_KERNEL;
}

static pgprot_t faultmap_same_type(pgprot_t kernel, pgprot_t prot)
{
	return prot;
}
#endif

static pgprot_t faultmap_wanted_type(enum faultmap_cache how, pgprot_t prot)
{
	switch (how) {
	case FM_WRITE_BACK:
		return prot;
	case FM_WRITE_COMBINED:
		return pgprot_writecombine(prot);
	default:
		return pgprot_device(prot);
	}
}

/* User space accesses a device's memory as the kernel does. */
static pgprot_t faultmap_device_prot(const struct fm_object *obj, pgprot_t prot)
{
	const struct faultmap_range *range = &faultmap_buffer_of(obj)->range;

	prot = faultmap_wanted_type(range->cache, pgprot_decrypted(prot));
	return faultmap_same_type(range->prot, prot);
}

const struct faultmap_memory faultmap_phys = {
	.name		= "phys",
	.id		= FAULTMAP_MEMORY_PHYS,
	.ops		= {
		.is_linear	= true,
		.prot		= faultmap_device_prot,
	},
};

/**
 * faultmap_cache_init() - read the parameter cache=
 *
 * Return: 0, or -EINVAL if it cannot be read.
 */
int faultmap_cache_init(void)
{
	if (match_string(faultmap_cache_names, ARRAY_SIZE(faultmap_cache_names),
			 cache) >= 0)
		return 0;
	pr_warn("cache=%s: give wb, wc or uc\n", cache);
	return -EINVAL;
}

static void __iomem *faultmap_ioremap(phys_addr_t start, u64 bytes,
				      enum faultmap_cache how)
{
	switch (how) {
	case FM_WRITE_BACK:
		return ioremap_cache(start, bytes);
	case FM_WRITE_COMBINED:
		return ioremap_wc(start, bytes);
	default:
		return ioremap(start, bytes);
	}
}

/**
 * faultmap_range_map() - let the kernel see a device's memory
 * @range: what it is described by from now on, for faultmap_range_unmap()
 * @start: its physical address, at a page
 * @bytes: its size, whole pages; the caller has claimed it
 *
 * Return: 0 or -ENOMEM.
 */
int faultmap_range_map(struct faultmap_range *range, phys_addr_t start, u64 bytes)
{
	range->start = start;
	range->npages = bytes >> PAGE_SHIFT;
	range->cache = match_string(faultmap_cache_names,
				    ARRAY_SIZE(faultmap_cache_names), cache);
	range->virt = faultmap_ioremap(start, bytes, range->cache);
	if (!range->virt)
		return -ENOMEM;
	range->prot = faultmap_kernel_prot(range->virt);
	return 0;
}

/**
 * faultmap_range_unmap() - undo faultmap_range_map()
 * @range: the range, whose buffer is killed or gone
 */
void faultmap_range_unmap(struct faultmap_range *range)
{
	iounmap(range->virt);
}

/**
 * faultmap_range_buffer() - make a buffer that shows a device's memory
 * @range: what it shows, mapped until fm_object_kill() or the last
 *	faultmap_buffer_put()
 *
 * Return: the buffer with one reference, or an ERR_PTR.
 */
struct faultmap_buffer *faultmap_range_buffer(const struct faultmap_range *range)
{
	struct faultmap_buffer *buf;

	buf = faultmap_buffer_create(fm_inode_create(), &faultmap_phys,
				     range->npages, 0, false);
	if (IS_ERR(buf))
		return buf;
	buf->range = *range;
	buf->obj.first_pfn = PHYS_PFN(range->start);
	buf->obj.io = range->virt;
	return buf;
}

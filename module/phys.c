// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of the kind "phys": a device's, at physical addresses. It is reached by
 * the parameter phys=, or by the PCI driver in pci.c.
 *
 * The kernel and user space see it in one way, cached, write-combined or not at
 * all cached: x86 does not allow two ways at once.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>

#include "faultmap.h"

static char *phys;
module_param_hw(phys, charp, iomem, 0444);
MODULE_PARM_DESC(phys, "a device's memory to show as phys-*, as SIZE@ADDRESS, such as 1M@0xfe000000; whole pages that are not RAM and that no driver has claimed (default none)");

static char *cache = "uc";
module_param(cache, charp, 0444);
MODULE_PARM_DESC(cache, "how the memory of devices is accessed: wb (cached), wc (write-combined) or uc (uncached, default)");

static const char *const faultmap_cache_names[] = {
	[FM_WRITE_BACK]		= "wb",
	[FM_WRITE_COMBINED]	= "wc",
	[FM_UNCACHED]		= "uc",
};

/* What phys= names, once it is claimed. */
static struct faultmap_range faultmap_phys_range;
static LIST_HEAD(faultmap_phys_nodes);

const struct faultmap_memory faultmap_phys = {
	.name		= "phys",
	.id		= FAULTMAP_MEMORY_PHYS,
	.is_device	= true,
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
		return pgprot_noncached(prot);
	}
}

/**
 * faultmap_phys_prot() - see that user space accesses device memory as we do
 * @buf: a buffer of device memory
 * @prot: protection of a VMA
 *
 * Return: what vm_page_prot must be, under every strategy.
 */
pgprot_t faultmap_phys_prot(const struct faultmap_buffer *buf, pgprot_t prot)
{
	prot = faultmap_wanted_type(buf->range.cache, pgprot_decrypted(prot));
	return faultmap_same_type(buf->range.prot, prot);
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
 * @range: what it shows, mapped until faultmap_buffer_kill() or the last
 *	faultmap_buffer_put()
 *
 * Return: the buffer with one reference, or an ERR_PTR.
 */
struct faultmap_buffer *faultmap_range_buffer(const struct faultmap_range *range)
{
	struct faultmap_buffer *buf;

	buf = faultmap_buffer_create(faultmap_inode_create(), &faultmap_phys,
				     range->npages, 0);
	if (!IS_ERR(buf))
		buf->range = *range;
	return buf;
}

static int faultmap_phys_parse(phys_addr_t *start, u64 *bytes)
{
	char *at, *end;

	*bytes = memparse(phys, &at);
	if (at == phys || *at != '@')
		return -EINVAL;
	*start = memparse(++at, &end);
	return end == at || *end ? -EINVAL : 0;
}

static int faultmap_phys_refuse(const char *why, int ret)
{
	pr_warn("phys=%s: %s\n", phys, why);
	return ret;
}

static int faultmap_phys_claim(phys_addr_t start, u64 bytes)
{
	if (!bytes || !PAGE_ALIGNED(bytes) || !PAGE_ALIGNED(start))
		return faultmap_phys_refuse("give whole pages", -EINVAL);
	if (start + bytes - 1 < start || start + bytes - 1 > iomem_resource.end)
		return faultmap_phys_refuse("there are no such addresses", -EINVAL);
	if (region_intersects(start, bytes, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT)
		return faultmap_phys_refuse("this is the kernel's own memory", -EINVAL);
	if (!request_mem_region(start, bytes, KBUILD_MODNAME))
		return faultmap_phys_refuse("in use by a driver, see /proc/iomem",
					    -EBUSY);
	return 0;
}

static int faultmap_phys_show(void)
{
	struct faultmap_buffer *buf;
	int ret;

	buf = faultmap_range_buffer(&faultmap_phys_range);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	ret = faultmap_nodes_add(&faultmap_phys_nodes, buf, faultmap_phys.name);
	faultmap_buffer_put(buf);
	return ret;
}

/**
 * faultmap_phys_has() - tell whether phys= names some of a range
 * @start: physical address of the range
 * @end: that of its last byte
 */
bool faultmap_phys_has(phys_addr_t start, phys_addr_t end)
{
	const struct faultmap_range *range = &faultmap_phys_range;

	return range->npages && start < range->start + PFN_PHYS(range->npages) &&
	       end >= range->start;
}

/**
 * faultmap_phys_init() - claim what the parameters name, and make its nodes
 *
 * Return: 0; -EPERM without CAP_SYS_RAWIO; -EINVAL for a parameter that cannot be
 * read, RAM, part of a page or no address; -EBUSY if some of the range is claimed;
 * -ENOMEM.
 */
int faultmap_phys_init(void)
{
	phys_addr_t start;
	u64 bytes;
	int ret;

	if (match_string(faultmap_cache_names, ARRAY_SIZE(faultmap_cache_names),
			 cache) < 0) {
		pr_warn("cache=%s: give wb, wc or uc\n", cache);
		return -EINVAL;
	}
	if (!phys)
		return 0;
	if (!capable(CAP_SYS_RAWIO))
		return faultmap_phys_refuse("needs CAP_SYS_RAWIO", -EPERM);
	if (faultmap_phys_parse(&start, &bytes))
		return faultmap_phys_refuse("give SIZE@ADDRESS, such as 1M@0xfe000000",
					    -EINVAL);
	ret = faultmap_phys_claim(start, bytes);
	if (ret)
		return ret;
	ret = faultmap_range_map(&faultmap_phys_range, start, bytes);
	if (ret)
		goto release;
	ret = faultmap_phys_show();
	if (ret)
		goto unmap;
	return 0;

unmap:
	faultmap_range_unmap(&faultmap_phys_range);
	faultmap_phys_range.npages = 0;
release:
	release_mem_region(start, bytes);
	return ret;
}

/**
 * faultmap_phys_exit() - give back what faultmap_phys_init() claimed
 */
void faultmap_phys_exit(void)
{
	struct faultmap_range *range = &faultmap_phys_range;

	if (!range->npages)
		return;
	faultmap_nodes_remove(&faultmap_phys_nodes);
	faultmap_range_unmap(range);
	release_mem_region(range->start, (u64)range->npages << PAGE_SHIFT);
}

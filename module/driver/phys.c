// SPDX-License-Identifier: GPL-2.0-only
/*
 * The parameter phys=: a device's memory that no driver has claimed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/capability.h>
#include <linux/ioport.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>

#include "driver.h"

static char *phys;
module_param_hw(phys, charp, iomem, 0444);
MODULE_PARM_DESC(phys, "a device's memory to show as phys-*, as SIZE@ADDRESS, such as 1M@0xfe000000; whole pages that are not RAM and that no driver has claimed (default none)");

/* What phys= names, once it is claimed. */
static struct faultmap_range faultmap_phys_range;
static LIST_HEAD(faultmap_phys_nodes);

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
	if (start + bytes - 1 < start ||
	    start + bytes - 1 > min_t(u64, iomem_resource.end, PHYS_MASK))
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
	/* Somebody may have opened one of the nodes. */
	if (ret)
		fm_object_kill(&buf->obj);
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

	ret = faultmap_cache_init();
	if (ret || !phys)
		return ret;
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

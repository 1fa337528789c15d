// SPDX-License-Identifier: GPL-2.0
/*
 * The kinds of memory. They know nothing of mappings: a kind allocates blocks,
 * frees them, and tells which page lies behind one of its kernel addresses.
 */
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "faultmap.h"

#define FAULTMAP_GFP		(GFP_KERNEL_ACCOUNT | __GFP_ZERO)

/*
 * User space chooses the sizes, so running short must fail the request and not
 * wake the OOM killer.
 */
#define FAULTMAP_GFP_LAST	(FAULTMAP_GFP | __GFP_RETRY_MAYFAIL)

static struct page *faultmap_alloc_block(unsigned int *order)
{
	struct page *page;

	for (; *order; (*order)--) {
		page = alloc_pages(FAULTMAP_GFP | __GFP_NORETRY | __GFP_NOWARN,
				   *order);
		if (page)
			return page;
	}
	return alloc_page(FAULTMAP_GFP_LAST | __GFP_NOWARN);
}

static long faultmap_pages_alloc(void **addr, unsigned long pages,
				 unsigned int order)
{
	struct page *page;
	unsigned long i;

	order = min_t(unsigned int, order, ilog2(pages));
	page = faultmap_alloc_block(&order);
	if (!page)
		return -ENOMEM;

	/*
	 * The tail pages of a plain block have no reference count of their own;
	 * handed to a page table they would be freed at the first unmap.
	 */
	if (order)
		split_page(page, order);
	for (i = 0; i < 1UL << order; i++)
		addr[i] = page_address(page + i);
	return i;
}

static void faultmap_pages_free(void *addr)
{
	__free_page(virt_to_page(addr));
}

static bool faultmap_pages_starts_block(void *const *addr, unsigned long index)
{
	return true;
}

static struct page *faultmap_pages_to_page(const void *addr)
{
	return virt_to_page(addr);
}

static const struct faultmap_memory faultmap_pages = {
	.name		= "pages",
	.id		= FAULTMAP_MEMORY_PAGES,
	.has_order	= true,
	.max_block	= 1UL << MAX_PAGE_ORDER,
	.alloc		= faultmap_pages_alloc,
	.free		= faultmap_pages_free,
	.starts_block	= faultmap_pages_starts_block,
	.to_page	= faultmap_pages_to_page,
};

static long faultmap_vmalloc_alloc(void **addr, unsigned long pages,
				   unsigned int order)
{
	/* No __GFP_NOWARN: 7.x warns of it here, as a flag it does not know. */
	void *area = __vmalloc(pages << PAGE_SHIFT, FAULTMAP_GFP_LAST);
	unsigned long i;

	if (!area)
		return -ENOMEM;
	for (i = 0; i < pages; i++)
		addr[i] = area + (i << PAGE_SHIFT);
	return i;
}

static void faultmap_vmalloc_free(void *addr)
{
	vfree(addr);
}

/* Areas never touch each other: a guard page follows each. */
static bool faultmap_vmalloc_starts_block(void *const *addr, unsigned long index)
{
	return !index || addr[index] != addr[index - 1] + PAGE_SIZE;
}

static struct page *faultmap_vmalloc_to_page(const void *addr)
{
	return vmalloc_to_page(addr);
}

static const struct faultmap_memory faultmap_vmalloc = {
	.name		= "vmalloc",
	.id		= FAULTMAP_MEMORY_VMALLOC,
	/* Bounded, because an area can only be freed whole when a buffer shrinks. */
	.max_block	= SZ_2M >> PAGE_SHIFT,
	.alloc		= faultmap_vmalloc_alloc,
	.free		= faultmap_vmalloc_free,
	.starts_block	= faultmap_vmalloc_starts_block,
	.to_page	= faultmap_vmalloc_to_page,
};

const struct faultmap_memory *const faultmap_memories[] = {
	[FAULTMAP_MEMORY_PAGES]		= &faultmap_pages,
	[FAULTMAP_MEMORY_VMALLOC]	= &faultmap_vmalloc,
};

const unsigned int faultmap_nr_memories = ARRAY_SIZE(faultmap_memories);

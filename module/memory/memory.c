// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kinds of memory that need no device. They know nothing of mappings: a kind
 * allocates blocks, frees them, and says what their kernel addresses are.
 */
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "memory.h"

#define FAULTMAP_GFP		(GFP_KERNEL_ACCOUNT | __GFP_ZERO)

/*
 * User space chooses the sizes, so running short must fail the request and not
 * wake the OOM killer.
 */
#define FAULTMAP_GFP_LAST	(FAULTMAP_GFP | __GFP_RETRY_MAYFAIL)

static struct page *faultmap_alloc_pages(unsigned int *order)
{
	struct page *page;

	for (; *order; (*order)--) {
		page = alloc_pages(FAULTMAP_GFP | __GFP_NORETRY | __GFP_NOWARN |
				   (FM_KEEP_FOLIOS ? __GFP_COMP : 0), *order);
		if (page)
			return page;
	}
	return alloc_page(FAULTMAP_GFP_LAST | __GFP_NOWARN);
}

/*
 * The kernel maps a folio as a whole for one fault, from the address on that is
 * aligned to its size, and trusts that it lies as aligned in its file. A folio of more
 * than a PMD it maps page by page.
 */
static unsigned int faultmap_fitting_order(unsigned long first, unsigned long pages)
{
	unsigned int order = min_t(unsigned int, ilog2(pages), PMD_SHIFT - PAGE_SHIFT);

	return first ? min_t(unsigned int, order, __ffs(first)) : order;
}

/*
 * A block is kept as a folio where the kernel compares that with the inode's size.
 * Else it is split: the tail pages of a plain block have no reference count of their
 * own; handed to a page table they would be freed at the first unmap.
 */
static int faultmap_pages_alloc(const struct faultmap_buffer *buf,
				unsigned long first, struct faultmap_block *block)
{
	unsigned int order = min(buf->order,
				 faultmap_fitting_order(first, block->npages));
	struct page *page = faultmap_alloc_pages(&order);

	if (!page)
		return -ENOMEM;
	block->addr = page_address(page);
	block->npages = 1UL << order;
	block->split = order && !FM_KEEP_FOLIOS;
	if (block->split)
		split_page(page, order);
	return 0;
}

static void faultmap_pages_free(void *addr)
{
	put_page(virt_to_page(addr));
}

static const struct fm_object_ops faultmap_pages_on_demand = {
	.addresses	= FM_DIRECT,
	.has_pages	= true,
	.populate	= faultmap_buffer_populate,
	.frames		= faultmap_buffer_touch,
};

static const struct faultmap_memory faultmap_pages = {
	.name		= "pages",
	.id		= FAULTMAP_MEMORY_PAGES,
	.has_order	= true,
	.max_block	= 1UL << MAX_PAGE_ORDER,
	.ops		= {
		.addresses	= FM_DIRECT,
		.has_pages	= true,
		.populate	= faultmap_buffer_populate,
	},
	.demand_ops	= &faultmap_pages_on_demand,
	.alloc		= faultmap_pages_alloc,
	.free		= faultmap_pages_free,
};

static int faultmap_vmalloc_alloc(const struct faultmap_buffer *buf,
				  unsigned long first,
				  struct faultmap_block *block)
{
	block->addr = __vmalloc(block->npages << PAGE_SHIFT,
				FAULTMAP_GFP_LAST | __GFP_NOWARN);
	return block->addr ? 0 : -ENOMEM;
}

static void faultmap_vmalloc_free(void *addr)
{
	vfree(addr);
}

static const struct fm_object_ops faultmap_vmalloc_on_demand = {
	.addresses	= FM_VMALLOC,
	.has_pages	= true,
	.populate	= faultmap_buffer_populate,
	.frames		= faultmap_buffer_touch,
};

static const struct faultmap_memory faultmap_vmalloc = {
	.name		= "vmalloc",
	.id		= FAULTMAP_MEMORY_VMALLOC,
	/* Bounded, because an area can only be freed whole when a buffer shrinks. */
	.max_block	= SZ_2M >> PAGE_SHIFT,
	.ops		= {
		.addresses	= FM_VMALLOC,
		.has_pages	= true,
		.populate	= faultmap_buffer_populate,
	},
	.demand_ops	= &faultmap_vmalloc_on_demand,
	.alloc		= faultmap_vmalloc_alloc,
	.free		= faultmap_vmalloc_free,
};

/* A power of two of bytes, from a page on, comes aligned to itself. */
static int faultmap_kmalloc_alloc(const struct faultmap_buffer *buf,
				  unsigned long first,
				  struct faultmap_block *block)
{
	block->npages = rounddown_pow_of_two(block->npages);
	block->addr = kmalloc(block->npages << PAGE_SHIFT,
			      FAULTMAP_GFP_LAST | __GFP_NOWARN);
	return block->addr ? 0 : -ENOMEM;
}

static void faultmap_kmalloc_free(void *addr)
{
	kfree(addr);
}

static const struct faultmap_memory faultmap_kmalloc = {
	.name		= "kmalloc",
	.id		= FAULTMAP_MEMORY_KMALLOC,
	.max_block	= SZ_64K >> PAGE_SHIFT,
	.ops		= {
		.addresses	= FM_DIRECT,
		.populate	= faultmap_buffer_populate,
	},
	.alloc		= faultmap_kmalloc_alloc,
	.free		= faultmap_kmalloc_free,
};

const struct faultmap_memory *const faultmap_memories[] = {
	[FAULTMAP_MEMORY_PAGES]		= &faultmap_pages,
	[FAULTMAP_MEMORY_VMALLOC]	= &faultmap_vmalloc,
	[FAULTMAP_MEMORY_KMALLOC]	= &faultmap_kmalloc,
	[FAULTMAP_MEMORY_DMA]		= &faultmap_dma,
	[FAULTMAP_MEMORY_PHYS]		= &faultmap_phys,
	[FAULTMAP_MEMORY_COHERENT]	= &faultmap_coherent,
};

const unsigned int faultmap_nr_memories = ARRAY_SIZE(faultmap_memories);

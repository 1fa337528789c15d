// SPDX-License-Identifier: GPL-2.0
/*
 * The kinds of memory that need no device. They know nothing of mappings: a kind
 * allocates blocks, frees them, and tells which frame lies behind one of its
 * kernel addresses.
 */
#include <linux/gfp.h>
#include <linux/log2.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "faultmap.h"

#define FAULTMAP_GFP		(GFP_KERNEL_ACCOUNT | __GFP_ZERO)

/*
 * User space chooses the sizes, so running short must fail the request and not
 * wake the OOM killer.
 */
#define FAULTMAP_GFP_LAST	(FAULTMAP_GFP | __GFP_RETRY_MAYFAIL)

/* Stores the addresses of memory that is freed as one. */
static long faultmap_one_block(unsigned long *addr, void *block,
			       unsigned long pages)
{
	unsigned long i;

	if (!block)
		return -ENOMEM;
	for (i = 0; i < pages; i++)
		addr[i] = (unsigned long)block + (i << PAGE_SHIFT);
	addr[0] |= FM_BLOCK;
	return pages;
}

static struct page *faultmap_alloc_block(unsigned int *order)
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
 * A folio is mapped as a whole for one fault, where the kernel finds it inside
 * the VMA and inside the inode's size; for that, it must know where it lies.
 */
static long faultmap_keep_folio(unsigned long *addr, struct page *page,
				unsigned long first, unsigned long pages)
{
	page_folio(page)->index = first;
	return faultmap_one_block(addr, page_address(page), pages);
}

/*
 * The tail pages of a plain block have no reference count of their own; handed to
 * a page table they would be freed at the first unmap.
 */
static long faultmap_split_block(unsigned long *addr, struct page *page,
				 unsigned int order)
{
	unsigned long i;

	if (order)
		split_page(page, order);
	for (i = 0; i < 1UL << order; i++)
		addr[i] = (unsigned long)page_address(page + i) | FM_BLOCK;
	return i;
}

static long faultmap_pages_alloc(const struct faultmap_buffer *buf,
				 unsigned long *addr, unsigned long first,
				 unsigned long pages)
{
	unsigned int order = min_t(unsigned int, buf->order, ilog2(pages));
	struct page *page;

	page = faultmap_alloc_block(&order);
	if (!page)
		return -ENOMEM;
	if (order && FM_KEEP_FOLIOS)
		return faultmap_keep_folio(addr, page, first, 1UL << order);
	return faultmap_split_block(addr, page, order);
}

/* Who has pinned it frees it. */
static void faultmap_pages_free(void *addr)
{
	put_page(virt_to_page(addr));
}

static const struct faultmap_memory faultmap_pages = {
	.name		= "pages",
	.id		= FAULTMAP_MEMORY_PAGES,
	.has_order	= true,
	.has_pages	= true,
	.is_direct	= true,
	.max_block	= 1UL << MAX_PAGE_ORDER,
	.alloc		= faultmap_pages_alloc,
	.free		= faultmap_pages_free,
};

static long faultmap_vmalloc_alloc(const struct faultmap_buffer *buf,
				   unsigned long *addr, unsigned long first,
				   unsigned long pages)
{
	return faultmap_one_block(addr, __vmalloc(pages << PAGE_SHIFT,
						  FAULTMAP_GFP_LAST | __GFP_NOWARN),
				  pages);
}

static void faultmap_vmalloc_free(void *addr)
{
	vfree(addr);
}

static unsigned long faultmap_vmalloc_to_pfn(const struct faultmap_buffer *buf,
					     const void *addr)
{
	return page_to_pfn(vmalloc_to_page(addr));
}

static const struct faultmap_memory faultmap_vmalloc = {
	.name		= "vmalloc",
	.id		= FAULTMAP_MEMORY_VMALLOC,
	.has_pages	= true,
	/* Bounded, because an area can only be freed whole when a buffer shrinks. */
	.max_block	= SZ_2M >> PAGE_SHIFT,
	.alloc		= faultmap_vmalloc_alloc,
	.free		= faultmap_vmalloc_free,
	.to_pfn		= faultmap_vmalloc_to_pfn,
};

/* A power of two of bytes, from a page on, comes aligned to itself. */
static long faultmap_kmalloc_alloc(const struct faultmap_buffer *buf,
				   unsigned long *addr, unsigned long first,
				   unsigned long pages)
{
	pages = rounddown_pow_of_two(pages);
	return faultmap_one_block(addr, kmalloc(pages << PAGE_SHIFT,
						FAULTMAP_GFP_LAST | __GFP_NOWARN),
				  pages);
}

static void faultmap_kmalloc_free(void *addr)
{
	kfree(addr);
}

static const struct faultmap_memory faultmap_kmalloc = {
	.name		= "kmalloc",
	.id		= FAULTMAP_MEMORY_KMALLOC,
	.is_direct	= true,
	.max_block	= SZ_64K >> PAGE_SHIFT,
	.alloc		= faultmap_kmalloc_alloc,
	.free		= faultmap_kmalloc_free,
};

const struct faultmap_memory *const faultmap_memories[] = {
	[FAULTMAP_MEMORY_PAGES]		= &faultmap_pages,
	[FAULTMAP_MEMORY_VMALLOC]	= &faultmap_vmalloc,
	[FAULTMAP_MEMORY_KMALLOC]	= &faultmap_kmalloc,
	[FAULTMAP_MEMORY_DMA]		= &faultmap_dma,
	[FAULTMAP_MEMORY_PHYS]		= &faultmap_phys,
};

const unsigned int faultmap_nr_memories = ARRAY_SIZE(faultmap_memories);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory for DMA, of a device of our own. What the DMA API allows to be mapped page
 * by page is of the kind "dma": dma_alloc_pages() gives pages of the direct map,
 * cached, which user space sees as the kernel does. What dma_alloc_coherent() gives
 * may be anything: only dma_mmap_coherent() knows how to map that, and only all of a
 * VMA, from one allocation. That is the kind "coherent".
 */
#include <linux/dma-mapping.h>
#include <linux/log2.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "memory.h"

#define FM_DMA_GFP		(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN)

/**
 * struct faultmap_dma_block - one allocation
 * @handle: its address for the device
 * @bytes: its size
 */
struct faultmap_dma_block {
	dma_addr_t handle;
	size_t bytes;
};

static struct platform_device *faultmap_dma_device;

/* What dma_free_*() wants to know, by the page number of the kernel address. */
static DEFINE_XARRAY_FLAGS(faultmap_dma_blocks, XA_FLAGS_ACCOUNT);

static unsigned long faultmap_dma_index(const void *addr)
{
	return (unsigned long)addr >> PAGE_SHIFT;
}

typedef void *(*faultmap_dma_get_fn)(struct faultmap_dma_block *block, gfp_t gfp);
typedef void (*faultmap_dma_put_fn)(void *addr,
				    const struct faultmap_dma_block *block);

/* As large as there is. Running short must not wake the OOM killer. */
static void *faultmap_dma_get(struct faultmap_dma_block *block,
			      faultmap_dma_get_fn get)
{
	void *addr;

	for (; block->bytes > PAGE_SIZE; block->bytes /= 2) {
		addr = get(block, FM_DMA_GFP | __GFP_NORETRY);
		if (addr)
			return addr;
	}
	return get(block, FM_DMA_GFP | __GFP_RETRY_MAYFAIL);
}

static int faultmap_dma_alloc(struct faultmap_block *new, faultmap_dma_get_fn get,
			      faultmap_dma_put_fn put)
{
	struct faultmap_dma_block *block;

	block = kzalloc(sizeof(*block), FM_GFP);
	if (!block)
		return -ENOMEM;
	block->bytes = rounddown_pow_of_two(new->npages) << PAGE_SHIFT;
	new->addr = faultmap_dma_get(block, get);
	if (!new->addr)
		goto free_block;
	if (xa_err(xa_store(&faultmap_dma_blocks, faultmap_dma_index(new->addr),
			    block, FM_GFP)))
		goto put_memory;
	new->npages = block->bytes >> PAGE_SHIFT;
	return 0;

put_memory:
	put(new->addr, block);
free_block:
	kfree(block);
	return -ENOMEM;
}

static void faultmap_dma_free(void *addr, faultmap_dma_put_fn put)
{
	struct faultmap_dma_block *block = xa_erase(&faultmap_dma_blocks,
						    faultmap_dma_index(addr));

	put(addr, block);
	kfree(block);
}

static void *faultmap_get_pages(struct faultmap_dma_block *block, gfp_t gfp)
{
	struct page *page = dma_alloc_pages(&faultmap_dma_device->dev, block->bytes,
					    &block->handle, DMA_BIDIRECTIONAL, gfp);

	return page ? page_address(page) : NULL;
}

static void faultmap_put_pages(void *addr, const struct faultmap_dma_block *block)
{
	dma_free_pages(&faultmap_dma_device->dev, block->bytes, virt_to_page(addr),
		       block->handle, DMA_BIDIRECTIONAL);
}

static int faultmap_pages_alloc(const struct faultmap_buffer *buf,
				unsigned long first, struct faultmap_block *block)
{
	return faultmap_dma_alloc(block, faultmap_get_pages, faultmap_put_pages);
}

static void faultmap_pages_free(void *addr)
{
	faultmap_dma_free(addr, faultmap_put_pages);
}

const struct faultmap_memory faultmap_dma = {
	.name		= "dma",
	.id		= FAULTMAP_MEMORY_DMA,
	.max_block	= PMD_SIZE >> PAGE_SHIFT,
	.ops		= {
		.addresses	= FM_DIRECT,
		.populate	= faultmap_buffer_populate,
	},
	.alloc		= faultmap_pages_alloc,
	.free		= faultmap_pages_free,
};

static void *faultmap_get_coherent(struct faultmap_dma_block *block, gfp_t gfp)
{
	return dma_alloc_coherent(&faultmap_dma_device->dev, block->bytes,
				  &block->handle, gfp);
}

static void faultmap_put_coherent(void *addr,
				  const struct faultmap_dma_block *block)
{
	dma_free_coherent(&faultmap_dma_device->dev, block->bytes, addr,
			  block->handle);
}

static int faultmap_coherent_alloc(const struct faultmap_buffer *buf,
				   unsigned long first, struct faultmap_block *block)
{
	return faultmap_dma_alloc(block, faultmap_get_coherent,
				  faultmap_put_coherent);
}

static void faultmap_coherent_free(void *addr)
{
	faultmap_dma_free(addr, faultmap_put_coherent);
}

/* dma_mmap_coherent() takes vm_pgoff for an offset into the allocation. */
static int faultmap_coherent_map(struct fm_object *obj, struct vm_area_struct *vma)
{
	const struct faultmap_dma_block *block;
	unsigned long pgoff = vma->vm_pgoff, first;
	void *addr;
	int ret;

	addr = faultmap_buffer_block(faultmap_buffer_of(obj), pgoff, vma_pages(vma),
				     &first);
	if (IS_ERR(addr))
		return PTR_ERR(addr);
	block = xa_load(&faultmap_dma_blocks, faultmap_dma_index(addr));
	vma->vm_pgoff = first;
	ret = dma_mmap_coherent(&faultmap_dma_device->dev, vma, addr, block->handle,
				block->bytes);
	vma->vm_pgoff = pgoff;
	return ret;
}

const struct faultmap_memory faultmap_coherent = {
	.name		= "coherent",
	.id		= FAULTMAP_MEMORY_COHERENT,
	.max_block	= SZ_2M >> PAGE_SHIFT,
	.ops		= {
		.addresses	= FM_OPAQUE,
		.populate	= faultmap_buffer_populate,
		.map		= faultmap_coherent_map,
	},
	.alloc		= faultmap_coherent_alloc,
	.free		= faultmap_coherent_free,
};

/**
 * faultmap_dma_init() - make the device
 *
 * Return: 0 or a negative errno.
 */
int faultmap_dma_init(void)
{
	struct platform_device *device;
	int ret;

	device = platform_device_register_simple("faultmap", PLATFORM_DEVID_NONE,
						 NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	ret = dma_set_mask_and_coherent(&device->dev, DMA_BIT_MASK(64));
	if (ret) {
		platform_device_unregister(device);
		return ret;
	}
	faultmap_dma_device = device;
	return 0;
}

/**
 * faultmap_dma_exit() - remove the device, when no buffer is left
 */
void faultmap_dma_exit(void)
{
	platform_device_unregister(faultmap_dma_device);
	xa_destroy(&faultmap_dma_blocks);
}

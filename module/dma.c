// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of the kind "dma": what dma_alloc_coherent() gives for a device of our
 * own. Nothing may be assumed of the kernel address it returns; the frames are
 * those of the DMA mapping.
 */
#include <linux/dma-mapping.h>
#include <linux/log2.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "faultmap.h"

/**
 * struct faultmap_dma_block - one allocation
 * @addr: its kernel address
 * @handle: its address for the device
 * @pfn: its first frame
 * @npages: its size in pages
 */
struct faultmap_dma_block {
	void *addr;
	dma_addr_t handle;
	unsigned long pfn;
	unsigned long npages;
};

/* Running short must not wake the OOM killer. */
#define FM_DMA_GFP_LAST	(__GFP_RETRY_MAYFAIL | __GFP_NOWARN)

static struct platform_device *faultmap_dma_device;

/* The block behind each page of kernel addresses, by page number. */
static DEFINE_XARRAY(faultmap_dma_blocks);

static unsigned long faultmap_dma_index(const void *addr)
{
	return (unsigned long)addr >> PAGE_SHIFT;
}

static struct faultmap_dma_block *faultmap_dma_find(const void *addr)
{
	return xa_load(&faultmap_dma_blocks, faultmap_dma_index(addr));
}

static int faultmap_dma_find_frames(struct faultmap_dma_block *block)
{
	struct sg_table table;
	int ret;

	ret = dma_get_sgtable(&faultmap_dma_device->dev, &table, block->addr,
			      block->handle, block->npages << PAGE_SHIFT);
	if (ret)
		return ret;
	/* Behind an IOMMU the pieces need not be contiguous; ours has none. */
	block->pfn = page_to_pfn(sg_page(table.sgl));
	ret = table.orig_nents == 1 ? 0 : -ENOMEM;
	sg_free_table(&table);
	return ret;
}

static int faultmap_dma_publish(struct faultmap_dma_block *block)
{
	unsigned long index = faultmap_dma_index(block->addr);
	int ret;

	ret = faultmap_dma_find_frames(block);
	if (ret)
		return ret;
	return xa_err(xa_store_range(&faultmap_dma_blocks, index,
				     index + block->npages - 1, block,
				     GFP_KERNEL));
}

static bool faultmap_dma_get(struct faultmap_dma_block *block, gfp_t gfp)
{
	block->addr = dma_alloc_coherent(&faultmap_dma_device->dev,
					 block->npages << PAGE_SHIFT,
					 &block->handle,
					 GFP_KERNEL_ACCOUNT | gfp);
	return block->addr;
}

static void faultmap_dma_put(struct faultmap_dma_block *block)
{
	dma_free_coherent(&faultmap_dma_device->dev, block->npages << PAGE_SHIFT,
			  block->addr, block->handle);
}

/* As large as there is. */
static bool faultmap_dma_get_some(struct faultmap_dma_block *block)
{
	for (; block->npages > 1; block->npages /= 2)
		if (faultmap_dma_get(block, __GFP_NORETRY | __GFP_NOWARN))
			return true;
	return faultmap_dma_get(block, FM_DMA_GFP_LAST);
}

static long faultmap_dma_alloc(const struct faultmap_buffer *buf,
			       unsigned long *addr, unsigned long first,
			       unsigned long pages)
{
	struct faultmap_dma_block *block;
	unsigned long i;

	block = kzalloc(sizeof(*block), FM_GFP);
	if (!block)
		return -ENOMEM;
	block->npages = rounddown_pow_of_two(pages);
	if (!faultmap_dma_get_some(block))
		goto free_block;
	if (faultmap_dma_publish(block))
		goto put_memory;

	for (i = 0; i < block->npages; i++)
		addr[i] = (unsigned long)block->addr + (i << PAGE_SHIFT);
	addr[0] |= FM_BLOCK;
	return i;

put_memory:
	faultmap_dma_put(block);
free_block:
	kfree(block);
	return -ENOMEM;
}

static void faultmap_dma_free(void *addr)
{
	struct faultmap_dma_block *block = xa_erase(&faultmap_dma_blocks,
						    faultmap_dma_index(addr));

	faultmap_dma_put(block);
	kfree(block);
}

static unsigned long faultmap_dma_to_pfn(const struct faultmap_buffer *buf,
					 const void *addr)
{
	const struct faultmap_dma_block *block = faultmap_dma_find(addr);

	return block->pfn + ((addr - block->addr) >> PAGE_SHIFT);
}

/*
 * dma_mmap_coherent() fills a whole VMA from one allocation, and takes vm_pgoff
 * for an offset into that. Narrowing the VMA for each of several allocations, as
 * some drivers do, is refused by 7.x from the second call on.
 */
static int faultmap_dma_mmap(const void *addr, unsigned long pfn,
			     struct vm_area_struct *vma)
{
	const struct faultmap_dma_block *block = faultmap_dma_find(addr);
	unsigned long first = (addr - block->addr) >> PAGE_SHIFT;
	unsigned long pgoff = vma->vm_pgoff;
	int ret;

	if (vma_pages(vma) > block->npages - first)
		return -E2BIG;
	vma->vm_pgoff = first;
	ret = dma_mmap_coherent(&faultmap_dma_device->dev, vma, block->addr,
				block->handle, block->npages << PAGE_SHIFT);
	vma->vm_pgoff = pgoff;
	return ret;
}

const struct faultmap_memory faultmap_dma = {
	.name		= "dma",
	.id		= FAULTMAP_MEMORY_DMA,
	.max_block	= SZ_2M >> PAGE_SHIFT,
	.alloc		= faultmap_dma_alloc,
	.free		= faultmap_dma_free,
	.to_pfn		= faultmap_dma_to_pfn,
	.mmap		= faultmap_dma_mmap,
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

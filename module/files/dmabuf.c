// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers as dma-bufs, for devices and for other drivers' interfaces. Whoever has mapped
 * one for a device, or for the kernel, holds a reference of each page, as a caller of
 * get_user_pages() does. So RESIZE and REVOKE need not wait for importers, or ask them:
 * they take the pages from the buffer and from all page tables, and what a device still
 * refers to is freed, and counts for the limit, until the device lets go of it.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/iosys-map.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "files.h"

/**
 * struct faultmap_dmabuf - a buffer's dma-buf
 * @filp: a file of the buffer, by which it is mapped
 * @npages: its size, in pages; the buffer's may change
 * @pages: what is mapped for the kernel, or NULL; the dma-buf's own lock guards it
 * @lock: guards @mappings
 * @mappings: those of devices
 */
struct faultmap_dmabuf {
	struct file *filp;
	unsigned long npages;
	struct page **pages;
	struct mutex lock;		/* @mappings */
	struct list_head mappings;
};

/**
 * struct faultmap_dma_mapping - what a device has mapped
 * @list: in the mappings of the dma-buf
 * @sgt: the pages, each with a reference
 * @dev: the device
 * @dir: what it may do
 */
struct faultmap_dma_mapping {
	struct list_head list;
	struct sg_table sgt;
	struct device *dev;
	enum dma_data_direction dir;
};

static void faultmap_put_pages(struct page **pages, unsigned long npages)
{
	unsigned long i;

	for (i = 0; i < npages; i++)
		put_page(pages[i]);
	kvfree(pages);
}

/* All pages of a dma-buf, for faultmap_put_pages(), or an ERR_PTR. */
static struct page **faultmap_get_pages(const struct faultmap_dmabuf *export)
{
	struct page **pages = kvmalloc_array(export->npages, sizeof(*pages), FM_GFP);
	int ret;

	if (!pages)
		return ERR_PTR(-ENOMEM);
	ret = fm_get_pages(export->filp->private_data, 0, export->npages, pages);
	if (ret) {
		kvfree(pages);
		return ERR_PTR(ret);
	}
	return pages;
}

static int faultmap_dma_map(struct faultmap_dma_mapping *mapping, struct page **pages,
			    unsigned long npages)
{
	int ret;

	ret = sg_alloc_table_from_pages_segment(&mapping->sgt, pages, npages, 0,
						npages << PAGE_SHIFT,
						dma_get_max_seg_size(mapping->dev),
						FM_GFP);
	if (ret)
		return ret;
	ret = dma_map_sgtable(mapping->dev, &mapping->sgt, mapping->dir, 0);
	if (ret)
		sg_free_table(&mapping->sgt);
	return ret;
}

static struct sg_table *faultmap_map_dma_buf(struct dma_buf_attachment *attach,
					     enum dma_data_direction dir)
{
	struct faultmap_dmabuf *export = attach->dmabuf->priv;
	struct faultmap_dma_mapping *mapping = kzalloc(sizeof(*mapping), FM_GFP);
	struct page **pages;
	int ret;

	if (!mapping)
		return ERR_PTR(-ENOMEM);
	pages = faultmap_get_pages(export);
	if (IS_ERR(pages)) {
		kfree(mapping);
		return ERR_CAST(pages);
	}
	mapping->dev = attach->dev;
	mapping->dir = dir;
	ret = faultmap_dma_map(mapping, pages, export->npages);
	if (ret) {
		faultmap_put_pages(pages, export->npages);
		kfree(mapping);
		return ERR_PTR(ret);
	}
	kvfree(pages);
	mutex_lock(&export->lock);
	list_add(&mapping->list, &export->mappings);
	mutex_unlock(&export->lock);
	return &mapping->sgt;
}

static void faultmap_unmap_dma_buf(struct dma_buf_attachment *attach,
				   struct sg_table *sgt, enum dma_data_direction dir)
{
	struct faultmap_dma_mapping *mapping =
		container_of(sgt, struct faultmap_dma_mapping, sgt);
	struct faultmap_dmabuf *export = attach->dmabuf->priv;
	struct sg_page_iter piter;

	mutex_lock(&export->lock);
	list_del(&mapping->list);
	mutex_unlock(&export->lock);
	dma_unmap_sgtable(mapping->dev, sgt, mapping->dir, 0);
	for_each_sgtable_page(sgt, &piter, 0)
		put_page(sg_page_iter_page(&piter));
	sg_free_table(sgt);
	kfree(mapping);
}

static int faultmap_begin_cpu_access(struct dma_buf *dmabuf,
				     enum dma_data_direction dir)
{
	struct faultmap_dmabuf *export = dmabuf->priv;
	struct faultmap_dma_mapping *mapping;

	mutex_lock(&export->lock);
	list_for_each_entry(mapping, &export->mappings, list)
		dma_sync_sgtable_for_cpu(mapping->dev, &mapping->sgt, mapping->dir);
	mutex_unlock(&export->lock);
	return 0;
}

static int faultmap_end_cpu_access(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct faultmap_dmabuf *export = dmabuf->priv;
	struct faultmap_dma_mapping *mapping;

	mutex_lock(&export->lock);
	list_for_each_entry(mapping, &export->mappings, list)
		dma_sync_sgtable_for_device(mapping->dev, &mapping->sgt, mapping->dir);
	mutex_unlock(&export->lock);
	return 0;
}

/* A mapping of the buffer, as by its own descriptor: lazy or eager, counted, and cut off. */
static int faultmap_dmabuf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct faultmap_dmabuf *export = dmabuf->priv;

	vma_set_file(vma, export->filp);
	/* The dma-buf stays as large as it is; and DRM warns of what may grow. */
	fm_vma_restrict(vma, true);
	return fm_mmap(export->filp, vma);
}

static int faultmap_dmabuf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct faultmap_dmabuf *export = dmabuf->priv;
	struct page **pages = faultmap_get_pages(export);
	void *addr;

	if (IS_ERR(pages))
		return PTR_ERR(pages);
	addr = vmap(pages, export->npages, VM_MAP, PAGE_KERNEL);
	if (!addr) {
		faultmap_put_pages(pages, export->npages);
		return -ENOMEM;
	}
	export->pages = pages;
	iosys_map_set_vaddr(map, addr);
	return 0;
}

static void faultmap_dmabuf_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct faultmap_dmabuf *export = dmabuf->priv;

	vunmap(map->vaddr);
	faultmap_put_pages(export->pages, export->npages);
	export->pages = NULL;
}

static void faultmap_dmabuf_release(struct dma_buf *dmabuf)
{
	struct faultmap_dmabuf *export = dmabuf->priv;

	fput(export->filp);
	mutex_destroy(&export->lock);
	kfree(export);
}

static const struct dma_buf_ops faultmap_dmabuf_ops = {
	.map_dma_buf		= faultmap_map_dma_buf,
	.unmap_dma_buf		= faultmap_unmap_dma_buf,
	.begin_cpu_access	= faultmap_begin_cpu_access,
	.end_cpu_access		= faultmap_end_cpu_access,
	.mmap			= faultmap_dmabuf_mmap,
	.vmap			= faultmap_dmabuf_vmap,
	.vunmap			= faultmap_dmabuf_vunmap,
	.release		= faultmap_dmabuf_release,
};

static struct dma_buf *faultmap_dmabuf_create(struct file *filp, unsigned long npages)
{
	struct faultmap_dmabuf *export = kzalloc(sizeof(*export), FM_GFP);
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	if (!export)
		return ERR_PTR(-ENOMEM);
	mutex_init(&export->lock);
	INIT_LIST_HEAD(&export->mappings);
	export->npages = npages;
	export->filp = get_file(filp);
	info.ops = &faultmap_dmabuf_ops;
	info.size = npages << PAGE_SHIFT;
	info.flags = O_RDWR;
	info.priv = export;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		fput(filp);
		kfree(export);
	}
	return dmabuf;
}

/**
 * faultmap_dmabuf_export() - make a dma-buf of what a file shows
 * @filp: the file, open for reading and writing, of which the dma-buf takes a reference
 *
 * Context: may sleep.
 * Return: a descriptor; -EOPNOTSUPP if the memory has no pages with a count of their own,
 * -ENODEV if the file is revoked, -ENOMEM, -EMFILE, -ENFILE.
 */
int faultmap_dmabuf_export(struct file *filp)
{
	struct fm_file *file = filp->private_data;
	struct dma_buf *dmabuf;
	int fd;

	if (!file->obj->ops->has_pages)
		return -EOPNOTSUPP;
	if (fm_revoked(file))
		return -ENODEV;
	dmabuf = faultmap_dmabuf_create(filp, READ_ONCE(file->obj->npages));
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

FM_IMPORT_NS(DMA_BUF);

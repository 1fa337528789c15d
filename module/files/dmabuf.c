// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers as dma-bufs, for devices and for other drivers. A dma-buf has its pages from the
 * moment that it is made: it holds a reference of each, as a caller of get_user_pages() does,
 * and has them mapped for the kernel. So nothing that user space does to the buffer later
 * can make an importer fail; the core of dma-bufs warns if vmap does. RESIZE and REVOKE
 * neither wait for importers nor ask them: they take the pages from the buffer and from all
 * page tables, and what the dma-buf holds is freed, and counts for the limit, until it is gone.
 */
#include <linux/cred.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "files.h"

/**
 * struct faultmap_dmabuf - a buffer's dma-buf
 * @filp: a file of the buffer, by which it is mapped, and no more of that than @npages
 * @npages: its size; the buffer's may change
 * @pages: its pages, each with a reference
 * @addr: where the kernel sees them
 * @lock: guards @mappings
 * @mappings: those of devices
 */
struct faultmap_dmabuf {
	struct file *filp;
	unsigned long npages;
	struct page **pages;
	void *addr;
	struct mutex lock;		/* @mappings */
	struct list_head mappings;
};

/**
 * struct faultmap_dma_mapping - what a device has mapped
 * @list: in the mappings of the dma-buf
 * @sgt: the pages of the dma-buf
 * @dev: the device
 * @dir: what it may do
 */
struct faultmap_dma_mapping {
	struct list_head list;
	struct sg_table sgt;
	struct device *dev;
	enum dma_data_direction dir;
};

static int faultmap_dma_map(struct faultmap_dma_mapping *mapping,
			    const struct faultmap_dmabuf *export)
{
	int ret;

	ret = sg_alloc_table_from_pages_segment(&mapping->sgt, export->pages,
						export->npages, 0,
						export->npages << PAGE_SHIFT,
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
	int ret;

	if (!mapping)
		return ERR_PTR(-ENOMEM);
	mapping->dev = attach->dev;
	mapping->dir = dir;
	ret = faultmap_dma_map(mapping, export);
	if (ret) {
		kfree(mapping);
		return ERR_PTR(ret);
	}
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

	mutex_lock(&export->lock);
	list_del(&mapping->list);
	mutex_unlock(&export->lock);
	dma_unmap_sgtable(mapping->dev, sgt, mapping->dir, 0);
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
	return fm_mmap(export->filp, vma);
}

static int faultmap_dmabuf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct faultmap_dmabuf *export = dmabuf->priv;

	iosys_map_set_vaddr(map, export->addr);
	return 0;
}

/* Of one that may not be complete. */
static void faultmap_dmabuf_free(struct faultmap_dmabuf *export)
{
	vunmap(export->addr);
	if (export->pages)
		fm_put_pages(export->pages, export->npages);
	kvfree(export->pages);
	if (export->filp)
		fput(export->filp);
	mutex_destroy(&export->lock);
	kfree(export);
}

static void faultmap_dmabuf_release(struct dma_buf *dmabuf)
{
	faultmap_dmabuf_free(dmabuf->priv);
}

static const struct dma_buf_ops faultmap_dmabuf_ops = {
	.map_dma_buf		= faultmap_map_dma_buf,
	.unmap_dma_buf		= faultmap_unmap_dma_buf,
	.begin_cpu_access	= faultmap_begin_cpu_access,
	.end_cpu_access		= faultmap_end_cpu_access,
	.mmap			= faultmap_dmabuf_mmap,
	.vmap			= faultmap_dmabuf_vmap,
	.release		= faultmap_dmabuf_release,
};

/* All that the buffer has now; a RESIZE waits. */
static int faultmap_hold_pages(struct faultmap_dmabuf *export, struct fm_file *file)
{
	unsigned long npages = file->obj->npages;
	struct page **pages = kvmalloc_array(npages, sizeof(*pages), FM_GFP);
	int ret;

	if (!pages)
		return -ENOMEM;
	ret = fm_get_pages(file, npages, pages);
	if (ret) {
		kvfree(pages);
		return ret;
	}
	fm_file_limit(file, npages);
	export->pages = pages;
	export->npages = npages;
	return 0;
}

static int faultmap_dmabuf_fill(struct faultmap_dmabuf *export, struct fm_file *file)
{
	struct inode *inode = file->obj->inode;
	int ret;

	if (down_read_killable(&inode->i_rwsem))
		return -EINTR;
	ret = fm_revoked(file) ? -ENODEV : faultmap_hold_pages(export, file);
	inode_unlock_shared(inode);
	if (ret)
		return ret;
	/* Here it may fail, and nobody is told but who exports. */
	export->addr = vmap(export->pages, export->npages, VM_MAP, PAGE_KERNEL);
	return export->addr ? 0 : -ENOMEM;
}

/* By a file of its own, which REVOKE cuts off as it does the one that is exported. */
static int faultmap_dmabuf_open(struct faultmap_dmabuf *export, struct file *filp)
{
	struct file *own = dentry_open(&filp->f_path, O_RDWR, current_cred());

	if (IS_ERR(own))
		return PTR_ERR(own);
	export->filp = own;
	if (fm_revoked(filp->private_data))
		return -ENODEV;
	return faultmap_dmabuf_fill(export, own->private_data);
}

static struct faultmap_dmabuf *faultmap_dmabuf_create(struct file *filp)
{
	struct faultmap_dmabuf *export = kzalloc(sizeof(*export), FM_GFP);
	int ret;

	if (!export)
		return ERR_PTR(-ENOMEM);
	mutex_init(&export->lock);
	INIT_LIST_HEAD(&export->mappings);
	ret = faultmap_dmabuf_open(export, filp);
	if (ret) {
		faultmap_dmabuf_free(export);
		return ERR_PTR(ret);
	}
	return export;
}

static struct dma_buf *faultmap_dmabuf_wrap(struct faultmap_dmabuf *export)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	info.ops = &faultmap_dmabuf_ops;
	info.size = export->npages << PAGE_SHIFT;
	info.flags = O_RDWR;
	info.priv = export;
	return dma_buf_export(&info);
}

/**
 * faultmap_dmabuf_export() - make a dma-buf of what a file shows
 * @filp: the file, open for reading and writing
 *
 * Context: may sleep, for as long as it takes to allocate what is not there yet.
 * Return: a descriptor; -EOPNOTSUPP if the memory has no pages with a count of their own,
 * -ENODEV if the file is revoked, -EIO if memory has failed, -EINTR, -ENOMEM, -EMFILE,
 * -ENFILE.
 */
int faultmap_dmabuf_export(struct file *filp)
{
	const struct fm_file *file = filp->private_data;
	struct faultmap_dmabuf *export;
	struct dma_buf *dmabuf;
	int fd;

	if (!file->obj->ops->has_pages)
		return -EOPNOTSUPP;
	export = faultmap_dmabuf_create(filp);
	if (IS_ERR(export))
		return PTR_ERR(export);
	dmabuf = faultmap_dmabuf_wrap(export);
	if (IS_ERR(dmabuf)) {
		faultmap_dmabuf_free(export);
		return PTR_ERR(dmabuf);
	}
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

FM_IMPORT_NS(DMA_BUF);

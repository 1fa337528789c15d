// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap(2): the strategies, where to map, and the life of a mapping.
 */
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/mman.h>

#include "internal.h"
#include "trace.h"

static struct fm_view *fm_vma_view(struct vm_area_struct *vma)
{
	struct fm_file *file = vma->vm_file->private_data;

	return file->view;
}

/* A mapping was split, inherited or moved: @vma is the new one. */
void fm_vma_open(struct vm_area_struct *vma)
{
	struct fm_view *view = fm_vma_view(vma);

	/* Only fork(2) makes a VMA for somebody else. */
	if (FM_HAVE_HUGE_FAULT && vma->vm_mm != current->mm)
		fm_drop_huge(vma);
	fm_count(view, FM_OPENS, 1);
	trace_faultmap_open(view, vma);
}

/* A mapping is gone, with its translations; the mmap_lock may be held for reading. */
void fm_vma_close(struct vm_area_struct *vma)
{
	struct fm_view *view = fm_vma_view(vma);

	fm_count(view, FM_CLOSES, 1);
	trace_faultmap_close(view, vma);
}

/*
 * A mapping has moved; its vm_pgoff still means the same offset. Growth in place
 * and shrinking come without any call.
 */
int fm_vma_mremap(struct vm_area_struct *vma)
{
	struct fm_view *view = fm_vma_view(vma);

	fm_count(view, FM_MOVES, 1);
	trace_faultmap_move(view, vma);
	return 0;
}

/*
 * ptrace(2) and /proc/PID/mem, on mappings of page frames: where there is no
 * struct page to take, the kernel leaves the copying to the driver, and with it
 * the question whether it is allowed. It asks again for what lies behind the page.
 */
int fm_vma_access(struct vm_area_struct *vma, unsigned long addr, void *buf,
		  int len, int write)
{
	loff_t pos = ((loff_t)vma->vm_pgoff << PAGE_SHIFT) + addr - vma->vm_start;

	if (!(vma->vm_flags & (write ? VM_WRITE : VM_READ | VM_MAYREAD)))
		return -EACCES;
	return fm_copy(vma->vm_file->private_data, pos, buf, len,
		       write ? FM_TO_OBJECT : FM_FROM_OBJECT);
}

/* Tells a mapping's history from those of others, for as long as it does not merge. */
static void fm_number_mapping(struct vm_area_struct *vma)
{
	static atomic_long_t last_mapping;

	vma->vm_private_data = (void *)atomic_long_inc_return(&last_mapping);
}

static int fm_lazy_mmap(struct fm_file *file, struct vm_area_struct *vma)
{
	if (file->limit != ULONG_MAX)
		return fm_follow_lazy(file, vma);
	fm_number_mapping(vma);
	return 0;
}

/*
 * Without .open and .close, whose counts would be exact only where the kernel merges
 * no mappings: with .close, what mprotect(2) has split never merges back.
 */
static const struct vm_operations_struct fm_lazy_vm_ops = {
	.mremap	= fm_vma_mremap,
	.fault	= fm_lazy_fault,
	.map_pages = fm_map_pages,
};

static const struct fm_strategy fm_lazy = {
	.name		= "lazy",
	.id		= FM_LAZY,
	.lazy		= true,
	.by_page	= true,
	.cow		= true,
	.vm_ops		= &fm_lazy_vm_ops,
	.mmap		= fm_lazy_mmap,
};

static int fm_lazy_pfn_mmap(struct fm_file *file, struct vm_area_struct *vma)
{
	vm_flags_set(vma, FM_REMAP_FLAGS);
	return fm_lazy_mmap(file, vma);
}

static const struct vm_operations_struct fm_lazy_pfn_vm_ops = {
	.open	= fm_vma_open,
	.close	= fm_vma_close,
	.mremap	= fm_vma_mremap,
	.access	= fm_vma_access,
	.fault	= fm_lazy_pfn_fault,
	.map_pages = fm_map_pages,
#if FM_HAVE_HUGE_FAULT
	.huge_fault = fm_lazy_pfn_huge_fault,
#endif
};

static const struct fm_strategy fm_lazy_pfn = {
	.name	= "lazy-pfn",
	.id	= FM_LAZY_PFN,
	.lazy	= true,
	/* vmf_insert_pfn() has a BUG for this. */
	.cow	= false,
	.vm_ops	= &fm_lazy_pfn_vm_ops,
	.mmap	= fm_lazy_pfn_mmap,
};

const struct fm_strategy *const fm_strategies[FM_NR_STRATEGIES] = {
	[FM_EAGER]	= &fm_eager,
	[FM_LAZY]	= &fm_lazy,
	[FM_EAGER_PAGE]	= &fm_eager_page,
	[FM_LAZY_PFN]	= &fm_lazy_pfn,
};
EXPORT_SYMBOL_GPL(fm_strategies);

/**
 * fm_supported() - tell whether memory can be mapped in a way
 * @ops: what the memory is like
 * @strategy: a strategy
 *
 * Return: false if the strategy hands out pages that may not be referenced, or frames
 * of memory that only its owner can map, eagerly.
 */
bool fm_supported(const struct fm_object_ops *ops, enum fm_strategy_id strategy)
{
	if (ops->map)
		return strategy == FM_EAGER;
	return ops->has_pages || !fm_strategies[strategy]->by_page;
}
EXPORT_SYMBOL_GPL(fm_supported);

/**
 * fm_can_keep_folios() - tell whether memory may be handed out in folios
 *
 * Return: false on a kernel that would map what lies beyond the object's end of a folio
 * that fm_object_shrink() has cut through, or that has no transparent huge pages, and so
 * cannot split one: there, each page has to be one of its own.
 */
bool fm_can_keep_folios(void)
{
	return FM_KEEP_FOLIOS;
}
EXPORT_SYMBOL_GPL(fm_can_keep_folios);

/**
 * fm_can_batch() - tell whether eager mappings of memory can be batched
 * @ops: what the memory is like
 *
 * Return: false for memory that only its owner can map, or that may come into being
 * at a touch, and on a kernel that does not let a module fill many entries of a page
 * table at once.
 */
bool fm_can_batch(const struct fm_object_ops *ops)
{
	return FM_HAVE_BATCH && !ops->map && !ops->frames;
}
EXPORT_SYMBOL_GPL(fm_can_batch);

/* A read-only shared mapping has lost VM_SHARED; only VM_MAYWRITE tells. */
static bool fm_is_cow(struct vm_area_struct *vma)
{
	return (vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

static int fm_check_mmap(const struct fm_file *file, struct vm_area_struct *vma)
{
	unsigned long npages = min(READ_ONCE(file->obj->npages), file->limit);

	if (!file->view->strategy->cow && fm_is_cow(vma))
		return -EINVAL;
	if (fm_revoked(file))
		return -ENODEV;
	if (vma->vm_pgoff >= npages || vma_pages(vma) > npages - vma->vm_pgoff)
		return -ENXIO;
	return 0;
}

/**
 * fm_vma_restrict() - keep a mapping as it is
 * @vma: the VMA, at mmap(2), before fm_mmap()
 * @may_write: whether mprotect(2) may allow writing later, if the file does
 *
 * For who has checked the range, and refused what may be written now if that must not be:
 * an FM_LAZY mapping could become longer by mremap(2), and nothing calls a driver then. The
 * mapping no longer merges with its neighbours.
 *
 * Context: the mmap_lock is held for writing.
 */
void fm_vma_restrict(struct vm_area_struct *vma, bool may_write)
{
	vm_flags_set(vma, VM_DONTEXPAND);
	if (!may_write)
		vm_flags_clear(vma, VM_MAYWRITE);
}
EXPORT_SYMBOL_GPL(fm_vma_restrict);

static int fm_do_mmap(struct fm_file *file, struct vm_area_struct *vma)
{
	const struct fm_strategy *strategy = file->view->strategy;
	int ret;

	ret = fm_check_mmap(file, vma);
	if (ret)
		return ret;
	if (file->limit != ULONG_MAX)
		fm_vma_restrict(vma, true);
	if (file->obj->ops->prot)
		vma->vm_page_prot = file->obj->ops->prot(file->obj,
						       vma->vm_page_prot);
	vma->vm_ops = strategy->vm_ops;
	return strategy->mmap ? strategy->mmap(file, vma) : 0;
}

/**
 * fm_mmap() - map a part of the object: &file_operations.mmap
 * @filp: a file of the object
 * @vma: the VMA, whose vm_pgoff is the offset into the object in pages
 *
 * Whoever calls it from an mmap of his own calls it last, returns what it returns, and
 * leaves vm_ops and vm_private_data alone; fm_vma_restrict() may come before.
 *
 * Context: the mmap_lock is held for writing.
 * Return: 0; -EINVAL for a private mapping under a strategy that cannot copy on
 * write; -ENODEV if the file is revoked; -ENXIO if the range reaches beyond the
 * object, or the file's limit; -ENOMEM; what &fm_object_ops.map returns. On failure the
 * kernel removes what was mapped, and calls none of the VMA's operations.
 */
int fm_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct fm_file *file = filp->private_data;
	int ret;

	ret = fm_do_mmap(file, vma);
	trace_faultmap_mmap(file->view, vma, ret);
	if (!ret)
		fm_count(file->view, FM_MMAPS, 1);
	return ret;
}
EXPORT_SYMBOL_GPL(fm_mmap);

/* Whether more than a page may be mapped at once, where alignment allows it. */
static bool fm_maps_many(const struct fm_view *view)
{
	bool folios = FM_KEEP_FOLIOS && view->obj->has_huge;

	return view->batched || view->window != 1 ||
	       (folios && view->strategy->id == FM_LAZY);
}

/**
 * fm_get_unmapped_area() - choose where to map: &file_operations.get_unmapped_area
 * @filp: a file of the object
 * @addr: where the caller would like it, or 0
 * @len: how much, in bytes
 * @pgoff: the offset into the object in pages
 * @flags: of mmap(2)
 *
 * A hint that fits is taken. Without one, what can be mapped by PMDs or windows is
 * aligned to fit those.
 *
 * Context: the mmap_lock is held for writing.
 * Return: the address, or a negative errno.
 */
unsigned long fm_get_unmapped_area(struct file *filp, unsigned long addr,
				   unsigned long len, unsigned long pgoff,
					 unsigned long flags)
{
	const struct fm_file *file = filp->private_data;
	unsigned long plain;

	if (!fm_maps_many(file->view) || flags & MAP_FIXED)
		return mm_get_unmapped_area(filp, addr, len, pgoff, flags);
	if (addr) {
		plain = mm_get_unmapped_area(filp, addr, len, pgoff, flags);
		if (plain == PAGE_ALIGN(addr))
			return plain;
	}
	return thp_get_unmapped_area(filp, addr, len, pgoff, flags);
}
EXPORT_SYMBOL_GPL(fm_get_unmapped_area);

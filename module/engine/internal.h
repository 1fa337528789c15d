/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the mapping engine know of each other. */
#ifndef _FM_INTERNAL_H
#define _FM_INTERNAL_H

#include "../base/compat.h"
#include "../base/window.h"
#include "fm_engine.h"

static_assert(FM_WINDOW_MAX == FM_TABLE_PAGES);

/* table.c */
void fm_table_free(struct fm_object *obj);

/* resolve.c */
unsigned long fm_resolve(const struct fm_file *file, pgoff_t pgoff,
			 unsigned long max, bool touch, unsigned long *pfn);
unsigned long fm_resolve_array(const struct fm_file *file, pgoff_t pgoff,
			       unsigned long max, bool touch, unsigned long *pfn);
struct page *fm_resolve_page(const struct fm_file *file, pgoff_t pgoff);
struct page *fm_object_page(struct fm_object *obj, pgoff_t pgoff);
void *fm_kernel_addr(const struct fm_object *obj, pgoff_t pgoff);

/* Whether a touch brings the page into being: then those around it seldom are there yet. */
static inline bool fm_is_new(const struct fm_file *file, pgoff_t pgoff)
{
	unsigned long pfn;

	return file->obj->ops->frames && !fm_resolve(file, pgoff, 1, false, &pfn);
}

static __always_inline unsigned long fm_run(unsigned long entry)
{
	return (entry & ~PAGE_MASK) >> FM_RUN_SHIFT;
}

static __always_inline unsigned long fm_entry_pfn(enum fm_addresses addresses,
						  unsigned long entry)
{
	return page_to_pfn(fm_entry_page(addresses, entry));
}

static __always_inline int fm_read_lock(const struct fm_file *file)
{
	return srcu_read_lock(&file->obj->srcu);
}

static __always_inline void fm_read_unlock(const struct fm_file *file, int idx)
{
	srcu_read_unlock(&file->obj->srcu, idx);
}

/*
 * Whether the kernel has found the memory of a page broken, and nobody should look at it,
 * or, of what an owner answers, has no page there to copy from.
 */
static inline bool fm_has_failed(const struct fm_object_ops *ops, unsigned long pfn)
{
	if (ops->is_linear || ops->map)
		return false;
	return (ops->frames && !pfn_valid(pfn)) || PageHWPoison(pfn_to_page(pfn));
}

/* file.c */
enum fm_direction { FM_FROM_OBJECT, FM_TO_OBJECT };

ssize_t fm_copy(struct fm_file *file, loff_t pos, void *memory, size_t len,
		enum fm_direction direction);

/* eager.c */
extern const struct fm_strategy fm_eager;
extern const struct fm_strategy fm_eager_page;

int fm_follow_lazy(struct fm_file *file, struct vm_area_struct *vma);
void fm_unmap_all(struct fm_object *obj, pgoff_t from);

/* map.c */
void fm_vma_open(struct vm_area_struct *vma);
void fm_vma_close(struct vm_area_struct *vma);
int fm_vma_mremap(struct vm_area_struct *vma);
int fm_vma_access(struct vm_area_struct *vma, unsigned long addr, void *buf,
		  int len, int write);

/* What remap_pfn_range() sets, so that only the way and time of mapping differ. */
#define FM_REMAP_FLAGS	(VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP)

/* fault.c */
vm_fault_t fm_refuse_fault(struct vm_fault *vmf);
vm_fault_t fm_lazy_fault(struct vm_fault *vmf);
vm_fault_t fm_eager_page_fault(struct vm_fault *vmf);
vm_fault_t fm_lazy_pfn_fault(struct vm_fault *vmf);
vm_fault_t fm_insert_huge(struct fm_file *file, struct vm_fault *vmf,
			  unsigned long *installed);
vm_fault_t fm_lazy_pfn_huge_fault(struct vm_fault *vmf, unsigned int order);
pmd_t *fm_find_pmd(struct mm_struct *mm, unsigned long addr);
void fm_drop_huge(const struct vm_area_struct *child);
vm_fault_t fm_map_pages(struct vm_fault *vmf, pgoff_t first, pgoff_t last);

/* batch.c */
struct mutex *fm_pmd_lock(struct fm_file *file, const pmd_t *pmd);
vm_fault_t fm_insert_around(struct fm_file *file, struct vm_fault *vmf,
			    unsigned long *installed);
vm_fault_t fm_insert_pages_around(struct fm_file *file, struct vm_fault *vmf,
				  unsigned long *installed);
int fm_insert_all_frames(struct fm_file *file, struct vm_area_struct *vma);
int fm_make_first_table(struct vm_area_struct *vma);

static inline bool fm_has_table(pmd_t *pmdp)
{
	pmd_t pmd = pmdp_get_lockless(pmdp);

	return !pmd_none(pmd) && !pmd_leaf(pmd);
}

/* view.c */
static inline void fm_count(const struct fm_view *view, enum fm_counter counter,
			    unsigned long n)
{
	this_cpu_add(view->counters->count[counter], n);
}

#endif /* _FM_INTERNAL_H */

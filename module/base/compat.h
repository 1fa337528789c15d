/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels that faultmap supports, as the new kernel's
 * names defined on the old ones. No other file looks at a kernel version.
 */
#ifndef _FAULTMAP_COMPAT_H
#define _FAULTMAP_COMPAT_H

#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/version.h>

/* Before 6.4, MAX_ORDER was the first order too large; then the largest one. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define MAX_PAGE_ORDER		(MAX_ORDER - 1)
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define MAX_PAGE_ORDER		MAX_ORDER
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define copy_splice_read	generic_file_splice_read
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define zap_vma_range		zap_page_range
#elif LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define zap_vma_range(vma, address, size) \
	zap_page_range_single(vma, address, size, NULL)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* Where iomem_resource ends with the last address that there may be, as on x86. */
#ifndef PHYS_MASK
#define PHYS_MASK		PHYS_ADDR_MAX
#endif

/* Only on x86, and there until 6.16, which keeps what PAT has reserved elsewhere. */
#ifndef VM_PAT
#define VM_PAT			VM_NONE
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define mnt_idmap		user_namespace
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define mm_get_unmapped_area(filp, addr, len, pgoff, flags) \
	(current->mm->get_unmapped_area(filp, addr, len, pgoff, flags))
#elif LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define mm_get_unmapped_area(filp, addr, len, pgoff, flags) \
	mm_get_unmapped_area(current->mm, filp, addr, len, pgoff, flags)
#endif

/* There it is NULL, not a function. */
#ifndef CONFIG_TRANSPARENT_HUGEPAGE
#undef thp_get_unmapped_area
#define thp_get_unmapped_area(filp, addr, len, pgoff, flags) \
	mm_get_unmapped_area(filp, addr, len, pgoff, flags)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define pmdp_get_lockless(pmdp)	pmd_read_atomic(pmdp)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
static inline void set_ptes(struct mm_struct *mm, unsigned long addr, pte_t *ptep,
			    pte_t pte, unsigned int nr)
{
	bool special = pte_special(pte);

	/* By number: x86 inverts a frame's in an entry that is not for access. */
	for (; nr; nr--, addr += PAGE_SIZE, ptep++) {
		set_pte_at(mm, addr, ptep, pte);
		pte = pfn_pte(pte_pfn(pte) + 1, pte_pgprot(pte));
		/* It is already; but see fm_set_special(). */
		if (special)
			pte = pte_mkspecial(pte);
	}
}
#endif

/*
 * finish_fault() compares a folio with the inode's size before it maps the whole of
 * it for one of its pages: "mm/memory: do not populate page table entries beyond
 * i_size", in 6.18 and 6.12.59. Before, it looked at the VMA only, and would map what
 * a buffer has lost. Stable series in between have ended, and count as without.
 *
 * Without transparent huge pages, as for real time, split_folio() of 6.12 does nothing and
 * says that it has: MADV_COLD on a part of a folio then never ends, nor can it be killed.
 */
#define FM_KEEP_FOLIOS \
	(IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) && \
	 (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0) || \
	  (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 59) && \
	   LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0))))

/*
 * Before, .huge_fault was there but never called for a driver's mapping. Without
 * special PMDs, get_user_pages_fast() would take references on the frames.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) && \
	defined(CONFIG_TRANSPARENT_HUGEPAGE) && \
	defined(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP)
#define FM_HAVE_HUGE_FAULT	1
#ifndef PMD_ORDER
#define PMD_ORDER		(PMD_SHIFT - PAGE_SHIFT)
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#include <linux/huge_mm.h>
#include <linux/pfn_t.h>
#define vmf_insert_pfn_pmd(vmf, pfn, write) \
	vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(pfn, PFN_DEV), write)
#endif
#else
#define FM_HAVE_HUGE_FAULT	0
#endif

/* A namespace became a string. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define FM_IMPORT_NS(ns)	MODULE_IMPORT_NS(ns)
#else
#define FM_IMPORT_NS(ns)	MODULE_IMPORT_NS(#ns)
#endif

#endif /* _FAULTMAP_COMPAT_H */

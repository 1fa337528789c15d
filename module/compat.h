/* SPDX-License-Identifier: GPL-2.0 */
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
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

#endif /* _FAULTMAP_COMPAT_H */

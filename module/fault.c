// SPDX-License-Identifier: GPL-2.0
/*
 * Lazy mapping: a page is looked up and mapped when it is first touched.
 */
#include <linux/pagemap.h>

#include "faultmap.h"
#include "trace.h"

/**
 * faultmap_refuse_fault() - end a touch that no page can answer
 * @vmf: the fault
 *
 * Context: the mmap_lock or the VMA lock is held for reading.
 * Return: VM_FAULT_SIGBUS, counted and traced.
 */
vm_fault_t faultmap_refuse_fault(struct vm_fault *vmf)
{
	struct faultmap_file *file = vmf->vma->vm_file->private_data;

	faultmap_count(file->view, FM_SIGBUS, 1);
	trace_faultmap_sigbus(file->view, vmf);
	return VM_FAULT_SIGBUS;
}

/*
 * Returns the page at @pgoff referenced and locked, or NULL.
 *
 * The page lock is what the core takes anyway until the translation is in
 * place. Taking it here, before faultmap_srcu is let go, tells RESIZE and REVOKE
 * whom to wait for: after synchronize_srcu() a fault that still saw the old
 * bounds holds the lock of its page.
 */
static struct page *faultmap_lock_page(struct faultmap_file *file, pgoff_t pgoff)
{
	struct page *page = NULL;
	unsigned long pfn;
	int idx;

	idx = srcu_read_lock(&faultmap_srcu);
	if (faultmap_resolve(file, pgoff, 1, &pfn)) {
		page = pfn_to_page(pfn);
		get_page(page);
		lock_page(page);
	}
	srcu_read_unlock(&faultmap_srcu, idx);
	return page;
}

/*
 * Bounds are checked here and not only at mmap(2): nothing calls a driver when
 * a mapping grows in place, or when its neighbour is merged into it. For the
 * same reason the state comes from the file and not from vm_private_data.
 */
static vm_fault_t faultmap_lazy_fault(struct vm_fault *vmf)
{
	struct faultmap_file *file = vmf->vma->vm_file->private_data;
	bool write = vmf->flags & FAULT_FLAG_WRITE;

	vmf->page = faultmap_lock_page(file, vmf->pgoff);
	if (!vmf->page)
		return faultmap_refuse_fault(vmf);

	faultmap_count(file->view, write ? FM_WRITE_FAULTS : FM_READ_FAULTS, 1);
	faultmap_count(file->view, FM_PAGES_INSTALLED, 1);
	trace_faultmap_fault(file->view, vmf);
	return VM_FAULT_LOCKED;
}

const struct vm_operations_struct faultmap_lazy_vm_ops = {
	.open	= faultmap_vma_open,
	.close	= faultmap_vma_close,
	.mremap	= faultmap_vma_mremap,
	.fault	= faultmap_lazy_fault,
};

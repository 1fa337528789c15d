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

static void faultmap_count_fault(struct faultmap_file *file,
				 struct vm_fault *vmf)
{
	bool write = vmf->flags & FAULT_FLAG_WRITE;

	faultmap_count(file->view, write ? FM_WRITE_FAULTS : FM_READ_FAULTS, 1);
	faultmap_count(file->view, FM_PAGES_INSTALLED, 1);
	trace_faultmap_fault(file->view, vmf);
}

/**
 * faultmap_lazy_fault() - answer a touch by a page
 * @vmf: the fault
 *
 * Bounds are checked here and not only at mmap(2): nothing calls a driver when
 * a mapping grows in place, or when its neighbour is merged into it. For the
 * same reason the state comes from the file and not from vm_private_data.
 *
 * Context: the mmap_lock or the VMA lock is held for reading.
 * Return: VM_FAULT_LOCKED with a locked page that the core owns, or
 * VM_FAULT_SIGBUS.
 */
vm_fault_t faultmap_lazy_fault(struct vm_fault *vmf)
{
	struct faultmap_file *file = vmf->vma->vm_file->private_data;

	vmf->page = faultmap_lock_page(file, vmf->pgoff);
	if (!vmf->page)
		return faultmap_refuse_fault(vmf);

	faultmap_count_fault(file, vmf);
	return VM_FAULT_LOCKED;
}

/**
 * faultmap_lazy_pfn_fault() - answer a touch by a page frame
 * @vmf: the fault, on a VM_PFNMAP mapping
 *
 * Nothing refers to the frame but the translation, which is in place before
 * faultmap_srcu is let go: RESIZE and REVOKE zap it before they free.
 *
 * Context: the mmap_lock or the VMA lock is held for reading.
 * Return: VM_FAULT_NOPAGE, VM_FAULT_SIGBUS or VM_FAULT_OOM.
 */
vm_fault_t faultmap_lazy_pfn_fault(struct vm_fault *vmf)
{
	struct faultmap_file *file = vmf->vma->vm_file->private_data;
	vm_fault_t ret = VM_FAULT_SIGBUS;
	unsigned long pfn;
	int idx;

	idx = srcu_read_lock(&faultmap_srcu);
	if (faultmap_resolve(file, vmf->pgoff, 1, &pfn))
		ret = vmf_insert_pfn(vmf->vma, vmf->address, pfn);
	srcu_read_unlock(&faultmap_srcu, idx);

	if (ret == VM_FAULT_SIGBUS)
		return faultmap_refuse_fault(vmf);
	if (ret == VM_FAULT_NOPAGE)
		faultmap_count_fault(file, vmf);
	return ret;
}

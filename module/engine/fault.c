// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lazy mapping: a page is looked up and mapped when it is first touched.
 */
#include <linux/pagemap.h>
#include <linux/userfaultfd_k.h>

#include "internal.h"
#include "trace.h"

/**
 * fm_refuse_fault() - end a touch that no page can answer
 * @vmf: the fault
 *
 * Context: the mmap_lock or the VMA lock is held for reading.
 * Return: VM_FAULT_SIGBUS, counted and traced.
 */
vm_fault_t fm_refuse_fault(struct vm_fault *vmf)
{
	struct fm_file *file = vmf->vma->vm_file->private_data;

	fm_count(file->view, FM_SIGBUS, 1);
	trace_faultmap_sigbus(file->view, vmf);
	return VM_FAULT_SIGBUS;
}

/*
 * Takes the page of a fault, referenced and locked.
 *
 * The page lock is what the core takes anyway until the translation is in
 * place. Taking it here, before the read section ends, tells RESIZE and REVOKE
 * whom to wait for: after synchronize_srcu() a fault that still saw the old
 * bounds holds the lock of its page.
 *
 * Return: VM_FAULT_LOCKED; VM_FAULT_RETRY, with the mmap_lock still held, for who may
 * not wait for the lock.
 */
static vm_fault_t fm_lock_page(struct vm_fault *vmf, struct page *page)
{
	vmf->page = page;
	if (trylock_page(page)) {
		get_page(page);
		return VM_FAULT_LOCKED;
	}
	if (fault_flag_allow_retry_first(vmf->flags) &&
	    vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	get_page(page);
	lock_page(page);
	return VM_FAULT_LOCKED;
}

static __always_inline void fm_count_fault(struct fm_file *file,
					   struct vm_fault *vmf,
					   unsigned long installed)
{
	struct fm_counters __percpu *counters = file->view->counters;
	bool write = vmf->flags & FAULT_FLAG_WRITE;

	this_cpu_inc(counters->count[write ? FM_WRITE_FAULTS : FM_READ_FAULTS]);
	this_cpu_add(counters->count[FM_PAGES_INSTALLED], installed);
	trace_faultmap_fault(file->view, vmf, installed);
}

/*
 * Copies are made one by one, and what is protected from writing page by page is left
 * alone. Nor can a table be read in high memory: pte_offset_map() is not exported.
 */
static bool fm_may_have_company(const struct fm_file *file, const struct vm_fault *vmf)
{
	if (IS_ENABLED(CONFIG_HIGHPTE))
		return false;
	return file->view->window != 1 && !vmf->cow_page &&
	       !uffd_disable_fault_around(vmf->vma) && !fm_is_new(file, vmf->pgoff);
}

/* Around a page, or the page alone, referenced and locked. */
static vm_fault_t fm_find_page(struct fm_file *file, struct vm_fault *vmf,
			       unsigned long *around)
{
	bool company = fm_may_have_company(file, vmf);
	struct page *page = fm_resolve_page(file, vmf->pgoff);
	vm_fault_t ret = 0;

	if (!page)
		return VM_FAULT_SIGBUS;
	/* Of a block, the kernel maps more than a page anyway. */
	if (company && !PageCompound(page))
		ret = fm_insert_pages_around(file, vmf, around);
	return ret ?: fm_lock_page(vmf, page);
}

/**
 * fm_lazy_fault() - answer a touch by a page, and maybe some around it
 * @vmf: the fault
 *
 * Bounds are checked here and not only at mmap(2): nothing calls a driver when
 * a mapping grows in place, or when its neighbour is merged into it. For the
 * same reason the state comes from the file and not from vm_private_data.
 *
 * Context: the mmap_lock or the VMA lock is held for reading.
 * Return: VM_FAULT_LOCKED with a locked page that the core owns, VM_FAULT_NOPAGE if it is
 * mapped already, VM_FAULT_SIGBUS, or VM_FAULT_RETRY.
 */
vm_fault_t fm_lazy_fault(struct vm_fault *vmf)
{
	struct fm_file *file = vmf->vma->vm_file->private_data;
	unsigned long around = 0;
	vm_fault_t ret;
	int idx;

	idx = fm_read_lock(file);
	ret = fm_find_page(file, vmf, &around);
	fm_read_unlock(file, idx);

	if (ret == VM_FAULT_SIGBUS)
		return fm_refuse_fault(vmf);
	/* The kernel takes no page whose memory has failed. */
	if (ret == VM_FAULT_LOCKED && unlikely(PageHWPoison(vmf->page)))
		fm_refuse_fault(vmf);
	else if (ret != VM_FAULT_RETRY)
		fm_count_fault(file, vmf, around + (ret == VM_FAULT_LOCKED));
	return ret;
}

/**
 * fm_eager_page_fault() - bring back a page of an eager mapping
 * @vmf: the fault, on a VM_MIXEDMAP mapping
 *
 * Of a page that is returned the kernel may map the whole folio, at once; under
 * VM_MIXEDMAP it would never give that back. So the page is inserted here, but for
 * the first write to a private mapping, which the kernel copies.
 *
 * Context: the mmap_lock or the VMA lock is held for reading.
 * Return: as fm_lazy_fault(), VM_FAULT_NOPAGE or VM_FAULT_OOM.
 */
vm_fault_t fm_eager_page_fault(struct vm_fault *vmf)
{
	struct fm_file *file = vmf->vma->vm_file->private_data;
	unsigned long pfn;
	int idx, ret = -EFAULT;

	if (vmf->cow_page)
		return fm_lazy_fault(vmf);

	idx = fm_read_lock(file);
	if (fm_resolve(file, vmf->pgoff, 1, true, &pfn) &&
	    !fm_has_failed(file->obj->ops, pfn))
		ret = vm_insert_page(vmf->vma, vmf->address, pfn_to_page(pfn));
	fm_read_unlock(file, idx);

	if (ret == -EFAULT)
		return fm_refuse_fault(vmf);
	/* -EBUSY: another CPU was faster. */
	if (ret && ret != -EBUSY)
		return VM_FAULT_OOM;
	fm_count_fault(file, vmf, 1);
	return VM_FAULT_NOPAGE;
}

/**
 * fm_lazy_pfn_fault() - answer a touch by page frames
 * @vmf: the fault, on a VM_PFNMAP mapping
 *
 * Nothing refers to the frames but the translations, which are in place before
 * the read section ends: RESIZE and REVOKE zap them before they free.
 *
 * Context: the mmap_lock or the VMA lock is held for reading.
 * Return: VM_FAULT_NOPAGE, VM_FAULT_SIGBUS or VM_FAULT_OOM.
 */
vm_fault_t fm_lazy_pfn_fault(struct vm_fault *vmf)
{
	struct fm_file *file = vmf->vma->vm_file->private_data;
	unsigned long installed = 0;
	vm_fault_t ret;
	int idx;

	idx = fm_read_lock(file);
	ret = fm_insert_around(file, vmf, &installed);
	fm_read_unlock(file, idx);

	if (ret == VM_FAULT_SIGBUS)
		return fm_refuse_fault(vmf);
	if (ret == VM_FAULT_NOPAGE)
		fm_count_fault(file, vmf, installed);
	return ret;
}

#if FM_HAVE_HUGE_FAULT
/* Whether a PMD fits: inside the VMA, and over frames aligned as it is. */
static bool fm_resolve_huge(struct fm_file *file,
			    struct vm_fault *vmf, unsigned long *pfn)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long start = vmf->address & PMD_MASK;

	return start >= vma->vm_start && start + PMD_SIZE <= vma->vm_end &&
	       fm_resolve(file, linear_page_index(vma, start),
			  HPAGE_PMD_NR, false, pfn) == HPAGE_PMD_NR &&
	       IS_ALIGNED(*pfn, HPAGE_PMD_NR);
}

static vm_fault_t fm_insert_huge_locked(struct fm_file *file, struct vm_fault *vmf,
					unsigned long *installed)
{
	unsigned long pfn;

	if (fm_has_table(vmf->pmd) || !fm_resolve_huge(file, vmf, &pfn))
		return VM_FAULT_FALLBACK;
	/* Else it only becomes writable, or another CPU was faster. */
	if (pmd_none(pmdp_get_lockless(vmf->pmd)))
		*installed = HPAGE_PMD_NR;
	return vmf_insert_pfn_pmd(vmf, pfn, vmf->flags & FAULT_FLAG_WRITE);
}

/**
 * fm_insert_huge() - map all of a page table's frames by one PMD, if they fit
 * @file: the file mapped
 * @vmf: the fault, on a VM_PFNMAP mapping, or what it would be
 * @installed: becomes the number of frames that were not mapped before; 0 at first
 *
 * A PMD that is none may become a leaf here, or point to a table by
 * fm_insert_around(): under the lock it is the one or the other. Over a table
 * vmf_insert_pfn_pmd() would warn.
 *
 * Context: the mmap_lock or the VMA lock is held.
 * Return: VM_FAULT_NOPAGE, VM_FAULT_OOM, or VM_FAULT_FALLBACK where a PMD does not fit, and
 * for a process that is being killed.
 */
vm_fault_t fm_insert_huge(struct fm_file *file, struct vm_fault *vmf,
			  unsigned long *installed)
{
	struct mutex *lock = fm_pmd_lock(file, vmf->pmd);
	vm_fault_t ret = VM_FAULT_FALLBACK;
	unsigned long pfn;
	int idx;

	idx = fm_read_lock(file);
	/* Under the lock nothing is allocated. */
	if (file->obj->ops->frames)
		fm_resolve(file, vmf->pgoff, 1, true, &pfn);
	if (!mutex_lock_killable(lock)) {
		ret = fm_insert_huge_locked(file, vmf, installed);
		mutex_unlock(lock);
	}
	fm_read_unlock(file, idx);
	return ret;
}

/**
 * fm_lazy_pfn_huge_fault() - answer a touch by all of a page table's frames
 * @vmf: the fault, on a VM_PFNMAP mapping without a page table there
 * @order: of what is asked for
 *
 * The kernel may call it twice for one fault, so only what it answers is counted.
 *
 * Context: the mmap_lock or the VMA lock is held for reading.
 * Return: VM_FAULT_NOPAGE, VM_FAULT_OOM, or VM_FAULT_FALLBACK where a PMD does not
 * fit, or smaller windows are asked for.
 */
vm_fault_t fm_lazy_pfn_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct fm_file *file = vmf->vma->vm_file->private_data;
	unsigned int window = file->view->window;
	unsigned long installed = 0;
	vm_fault_t ret;

	if (order != PMD_ORDER || (window && window < FM_WINDOW_MAX))
		return VM_FAULT_FALLBACK;

	ret = fm_insert_huge(file, vmf, &installed);
	if (ret == VM_FAULT_NOPAGE) {
		fm_count_fault(file, vmf, installed);
		fm_count(file->view, FM_HUGE_FAULTS, 1);
	}
	return ret;
}

/**
 * fm_find_pmd() - find the PMD of an address
 * @mm: whose
 * @addr: the address
 *
 * No module can have a table of PMDs made but by a page table below it.
 *
 * Context: the mmap_lock is held for writing.
 * Return: the PMD, or NULL where not even its table is there.
 */
pmd_t *fm_find_pmd(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;

	if (pgd_none(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	return pud_none(*pud) ? NULL : pmd_offset(pud, addr);
}

/* Where the PMDs that map frames end, of those one after the other from @addr on. */
static unsigned long fm_huge_end(const struct vm_area_struct *vma, unsigned long addr)
{
	pmd_t *pmd;

	for (; addr < vma->vm_end; addr += PMD_SIZE) {
		pmd = fm_find_pmd(vma->vm_mm, addr);
		if (!pmd || !pmd_leaf(pmdp_get_lockless(pmd)))
			break;
	}
	return addr;
}

/**
 * fm_drop_huge() - unmap what a forking process has mapped by PMDs
 * @child: the child's VMA, which fork(2) has just made and not filled
 *
 * copy_huge_pmd() reads a PMD of frames before it takes the locks, and does not look again.
 * If REVOKE or RESIZE zaps both VMAs meanwhile, the child is given what is then freed. So
 * there is none to copy; what is touched comes back by a fault.
 *
 * Context: the mmap_lock of the parent, which is current, and its VMA are locked for
 * writing, so that no fault brings a PMD back before all is copied.
 */
void fm_drop_huge(const struct vm_area_struct *child)
{
	struct vm_area_struct *vma = find_vma(current->mm, child->vm_start);
	unsigned long addr, end;

	/* Nothing but fork(2) comes here now; nobody else shall lose what he has mapped. */
	if (!vma || vma->vm_start != child->vm_start || vma->vm_file != child->vm_file)
		return;
	for (addr = vma->vm_start; addr < vma->vm_end;
	     addr = pmd_addr_end(end, vma->vm_end)) {
		end = fm_huge_end(vma, addr);
		if (end > addr)
			zap_vma_range(vma, addr, end - addr);
	}
}
#endif

/**
 * fm_map_pages() - map nothing around a read fault
 * @vmf: the fault
 * @first: the first page that might be mapped
 * @last: the last one
 *
 * That it is there makes the kernel call .fault under the lock of the VMA, and not
 * first try in vain and then take the mmap_lock.
 *
 * Return: 0, so that .fault is called
 */
vm_fault_t fm_map_pages(struct vm_fault *vmf, pgoff_t first, pgoff_t last)
{
	return 0;
}

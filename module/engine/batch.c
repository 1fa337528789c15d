// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many page frames in one pass over a page table, under one lock: what makes a
 * lazy mapping of frames cheap where much of it is touched.
 */
#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/pagemap.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>

#include "internal.h"

/**
 * fm_pmd_lock() - the lock under which a PMD that is none becomes something
 * @file: the file that all of the PMD's range shows, or some of it
 * @pmd: the PMD
 *
 * Of two CPUs that find a PMD empty, one may want a page table there, and the other
 * all of its range at once, if its VMA goes so far. Who finds no table takes this lock.
 * A table that is there stays, for as long as the fault has its VMA locked: only who
 * unmaps or moves that, and has locked it for writing, takes a table away.
 *
 * It is a lock of the file: who holds it may be kept waiting for the memory of a page table,
 * and makes nobody wait but those who use the file, too. They can be killed.
 *
 * It is taken in a read section of the object, under the mmap_lock or VMA lock.
 */
struct mutex *fm_pmd_lock(struct fm_file *file, const pmd_t *pmd)
{
	return &file->pmd_locks[hash_ptr(pmd, ilog2(ARRAY_SIZE(file->pmd_locks)))];
}

/* A fill goes on within one page table, which apply_to_page_range() has locked. */
struct fm_fill {
	struct fm_file *file;
	struct vm_area_struct *vma;
	struct fm_touch touch;		/* of a lazy mapping */
	unsigned long table;		/* its bit in the view's */
	struct fm_span span;		/* what is clear without a look */
	bool empty;			/* the table, before the fault */
	bool alone;			/* nothing but the page that was touched */
	unsigned long count;		/* of an eager one: pages */
	unsigned long installed;
};

static bool fm_present(const void *table, unsigned long page)
{
	return !pte_none(ptep_get((pte_t *)table + page % PTRS_PER_PTE));
}

static struct fm_span fm_guess_span(struct fm_fill *fill)
{
	struct fm_view *view = fill->file->view;
	struct fm_touch *touch = &fill->touch;
	struct fm_span span;

	touch->filled = fill->empty && test_bit(fill->table, view->filled);
	span = fm_window_guess(get_cpu_ptr(view->histories), touch, fill->empty);
	put_cpu_ptr(view->histories);
	if (touch->filled && !span.count)
		clear_bit(fill->table, view->filled);
	return span;
}

/* The CPU may be another one than at the guess; nothing depends on that. */
static struct fm_span fm_choose_span(struct fm_fill *fill, pte_t *table)
{
	struct fm_table_view seen = { .empty = fill->empty };
	struct fm_view *view = fill->file->view;
	struct fm_touch *touch = &fill->touch;

	if (fill->span.count)
		return fill->span;
	if (!seen.empty)
		seen = fm_window_look(table, touch, fm_present);
	fill->span = fm_window_choose(get_cpu_ptr(view->histories), touch, &seen);
	put_cpu_ptr(view->histories);
	/* Most are known to be: the line is read only. */
	if (fm_window_fills(touch, &seen, &fill->span) && !test_bit(fill->table, view->filled))
		set_bit(fill->table, view->filled);
	return fill->span;
}

/* Where page tables are larger, a window stays in an aligned part of one. */
#define FM_SPAN_SIZE	min(PMD_SIZE, FM_TABLE_PAGES << PAGE_SHIFT)

/* What may be mapped along with a touch: its page table, the VMA, the object. */
static struct fm_touch fm_describe_touch(struct fm_file *file,
					 struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long start = vmf->address & ~(FM_SPAN_SIZE - 1);
	unsigned long page = vmf->address >> PAGE_SHIFT;
	unsigned long npages = READ_ONCE(file->obj->npages);
	struct fm_touch touch = {
		.mapping = (unsigned long)vma->vm_private_data,
		.page = page,
		.lo = max(vma->vm_start, start) >> PAGE_SHIFT,
		.hi = min(vma->vm_end - 1, start + FM_SPAN_SIZE - 1) >> PAGE_SHIFT,
	};

	if (file->view->strategy->by_page)
		touch.kind = vmf->flags & FAULT_FLAG_WRITE ? FM_PAGE_WRITTEN : FM_PAGE_READ;
	if (npages > vmf->pgoff)
		touch.hi = min(touch.hi, page + (npages - vmf->pgoff) - 1);
	touch.hi++;
	if (vma->vm_flags & VM_RAND_READ)
		touch.hint = FM_HINT_RANDOM;
	else if (vma->vm_flags & VM_SEQ_READ)
		touch.hint = FM_HINT_SEQUENTIAL;
	return touch;
}

/* Starts a fill; true if there is nothing to it but the page that was touched. */
static bool fm_fills_one(struct fm_fill *fill, struct vm_fault *vmf)
{
	const struct fm_view *view = fill->file->view;

	if (fill->alone)
		return true;
	fill->touch = fm_describe_touch(fill->file, vmf);
	fill->table = (vmf->pgoff - (fill->touch.page - fill->touch.lo)) / FM_TABLE_PAGES %
		      FM_TABLES_KNOWN;
	fill->span = view->window ?
		fm_window_fixed(view->window, &fill->touch) :
		fm_guess_span(fill);
	return fill->span.count == 1;
}

#if FM_HAVE_BATCH

/*
 * Sets @n entries, which are empty, to consecutive frames. Its callers are flattened, so that
 * the compiler sees in set_ptes() that the entries are special: for others, arm64 calls what
 * looks after their MTE tags, which no module can.
 */
static __always_inline void fm_set_special(struct mm_struct *mm, unsigned long addr, pte_t *pte,
					   unsigned long pfn, unsigned int n, pgprot_t prot)
{
	set_ptes(mm, addr, pte, pte_mkspecial(pfn_pte(pfn, prot)), n);
}

/* Fills what is empty of @n entries. */
static __flatten unsigned long fm_set_frames(struct mm_struct *mm, unsigned long addr,
					     pte_t *pte, unsigned long pfn,
					     unsigned long n, pgprot_t prot)
{
	unsigned long i = 0, end, installed = 0;

	while (i < n) {
		for (end = i; end < n && pte_none(ptep_get(pte + end)); end++)
			;
		if (end > i)
			fm_set_special(mm, addr + (i << PAGE_SHIFT), pte + i,
				       pfn + i, end - i, prot);
		installed += end - i;
		i = end + 1;
	}
	return installed;
}

#define FM_FRAMES	64

/* Returns how many pages it has looked at. */
static __flatten unsigned long fm_fill_scattered(struct fm_fill *fill, pte_t *pte,
						 unsigned long addr, pgoff_t pgoff,
						 unsigned long count, pgprot_t prot)
{
	struct mm_struct *mm = fill->vma->vm_mm;
	unsigned long pfn[FM_FRAMES], i;

	count = min_t(unsigned long, count, FM_FRAMES);
	count = fm_resolve_array(fill->file, pgoff, count, false, pfn);
	for (i = 0; i < count; i++, pte++, addr += PAGE_SIZE) {
		if (!pte_none(ptep_get(pte)))
			continue;
		fm_set_special(mm, addr, pte, pfn[i], 1, prot);
		fill->installed++;
	}
	return count;
}

/*
 * The protection is the VMA's, which is locked: no other entry is looked at, since
 * REVOKE may take it away.
 */
static void fm_fill_span(struct fm_fill *fill, pte_t *pte,
			 unsigned long addr, unsigned long count)
{
	struct vm_area_struct *vma = fill->vma;
	pgprot_t prot = vma->vm_page_prot;
	pgoff_t pgoff = vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
	unsigned long run, pfn;

	for (; count; count -= run) {
		run = fm_resolve(fill->file, pgoff, count, false, &pfn);
		if (run > 1)
			fill->installed += fm_set_frames(vma->vm_mm, addr,
							       pte, pfn, run, prot);
		else
			run = fm_fill_scattered(fill, pte, addr, pgoff, count,
						prot);
		/* What nobody has touched yet is left out. */
		if (!run && fill->file->obj->ops->frames && !fm_revoked(fill->file))
			run = 1;
		if (!run)
			break;
		addr += run << PAGE_SHIFT;
		pgoff += run;
		pte += run;
	}
}

static int fm_fill_around(pte_t *pte, unsigned long addr, void *data)
{
	struct fm_fill *fill = data;
	pte_t *table = pte - pte_index(addr);
	struct fm_span span = fm_choose_span(fill, table);

	fm_fill_span(fill, table + span.first % PTRS_PER_PTE,
		     span.first << PAGE_SHIFT, span.count);
	return 0;
}

static vm_fault_t fm_fill_lazily(struct fm_fill *fill, struct vm_fault *vmf)
{
	int ret;

	ret = apply_to_page_range(vmf->vma->vm_mm, vmf->address, PAGE_SIZE,
				  fm_fill_around, fill);
	return ret ? VM_FAULT_OOM : VM_FAULT_NOPAGE;
}

static int fm_fill_eagerly(pte_t *pte, unsigned long addr, void *data)
{
	struct fm_fill *fill = data;

	fm_fill_span(fill, pte, addr, fill->count);
	return 0;
}

/* Whether all that a page table would map from @addr on was mapped by a PMD instead. */
static bool fm_fill_pmd(struct fm_fill *fill, unsigned long addr)
{
	struct vm_fault vmf = {
		.vma = fill->vma,
		.address = addr,
		.pgoff = linear_page_index(fill->vma, addr),
		.pmd = fm_find_pmd(fill->vma->vm_mm, addr),
	};
	unsigned long installed = 0;

	if (!vmf.pmd || fm_insert_huge(fill->file, &vmf, &installed) != VM_FAULT_NOPAGE)
		return false;
	fill->installed += installed;
	return true;
}

/**
 * fm_insert_all_frames() - fill the page tables of a whole mapping, or PMDs where they fit
 * @file: the file mapped
 * @vma: the VMA, set to VM_PFNMAP and inside the object
 *
 * Context: the mmap_lock is held for writing, in a read section of the object.
 * Return: 0, -ENXIO if the object has become too short, -ENOMEM, -EINTR if the process is
 * killed.
 */
int fm_insert_all_frames(struct fm_file *file, struct vm_area_struct *vma)
{
	struct fm_fill fill = { .file = file, .vma = vma };
	/* For faults the core asks; a processor without such entries must not meet one. */
	bool huge = FM_HAVE_HUGE_FAULT && has_transparent_hugepage();
	unsigned long addr, next;
	int ret;

	for (addr = vma->vm_start; addr < vma->vm_end; addr = next) {
		if (fatal_signal_pending(current))
			return -EINTR;
		/* No more page tables for what has been cut off. */
		if (fill.installed != (addr - vma->vm_start) >> PAGE_SHIFT)
			return -ENXIO;
		next = pmd_addr_end(addr, vma->vm_end);
		fill.count = (next - addr) >> PAGE_SHIFT;
		if (huge && next - addr == PMD_SIZE && fm_fill_pmd(&fill, addr))
			continue;
		ret = apply_to_page_range(vma->vm_mm, addr, PAGE_SIZE,
					  fm_fill_eagerly, &fill);
		if (ret)
			return ret;
	}
	return fill.installed == vma_pages(vma) ? 0 : -ENXIO;
}

static int fm_leave_empty(pte_t *pte, unsigned long addr, void *data)
{
	return 0;
}

/**
 * fm_make_first_table() - have a mapping's first page table
 * @vma: a VMA that is being mapped
 *
 * A remap_pfn_range() over a whole VMA that runs out of memory before its first entry
 * makes an x86 that has VM_PAT warn: it looks there for the frames to give back.
 *
 * Context: the mmap_lock is held for writing.
 * Return: 0 or -ENOMEM.
 */
int fm_make_first_table(struct vm_area_struct *vma)
{
	if (VM_PAT == VM_NONE)
		return 0;
	return apply_to_page_range(vma->vm_mm, vma->vm_start, PAGE_SIZE,
				   fm_leave_empty, NULL);
}

#else /* !FM_HAVE_BATCH */

static vm_fault_t fm_fill_lazily(struct fm_fill *fill, struct vm_fault *vmf)
{
	return VM_FAULT_NOPAGE;
}

int fm_insert_all_frames(struct fm_file *file, struct vm_area_struct *vma)
{
	return -EOPNOTSUPP;
}

int fm_make_first_table(struct vm_area_struct *vma)
{
	return 0;
}

#endif /* FM_HAVE_BATCH */

static vm_fault_t fm_insert_one(struct vm_fault *vmf, unsigned long pfn,
				unsigned long *installed)
{
	vm_fault_t ret = vmf_insert_pfn(vmf->vma, vmf->address, pfn);

	if (ret == VM_FAULT_NOPAGE)
		*installed = 1;
	return ret;
}

static vm_fault_t fm_fill(struct fm_fill *fill, struct vm_fault *vmf,
			  unsigned long pfn)
{
	/* Without apply_to_page_range(), frames go in one by one. */
	if (!FM_HAVE_BATCH || fm_fills_one(fill, vmf))
		return fm_insert_one(vmf, pfn, &fill->installed);
	return fm_fill_lazily(fill, vmf);
}

/* The same where there was no page table, under the lock of who decides that. */
static vm_fault_t fm_fill_anew(struct fm_fill *fill,
			       struct vm_fault *vmf, unsigned long pfn)
{
	struct mutex *lock = fm_pmd_lock(fill->file, vmf->pmd);
	vm_fault_t ret = VM_FAULT_NOPAGE;
	pmd_t pmd;

	if (mutex_lock_killable(lock))
		return VM_FAULT_SIGBUS;
	pmd = pmdp_get_lockless(vmf->pmd);
	/* Or another CPU's fault has mapped all of it meanwhile. */
	if (!pmd_leaf(pmd)) {
		fill->empty = pmd_none(pmd);
		ret = fm_fill(fill, vmf, pfn);
	}
	mutex_unlock(lock);
	return ret;
}

static noinline vm_fault_t fm_insert_some(struct fm_file *file, struct vm_fault *vmf,
					  unsigned long pfn, bool alone,
					  unsigned long *installed)
{
	struct fm_fill fill = {
		.file = file,
		.vma = vmf->vma,
		.empty = !fm_has_table(vmf->pmd),
		.alone = alone,
	};
	vm_fault_t ret;

	if (FM_HAVE_HUGE_FAULT && fill.empty)
		ret = fm_fill_anew(&fill, vmf, pfn);
	else
		ret = fm_fill(&fill, vmf, pfn);
	*installed = fill.installed;
	return ret;
}

/**
 * fm_insert_around() - answer a touch by its frame, and some around it
 * @file: the file mapped
 * @vmf: the fault, on a VM_PFNMAP mapping
 * @installed: becomes the number of frames that were not mapped before; 0 at first
 *
 * Context: the mmap_lock or the VMA lock is held for reading, in a read section of
 * the object.
 * Return: VM_FAULT_NOPAGE, VM_FAULT_SIGBUS, also for a process that is being killed, or
 * VM_FAULT_OOM.
 */
vm_fault_t fm_insert_around(struct fm_file *file,
			    struct vm_fault *vmf, unsigned long *installed)
{
	bool alone = file->view->window == 1 || fm_is_new(file, vmf->pgoff);
	unsigned long pfn;

	if (!fm_resolve(file, vmf->pgoff, 1, true, &pfn))
		return VM_FAULT_SIGBUS;
	/* Where a single page is all, and a table is there, nothing is left to decide. */
	if (alone && fm_has_table(vmf->pmd))
		return fm_insert_one(vmf, pfn, installed);
	return fm_insert_some(file, vmf, pfn, alone, installed);
}

/* The table below a PMD, or NULL; valid inside an RCU section, though madvise(2) free it. */
static pte_t *fm_find_table(pmd_t *pmdp)
{
	pmd_t pmd = pmdp_get_lockless(pmdp);

	return pmd_none(pmd) || pmd_leaf(pmd) ? NULL : pte_offset_kernel(&pmd, 0);
}

/* How many pages of a span are not mapped. */
static unsigned long fm_count_empty(const struct fm_span *span, pmd_t *pmd)
{
	unsigned long empty = span->count;
	pte_t *pte, *end;

	rcu_read_lock();
	pte = fm_find_table(pmd);
	if (pte) {
		pte += span->first % PTRS_PER_PTE;
		for (end = pte + span->count; pte < end; pte++)
			empty -= !pte_none(ptep_get(pte));
	}
	rcu_read_unlock();
	return empty;
}

/* A marker, as userfaultfd(2) sets them, does not count as mapped. */
static bool fm_is_mapped(const struct vm_fault *vmf)
{
	bool mapped;
	pte_t *table;

	rcu_read_lock();
	table = fm_find_table(vmf->pmd);
	mapped = table && pte_present(ptep_get(table + pte_index(vmf->address)));
	rcu_read_unlock();
	return mapped;
}

/* Looks at the table without its lock, and chooses: false if it is the touched page alone. */
static bool fm_look_and_choose(struct fm_fill *fill, struct vm_fault *vmf)
{
	struct fm_span span;
	pte_t *table;

	rcu_read_lock();
	table = fm_find_table(vmf->pmd);
	fill->empty = !table;
	span = fm_choose_span(fill, table);
	rcu_read_unlock();
	return span.count > 1;
}

/*
 * The kernel maps what is there of the span, and does not tell how much that was: so entries
 * are counted before and after. The lock keeps out other windows meanwhile.
 */
static vm_fault_t fm_map_pages_of_span(struct fm_fill *fill, struct vm_fault *vmf)
{
	pgoff_t first = vmf->pgoff - (fill->touch.page - fill->span.first);
	struct mutex *lock = fm_pmd_lock(fill->file, vmf->pmd);
	unsigned long before, after;
	vm_fault_t ret;

	if (mutex_lock_killable(lock))
		return 0;
	before = fm_count_empty(&fill->span, vmf->pmd);
	ret = filemap_map_pages(vmf, first, first + fill->span.count - 1);
	after = fm_count_empty(&fill->span, vmf->pmd);
	/* The window of another thread may have mapped the touched page. */
	if (!ret && fm_is_mapped(vmf))
		ret = VM_FAULT_NOPAGE;
	mutex_unlock(lock);
	/* madvise(2) may have unmapped some: then none are counted. */
	if (before > after)
		fill->installed = before - after;
	return ret;
}

/**
 * fm_insert_pages_around() - answer a touch by its page, and some around it
 * @file: the file mapped
 * @vmf: the fault, which makes no private copy
 * @installed: becomes the number of pages that were not mapped before; 0 at first
 *
 * The pages are where the kernel looks for those of a file, by fm_folio_adopt(), and it maps
 * them as it does around a read of a file.
 *
 * Context: the mmap_lock or the VMA lock is held for reading, in a read section of
 * the object.
 * Return: VM_FAULT_NOPAGE; 0 if the page that was touched is still to be mapped.
 */
vm_fault_t fm_insert_pages_around(struct fm_file *file, struct vm_fault *vmf,
				  unsigned long *installed)
{
	struct fm_fill fill = {
		.file = file,
		.vma = vmf->vma,
		.empty = !fm_has_table(vmf->pmd),
	};
	vm_fault_t ret;

	if (fm_fills_one(&fill, vmf) || !fm_look_and_choose(&fill, vmf))
		return 0;
	ret = fm_map_pages_of_span(&fill, vmf);
	*installed = fill.installed;
	return ret;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eager mapping: at mmap(2), all frames or all pages of the range.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "internal.h"
#include "trace.h"

/**
 * struct fm_eager_map - an mmap(2) that fills page tables, and what became of its VMA
 * @ref: one for each VMA, by split, fork or move, that shows some of it
 * @node: in one of the object's lists of mappings that may be in the making
 * @obj: what is mapped
 */
struct fm_eager_map {
	struct kref ref;
	struct list_head node;
	struct fm_object *obj;
};

static struct fm_eager_map *fm_eager_map_create(struct fm_object *obj)
{
	struct fm_eager_map *map = kzalloc(sizeof(*map), FM_GFP);

	if (!map)
		return NULL;
	kref_init(&map->ref);
	map->obj = obj;
	spin_lock(&obj->lock);
	list_add_tail(&map->node, &obj->pending);
	spin_unlock(&obj->lock);
	return map;
}

/* It is in the i_mmap tree: whoever zaps finds it there. */
static void fm_eager_map_done(struct fm_eager_map *map)
{
	spin_lock(&map->obj->lock);
	list_del_init(&map->node);
	spin_unlock(&map->obj->lock);
}

static void fm_eager_map_release(struct kref *ref)
{
	struct fm_eager_map *map = container_of(ref, struct fm_eager_map, ref);

	fm_eager_map_done(map);
	kfree(map);
}

/* VM_SPECIAL keeps these VMAs from merging, so opens and closes are balanced. */
static void fm_followed_vma_open(struct vm_area_struct *vma)
{
	struct fm_eager_map *map = vma->vm_private_data;

	kref_get(&map->ref);
}

static void fm_followed_vma_close(struct vm_area_struct *vma)
{
	struct fm_eager_map *map = vma->vm_private_data;

	kref_put(&map->ref, fm_eager_map_release);
}

static void fm_eager_vma_open(struct vm_area_struct *vma)
{
	fm_followed_vma_open(vma);
	fm_vma_open(vma);
}

static void fm_eager_vma_close(struct vm_area_struct *vma)
{
	fm_vma_close(vma);
	fm_followed_vma_close(vma);
}

typedef int (*fm_fill_fn)(struct fm_file *file, struct vm_area_struct *vma);

/* REVOKE or RESIZE may have come after the check; else memory that was not there. */
static int fm_why_not(const struct fm_file *file, struct vm_area_struct *vma)
{
	if (fm_revoked(file))
		return -ENODEV;
	if (vma->vm_pgoff + vma_pages(vma) > READ_ONCE(file->obj->npages))
		return -ENXIO;
	return file->obj->ops->frames ? -ENOMEM : -ENXIO;
}

/*
 * What is not there yet comes into being before the page tables are filled, in many short
 * read sections: who takes memory back waits for one allocation, and not for all of them,
 * each of which may take seconds in a memory cgroup that is over memory.high.
 */
static int fm_have_allocated(struct fm_file *file, struct vm_area_struct *vma)
{
	pgoff_t pgoff = vma->vm_pgoff, end = pgoff + vma_pages(vma);
	unsigned long run, pfn;
	int idx;

	for (; file->obj->ops->frames && pgoff < end; pgoff += run) {
		if (fatal_signal_pending(current))
			return -EINTR;
		idx = fm_read_lock(file);
		run = fm_resolve(file, pgoff, end - pgoff, true, &pfn);
		fm_read_unlock(file, idx);
		if (!run)
			return -ENXIO;
		cond_resched();
	}
	return 0;
}

static int fm_fill_whole(struct fm_file *file, struct vm_area_struct *vma, fm_fill_fn fill)
{
	int idx = fm_read_lock(file), ret = fill(file, vma);

	/* The kernel would, but only when RESIZE no longer waits for us. */
	if (ret)
		zap_vma_range(vma, vma->vm_start, vma->vm_end - vma->vm_start);
	fm_read_unlock(file, idx);
	return ret;
}

static int fm_do_eager_mmap(struct fm_file *file, struct vm_area_struct *vma,
			    fm_fill_fn fill)
{
	struct fm_eager_map *map;
	int ret = fm_have_allocated(file, vma);

	if (ret)
		return ret == -ENXIO ? fm_why_not(file, vma) : ret;
	/* Waited for from now on, by fm_unmap_all(). */
	map = fm_eager_map_create(file->obj);
	if (!map)
		return -ENOMEM;
	ret = fm_fill_whole(file, vma, fill);
	if (ret) {
		kref_put(&map->ref, fm_eager_map_release);
		return ret == -ENXIO ? fm_why_not(file, vma) : ret;
	}
	vma->vm_private_data = map;
	fm_count(file->view, FM_PAGES_INSTALLED, vma_pages(vma));
	return 0;
}

/* One call for each stretch of contiguous frames. */
static int fm_remap_runs(struct fm_file *file, struct vm_area_struct *vma)
{
	unsigned long addr = vma->vm_start;
	pgoff_t pgoff = vma->vm_pgoff;
	unsigned long run, pfn;
	int ret;

	for (; addr < vma->vm_end; addr += run << PAGE_SHIFT, pgoff += run) {
		/* What is not there yet may take its time. */
		if (fatal_signal_pending(current))
			return -EINTR;
		run = fm_resolve(file, pgoff,
				 (vma->vm_end - addr) >> PAGE_SHIFT, true, &pfn);
		if (!run)
			return -ENXIO;
		ret = remap_pfn_range(vma, addr, pfn, run << PAGE_SHIFT,
				      vma->vm_page_prot);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * Of a remap over a whole VMA, x86 notes up to 6.15 that its PAT has reserved the
 * frames. Of RAM it has not, and when one who unmaps it meets RESIZE or REVOKE, the
 * slower of the two finds no frame to give back, and warns: nothing need be noted.
 * Of a device's memory, what is unmapped in parts then frees what is not there, or a
 * piece of our own reservation: remaps of less only look the type up.
 */
static int fm_remap_ram(struct fm_file *file, struct vm_area_struct *vma)
{
	int ret = fm_make_first_table(vma) ?: fm_remap_runs(file, vma);

	vm_flags_clear(vma, VM_PAT);
	return ret;
}

static int fm_remap_device(struct fm_file *file, struct vm_area_struct *vma)
{
	unsigned long rest = vma->vm_end - vma->vm_start - PAGE_SIZE, pfn;
	int ret;

	if (fm_resolve(file, vma->vm_pgoff, vma_pages(vma), true, &pfn) !=
	    vma_pages(vma))
		return -ENXIO;
	ret = remap_pfn_range(vma, vma->vm_start, pfn, PAGE_SIZE,
			      vma->vm_page_prot);
	if (ret || !rest)
		return ret;
	return remap_pfn_range(vma, vma->vm_start + PAGE_SIZE, pfn + 1, rest,
			       vma->vm_page_prot);
}

/* Memory that only its owner can map. */
static int fm_map_by_owner(struct fm_file *file, struct vm_area_struct *vma)
{
	int ret = fm_revoked(file) ? -ENXIO : fm_make_first_table(vma);

	if (!ret)
		ret = file->obj->ops->map(file->obj, vma);
	vm_flags_clear(vma, VM_PAT);
	return ret;
}

static fm_fill_fn fm_choose_remap(const struct fm_object_ops *ops)
{
	if (ops->map)
		return fm_map_by_owner;
	return ops->is_linear ? fm_remap_device : fm_remap_ram;
}

/*
 * The kernel drops a PMD of frames that is cut by munmap(2) or mprotect(2), and
 * fm_drop_huge() all of them, so what is mapped by PMDs has to come back.
 */
static const struct vm_operations_struct fm_batched_vm_ops = {
	.open	= fm_eager_vma_open,
	.close	= fm_eager_vma_close,
	.mremap	= fm_vma_mremap,
	.access	= fm_vma_access,
	.fault	= fm_lazy_pfn_fault,
	.map_pages = fm_map_pages,
#if FM_HAVE_HUGE_FAULT
	.huge_fault = fm_lazy_pfn_huge_fault,
#endif
};

static int fm_eager_mmap(struct fm_file *file, struct vm_area_struct *vma)
{
	if (!file->view->batched || !fm_can_batch(file->obj->ops))
		return fm_do_eager_mmap(file, vma,
				fm_choose_remap(file->obj->ops));
	vm_flags_set(vma, FM_REMAP_FLAGS);
	vma->vm_ops = &fm_batched_vm_ops;
	return fm_do_eager_mmap(file, vma, fm_insert_all_frames);
}

static const struct vm_operations_struct fm_eager_vm_ops = {
	.open	= fm_eager_vma_open,
	.close	= fm_eager_vma_close,
	.mremap	= fm_vma_mremap,
	.access	= fm_vma_access,
	/* What is touched without a translation was zapped: count it. */
	.fault	= fm_refuse_fault,
};

const struct fm_strategy fm_eager = {
	.name	= "eager",
	.id	= FM_EAGER,
	/*
	 * remap_pfn_range() replaces vm_pgoff by the frame number in a private
	 * mapping, and takes it in one piece only; no zap would find it again.
	 */
	.cow	= false,
	.vm_ops	= &fm_eager_vm_ops,
	.mmap	= fm_eager_mmap,
};

#define FM_INSERT_BATCH	64

/* Returns how many pages were found at @pgoff, at most FM_INSERT_BATCH. */
static unsigned long fm_gather_pages(struct fm_file *file, pgoff_t pgoff,
				     unsigned long max, struct page **pages)
{
	unsigned long pfn[FM_INSERT_BATCH], i, n;

	n = fm_resolve_array(file, pgoff, min(max, ARRAY_SIZE(pfn)), true, pfn);
	for (i = 0; i < n; i++)
		pages[i] = pfn_to_page(pfn[i]);
	return n;
}

/* vm_insert_pages() asks for no contiguity: each call gets a full array. */
static int fm_insert_all(struct fm_file *file, struct vm_area_struct *vma)
{
	struct page *pages[FM_INSERT_BATCH];
	unsigned long addr = vma->vm_start;
	pgoff_t pgoff = vma->vm_pgoff;
	unsigned long n, left;
	int ret;

	for (; addr < vma->vm_end; addr += n << PAGE_SHIFT, pgoff += n) {
		if (fatal_signal_pending(current))
			return -EINTR;
		n = fm_gather_pages(file, pgoff,
				    (vma->vm_end - addr) >> PAGE_SHIFT,
					  pages);
		if (!n)
			return -ENXIO;
		left = n;
		ret = vm_insert_pages(vma, addr, pages, &left);
		/* What it says where there is no memory for page tables. */
		if (ret == -EFAULT)
			return -ENOMEM;
		if (ret)
			return ret;
	}
	return 0;
}

static int fm_eager_page_mmap(struct fm_file *file, struct vm_area_struct *vma)
{
	return fm_do_eager_mmap(file, vma, fm_insert_all);
}

static const struct vm_operations_struct fm_eager_page_vm_ops = {
	.open	= fm_eager_vma_open,
	.close	= fm_eager_vma_close,
	.mremap	= fm_vma_mremap,
	/* What was dropped since (MADV_DONTNEED, RESIZE) comes back by page. */
	.fault	= fm_eager_page_fault,
};

const struct fm_strategy fm_eager_page = {
	.name		= "eager-page",
	.id		= FM_EAGER_PAGE,
	.by_page	= true,
	.cow		= true,
	.vm_ops		= &fm_eager_page_vm_ops,
	.mmap		= fm_eager_page_mmap,
};

/* Not counted, as those that are not followed cannot be. */
static const struct vm_operations_struct fm_followed_vm_ops = {
	.open	= fm_followed_vma_open,
	.close	= fm_followed_vma_close,
	.mremap	= fm_vma_mremap,
	.fault	= fm_lazy_fault,
	.map_pages = fm_map_pages,
};

/**
 * fm_follow_lazy() - have a lazy mapping found by who zaps, though it is in no tree yet
 * @file: the file mapped, which has a limit
 * @vma: the VMA, restricted by fm_vma_restrict()
 *
 * There are importers of dma-bufs that fault all pages in before their mmap() returns.
 *
 * Context: the mmap_lock is held for writing.
 * Return: 0 or -ENOMEM.
 */
int fm_follow_lazy(struct fm_file *file, struct vm_area_struct *vma)
{
	struct fm_eager_map *map = fm_eager_map_create(file->obj);

	if (!map)
		return -ENOMEM;
	vma->vm_private_data = map;
	/* Frames come back to an eager mapping as they come to a lazy one. */
	vma->vm_ops = file->view->strategy->by_page ? &fm_followed_vm_ops : &fm_batched_vm_ops;
	return 0;
}

static bool fm_is_followed(const struct vm_area_struct *vma)
{
	return vma->vm_ops == &fm_eager_vm_ops ||
	       vma->vm_ops == &fm_batched_vm_ops ||
	       vma->vm_ops == &fm_eager_page_vm_ops ||
	       vma->vm_ops == &fm_followed_vm_ops;
}

/*
 * Finds the awaited mappings whose VMA is in the i_mmap tree; false if there are others. A
 * VMA there has a reference to its mapping: it is taken out before .close drops that.
 */
static bool fm_find_in_i_mmap(struct fm_object *obj)
{
	struct address_space *tree = obj->inode->i_mapping;
	struct vm_area_struct *vma;
	struct rb_node *node;

	if (list_empty_careful(&obj->awaited))
		return true;
	i_mmap_lock_read(tree);
	for (node = rb_first_cached(&tree->i_mmap); node; node = rb_next(node)) {
		vma = rb_entry(node, struct vm_area_struct, shared.rb);
		if (fm_is_followed(vma))
			fm_eager_map_done(vma->vm_private_data);
	}
	i_mmap_unlock_read(tree);
	return list_empty_careful(&obj->awaited);
}

static void fm_unmap(struct fm_object *obj, pgoff_t from)
{
	unmap_mapping_range(obj->inode->i_mapping, (loff_t)from << PAGE_SHIFT, 0, 1);
}

/**
 * fm_unmap_all() - remove the translations of a part of an object
 * @obj: an object of which no new translation of that part will be made
 * @from: the first page of that part, which goes to the end
 *
 * An eager mmap(2) fills page tables before the kernel puts the VMA into the
 * i_mmap tree, so a zap between the two would miss it, and nothing calls a driver
 * when the VMA is in. So those that are not in it are unmapped a second time, when
 * they are. Their mmap(2) has only a few steps to go, none of which can fail or
 * waits for user space; it takes as long as the scheduler keeps its process waiting. The
 * mmap_lock, which it holds, would tell, but others may keep that for as long as they like.
 *
 * Context: may sleep; open_lock is held.
 */
void fm_unmap_all(struct fm_object *obj, pgoff_t from)
{
	unsigned long since = jiffies;
	bool found;

	lockdep_assert_held(&obj->open_lock);
	spin_lock(&obj->lock);
	list_splice_init(&obj->pending, &obj->awaited);
	spin_unlock(&obj->lock);
	found = fm_find_in_i_mmap(obj);
	fm_unmap(obj, from);
	if (found)
		return;
	while (!fm_find_in_i_mmap(obj)) {
		if (time_after(jiffies, since + 10 * HZ))
			pr_warn_once("an mmap() has not ended for 10 s: has a driver called fm_mmap() and failed then?\n");
		usleep_range(20, 100);
	}
	fm_unmap(obj, from);
}

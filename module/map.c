// SPDX-License-Identifier: GPL-2.0
/*
 * mmap(2): the strategies, the eager mapping, and the life of a mapping.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/slab.h>

#include "faultmap.h"
#include "trace.h"

/**
 * struct faultmap_mapping - an eager mmap(2) and what became of its VMA
 * @ref: one for each VMA, by split, fork or move, that shows some of it
 * @node: in one of the buffer's lists of mappings that may be in the making
 * @buffer: the mapped buffer
 */
struct faultmap_mapping {
	struct kref ref;
	struct list_head node;
	struct faultmap_buffer *buffer;
};

static struct faultmap_mapping *faultmap_mapping_create(struct faultmap_buffer *buf)
{
	struct faultmap_mapping *mapping = kzalloc(sizeof(*mapping), FM_GFP);

	if (!mapping)
		return NULL;
	kref_init(&mapping->ref);
	mapping->buffer = buf;
	spin_lock(&buf->list_lock);
	list_add_tail(&mapping->node, &buf->unsettled);
	spin_unlock(&buf->list_lock);
	return mapping;
}

static void faultmap_mapping_release(struct kref *ref)
{
	struct faultmap_mapping *mapping =
		container_of(ref, struct faultmap_mapping, ref);

	spin_lock(&mapping->buffer->list_lock);
	list_del(&mapping->node);
	spin_unlock(&mapping->buffer->list_lock);
	kfree(mapping);
}

static struct faultmap_view *faultmap_vma_view(struct vm_area_struct *vma)
{
	struct faultmap_file *file = vma->vm_file->private_data;

	return file->view;
}

/* A mapping was split, inherited or moved: @vma is the new one. */
static void faultmap_vma_open(struct vm_area_struct *vma)
{
	struct faultmap_view *view = faultmap_vma_view(vma);

	faultmap_count(view, FM_OPENS, 1);
	trace_faultmap_open(view, vma);
}

/* A mapping is gone, with its translations; the mmap_lock may be held for reading. */
static void faultmap_vma_close(struct vm_area_struct *vma)
{
	struct faultmap_view *view = faultmap_vma_view(vma);

	faultmap_count(view, FM_CLOSES, 1);
	trace_faultmap_close(view, vma);
}

/*
 * A mapping has moved; its vm_pgoff still means the same offset. Growth in place
 * and shrinking come without any call.
 */
static int faultmap_vma_mremap(struct vm_area_struct *vma)
{
	struct faultmap_view *view = faultmap_vma_view(vma);

	faultmap_count(view, FM_MOVES, 1);
	trace_faultmap_move(view, vma);
	return 0;
}

static ssize_t faultmap_access_page(struct vm_area_struct *vma,
				    unsigned long addr, void *buf, size_t len,
				    enum faultmap_direction direction)
{
	loff_t pos = ((loff_t)vma->vm_pgoff << PAGE_SHIFT) + addr - vma->vm_start;

	len = min_t(size_t, len, vma->vm_end - addr);
	return faultmap_copy(vma->vm_file->private_data, pos, buf, len, direction);
}

/*
 * ptrace(2) and /proc/PID/mem, on mappings of page frames: where there is no
 * struct page to take, the kernel leaves the copying to the driver, and with it
 * the question whether it is allowed.
 */
static int faultmap_vma_access(struct vm_area_struct *vma, unsigned long addr,
			       void *buf, int len, int write)
{
	int done = 0;
	ssize_t n;

	if (!(vma->vm_flags & (write ? VM_WRITE : VM_READ | VM_MAYREAD)))
		return -EACCES;
	while (done < len && addr + done < vma->vm_end) {
		n = faultmap_access_page(vma, addr + done, buf + done, len - done,
					 write ? FM_TO_BUFFER : FM_FROM_BUFFER);
		if (n <= 0)
			break;
		done += n;
	}
	return done ?: -EFAULT;
}

/* VM_SPECIAL keeps eager VMAs from merging, so opens and closes are balanced. */
static void faultmap_eager_vma_open(struct vm_area_struct *vma)
{
	struct faultmap_mapping *mapping = vma->vm_private_data;

	kref_get(&mapping->ref);
	faultmap_vma_open(vma);
}

static void faultmap_eager_vma_close(struct vm_area_struct *vma)
{
	struct faultmap_mapping *mapping = vma->vm_private_data;

	faultmap_vma_close(vma);
	kref_put(&mapping->ref, faultmap_mapping_release);
}

typedef int (*faultmap_fill_fn)(struct faultmap_file *file,
				struct vm_area_struct *vma);

static int faultmap_do_eager_mmap(struct faultmap_file *file,
				  struct vm_area_struct *vma,
				  faultmap_fill_fn fill)
{
	struct faultmap_mapping *mapping;
	int idx, ret;

	mapping = faultmap_mapping_create(file->buffer);
	if (!mapping)
		return -ENOMEM;

	idx = faultmap_read_lock(file);
	ret = fill(file, vma);
	/* The kernel would, but only when RESIZE no longer waits for us. */
	if (ret)
		zap_vma_range(vma, vma->vm_start, vma->vm_end - vma->vm_start);
	faultmap_read_unlock(file, idx);
	/* REVOKE may have come after the check. */
	if (ret == -ENXIO && faultmap_revoked(file))
		ret = -ENODEV;
	if (ret) {
		kref_put(&mapping->ref, faultmap_mapping_release);
		return ret;
	}
	vma->vm_private_data = mapping;
	faultmap_count(file->view, FM_PAGES_INSTALLED, vma_pages(vma));
	return 0;
}

/* One call for each stretch of contiguous frames. */
static int faultmap_remap_runs(struct faultmap_file *file,
			       struct vm_area_struct *vma)
{
	unsigned long addr = vma->vm_start;
	pgoff_t pgoff = vma->vm_pgoff;
	unsigned long run, pfn;
	int ret;

	for (; addr < vma->vm_end; addr += run << PAGE_SHIFT, pgoff += run) {
		run = faultmap_resolve(file, pgoff,
				       (vma->vm_end - addr) >> PAGE_SHIFT, &pfn);
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
static int faultmap_remap_ram(struct faultmap_file *file,
			      struct vm_area_struct *vma)
{
	int ret = faultmap_make_first_table(vma) ?: faultmap_remap_runs(file, vma);

	vm_flags_clear(vma, VM_PAT);
	return ret;
}

static int faultmap_remap_device(struct faultmap_file *file,
				 struct vm_area_struct *vma)
{
	unsigned long rest = vma->vm_end - vma->vm_start - PAGE_SIZE, pfn;
	int ret;

	if (faultmap_resolve(file, vma->vm_pgoff, vma_pages(vma), &pfn) !=
	    vma_pages(vma))
		return -ENXIO;
	ret = remap_pfn_range(vma, vma->vm_start, pfn, PAGE_SIZE,
			      vma->vm_page_prot);
	if (ret || !rest)
		return ret;
	return remap_pfn_range(vma, vma->vm_start + PAGE_SIZE, pfn + 1, rest,
			       vma->vm_page_prot);
}

/* Memory that is mapped by its own kind, which takes one block. */
static int faultmap_remap_block(struct faultmap_file *file,
				struct vm_area_struct *vma)
{
	unsigned long first;
	void *block;
	int ret;

	block = faultmap_resolve_block(file, vma->vm_pgoff, vma_pages(vma), &first);
	if (IS_ERR(block))
		return PTR_ERR(block);
	ret = faultmap_make_first_table(vma) ?:
	      file->buffer->memory->mmap(vma, block, first);
	vm_flags_clear(vma, VM_PAT);
	return ret;
}

static faultmap_fill_fn faultmap_choose_remap(const struct faultmap_memory *memory)
{
	if (memory->is_device)
		return faultmap_remap_device;
	return memory->mmap ? faultmap_remap_block : faultmap_remap_ram;
}

/* What remap_pfn_range() sets, so that only the way and time of mapping differ. */
#define FM_REMAP_FLAGS	(VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP)

static int faultmap_eager_mmap(struct faultmap_file *file,
			       struct vm_area_struct *vma)
{
	if (!file->view->batched)
		return faultmap_do_eager_mmap(file, vma,
				faultmap_choose_remap(file->buffer->memory));
	vm_flags_set(vma, FM_REMAP_FLAGS);
	return faultmap_do_eager_mmap(file, vma, faultmap_insert_all_frames);
}

static const struct vm_operations_struct faultmap_eager_vm_ops = {
	.open	= faultmap_eager_vma_open,
	.close	= faultmap_eager_vma_close,
	.mremap	= faultmap_vma_mremap,
	.access	= faultmap_vma_access,
	/* What is touched without a translation was zapped: count it. */
	.fault	= faultmap_refuse_fault,
};

static const struct faultmap_strategy faultmap_eager = {
	.name	= "eager",
	.id	= FAULTMAP_STRATEGY_EAGER,
	/*
	 * remap_pfn_range() replaces vm_pgoff by the frame number in a private
	 * mapping, and takes it in one piece only; no zap would find it again.
	 */
	.cow	= false,
	.vm_ops	= &faultmap_eager_vm_ops,
	.mmap	= faultmap_eager_mmap,
};

/*
 * Without .open and .close, whose counts would be exact only where the kernel merges
 * no mappings: with .close, what mprotect(2) has split never merges back.
 */
static const struct vm_operations_struct faultmap_lazy_vm_ops = {
	.mremap	= faultmap_vma_mremap,
	.fault	= faultmap_lazy_fault,
	.map_pages = faultmap_map_pages,
};

static const struct faultmap_strategy faultmap_lazy = {
	.name		= "lazy",
	.id		= FAULTMAP_STRATEGY_LAZY,
	.by_page	= true,
	.cow		= true,
	.vm_ops		= &faultmap_lazy_vm_ops,
};

#define FM_INSERT_BATCH	64

/* Returns how many pages were found at @pgoff, at most FM_INSERT_BATCH. */
static unsigned long faultmap_gather_pages(struct faultmap_file *file,
					   pgoff_t pgoff, unsigned long max,
					   struct page **pages)
{
	unsigned long pfn[FM_INSERT_BATCH], i, n;

	n = faultmap_resolve_each(file, pgoff, min(max, ARRAY_SIZE(pfn)), pfn);
	for (i = 0; i < n; i++)
		pages[i] = pfn_to_page(pfn[i]);
	return n;
}

/* vm_insert_pages() asks for no contiguity: each call gets a full array. */
static int faultmap_insert_all(struct faultmap_file *file,
			       struct vm_area_struct *vma)
{
	struct page *pages[FM_INSERT_BATCH];
	unsigned long addr = vma->vm_start;
	pgoff_t pgoff = vma->vm_pgoff;
	unsigned long n, left;
	int ret;

	for (; addr < vma->vm_end; addr += n << PAGE_SHIFT, pgoff += n) {
		n = faultmap_gather_pages(file, pgoff,
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

static int faultmap_eager_page_mmap(struct faultmap_file *file,
				    struct vm_area_struct *vma)
{
	return faultmap_do_eager_mmap(file, vma, faultmap_insert_all);
}

static const struct vm_operations_struct faultmap_eager_page_vm_ops = {
	.open	= faultmap_eager_vma_open,
	.close	= faultmap_eager_vma_close,
	.mremap	= faultmap_vma_mremap,
	/* What was dropped since (MADV_DONTNEED, RESIZE) comes back by page. */
	.fault	= faultmap_eager_page_fault,
};

static const struct faultmap_strategy faultmap_eager_page = {
	.name		= "eager-page",
	.id		= FAULTMAP_STRATEGY_EAGER_PAGE,
	.by_page	= true,
	.cow		= true,
	.vm_ops		= &faultmap_eager_page_vm_ops,
	.mmap		= faultmap_eager_page_mmap,
};

static bool faultmap_is_eager(const struct vm_area_struct *vma)
{
	return vma->vm_ops == &faultmap_eager_vm_ops ||
	       vma->vm_ops == &faultmap_eager_page_vm_ops;
}

static void faultmap_settle(struct faultmap_mapping *mapping)
{
	spin_lock(&mapping->buffer->list_lock);
	list_del_init(&mapping->node);
	spin_unlock(&mapping->buffer->list_lock);
}

/*
 * Settles the mappings whose VMA is in the i_mmap tree; false if there are others. A
 * VMA there has a reference to its mapping: it is taken out before .close drops that.
 */
static bool faultmap_settle_mappings(struct faultmap_buffer *buf)
{
	struct address_space *tree = buf->inode->i_mapping;
	struct vm_area_struct *vma;
	struct rb_node *node;

	if (list_empty_careful(&buf->awaited))
		return true;
	i_mmap_lock_read(tree);
	for (node = rb_first_cached(&tree->i_mmap); node; node = rb_next(node)) {
		vma = rb_entry(node, struct vm_area_struct, shared.rb);
		if (faultmap_is_eager(vma))
			faultmap_settle(vma->vm_private_data);
	}
	i_mmap_unlock_read(tree);
	return list_empty_careful(&buf->awaited);
}

static void faultmap_unmap(struct faultmap_buffer *buf, pgoff_t from)
{
	unmap_mapping_range(buf->inode->i_mapping, (loff_t)from << PAGE_SHIFT, 0, 1);
}

/**
 * faultmap_unmap_all() - remove the translations of a part of a buffer
 * @buf: a buffer of which no new translation of that part will be made
 * @from: the first page of that part, which goes to the end
 *
 * An eager mmap(2) fills page tables before the kernel puts the VMA into the
 * i_mmap tree, so a zap between the two would miss it, and nothing calls a driver
 * when the VMA is in. So those that are not in it are unmapped a second time, when
 * they are. Their mmap(2) has only a few steps to go, none of which can fail or
 * waits for user space. The mmap_lock, which it holds, would tell, but others may
 * keep that for as long as they like.
 *
 * Context: may sleep; open_lock is held.
 */
void faultmap_unmap_all(struct faultmap_buffer *buf, pgoff_t from)
{
	bool settled;

	lockdep_assert_held(&buf->open_lock);
	spin_lock(&buf->list_lock);
	list_splice_init(&buf->unsettled, &buf->awaited);
	spin_unlock(&buf->list_lock);
	settled = faultmap_settle_mappings(buf);
	faultmap_unmap(buf, from);
	if (settled)
		return;
	while (!faultmap_settle_mappings(buf))
		usleep_range(20, 100);
	faultmap_unmap(buf, from);
}

static int faultmap_lazy_pfn_mmap(struct faultmap_file *file,
				  struct vm_area_struct *vma)
{
	static atomic_long_t last_mapping;

	vm_flags_set(vma, FM_REMAP_FLAGS);
	/* VM_SPECIAL keeps it from merging, so it can tell its history apart. */
	vma->vm_private_data = (void *)atomic_long_inc_return(&last_mapping);
	return 0;
}

static const struct vm_operations_struct faultmap_lazy_pfn_vm_ops = {
	.open	= faultmap_vma_open,
	.close	= faultmap_vma_close,
	.mremap	= faultmap_vma_mremap,
	.access	= faultmap_vma_access,
	.fault	= faultmap_lazy_pfn_fault,
	.map_pages = faultmap_map_pages,
#if FM_HAVE_HUGE_FAULT
	.huge_fault = faultmap_lazy_pfn_huge_fault,
#endif
};

static const struct faultmap_strategy faultmap_lazy_pfn = {
	.name	= "lazy-pfn",
	.id	= FAULTMAP_STRATEGY_LAZY_PFN,
	/* vmf_insert_pfn() has a BUG for this. */
	.cow	= false,
	.vm_ops	= &faultmap_lazy_pfn_vm_ops,
	.mmap	= faultmap_lazy_pfn_mmap,
};

const struct faultmap_strategy *const faultmap_strategies[] = {
	[FAULTMAP_STRATEGY_EAGER]	= &faultmap_eager,
	[FAULTMAP_STRATEGY_LAZY]	= &faultmap_lazy,
	[FAULTMAP_STRATEGY_EAGER_PAGE]	= &faultmap_eager_page,
	[FAULTMAP_STRATEGY_LAZY_PFN]	= &faultmap_lazy_pfn,
};

const unsigned int faultmap_nr_strategies = ARRAY_SIZE(faultmap_strategies);

/**
 * faultmap_supported() - tell whether memory can be mapped in a way
 * @memory: a kind of memory
 * @strategy: a strategy
 *
 * Return: false if the strategy hands out pages that may not be referenced, or frames
 * of memory that has its own way to be mapped eagerly, and no other.
 */
bool faultmap_supported(const struct faultmap_memory *memory,
			const struct faultmap_strategy *strategy)
{
	if (memory->mmap)
		return strategy->id == FAULTMAP_STRATEGY_EAGER;
	return memory->has_pages || !strategy->by_page;
}

/* A read-only shared mapping has lost VM_SHARED; only VM_MAYWRITE tells. */
static bool faultmap_is_cow(struct vm_area_struct *vma)
{
	return (vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

static int faultmap_check_mmap(const struct faultmap_file *file,
			       struct vm_area_struct *vma)
{
	unsigned long npages = READ_ONCE(file->buffer->npages);

	if (!file->view->strategy->cow && faultmap_is_cow(vma))
		return -EINVAL;
	if (faultmap_revoked(file))
		return -ENODEV;
	if (vma->vm_pgoff >= npages || vma_pages(vma) > npages - vma->vm_pgoff)
		return -ENXIO;
	return 0;
}

static int faultmap_do_mmap(struct faultmap_file *file,
			    struct vm_area_struct *vma)
{
	const struct faultmap_strategy *strategy = file->view->strategy;
	int ret;

	ret = faultmap_check_mmap(file, vma);
	if (ret)
		return ret;
	if (file->buffer->memory->is_device)
		vma->vm_page_prot = faultmap_phys_prot(file->buffer,
						       vma->vm_page_prot);
	vma->vm_ops = strategy->vm_ops;
	return strategy->mmap ? strategy->mmap(file, vma) : 0;
}

/**
 * faultmap_mmap() - map a part of the buffer
 * @filp: a file of the buffer
 * @vma: the VMA, whose vm_pgoff is the offset into the buffer in pages
 *
 * Context: the mmap_lock is held for writing.
 * Return: 0; -EINVAL for a private mapping under a strategy that cannot copy on
 * write; -ENODEV if the file is revoked; -ENXIO if the range reaches beyond the
 * buffer; -EOPNOTSUPP if memory that is mapped block by block has more than one there;
 * -ENOMEM. On failure the kernel removes what was mapped, and calls none of the VMA's
 * operations.
 */
int faultmap_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct faultmap_file *file = filp->private_data;
	int ret;

	ret = faultmap_do_mmap(file, vma);
	trace_faultmap_mmap(file->view, vma, ret);
	if (!ret)
		faultmap_count(file->view, FM_MMAPS, 1);
	return ret;
}

/* Whether a fault may map more than its page, where alignment allows it. */
static bool faultmap_maps_many(const struct faultmap_view *view)
{
	switch (view->strategy->id) {
	case FAULTMAP_STRATEGY_LAZY:
		return FM_KEEP_FOLIOS && view->buffer->order >= PMD_SHIFT - PAGE_SHIFT;
	case FAULTMAP_STRATEGY_LAZY_PFN:
		return view->window != 1;
	default:
		return false;
	}
}

/**
 * faultmap_get_unmapped_area() - choose where to map
 * @filp: a file of the buffer
 * @addr: where the caller would like it, or 0
 * @len: how much, in bytes
 * @pgoff: the offset into the buffer in pages
 * @flags: of mmap(2)
 *
 * A hint that fits is taken. Without one, what can be mapped by PMDs or windows is
 * aligned to fit those.
 *
 * Context: the mmap_lock is held for writing.
 * Return: the address, or a negative errno.
 */
unsigned long faultmap_get_unmapped_area(struct file *filp, unsigned long addr,
					 unsigned long len, unsigned long pgoff,
					 unsigned long flags)
{
	const struct faultmap_file *file = filp->private_data;
	unsigned long plain;

	if (!faultmap_maps_many(file->view) || flags & MAP_FIXED)
		return mm_get_unmapped_area(filp, addr, len, pgoff, flags);
	if (addr) {
		plain = mm_get_unmapped_area(filp, addr, len, pgoff, flags);
		if (plain == PAGE_ALIGN(addr))
			return plain;
	}
	return thp_get_unmapped_area(filp, addr, len, pgoff, flags);
}

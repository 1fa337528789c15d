/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mapping engine: kernel memory in user space, eagerly or on fault, for any driver.
 *
 * A driver describes its memory by an object. A view is an object together with the
 * strategy by which it is mapped, and the counters of that. Each open file of a view
 * has a struct fm_file in its private_data. The engine asks one question of an
 * object's memory: which frame lies at a page offset, and how many follow it?
 *
 * Sizes and offsets are in pages unless a name says bytes.
 */
#ifndef _FM_ENGINE_H
#define _FM_ENGINE_H

#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>

struct fm_history;
struct fm_object;

/*
 * For whatever user space can ask for again and again: charged to its cgroup, and
 * where that is full the request fails, and the OOM killer is left alone.
 */
#define FM_GFP		(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/**
 * enum fm_addresses - what the kernel addresses in an object's table are
 * @FM_DIRECT: addresses of the direct map, for virt_to_page()
 * @FM_VMALLOC: addresses of vmalloc(), for vmalloc_to_page()
 * @FM_OPAQUE: addresses to copy from and to, and no more; &fm_object_ops.map maps them
 */
enum fm_addresses {
	FM_DIRECT,
	FM_VMALLOC,
	FM_OPAQUE,
};

/**
 * struct fm_object_ops - what the engine must know of an object's memory
 * @addresses: what kind of kernel addresses its table has, if there is one
 * @has_pages: its pages may be referenced, and so be handed to user space: each has a
 *	reference count of its own, or, if fm_can_keep_folios(), is part of a folio that
 *	is aligned in the object to its own size, as the page cache has them, and that
 *	fm_folio_adopt() was told of
 * @is_linear: it is a device's memory: consecutive frames without struct pages, from
 *	&fm_object.first_pfn on, which the kernel sees at &fm_object.io. There is no table
 * @frames: the question, if the memory is not linear, and there is no table or nothing in
 *	it: stores the frame at page offset @pgoff in @pfn, and returns how many, at most
 *	@max, are consecutive from there on; 0 if there is none. It is called in a read
 *	section of the object, and the answer holds until that ends. With @touch, it may
 *	sleep and allocate what is not there yet, and what it enters in a table it keeps
 *	others from entering; 0 means that it cannot: SIGBUS, -ENOSPC for write(2), or
 *	-ENOMEM for an eager mmap(2), which asks twice: before it fills page tables, each
 *	time in a read section of its own, and then in one for all. Without, it may do
 *	neither, since a lock of a page table may be held; then it is also asked for what
 *	fm_object_shrink() and fm_object_kill() are just taking away, and has to answer as
 *	long as these have not returned. These and fm_object_revoke() wait for it: it must
 *	take no lock that their callers hold. One page may have several offsets, if
 *	fm_folio_adopt() was not told of it, and a shrink takes all of them
 * @populate: called by each fm_file_create(), and so by each open(2), one at a time, to
 *	see that memory is there: it does nothing if it is. May sleep. Returns 0 or a
 *	negative errno, for the caller. May be NULL
 * @map: maps a VMA eagerly, which lies inside the object, instead of the engine; called
 *	in a read section, with the mmap_lock held for writing. Returns 0 or a negative
 *	errno, for mmap(2). Set it only if frames must not be mapped one by one
 * @prot: returns the protection to map this memory with; @prot is the VMA's. It has to give
 *	user space the memory type by which the kernel sees the memory, of a device that of
 *	&fm_object.io. May be NULL
 */
struct fm_object_ops {
	enum fm_addresses addresses;
	bool has_pages;
	bool is_linear;
	unsigned long (*frames)(struct fm_object *obj, pgoff_t pgoff,
				unsigned long max, bool touch, unsigned long *pfn);
	int (*populate)(struct fm_object *obj);
	int (*map)(struct fm_object *obj, struct vm_area_struct *vma);
	pgprot_t (*prot)(const struct fm_object *obj, pgprot_t prot);
};

/*
 * What an entry of an object's table has in the bits that are zero in a page's
 * address: a flag for the owner to use, and how many pages from there on, itself included,
 * lie in consecutive frames, as far as that can be said.
 */
#define FM_MARK		BIT(0)
#define FM_RUN_SHIFT	1
#define FM_RUN_MAX	((1UL << (PAGE_SHIFT - FM_RUN_SHIFT)) - 1)

/* Entries in a leaf of the table, which is a page of them. */
#define FM_LEAF_SHIFT	(PAGE_SHIFT - ilog2(sizeof(unsigned long)))
#define FM_LEAF_ENTRIES	BIT(FM_LEAF_SHIFT)

/**
 * struct fm_table - where the pages of an object are, in two levels
 * @old: the table that this one has replaced; readers may still look at it
 * @nr: how many leaves there is room for
 * @leaf: FM_LEAF_ENTRIES entries each: kernel address, run, FM_MARK
 */
struct fm_table {
	struct fm_table *old;
	unsigned long nr;
	unsigned long *leaf[];
};

/**
 * struct fm_object - kernel memory that can be mapped
 * @ops: what the memory is like
 * @inode: the one address space of all mappings of the object, whatever file they were
 *	made through
 * @has_huge: folios of the size of a PMD may be there
 * @dead: it was killed; guarded by @open_lock
 * @npages: its size; what lies beyond is out of reach for new translations
 * @table: where each page is; filled up to @npages at least, once there is a file, but for
 *	what &fm_object_ops.frames answers for
 * @first_pfn: of linear memory, its first frame
 * @io: of linear memory, where the kernel sees it
 * @srcu: held by whoever asks for a page, until the answer is used up
 * @open_lock: held while a file is added, during &fm_object_ops.populate too, and while
 *	translations are zapped; it nests inside the inode lock, and outside no mmap_lock
 * @lock: guards the lists
 * @files: the open files
 * @pending: mappings that were filled, or may be, and may not yet be in the inode's i_mmap tree
 * @awaited: those of them that a zap waits for
 *
 * The owner fills in @has_huge, @first_pfn and @io, before the first file, and may take
 * the inode's lock and read @npages and its table; nothing else.
 */
struct fm_object {
	const struct fm_object_ops *ops;
	struct inode *inode;
	bool has_huge;
	bool dead;
	unsigned long npages;
	struct fm_table *table;
	unsigned long first_pfn;
	void __iomem *io;
	struct srcu_struct srcu;
	struct mutex open_lock;		/* see above */
	spinlock_t lock;		/* @files, @pending, @awaited */
	struct list_head files;
	struct list_head pending;
	struct list_head awaited;
};

enum fm_strategy_id {
	FM_EAGER,
	FM_LAZY,
	FM_EAGER_PAGE,
	FM_LAZY_PFN,
	FM_NR_STRATEGIES,
};

struct fm_file;

/**
 * struct fm_strategy - a way to map an object
 * @name: "eager", "lazy", "eager-page" or "lazy-pfn"
 * @id: its index in fm_strategies[]
 * @lazy: it maps at the first touch, as many pages as the view's window says
 * @by_page: it maps struct pages, not frames
 * @cow: it maps private (copy-on-write) mappings right
 * @vm_ops: for every mapping
 * @mmap: what is to be done at mmap(2), or NULL; called with the mmap_lock held
 *	for writing on a VMA that lies inside the object
 */
struct fm_strategy {
	const char *name;
	enum fm_strategy_id id;
	bool lazy;
	bool by_page;
	bool cow;
	const struct vm_operations_struct *vm_ops;
	int (*mmap)(struct fm_file *file, struct vm_area_struct *vma);
};

enum fm_counter {
	FM_READ_FAULTS,
	FM_WRITE_FAULTS,
	FM_PAGES_INSTALLED,
	FM_SIGBUS,
	FM_MMAPS,
	FM_OPENS,
	FM_CLOSES,
	FM_MOVES,
	FM_ZAPS,
	FM_HUGE_FAULTS,
	FM_NR_COUNTERS,
};

struct fm_counters {
	unsigned long count[FM_NR_COUNTERS];
};

#define FM_NAME_SIZE	40

/**
 * struct fm_view - an object under a strategy, with its counters
 * @obj: the memory
 * @strategy: how it is mapped
 * @batched: an eager mapping is filled as FM_LAZY_PFN would, by PMDs where they fit, and
 *	what it loses comes back by faults, as @window says; only if fm_can_batch()
 * @window: of the lazy strategies, pages around a fault, or 0 to let @histories tell;
 *	fm_view_init() sets it to 1. Windows of struct pages hold only single pages
 *	that were passed to fm_folio_adopt()
 * @histories: what each CPU has learned of the faults
 * @filled: a bit for each page table that became full the last time
 * @counters: a set for each CPU, only ever incremented
 * @name: what trace events call it; fm_view_init() names it by its strategy
 *
 * The owner may change @batched, @window and @name, before the first file; nothing else.
 */
struct fm_view {
	struct fm_object *obj;
	const struct fm_strategy *strategy;
	bool batched;
	unsigned int window;
	struct fm_history __percpu *histories;
	unsigned long *filled;
	struct fm_counters __percpu *counters;
	char name[FM_NAME_SIZE];
};

/* The largest window, in pages: a page table, where those have 512 entries. */
#define FM_WINDOW_MAX	512

/* Of a file: so many threads can make page tables at once. A power of two. */
#define FM_PMD_LOCKS	8

/**
 * struct fm_file - an open file of a view, the private_data of a struct file
 *
 * An owner whose object outlives its device finds it by container_of() of @view, before
 * fm_release().
 *
 * @list: in the list of the object's files
 * @view: what it shows
 * @obj: the view's object
 * @limit: mappings of it end before this page; fm_file_limit()
 * @revoked: it was cut off, for good
 * @pmd_locks: by PMD, while it is decided whether a page table goes there
 */
struct fm_file {
	struct list_head list;
	struct fm_view *view;
	struct fm_object *obj;
	unsigned long limit;
	bool revoked;
	struct mutex pmd_locks[FM_PMD_LOCKS];	/* see above */
};

/* What each function does, expects and returns is said where it is: in object.c, */
struct inode *fm_inode_create(void);
int fm_object_init(struct fm_object *obj, const struct fm_object_ops *ops,
		   struct inode *inode, unsigned long npages);
void fm_object_destroy(struct fm_object *obj);
int fm_object_grow(struct fm_object *obj, unsigned long npages);
int fm_object_shrink(struct fm_view *view, unsigned long npages);
int fm_object_revoke(struct fm_file *file);
void fm_object_kill(struct fm_object *obj);
unsigned long fm_object_extents(struct fm_object *obj);
void fm_folio_adopt(struct fm_object *obj, struct folio *folio, pgoff_t pgoff);
void fm_folio_abandon(struct folio *folio);

/* in table.c, */
int fm_table_reserve(struct fm_object *obj, unsigned long from, unsigned long to);
void fm_table_add(struct fm_object *obj, unsigned long first, void *addr,
		  unsigned long npages, bool mark_each);
int fm_table_fill(struct fm_object *obj, void *addr, unsigned long npages);
void fm_table_find_runs(struct fm_object *obj, unsigned long from,
			unsigned long to);
void fm_table_remove(struct fm_object *obj, unsigned long from, unsigned long to);

static __always_inline unsigned long *fm_entry(const struct fm_table *table,
					       unsigned long index)
{
	return &table->leaf[index >> FM_LEAF_SHIFT][index & (FM_LEAF_ENTRIES - 1)];
}

static inline void *fm_entry_addr(unsigned long entry)
{
	return (void *)(entry & PAGE_MASK);
}

/* The page behind an address that is not opaque. */
static __always_inline struct page *fm_entry_page(enum fm_addresses addresses,
						  unsigned long entry)
{
	if (addresses == FM_DIRECT)
		return virt_to_page(fm_entry_addr(entry));
	return vmalloc_to_page(fm_entry_addr(entry));
}

/* in resolve.c, */
int fm_get_pages(struct fm_file *file, unsigned long npages, struct page **pages);
void fm_put_pages(struct page **pages, unsigned long npages);

/* in view.c, */
int fm_view_init(struct fm_view *view, struct fm_object *obj,
		 enum fm_strategy_id strategy);
void fm_view_destroy(struct fm_view *view);
void fm_view_count(const struct fm_view *view, struct fm_counters *sum);

/* in file.c, */
struct fm_file *fm_file_create(struct fm_view *view);
void fm_file_free(struct fm_file *file);
void fm_file_attach(struct file *filp, struct fm_file *file);
void fm_file_limit(struct fm_file *file, unsigned long npages);
int fm_open(struct fm_view *view, struct file *filp);
int fm_release(struct inode *inode, struct file *filp);
loff_t fm_llseek(struct file *filp, loff_t offset, int whence);
ssize_t fm_read_iter(struct kiocb *iocb, struct iov_iter *to);
ssize_t fm_write_iter(struct kiocb *iocb, struct iov_iter *from);

static inline bool fm_revoked(const struct fm_file *file)
{
	return READ_ONCE(file->revoked);
}

/* and in map.c. */
extern const struct fm_strategy *const fm_strategies[FM_NR_STRATEGIES];

bool fm_supported(const struct fm_object_ops *ops, enum fm_strategy_id strategy);
bool fm_can_keep_folios(void);
bool fm_can_batch(const struct fm_object_ops *ops);
void fm_vma_restrict(struct vm_area_struct *vma, bool may_write);
int fm_mmap(struct file *filp, struct vm_area_struct *vma);
unsigned long fm_get_unmapped_area(struct file *filp, unsigned long addr,
				   unsigned long len, unsigned long pgoff,
				   unsigned long flags);

#endif /* _FM_ENGINE_H */

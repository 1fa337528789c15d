/* SPDX-License-Identifier: GPL-2.0 */
/*
 * faultmap: what its parts know of each other.
 *
 * A buffer is kernel memory with an inode. A view is a buffer together with the
 * strategy by which it is mapped, and the counters of that. A file is one open
 * description of a view: a node's, or the one that FAULTMAP_CREATE returns.
 */
#ifndef _FAULTMAP_H
#define _FAULTMAP_H

#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>

#include "compat.h"
#include "faultmap_uapi.h"
#include "window.h"

struct seq_file;
struct faultmap_buffer;
struct faultmap_file;

/*
 * For whatever user space can ask for again and again: charged to its cgroup, and
 * where that is full the request fails, and the OOM killer is left alone.
 */
#define FM_GFP		(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/*
 * What an entry of a buffer's table has in the bits that are zero in a page's
 * address: whether memory is freed from there, and how many pages from there on,
 * itself included, lie in consecutive frames, as far as that can be said.
 */
#define FM_BLOCK	BIT(0)
#define FM_RUN_SHIFT	1
#define FM_RUN_MAX	((1UL << (PAGE_SHIFT - FM_RUN_SHIFT)) - 1)

/* Entries in a leaf of the table, which is a page of them. */
#define FM_LEAF_SHIFT	(PAGE_SHIFT - ilog2(sizeof(unsigned long)))
#define FM_LEAF_ENTRIES	BIT(FM_LEAF_SHIFT)

/**
 * struct faultmap_table - where the pages of a buffer are, in two levels
 * @old: the table that this one has replaced; readers may still look at it
 * @nr: how many leaves there is room for
 * @leaf: FM_LEAF_ENTRIES entries each: kernel address, run, FM_BLOCK
 */
struct faultmap_table {
	struct faultmap_table *old;
	unsigned long nr;
	unsigned long *leaf[];
};

/**
 * struct faultmap_block - memory that was allocated by one call
 * @addr: its kernel address
 * @npages: its size in pages; before, the most that is wanted
 * @split: each page is freed by itself
 */
struct faultmap_block {
	void *addr;
	unsigned long npages;
	bool split;
};

/**
 * struct faultmap_memory - a kind of memory
 * @name: as in the name of a node
 * @id: its number for user space
 * @has_order: the order of a block can be chosen
 * @has_pages: its pages may be referenced, and so handed to user space
 * @is_direct: its kernel addresses are of the direct map: virt_to_page() applies
 * @is_device: a device's memory: there from the start, without struct pages or a
 *	table, and its contents are not ours to clear
 * @max_block: the most pages that one call of @alloc may be asked for
 * @alloc: allocates a block for the pages of a buffer from @first on, zeroed and
 *	charged to the caller's memory cgroup; returns 0 or -ENOMEM. With
 *	@has_pages, each page has a reference of its own, or is part of a folio that
 *	is aligned in the buffer to its own size, as the page cache has them.
 * @free: frees what begins at an address
 * @to_pfn: the frame behind a kernel address of this kind, unless @is_direct
 * @mmap: the only way to map this memory, eagerly and a whole VMA at once, whose
 *	pages lie in one block: from so many pages behind the block's address on; or
 *	NULL, where it may be mapped frame by frame with the protection of the VMA
 */
struct faultmap_memory {
	const char *name;
	enum faultmap_memory_id id;
	bool has_order;
	bool has_pages;
	bool is_direct;
	bool is_device;
	unsigned long max_block;
	int (*alloc)(const struct faultmap_buffer *buf, unsigned long first,
		     struct faultmap_block *block);
	void (*free)(void *addr);
	unsigned long (*to_pfn)(const void *addr);
	int (*mmap)(struct vm_area_struct *vma, const void *block,
		    unsigned long first);
};

/* How a device's memory is cached, in the order of the names in phys.c. */
enum faultmap_cache {
	FM_WRITE_BACK,
	FM_WRITE_COMBINED,
	FM_UNCACHED,
};

/**
 * struct faultmap_range - a device's memory
 * @start: physical address
 * @npages: size in pages; 0 for a buffer that is not a device's memory
 * @cache: how the kernel and user space are to access it
 * @virt: where the kernel sees it
 * @prot: and how
 */
struct faultmap_range {
	phys_addr_t start;
	unsigned long npages;
	enum faultmap_cache cache;
	void __iomem *virt;
	pgprot_t prot;
};

/**
 * struct faultmap_buffer - kernel memory that can be mapped
 * @ref: held by each view
 * @inode: the one address space of all mappings of the buffer, whatever file
 *	they were made through; its i_rwsem serialises RESIZE and ftruncate(2), and is
 *	never taken under an mmap_lock
 * @memory: the kind of memory
 * @order: largest block order to ask for
 * @range: the device's memory, if it is that
 * @srcu: held by whoever asks for a page, until the answer is used up
 * @open_lock: held by open(2) while it adds a file, by the first one while it
 *	allocates the memory, and by all who zap translations until these are gone;
 *	inside i_rwsem. Who makes a buffer larger may allocate for long, without it
 * @table: where each page is, once there is memory; not of a device's memory
 * @npages: size in pages; what lies beyond is out of reach for new translations
 * @allocated: pages with memory, at least @npages once a file is open
 * @list_lock: guards the lists
 * @files: the open files
 * @unsettled: eager mappings that may not yet be in the inode's i_mmap tree
 * @awaited: those of them that a zap waits for
 */
struct faultmap_buffer {
	struct kref ref;
	struct inode *inode;
	const struct faultmap_memory *memory;
	unsigned int order;
	struct faultmap_range range;
	struct srcu_struct srcu;
	struct mutex open_lock;		/* first allocation; zaps, against open(2) too */
	struct faultmap_table *table;
	unsigned long npages;
	unsigned long allocated;
	spinlock_t list_lock;		/* @files, @unsettled, @awaited */
	struct list_head files;
	struct list_head unsettled;
	struct list_head awaited;
};

/**
 * struct faultmap_strategy - a way to map a buffer
 * @name: as in the name of a node
 * @id: its number for user space
 * @by_page: hands out struct pages, not frames
 * @cow: private (copy-on-write) mappings come out right
 * @vm_ops: for every mapping
 * @mmap: what is to be done at mmap(2), or NULL; called with the mmap_lock held
 *	for writing on a VMA that lies inside the buffer
 */
struct faultmap_strategy {
	const char *name;
	enum faultmap_strategy_id id;
	bool by_page;
	bool cow;
	const struct vm_operations_struct *vm_ops;
	int (*mmap)(struct faultmap_file *file, struct vm_area_struct *vma);
};

/* The counters, in the order of struct faultmap_stats. */
enum faultmap_counter {
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

struct faultmap_counters {
	unsigned long count[FM_NR_COUNTERS];
};

/**
 * struct faultmap_view - a buffer under a strategy, with its counters
 * @ref: held by the node, and by each file
 * @buffer: the memory
 * @strategy: how it is mapped
 * @private: made by FAULTMAP_CREATE
 * @batched: an eager mapping is filled as a lazy one is
 * @window: pages around a fault, or 0 to let @windows tell
 * @windows: what each CPU has learned of the faults
 * @id: tells views apart in trace events
 * @counters: a set for each CPU, only ever incremented
 * @base_lock: guards @base
 * @base: what the counters were at the last reset
 * @debugfs: the file that shows the counters
 */
struct faultmap_view {
	struct kref ref;
	struct faultmap_buffer *buffer;
	const struct faultmap_strategy *strategy;
	bool private;
	bool batched;
	unsigned int window;
	struct faultmap_window __percpu *windows;
	unsigned int id;
	struct faultmap_counters __percpu *counters;
	spinlock_t base_lock;		/* @base */
	struct faultmap_counters base;
	struct dentry *debugfs;
};

/**
 * struct faultmap_file - an open description of a view
 * @list: in the list of the buffer's files
 * @view: what it shows
 * @buffer: the view's buffer
 * @revoked: REVOKE has cut it off, or the device is gone
 */
struct faultmap_file {
	struct list_head list;
	struct faultmap_view *view;
	struct faultmap_buffer *buffer;
	bool revoked;
};

/**
 * struct faultmap_node - a device node
 * @list: in the list of those that show one buffer
 * @view: what it shows
 * @minor: its number among the nodes
 * @name: "<memory>-<strategy>"
 */
struct faultmap_node {
	struct list_head list;
	struct faultmap_view *view;
	u32 minor;
	char name[40];
};

/* main.c */
extern unsigned int faultmap_window;

/* memory.c */
extern const struct faultmap_memory *const faultmap_memories[];
extern const unsigned int faultmap_nr_memories;

/* dma.c */
extern const struct faultmap_memory faultmap_dma;
extern const struct faultmap_memory faultmap_coherent;

int faultmap_dma_init(void);
void faultmap_dma_exit(void);

/* phys.c */
extern const struct faultmap_memory faultmap_phys;

pgprot_t faultmap_phys_prot(const struct faultmap_buffer *buf, pgprot_t prot);
int faultmap_range_map(struct faultmap_range *range, phys_addr_t start, u64 bytes);
void faultmap_range_unmap(struct faultmap_range *range);
struct faultmap_buffer *faultmap_range_buffer(const struct faultmap_range *range);
bool faultmap_phys_has(phys_addr_t start, phys_addr_t end);
int faultmap_phys_init(void);
void faultmap_phys_exit(void);

/* pci.c */
int faultmap_pci_init(void);
void faultmap_pci_exit(void);

/* node.c */
int faultmap_nodes_init(void);
void faultmap_nodes_exit(void);
struct faultmap_view *faultmap_node_view(const struct inode *inode);
int faultmap_nodes_add(struct list_head *nodes, struct faultmap_buffer *buf,
		       const char *prefix);
void faultmap_nodes_remove(struct list_head *nodes);

/* inode.c */
int faultmap_inode_init(void);
void faultmap_inode_exit(void);
struct inode *faultmap_inode_create(void);
int faultmap_private_pin(void);
void faultmap_private_unpin(void);
struct inode *faultmap_private_inode(void);
struct file *faultmap_private_file(struct faultmap_file *file);
struct faultmap_view *faultmap_private_view(struct inode *inode);
void faultmap_private_forget(struct faultmap_view *view);

/* table.c */
int faultmap_table_reserve(struct faultmap_buffer *buf, unsigned long npages);
void faultmap_table_free(struct faultmap_buffer *buf);
void faultmap_table_add(struct faultmap_buffer *buf, unsigned long first,
			const struct faultmap_block *block);
void faultmap_find_runs(struct faultmap_buffer *buf, unsigned long from,
			unsigned long to);

static __always_inline unsigned long *
faultmap_entry(const struct faultmap_table *table, unsigned long index)
{
	return &table->leaf[index >> FM_LEAF_SHIFT][index & (FM_LEAF_ENTRIES - 1)];
}

static inline void *faultmap_entry_addr(unsigned long entry)
{
	return (void *)(entry & PAGE_MASK);
}

/*
 * Inline, and a branch, because a call, and more so an indirect one, costs more than
 * the rest of a look-up.
 */
static __always_inline unsigned long
faultmap_entry_pfn(const struct faultmap_memory *memory, unsigned long entry)
{
	if (memory->is_direct)
		return page_to_pfn(virt_to_page(faultmap_entry_addr(entry)));
	return memory->to_pfn(faultmap_entry_addr(entry));
}

/* Whether the kernel has found the memory of a page broken: nobody should look at it. */
static inline bool faultmap_has_failed(const struct faultmap_memory *memory,
				       unsigned long pfn)
{
	return !memory->is_device && !memory->mmap && PageHWPoison(pfn_to_page(pfn));
}

/* resolve.c */
unsigned long faultmap_resolve(const struct faultmap_file *file, pgoff_t pgoff,
			       unsigned long max, unsigned long *pfn);
unsigned long faultmap_resolve_each(const struct faultmap_file *file,
				    pgoff_t pgoff, unsigned long max,
				    unsigned long *pfn);
struct page *faultmap_resolve_page(const struct faultmap_file *file,
				   pgoff_t pgoff);
void *faultmap_resolve_block(const struct faultmap_file *file, pgoff_t pgoff,
			     unsigned long npages, unsigned long *first);
void *faultmap_kernel_addr(const struct faultmap_file *file, pgoff_t pgoff);
unsigned long faultmap_buffer_extents(struct faultmap_buffer *buf);

static __always_inline int faultmap_read_lock(const struct faultmap_file *file)
{
	return srcu_read_lock(&file->buffer->srcu);
}

static __always_inline void faultmap_read_unlock(const struct faultmap_file *file,
						 int idx)
{
	srcu_read_unlock(&file->buffer->srcu, idx);
}

static inline bool faultmap_revoked(const struct faultmap_file *file)
{
	return READ_ONCE(file->revoked);
}

/* buffer.c */
struct faultmap_buffer *faultmap_buffer_create(struct inode *inode,
					       const struct faultmap_memory *memory,
					       unsigned long npages,
					       unsigned int order);
void faultmap_buffer_get(struct faultmap_buffer *buf);
void faultmap_buffer_put(struct faultmap_buffer *buf);
int faultmap_buffer_populate(struct faultmap_buffer *buf);
int faultmap_buffer_resize(struct faultmap_view *view, unsigned long npages);
int faultmap_buffer_revoke(struct faultmap_file *file);
void faultmap_buffer_kill(struct faultmap_buffer *buf);
int faultmap_check_bytes(u64 bytes);

/* limit.c */
int faultmap_parse_bytes(const char *name, const char *value, u64 *bytes);
int faultmap_limit_init(void);
int faultmap_check_limit(unsigned long npages);
int faultmap_limit_take(unsigned long npages);
void faultmap_limit_give(unsigned long npages);

/* pinned.c */
void faultmap_block_free(const struct faultmap_memory *memory, void *addr,
			 unsigned long npages);
bool faultmap_pinned_reap(void);
void faultmap_pinned_exit(void);

/* file.c */
extern const struct file_operations faultmap_fops;
extern const struct inode_operations faultmap_inode_ops;

struct faultmap_view *faultmap_view_create(struct faultmap_buffer *buf,
					   const struct faultmap_strategy *strategy);
void faultmap_view_put(struct faultmap_view *view);
struct faultmap_file *faultmap_file_create(struct faultmap_view *view);
void faultmap_file_free(struct faultmap_file *file);
void faultmap_file_attach(struct file *filp, struct faultmap_file *file);

enum faultmap_direction { FM_FROM_BUFFER, FM_TO_BUFFER };

ssize_t faultmap_copy(struct faultmap_file *file, loff_t pos, void *memory,
		      size_t len, enum faultmap_direction direction);

/* ioctl.c */
/**
 * struct faultmap_ioctl - an entry of an ioctl table
 * @cmd: the command, with its direction and the size of what this kernel knows
 * @mode: what the descriptor must be open for
 * @call: does it, on a kernel copy of the argument
 */
struct faultmap_ioctl {
	unsigned int cmd;
	fmode_t mode;
	long (*call)(struct file *filp, void *arg);
};

long faultmap_ioctl_call(struct file *filp, unsigned int cmd, void __user *uarg,
			 void *karg, const struct faultmap_ioctl *table,
			 unsigned int nr);

/* map.c */
extern const struct faultmap_strategy *const faultmap_strategies[];
extern const unsigned int faultmap_nr_strategies;

bool faultmap_supported(const struct faultmap_memory *memory,
			const struct faultmap_strategy *strategy);
int faultmap_mmap(struct file *filp, struct vm_area_struct *vma);
unsigned long faultmap_get_unmapped_area(struct file *filp, unsigned long addr,
					 unsigned long len, unsigned long pgoff,
					 unsigned long flags);
void faultmap_unmap_all(struct faultmap_buffer *buf, pgoff_t from);

/* fault.c */
vm_fault_t faultmap_refuse_fault(struct vm_fault *vmf);
vm_fault_t faultmap_lazy_fault(struct vm_fault *vmf);
vm_fault_t faultmap_eager_page_fault(struct vm_fault *vmf);
vm_fault_t faultmap_lazy_pfn_fault(struct vm_fault *vmf);
vm_fault_t faultmap_lazy_pfn_huge_fault(struct vm_fault *vmf, unsigned int order);
vm_fault_t faultmap_map_pages(struct vm_fault *vmf, pgoff_t first, pgoff_t last);

/* batch.c */
struct mutex *faultmap_pmd_lock(const pmd_t *pmd);
void faultmap_batch_init(void);
vm_fault_t faultmap_insert_around(struct faultmap_file *file,
				  struct vm_fault *vmf, unsigned long *installed);
int faultmap_insert_all_frames(struct faultmap_file *file,
			       struct vm_area_struct *vma);
int faultmap_make_first_table(struct vm_area_struct *vma);

static inline bool faultmap_has_table(pmd_t *pmdp)
{
	pmd_t pmd = pmdp_get_lockless(pmdp);

	return !pmd_none(pmd) && !pmd_leaf(pmd);
}

/* stats.c */
static inline void faultmap_count(const struct faultmap_view *view,
				  enum faultmap_counter counter,
				  unsigned long n)
{
	this_cpu_add(view->counters->count[counter], n);
}

void faultmap_stats_read(struct faultmap_view *view, struct faultmap_stats *stats);
void faultmap_stats_reset(struct faultmap_view *view);
void faultmap_stats_show(struct seq_file *m, struct faultmap_view *view);
void faultmap_debugfs_init(void);
void faultmap_debugfs_exit(void);
void faultmap_debugfs_add(struct faultmap_view *view, const char *name);
void faultmap_debugfs_remove(struct faultmap_view *view);

#endif /* _FAULTMAP_H */

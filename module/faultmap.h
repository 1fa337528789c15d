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

#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
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

/*
 * For whatever user space can ask for again and again: charged to its cgroup, and
 * where that is full the request fails, and the OOM killer is left alone.
 */
#define FM_GFP		(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/*
 * What a page's address has in the bits that are zero in it: whether memory is
 * freed from there, and how many pages from there on, itself included, lie in
 * consecutive frames, as far as that can be said.
 */
#define FM_BLOCK	1UL
#define FM_RUN_SHIFT	1
#define FM_RUN_MAX	((1UL << (PAGE_SHIFT - FM_RUN_SHIFT)) - 1)

/**
 * struct faultmap_memory - a kind of memory
 * @name: as in the name of a node
 * @id: its number for user space
 * @has_order: the order of a block can be chosen
 * @has_pages: its pages may be referenced, and so handed to user space
 * @is_direct: its kernel addresses are of the direct map: virt_to_page() applies
 * @is_device: a device's memory: there from the start, without struct pages, and
 *	its contents are not ours to clear
 * @max_block: the most pages that one call of @alloc may be asked for
 * @alloc: allocates a block of at most @pages pages for the pages of a buffer
 *	from @first on, zeroed and charged to the caller's memory cgroup; stores
 *	the kernel address of each page, plus FM_BLOCK if @free takes it, and
 *	returns how many there are, or -ENOMEM. With @has_pages, each page has a
 *	reference of its own.
 * @free: frees what begins at an address; NULL if there is nothing to free
 * @to_pfn: the frame behind a kernel address of this kind, unless @is_direct
 * @mmap: the kind's own way to map a whole VMA eagerly, from a kernel address and
 *	its frame on, contiguous for that long; -E2BIG if it cannot; or NULL
 */
struct faultmap_memory {
	const char *name;
	enum faultmap_memory_id id;
	bool has_order;
	bool has_pages;
	bool is_direct;
	bool is_device;
	unsigned long max_block;
	long (*alloc)(const struct faultmap_buffer *buf, unsigned long *addr,
		      unsigned long first, unsigned long pages);
	void (*free)(void *addr);
	unsigned long (*to_pfn)(const struct faultmap_buffer *buf,
				const void *addr);
	int (*mmap)(const void *addr, unsigned long pfn,
		    struct vm_area_struct *vma);
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
 * @cache: how the kernel and user space access it
 * @virt: where the kernel sees it
 */
struct faultmap_range {
	phys_addr_t start;
	unsigned long npages;
	enum faultmap_cache cache;
	void __iomem *virt;
};

/**
 * struct faultmap_buffer - kernel memory that can be mapped
 * @ref: held by each view
 * @inode: the one address space of all mappings of the buffer, whatever file
 *	they were made through; its i_rwsem serialises RESIZE and REVOKE, and is
 *	never taken under an mmap_lock
 * @memory: the kind of memory
 * @order: largest block order to ask for
 * @range: the device's memory, if it is that
 * @alloc_lock: guards the first allocation and every change of @addr; taken
 *	under an mmap_lock, so nobody may wait for one while holding it
 * @addr: kernel address of each page, plus its run and FM_BLOCK where a block
 *	begins; NULL until the first use; readers hold faultmap_srcu
 * @npages: size in pages; what lies beyond is out of reach for new translations
 * @allocated: pages with memory, at least @npages once there is any
 * @generation: counts the revocations; a file of an older one is dead
 * @unsettled_lock: guards @unsettled
 * @unsettled: eager mappings that may not yet be in the inode's i_mmap tree
 */
struct faultmap_buffer {
	struct kref ref;
	struct inode *inode;
	const struct faultmap_memory *memory;
	unsigned int order;
	struct faultmap_range range;
	struct mutex alloc_lock;	/* first allocation, changes of @addr */
	unsigned long *addr;
	unsigned long npages;
	unsigned long allocated;
	unsigned int generation;
	spinlock_t unsettled_lock;	/* @unsettled */
	struct list_head unsettled;
};

struct faultmap_file;

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
	struct faultmap_stats base;
	struct dentry *debugfs;
};

/**
 * struct faultmap_file - an open description of a view
 * @view: what it shows
 * @generation: the buffer's generation when the file was opened
 */
struct faultmap_file {
	struct faultmap_view *view;
	unsigned int generation;
};

/**
 * struct faultmap_node - a device node
 * @list: in the list of those that show one buffer
 * @misc: the device
 * @view: what it shows
 * @name: "<memory>-<strategy>"
 * @path: the same below /dev
 * @sysname: the same for sysfs, where a name has no slash
 */
struct faultmap_node {
	struct list_head list;
	struct miscdevice misc;
	struct faultmap_view *view;
	char name[40];
	char path[56];
	char sysname[56];
};

/* main.c */
extern unsigned int faultmap_window;

/* memory.c */
extern const struct faultmap_memory *const faultmap_memories[];
extern const unsigned int faultmap_nr_memories;

/* dma.c */
extern const struct faultmap_memory faultmap_dma;

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
int faultmap_nodes_add(struct list_head *nodes, struct faultmap_buffer *buf,
		       const char *prefix);
void faultmap_nodes_remove(struct list_head *nodes);

/* inode.c */
int faultmap_inode_init(void);
void faultmap_inode_exit(void);
struct inode *faultmap_inode_create(void);

/* resolve.c */
extern struct srcu_struct faultmap_srcu;

void faultmap_find_runs(const struct faultmap_buffer *buf, unsigned long *addr,
			unsigned long npages);
unsigned long faultmap_resolve(const struct faultmap_file *file, pgoff_t pgoff,
			       unsigned long max, unsigned long *pfn);
unsigned long faultmap_resolve_each(const struct faultmap_file *file,
				    pgoff_t pgoff, unsigned long max,
				    unsigned long *pfn);
struct page *faultmap_resolve_page(const struct faultmap_file *file,
				   pgoff_t pgoff);
void *faultmap_kernel_addr(const struct faultmap_file *file, pgoff_t pgoff);
unsigned long faultmap_buffer_extents(struct faultmap_buffer *buf);

/*
 * Inline, and a branch, because a call, and more so an indirect one, costs more than
 * the rest of a look-up.
 */
static __always_inline unsigned long faultmap_pfn(const struct faultmap_buffer *buf,
						  const unsigned long *addr,
						  unsigned long index)
{
	void *page = (void *)(addr[index] & PAGE_MASK);

	if (buf->memory->is_direct)
		return page_to_pfn(virt_to_page(page));
	return buf->memory->to_pfn(buf, page);
}

/* buffer.c */
struct faultmap_buffer *faultmap_buffer_create(const struct faultmap_memory *memory,
					       unsigned long npages,
					       unsigned int order);
void faultmap_buffer_get(struct faultmap_buffer *buf);
void faultmap_buffer_put(struct faultmap_buffer *buf);
int faultmap_buffer_populate(struct faultmap_buffer *buf);
int faultmap_buffer_resize(struct faultmap_file *file, unsigned long npages);
int faultmap_buffer_revoke(struct faultmap_file *file);
void faultmap_buffer_kill(struct faultmap_buffer *buf);
int faultmap_check_bytes(u64 bytes);

static inline bool faultmap_revoked(const struct faultmap_file *file)
{
	return READ_ONCE(file->view->buffer->generation) != file->generation;
}

/* limit.c */
int faultmap_parse_bytes(const char *name, const char *value, u64 *bytes);
int faultmap_limit_init(void);
int faultmap_check_limit(unsigned long npages);
int faultmap_limit_take(unsigned long npages);
void faultmap_limit_give(unsigned long npages);

/* file.c */
extern const struct file_operations faultmap_fops;

struct faultmap_view *faultmap_view_create(struct faultmap_buffer *buf,
					   const struct faultmap_strategy *strategy);
void faultmap_view_put(struct faultmap_view *view);
struct faultmap_file *faultmap_file_create(struct faultmap_view *view);
void faultmap_file_free(struct faultmap_file *file);
void faultmap_file_attach(struct file *filp, struct faultmap_file *file);

enum faultmap_direction { FM_FROM_BUFFER, FM_TO_BUFFER };

size_t faultmap_copy(struct faultmap_file *file, loff_t pos, void *memory,
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
void faultmap_settle_mappings(struct faultmap_buffer *buf);

/* fault.c */
vm_fault_t faultmap_refuse_fault(struct vm_fault *vmf);
vm_fault_t faultmap_lazy_fault(struct vm_fault *vmf);
vm_fault_t faultmap_eager_page_fault(struct vm_fault *vmf);
vm_fault_t faultmap_lazy_pfn_fault(struct vm_fault *vmf);
vm_fault_t faultmap_lazy_pfn_huge_fault(struct vm_fault *vmf, unsigned int order);
vm_fault_t faultmap_map_pages(struct vm_fault *vmf, pgoff_t first, pgoff_t last);

/* batch.c */
vm_fault_t faultmap_insert_around(struct faultmap_file *file,
				  struct vm_fault *vmf, unsigned long *installed);
int faultmap_insert_all_frames(struct faultmap_file *file,
			       struct vm_area_struct *vma);
int faultmap_make_first_table(struct vm_area_struct *vma);

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

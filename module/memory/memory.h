/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory of the driver: its kinds, how much there may be, and buffers, which are
 * objects of the mapping engine that get their memory from a kind.
 */
#ifndef _FAULTMAP_MEMORY_H
#define _FAULTMAP_MEMORY_H

#include <linux/kref.h>

#include "../base/compat.h"
#include "../engine/fm_engine.h"
#include "../faultmap_uapi.h"

struct faultmap_buffer;

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
 * @max_block: the most pages that one call of @alloc may be asked for
 * @ops: what the engine must know of it; is_linear is a device's memory: there from the
 *	start, and its contents are not ours to clear
 * @demand_ops: the same, of a buffer that gets its memory on demand; NULL if none can
 * @alloc: allocates a block for the pages of a buffer from @first on, zeroed and
 *	charged to the caller's memory cgroup; returns 0 or -ENOMEM
 * @free: frees what begins at an address
 */
struct faultmap_memory {
	const char *name;
	enum faultmap_memory_id id;
	bool has_order;
	unsigned long max_block;
	struct fm_object_ops ops;
	const struct fm_object_ops *demand_ops;
	int (*alloc)(const struct faultmap_buffer *buf, unsigned long first,
		     struct faultmap_block *block);
	void (*free)(void *addr);
};

/* How a device's memory is cached, in the order of the names in device.c. */
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
 * struct faultmap_buffer - kernel memory of one kind
 * @obj: it, for the engine; its inode lock serialises RESIZE and ftruncate(2), and is
 *	never taken under an mmap_lock
 * @ref: held by each view
 * @memory: the kind of memory
 * @order: largest block order to ask for
 * @range: the device's memory, if it is that
 * @allocated: pages that have memory, or may have it on demand; at least the object's
 *	size once a file is open
 * @held: pages that have memory
 * @demand_lock: held while memory comes into being on demand, inside a read section
 */
struct faultmap_buffer {
	struct fm_object obj;
	struct kref ref;
	const struct faultmap_memory *memory;
	unsigned int order;
	struct faultmap_range range;
	unsigned long allocated;
	atomic_long_t held;
	struct mutex demand_lock;	/* see above */
};

/* In bytes; of a device's memory, none is the driver's. */
static inline u64 faultmap_buffer_held(const struct faultmap_buffer *buf)
{
	return (u64)atomic_long_read(&buf->held) << PAGE_SHIFT;
}

static inline struct faultmap_buffer *faultmap_buffer_of(const struct fm_object *obj)
{
	return container_of(obj, struct faultmap_buffer, obj);
}

/* memory.c */
extern const struct faultmap_memory *const faultmap_memories[];
extern const unsigned int faultmap_nr_memories;

/* dma.c */
extern const struct faultmap_memory faultmap_dma;
extern const struct faultmap_memory faultmap_coherent;

int faultmap_dma_init(void);
void faultmap_dma_exit(void);

/* device.c */
extern const struct faultmap_memory faultmap_phys;

int faultmap_cache_init(void);
int faultmap_range_map(struct faultmap_range *range, phys_addr_t start, u64 bytes);
void faultmap_range_unmap(struct faultmap_range *range);
struct faultmap_buffer *faultmap_range_buffer(const struct faultmap_range *range);

/* buffer.c */
struct faultmap_buffer *faultmap_buffer_create(struct inode *inode,
					       const struct faultmap_memory *memory,
					       unsigned long npages,
					       unsigned int order, bool on_demand);
void faultmap_buffer_get(struct faultmap_buffer *buf);
void faultmap_buffer_put(struct faultmap_buffer *buf);
int faultmap_buffer_populate(struct fm_object *obj);
unsigned long faultmap_buffer_touch(struct fm_object *obj, pgoff_t pgoff,
				    unsigned long max, bool touch, unsigned long *pfn);
void *faultmap_buffer_block(struct faultmap_buffer *buf, pgoff_t pgoff,
			    unsigned long npages, unsigned long *first);
int faultmap_buffer_resize(struct fm_view *view, unsigned long npages);

/* limit.c */
int faultmap_check_bytes(u64 bytes);
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

#endif /* _FAULTMAP_MEMORY_H */

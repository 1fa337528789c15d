/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * faultmap: kernel memory mapped to user space, eagerly or on fault.
 *
 * The only header that user space needs. Every structure is made of
 * fixed-width members without padding and may grow at its end in a later
 * version: its size is part of the ioctl number, a kernel that knows a shorter
 * one refuses (E2BIG) what it does not know unless it is zero, and a kernel
 * that knows a longer one takes what is missing as zero.
 */
#ifndef _FAULTMAP_UAPI_H
#define _FAULTMAP_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* The release of everything around this header; no ioctl depends on it. */
#define FAULTMAP_VERSION	"1.0"

/*
 * A PMD maps as much as a page table does: 2 MiB with pages of 4 KiB, 32 MiB with those of
 * 16 KiB.
 */

/**
 * enum faultmap_memory_id - where the memory of a buffer comes from
 * @FAULTMAP_MEMORY_PAGES: the page allocator, in blocks of a chosen order
 * @FAULTMAP_MEMORY_VMALLOC: vmalloc, in areas of at most 2 MiB
 * @FAULTMAP_MEMORY_KMALLOC: kmalloc, in page-aligned pieces of at most 64 KiB;
 *	mapped by page frame only, since such pages may not be referenced
 * @FAULTMAP_MEMORY_DMA: dma_alloc_pages() for a device of the driver's own, in
 *	blocks of at most what a PMD maps; mapped by page frame only
 * @FAULTMAP_MEMORY_PHYS: a device's memory; it has nodes, mapped by page frame
 *	only, and cannot be had from FAULTMAP_CREATE
 * @FAULTMAP_MEMORY_COHERENT: dma_alloc_coherent() for the same device, in blocks of
 *	at most 2 MiB; mapped eagerly only, by dma_mmap_coherent(), one block or a part
 *	of it at a time (else mmap(2) fails with EOPNOTSUPP)
 */
enum faultmap_memory_id {
	FAULTMAP_MEMORY_PAGES = 0,
	FAULTMAP_MEMORY_VMALLOC = 1,
	FAULTMAP_MEMORY_KMALLOC = 2,
	FAULTMAP_MEMORY_DMA = 3,
	FAULTMAP_MEMORY_PHYS = 4,
	FAULTMAP_MEMORY_COHERENT = 5,
};

/**
 * enum faultmap_strategy_id - when and how a page gets into a page table
 * @FAULTMAP_STRATEGY_EAGER: all page frames at mmap(2), by remap_pfn_range()
 * @FAULTMAP_STRATEGY_LAZY: a page at its first touch, by the fault handler, or a window
 *	around it. What mmap(2) is asked for beside a mapping that it continues, the kernel
 *	merges with that and does not ask the driver: there a page behind the buffer's end, or
 *	of a revoked file, is refused when it is touched (SIGBUS), and not by mmap(2)
 * @FAULTMAP_STRATEGY_EAGER_PAGE: all pages at mmap(2), by vm_insert_pages()
 * @FAULTMAP_STRATEGY_LAZY_PFN: page frames at the first touch of one of them: 2
 *	MiB at once where that fits, else a window around it, or only that one, by
 *	vmf_insert_pfn()
 */
enum faultmap_strategy_id {
	FAULTMAP_STRATEGY_EAGER = 0,
	FAULTMAP_STRATEGY_LAZY = 1,
	FAULTMAP_STRATEGY_EAGER_PAGE = 2,
	FAULTMAP_STRATEGY_LAZY_PFN = 3,
};

/* The largest window: what a page table maps, where pages have 4 KiB. */
#define FAULTMAP_WINDOW_MAX	512

/*
 * Bit of struct faultmap_create.flags, with FAULTMAP_STRATEGY_EAGER: frames are
 * mapped as FAULTMAP_STRATEGY_LAZY_PFN maps them, by PMDs where these fit, else in
 * one pass for each page table, and not by remap_pfn_range(). The kernel drops what is
 * mapped by PMDs where munmap(2) or mprotect(2) cut it, and the driver at fork(2), so what
 * has gone comes back when it is touched, as a fault that is counted; what a shrink took and
 * a growth gave back, too.
 */
#define FAULTMAP_CREATE_BATCHED		0x1U

/*
 * Bit of struct faultmap_create.flags, with FAULTMAP_MEMORY_PAGES or
 * FAULTMAP_MEMORY_VMALLOC, and any strategy: a block of the buffer gets its memory when
 * one of its pages is first touched, or written with write(2), and it is charged to the
 * memory cgroup of the task that does that. read(2) of the rest gives zeroes, and
 * allocates nothing. A block has the size that @order says, at most what a PMD maps, or, of
 * FAULTMAP_MEMORY_VMALLOC, 16 pages; it is smaller at the end of the buffer, beside other
 * blocks, and where memory or max_total are short.
 *
 * Where no memory can be had, since max_total or the cgroup leaves none, a touch is SIGBUS
 * (EFAULT in a system call), write(2) fails with ENOSPC, and mmap(2) by an eager strategy,
 * which touches all, with ENOMEM; what it has touched by then keeps its memory. The OOM
 * killer is left alone by the block; the page tables are the kernel's.
 *
 * Touches that bring memory wait for each other, anywhere in the buffer, and RESIZE and
 * REVOKE wait for them: for as long as the kernel takes to find the memory, which may be
 * seconds for a task whose cgroup is over its memory.high.
 */
#define FAULTMAP_CREATE_ON_DEMAND	0x2U

/**
 * struct faultmap_create - argument of FAULTMAP_CREATE
 * @bytes: size of the buffer in bytes, a non-zero multiple of the page size
 * @memory: an &enum faultmap_memory_id
 * @strategy: an &enum faultmap_strategy_id
 * @order: largest block to ask the page allocator for, as a power of two of
 *	pages; smaller blocks are taken where none is free. Zero for any memory
 *	but FAULTMAP_MEMORY_PAGES.
 * @window: pages to map around a fault, 1 to FAULTMAP_WINDOW_MAX: those of the
 *	aligned block of so many that holds it, as far as the mapping, the buffer
 *	and the page table reach; 0 to let the driver learn it from the faults. For
 *	the lazy strategies; any other has 0 or 1. With FAULTMAP_STRATEGY_LAZY_PFN, 0 and
 *	FAULTMAP_WINDOW_MAX also map by PMDs where they fit. With
 *	FAULTMAP_STRATEGY_LAZY, a window holds only pages that are not part of a larger
 *	block, and only if the fault makes no private copy; of a block, the kernel decides how
 *	much to map. All that a write maps counts as dirty.
 * @flags: FAULTMAP_CREATE_* bits
 * @reserved: must be zero
 */
struct faultmap_create {
	__u64 bytes;
	__u32 memory;
	__u32 strategy;
	__u32 order;
	__u32 window;
	__u32 flags;
	__u32 reserved;
};

/* Bits of struct faultmap_info.flags */
#define FAULTMAP_INFO_ALLOCATED	0x1U	/* the buffer got all its memory when it was made */
#define FAULTMAP_INFO_PRIVATE	0x2U	/* made by FAULTMAP_CREATE */
#define FAULTMAP_INFO_REVOKED	0x4U	/* this descriptor is revoked */
#define FAULTMAP_INFO_ON_DEMAND	0x8U	/* it gets memory where it is touched */

/**
 * struct faultmap_info - result of FAULTMAP_INFO
 * @bytes: size of the buffer in bytes
 * @extents: number of physically contiguous pieces that the buffer consists of,
 *	in the order of its offsets; 0 of a device that is gone
 * @memory: an &enum faultmap_memory_id
 * @strategy: an &enum faultmap_strategy_id
 * @order: the largest block that was asked for, as a power of two of pages
 * @flags: FAULTMAP_INFO_* bits
 * @window: pages to map around a fault, as for &struct faultmap_create;
 *	FAULTMAP_WINDOW_MAX with FAULTMAP_CREATE_BATCHED; 1 where that has no meaning
 * @reserved: zero
 * @held: bytes of memory that the buffer has: @bytes, or more if a shrink has cut through
 *	a block; on demand, what was touched of that; 0 of a device's memory
 */
struct faultmap_info {
	__u64 bytes;
	__u64 extents;
	__u32 memory;
	__u32 strategy;
	__u32 order;
	__u32 flags;
	__u32 window;
	__u32 reserved;
	__u64 held;
};

/**
 * struct faultmap_stats - result of FAULTMAP_STATS
 * @read_faults: fault handler calls for a read that gave a page
 * @write_faults: fault handler calls for a write that gave a page
 * @pages_installed: pages put into page tables: one for each fault, those of a window
 *	that were not there yet, those of a PMD for a huge fault, or all of a mapping at an eager
 *	mmap(2). Of a page from a larger block, the kernel may map the whole block. If another
 *	thread maps one of the pages while a window of struct pages is being mapped, that page
 *	may be counted twice; pages that it unmaps meanwhile may not be counted.
 * @sigbus: touches refused because the offset lies beyond the buffer, no memory was to be
 *	had on demand, the descriptor behind the mapping is revoked, or RESIZE has taken
 *	the page from a mapping of FAULTMAP_STRATEGY_EAGER, without FAULTMAP_CREATE_BATCHED
 * @mmaps: calls of mmap(2) that reached the driver and succeeded; a mapping
 *	that the kernel merged into its neighbour without asking is not one
 * @opens: mappings added by fork, a split or a move; 0 with
 *	FAULTMAP_STRATEGY_LAZY, whose mappings the kernel merges
 * @closes: mappings taken away; likewise
 * @moves: mappings moved by mremap(2)
 * @zaps: times that RESIZE or REVOKE on this node or descriptor removed the
 *	buffer's translations from every process
 * @huge_faults: how many of the faults were answered by the driver with one PMD, as only
 *	FAULTMAP_STRATEGY_LAZY_PFN and FAULTMAP_CREATE_BATCHED do; not those where the kernel
 *	maps a whole folio for a page
 *
 * What is counted belongs to a node (all its descriptors together) or to a
 * private buffer, since the last FAULTMAP_STATS_RESET. The counts are exact:
 * @read_faults plus @write_faults is what the kernel adds to ru_minflt for the
 * same touches, unless threads touch one page at once: the kernel counts them all.
 * Touches that it answers without the driver, of pages that are there (soft-dirty
 * tracking, NUMA hints), it counts too.
 */
struct faultmap_stats {
	__u64 read_faults;
	__u64 write_faults;
	__u64 pages_installed;
	__u64 sigbus;
	__u64 mmaps;
	__u64 opens;
	__u64 closes;
	__u64 moves;
	__u64 zaps;
	__u64 huge_faults;
};

/**
 * struct faultmap_resize - argument of FAULTMAP_RESIZE
 * @bytes: new size of the buffer in bytes, a non-zero multiple of the page size
 * @flags: must be zero
 */
struct faultmap_resize {
	__u64 bytes;
	__u64 flags;
};

/**
 * struct faultmap_export - argument of FAULTMAP_EXPORT
 * @flags: must be zero
 * @reserved: must be zero
 */
struct faultmap_export {
	__u32 flags;
	__u32 reserved;
};

#define FAULTMAP_IOC_MAGIC	0xFA

/**
 * define FAULTMAP_CREATE - make a private buffer (on /dev/faultmap/control)
 *
 * Returns a new close-on-exec descriptor, open for reading and writing, of a regular
 * file without a name. The file has the buffer's size, ftruncate(2) on it does what
 * FAULTMAP_RESIZE does, and it can be opened again by /proc/self/fd. The buffer lives
 * as long as its descriptors and mappings. Its memory is charged to the caller's memory
 * cgroup, unless it comes on demand. Any other command on /dev/faultmap/control fails with ENOTTY.
 *
 * EINVAL: @bytes is zero or no multiple of the page size; unknown @memory,
 * @strategy or @flags; FAULTMAP_CREATE_BATCHED with another strategy than
 * FAULTMAP_STRATEGY_EAGER; @order or @window out of range; @reserved not zero. EFBIG:
 * @bytes is more than a file can have, or than the parameter max_size allows.
 * EOPNOTSUPP: the pair of memory and strategy is not supported, @memory is a
 * device's, FAULTMAP_CREATE_ON_DEMAND is given for other memory than its own, or
 * FAULTMAP_CREATE_BATCHED for FAULTMAP_MEMORY_COHERENT, with FAULTMAP_CREATE_ON_DEMAND, or
 * on a kernel that does not let modules use apply_to_page_range(). ENOSPC: all buffers would
 * have more memory than the parameter max_total allows. EINTR: the caller is being
 * killed. E2BIG: an unknown member is not zero. EFAULT: bad address. ENOMEM, EMFILE,
 * ENFILE: as for open(2).
 */
#define FAULTMAP_CREATE		_IOW(FAULTMAP_IOC_MAGIC, 0, struct faultmap_create)

/**
 * define FAULTMAP_INFO - what the buffer behind a descriptor is
 *
 * EFAULT: bad address.
 */
#define FAULTMAP_INFO		_IOR(FAULTMAP_IOC_MAGIC, 1, struct faultmap_info)

/**
 * define FAULTMAP_STATS - a snapshot of the counters
 *
 * EFAULT: bad address.
 */
#define FAULTMAP_STATS		_IOR(FAULTMAP_IOC_MAGIC, 2, struct faultmap_stats)

/**
 * define FAULTMAP_STATS_RESET - count from zero again
 *
 * EBADF: the descriptor is not open for writing.
 */
#define FAULTMAP_STATS_RESET	_IO(FAULTMAP_IOC_MAGIC, 3)

/**
 * define FAULTMAP_RESIZE - change the size of the buffer
 *
 * What remains keeps its contents and its page frames; what is added reads as
 * zeroes, or as what is in a device's memory. When a buffer shrinks, the
 * translations beyond its new end vanish from every process before the memory is
 * freed, and a touch there raises SIGBUS. What a mapping of FAULTMAP_STRATEGY_EAGER
 * has lost does not come back when the buffer grows again; all other mappings then
 * show the new memory.
 *
 * EINVAL: @bytes is zero or no multiple of the page size, or @flags is not zero.
 * EFBIG: @bytes is more than a file can have, than the parameter max_size allows,
 * or than there is of a device's memory. ENOSPC: all buffers together would have
 * more memory than the parameter max_total allows. EBADF: the descriptor is not
 * open for writing. ENODEV: it is revoked, or the device is gone. ENOMEM: no memory
 * to grow. EINTR: the caller is being killed. The buffer is then as before.
 * E2BIG, EFAULT: as for FAULTMAP_CREATE.
 */
#define FAULTMAP_RESIZE		_IOW(FAULTMAP_IOC_MAGIC, 4, struct faultmap_resize)

/**
 * define FAULTMAP_REVOKE - cut off everyone who uses the buffer now
 *
 * Every mapping of the buffer in every process raises SIGBUS from then on, and
 * every descriptor opened before, the caller's included, fails with ENODEV on
 * mmap(2), read(2), write(2), ftruncate(2), RESIZE and REVOKE; INFO, STATS and
 * STATS_RESET still work. The contents stay: a node opened afterwards shows them, and
 * so does a private buffer that a holder of its descriptor opens by /proc/self/fd.
 *
 * EBADF: the descriptor is not open for writing. ENODEV: it is revoked already.
 * EINTR: the caller is being killed, and nothing was done.
 */
#define FAULTMAP_REVOKE		_IO(FAULTMAP_IOC_MAGIC, 5)

/**
 * define FAULTMAP_EXPORT - share the buffer with devices
 *
 * Returns a close-on-exec descriptor of a dma-buf. It has the size of the buffer at this
 * moment, and holds all of its pages until the last reference to it is gone; memory on
 * demand is allocated here. What a driver imports is always these pages. Neither
 * FAULTMAP_RESIZE nor FAULTMAP_REVOKE, nor closing the buffer, takes them away from it, or
 * makes an import fail, before or after: a buffer that shrinks has lost those behind its end,
 * as if they had been pinned by get_user_pages(), and shows others when it grows again; they
 * count for the parameter max_total until the dma-buf is gone.
 *
 * What user space maps by the descriptor is the buffer instead: mapped as its strategy says,
 * counted there, and cut off by FAULTMAP_RESIZE and FAULTMAP_REVOKE, after which mmap(2)
 * fails with ENXIO or ENODEV. A mapping neither reaches beyond the size of the dma-buf nor
 * grows, also where remap_file_pages(2) makes it.
 *
 * EINVAL: a member is not zero. EOPNOTSUPP: the memory is not of FAULTMAP_MEMORY_PAGES
 * or FAULTMAP_MEMORY_VMALLOC, whose pages alone can be held each by itself, or the kernel
 * has no dma-bufs. EBADF: the descriptor is not open for reading and writing. ENODEV: it is
 * revoked. EIO: memory of the buffer has failed. ENOMEM: there is not enough memory, or on
 * demand max_total allows no more. EINTR: the caller is being killed. EMFILE, ENFILE: as for
 * open(2).
 */
#define FAULTMAP_EXPORT		_IOW(FAULTMAP_IOC_MAGIC, 6, struct faultmap_export)

#endif /* _FAULTMAP_UAPI_H */

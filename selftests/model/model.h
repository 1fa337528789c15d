/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of faultmap in user space, and the operations that it foretells.
 *
 * Processes have an arena at the same address, where they map buffers. The model
 * knows every VMA there, which pages have translations, what each byte of memory
 * is, and what the driver must have counted. Nothing in it comes from the driver.
 */
#ifndef _MODEL_H
#define _MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "faultmap_uapi.h"

#define M_PAGE		4096UL
#define M_BASE		0x100000000000UL	/* of the arena */
#define M_PROCS		4
#define M_THREADS	2
#define M_FDS		8
#define M_VMAS		64			/* in one process, before mappings are refused */
#define M_DISK		32			/* pages of the disk for O_DIRECT */
#define M_IO		16			/* pages in one copy */
#define M_TABLE_ORDER	9
#define M_TABLE		(1UL << M_TABLE_ORDER)	/* pages that a page table maps */
#define M_COUNTERS	(sizeof(struct faultmap_stats) / sizeof(__u64))
#define M_MEMORIES	4			/* those that buffers can be made of */
#define M_NODES		5			/* those and a device's, which have nodes */
#define M_STRATEGIES	4
#define M_COHERENT	5		/* a kind of memory that is left to its own tests */

enum m_kind {
	M_NOP, M_CREATE, M_OPEN, M_CLOSE, M_DUP, M_TAKE,
	M_MMAP, M_MUNMAP, M_MPROTECT, M_MADVISE, M_MREMAP,
	M_READ, M_WRITE, M_LOOK, M_MARK,
	M_PREAD, M_PWRITE, M_SKIM, M_STAMP, M_COPY_IN, M_COPY_OUT,
	M_DIRECT_READ, M_DIRECT_WRITE,
	M_PEEK, M_POKE, M_MEM_READ, M_MEM_WRITE, M_VM_READV, M_VM_WRITEV,
	M_FORK, M_EXIT,
	M_REOPEN, M_TRUNCATE, M_RESIZE, M_REVOKE, M_STATS, M_RESET, M_INFO, M_REBIND,
	M_SHAKE, M_RUSH, M_REBIND_SEEN,
	M_TOGETHER, M_BARRIER,
	M_KINDS
};

/* Bits of struct m_op.flags */
#define M_PRIVATE	0x001
#define M_FIXED		0x002
#define M_NOREPLACE	0x004
#define M_POPULATE	0x008
#define M_MAYMOVE	0x010
#define M_DONTUNMAP	0x020
#define M_UNALIGNED	0x040
#define M_RDONLY	0x080
#define M_WRONLY	0x100
#define M_BATCHED	0x200
#define M_BADFLAG	0x400
#define M_KILL		0x800

/*
 * An operation: what a process is told to do. @at and @to are pages of the arena,
 * @n and @m numbers of pages, @pg a page of the buffer; @off and @len count bytes.
 */
struct m_op {
	uint32_t kind, proc, thread, peer;
	uint32_t fd, fd2, prot, flags;
	uint32_t at, n, to, m;
	uint64_t pg, off, len, stamp;
	uint32_t memory, strategy, order, window;
	int32_t advice;
};

/* What became of an operation. */
struct m_answer {
	int64_t ret;			/* value or -errno */
	int32_t sig;			/* that a touch raised */
	uint32_t stats_of;		/* descriptors whose @stats were read */
	uint64_t where;			/* address of that touch */
	uint64_t hash;			/* of the bytes seen */
	uint64_t first;			/* of those bytes */
	uint64_t worked, failed;	/* which pages did, for threads that touched them */
	struct faultmap_info info;
	struct faultmap_stats stats[M_FDS];
};

/* A count that may be undetermined within bounds. */
struct m_count {
	uint64_t lo, hi;
};

struct m_buffer {
	struct m_buffer *next;
	uint32_t refs, memory, order;
	uint64_t npages, max;		/* pages it has, and can have */
	uint32_t generation;
	bool is_node;
	bool gone;			/* with its device */
	uint8_t *bytes;			/* of the @max pages */
};

struct m_view {
	uint32_t refs, strategy, window, id;
	struct m_buffer *buffer;
	bool exact;			/* each fault maps one page */
	struct m_count count[M_COUNTERS];
};

struct m_file {
	uint32_t refs, generation;
	bool can_read, can_write;
	struct m_view *view;
};

/* Bits of struct m_vma.flags, as the kernel's of the same names. */
#define M_VM_READ	0x001
#define M_VM_WRITE	0x002
#define M_VM_SHARED	0x004
#define M_VM_MAYSHARE	0x008
#define M_VM_MAYWRITE	0x010
#define M_VM_DONTCOPY	0x020
#define M_VM_RAND_READ	0x040
#define M_VM_SEQ_READ	0x080
#define M_VM_HUGEPAGE	0x100
#define M_VM_NOHUGEPAGE	0x200
#define M_VM_ACCOUNT	0x400
#define M_VM_DONTDUMP	0x800
#define M_VM_MERGEABLE	0x1000
#define M_VM_MAYBE_GUARD	0x2000

struct m_vma {
	uint32_t start, end;		/* pages of the arena */
	uint32_t origin;		/* where its private copies began, if moved since */
	uint64_t pgoff;
	uint32_t flags;
	uint32_t anon;			/* which anon_vma; 0: none yet */
	bool forked;			/* it is not the only one in the chain */
	struct m_file *file;
};

enum m_state {
	M_NONE,				/* no translation */
	M_FILE,				/* one to the buffer's page */
	M_MAYBE,			/* possibly one to the buffer's page */
	M_ANON,				/* one to a private copy */
	M_GUARD,			/* none, and a touch is SIGSEGV */
};

struct m_page {
	uint8_t state;
	uint8_t *copy;
};

struct m_proc {
	bool live;
	uint32_t nvma;
	struct m_vma vma[M_VMAS + 8];
	struct m_page *page;
	struct m_file *fd[M_FDS];
};

/* What an episode is about; the rest comes from its operations. */
struct m_config {
	uint64_t seed;
	uint32_t ops;
	uint32_t memory, strategy;	/* of the buffers; M_ANY for all */
	uint32_t arena;			/* pages of it that are used */
	uint32_t pages;			/* the most that a buffer has */
	bool large;			/* folios, windows, huge mappings: bounds only */
	uint32_t fragment;		/* free blocks are of lower orders; 0: of any */
	int64_t until;			/* when to end it, by time(2); 0: never */
	bool print;			/* each operation, before it is done */
};

#define M_ANY		99

/* What is to follow an operation that was drawn: a look at every page of a buffer. */
struct m_plan {
	uint32_t left;			/* operations */
	uint32_t proc, fd, at;
};

struct m_world {
	struct m_config config;
	struct m_plan plan;
	int major, minor;		/* of the kernel */
	bool has_disk, can_rebind;
	uint32_t last_anon, last_view;
	struct m_proc proc[M_PROCS];
	struct m_buffer *buffers;
	struct m_view *node[M_NODES][M_STRATEGIES];
	uint8_t *disk;
	/* Between M_TOGETHER and M_BARRIER. */
	bool together;
};

/* What must become of an operation. */
struct m_want {
	int64_t ret;
	int32_t sig;
	bool has_hash, has_info, forks, exits, races;
	uint64_t where, hash, first;
	uint64_t always, never;		/* which pages threads can touch */
	struct faultmap_info info;
};

/* What an episode finds. */
struct m_host {
	int control, disk;
	int node_order;			/* -1: the nodes cannot be used */
	uint64_t device_pages;		/* 0: no device's memory can be used */
	bool can_rebind;		/* the driver to that device */
};

/* vma.c: the VMAs of a process. */
static inline bool m_since(const struct m_world *w, int major, int minor)
{
	return w->major > major || (w->major == major && w->minor >= minor);
}

bool m_supported(uint32_t memory, uint32_t strategy);
void m_add(struct m_view *view, size_t counter, uint64_t lo, uint64_t hi);
struct m_vma *m_find(struct m_proc *p, uint32_t page);
struct m_vma *m_first(struct m_proc *p, uint32_t page);
bool m_is_free(struct m_proc *p, uint32_t at, uint32_t n);
struct m_vma *m_new_vma(struct m_world *w, struct m_proc *p, uint32_t at, uint32_t n,
			const struct m_vma *like, bool *merged);
void m_unmap(struct m_world *w, struct m_proc *p, uint32_t at, uint32_t n);
void m_discard(struct m_world *w, struct m_proc *p, struct m_vma *v);
void m_modify(struct m_world *w, struct m_proc *p, struct m_vma *v,
	      uint32_t start, uint32_t end, uint32_t flags);
void m_extend(struct m_world *w, struct m_proc *p, struct m_vma *v, uint32_t end);
void m_move(struct m_world *w, struct m_proc *p, uint32_t at, uint32_t n,
	    uint32_t to, uint32_t m, bool keep);
void m_prepare_anon(struct m_world *w, struct m_proc *p, struct m_vma *v);
void m_fork(struct m_world *w, struct m_proc *parent, struct m_proc *child);
void m_exit(struct m_world *w, struct m_proc *p);

/* memory.c: buffers, files, pages and what is in them. */
struct m_view *m_view_create(struct m_world *w, struct m_buffer *buffer,
			     uint32_t strategy, uint32_t window);
struct m_buffer *m_buffer_create(struct m_world *w, uint32_t memory, uint64_t npages,
				 uint32_t order);
struct m_file *m_file_create(struct m_view *view, uint32_t flags);
void m_file_get(struct m_file *file);
void m_file_put(struct m_world *w, struct m_file *file);
void m_view_put(struct m_world *w, struct m_view *view);
void m_drop_page(struct m_page *page);
void m_zap_page(struct m_page *page);
void m_blur(struct m_proc *p, const struct m_vma *v);
void m_maybe_fault_in(struct m_proc *p, struct m_vma *v, uint32_t page);
uint32_t m_most_for_a_fault(const struct m_view *view);
int m_fault_in(struct m_world *w, struct m_proc *p, struct m_vma *v, uint32_t page,
	       bool write);
uint8_t *m_data(struct m_proc *p, struct m_vma *v, uint32_t page);
void m_zap(struct m_world *w, struct m_buffer *buffer, uint64_t from);
bool m_revoked(const struct m_file *file);
bool m_is_special(const struct m_vma *v);
bool m_shows_frames(const struct m_view *view);
bool m_is_frames(const struct m_vma *v);
bool m_is_cow(const struct m_vma *v);
bool m_is_device(const struct m_buffer *buffer);

/* *_ops.c: what operations do; false: not to be done. */
bool m_do_mapping(struct m_world *w, const struct m_op *op, struct m_want *want);
bool m_do_mremap(struct m_world *w, const struct m_op *op, struct m_want *want);
bool m_do_touch(struct m_world *w, const struct m_op *op, struct m_want *want);
bool m_do_file(struct m_world *w, const struct m_op *op, struct m_want *want);
bool m_do_race(struct m_world *w, const struct m_op *op, struct m_want *want);
void m_resize(struct m_world *w, struct m_view *view, uint64_t npages);
void m_revoke(struct m_world *w, struct m_view *view);
bool m_confined(struct m_world *w, const struct m_op *op);

/* world.c: all of it. */
struct m_world *m_world_create(const struct m_config *config, const struct m_host *host);
void m_world_free(struct m_world *w);
void m_rebind(struct m_world *w);
bool m_predict(struct m_world *w, const struct m_op *op, struct m_want *want);

/* random.c: chance. */
struct m_random {
	uint64_t s[4];
};

void m_seed(struct m_random *random, uint64_t seed);
uint64_t m_random(struct m_random *random);
uint64_t m_below(struct m_random *random, uint64_t n);
void m_draw_config(struct m_random *random, struct m_config *config);

/* generate.c: operations by chance. */
void m_generate(struct m_world *w, struct m_random *random, struct m_op *op);

/* script.c: operations as text. */
void m_print_op(FILE *file, const struct m_op *op);
void m_print_config(FILE *file, const struct m_config *config);
bool m_read_script(FILE *file, struct m_config *config, struct m_op **ops, size_t *n);
const char *m_kind_name(uint32_t kind);

/* run.c: an episode. */
struct m_failure {
	size_t at;			/* index of the operation */
	char text[2048];		/* expected against seen */
};

struct m_tally {
	uint64_t done, skipped, episodes, together;
	uint64_t kind[M_KINDS], nanoseconds[M_KINDS];
};

/* host.c: what an episode finds. */
void m_node_path(char *path, size_t size, uint32_t memory, uint32_t strategy);
bool m_open_host(struct m_host *host);
void m_reset_host(const struct m_host *host);
bool m_fragment(uint32_t fragment);
int m_rebind_device(void);
void m_close_host(struct m_host *host);

/* False: @failure tells why. @n: operations given, or made and done. */
bool m_run(const struct m_host *host, const struct m_config *config, struct m_op *ops,
	   size_t *n, bool generate, struct m_tally *tally, struct m_failure *failure);

/* shrink.c */
size_t m_shrink(const struct m_host *host, const struct m_config *config,
		struct m_op *ops, size_t n, struct m_failure *failure,
		unsigned int seconds);

#endif /* _MODEL_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of faultmap in user space. Processes have an arena at the same address,
 * where they map buffers. The model knows every VMA there, which pages have
 * translations, what each byte of memory is, and what the driver must have counted.
 * Nothing in it comes from the driver.
 */
#ifndef _MODEL_WORLD_H
#define _MODEL_WORLD_H

#include "host.h"
#include "op.h"

/* A count that may be undetermined within bounds. */
struct m_count {
	uint64_t lo, hi;
};

struct m_buffer {
	struct m_buffer *next;
	uint32_t refs, memory, order;
	uint64_t npages, max;		/* pages it has, and can have */
	uint32_t generation;
	bool is_node, on_demand;
	bool gone;			/* with its device */
	uint8_t *bytes;			/* of the @max pages */
};

struct m_view {
	uint32_t refs, strategy, window, id;
	struct m_buffer *buffer;
	bool batched;			/* eager by page tables and PMDs */
	bool exact;			/* each fault maps one page */
	struct m_count count[M_COUNTERS];
};

struct m_file {
	uint32_t refs, generation;
	bool can_read, can_write;
	uint64_t limit;			/* of a dma-buf, its size; else 0 */
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
#define M_VM_DONTEXPAND	0x4000			/* where frames do not imply it */

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

/* What is to follow an operation that was drawn: a look at every page of a buffer. */
struct m_plan {
	uint32_t left;			/* operations */
	uint32_t proc, fd, at;
};

struct m_world {
	struct m_config config;
	struct m_plan plan;
	int major, minor;		/* of the kernel */
	bool has_disk, can_rebind, has_thp;
	uint32_t last_anon, last_view;
	struct m_proc proc[M_PROCS];
	struct m_buffer *buffers;
	struct m_view *node[M_NODES][M_STRATEGIES];
	uint8_t *disk;
	/* Between M_TOGETHER and M_BARRIER. */
	bool together;
};

static inline bool m_since(const struct m_world *w, int major, int minor)
{
	return w->major > major || (w->major == major && w->minor >= minor);
}

/* memory.c: buffers, views and files, and what they count; pages. */
bool m_is_device(const struct m_buffer *buffer);
bool m_supported(uint32_t memory, uint32_t strategy);
bool m_has_window(uint32_t strategy);
struct m_buffer *m_buffer_create(struct m_world *w, uint32_t memory, uint64_t npages,
				 uint32_t order);
struct m_view *m_view_create(struct m_world *w, struct m_buffer *buffer,
			     uint32_t strategy, uint32_t window);
void m_view_batch(struct m_view *view);
void m_view_put(struct m_world *w, struct m_view *view);
void m_add(struct m_view *view, size_t counter, uint64_t lo, uint64_t hi);
bool m_shows_frames(const struct m_view *view);
bool m_loses_for_ever(const struct m_view *view);
uint32_t m_most_for_a_fault(const struct m_view *view);
struct m_file *m_file_create(struct m_view *view, uint32_t flags);
void m_file_get(struct m_file *file);
void m_file_put(struct m_world *w, struct m_file *file);
bool m_revoked(const struct m_file *file);
bool m_is_told(const struct m_vma *v);
bool m_is_special(const struct m_vma *v);
bool m_keeps_size(const struct m_vma *v);
bool m_is_frames(const struct m_vma *v);
bool m_is_cow(const struct m_vma *v);
void m_drop_page(struct m_page *page);
void m_zap_page(struct m_page *page);
void m_blur(struct m_proc *p, const struct m_vma *v);

/* vma.c: the VMAs of a process. */
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

/* fault.c: how pages get translations, and RESIZE and REVOKE take them away. */
uint8_t *m_data(struct m_proc *p, struct m_vma *v, uint32_t page);
void m_maybe_fault_in(struct m_proc *p, struct m_vma *v, uint32_t page);
int m_fault_in(struct m_world *w, struct m_proc *p, struct m_vma *v, uint32_t page,
	       bool write);
void m_zap(struct m_world *w, struct m_buffer *buffer, uint64_t from);
void m_resize(struct m_world *w, struct m_view *view, uint64_t npages);
void m_revoke(struct m_world *w, struct m_view *view);

/* world.c: all of it. */
struct m_world *m_world_create(const struct m_config *config, const struct m_host *host);
void m_world_free(struct m_world *w);
void m_rebind(struct m_world *w);

#endif /* _MODEL_WORLD_H */

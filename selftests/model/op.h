/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Operations: what processes are told to do, what becomes of it, and what an episode
 * of them is about.
 */
#ifndef _MODEL_OP_H
#define _MODEL_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "faultmap_uapi.h"

extern unsigned long m_page;		/* bytes, as the machine has it */
#define M_PAGE		m_page
#define M_PAGE_MOST	65536UL			/* the largest that there are */
#define M_BASE		0x100000000000UL	/* of the arena */
#define M_PROCS		4
#define M_THREADS	2
#define M_FDS		8
#define M_VMAS		64			/* in one process, before mappings are refused */
#define M_DISK		32			/* pages of the disk for O_DIRECT */
#define M_IO		16			/* pages in one copy */
#define M_TABLE		(M_PAGE / 8)		/* pages that a page table maps */
#define M_TABLE_ORDER	__builtin_ctzl(M_TABLE)
#define M_COUNTERS	(sizeof(struct faultmap_stats) / sizeof(__u64))
#define M_MEMORIES	4			/* those that buffers can be made of */
#define M_NODES		5			/* those and a device's, which have nodes */
#define M_STRATEGIES	4
#define M_ANY		99		/* of memories or strategies */
#define M_COHERENT	5		/* a kind of memory that is left to its own tests */

enum m_kind {
	M_NOP, M_CREATE, M_OPEN, M_CLOSE, M_DUP, M_TAKE,
	M_MMAP, M_MUNMAP, M_MPROTECT, M_MADVISE, M_MREMAP,
	M_READ, M_WRITE, M_LOOK, M_MARK,
	M_PREAD, M_PWRITE, M_SKIM, M_STAMP, M_COPY_IN, M_COPY_OUT,
	M_DIRECT_READ, M_DIRECT_WRITE,
	M_PEEK, M_POKE, M_MEM_READ, M_MEM_WRITE, M_VM_READV, M_VM_WRITEV,
	M_FORK, M_EXIT,
	M_REOPEN, M_EXPORT, M_TRUNCATE, M_RESIZE, M_REVOKE, M_STATS, M_RESET, M_INFO,
	M_REBIND,
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
#define M_ON_DEMAND	0x1000

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

/* script.c: operations as text. */
void m_print_op(FILE *file, const struct m_op *op);
void m_print_config(FILE *file, const struct m_config *config);
bool m_read_script(FILE *file, struct m_config *config, struct m_op **ops, size_t *n);
const char *m_kind_name(uint32_t kind);

#endif /* _MODEL_OP_H */

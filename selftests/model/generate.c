// SPDX-License-Identifier: GPL-2.0
/*
 * Operations by chance. What is drawn depends on the seed and the state of the
 * model alone; most of it makes sense there, some of it does not.
 */
#include <string.h>

#include "../advice.h"
#include "predict.h"

/* What an episode is about; memory and strategy are chosen already. */
void m_draw_config(struct m_random *random, struct m_config *config)
{
	config->arena = 96;
	config->pages = 16 + m_below(random, 48);
	if (config->large) {
		config->arena = 3072;
		config->pages = 512 + m_below(random, 1800);
		/* Some in a row, for it takes seconds to get there. */
		config->fragment = config->seed % 8 < 6 ? 0 :
				   1 + config->seed / 8 % M_TABLE_ORDER;
		if (config->fragment)
			config->pages = 512 + m_below(random, 800);
	}
}

static const struct {
	uint32_t kind, weight;
} weights[] = {
	{ M_READ, 150 }, { M_WRITE, 150 }, { M_LOOK, 50 }, { M_MARK, 20 },
	{ M_SKIM, 20 }, { M_STAMP, 30 }, { M_MMAP, 110 }, { M_MUNMAP, 45 },
	{ M_MPROTECT, 45 }, { M_MADVISE, 55 }, { M_MREMAP, 75 }, { M_PREAD, 40 },
	{ M_PWRITE, 40 }, { M_COPY_IN, 20 }, { M_COPY_OUT, 20 },
	{ M_DIRECT_READ, 8 }, { M_DIRECT_WRITE, 8 }, { M_PEEK, 4 }, { M_POKE, 4 },
	{ M_MEM_READ, 10 }, { M_MEM_WRITE, 10 }, { M_VM_READV, 10 },
	{ M_VM_WRITEV, 10 }, { M_RESIZE, 25 },
	{ M_TRUNCATE, 12 }, { M_REOPEN, 8 }, { M_REVOKE, 3 }, { M_STATS, 5 },
	{ M_RESET, 5 }, { M_INFO, 10 }, { M_CREATE, 14 }, { M_OPEN, 8 },
	{ M_CLOSE, 10 }, { M_DUP, 4 }, { M_TAKE, 12 }, { M_FORK, 6 }, { M_EXIT, 5 },
	{ M_REBIND, 2 }, { M_REBIND_SEEN, 2 }, { M_SHAKE, 8 }, { M_RUSH, 5 },
	{ M_TOGETHER, 4 },
};

/* True once in @n times. */
static bool once_in(struct m_random *random, uint32_t n)
{
	return !m_below(random, n);
}

static uint32_t draw_kind(struct m_random *random)
{
	uint32_t sum = 0, i, at;

	for (i = 0; i < sizeof(weights) / sizeof(*weights); i++)
		sum += weights[i].weight;
	at = m_below(random, sum);
	for (i = 0; at >= weights[i].weight; i++)
		at -= weights[i].weight;
	return weights[i].kind;
}

static uint32_t draw_proc(struct m_world *w, struct m_random *random)
{
	uint32_t proc;

	do {
		proc = m_below(random, M_PROCS);
	} while (!w->proc[proc].live);
	return proc;
}

/* Few pages mostly; in large worlds sometimes very many. */
static uint32_t draw_length(const struct m_world *w, struct m_random *random)
{
	if (w->config.large && once_in(random, 3))
		return 1 + m_below(random, w->config.arena / 2);
	return 1 + m_below(random, once_in(random, 4) ? w->config.arena / 3 : 8);
}

static const struct m_vma *draw_vma(struct m_world *w, struct m_random *random,
				    uint32_t proc)
{
	struct m_proc *p = &w->proc[proc];

	return p->nvma ? &p->vma[m_below(random, p->nvma)] : NULL;
}

/* So that a page table's worth of it can be mapped at once. */
static void align(const struct m_world *w, struct m_op *op)
{
	uint32_t at = (op->at & -M_TABLE) + op->pg % M_TABLE;

	if (at < w->config.arena)
		op->at = at;
}

/* A range of the arena: mostly one that has to do with a mapping there is. */
static void draw_range(struct m_world *w, struct m_random *random, uint32_t proc,
		       uint32_t *at, uint32_t *n)
{
	const struct m_vma *v = draw_vma(w, random, proc);

	*n = draw_length(w, random);
	*at = m_below(random, w->config.arena);
	if (v && !once_in(random, 5)) {
		*at = v->start + m_below(random, v->end - v->start);
		if (once_in(random, 3))
			*at = v->start;
		if (once_in(random, 3))
			*n = v->end - *at;
		else if (*n > v->end - *at && !once_in(random, 4))
			*n = 1 + m_below(random, v->end - *at);
	}
	if (*at + *n > w->config.arena)
		*n = w->config.arena - *at;
}

/* A descriptor, open and not revoked mostly, of this process. */
static uint32_t draw_fd(struct m_world *w, struct m_random *random, uint32_t proc)
{
	const struct m_file *file;
	uint32_t fd = 0, i;

	for (i = 0; i < 12; i++) {
		fd = m_below(random, M_FDS);
		file = w->proc[proc].fd[fd];
		if (file && (!m_revoked(file) || once_in(random, 6)))
			break;
	}
	return fd;
}

static uint32_t draw_free_fd(struct m_world *w, struct m_random *random, uint32_t proc)
{
	uint32_t fd = 0, i;

	for (i = 0; i < 12; i++) {
		fd = m_below(random, M_FDS);
		if (!w->proc[proc].fd[fd])
			break;
	}
	return fd;
}

/* Any number of pages; often, where there is room, those at which blocks end. */
static uint64_t draw_pages(struct m_world *w, struct m_random *random)
{
	uint64_t pages = 1 + m_below(random, w->config.pages), edge;

	if (!w->config.large || once_in(random, 2))
		return pages;
	edge = once_in(random, 3) ? 1UL << m_below(random, 12) :
	       M_TABLE * (1 + m_below(random, w->config.pages / M_TABLE));
	edge += m_below(random, 3) - 1;
	return edge && edge <= w->config.pages ? edge : pages;
}

static uint64_t draw_size(struct m_world *w, struct m_random *random)
{
	return draw_pages(w, random) * M_PAGE;
}

static void draw_create(struct m_world *w, struct m_random *random, struct m_op *op)
{
	bool wrong = once_in(random, 8);

	op->fd = draw_free_fd(w, random, op->proc);
	op->memory = w->config.memory == M_ANY ? m_below(random, M_MEMORIES) :
						 w->config.memory;
	/* Only pages come in blocks of all sizes. */
	if (w->config.large && once_in(random, 2))
		op->memory = FAULTMAP_MEMORY_PAGES;
	do {
		op->strategy = w->config.strategy == M_ANY ?
			       m_below(random, M_STRATEGIES) : w->config.strategy;
	} while (!wrong && !m_supported(op->memory, op->strategy));
	op->len = draw_size(w, random);
	if (op->strategy == FAULTMAP_STRATEGY_LAZY_PFN)
		op->window = w->config.large ?
			     (uint32_t[]){ 0, 1, 16, 512 }[m_below(random, 4)] : 1;
	if (op->memory == FAULTMAP_MEMORY_PAGES && w->config.large)
		op->order = once_in(random, 2) ? 9 : m_below(random, 11);
	if (op->strategy == FAULTMAP_STRATEGY_EAGER && once_in(random, 3))
		op->flags = M_BATCHED;
	if (!wrong)
		return;
	switch (m_below(random, 7)) {
	case 0:
		op->len += m_below(random, M_PAGE);
		break;
	case 1:
		op->len = 0;
		break;
	case 2:
		op->len = 1ULL << 63;
		break;
	case 3:
		op->window = 2 + m_below(random, 1000);
		break;
	case 4:
		op->order = 1 + m_below(random, 12);
		break;
	case 5:
		op->flags |= M_BADFLAG;
		break;
	case 6:
		op->memory = m_below(random, 7);
		op->strategy = m_below(random, 5);
		break;
	}
}

static void draw_open(struct m_world *w, struct m_random *random, struct m_op *op)
{
	op->fd = draw_free_fd(w, random, op->proc);
	op->memory = w->config.memory == M_ANY ? m_below(random, M_NODES) :
						 w->config.memory;
	op->strategy = m_below(random, M_STRATEGIES);
	/* Where nothing else is opened, most of it should allow everything. */
	if (once_in(random, w->config.memory == FAULTMAP_MEMORY_PHYS ? 10 : 3))
		op->flags = once_in(random, 4) ? M_WRONLY : M_RDONLY;
}

static void draw_mmap(struct m_world *w, struct m_random *random, struct m_op *op)
{
	struct m_proc *p = &w->proc[op->proc];
	const struct m_vma *v = draw_vma(w, random, op->proc);
	uint64_t size;

	op->fd = draw_fd(w, random, op->proc);
	size = p->fd[op->fd] ? p->fd[op->fd]->view->buffer->npages : 8;
	op->n = draw_length(w, random);
	op->at = m_below(random, w->config.arena);
	op->pg = m_below(random, size);
	if (w->config.large && !once_in(random, 3)) {
		/* All of it, or from some page table's first page on. */
		op->pg = once_in(random, 2) ? 0 : op->pg & -M_TABLE;
		op->n = size - op->pg;
	}
	if (op->n > size - op->pg && !once_in(random, 10))
		op->n = 1 + m_below(random, size - op->pg);
	if (w->config.large && !once_in(random, 3))
		align(w, op);
	/* Behind or before another, as if to continue it. */
	if (v && once_in(random, 3) && v->end < w->config.arena) {
		op->at = v->end;
		op->pg = v->pgoff + v->end - v->start;
	} else if (v && once_in(random, 4) && v->start >= op->n && v->pgoff >= op->n) {
		op->at = v->start - op->n;
		op->pg = v->pgoff - op->n;
	}
	if (op->at + op->n > w->config.arena)
		op->n = w->config.arena - op->at;
	op->prot = (uint32_t[]){ 3, 3, 3, 1, 0 }[m_below(random, 5)];
	op->flags = once_in(random, 4) ? M_PRIVATE : 0;
	op->flags |= once_in(random, 4) ? M_NOREPLACE : 0;
	op->flags |= once_in(random, 6) ? M_POPULATE : 0;
	op->flags |= once_in(random, 80) ? M_UNALIGNED : 0;
	if (once_in(random, 60))
		op->n = 0;
	if (once_in(random, 60))
		op->pg = (1ULL << 52) - 1 - m_below(random, 20);
}

static void draw_mremap(struct m_world *w, struct m_random *random, struct m_op *op)
{
	draw_range(w, random, op->proc, &op->at, &op->n);
	op->to = m_below(random, w->config.arena);
	op->m = once_in(random, 3) ? op->n : draw_length(w, random);
	if (once_in(random, 2))
		op->m = op->n + m_below(random, 6);
	op->flags = (uint32_t[]){ 0, M_MAYMOVE, M_MAYMOVE, M_MAYMOVE | M_FIXED,
				  M_MAYMOVE | M_FIXED }[m_below(random, 5)];
	if (op->flags & M_FIXED && once_in(random, 4)) {
		op->flags |= M_DONTUNMAP;
		op->m = once_in(random, 8) ? op->m : op->n;
	} else if (once_in(random, 8)) {
		op->n = 0;
	}
	/* To the end of what it continues, perhaps. */
	if (op->flags & M_FIXED && once_in(random, 3)) {
		const struct m_vma *v = draw_vma(w, random, op->proc);

		op->to = v ? v->end : op->to;
	}
	if (op->to + (op->m > op->n ? op->m : op->n) > w->config.arena)
		op->to = m_below(random, w->config.arena / 2);
	if (op->at + op->m > w->config.arena)
		op->m = w->config.arena - op->at;
	if (once_in(random, 60))
		op->flags ^= M_MAYMOVE;
	if (once_in(random, 80))
		op->flags |= M_UNALIGNED;
	if (once_in(random, 80))
		op->m = 0;
}

static void draw_advice(struct m_world *w, struct m_random *random, struct m_op *op)
{
	static const int advices[] = {
		MADV_DONTNEED, MADV_DONTNEED, MADV_DONTNEED, MADV_DONTNEED,
		MADV_WILLNEED, MADV_RANDOM, MADV_SEQUENTIAL, MADV_NORMAL,
		MADV_NORMAL, MADV_DONTFORK, MADV_DOFORK, MADV_DOFORK,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_FREE, MADV_COLD,
		MADV_POPULATE_READ, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
		MADV_POPULATE_WRITE, MADV_REMOVE, MADV_REMOVE, MADV_PAGEOUT,
		MADV_DONTDUMP, MADV_DODUMP, MADV_MERGEABLE, MADV_UNMERGEABLE,
		MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_DONTNEED_LOCKED,
		MADV_COLLAPSE, MADV_GUARD_INSTALL, MADV_GUARD_INSTALL,
		MADV_GUARD_REMOVE, MADV_GUARD_REMOVE, 99,
	};

	draw_range(w, random, op->proc, &op->at, &op->n);
	op->advice = advices[m_below(random, sizeof(advices) / sizeof(*advices))];
}

/* Bytes of one page, or of several. */
static void draw_bytes(struct m_random *random, struct m_op *op, uint32_t pages)
{
	op->len = M_PAGE;
	if (once_in(random, 4))
		op->len *= 1 + m_below(random, pages);
	if (once_in(random, 4)) {
		op->off = m_below(random, M_PAGE / 8) * 8;
		op->len = 8 * (1 + m_below(random, (M_PAGE - op->off) / 8));
	}
}

static void draw_touch(struct m_world *w, struct m_random *random, struct m_op *op,
		       uint32_t proc)
{
	uint32_t n;

	draw_range(w, random, proc, &op->at, &n);
	if (op->kind == M_LOOK || op->kind == M_MARK) {
		op->n = n;
		op->off = m_below(random, M_PAGE / 8) * 8;
	} else if (op->kind == M_READ || op->kind == M_WRITE) {
		draw_bytes(random, op, n < M_IO ? n : M_IO);
	} else if (op->kind == M_PEEK || op->kind == M_POKE) {
		op->off = m_below(random, M_PAGE / 8) * 8;
		op->len = 8;
	} else {
		op->off = m_below(random, M_PAGE);
		op->len = 1 + m_below(random, M_PAGE - op->off);
	}
}

static void draw_pread(struct m_world *w, struct m_random *random, struct m_op *op)
{
	const struct m_file *file;

	op->fd = draw_fd(w, random, op->proc);
	file = w->proc[op->proc].fd[op->fd];
	op->off = m_below(random, (file ? file->view->buffer->npages : 1) * M_PAGE + 100);
	op->len = 1 + m_below(random, 3 * M_PAGE);
	if (once_in(random, 2)) {
		op->off &= ~(M_PAGE - 1);
		op->len = M_PAGE;
	}
}

/* All pages, or as many as anything else. */
static void draw_skim(struct m_world *w, struct m_random *random, struct m_op *op)
{
	const struct m_file *file;
	uint64_t size;

	op->fd = draw_fd(w, random, op->proc);
	file = w->proc[op->proc].fd[op->fd];
	size = file ? file->view->buffer->npages : 1;
	op->off = m_below(random, M_PAGE / 8) * 8;
	op->n = size;
	if (once_in(random, 3)) {
		op->pg = m_below(random, size);
		op->n = draw_length(w, random);
	}
}

static void draw_copy(struct m_world *w, struct m_random *random, struct m_op *op)
{
	const struct m_file *file;

	draw_range(w, random, op->proc, &op->at, &op->n);
	op->n = op->n > 4 ? 1 + m_below(random, 4) : op->n;
	if (op->kind == M_DIRECT_READ || op->kind == M_DIRECT_WRITE) {
		op->pg = m_below(random, M_DISK - 4);
		return;
	}
	op->fd = draw_fd(w, random, op->proc);
	file = w->proc[op->proc].fd[op->fd];
	op->pg = m_below(random, (file ? file->view->buffer->npages : 1) + 1);
}

static void draw_resize(struct m_world *w, struct m_random *random, struct m_op *op)
{
	const struct m_file *file;

	op->fd = draw_fd(w, random, op->proc);
	file = w->proc[op->proc].fd[op->fd];
	op->len = draw_size(w, random);
	/* What it has in all, a page less or one too many. */
	if (file && m_is_device(file->view->buffer) && once_in(random, 4))
		op->len = (file->view->buffer->max - 1 + m_below(random, 3)) * M_PAGE;
	switch (m_below(random, 30)) {
	case 0:
		op->len += 1 + m_below(random, M_PAGE - 1);
		break;
	case 1:
		op->len = (uint64_t[]){ 0, 1ULL << 63, 1ULL << 40 }[m_below(random, 3)];
		break;
	case 2:
		op->flags = M_BADFLAG;
		break;
	}
}

/*
 * Whether every page shows its own bytes: each gets a word by write(2), and is looked
 * at through a mapping that may be in large pieces, and by read(2).
 */
static void plan_look(struct m_world *w, struct m_random *random, const struct m_op *op)
{
	w->plan = (struct m_plan){ .left = 4, .proc = op->proc, .fd = op->fd };
	w->plan.at = m_below(random, w->config.arena / M_TABLE) * M_TABLE;
}

static void draw_planned(struct m_world *w, struct m_random *random, struct m_op *op)
{
	static const uint32_t kinds[] = { M_SKIM, M_LOOK, M_MMAP, M_STAMP };
	const struct m_plan *plan = &w->plan;
	const struct m_file *file = w->proc[plan->proc].fd[plan->fd];

	op->kind = kinds[--w->plan.left];
	op->proc = plan->proc;
	op->n = file ? file->view->buffer->npages : 1;
	if (op->kind == M_MMAP || op->kind == M_LOOK) {
		op->at = plan->at;
		if (op->n > w->config.arena - op->at)
			op->n = w->config.arena - op->at;
	}
	if (op->kind != M_LOOK)
		op->fd = plan->fd;
	if (op->kind == M_MMAP) {
		op->prot = 3;
		op->flags = once_in(random, 6) ? M_PRIVATE : 0;
	}
}

/* A descriptor of the buffer that a mapping shows, to resize it. */
static void draw_shake(struct m_world *w, struct m_random *random, struct m_op *op)
{
	struct m_proc *p = &w->proc[op->proc];
	const struct m_vma *v = draw_vma(w, random, op->proc);
	uint64_t npages;
	uint32_t i;

	if (!v)
		return;
	for (i = 0; i < M_FDS; i++)
		if (p->fd[i] && p->fd[i]->view->buffer == v->file->view->buffer)
			op->fd = i;
	op->at = v->start;
	op->n = v->end - v->start;
	op->m = 1 + m_below(random, 4);
	op->prot = v->flags & M_VM_WRITE && once_in(random, 2) ? 2 : 0;
	npages = v->file->view->buffer->npages;
	/* At the end of a page table, a page more or less. */
	op->len = draw_size(w, random);
	if (once_in(random, 2) && npages % M_TABLE < 2)
		op->len = (npages - 1 + m_below(random, 3)) * M_PAGE;
	/* A device's memory has more pages than others. */
	if (m_is_device(v->file->view->buffer) && once_in(random, 2))
		op->len = v->file->view->buffer->max * M_PAGE;
}

static void draw_rush(struct m_world *w, struct m_random *random, struct m_op *op)
{
	const struct m_file *file;

	op->fd = draw_fd(w, random, op->proc);
	file = w->proc[op->proc].fd[op->fd];
	op->memory = file ? file->view->buffer->memory : 0;
	op->strategy = m_below(random, M_STRATEGIES);
	op->m = 1 + m_below(random, 8);
}

static void draw_rest(struct m_world *w, struct m_random *random, struct m_op *op)
{
	switch (op->kind) {
	case M_DUP:
		op->fd2 = draw_free_fd(w, random, op->proc);
		op->fd = draw_fd(w, random, op->proc);
		break;
	case M_REOPEN:
		op->fd2 = draw_free_fd(w, random, op->proc);
		op->fd = draw_fd(w, random, op->proc);
		if (once_in(random, 3))
			op->flags = once_in(random, 4) ? M_WRONLY : M_RDONLY;
		break;
	case M_TAKE:
		op->peer = draw_proc(w, random);
		op->fd = draw_fd(w, random, op->peer);
		op->fd2 = draw_free_fd(w, random, op->proc);
		break;
	case M_FORK:
		op->peer = m_below(random, M_PROCS);
		break;
	case M_EXIT:
		op->flags = once_in(random, 3) ? M_KILL : 0;
		break;
	case M_SHAKE:
		draw_shake(w, random, op);
		break;
	case M_RUSH:
		draw_rush(w, random, op);
		break;
	case M_REBIND_SEEN:
		op->m = 1 + m_below(random, 3);
		op->memory = FAULTMAP_MEMORY_PHYS;
		op->strategy = once_in(random, 2) ? FAULTMAP_STRATEGY_EAGER :
						    FAULTMAP_STRATEGY_LAZY_PFN;
		break;
	default:
		op->fd = draw_fd(w, random, op->proc);
	}
}

/* Or none of use: REVOKE cuts off those of a node in all processes at once. */
static bool has_no_fd(const struct m_proc *p)
{
	uint32_t i;

	for (i = 0; i < M_FDS && (!p->fd[i] || m_revoked(p->fd[i])); i++)
		;
	return i == M_FDS;
}

void m_generate(struct m_world *w, struct m_random *random, struct m_op *op)
{
	memset(op, 0, sizeof(*op));
	if (w->plan.left) {
		op->thread = m_below(random, M_THREADS);
		op->stamp = m_random(random) & 0xffffffffffff;
		draw_planned(w, random, op);
		return;
	}
	op->kind = draw_kind(random);
	if (w->together && once_in(random, 100))
		op->kind = M_BARRIER;
	op->proc = draw_proc(w, random);
	op->thread = m_below(random, M_THREADS);
	if (!w->together && has_no_fd(&w->proc[op->proc]) && once_in(random, 3))
		op->kind = (uint32_t[]){ M_CREATE, M_OPEN, M_TAKE }[m_below(random, 3)];
	/* A device's memory is not made, but for the error. */
	if (op->kind == M_CREATE && w->config.memory == FAULTMAP_MEMORY_PHYS &&
	    !once_in(random, 4))
		op->kind = M_OPEN;
	op->stamp = m_random(random) & 0xffffffffffff;
	switch (op->kind) {
	case M_CREATE:
		draw_create(w, random, op);
		break;
	case M_OPEN:
		draw_open(w, random, op);
		break;
	case M_MMAP:
		draw_mmap(w, random, op);
		break;
	case M_MUNMAP:
	case M_MPROTECT:
		draw_range(w, random, op->proc, &op->at, &op->n);
		op->prot = op->kind == M_MPROTECT ?
			   (uint32_t[]){ 3, 3, 1, 0 }[m_below(random, 4)] : 0;
		op->flags = once_in(random, 80) ? M_UNALIGNED : 0;
		break;
	case M_MADVISE:
		draw_advice(w, random, op);
		break;
	case M_MREMAP:
		draw_mremap(w, random, op);
		break;
	case M_READ ... M_MARK:
		draw_touch(w, random, op, op->proc);
		break;
	case M_PREAD:
	case M_PWRITE:
		draw_pread(w, random, op);
		break;
	case M_SKIM:
	case M_STAMP:
		draw_skim(w, random, op);
		break;
	case M_COPY_IN ... M_DIRECT_WRITE:
		draw_copy(w, random, op);
		break;
	case M_PEEK ... M_VM_WRITEV:
		op->peer = draw_proc(w, random);
		draw_touch(w, random, op, op->peer);
		break;
	case M_RESIZE:
	case M_TRUNCATE:
		draw_resize(w, random, op);
		break;
	default:
		draw_rest(w, random, op);
	}
	if (w->config.large && (op->kind == M_CREATE || op->kind == M_RESIZE ||
				op->kind == M_TRUNCATE) &&
	    once_in(random, 2))
		plan_look(w, random, op);
	if (w->together)
		op->thread = op->at / (w->config.arena / M_THREADS) % M_THREADS;
}

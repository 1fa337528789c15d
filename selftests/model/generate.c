// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations by chance. What is drawn depends on the seed and the state of the
 * model alone; most of it makes sense there, some of it does not.
 */
#include <string.h>

#include "draw.h"
#include "predict.h"

/* What an episode is about; memory and strategy are chosen already. */
void m_draw_config(struct m_random *random, struct m_config *config)
{
	config->arena = 96;
	config->pages = 16 + m_below(random, 48);
	if (config->large) {
		config->arena = 6 * M_TABLE;
		config->pages = M_TABLE + m_below(random, 1800);
		/* Some in a row, for it takes seconds to get there. */
		config->fragment = config->seed % 8 < 6 ? 0 :
				   1 + config->seed / 8 % M_TABLE_ORDER;
		if (config->fragment)
			config->pages = M_TABLE + m_below(random, 800);
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
	{ M_TRUNCATE, 12 }, { M_REOPEN, 8 }, { M_EXPORT, 10 }, { M_REVOKE, 3 }, { M_STATS, 5 },
	{ M_RESET, 5 }, { M_INFO, 10 }, { M_CREATE, 14 }, { M_OPEN, 8 },
	{ M_CLOSE, 10 }, { M_DUP, 4 }, { M_TAKE, 12 }, { M_FORK, 6 }, { M_EXIT, 5 },
	{ M_REBIND, 2 }, { M_REBIND_SEEN, 2 }, { M_SHAKE, 8 }, { M_RUSH, 5 },
	{ M_TOGETHER, 4 },
};

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

/* Bytes of one page, or of several. */
static void draw_bytes(struct m_random *random, struct m_op *op, uint32_t pages)
{
	op->len = M_PAGE;
	if (m_once_in(random, 4))
		op->len *= 1 + m_below(random, pages);
	if (m_once_in(random, 4)) {
		op->off = m_below(random, M_PAGE / 8) * 8;
		op->len = 8 * (1 + m_below(random, (M_PAGE - op->off) / 8));
	}
}

static void draw_touch(struct m_world *w, struct m_random *random, struct m_op *op,
		       uint32_t proc)
{
	uint32_t n;

	m_draw_range(w, random, proc, &op->at, &n);
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

static void draw_copy(struct m_world *w, struct m_random *random, struct m_op *op)
{
	const struct m_file *file;

	m_draw_range(w, random, op->proc, &op->at, &op->n);
	op->n = op->n > 4 ? 1 + m_below(random, 4) : op->n;
	if (op->kind == M_DIRECT_READ || op->kind == M_DIRECT_WRITE) {
		op->pg = m_below(random, M_DISK - 4);
		return;
	}
	op->fd = m_draw_fd(w, random, op->proc);
	file = w->proc[op->proc].fd[op->fd];
	op->pg = m_below(random, (file ? file->view->buffer->npages : 1) + 1);
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
		op->flags = m_once_in(random, 6) ? M_PRIVATE : 0;
	}
}

static void draw_rest(struct m_world *w, struct m_random *random, struct m_op *op)
{
	switch (op->kind) {
	case M_DUP:
		op->fd2 = m_draw_free_fd(w, random, op->proc);
		op->fd = m_draw_fd(w, random, op->proc);
		break;
	case M_REOPEN:
		op->fd2 = m_draw_free_fd(w, random, op->proc);
		op->fd = m_draw_fd(w, random, op->proc);
		if (m_once_in(random, 3))
			op->flags = m_once_in(random, 4) ? M_WRONLY : M_RDONLY;
		break;
	case M_EXPORT:
		op->fd2 = m_draw_free_fd(w, random, op->proc);
		op->fd = m_draw_fd(w, random, op->proc);
		op->flags = m_once_in(random, 20) ? M_BADFLAG : 0;
		break;
	case M_TAKE:
		op->peer = m_draw_proc(w, random);
		op->fd = m_draw_fd(w, random, op->peer);
		op->fd2 = m_draw_free_fd(w, random, op->proc);
		break;
	case M_FORK:
		op->peer = m_below(random, M_PROCS);
		break;
	case M_EXIT:
		op->flags = m_once_in(random, 3) ? M_KILL : 0;
		break;
	case M_SHAKE:
		m_draw_shake(w, random, op);
		break;
	case M_RUSH:
		m_draw_rush(w, random, op);
		break;
	case M_REBIND_SEEN:
		op->m = 1 + m_below(random, 3);
		op->memory = FAULTMAP_MEMORY_PHYS;
		op->strategy = m_once_in(random, 2) ? FAULTMAP_STRATEGY_EAGER :
						    FAULTMAP_STRATEGY_LAZY_PFN;
		break;
	default:
		op->fd = m_draw_fd(w, random, op->proc);
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
	if (w->together && m_once_in(random, 100))
		op->kind = M_BARRIER;
	op->proc = m_draw_proc(w, random);
	op->thread = m_below(random, M_THREADS);
	if (!w->together && has_no_fd(&w->proc[op->proc]) && m_once_in(random, 3))
		op->kind = (uint32_t[]){ M_CREATE, M_OPEN, M_TAKE }[m_below(random, 3)];
	/* A device's memory is not made, but for the error. */
	if (op->kind == M_CREATE && w->config.memory == FAULTMAP_MEMORY_PHYS &&
	    !m_once_in(random, 4))
		op->kind = M_OPEN;
	op->stamp = m_random(random) & 0xffffffffffff;
	switch (op->kind) {
	case M_CREATE:
		m_draw_create(w, random, op);
		break;
	case M_OPEN:
		m_draw_open(w, random, op);
		break;
	case M_MMAP:
		m_draw_mmap(w, random, op);
		break;
	case M_MUNMAP:
	case M_MPROTECT:
		m_draw_range(w, random, op->proc, &op->at, &op->n);
		op->prot = op->kind == M_MPROTECT ?
			   (uint32_t[]){ 3, 3, 1, 0 }[m_below(random, 4)] : 0;
		op->flags = m_once_in(random, 80) ? M_UNALIGNED : 0;
		break;
	case M_MADVISE:
		m_draw_advice(w, random, op);
		break;
	case M_MREMAP:
		m_draw_mremap(w, random, op);
		break;
	case M_READ ... M_MARK:
		draw_touch(w, random, op, op->proc);
		break;
	case M_PREAD:
	case M_PWRITE:
		m_draw_pread(w, random, op);
		break;
	case M_SKIM:
	case M_STAMP:
		m_draw_skim(w, random, op);
		break;
	case M_COPY_IN ... M_DIRECT_WRITE:
		draw_copy(w, random, op);
		break;
	case M_PEEK ... M_VM_WRITEV:
		op->peer = m_draw_proc(w, random);
		draw_touch(w, random, op, op->peer);
		break;
	case M_RESIZE:
	case M_TRUNCATE:
		m_draw_resize(w, random, op);
		break;
	default:
		draw_rest(w, random, op);
	}
	if (w->config.large && (op->kind == M_CREATE || op->kind == M_RESIZE ||
				op->kind == M_TRUNCATE) &&
	    m_once_in(random, 2))
		plan_look(w, random, op);
	if (w->together)
		op->thread = op->at / (w->config.arena / M_THREADS) % M_THREADS;
}

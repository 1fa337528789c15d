// SPDX-License-Identifier: GPL-2.0-only
/* What must become of an operation, and whether it may go on at this time. */
#include <string.h>

#include "../advice.h"
#include "predict.h"

/*
 * While threads run at the same time, each has a stripe of its process's arena, and
 * of the pages of every buffer: what they do is then the same in any order.
 */
static bool in_stripe(struct m_world *w, struct m_proc *p, const struct m_op *op,
		      uint32_t at, uint32_t n)
{
	uint32_t half = w->config.arena / M_THREADS;
	uint32_t start = op->thread * half, end = start + half;
	struct m_vma *v;

	if (at < start || (at == start && start) || at + n >= end)
		return false;
	/* What lies beside it may be merged with. */
	for (v = m_first(p, at ? at - 1 : 0);
	     v && v < p->vma + p->nvma && v->start <= at + n; v++)
		if (v->start < start || v->end > end ||
		    (v->start == start && start) || v->end == end)
			return false;
	return true;
}

static bool own_page(const struct m_op *op, uint64_t pgoff)
{
	return pgoff % (M_PROCS * M_THREADS) == op->proc * M_THREADS + op->thread;
}

static bool touch_confined(struct m_world *w, struct m_proc *p, const struct m_op *op)
{
	uint32_t half = w->config.arena / M_THREADS;
	struct m_vma *v = m_find(p, op->at);

	return op->at / half == op->thread && op->off + op->len <= M_PAGE &&
	       (!v || own_page(op, v->pgoff + op->at - v->start));
}

static bool populates(const struct m_op *op)
{
	return op->flags & M_POPULATE || op->advice == MADV_POPULATE_READ ||
	       op->advice == MADV_POPULATE_WRITE;
}

static bool is_confined(struct m_world *w, const struct m_op *op)
{
	struct m_proc *p = &w->proc[op->proc];
	uint32_t n = op->n > op->m ? op->n : op->m;

	switch (op->kind) {
	case M_BARRIER:
		return true;
	case M_READ:
	case M_WRITE:
		return touch_confined(w, p, op);
	case M_PREAD:
	case M_PWRITE:
		return op->off % M_PAGE + op->len <= M_PAGE &&
		       own_page(op, op->off / M_PAGE);
	case M_MMAP:
	case M_MADVISE:
	case M_MUNMAP:
	case M_MPROTECT:
	case M_MREMAP:
		return n && !populates(op) && in_stripe(w, p, op, op->at, n) &&
		       (op->kind != M_MREMAP || in_stripe(w, p, op, op->to, n));
	default:
		return false;
	}
}

/* Foretells an operation, and does it to the model; false: it is not to be done. */
bool m_predict(struct m_world *w, const struct m_op *op, struct m_want *want)
{
	bool together;

	memset(want, 0, sizeof(*want));
	if (op->kind == M_NOP || op->kind >= M_KINDS || op->proc >= M_PROCS ||
	    op->peer >= M_PROCS || op->thread >= M_THREADS || op->fd >= M_FDS ||
	    op->fd2 >= M_FDS || !w->proc[op->proc].live)
		return false;
	if (w->together && !is_confined(w, op))
		return false;
	switch (op->kind) {
	case M_TOGETHER:
		w->together = !w->config.large;
		return w->together;
	case M_BARRIER:
		together = w->together;
		w->together = false;
		return together;
	case M_MMAP ... M_MREMAP:
		return m_do_mapping(w, op, want);
	case M_SHAKE ... M_REBIND_SEEN:
		return m_do_race(w, op, want);
	case M_READ ... M_MARK:
	case M_COPY_IN ... M_VM_WRITEV:
		return m_do_touch(w, op, want);
	default:
		return m_do_file(w, op, want);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must become of operations that threads do at once: what they leave behind,
 * whatever their order was, and what none of them may see.
 */
#include <errno.h>
#include <string.h>

#include "predict.h"
#include "race.h"

#define COUNTER(name)	offsetof(struct faultmap_stats, name)

/* So many touches by threads, each refused, or a fault, or neither. */
static void maybe_touched(struct m_view *view, uint64_t touches, uint64_t pages)
{
	m_add(view, COUNTER(read_faults), 0, touches);
	m_add(view, COUNTER(write_faults), 0, touches);
	m_add(view, COUNTER(pages_installed), 0, touches * pages);
	m_add(view, COUNTER(sigbus), 0, touches);
	if (pages >= M_TABLE)
		m_add(view, COUNTER(huge_faults), 0, touches);
}

/* A mapping whose pages all can be touched as the operation does, now or later. */
static bool is_plain(struct m_proc *p, const struct m_vma *v, const struct m_op *op,
		     const struct m_buffer *buffer)
{
	uint32_t must = M_VM_READ | M_VM_SHARED | (op->prot & M_VM_WRITE), i;

	if (!v || op->at + op->n > v->end || (v->flags & must) != must ||
	    v->file->view->buffer != buffer)
		return false;
	for (i = op->at; i < op->at + op->n; i++)
		if (p->page[i].state == M_GUARD)
			return false;
	return true;
}

/* Which of the pages can be touched all the time, and which never. */
static void foretell(struct m_proc *p, const struct m_vma *v, const struct m_op *op,
		     uint64_t other, struct m_want *want)
{
	bool eager = m_loses_for_ever(v->file->view);
	uint64_t now = v->file->view->buffer->npages;
	uint64_t least = now < other ? now : other, most = now < other ? other : now;
	uint32_t pages[M_EDGES], n = m_edges(op, pages), i;

	want->races = true;
	for (i = 0; i < n; i++) {
		uint64_t pgoff = v->pgoff + pages[i] - v->start;
		bool mapped = p->page[pages[i]].state != M_NONE;

		if (eager ? !mapped : m_revoked(v->file) || pgoff >= most)
			want->never |= 1ULL << i;
		else if (pgoff < least)
			want->always |= 1ULL << i;
	}
}

static void touched(struct m_world *w, struct m_proc *p, struct m_vma *v,
		    const struct m_op *op)
{
	uint32_t pages[M_EDGES], n = m_edges(op, pages), i;

	if (!m_loses_for_ever(v->file->view))
		for (i = 0; i < n; i++)
			m_maybe_fault_in(p, v, pages[i]);
	maybe_touched(v->file->view, M_TOUCHERS * (M_TOUCHES + M_EDGES),
		      m_most_for_a_fault(v->file->view));
}

static bool do_shake(struct m_world *w, struct m_proc *p, const struct m_op *op,
		     struct m_want *want)
{
	struct m_file *file = p->fd[op->fd];
	struct m_vma *v = m_find(p, op->at);
	struct m_buffer *buffer;
	uint64_t had, npages = op->len / M_PAGE;
	uint32_t i;

	if (!file || !file->can_write || file->limit || m_revoked(file) || !op->n ||
	    !op->m || op->m > 8 || !npages || op->len % M_PAGE)
		return false;
	buffer = file->view->buffer;
	if (npages > buffer->max || !is_plain(p, v, op, buffer))
		return false;
	foretell(p, v, op, npages, want);
	had = buffer->npages;
	m_resize(w, file->view, npages);
	for (i = 1; i < op->m; i++) {
		m_resize(w, file->view, had);
		m_resize(w, file->view, npages);
	}
	touched(w, p, v, op);
	return true;
}

static bool do_rush(struct m_world *w, struct m_proc *p, const struct m_op *op)
{
	struct m_file *file = p->fd[op->fd];
	struct m_view *view;
	uint32_t i;

	if (!file || !file->can_write || file->limit || m_revoked(file) ||
	    op->memory >= M_NODES || op->strategy >= M_STRATEGIES || !op->m || op->m > 8)
		return false;
	view = w->node[op->memory][op->strategy];
	if (!view || view->buffer != file->view->buffer)
		return false;
	m_revoke(w, file->view);
	for (i = 1; i < op->m; i++)
		m_revoke(w, view);
	/* Each mapping is made, touched twice, and ended. */
	m_add(view, COUNTER(mmaps), 0, op->m * M_OPENS);
	if (op->strategy != FAULTMAP_STRATEGY_LAZY)
		m_add(view, COUNTER(closes), 0, op->m * M_OPENS);
	m_add(view, COUNTER(pages_installed), 0, op->m * M_OPENS);
	maybe_touched(view, 3 * op->m * M_OPENS, 1);
	return true;
}

/* Where it could be told only by those who have nothing of it, it is left alone. */
static bool do_rebind(struct m_world *w, const struct m_op *op)
{
	uint32_t i;

	if (!w->can_rebind || !op->m || op->m > 8 ||
	    op->memory != FAULTMAP_MEMORY_PHYS ||
	    (w->config.memory != M_ANY && w->config.memory != FAULTMAP_MEMORY_PHYS) ||
	    op->strategy >= M_STRATEGIES ||
	    !w->node[FAULTMAP_MEMORY_PHYS][op->strategy])
		return false;
	for (i = 0; i < op->m; i++)
		m_rebind(w);
	return true;
}

bool m_do_race(struct m_world *w, const struct m_op *op, struct m_want *want)
{
	struct m_proc *p = &w->proc[op->proc];

	switch (op->kind) {
	case M_SHAKE:
		return op->at + op->n <= w->config.arena && do_shake(w, p, op, want);
	case M_RUSH:
		return do_rush(w, p, op);
	default:
		return do_rebind(w, op);
	}
}

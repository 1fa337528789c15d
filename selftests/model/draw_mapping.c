// SPDX-License-Identifier: GPL-2.0-only
/* mmap(2), mremap(2) and madvise(2) by chance. */
#include "../advice.h"
#include "draw.h"

/* So that a page table's worth of it can be mapped at once. */
static void align(const struct m_world *w, struct m_op *op)
{
	uint32_t at = (op->at & -M_TABLE) + op->pg % M_TABLE;

	if (at < w->config.arena)
		op->at = at;
}

void m_draw_mmap(struct m_world *w, struct m_random *random, struct m_op *op)
{
	struct m_proc *p = &w->proc[op->proc];
	const struct m_vma *v = m_draw_vma(w, random, op->proc);
	uint64_t size;

	op->fd = m_draw_fd(w, random, op->proc);
	size = p->fd[op->fd] ? p->fd[op->fd]->view->buffer->npages : 8;
	op->n = m_draw_length(w, random);
	op->at = m_below(random, w->config.arena);
	op->pg = m_below(random, size);
	if (w->config.large && !m_once_in(random, 3)) {
		/* All of it, or from some page table's first page on. */
		op->pg = m_once_in(random, 2) ? 0 : op->pg & -M_TABLE;
		op->n = size - op->pg;
	}
	if (op->n > size - op->pg && !m_once_in(random, 10))
		op->n = 1 + m_below(random, size - op->pg);
	if (w->config.large && !m_once_in(random, 3))
		align(w, op);
	/* Behind or before another, as if to continue it. */
	if (v && m_once_in(random, 3) && v->end < w->config.arena) {
		op->at = v->end;
		op->pg = v->pgoff + v->end - v->start;
	} else if (v && m_once_in(random, 4) && v->start >= op->n && v->pgoff >= op->n) {
		op->at = v->start - op->n;
		op->pg = v->pgoff - op->n;
	}
	if (op->at + op->n > w->config.arena)
		op->n = w->config.arena - op->at;
	op->prot = (uint32_t[]){ 3, 3, 3, 1, 0 }[m_below(random, 5)];
	op->flags = m_once_in(random, 4) ? M_PRIVATE : 0;
	op->flags |= m_once_in(random, 4) ? M_NOREPLACE : 0;
	op->flags |= m_once_in(random, 6) ? M_POPULATE : 0;
	op->flags |= m_once_in(random, 80) ? M_UNALIGNED : 0;
	if (m_once_in(random, 60))
		op->n = 0;
	if (m_once_in(random, 60))
		op->pg = (1ULL << 52) - 1 - m_below(random, 20);
}

void m_draw_mremap(struct m_world *w, struct m_random *random, struct m_op *op)
{
	m_draw_range(w, random, op->proc, &op->at, &op->n);
	op->to = m_below(random, w->config.arena);
	op->m = m_once_in(random, 3) ? op->n : m_draw_length(w, random);
	if (m_once_in(random, 2))
		op->m = op->n + m_below(random, 6);
	op->flags = (uint32_t[]){ 0, M_MAYMOVE, M_MAYMOVE, M_MAYMOVE | M_FIXED,
				  M_MAYMOVE | M_FIXED }[m_below(random, 5)];
	if (op->flags & M_FIXED && m_once_in(random, 4)) {
		op->flags |= M_DONTUNMAP;
		op->m = m_once_in(random, 8) ? op->m : op->n;
	} else if (m_once_in(random, 8)) {
		op->n = 0;
	}
	/* To the end of what it continues, perhaps. */
	if (op->flags & M_FIXED && m_once_in(random, 3)) {
		const struct m_vma *v = m_draw_vma(w, random, op->proc);

		op->to = v ? v->end : op->to;
	}
	if (op->to + (op->m > op->n ? op->m : op->n) > w->config.arena)
		op->to = m_below(random, w->config.arena / 2);
	if (op->at + op->m > w->config.arena)
		op->m = w->config.arena - op->at;
	if (m_once_in(random, 60))
		op->flags ^= M_MAYMOVE;
	if (m_once_in(random, 80))
		op->flags |= M_UNALIGNED;
	if (m_once_in(random, 80))
		op->m = 0;
}

void m_draw_advice(struct m_world *w, struct m_random *random, struct m_op *op)
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

	m_draw_range(w, random, op->proc, &op->at, &op->n);
	op->advice = advices[m_below(random, sizeof(advices) / sizeof(*advices))];
}

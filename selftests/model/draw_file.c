// SPDX-License-Identifier: GPL-2.0-only
/* Descriptors by chance: how buffers are made, opened, read, resized and revoked. */
#include "draw.h"

void m_draw_create(struct m_world *w, struct m_random *random, struct m_op *op)
{
	bool wrong = m_once_in(random, 8);

	op->fd = m_draw_free_fd(w, random, op->proc);
	op->memory = w->config.memory == M_ANY ? m_below(random, M_MEMORIES) :
						 w->config.memory;
	/* Only pages come in blocks of all sizes. */
	if (w->config.large && m_once_in(random, 2))
		op->memory = FAULTMAP_MEMORY_PAGES;
	do {
		op->strategy = w->config.strategy == M_ANY ?
			       m_below(random, M_STRATEGIES) : w->config.strategy;
	} while (!wrong && !m_supported(op->memory, op->strategy));
	op->len = m_draw_size(w, random);
	if (m_has_window(op->strategy))
		op->window = w->config.large ?
			     (uint32_t[]){ 0, 1, 16, 512 }[m_below(random, 4)] : 1;
	if (op->memory == FAULTMAP_MEMORY_PAGES && w->config.large)
		op->order = m_once_in(random, 2) ? 9 : m_below(random, 11);
	if (op->strategy == FAULTMAP_STRATEGY_EAGER && m_once_in(random, 3))
		op->flags = M_BATCHED;
	else if (op->memory <= FAULTMAP_MEMORY_VMALLOC && m_once_in(random, 3))
		op->flags = M_ON_DEMAND;
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

void m_draw_open(struct m_world *w, struct m_random *random, struct m_op *op)
{
	op->fd = m_draw_free_fd(w, random, op->proc);
	op->memory = w->config.memory == M_ANY ? m_below(random, M_NODES) :
						 w->config.memory;
	op->strategy = m_below(random, M_STRATEGIES);
	/* Where nothing else is opened, most of it should allow everything. */
	if (m_once_in(random, w->config.memory == FAULTMAP_MEMORY_PHYS ? 10 : 3))
		op->flags = m_once_in(random, 4) ? M_WRONLY : M_RDONLY;
}

void m_draw_pread(struct m_world *w, struct m_random *random, struct m_op *op)
{
	const struct m_file *file;

	op->fd = m_draw_fd(w, random, op->proc);
	file = w->proc[op->proc].fd[op->fd];
	op->off = m_below(random, (file ? file->view->buffer->npages : 1) * M_PAGE + 100);
	op->len = 1 + m_below(random, 3 * M_PAGE);
	if (m_once_in(random, 2)) {
		op->off &= ~(M_PAGE - 1);
		op->len = M_PAGE;
	}
}

/* All pages, or as many as anything else. */
void m_draw_skim(struct m_world *w, struct m_random *random, struct m_op *op)
{
	const struct m_file *file;
	uint64_t size;

	op->fd = m_draw_fd(w, random, op->proc);
	file = w->proc[op->proc].fd[op->fd];
	size = file ? file->view->buffer->npages : 1;
	op->off = m_below(random, M_PAGE / 8) * 8;
	op->n = size;
	if (m_once_in(random, 3)) {
		op->pg = m_below(random, size);
		op->n = m_draw_length(w, random);
	}
}

void m_draw_resize(struct m_world *w, struct m_random *random, struct m_op *op)
{
	const struct m_file *file;

	op->fd = m_draw_fd(w, random, op->proc);
	file = w->proc[op->proc].fd[op->fd];
	op->len = m_draw_size(w, random);
	/* What it has in all, a page less or one too many. */
	if (file && m_is_device(file->view->buffer) && m_once_in(random, 4))
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

/* A descriptor of the buffer that a mapping shows, to resize it. */
void m_draw_shake(struct m_world *w, struct m_random *random, struct m_op *op)
{
	struct m_proc *p = &w->proc[op->proc];
	const struct m_vma *v = m_draw_vma(w, random, op->proc);
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
	op->prot = v->flags & M_VM_WRITE && m_once_in(random, 2) ? 2 : 0;
	npages = v->file->view->buffer->npages;
	/* At the end of a page table, a page more or less. */
	op->len = m_draw_size(w, random);
	if (m_once_in(random, 2) && npages % M_TABLE < 2)
		op->len = (npages - 1 + m_below(random, 3)) * M_PAGE;
	/* A device's memory has more pages than others. */
	if (m_is_device(v->file->view->buffer) && m_once_in(random, 2))
		op->len = v->file->view->buffer->max * M_PAGE;
}

void m_draw_rush(struct m_world *w, struct m_random *random, struct m_op *op)
{
	const struct m_file *file;

	op->fd = m_draw_fd(w, random, op->proc);
	file = w->proc[op->proc].fd[op->fd];
	op->memory = file ? file->view->buffer->memory : 0;
	op->strategy = m_below(random, M_STRATEGIES);
	op->m = 1 + m_below(random, 8);
}

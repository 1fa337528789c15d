// SPDX-License-Identifier: GPL-2.0
/* The whole of what is modelled, and what may go on in it at one time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "../advice.h"
#include "model.h"

static void add_nodes(struct m_world *w, uint32_t memory, uint64_t npages, uint32_t order)
{
	struct m_buffer *buffer;
	uint32_t i;

	buffer = m_buffer_create(w, memory, npages, order);
	buffer->is_node = true;
	for (i = 0; i < M_STRATEGIES; i++)
		if (m_supported(memory, i)) {
			w->node[memory][i] = m_view_create(w, buffer, i, 1);
			w->node[memory][i]->refs = 1;
		}
}

struct m_world *m_world_create(const struct m_config *config, const struct m_host *host)
{
	struct m_world *w = calloc(1, sizeof(*w));
	struct utsname uts;
	uint32_t i;

	w->config = *config;
	w->has_disk = host->disk >= 0;
	w->can_rebind = host->can_rebind;
	w->disk = calloc(M_DISK, M_PAGE);
	if (uname(&uts) || sscanf(uts.release, "%d.%d", &w->major, &w->minor) != 2)
		abort();
	for (i = 0; i < M_PROCS; i++)
		w->proc[i].page = calloc(2 * config->arena + 8, sizeof(struct m_page));
	for (i = 0; host->node_order >= 0 && i < M_MEMORIES; i++)
		add_nodes(w, i, 1, i ? 0 : host->node_order);
	if (host->device_pages)
		add_nodes(w, FAULTMAP_MEMORY_PHYS, host->device_pages, 0);
	w->proc[0].live = true;
	return w;
}

void m_world_free(struct m_world *w)
{
	struct m_buffer *buffer;
	uint32_t i;

	for (i = 0; i < M_PROCS; i++) {
		if (w->proc[i].live)
			m_exit(w, &w->proc[i]);
		free(w->proc[i].page);
	}
	for (i = 0; i < M_NODES * M_STRATEGIES; i++)
		free(w->node[i / M_STRATEGIES][i % M_STRATEGIES]);
	while ((buffer = w->buffers)) {
		w->buffers = buffer->next;
		free(buffer->bytes);
		free(buffer);
	}
	free(w->disk);
	free(w);
}

/* The device goes, for all who had it, and comes back with what was in it. */
void m_rebind(struct m_world *w)
{
	struct m_view **nodes = w->node[FAULTMAP_MEMORY_PHYS];
	struct m_buffer *old = nodes[FAULTMAP_STRATEGY_EAGER]->buffer, *new;
	struct m_view *gone[M_STRATEGIES];
	uint32_t i;

	m_zap(w, old, 0);
	old->generation++;
	old->gone = true;
	memcpy(gone, nodes, sizeof(gone));
	add_nodes(w, FAULTMAP_MEMORY_PHYS, old->max, 0);
	new = nodes[FAULTMAP_STRATEGY_EAGER]->buffer;
	memcpy(new->bytes, old->bytes, old->max * M_PAGE);
	for (i = 0; i < M_STRATEGIES; i++)
		if (gone[i])
			m_view_put(w, gone[i]);
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
	if (w->together && !m_confined(w, op))
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

bool m_confined(struct m_world *w, const struct m_op *op)
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

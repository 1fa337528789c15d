// SPDX-License-Identifier: GPL-2.0-only
/* How pages get their translations, by faults, and lose them, by RESIZE and REVOKE. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

uint8_t *m_data(struct m_proc *p, struct m_vma *v, uint32_t page)
{
	if (p->page[page].state == M_ANON)
		return p->page[page].copy;
	return v->file->view->buffer->bytes + (v->pgoff + page - v->start) * M_PAGE;
}

static bool reachable(const struct m_vma *v, uint32_t page)
{
	return !m_revoked(v->file) &&
	       v->pgoff + page - v->start < v->file->view->buffer->npages;
}

/* A fault may have mapped others around its page. */
static void blur_around(struct m_proc *p, struct m_vma *v, uint32_t page)
{
	uint32_t i;

	if (v->file->view->exact)
		return;
	for (i = page & ~(M_TABLE - 1); i < (page | (M_TABLE - 1)) + 1; i++)
		if (i >= v->start && i < v->end && reachable(v, i) &&
		    p->page[i].state == M_NONE)
			p->page[i].state = M_MAYBE;
}

/* Threads have touched a page, perhaps while it could not be. */
void m_maybe_fault_in(struct m_proc *p, struct m_vma *v, uint32_t page)
{
	if (!reachable(v, page))
		return;
	if (p->page[page].state == M_NONE)
		p->page[page].state = M_MAYBE;
	blur_around(p, v, page);
}

/* A fault that maps one page surely, and others around it possibly. */
static void fault(struct m_proc *p, struct m_vma *v, uint32_t page, bool write)
{
	struct m_view *view = v->file->view;
	uint32_t most = m_most_for_a_fault(view);
	bool sure = p->page[page].state == M_NONE;

	m_add(view, write ? offsetof(struct faultmap_stats, write_faults) :
			    offsetof(struct faultmap_stats, read_faults), sure, 1);
	m_add(view, offsetof(struct faultmap_stats, pages_installed), sure, most);
	if (most == M_TABLE)
		m_add(view, offsetof(struct faultmap_stats, huge_faults), 0, 1);
	blur_around(p, v, page);
}

static void copy_page(struct m_proc *p, struct m_vma *v, uint32_t page)
{
	uint8_t *copy = malloc(M_PAGE);

	memcpy(copy, m_data(p, v, page), M_PAGE);
	p->page[page].copy = copy;
	p->page[page].state = M_ANON;
}

static int refuse(struct m_vma *v)
{
	m_add(v->file->view, offsetof(struct faultmap_stats, sigbus), 1, 1);
	return SIGBUS;
}

static int fault_in_copy(struct m_world *w, struct m_proc *p, struct m_vma *v,
			 uint32_t page)
{
	uint8_t state;

	if (p->page[page].state == M_ANON)
		return 0;
	m_prepare_anon(w, p, v);
	/* For the copy of one page, what maps many at once is taken away first. */
	if (p->page[page].state == M_FILE)
		m_blur(p, v);
	state = p->page[page].state;
	if (state == M_NONE && !reachable(v, page))
		return refuse(v);
	if (state != M_FILE)
		fault(p, v, page, true);
	copy_page(p, v, page);
	return 0;
}

/*
 * Sees to it that a page can be read, or written, as its VMA allows; 0, or the
 * signal that a touch raises otherwise.
 */
int m_fault_in(struct m_world *w, struct m_proc *p, struct m_vma *v, uint32_t page,
	       bool write)
{
	uint8_t state = p->page[page].state;

	if (state == M_GUARD)
		return SIGSEGV;
	if (write && m_is_cow(v))
		return fault_in_copy(w, p, v, page);
	if (state == M_FILE || state == M_ANON)
		return 0;
	if (state == M_NONE && (m_loses_for_ever(v->file->view) || !reachable(v, page)))
		return refuse(v);
	fault(p, v, page, write);
	p->page[page].state = M_FILE;
	return 0;
}

static void zap_vma(struct m_proc *p, struct m_vma *v, uint64_t from)
{
	uint32_t i;

	m_blur(p, v);
	for (i = v->start; i < v->end; i++)
		if (v->pgoff + i - v->start >= from)
			m_zap_page(&p->page[i]);
}

/* Takes the translations of what lies behind @from from every process. */
void m_zap(struct m_world *w, struct m_buffer *buffer, uint64_t from)
{
	uint32_t i, j;

	for (i = 0; i < M_PROCS; i++)
		for (j = 0; w->proc[i].live && j < w->proc[i].nvma; j++)
			if (w->proc[i].vma[j].file->view->buffer == buffer)
				zap_vma(&w->proc[i], &w->proc[i].vma[j], from);
}

void m_resize(struct m_world *w, struct m_view *view, uint64_t npages)
{
	struct m_buffer *buffer = view->buffer;
	uint64_t had = buffer->npages;

	buffer->npages = npages;
	if (npages >= had)
		return;
	m_zap(w, buffer, npages);
	/* What is not shown of a device stays what it was. */
	if (!m_is_device(buffer))
		memset(buffer->bytes + npages * M_PAGE, 0, (had - npages) * M_PAGE);
	m_add(view, offsetof(struct faultmap_stats, zaps), 1, 1);
}

void m_revoke(struct m_world *w, struct m_view *view)
{
	view->buffer->generation++;
	m_zap(w, view->buffer, 0);
	m_add(view, offsetof(struct faultmap_stats, zaps), 1, 1);
}

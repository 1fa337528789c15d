// SPDX-License-Identifier: GPL-2.0
/* Buffers, views and files; pages, their translations and what is in them. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

bool m_is_device(const struct m_buffer *buffer)
{
	return buffer->memory == FAULTMAP_MEMORY_PHYS;
}

bool m_supported(uint32_t memory, uint32_t strategy)
{
	return memory == FAULTMAP_MEMORY_PAGES || memory == FAULTMAP_MEMORY_VMALLOC ||
	       strategy == FAULTMAP_STRATEGY_EAGER ||
	       strategy == FAULTMAP_STRATEGY_LAZY_PFN;
}

struct m_buffer *m_buffer_create(struct m_world *w, uint32_t memory, uint64_t npages,
				 uint32_t order)
{
	struct m_buffer *buffer = calloc(1, sizeof(*buffer));

	buffer->memory = memory;
	buffer->npages = npages;
	/* A device is shown whole at first, and does not grow. */
	buffer->max = m_is_device(buffer) ? npages : w->config.pages;
	buffer->order = order;
	buffer->bytes = calloc(buffer->max, M_PAGE);
	buffer->next = w->buffers;
	w->buffers = buffer;
	return buffer;
}

static void buffer_put(struct m_world *w, struct m_buffer *buffer)
{
	struct m_buffer **link = &w->buffers;

	if (--buffer->refs)
		return;
	while (*link != buffer)
		link = &(*link)->next;
	*link = buffer->next;
	free(buffer->bytes);
	free(buffer);
}

/* Whether the number of faults can be told, or how many pages each may map. */
static bool view_is_exact(const struct m_world *w, const struct m_view *view)
{
	if (view->strategy == FAULTMAP_STRATEGY_LAZY_PFN)
		return view->window == 1;
	if (view->strategy == FAULTMAP_STRATEGY_LAZY)
		return !view->buffer->order || !m_since(w, 6, 12);
	return true;
}

struct m_view *m_view_create(struct m_world *w, struct m_buffer *buffer,
			     uint32_t strategy, uint32_t window)
{
	struct m_view *view = calloc(1, sizeof(*view));

	view->buffer = buffer;
	view->strategy = strategy;
	view->window = window;
	view->id = ++w->last_view;
	view->exact = view_is_exact(w, view);
	buffer->refs++;
	return view;
}

struct m_file *m_file_create(struct m_view *view, uint32_t flags)
{
	struct m_file *file = calloc(1, sizeof(*file));

	file->refs = 1;
	file->view = view;
	file->generation = view->buffer->generation;
	file->can_read = !(flags & M_WRONLY);
	file->can_write = !(flags & M_RDONLY);
	view->refs++;
	return file;
}

void m_view_put(struct m_world *w, struct m_view *view)
{
	if (--view->refs)
		return;
	buffer_put(w, view->buffer);
	free(view);
}

void m_file_get(struct m_file *file)
{
	file->refs++;
}

void m_file_put(struct m_world *w, struct m_file *file)
{
	if (--file->refs)
		return;
	m_view_put(w, file->view);
	free(file);
}

bool m_revoked(const struct m_file *file)
{
	return file->generation != file->view->buffer->generation;
}

/* A VMA with flags of a driver's own, which never merges. */
bool m_is_special(const struct m_vma *v)
{
	return v->file->view->strategy != FAULTMAP_STRATEGY_LAZY;
}

/* Frames are mapped, and not pages. */
bool m_shows_frames(const struct m_view *view)
{
	return view->strategy == FAULTMAP_STRATEGY_EAGER ||
	       view->strategy == FAULTMAP_STRATEGY_LAZY_PFN;
}

bool m_is_frames(const struct m_vma *v)
{
	return m_shows_frames(v->file->view);
}

bool m_is_cow(const struct m_vma *v)
{
	return (v->flags & (M_VM_SHARED | M_VM_MAYWRITE)) == M_VM_MAYWRITE;
}

void m_drop_page(struct m_page *page)
{
	free(page->copy);
	*page = (struct m_page){ .state = M_NONE };
}

/* Guards stay until they are removed, or their VMA goes. */
void m_zap_page(struct m_page *page)
{
	if (page->state != M_GUARD)
		m_drop_page(page);
}

/* What is mapped in larger pieces may lose some of it when its VMA changes. */
void m_blur(struct m_proc *p, const struct m_vma *v)
{
	uint32_t i;

	if (v->file->view->exact)
		return;
	for (i = v->start; i < v->end; i++)
		if (p->page[i].state == M_FILE)
			p->page[i].state = M_MAYBE;
}

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

uint32_t m_most_for_a_fault(const struct m_view *view)
{
	if (view->strategy != FAULTMAP_STRATEGY_LAZY_PFN || view->window == 1)
		return 1;
	return view->window ? view->window : M_TABLE;
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
	if (state == M_NONE && (v->file->view->strategy == FAULTMAP_STRATEGY_EAGER ||
				!reachable(v, page)))
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

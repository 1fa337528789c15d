// SPDX-License-Identifier: GPL-2.0-only
/* Buffers, views and files, and what they count; pages and their translations. */
#include <stdlib.h>

#include "world.h"

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

bool m_has_window(uint32_t strategy)
{
	return strategy == FAULTMAP_STRATEGY_LAZY ||
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
	if (view->window != 1)
		return false;
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

/* It is mapped as a whole, by PMDs where they fit, and by faults where those were cut. */
void m_view_batch(struct m_view *view)
{
	view->batched = true;
	view->window = FAULTMAP_WINDOW_MAX;
	view->exact = false;
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

/* The driver knows of each of its VMAs. */
bool m_is_told(const struct m_vma *v)
{
	return v->file->view->strategy != FAULTMAP_STRATEGY_LAZY;
}

/* A VMA with flags of a driver's own, which never merges. */
bool m_is_special(const struct m_vma *v)
{
	return m_is_told(v) || v->flags & M_VM_DONTEXPAND;
}

bool m_keeps_size(const struct m_vma *v)
{
	return m_is_frames(v) || v->flags & M_VM_DONTEXPAND;
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

/* What has lost its translation does not come back by a fault. */
bool m_loses_for_ever(const struct m_view *view)
{
	return view->strategy == FAULTMAP_STRATEGY_EAGER && !view->batched;
}

uint32_t m_most_for_a_fault(const struct m_view *view)
{
	if (view->window == 1)
		return 1;
	return view->window && view->window < FAULTMAP_WINDOW_MAX ? view->window : M_TABLE;
}

void m_add(struct m_view *view, size_t counter, uint64_t lo, uint64_t hi)
{
	size_t i = counter / sizeof(__u64);

	view->count[i].lo += lo;
	view->count[i].hi += hi;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes, descriptors, sizes and ranges by chance: mostly those with which an
 * operation makes sense.
 */
#include "draw.h"

/* True once in @n times. */
bool m_once_in(struct m_random *random, uint32_t n)
{
	return !m_below(random, n);
}

uint32_t m_draw_proc(struct m_world *w, struct m_random *random)
{
	uint32_t proc;

	do {
		proc = m_below(random, M_PROCS);
	} while (!w->proc[proc].live);
	return proc;
}

/* Few pages mostly; in large worlds sometimes very many. */
uint32_t m_draw_length(const struct m_world *w, struct m_random *random)
{
	if (w->config.large && m_once_in(random, 3))
		return 1 + m_below(random, w->config.arena / 2);
	return 1 + m_below(random, m_once_in(random, 4) ? w->config.arena / 3 : 8);
}

const struct m_vma *m_draw_vma(struct m_world *w, struct m_random *random,
			       uint32_t proc)
{
	struct m_proc *p = &w->proc[proc];

	return p->nvma ? &p->vma[m_below(random, p->nvma)] : NULL;
}

/* A range of the arena: mostly one that has to do with a mapping there is. */
void m_draw_range(struct m_world *w, struct m_random *random, uint32_t proc,
		  uint32_t *at, uint32_t *n)
{
	const struct m_vma *v = m_draw_vma(w, random, proc);

	*n = m_draw_length(w, random);
	*at = m_below(random, w->config.arena);
	if (v && !m_once_in(random, 5)) {
		*at = v->start + m_below(random, v->end - v->start);
		if (m_once_in(random, 3))
			*at = v->start;
		if (m_once_in(random, 3))
			*n = v->end - *at;
		else if (*n > v->end - *at && !m_once_in(random, 4))
			*n = 1 + m_below(random, v->end - *at);
	}
	if (*at + *n > w->config.arena)
		*n = w->config.arena - *at;
}

/* A descriptor, open and not revoked mostly, of this process. */
uint32_t m_draw_fd(struct m_world *w, struct m_random *random, uint32_t proc)
{
	const struct m_file *file;
	uint32_t fd = 0, i;

	for (i = 0; i < 12; i++) {
		fd = m_below(random, M_FDS);
		file = w->proc[proc].fd[fd];
		if (file && (!m_revoked(file) || m_once_in(random, 6)))
			break;
	}
	return fd;
}

uint32_t m_draw_free_fd(struct m_world *w, struct m_random *random, uint32_t proc)
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

	if (!w->config.large || m_once_in(random, 2))
		return pages;
	edge = m_once_in(random, 3) ? 1UL << m_below(random, 12) :
	       M_TABLE * (1 + m_below(random, w->config.pages / M_TABLE));
	edge += m_below(random, 3) - 1;
	return edge && edge <= w->config.pages ? edge : pages;
}

uint64_t m_draw_size(struct m_world *w, struct m_random *random)
{
	return draw_pages(w, random) * M_PAGE;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMAs of a process: how they are split, merged, moved and inherited, and what
 * of that the driver is told, and counts.
 */
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define COUNT(v, name) \
	m_add((v)->file->view, offsetof(struct faultmap_stats, name), 1, 1)

/* The driver is told of it only where a mapping has to do with it as a whole. */
#define COUNT_TOLD(v, name) do { \
	if (m_is_told(v)) \
		COUNT(v, name); \
} while (0)

/* The first VMA that ends behind @page, or NULL. */
struct m_vma *m_first(struct m_proc *p, uint32_t page)
{
	uint32_t i;

	for (i = 0; i < p->nvma; i++)
		if (p->vma[i].end > page)
			return &p->vma[i];
	return NULL;
}

struct m_vma *m_find(struct m_proc *p, uint32_t page)
{
	struct m_vma *v = m_first(p, page);

	return v && v->start <= page ? v : NULL;
}

bool m_is_free(struct m_proc *p, uint32_t at, uint32_t n)
{
	struct m_vma *v = m_first(p, at);

	return !v || v->start >= at + n;
}

static struct m_vma *insert(struct m_proc *p, const struct m_vma *new)
{
	struct m_vma *v = m_first(p, new->start);
	uint32_t i = v ? v - p->vma : p->nvma;

	memmove(&p->vma[i + 1], &p->vma[i], (p->nvma - i) * sizeof(*v));
	p->vma[i] = *new;
	p->nvma++;
	m_file_get(new->file);
	return &p->vma[i];
}

static void erase(struct m_world *w, struct m_proc *p, struct m_vma *v)
{
	struct m_file *file = v->file;
	uint32_t i;

	for (i = v->start; i < v->end; i++)
		m_drop_page(&p->page[i]);
	memmove(v, v + 1, (p->vma + p->nvma - (v + 1)) * sizeof(*v));
	p->nvma--;
	m_file_put(w, file);
}

/* A VMA goes that the driver has refused: it is not told of its end. */
void m_discard(struct m_world *w, struct m_proc *p, struct m_vma *v)
{
	erase(w, p, v);
}

/* Returns the second part. */
static struct m_vma *split(struct m_proc *p, struct m_vma *v, uint32_t at)
{
	struct m_vma tail = *v;

	m_blur(p, v);
	tail.pgoff += at - v->start;
	tail.origin += at - v->start;
	tail.start = at;
	v->end = at;
	COUNT_TOLD(v, opens);
	return insert(p, &tail);
}

void m_unmap(struct m_world *w, struct m_proc *p, uint32_t at, uint32_t n)
{
	struct m_vma *v;

	while (n && (v = m_first(p, at)) && v->start < at + n) {
		if (v->start < at)
			v = split(p, v, at);
		if (v->end > at + n)
			v = split(p, v, at + n) - 1;
		COUNT_TOLD(v, closes);
		erase(w, p, v);
	}
}

/*
 * Whether @v can take pages of the anon_vma @anon in. Which two go together, and
 * whether one that was inherited may be added to, has changed.
 */
static bool anon_mergeable(const struct m_world *w, const struct m_vma *v,
			   uint32_t anon, bool forked)
{
	if (v->anon && !anon)
		return !v->forked;
	if (!v->anon && anon)
		return m_since(w, 6, 16) && !forked;
	return v->anon == anon;
}

/* Drivers' mappings with flags of their own do not merge; lazy ones are a file's. */
static bool mergeable(const struct m_world *w, const struct m_vma *v,
		      const struct m_vma *with)
{
	return !m_is_special(v) && v->file == with->file &&
	       !((v->flags ^ with->flags) & ~M_VM_MAYBE_GUARD) &&
	       anon_mergeable(w, v, with->anon, with->forked);
}

static bool continues(const struct m_vma *first, const struct m_vma *second)
{
	return first->end == second->start &&
	       first->pgoff + (first->end - first->start) == second->pgoff;
}

/* 7.3 finds private copies by the address that they were made for. */
static bool same_origin(const struct m_world *w, const struct m_vma *first,
			const struct m_vma *second)
{
	return !m_since(w, 7, 3) ||
	       first->origin + (first->end - first->start) == second->origin;
}

/* What a VMA has got with a part of another one. */
static void take_over(struct m_vma *v, const struct m_vma *from)
{
	v->flags |= from->flags & M_VM_MAYBE_GUARD;
	if (!v->anon && from->anon) {
		v->anon = from->anon;
		v->forked = from->forked;
	}
}

static struct m_vma *before(struct m_proc *p, uint32_t page)
{
	return page ? m_find(p, page - 1) : NULL;
}

/* Whether two VMAs between which a new one fits may become one with it. */
static bool anon_agree(const struct m_vma *prev, const struct m_vma *next)
{
	return !prev->anon || !next->anon || prev->anon == next->anon;
}

static bool extends(const struct m_world *w, const struct m_vma *prev,
		    const struct m_vma *v)
{
	return prev && continues(prev, v) && same_origin(w, prev, v) &&
	       mergeable(w, prev, v);
}

static bool precedes(const struct m_world *w, const struct m_vma *v,
		     const struct m_vma *next)
{
	return next && continues(v, next) && same_origin(w, v, next) &&
	       mergeable(w, next, v);
}

/* A VMA becomes part of the one before it, with its pages. */
static void swallow(struct m_world *w, struct m_proc *p, struct m_vma *prev,
		    struct m_vma *v)
{
	struct m_file *file = v->file;

	m_blur(p, prev);
	m_blur(p, v);
	prev->end = v->end;
	take_over(prev, v);
	memmove(v, v + 1, (p->vma + p->nvma - (v + 1)) * sizeof(*v));
	p->nvma--;
	m_file_put(w, file);
}

/* A VMA, like another one, where there is none; or a neighbour grows. */
struct m_vma *m_new_vma(struct m_world *w, struct m_proc *p, uint32_t at, uint32_t n,
			const struct m_vma *like, bool *merged)
{
	struct m_vma new = *like, *prev = before(p, at), *next = m_find(p, at + n);
	bool next_first;

	new.start = at;
	new.end = at + n;
	*merged = true;
	next_first = !m_since(w, 6, 12) && precedes(w, &new, next);
	if (next_first) {
		/* 6.1 looks behind first, and then whether what is before goes with it. */
		new.anon = next->anon;
		new.forked = next->forked;
	}
	if (extends(w, prev, &new)) {
		m_blur(p, prev);
		prev->end = new.end;
		take_over(prev, &new);
		if (next_first || (precedes(w, &new, next) && anon_agree(prev, next)))
			swallow(w, p, prev, next);
		return prev;
	}
	new.anon = like->anon;
	new.forked = like->forked;
	if (precedes(w, &new, next)) {
		m_blur(p, next);
		next->start = new.start;
		next->pgoff = new.pgoff;
		next->origin = new.origin;
		take_over(next, &new);
		return next;
	}
	*merged = false;
	return insert(p, &new);
}

/* All of a VMA becomes like its neighbours: the three are one. */
static bool join(struct m_world *w, struct m_proc *p, struct m_vma *v, uint32_t flags)
{
	struct m_vma all = *v, *prev = before(p, v->start), *next = m_find(p, v->end);
	bool left, right;

	all.flags = flags;
	left = extends(w, prev, &all);
	right = precedes(w, &all, next);
	if (!left && !right)
		return false;
	if (left && right && !anon_agree(prev, next))
		right = false;
	m_blur(p, v);
	v->flags = flags;
	if (right)
		swallow(w, p, v, next);
	if (left)
		swallow(w, p, prev, v);
	return true;
}

/*
 * A part of a VMA becomes one of its neighbour, if that is like it then: their
 * border moves, and the driver is not told.
 */
static bool shift(struct m_world *w, struct m_proc *p, struct m_vma *v,
		  uint32_t start, uint32_t end, uint32_t flags)
{
	bool left = start == v->start, right = end == v->end;
	struct m_vma part = *v, *prev = before(p, start), *next = m_find(p, end);

	part.start = start;
	part.end = end;
	part.pgoff += start - v->start;
	part.origin += start - v->start;
	part.flags = flags;
	if (left && right)
		return join(w, p, v, flags);
	if (left && extends(w, prev, &part)) {
		m_blur(p, prev);
		m_blur(p, v);
		prev->end = end;
		take_over(prev, v);
		v->pgoff += end - v->start;
		v->origin += end - v->start;
		v->start = end;
		return true;
	}
	if (right && precedes(w, &part, next)) {
		m_blur(p, next);
		m_blur(p, v);
		next->start = start;
		next->pgoff = part.pgoff;
		next->origin = part.origin;
		take_over(next, v);
		v->end = start;
		return true;
	}
	return false;
}

/* A VMA grows where nothing is, and may reach what continues it. */
void m_extend(struct m_world *w, struct m_proc *p, struct m_vma *v, uint32_t end)
{
	struct m_vma *next = m_find(p, end);

	m_blur(p, v);
	v->end = end;
	if (precedes(w, v, next) && anon_agree(v, next))
		swallow(w, p, v, next);
}

/* Gives a part of a VMA other flags. */
void m_modify(struct m_world *w, struct m_proc *p, struct m_vma *v,
	      uint32_t start, uint32_t end, uint32_t flags)
{
	if (v->flags == flags || shift(w, p, v, start, end, flags))
		return;
	if (v->start < start)
		v = split(p, v, start);
	if (v->end > end)
		v = split(p, v, end) - 1;
	m_blur(p, v);
	v->flags = flags;
}

static void move_pages(struct m_proc *p, uint32_t at, uint32_t n, uint32_t to)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		m_drop_page(&p->page[to + i]);
		p->page[to + i] = p->page[at + i];
		p->page[at + i] = (struct m_page){ .state = M_NONE };
	}
}

/*
 * mremap(2) of @n pages inside of a VMA to where @m are free; @keep: the old one
 * stays, without its translations.
 */
void m_move(struct m_world *w, struct m_proc *p, uint32_t at, uint32_t n,
	    uint32_t to, uint32_t m, bool keep)
{
	struct m_vma *v = m_find(p, at), *new;
	struct m_vma like = *v;
	bool merged;

	like.pgoff += at - v->start;
	like.origin = v->anon ? v->origin + at - v->start : to;
	m_blur(p, v);
	new = m_new_vma(w, p, to, m, &like, &merged);
	if (!merged)
		COUNT_TOLD(new, opens);
	COUNT(new, moves);
	move_pages(p, at, n, to);
	m_blur(p, new);
	v = m_find(p, at);
	if (!keep) {
		m_unmap(w, p, at, n);
	} else if (v->start == at && v->end == at + n) {
		v->anon = 0;
		v->forked = false;
	}
}

/* What two VMAs must have in common to share an anon_vma. */
static bool anon_compatible(const struct m_vma *first, const struct m_vma *second)
{
	return continues(first, second) && first->file == second->file &&
	       !((first->flags ^ second->flags) &
		 ~(M_VM_READ | M_VM_WRITE | M_VM_MAYBE_GUARD));
}

/* A page of a private mapping is about to be copied. */
void m_prepare_anon(struct m_world *w, struct m_proc *p, struct m_vma *v)
{
	struct m_vma *prev = before(p, v->start), *next = m_find(p, v->end);

	if (v->anon)
		return;
	v->forked = false;
	if (next && next->anon && !next->forked && anon_compatible(v, next))
		v->anon = next->anon;
	else if (prev && prev->anon && !prev->forked && anon_compatible(prev, v))
		v->anon = prev->anon;
	else
		v->anon = ++w->last_anon;
}

static void inherit_page(struct m_page *page, const struct m_page *from)
{
	*page = *from;
	if (from->copy) {
		page->copy = malloc(M_PAGE);
		memcpy(page->copy, from->copy, M_PAGE);
	}
}

/* Translations are copied where they could not be had again by a fault alone. */
static void inherit(struct m_world *w, struct m_proc *parent, struct m_proc *child,
		    const struct m_vma *from)
{
	struct m_vma *v = insert(child, from);
	uint32_t i;

	COUNT_TOLD(v, opens);
	if (m_is_told(v) || v->anon || v->flags & M_VM_MAYBE_GUARD)
		for (i = v->start; i < v->end; i++)
			inherit_page(&child->page[i], &parent->page[i]);
	m_blur(child, v);
	if (v->anon) {
		v->anon = ++w->last_anon;
		v->forked = true;
	}
}

void m_fork(struct m_world *w, struct m_proc *parent, struct m_proc *child)
{
	uint32_t i;

	child->live = true;
	for (i = 0; i < parent->nvma; i++)
		if (!(parent->vma[i].flags & M_VM_DONTCOPY))
			inherit(w, parent, child, &parent->vma[i]);
	for (i = 0; i < M_FDS; i++) {
		child->fd[i] = parent->fd[i];
		if (child->fd[i])
			m_file_get(child->fd[i]);
	}
}

void m_exit(struct m_world *w, struct m_proc *p)
{
	uint32_t i;

	while (p->nvma) {
		COUNT_TOLD(&p->vma[0], closes);
		erase(w, p, &p->vma[0]);
	}
	for (i = 0; i < M_FDS; i++) {
		if (p->fd[i])
			m_file_put(w, p->fd[i]);
		p->fd[i] = NULL;
	}
	p->live = false;
}

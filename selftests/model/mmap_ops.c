// SPDX-License-Identifier: GPL-2.0-only
/* What mmap(2), munmap(2), mprotect(2) and madvise(2) must do. */
#include <errno.h>

#include "../advice.h"
#include "predict.h"

static bool in_arena(const struct m_world *w, uint64_t at, uint64_t n)
{
	return at + n <= w->config.arena;
}

static uint32_t vm_flags(const struct m_op *op, const struct m_file *file)
{
	uint32_t flags = op->prot & (M_VM_READ | M_VM_WRITE);

	if (m_shows_frames(file->view))
		flags |= M_VM_DONTDUMP;
	if (file->limit)
		flags |= M_VM_DONTEXPAND;
	if (op->flags & M_PRIVATE)
		return flags | M_VM_MAYWRITE |
		       (flags & M_VM_WRITE ? M_VM_ACCOUNT : 0);
	flags |= M_VM_MAYSHARE;
	return file->can_write ? flags | M_VM_SHARED | M_VM_MAYWRITE : flags;
}

/* Of a regular file, offsets are loff_t; of a device, unsigned long. In pages. */
static uint64_t last_offset(const struct m_file *file)
{
	return file->view->buffer->is_node || file->limit ? (1ULL << 52) - 1 : (1ULL << 51) - 1;
}

/* Errors that are found before anything is unmapped. */
static int check_mmap(struct m_proc *p, const struct m_op *op)
{
	const struct m_file *file = p->fd[op->fd];

	if (!file)
		return -EBADF;
	if (!op->n || op->flags & M_UNALIGNED)
		return -EINVAL;
	if (op->flags & M_NOREPLACE && !m_is_free(p, op->at, op->n))
		return -EEXIST;
	if (op->pg > last_offset(file) - op->n)
		return -EOVERFLOW;
	if (!file->can_read || (!(op->flags & M_PRIVATE) &&
				op->prot & M_VM_WRITE && !file->can_write))
		return -EACCES;
	return 0;
}

static void fill_eagerly(struct m_proc *p, struct m_vma *v)
{
	struct m_view *view = v->file->view;
	uint32_t i;

	if (view->strategy != FAULTMAP_STRATEGY_EAGER &&
	    view->strategy != FAULTMAP_STRATEGY_EAGER_PAGE)
		return;
	for (i = v->start; i < v->end; i++)
		p->page[i].state = M_FILE;
	m_add(view, offsetof(struct faultmap_stats, pages_installed),
	      v->end - v->start, v->end - v->start);
}

/* What the driver is asked for a mapping that the kernel could not merge. */
static int driver_mmap(struct m_proc *p, struct m_vma *v)
{
	struct m_buffer *buffer = v->file->view->buffer;

	/* The core of dma-bufs looks first. */
	if (v->file->limit && v->pgoff + v->end - v->start > v->file->limit)
		return -EINVAL;
	if (m_is_frames(v) && m_is_cow(v))
		return -EINVAL;
	if (m_revoked(v->file))
		return -ENODEV;
	if (v->pgoff >= buffer->npages || v->end - v->start > buffer->npages - v->pgoff)
		return -ENXIO;
	fill_eagerly(p, v);
	m_add(v->file->view, offsetof(struct faultmap_stats, mmaps), 1, 1);
	return 0;
}

/*
 * Takes the pages of a VMA. The kernel tries a page again that it has failed at, but
 * for @first, where it began.
 */
static int take_pages(struct m_world *w, struct m_proc *p, struct m_vma *v,
		      uint32_t first, uint32_t at, uint32_t to, bool write)
{
	for (; at < to; at++) {
		if (!m_fault_in(w, p, v, at, write))
			continue;
		if (at > first)
			m_fault_in(w, p, v, at, write);
		return -EFAULT;
	}
	return 0;
}

/* MAP_POPULATE: takes the pages of a mapping, as far as there are any. */
static void populate(struct m_world *w, struct m_proc *p, uint32_t at, uint32_t n)
{
	struct m_vma *v = m_find(p, at);
	bool write = (v->flags & (M_VM_WRITE | M_VM_SHARED)) == M_VM_WRITE;

	if (m_is_frames(v) || !(v->flags & M_VM_READ))
		return;
	take_pages(w, p, v, at, at, at + n, write);
}

static bool do_mmap(struct m_world *w, struct m_proc *p, const struct m_op *op,
		    struct m_want *want)
{
	struct m_vma like = { .pgoff = op->pg, .origin = op->at }, *v;
	bool merged;

	want->ret = check_mmap(p, op);
	if (want->ret)
		return true;
	like.file = p->fd[op->fd];
	like.flags = vm_flags(op, like.file);
	m_unmap(w, p, op->at, op->n);
	v = m_new_vma(w, p, op->at, op->n, &like, &merged);
	if (!merged)
		want->ret = driver_mmap(p, v);
	if (want->ret)
		m_discard(w, p, v);
	else if (op->flags & M_POPULATE)
		populate(w, p, op->at, op->n);
	return true;
}

static bool do_munmap(struct m_world *w, struct m_proc *p, const struct m_op *op,
		      struct m_want *want)
{
	if (!op->n || op->flags & M_UNALIGNED)
		want->ret = -EINVAL;
	else
		m_unmap(w, p, op->at, op->n);
	return true;
}

/* VMA by VMA, up to the first that refuses or is missing. */
static bool do_mprotect(struct m_world *w, struct m_proc *p, const struct m_op *op,
			struct m_want *want)
{
	uint32_t at = op->at, end = op->at + op->n, to, flags;
	struct m_vma *v;

	if (op->flags & M_UNALIGNED)
		want->ret = -EINVAL;
	while (!want->ret && at < end) {
		v = m_find(p, at);
		if (!v) {
			want->ret = -ENOMEM;
			break;
		}
		if (op->prot & M_VM_WRITE && !(v->flags & M_VM_MAYWRITE)) {
			want->ret = -EACCES;
			break;
		}
		flags = (v->flags & ~(M_VM_READ | M_VM_WRITE)) | op->prot;
		if (op->prot & M_VM_WRITE && !(v->flags & (M_VM_SHARED | M_VM_WRITE)))
			flags |= M_VM_ACCOUNT;
		to = v->end < end ? v->end : end;
		m_modify(w, p, v, at, to, flags);
		at = to;
	}
	return true;
}

static int advise_flags(const struct m_world *w, const struct m_vma *v,
			int advice, uint32_t *flags)
{
	switch (advice) {
	case MADV_NORMAL:
		*flags &= ~(M_VM_RAND_READ | M_VM_SEQ_READ);
		return 0;
	case MADV_RANDOM:
		*flags = (*flags & ~M_VM_SEQ_READ) | M_VM_RAND_READ;
		return 0;
	case MADV_SEQUENTIAL:
		*flags = (*flags & ~M_VM_RAND_READ) | M_VM_SEQ_READ;
		return 0;
	case MADV_DONTFORK:
		*flags |= M_VM_DONTCOPY;
		return 0;
	case MADV_DOFORK:
		if (m_since(w, 7, 0) ? m_is_special(v) : m_is_frames(v))
			return -EINVAL;
		*flags &= ~M_VM_DONTCOPY;
		return 0;
	case MADV_DONTDUMP:
		*flags |= M_VM_DONTDUMP;
		return 0;
	case MADV_DODUMP:
		if (m_is_special(v))
			return -EINVAL;
		*flags &= ~M_VM_DONTDUMP;
		return 0;
	case MADV_MERGEABLE:
		if (!m_is_special(v) && !(v->flags & M_VM_MAYSHARE))
			*flags |= M_VM_MERGEABLE;
		return 0;
	case MADV_UNMERGEABLE:
		*flags &= ~M_VM_MERGEABLE;
		return 0;
	case MADV_HUGEPAGE:
		*flags = (*flags & ~M_VM_NOHUGEPAGE) | M_VM_HUGEPAGE;
		return 0;
	case MADV_NOHUGEPAGE:
		*flags = (*flags & ~M_VM_HUGEPAGE) | M_VM_NOHUGEPAGE;
		return 0;
	}
	return 1;
}

static int advise_populate(struct m_world *w, struct m_proc *p, struct m_vma *v,
			   uint32_t first, uint32_t at, uint32_t to, bool write)
{
	if (m_is_frames(v) || !(v->flags & (write ? M_VM_WRITE : M_VM_READ)))
		return -EINVAL;
	/* Each VMA was begun anew. */
	if (!m_since(w, 6, 12))
		first = at;
	return take_pages(w, p, v, first, at, to, write);
}

/* No hole can be punched into a device, nor into our files; but may it be written? */
static int advise_remove(const struct m_vma *v)
{
	uint32_t must = M_VM_SHARED | M_VM_MAYWRITE;

	if ((v->flags & must) != must)
		return -EACCES;
	return v->file->view->buffer->is_node ? -ENODEV : -EOPNOTSUPP;
}

static int advise_dontneed(struct m_proc *p, struct m_vma *v, uint32_t at, uint32_t to)
{
	if (m_is_frames(v))
		return -EINVAL;
	m_blur(p, v);
	for (; at < to; at++)
		m_zap_page(&p->page[at]);
	return 0;
}

/* Mappings of files do since 6.15. */
static bool takes_guards(const struct m_world *w, const struct m_vma *v)
{
	return m_since(w, 6, 15) && !m_is_special(v);
}

static int install_guards(const struct m_world *w, struct m_proc *p, struct m_vma *v,
			  uint32_t at, uint32_t to)
{
	if (!takes_guards(w, v))
		return -EINVAL;
	v->flags |= M_VM_MAYBE_GUARD;
	m_blur(p, v);
	for (; at < to; at++) {
		m_drop_page(&p->page[at]);
		p->page[at].state = M_GUARD;
	}
	return 0;
}

static int remove_guards(const struct m_world *w, struct m_proc *p, struct m_vma *v,
			 uint32_t at, uint32_t to)
{
	if (!takes_guards(w, v))
		return -EINVAL;
	for (; at < to; at++)
		if (p->page[at].state == M_GUARD)
			p->page[at].state = M_NONE;
	return 0;
}

static int advise(struct m_world *w, struct m_proc *p, struct m_vma *v,
		  uint32_t first, uint32_t at, uint32_t to, int advice)
{
	uint32_t flags = v->flags;
	int ret = advise_flags(w, v, advice, &flags);

	if (ret <= 0) {
		if (!ret)
			m_modify(w, p, v, at, to, flags);
		return ret;
	}
	switch (advice) {
	case MADV_WILLNEED:
	case MADV_KEEPONFORK:
		return 0;
	case MADV_FREE:
	case MADV_WIPEONFORK:
	case MADV_COLLAPSE:
		return -EINVAL;
	case MADV_GUARD_INSTALL:
		return install_guards(w, p, v, at, to);
	case MADV_GUARD_REMOVE:
		return remove_guards(w, p, v, at, to);
	case MADV_COLD:
	case MADV_PAGEOUT:
		return m_is_frames(v) ? -EINVAL : 0;
	case MADV_REMOVE:
		return advise_remove(v);
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
		return advise_dontneed(p, v, at, to);
	default:
		return advise_populate(w, p, v, first, at, to,
				       advice == MADV_POPULATE_WRITE);
	}
}

static bool is_advice(const struct m_world *w, int advice)
{
	if (advice == MADV_HUGEPAGE || advice == MADV_NOHUGEPAGE || advice == MADV_COLLAPSE)
		return w->has_thp;
	return (advice >= MADV_NORMAL && advice <= MADV_DONTNEED) ||
	       (advice >= MADV_FREE && advice <= MADV_COLLAPSE) ||
	       ((advice == MADV_GUARD_INSTALL || advice == MADV_GUARD_REMOVE) &&
		m_since(w, 6, 13));
}

/* Holes are passed over and reported in the end, but lately for who populates. */
static bool do_madvise(struct m_world *w, struct m_proc *p, const struct m_op *op,
		       struct m_want *want)
{
	bool populates = m_since(w, 6, 12) && (op->advice == MADV_POPULATE_READ ||
					       op->advice == MADV_POPULATE_WRITE);
	uint32_t at = op->at, end = op->at + op->n, to;
	int missing = 0;
	struct m_vma *v;

	if (!is_advice(w, op->advice) || op->flags & M_UNALIGNED) {
		want->ret = -EINVAL;
		return true;
	}
	while (at < end && !want->ret) {
		v = m_first(p, at);
		if (!v || v->start > at)
			missing = -ENOMEM;
		if (missing && populates)
			break;
		if (!v || v->start >= end)
			break;
		if (v->start > at)
			at = v->start;
		to = v->end < end ? v->end : end;
		want->ret = advise(w, p, v, op->at, at, to, op->advice);
		at = to;
	}
	if (!want->ret)
		want->ret = missing;
	return true;
}

bool m_do_mapping(struct m_world *w, const struct m_op *op, struct m_want *want)
{
	struct m_proc *p = &w->proc[op->proc];

	if (!in_arena(w, op->at, op->n > op->m ? op->n : op->m) ||
	    !in_arena(w, op->to, op->n > op->m ? op->n : op->m) || p->nvma + 4 > M_VMAS)
		return false;
	switch (op->kind) {
	case M_MMAP:
		return do_mmap(w, p, op, want);
	case M_MUNMAP:
		return do_munmap(w, p, op, want);
	case M_MPROTECT:
		return do_mprotect(w, p, op, want);
	case M_MADVISE:
		return do_madvise(w, p, op, want);
	default:
		return m_do_mremap(w, op, want);
	}
}

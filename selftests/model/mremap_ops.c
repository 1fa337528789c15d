// SPDX-License-Identifier: GPL-2.0-only
/* What mremap(2) must do, in each of its forms. */
#include <errno.h>

#include "predict.h"

/* Whether a part of a VMA may become another of @m pages, elsewhere or here. */
static int check_resize(struct m_proc *p, uint32_t at, uint32_t n, uint32_t m,
			uint32_t flags)
{
	struct m_vma *v = m_find(p, at);

	if (!v)
		return -EFAULT;
	if (flags & M_DONTUNMAP && m_keeps_size(v))
		return -EINVAL;
	if (n > v->end - at)
		return -EFAULT;
	return n != m && m_keeps_size(v) ? -EFAULT : 0;
}

static int move_one(struct m_world *w, struct m_proc *p, uint32_t at, uint32_t n,
		    uint32_t to, uint32_t m, uint32_t flags)
{
	uint32_t left = n > m ? m : n;
	int ret;

	if (m_since(w, 7, 0)) {
		ret = check_resize(p, at, left, m, flags);
		if (ret)
			return ret;
	}
	m_unmap(w, p, to, m);
	if (n > m)
		m_unmap(w, p, at + m, n - m);
	ret = check_resize(p, at, left, m, flags);
	if (!ret)
		m_move(w, p, at, left, to, m, flags & M_DONTUNMAP);
	return ret;
}

/*
 * Later kernels move several VMAs in one call, but only where they know what chooses
 * the address: not by a function of the driver's.
 */
static int move_all(struct m_world *w, struct m_proc *p, uint32_t at, uint32_t n,
		    uint32_t to, uint32_t flags)
{
	struct m_vma *v = m_first(p, at);

	if (!v || v->start > at || v->end < at + n)
		return -EFAULT;
	return move_one(w, p, at, n, to, n, flags);
}

static int move_fixed(struct m_world *w, struct m_proc *p, uint32_t at, uint32_t n,
		      uint32_t to, uint32_t m, uint32_t flags)
{
	if (at + n > to && to + m > at)
		return -EINVAL;
	if (n == m && m_since(w, 7, 0))
		return move_all(w, p, at, n, to, flags);
	return move_one(w, p, at, n, to, m, flags);
}

/* To a place of the kernel's choice, and from there to where we can see it. */
static int move_away(struct m_world *w, struct m_proc *p, const struct m_op *op)
{
	uint32_t away = w->config.arena + 8;

	m_move(w, p, op->at, op->n, away, op->m, false);
	return move_fixed(w, p, away, op->m, op->to, op->m, M_MAYMOVE | M_FIXED);
}

static int grow(struct m_world *w, struct m_proc *p, const struct m_op *op)
{
	int ret = check_resize(p, op->at, op->n, op->m, op->flags);
	struct m_vma *v = m_find(p, op->at);

	if (ret)
		return ret;
	if (op->n == v->end - op->at && m_is_free(p, v->end, op->m - op->n)) {
		if (m_is_special(v) && m_since(w, 6, 12))
			return -ENOMEM;
		m_extend(w, p, v, v->end + op->m - op->n);
		return 0;
	}
	return op->flags & M_MAYMOVE ? move_away(w, p, op) : -ENOMEM;
}

bool m_do_mremap(struct m_world *w, const struct m_op *op, struct m_want *want)
{
	struct m_proc *p = &w->proc[op->proc];
	uint32_t flags = op->flags;
	struct m_vma *v = m_find(p, op->at);

	/* The kernel logs that it is asked to. */
	if (v && !op->n && !(v->flags & M_VM_MAYSHARE))
		return false;
	if (flags & M_UNALIGNED || !op->m || (flags & M_FIXED && !(flags & M_MAYMOVE)) ||
	    (flags & M_DONTUNMAP && op->n != op->m)) {
		want->ret = -EINVAL;
	} else if (!v) {
		if (flags & M_FIXED && op->at + op->n > op->to && op->to + op->m > op->at)
			return false;
		want->ret = -EFAULT;
	} else if (flags & M_FIXED) {
		want->ret = move_fixed(w, p, op->at, op->n, op->to, op->m, flags);
	} else if (op->n >= op->m) {
		if (op->n > op->m)
			m_unmap(w, p, op->at + op->m, op->n - op->m);
	} else {
		want->ret = grow(w, p, op);
	}
	return true;
}

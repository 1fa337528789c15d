/* SPDX-License-Identifier: GPL-2.0-only */
/* What several threads of a process do at once in one operation, and how often. */
#ifndef _MODEL_RACE_H
#define _MODEL_RACE_H

#include "op.h"

#define M_TOUCHERS	2
#define M_TOUCHES	4000		/* of each, at most */
#define M_OPENS		24		/* opened while others are revoked, at most */
#define M_EDGES		32		/* pages that are touched */

/* The first and last pages of a range, and of each page table in it. */
static inline uint32_t m_edges(const struct m_op *op, uint32_t *pages)
{
	uint32_t i, n = 0, last = op->at + op->n - 1;

	for (i = op->at; i <= last && n < M_EDGES; i++)
		if (i == op->at || i == last || i % M_TABLE == 0 ||
		    i % M_TABLE == M_TABLE - 1)
			pages[n++] = i;
	return n;
}

#endif /* _MODEL_RACE_H */

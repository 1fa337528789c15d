/* SPDX-License-Identifier: GPL-2.0-only */
/* Which pages are touched and in which order, and the loops that touch them. */
#ifndef _PLAN_H
#define _PLAN_H

#include <stddef.h>

enum order { SEQUENTIAL, REVERSE, SPREAD, RANDOM };
enum access { READ, WRITE, READ_WRITE };

#define NR_ORDERS	(RANDOM + 1)
#define NR_ACCESSES	(READ_WRITE + 1)

/* What the user calls them. */
extern const char * const fm_order_names[NR_ORDERS];
extern const char * const fm_access_names[NR_ACCESSES];

/**
 * struct plan - what to touch
 * @pages: pages of the mapping
 * @touched: how many of them to touch
 * @index: which, in this order; has room for all
 * @first_bytes: what each page of the buffer begins with
 */
struct plan {
	size_t pages;
	size_t touched;
	size_t *index;
	char *first_bytes;
};

void fm_alloc_plan(struct plan *plan, size_t pages);
void fm_free_plan(struct plan *plan);
void fm_choose_pages(struct plan *plan, double share, enum order order);
void fm_touch(char *addr, const struct plan *plan, enum access access);

#endif /* _PLAN_H */

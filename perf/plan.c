// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages are touched and in which order, and the loops that touch them.
 */
#include "common.h"
#include "plan.h"

const char * const fm_order_names[] = {
	[SEQUENTIAL]	= "sequential",
	[REVERSE]	= "reverse",
	[SPREAD]	= "spread",
	[RANDOM]	= "random",
};

const char * const fm_access_names[] = {
	[READ]		= "read",
	[WRITE]		= "write",
	[READ_WRITE]	= "read-write",
};

/**
 * fm_alloc_plan() - make room for every page; exits if there is none
 * @plan: to fill
 * @pages: pages of the mapping
 */
void fm_alloc_plan(struct plan *plan, size_t pages)
{
	plan->pages = pages;
	plan->index = calloc(pages, sizeof(*plan->index));
	plan->first_bytes = calloc(pages, 1);
	if (!plan->index || !plan->first_bytes)
		exit_err("no memory to number %zu pages: give a smaller --size",
			 pages);
}

/**
 * fm_free_plan() - the counterpart of fm_alloc_plan()
 * @plan: what that filled
 */
void fm_free_plan(struct plan *plan)
{
	free(plan->index);
	free(plan->first_bytes);
}

static size_t pages_of_share(size_t pages, double share)
{
	size_t touched = pages * share / 100 + 0.5;

	return touched ? touched : 1;
}

/* xorshift64: the same pages on every machine and with every C library. */
static __u64 next_random(__u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void shuffle_first(struct plan *plan, size_t first)
{
	__u64 state = 88172645463325252ULL;
	size_t i, other, swap;

	for (i = 0; i < first; i++) {
		other = i + next_random(&state) % (plan->pages - i);
		swap = plan->index[i];
		plan->index[i] = plan->index[other];
		plan->index[other] = swap;
	}
}

/**
 * fm_choose_pages() - fill in what to touch
 * @plan: its pages are known, the rest is chosen
 * @share: how many of them, in percent; one at least
 * @order: which, and in which order
 */
void fm_choose_pages(struct plan *plan, double share, enum order order)
{
	size_t i;

	plan->touched = pages_of_share(plan->pages, share);
	for (i = 0; i < plan->pages; i++)
		plan->index[i] = i;
	switch (order) {
	case SEQUENTIAL:
		break;
	case REVERSE:
		for (i = 0; i < plan->touched; i++)
			plan->index[i] = plan->touched - 1 - i;
		break;
	case SPREAD:
		for (i = 0; i < plan->touched; i++)
			plan->index[i] = i * plan->pages / plan->touched;
		break;
	case RANDOM:
		shuffle_first(plan, plan->touched);
		break;
	}
}

static void read_pages(char *base, const struct plan *plan, size_t page)
{
	size_t i;

	for (i = 0; i < plan->touched; i++)
		__atomic_load_n(base + plan->index[i] * page, __ATOMIC_RELAXED);
}

/*
 * Stores the byte that is there: whoever uses the buffer keeps its contents. An
 * atomic operation that changes nothing would do, but an emulator may turn one
 * into a load and a store, and so into two faults.
 */
static void write_pages(char *base, const struct plan *plan, size_t page)
{
	size_t i;

	for (i = 0; i < plan->touched; i++)
		__atomic_store_n(base + plan->index[i] * page,
				 plan->first_bytes[plan->index[i]],
				 __ATOMIC_RELAXED);
}

/* What a page gets that is looked at before it is changed. */
static void read_and_write_pages(char *base, const struct plan *plan, size_t page)
{
	char *addr;
	size_t i;

	for (i = 0; i < plan->touched; i++) {
		addr = base + plan->index[i] * page;
		__atomic_store_n(addr, __atomic_load_n(addr, __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
	}
}

/**
 * fm_touch() - touch the pages that were chosen, in their order
 * @addr: where the buffer is mapped
 * @plan: the pages
 * @access: how
 */
void fm_touch(char *addr, const struct plan *plan, enum access access)
{
	switch (access) {
	case READ:
		read_pages(addr, plan, fm_page_size());
		break;
	case WRITE:
		write_pages(addr, plan, fm_page_size());
		break;
	case READ_WRITE:
		read_and_write_pages(addr, plan, fm_page_size());
		break;
	}
}

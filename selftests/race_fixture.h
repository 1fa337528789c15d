/* SPDX-License-Identifier: GPL-2.0-only */
/* The fixture of races over a private buffer, once for each way of mapping. */
#ifndef _FAULTMAP_RACE_FIXTURE_H
#define _FAULTMAP_RACE_FIXTURE_H

#include "race.h"

FIXTURE(race)
{
	size_t page;
	size_t pages;		/* size of the buffer */
	size_t keep;		/* what a RESIZE leaves of it */
	size_t step;		/* from one page that is touched to the next */
};

FIXTURE_VARIANT(race)
{
	unsigned int memory;
	unsigned int strategy;
	unsigned int window;
	unsigned int order;
	bool large;		/* 4 MiB, shrunk by half */
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(race, lazy)
{
	.strategy = FAULTMAP_STRATEGY_LAZY,
	.window = 1,
};

FIXTURE_VARIANT_ADD(race, lazy_window)
{
	.strategy = FAULTMAP_STRATEGY_LAZY,
};

FIXTURE_VARIANT_ADD(race, lazy_folio)
{
	.strategy = FAULTMAP_STRATEGY_LAZY,
	.window = 1,
	.order = 2,
};

FIXTURE_VARIANT_ADD(race, lazy_vmalloc)
{
	.strategy = FAULTMAP_STRATEGY_LAZY,
	.memory = FAULTMAP_MEMORY_VMALLOC,
	.window = 1,
	.large = true,
};

FIXTURE_VARIANT_ADD(race, lazy_vmalloc_window)
{
	.strategy = FAULTMAP_STRATEGY_LAZY,
	.memory = FAULTMAP_MEMORY_VMALLOC,
	.window = 64,
	.large = true,
};

FIXTURE_VARIANT_ADD(race, lazy_pfn)
{
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
	.window = 1,
};

FIXTURE_VARIANT_ADD(race, lazy_pfn_auto)
{
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
};

FIXTURE_VARIANT_ADD(race, lazy_pfn_huge)
{
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
	.order = FM_PMD_ORDER,
	.large = true,
};

FIXTURE_VARIANT_ADD(race, eager)
{
	.strategy = FAULTMAP_STRATEGY_EAGER,
};

FIXTURE_VARIANT_ADD(race, eager_batched)
{
	.strategy = FAULTMAP_STRATEGY_EAGER,
	.flags = FAULTMAP_CREATE_BATCHED,
};

FIXTURE_VARIANT_ADD(race, eager_page)
{
	.strategy = FAULTMAP_STRATEGY_EAGER_PAGE,
};

FIXTURE_VARIANT_ADD(race, lazy_on_demand)
{
	.strategy = FAULTMAP_STRATEGY_LAZY,
	.order = 2,
	.flags = FAULTMAP_CREATE_ON_DEMAND,
};

FIXTURE_VARIANT_ADD(race, lazy_pfn_on_demand)
{
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
	.order = FM_PMD_ORDER,
	.large = true,
	.flags = FAULTMAP_CREATE_ON_DEMAND,
};

FIXTURE_SETUP(race)
{
	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	if (variant->flags & FAULTMAP_CREATE_BATCHED && !fm_batches())
		SKIP(return, "this kernel has no apply_to_page_range() for modules");
	self->page = fm_page_size();
	self->pages = variant->large ? 2 * fm_table_pages() : 16;
	self->keep = variant->large ? fm_table_pages() : 4;
	self->step = self->pages / 16;
}

FIXTURE_TEARDOWN(race)
{
}

/* A new buffer, still without memory, or -errno. */
static inline int race_create_empty(const FIXTURE_DATA(race) *self,
				    const FIXTURE_VARIANT(race) *variant)
{
	return fm_create_as((struct faultmap_create){
		.bytes = self->pages * self->page,
		.memory = variant->memory,
		.strategy = variant->strategy,
		.window = variant->window,
		.order = variant->order,
		.flags = variant->flags,
	});
}

/* The same, stamped. */
static inline int race_create(const FIXTURE_DATA(race) *self,
			      const FIXTURE_VARIANT(race) *variant)
{
	int fd = race_create_empty(self, variant);

	if (fd >= 0 && fm_stamp(fd, 0, self->pages))
		return -errno;
	return fd;
}

#endif /* _FAULTMAP_RACE_FIXTURE_H */

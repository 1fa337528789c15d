/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fixture of most tests: a private buffer of a few stamped pages, once for
 * each pair of memory and strategy.
 */
#ifndef _FAULTMAP_BUFFER_FIXTURE_H
#define _FAULTMAP_BUFFER_FIXTURE_H

#include "faultmap_test.h"

#define FM_PAGES	16	/* size of the buffer */

FIXTURE(buffer)
{
	size_t page;
	int fd;
};

FIXTURE_VARIANT(buffer)
{
	const char *node;
	unsigned int memory;
	unsigned int strategy;
};

FIXTURE_VARIANT_ADD(buffer, pages_eager)
{
	.node = "/dev/faultmap/pages-eager",
	.memory = FAULTMAP_MEMORY_PAGES,
	.strategy = FAULTMAP_STRATEGY_EAGER,
};

FIXTURE_VARIANT_ADD(buffer, pages_lazy)
{
	.node = "/dev/faultmap/pages-lazy",
	.memory = FAULTMAP_MEMORY_PAGES,
	.strategy = FAULTMAP_STRATEGY_LAZY,
};

FIXTURE_VARIANT_ADD(buffer, pages_eager_page)
{
	.node = "/dev/faultmap/pages-eager-page",
	.memory = FAULTMAP_MEMORY_PAGES,
	.strategy = FAULTMAP_STRATEGY_EAGER_PAGE,
};

FIXTURE_VARIANT_ADD(buffer, pages_lazy_pfn)
{
	.node = "/dev/faultmap/pages-lazy-pfn",
	.memory = FAULTMAP_MEMORY_PAGES,
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
};

FIXTURE_VARIANT_ADD(buffer, vmalloc_eager)
{
	.node = "/dev/faultmap/vmalloc-eager",
	.memory = FAULTMAP_MEMORY_VMALLOC,
	.strategy = FAULTMAP_STRATEGY_EAGER,
};

FIXTURE_VARIANT_ADD(buffer, vmalloc_lazy)
{
	.node = "/dev/faultmap/vmalloc-lazy",
	.memory = FAULTMAP_MEMORY_VMALLOC,
	.strategy = FAULTMAP_STRATEGY_LAZY,
};

FIXTURE_VARIANT_ADD(buffer, vmalloc_eager_page)
{
	.node = "/dev/faultmap/vmalloc-eager-page",
	.memory = FAULTMAP_MEMORY_VMALLOC,
	.strategy = FAULTMAP_STRATEGY_EAGER_PAGE,
};

FIXTURE_VARIANT_ADD(buffer, vmalloc_lazy_pfn)
{
	.node = "/dev/faultmap/vmalloc-lazy-pfn",
	.memory = FAULTMAP_MEMORY_VMALLOC,
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
};

FIXTURE_VARIANT_ADD(buffer, kmalloc_eager)
{
	.node = "/dev/faultmap/kmalloc-eager",
	.memory = FAULTMAP_MEMORY_KMALLOC,
	.strategy = FAULTMAP_STRATEGY_EAGER,
};

FIXTURE_VARIANT_ADD(buffer, kmalloc_lazy_pfn)
{
	.node = "/dev/faultmap/kmalloc-lazy-pfn",
	.memory = FAULTMAP_MEMORY_KMALLOC,
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
};

FIXTURE_SETUP(buffer)
{
	self->page = fm_page_size();
	self->fd = fm_create(variant->memory, variant->strategy, FM_PAGES);
	if (self->fd == -ENOENT)
		SKIP(return, "faultmap is not loaded");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fm_stamp(self->fd, 0, FM_PAGES));
}

FIXTURE_TEARDOWN(buffer)
{
	close(self->fd);
}

/* Nothing is mapped before it is touched. */
static inline bool fm_is_lazy(const FIXTURE_VARIANT(buffer) *variant)
{
	return variant->strategy == FAULTMAP_STRATEGY_LAZY ||
	       variant->strategy == FAULTMAP_STRATEGY_LAZY_PFN;
}

/* Struct pages are mapped, with a reference, and not bare frames. */
static inline bool fm_is_by_page(const FIXTURE_VARIANT(buffer) *variant)
{
	return variant->strategy == FAULTMAP_STRATEGY_LAZY ||
	       variant->strategy == FAULTMAP_STRATEGY_EAGER_PAGE;
}

/* An ordinary VMA, without any of the flags that drivers' mappings have. */
static inline bool fm_is_ordinary(const FIXTURE_VARIANT(buffer) *variant)
{
	return variant->strategy == FAULTMAP_STRATEGY_LAZY;
}

/* What was zapped comes back when it is touched. */
static inline bool fm_comes_back(const FIXTURE_VARIANT(buffer) *variant)
{
	return variant->strategy != FAULTMAP_STRATEGY_EAGER;
}

/* "works", or the name of the errno that a call just left. */
static inline const char *fm_outcome(bool ok)
{
	return ok ? "works" : strerrorname_np(errno);
}

/*
 * Notes for the matrix what became of an operation: @row names the operation, the
 * rest is a printf() of the outcome, which must not depend on chance.
 */
#define SAW(row, ...) do { \
	printf("# saw|%s|%s|%s|", _metadata->name, \
	       strrchr(variant->node, '/') + 1, row); \
	printf(__VA_ARGS__); \
	putchar('\n'); \
	fflush(stdout); \
} while (0)

/* Maps @pages of the fixture's buffer from page @first on. */
static inline char *fm_map_at(const FIXTURE_DATA(buffer) *self, void *addr,
			      size_t first, size_t pages)
{
	return mmap(addr, pages * self->page, PROT_READ | PROT_WRITE,
		    MAP_SHARED | (addr ? MAP_FIXED : 0), self->fd,
		    first * self->page);
}

static inline char *fm_map(const FIXTURE_DATA(buffer) *self, size_t first,
			   size_t pages)
{
	return fm_map_at(self, NULL, first, pages);
}

/* Maps @pages with nothing for @room pages behind them. */
static inline char *fm_map_with_room(const FIXTURE_DATA(buffer) *self,
				     size_t first, size_t pages, size_t room)
{
	char *base = fm_reserve(pages + room);

	if (base == MAP_FAILED ||
	    fm_map_at(self, base, first, pages) != base ||
	    munmap(base + pages * self->page, room * self->page))
		return MAP_FAILED;
	return base;
}

#endif /* _FAULTMAP_BUFFER_FIXTURE_H */

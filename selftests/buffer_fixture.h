/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fixture of most tests: a private buffer of a few stamped pages, once for
 * each pair of memory and strategy.
 */
#ifndef _FAULTMAP_BUFFER_FIXTURE_H
#define _FAULTMAP_BUFFER_FIXTURE_H

#include "faultmap_test.h"
#include "outcome.h"

#define FM_PAGES	16	/* size of the buffer */

FIXTURE(buffer)
{
	size_t page;
	unsigned int window;	/* pages mapped around a fault, 0 if that varies */
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

FIXTURE_VARIANT_ADD(buffer, dma_eager)
{
	.node = "/dev/faultmap/dma-eager",
	.memory = FAULTMAP_MEMORY_DMA,
	.strategy = FAULTMAP_STRATEGY_EAGER,
};

FIXTURE_VARIANT_ADD(buffer, dma_lazy_pfn)
{
	.node = "/dev/faultmap/dma-lazy-pfn",
	.memory = FAULTMAP_MEMORY_DMA,
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
};

FIXTURE_VARIANT_ADD(buffer, phys_eager)
{
	.node = "/dev/faultmap/phys-eager",
	.memory = FAULTMAP_MEMORY_PHYS,
	.strategy = FAULTMAP_STRATEGY_EAGER,
};

FIXTURE_VARIANT_ADD(buffer, phys_lazy_pfn)
{
	.node = "/dev/faultmap/phys-lazy-pfn",
	.memory = FAULTMAP_MEMORY_PHYS,
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
};

static inline bool fm_is_device(const FIXTURE_VARIANT(buffer) *variant)
{
	return variant->memory == FAULTMAP_MEMORY_PHYS;
}

/* The name of the variant's strategy. */
static inline const char *fm_strategy(const FIXTURE_VARIANT(buffer) *variant)
{
	return strchr(strrchr(variant->node, '/'), '-') + 1;
}

/* The node of another strategy over the same buffer. */
static inline const char *fm_node_by(const FIXTURE_VARIANT(buffer) *variant,
				     const char *strategy)
{
	static char path[64];
	glob_t found;

	snprintf(path, sizeof(path), "%.*s%s",
		 (int)(fm_strategy(variant) - variant->node), variant->node,
		 strategy);
	if (access(path, F_OK) == 0 || !fm_is_device(variant))
		return path;
	/* No phys= is given: the first PCI device. */
	snprintf(path, sizeof(path), "/dev/faultmap/pci-????:??:??.?-%s", strategy);
	if (!glob(path, 0, NULL, &found)) {
		snprintf(path, sizeof(path), "%s", found.gl_pathv[0]);
		globfree(&found);
	}
	return path;
}

static inline const char *fm_node(const FIXTURE_VARIANT(buffer) *variant)
{
	return fm_node_by(variant, fm_strategy(variant));
}

static inline int fm_resize(int fd, size_t pages)
{
	struct faultmap_resize arg = { .bytes = pages * fm_page_size() };

	return ioctl(fd, FAULTMAP_RESIZE, &arg);
}

/* A buffer of FM_PAGES pages: a new one, or so much of a device's memory. */
static inline int fm_open_buffer(const FIXTURE_VARIANT(buffer) *variant)
{
	int fd;

	if (!fm_is_device(variant))
		return fm_create(variant->memory, variant->strategy, FM_PAGES);
	fd = open(fm_node(variant), O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -ENODEV;
	if (fm_resize(fd, FM_PAGES) || ioctl(fd, FAULTMAP_STATS_RESET))
		return -errno;
	return fd;
}

FIXTURE_SETUP(buffer)
{
	struct faultmap_info info;

	self->page = fm_page_size();
	self->fd = fm_open_buffer(variant);
	if (self->fd == -ENOENT)
		SKIP(return, "faultmap is not loaded");
	if (self->fd == -ENODEV)
		SKIP(return, "no device's memory: give phys=, or QEMU -device ivshmem-plain");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_INFO, &info));
	self->window = info.window;
	ASSERT_EQ(0, fm_stamp(self->fd, 0, FM_PAGES));
}

FIXTURE_TEARDOWN(buffer)
{
	close(self->fd);
}

/* Nothing is mapped before it is touched. */
static inline bool fm_is_lazy(const FIXTURE_VARIANT(buffer) *variant)
{
	return fm_has_window(variant->strategy);
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

/* So many faults for as many pages, or fewer if others are mapped around them. */
#define EXPECT_FAULTS(pages, seen) do { \
	if (self->window == 1) { \
		EXPECT_EQ(pages, seen); \
	} else { \
		EXPECT_GE(pages, seen); \
	} \
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

/* Those of lazy have no .close, so that the kernel may merge them as it likes. */
static inline bool fm_counts_mappings(const FIXTURE_VARIANT(buffer) *variant)
{
	return variant->strategy != FAULTMAP_STRATEGY_LAZY;
}

/* Live mappings by the driver's count: those that came less those that went. */
static inline uint64_t fm_live(int fd)
{
	struct faultmap_stats stats = fm_stats(fd);

	return stats.mmaps + stats.opens - stats.closes;
}

/* The same for the matrix. */
static inline const char *fm_saw_live(int fd, const FIXTURE_VARIANT(buffer) *variant)
{
	static char text[40];

	snprintf(text, sizeof(text), "driver counts %" PRIu64, fm_live(fd));
	return fm_counts_mappings(variant) ? text : "not counted";
}

#define EXPECT_LIVE(count) do { \
	if (fm_counts_mappings(variant)) \
		EXPECT_EQ(count, fm_live(self->fd)); \
} while (0)

#endif /* _FAULTMAP_BUFFER_FIXTURE_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many pages for one fault: a PMD at once by frame or by folio, and windows of
 * frames. What is seen must not depend on how it was mapped.
 */
#include <sys/uio.h>
#include <sys/wait.h>

#include "faultmap_test.h"

#define HUGE_SIZE	fm_pmd_size()
#define SIZE		(4 * HUGE_SIZE)

FIXTURE(huge)
{
	size_t page, pages;
	bool blocks;		/* each of them for a PMD */
	bool contiguous;	/* or of as few pieces, which may lie anywhere */
	bool batches;		/* the driver can map many frames at once */
	int fd;
};

FIXTURE_VARIANT(huge)
{
	struct faultmap_create create;
};

FIXTURE_VARIANT_ADD(huge, lazy_folios)
{
	.create.memory = FAULTMAP_MEMORY_PAGES,
	.create.order = FM_PMD_ORDER,
	.create.strategy = FAULTMAP_STRATEGY_LAZY,
	.create.window = 1,
};

FIXTURE_VARIANT_ADD(huge, lazy_small_folios)
{
	.create.memory = FAULTMAP_MEMORY_PAGES,
	.create.order = 3,
	.create.strategy = FAULTMAP_STRATEGY_LAZY,
	.create.window = 1,
};

FIXTURE_VARIANT_ADD(huge, eager_page_folios)
{
	.create.memory = FAULTMAP_MEMORY_PAGES,
	.create.order = FM_PMD_ORDER,
	.create.strategy = FAULTMAP_STRATEGY_EAGER_PAGE,
};

FIXTURE_VARIANT_ADD(huge, pfn_huge)
{
	.create.memory = FAULTMAP_MEMORY_PAGES,
	.create.order = FM_PMD_ORDER,
	.create.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
};

FIXTURE_VARIANT_ADD(huge, pfn_huge_vmalloc)
{
	.create.memory = FAULTMAP_MEMORY_VMALLOC,
	.create.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
	.create.window = FAULTMAP_WINDOW_MAX,
};

FIXTURE_VARIANT_ADD(huge, pfn_huge_dma)
{
	.create.memory = FAULTMAP_MEMORY_DMA,
	.create.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
};

FIXTURE_VARIANT_ADD(huge, pfn_window_1)
{
	.create.memory = FAULTMAP_MEMORY_PAGES,
	.create.order = FM_PMD_ORDER,
	.create.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
	.create.window = 1,
};

FIXTURE_VARIANT_ADD(huge, pfn_window_16)
{
	.create.memory = FAULTMAP_MEMORY_PAGES,
	.create.order = FM_PMD_ORDER,
	.create.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
	.create.window = 16,
};

FIXTURE_VARIANT_ADD(huge, pfn_window_learned)
{
	.create.memory = FAULTMAP_MEMORY_PAGES,
	.create.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
};

FIXTURE_VARIANT_ADD(huge, eager_batched)
{
	.create.memory = FAULTMAP_MEMORY_PAGES,
	.create.order = FM_PMD_ORDER,
	.create.strategy = FAULTMAP_STRATEGY_EAGER,
	.create.flags = FAULTMAP_CREATE_BATCHED,
};

FIXTURE_SETUP(huge)
{
	struct faultmap_create create = variant->create;
	struct faultmap_info info;

	self->page = fm_page_size();
	self->pages = SIZE / self->page;
	create.bytes = SIZE;
	self->batches = fm_batches();
	if (create.flags & FAULTMAP_CREATE_BATCHED && !self->batches)
		SKIP(return, "this kernel has no apply_to_page_range() for modules");
	self->fd = fm_create_as(create);
	if (self->fd == -ENOENT)
		SKIP(return, "faultmap is not loaded");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fm_stamp(self->fd, 0, self->pages));
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_INFO, &info));
	self->contiguous = info.extents <= SIZE / HUGE_SIZE;
	/* CMA aligns what it gives to less, and that may be next to another block. */
	self->blocks = self->contiguous &&
		(create.order == FM_PMD_ORDER ||
		 (create.memory == FAULTMAP_MEMORY_DMA && !fm_has_cma()));
}

FIXTURE_TEARDOWN(huge)
{
	close(self->fd);
}

static char *map_at(const FIXTURE_DATA(huge) *self, char *addr, size_t first,
		    size_t pages)
{
	return mmap(addr, pages * self->page, PROT_READ | PROT_WRITE,
		    MAP_SHARED | (addr ? MAP_FIXED : 0), self->fd,
		    first * self->page);
}

static char *map_all(const FIXTURE_DATA(huge) *self)
{
	return map_at(self, NULL, 0, self->pages);
}

static bool by_frame(const FIXTURE_VARIANT(huge) *variant)
{
	return variant->create.strategy == FAULTMAP_STRATEGY_LAZY_PFN;
}

static bool can_grow(const FIXTURE_VARIANT(huge) *variant)
{
	return variant->create.strategy == FAULTMAP_STRATEGY_LAZY;
}

/* Pages for a fault, as far as they can be told beforehand; 0 if they cannot. */
static size_t per_fault(const FIXTURE_DATA(huge) *self,
			const FIXTURE_VARIANT(huge) *variant)
{
	unsigned int window = variant->create.window;

	if (by_frame(variant) && window && window < FAULTMAP_WINDOW_MAX)
		return self->batches ? window : 1;
	if (!self->blocks || !fm_maps_by_pmd())
		return 0;
	return by_frame(variant) || variant->create.order == FM_PMD_ORDER ?
	       HUGE_SIZE / self->page : 0;
}

/* Whether a fault may map more than its page, which depends on where that lies. */
static bool maps_many(const FIXTURE_VARIANT(huge) *variant)
{
	if (variant->create.flags & FAULTMAP_CREATE_BATCHED)
		return true;
	if (by_frame(variant))
		return variant->create.window != 1;
	return can_grow(variant) && variant->create.order == FM_PMD_ORDER &&
	       fm_maps_by_pmd();
}

/* A plain mmap(2) of something large comes out where PMDs fit. */
TEST_F(huge, placed_to_fit)
{
	char *map;

	if (!maps_many(variant))
		SKIP(return, "mapped by single pages, wherever they lie");
	if (!fm_has_thp())
		SKIP(return, "a kernel without transparent huge pages");
	map = map_all(self);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, (unsigned long)map % HUGE_SIZE);
	munmap(map, SIZE);
	map = map_at(self, NULL, 3, self->pages - 3);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(3 * self->page, (unsigned long)map % HUGE_SIZE);
}

TEST_F(huge, contents_and_counts)
{
	size_t each = per_fault(self, variant);
	struct faultmap_stats stats;
	struct rusage before, after;
	char *map = map_all(self);
	size_t i, wrong = 0;

	ASSERT_NE(MAP_FAILED, map);
	fm_read_at(map - self->page);
	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < self->pages; i++)
		wrong += *(uint64_t *)(map + i * self->page) != fm_stamp_word(i, 0);
	getrusage(RUSAGE_SELF, &after);
	stats = fm_stats(self->fd);

	EXPECT_EQ(0, wrong);
	EXPECT_EQ(stats.read_faults, after.ru_minflt - before.ru_minflt);
	EXPECT_EQ(0, stats.write_faults);
	if (variant->create.strategy == FAULTMAP_STRATEGY_EAGER ||
	    variant->create.strategy == FAULTMAP_STRATEGY_EAGER_PAGE) {
		EXPECT_EQ(0, stats.read_faults);
		EXPECT_EQ(self->pages, stats.pages_installed);
	} else if (each) {
		/* A mapping that does not begin with a window ends inside of one. */
		i = (uintptr_t)map / self->page % each ? 1 : 0;
		EXPECT_EQ(self->pages / each + i, stats.read_faults);
	}
	if (by_frame(variant)) {
		EXPECT_EQ(self->pages, stats.pages_installed);
		if (each || !self->contiguous) {
			EXPECT_EQ(each == HUGE_SIZE / self->page ? SIZE / HUGE_SIZE : 0,
				  stats.huge_faults);
		}
	}
}

/* Kernel memory of this process's page tables, in pages. */
static long tables(const FIXTURE_DATA(huge) *self)
{
	return fm_field("/proc/self/status", "VmPTE") * 1024 / (long)self->page;
}

/* What single pages take at @addr, of every level: which are there already is chance. */
static long tables_of_pages(const FIXTURE_DATA(huge) *self, char *addr)
{
	long before = tables(self), taken;
	char *map = mmap(addr, SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	size_t at;

	if (map != addr)
		return -1;
	madvise(map, SIZE, MADV_NOHUGEPAGE);
	for (at = 0; at < SIZE; at += HUGE_SIZE)
		map[at] = 1;
	taken = tables(self) - before;
	munmap(map, SIZE);
	return taken;
}

/* At mmap(2), and what is cut of a PMD comes back by a fault. */
TEST_F(huge, batched_by_pmds)
{
	struct faultmap_stats stats;
	long before = tables(self), taken;
	char *map;

	if (!(variant->create.flags & FAULTMAP_CREATE_BATCHED) || !self->blocks ||
	    !fm_maps_by_pmd())
		SKIP(return, "mapped otherwise");
	map = map_all(self);
	ASSERT_NE(MAP_FAILED, map);
	taken = tables(self) - before;
	EXPECT_STAMPS(map, 0, self->pages);
	EXPECT_EQ(0, fm_stats(self->fd).read_faults);
	ASSERT_EQ(0, munmap(map + 700 * self->page, self->page));
	EXPECT_STAMPS(map, 0, 700);
	EXPECT_STAMPS(map + 701 * self->page, 701, self->pages - 701);
	stats = fm_stats(self->fd);
	EXPECT_LE(1, stats.read_faults);
	EXPECT_GE(2, stats.read_faults);
	ASSERT_EQ(0, munmap(map, SIZE));
	/* By a page table at most the first of each table of PMDs that was not there. */
	EXPECT_GE(tables_of_pages(self, map) - 2, taken);
}

/*
 * Across an address where a table of PMDs ends, and nothing else is mapped: each half has its
 * first part by a page table, which brings what is above it. All of it goes.
 */
TEST_F(huge, batched_where_nothing_is)
{
	size_t table = fm_table_pages() * HUGE_SIZE;
	char *room, *edge, *map;
	long before, by_pages;

	if (!(variant->create.flags & FAULTMAP_CREATE_BATCHED))
		SKIP(return, "mapped otherwise");
	room = fm_reserve(4 * table / self->page);
	ASSERT_NE(MAP_FAILED, room);
	ASSERT_EQ(0, munmap(room, 4 * table));
	edge = room + 2 * table - (unsigned long)room % table;
	by_pages = tables_of_pages(self, edge - SIZE / 2);
	before = tables(self);
	map = map_at(self, edge - SIZE / 2, 0, self->pages);
	ASSERT_EQ(edge - SIZE / 2, map);
	EXPECT_STAMPS(map, 0, self->pages);
	EXPECT_EQ(0, fm_stats(self->fd).read_faults);
	if (self->blocks && fm_maps_by_pmd())
		EXPECT_GE(by_pages - 2, tables(self) - before);
	ASSERT_EQ(0, munmap(map, SIZE));
	EXPECT_EQ(before, tables(self));
}

/* x86 inverts the frame's number in an entry that allows nothing. */
TEST_F(huge, no_access_at_first)
{
	char *map = mmap(NULL, SIZE, PROT_NONE, MAP_SHARED, self->fd, 0);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, mprotect(map, SIZE, PROT_READ | PROT_WRITE));
	EXPECT_STAMPS(map, 0, self->pages);
}

/* An address that is not congruent: never a PMD, the same contents. */
TEST_F(huge, misplaced)
{
	char *room = fm_reserve(self->pages + 2 * fm_table_pages()), *map;

	ASSERT_NE(MAP_FAILED, room);
	room += HUGE_SIZE - (unsigned long)room % HUGE_SIZE + 5 * self->page;
	map = map_at(self, room, 0, self->pages);
	ASSERT_EQ(room, map);
	EXPECT_STAMPS(map, 0, self->pages);
	EXPECT_EQ(0, fm_stats(self->fd).huge_faults);
}

TEST_F(huge, a_part_is_unmapped)
{
	char *map = map_all(self);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, self->pages);
	ASSERT_EQ(0, munmap(map + 700 * self->page, self->page));
	EXPECT_STAMPS(map, 0, 700);
	EXPECT_SIGNALS(SIGSEGV, map + 700 * self->page, 1);
	EXPECT_STAMPS(map + 701 * self->page, 701, self->pages - 701);
	ASSERT_EQ(0, mprotect(map + 100 * self->page, self->page, PROT_READ));
	EXPECT_EQ(SIGSEGV, fm_write_at(map + 100 * self->page));
	EXPECT_EQ(0, fm_write_at(map + 101 * self->page));
	EXPECT_STAMPS(map, 0, 700);
}

TEST_F(huge, grows)
{
	char *room = fm_reserve(self->pages + fm_table_pages()), *map, *grown;
	size_t half = self->pages / 2 + 7;

	room += HUGE_SIZE - (unsigned long)room % HUGE_SIZE;
	map = map_at(self, room, 0, half);
	ASSERT_EQ(room, map);
	ASSERT_EQ(0, munmap(map + half * self->page,
			    (self->pages - half) * self->page));
	EXPECT_STAMPS(map, 0, half);
	grown = mremap(map, half * self->page, SIZE, MREMAP_MAYMOVE);
	/* VM_MIXEDMAP grows in place on old kernels only. */
	if (variant->create.strategy != FAULTMAP_STRATEGY_EAGER_PAGE)
		ASSERT_EQ(can_grow(variant), grown != MAP_FAILED);
	if (grown == MAP_FAILED)
		return;
	EXPECT_STAMPS(grown, 0, self->pages);
}

TEST_F(huge, buffer_shrinks_inside_a_block)
{
	struct faultmap_resize resize = { .bytes = HUGE_SIZE + 100 * self->page };
	char *map = map_all(self), zero[self->page];
	size_t left = resize.bytes / self->page, i;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, self->pages);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_RESIZE, &resize));
	EXPECT_STAMPS(map, 0, left);
	for (i = left; i < self->pages; i += 50)
		EXPECT_EQ(SIGBUS, fm_read_at(map + i * self->page));
	EXPECT_STAMPS(map, 0, left);

	resize.bytes = SIZE;
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_RESIZE, &resize));
	munmap(map, SIZE);
	map = map_all(self);
	ASSERT_NE(MAP_FAILED, map);
	memset(zero, 0, sizeof(zero));
	EXPECT_STAMPS(map, 0, left);
	for (i = left; i < self->pages; i += 50)
		EXPECT_EQ(0, memcmp(map + i * self->page, zero, self->page));
}

/* What somebody holds outlives the buffer, whatever folio it is of. */
TEST_F(huge, pinned_page_outlives_the_buffer)
{
	char *map = map_all(self), page[self->page];
	struct iovec iov = { map + 600 * self->page, self->page };
	int pipes[2];

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, pipe(pipes));
	if (vmsplice(pipes[1], &iov, 1, 0) < 0) {
		EXPECT_TRUE(by_frame(variant) || variant->create.flags);
		return;
	}
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_EQ(SIGBUS, fm_read_at(iov.iov_base));
	munmap(map, SIZE);
	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(self->page, read(pipes[0], page, self->page));
	EXPECT_EQ(600, fm_page_at(page));
}

TEST_F(huge, child_sees_and_parent_keeps)
{
	char *map = map_all(self);
	int status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, self->pages);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(fm_page_at(map + 77 * self->page) != 77 ||
		      fm_page_at(map + 1500 * self->page) != 1500 ||
		      munmap(map + 1000 * self->page, self->page) != 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_STAMPS(map, 0, self->pages);
}

/* Whether every block is mapped by a PMD that the kernel would copy on fork(2). */
static bool by_pmds(const FIXTURE_DATA(huge) *self, const FIXTURE_VARIANT(huge) *variant)
{
	bool frames = by_frame(variant) && variant->create.window % FAULTMAP_WINDOW_MAX == 0;

	return (frames || variant->create.flags & FAULTMAP_CREATE_BATCHED) &&
	       self->blocks && fm_maps_by_pmd();
}

/*
 * The kernel copies a PMD of frames as it was before it took the locks: if REVOKE or RESIZE
 * comes between, what is freed shows in the child. So there must be none to copy.
 */
TEST_F(huge, no_pmd_is_copied)
{
	char *map = map_all(self);
	uint64_t before, blocks = SIZE / HUGE_SIZE;
	int status;
	pid_t pid;

	if (!by_pmds(self, variant))
		SKIP(return, "mapped otherwise");
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, self->pages);
	before = fm_stats(self->fd).huge_faults;
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(fm_page_at(map) != 0 ||
		      fm_page_at(map + (self->pages - 1) * self->page) !=
				(long)self->pages - 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(before + 2, fm_stats(self->fd).huge_faults);
	EXPECT_STAMPS(map, 0, self->pages);
	EXPECT_EQ(before + 2 + blocks, fm_stats(self->fd).huge_faults);
}

/*
 * With soft-dirty tracking, a PMD that is read first cannot be written, and the next
 * write makes the driver allow it: nothing new is mapped.
 */
TEST_F(huge, made_writable_is_not_installed_again)
{
	char *map = map_all(self);
	struct faultmap_stats stats;

	if (!by_pmds(self, variant) || !by_frame(variant))
		SKIP(return, "mapped otherwise");
	if (!fm_tracks_soft_dirty())
		SKIP(return, "a kernel without soft-dirty tracking");
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, fm_put("/proc/self/clear_refs", "4"));
	EXPECT_EQ(0, fm_page_at(map));
	EXPECT_EQ(0, fm_write_at(map));
	stats = fm_stats(self->fd);
	EXPECT_EQ(1, stats.read_faults);
	EXPECT_EQ(1, stats.write_faults);
	EXPECT_EQ(HUGE_SIZE / self->page, stats.pages_installed);
}

/* Dropped by MADV_DONTNEED, a folio's pages come back, and are given back in the end. */
TEST_F(huge, dropped_and_brought_back)
{
	char *map = map_all(self);

	ASSERT_NE(MAP_FAILED, map);
	if (madvise(map, SIZE, MADV_HUGEPAGE))
		EXPECT_EQ(EINVAL, errno);
	EXPECT_STAMPS(map, 0, self->pages);
	if (madvise(map, SIZE, MADV_DONTNEED)) {
		EXPECT_EQ(EINVAL, errno);
		EXPECT_TRUE(by_frame(variant) || variant->create.flags);
	}
	EXPECT_STAMPS(map, 0, self->pages);
	ASSERT_EQ(0, munmap(map + self->page, self->page));
	EXPECT_STAMPS(map, 0, 1);
}

TEST_F(huge, private_copies)
{
	char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 self->fd, 0);
	size_t at = 555 * self->page;

	if (by_frame(variant) || variant->create.flags) {
		EXPECT_EQ(MAP_FAILED, map);
		return;
	}
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, self->pages);
	map[at] ^= 0xff;
	EXPECT_EQ(-1, fm_page_at(map + at));
	EXPECT_STAMPS(map + at + self->page, 556, 100);
	munmap(map, SIZE);
	map = map_all(self);
	EXPECT_STAMPS(map, 0, self->pages);
}

/* The faults of a lazy buffer that is touched throughout; 0 if its blocks are smaller. */
static uint64_t faults_of_order(unsigned int order)
{
	int fd = fm_create_as((struct faultmap_create){
		.bytes = SIZE,
		.memory = FAULTMAP_MEMORY_PAGES,
		.strategy = FAULTMAP_STRATEGY_LAZY,
		.window = 1,
		.order = order,
	});
	char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	struct faultmap_info info = { .extents = UINT64_MAX };
	uint64_t faults = 0;

	ioctl(fd, FAULTMAP_INFO, &info);
	if (map != MAP_FAILED && info.extents <= SIZE / HUGE_SIZE) {
		for (size_t at = 0; at < SIZE; at += fm_page_size())
			fm_read_at(map + at);
		faults = fm_faults(fd);
	}
	munmap(map, SIZE);
	close(fd);
	return faults;
}

/* The kernel maps no folio at once that is larger than a PMD. */
TEST(largest_blocks)
{
	uint64_t huge, larger;

	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	huge = faults_of_order(fm_pmd_order());
	larger = faults_of_order(fm_pmd_order() + 1);
	if (!huge || !larger)
		SKIP(return, "too few free blocks of that size");
	EXPECT_EQ(huge, larger);
}

TEST_HARNESS_MAIN

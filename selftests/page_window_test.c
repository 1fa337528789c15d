// SPDX-License-Identifier: GPL-2.0-only
/*
 * Struct pages that a fault maps around its own: which these are, what they are not
 * (copies, nor memory that nobody has touched), and what is counted. That they behave as
 * pages mapped alone is for the other tests, with FAULTMAP_WINDOW.
 */
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "faultmap_test.h"

/* Since 6.4 and 6.7. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED	(1 << 13)
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC		(1 << 15)
#endif

#define PAGES	1024

FIXTURE(page_window)
{
	size_t page;
	char *reserved, *map;	/* @map begins a page table */
	int fd;
};

FIXTURE_VARIANT(page_window)
{
	unsigned int memory, window;
};

FIXTURE_VARIANT_ADD(page_window, pages_2) {
	.memory = FAULTMAP_MEMORY_PAGES, .window = 2,
};

FIXTURE_VARIANT_ADD(page_window, pages_16) {
	.memory = FAULTMAP_MEMORY_PAGES, .window = 16,
};

FIXTURE_VARIANT_ADD(page_window, pages_512) {
	.memory = FAULTMAP_MEMORY_PAGES, .window = 512,
};

FIXTURE_VARIANT_ADD(page_window, vmalloc_16) {
	.memory = FAULTMAP_MEMORY_VMALLOC, .window = 16,
};

static int create(const FIXTURE_VARIANT(page_window) *variant, unsigned int flags)
{
	return fm_create_as((struct faultmap_create){
		.bytes = PAGES * fm_page_size(),
		.memory = variant->memory,
		.strategy = FAULTMAP_STRATEGY_LAZY,
		.window = variant->window,
		.flags = flags,
	});
}

/* What a page table maps. */
static size_t table_bytes(size_t page)
{
	return page / sizeof(uint64_t) * page;
}

static char *map_at(FIXTURE_DATA(page_window) *self, size_t first, size_t pages, int flags)
{
	return mmap(self->map, pages * self->page, PROT_READ | PROT_WRITE,
		    flags | MAP_FIXED, self->fd, first * self->page);
}

FIXTURE_SETUP(page_window)
{
	size_t table;

	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	self->page = fm_page_size();
	table = table_bytes(self->page);
	self->fd = create(variant, 0);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fm_stamp(self->fd, 0, PAGES));
	self->reserved = fm_reserve(PAGES + table / self->page);
	ASSERT_NE(MAP_FAILED, self->reserved);
	self->map = self->reserved + table - 1;
	self->map -= (uintptr_t)self->map % table;
}

FIXTURE_TEARDOWN(page_window)
{
	munmap(self->reserved, PAGES * self->page + table_bytes(self->page));
	close(self->fd);
}

static size_t present(const char *map, size_t first, size_t pages)
{
	size_t i, n = 0;

	for (i = first; i < first + pages; i++)
		n += !!(fm_pagemap(map + i * fm_page_size()) & FM_PM_PRESENT);
	return n;
}

/* The aligned part that holds it, and no other page; the rest of it takes no fault. */
TEST_F(page_window, maps_its_aligned_part)
{
	size_t at = 3 * variant->window / 2, first = at - at % variant->window;
	char *map = map_at(self, 0, PAGES, MAP_SHARED);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, fm_write_at(map + at * self->page));
	EXPECT_EQ(variant->window, fm_stats(self->fd).pages_installed);
	EXPECT_EQ(variant->window, present(map, first, variant->window));
	EXPECT_EQ(variant->window, present(map, 0, PAGES));
	EXPECT_STAMPS(map + first * self->page, first, variant->window);
	EXPECT_EQ(1, fm_faults(self->fd));
	EXPECT_STAMPS(map, 0, PAGES);
	EXPECT_EQ(PAGES / variant->window, fm_faults(self->fd));
	EXPECT_EQ(PAGES, fm_stats(self->fd).pages_installed);
}

/* As far as the mapping and the buffer go, wherever these begin and end. */
TEST_F(page_window, ends_where_the_mapping_does)
{
	size_t first, pages, at;

	for (first = 1; first < 40; first += 13) {
		for (pages = 1; pages < 40; pages += 9) {
			at = pages / 2;
			ASSERT_EQ(self->map, map_at(self, first, pages, MAP_SHARED));
			ASSERT_EQ(first + at, fm_page_at(self->map + at * self->page));
			EXPECT_STAMPS(self->map, first, pages);
			EXPECT_EQ(0, present(self->map, pages, 40));
			mmap(self->map, pages * self->page, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		}
	}
	ASSERT_EQ(self->map, map_at(self, PAGES - 5, 5, MAP_SHARED));
	munmap(self->map + 5 * self->page, 35 * self->page);
	ASSERT_EQ(self->map, mremap(self->map, 5 * self->page, 40 * self->page, 0));
	EXPECT_STAMPS(self->map, PAGES - 5, 5);
	EXPECT_EQ(SIGBUS, fm_read_at(self->map + 5 * self->page));
	EXPECT_EQ(5, present(self->map, 0, 40));
}

/* A private mapping reads the buffer's pages; what it writes is a copy, and only that. */
TEST_F(page_window, private_copies_are_single)
{
	size_t pages = 2 * variant->window < PAGES ? 2 * variant->window : PAGES;
	char *map = map_at(self, 0, pages, MAP_PRIVATE), *second;
	size_t i;

	ASSERT_NE(MAP_FAILED, map);
	second = map + pages / 2 * self->page;
	ASSERT_EQ(0, fm_page_at(map));
	EXPECT_EQ(variant->window, fm_stats(self->fd).pages_installed);
	map[0] = 'x';
	second[0] = 'y';
	for (i = 1; i < pages; i++)
		if (i != pages / 2)
			EXPECT_EQ(i, fm_page_at(map + i * self->page));
	for (i = 0; i < pages; i++)
		EXPECT_EQ(i && i != pages / 2,
			  !!(fm_pagemap(map + i * self->page) & FM_PM_FILE));
	EXPECT_EQ('x', map[0]);
	EXPECT_EQ('y', second[0]);
	munmap(map, pages * self->page);
	ASSERT_EQ(self->map, map_at(self, 0, PAGES, MAP_SHARED));
	EXPECT_STAMPS(self->map, 0, PAGES);
}

/* Has the kernel note which pages are written, and say so to nobody; -errno if it cannot. */
static int watch_writes(char *addr, size_t len)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_UNPOPULATED,
	};
	struct uffdio_register watched = {
		.range = { .start = (unsigned long)addr, .len = len },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	return fd < 0 || ioctl(fd, UFFDIO_API, &api) ||
	       ioctl(fd, UFFDIO_REGISTER, &watched) ? -errno : fd;
}

/* As the kernel's own fault-around leaves them. */
TEST_F(page_window, watched_pages_are_single)
{
	char *map = map_at(self, 0, PAGES, MAP_SHARED);
	int fd;

	ASSERT_EQ(self->map, map);
	fd = watch_writes(map, PAGES * self->page);
	if (fd < 0)
		SKIP(return, "the kernel does not watch writes to files");
	EXPECT_EQ(0, fm_page_at(map));
	EXPECT_EQ(1, fm_stats(self->fd).pages_installed);
	EXPECT_STAMPS(map, 0, PAGES);
	EXPECT_EQ(PAGES, fm_stats(self->fd).pages_installed);
	close(fd);
}

/* Whoever may not write does not, though others were mapped by writes. */
TEST_F(page_window, read_only_mappings_stay_so)
{
	char *map = map_at(self, 0, PAGES, MAP_SHARED), *other;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, fm_write_at(map));
	other = mmap(NULL, PAGES * self->page, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, other);
	EXPECT_STAMPS(other, 0, variant->window);
	EXPECT_EQ(SIGSEGV, fm_write_at(other));
	EXPECT_EQ(SIGSEGV, fm_write_at(other + self->page));
	munmap(other, PAGES * self->page);
}

/* Growth in place needs no other mapping, and what grows into each other is one. */
TEST_F(page_window, grows_and_merges)
{
	size_t bytes = PAGES / 4 * self->page;
	char *map = map_at(self, 0, PAGES / 4, MAP_SHARED);

	ASSERT_NE(MAP_FAILED, map);
	munmap(map + bytes, 3 * bytes);
	ASSERT_EQ(0, fm_write_at(map));
	ASSERT_EQ(map, mremap(map, bytes, 2 * bytes, 0));
	EXPECT_STAMPS(map, 0, PAGES / 2);
	ASSERT_EQ(map + 2 * bytes, mmap(map + 2 * bytes, 2 * bytes, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_FIXED, self->fd, 2 * bytes));
	EXPECT_EQ(1, fm_count_vmas(map, 4 * bytes));
	EXPECT_STAMPS(map, 0, PAGES);
	EXPECT_EQ(PAGES, fm_stats(self->fd).pages_installed);
}

/* A window has what is there, and brings nothing into being. */
TEST_F(page_window, leaves_out_what_is_not_there)
{
	unsigned int block = variant->memory == FAULTMAP_MEMORY_VMALLOC ? 16 : 1;
	struct faultmap_info info;
	size_t bytes = PAGES * self->page;
	int fd = create(variant, FAULTMAP_CREATE_ON_DEMAND);
	char *map;

	ASSERT_LE(0, fd);
	map = mmap(self->map, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	map[0] = 1;
	/* Where it has just come into being, nothing is mapped around it. */
	EXPECT_EQ(1, fm_stats(fd).pages_installed);
	map[self->page] = 1;
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
	EXPECT_EQ((block == 1 ? 2 : block) * self->page, info.held);
	munmap(map, bytes);
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_STATS_RESET));
	map = mmap(self->map, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	EXPECT_EQ(1, map[0]);
	EXPECT_EQ(1, map[self->page]);
	EXPECT_EQ(1, fm_faults(fd));
	EXPECT_EQ(block == 1 ? 2 : variant->window, fm_stats(fd).pages_installed);
	close(fd);
}

/* What has been shrunk away and came back is new, in the middle of a window as well. */
TEST_F(page_window, shows_no_page_of_before)
{
	size_t half = variant->window / 2, i;
	char *map = map_at(self, 0, PAGES, MAP_SHARED);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, variant->window);
	ASSERT_EQ(0, ftruncate(self->fd, half * self->page));
	EXPECT_EQ(half, present(map, 0, PAGES));
	EXPECT_EQ(SIGBUS, fm_read_at(map + half * self->page));
	ASSERT_EQ(0, ftruncate(self->fd, PAGES * self->page));
	EXPECT_STAMPS(map, 0, half);
	for (i = half; i < PAGES; i++)
		EXPECT_EQ(0, map[i * self->page]);
	EXPECT_EQ(PAGES, present(map, 0, PAGES));
}

struct toucher {
	pthread_t thread;
	pthread_barrier_t *barrier;
	char *map;
	size_t first;
	size_t wrong;
};

static void *touch_every_other(void *arg)
{
	struct toucher *t = arg;
	size_t i;

	pthread_barrier_wait(t->barrier);
	for (i = t->first; i < PAGES; i += 2) {
		*(volatile char *)(t->map + i * fm_page_size());
		t->wrong += fm_stamp_word(i, 0) != *(uint64_t *)(t->map + i * fm_page_size());
	}
	return NULL;
}

/* Windows that two threads want at once: each page is there, and no window counts twice. */
TEST_F(page_window, two_threads_want_the_same)
{
	pthread_barrier_t barrier;
	struct toucher t[2];
	size_t i, round;
	char *map;

	pthread_barrier_init(&barrier, NULL, 2);
	for (round = 0; round < 20; round++) {
		map = map_at(self, 0, PAGES, MAP_SHARED);
		ASSERT_NE(MAP_FAILED, map);
		ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_STATS_RESET));
		for (i = 0; i < 2; i++) {
			t[i] = (struct toucher){ .barrier = &barrier, .map = map, .first = i };
			ASSERT_EQ(0, pthread_create(&t[i].thread, NULL, touch_every_other, &t[i]));
		}
		for (i = 0; i < 2; i++)
			pthread_join(t[i].thread, NULL);
		EXPECT_EQ(0, t[0].wrong + t[1].wrong);
		EXPECT_EQ(PAGES, present(map, 0, PAGES));
		EXPECT_LE(PAGES / variant->window, fm_faults(self->fd));
		EXPECT_GE(2 * PAGES / variant->window, fm_faults(self->fd));
		EXPECT_EQ(PAGES, fm_stats(self->fd).pages_installed);
	}
	pthread_barrier_destroy(&barrier);
}

TEST_HARNESS_MAIN

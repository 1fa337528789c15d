// SPDX-License-Identifier: GPL-2.0
/*
 * mremap(2): an ordinary mapping grows, in place and by moving; one of pages in a
 * VM_MIXEDMAP grows by moving, and in place on old kernels only; one of frames is
 * refused growth by the kernel. All move and shrink.
 */
#include "buffer_fixture.h"

#define PART	4	/* pages mapped before growing */

TEST_F(buffer, grow_in_place)
{
	char *map = fm_map_with_room(self, 2, PART, FM_PAGES), *grown;
	struct faultmap_stats stats;
	struct fm_vma vma;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 2, PART);
	grown = mremap(map, PART * self->page, 8 * self->page, 0);
	if (!fm_is_ordinary(variant) && grown == MAP_FAILED) {
		EXPECT_EQ(fm_is_by_page(variant) ? ENOMEM : EFAULT, errno);
		EXPECT_STAMPS(map, 2, PART);
		return;
	}
	ASSERT_EQ(map, grown);
	EXPECT_TRUE(fm_is_by_page(variant));
	EXPECT_STAMPS(map, 2, 8);
	ASSERT_TRUE(fm_find_vma(map, &vma));
	EXPECT_EQ(8 * self->page, vma.end - vma.start);
	EXPECT_EQ(2 * self->page, vma.offset);

	/* Each page has faulted once, and nothing told the driver of growth. */
	stats = fm_stats(self->fd);
	EXPECT_FAULTS(fm_is_lazy(variant) ? 8 : 8 - PART, stats.read_faults);
	EXPECT_EQ(0, stats.opens);
	EXPECT_EQ(0, stats.closes);
	EXPECT_EQ(0, stats.moves);
}

TEST_F(buffer, grow_by_moving)
{
	char *map = fm_reserve(PART + 1), *moved;
	struct faultmap_stats stats;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(map, fm_map_at(self, map, 1, PART));
	EXPECT_STAMPS(map, 1, PART);
	EXPECT_EQ(MAP_FAILED, mremap(map, PART * self->page, 9 * self->page, 0));
	moved = mremap(map, PART * self->page, 9 * self->page, MREMAP_MAYMOVE);
	if (!fm_is_by_page(variant)) {
		EXPECT_EQ(MAP_FAILED, moved);
		EXPECT_EQ(EFAULT, errno);
		EXPECT_STAMPS(map, 1, PART);
		return;
	}
	ASSERT_NE(MAP_FAILED, moved);
	EXPECT_NE(map, moved);
	EXPECT_STAMPS(moved, 1, 9);
	EXPECT_SIGNALS(SIGSEGV, map, PART);

	/* What was touched before moved along and did not fault again. */
	stats = fm_stats(self->fd);
	EXPECT_FAULTS(fm_is_lazy(variant) ? 9 : 9 - PART, stats.read_faults);
	EXPECT_EQ(1, stats.opens);
	EXPECT_EQ(1, stats.closes);
	EXPECT_EQ(1, stats.moves);
}

TEST_F(buffer, grow_past_the_end)
{
	char *map = fm_reserve(PART + 1), *end;
	int pipes[2];

	ASSERT_EQ(map, fm_map_at(self, map, FM_PAGES - PART, PART));
	map = mremap(map, PART * self->page, 2 * PART * self->page,
		     MREMAP_MAYMOVE);
	if (!fm_is_by_page(variant)) {
		EXPECT_EQ(MAP_FAILED, map);
		EXPECT_EQ(EFAULT, errno);
		return;
	}
	ASSERT_NE(MAP_FAILED, map);
	end = map + PART * self->page;
	EXPECT_STAMPS(map, FM_PAGES - PART, PART);
	EXPECT_SIGNALS(SIGBUS, end, PART);
	EXPECT_EQ(SIGBUS, fm_write_at(end));
	EXPECT_EQ(end, fm_touch_addr);
	EXPECT_EQ(PART + 1, fm_stats(self->fd).sigbus);
	EXPECT_FAULTS(fm_is_lazy(variant) ? PART : 0, fm_faults(self->fd));

	/* A system call that copies gets an error, not a signal. */
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-1, write(pipes[1], end, 1));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(1, write(pipes[1], "x", 1));
	EXPECT_EQ(-1, read(pipes[0], end, 1));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(1, write(pipes[1], map, 1));
}

/* What was out of reach when the mapping grew is there once the buffer is. */
TEST_F(buffer, grow_mapping_then_buffer)
{
	struct faultmap_resize resize = { .bytes = 2 * FM_PAGES * self->page };
	char *map = fm_reserve(FM_PAGES + 1), *end;

	ASSERT_EQ(map, fm_map_at(self, map, 0, FM_PAGES));
	map = mremap(map, FM_PAGES * self->page, 2 * FM_PAGES * self->page,
		     MREMAP_MAYMOVE);
	ASSERT_EQ(!fm_is_by_page(variant), map == MAP_FAILED);
	if (!fm_is_by_page(variant))
		return;
	end = map + FM_PAGES * self->page;
	EXPECT_SIGNALS(SIGBUS, end, 1);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_RESIZE, &resize));
	ASSERT_EQ(0, fm_stamp(self->fd, FM_PAGES, FM_PAGES));
	EXPECT_STAMPS(map, 0, 2 * FM_PAGES);
}

TEST_F(buffer, shrink)
{
	char *map = fm_map(self, 0, FM_PAGES);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	ASSERT_EQ(map, mremap(map, FM_PAGES * self->page, PART * self->page, 0));
	EXPECT_STAMPS(map, 0, PART);
	EXPECT_SIGNALS(SIGSEGV, map + PART * self->page, FM_PAGES - PART);
	EXPECT_EQ(0, fm_stats(self->fd).moves);
}

TEST_F(buffer, fixed_move)
{
	char *map = fm_map(self, 3, 8), *to = fm_reserve(8);
	uint64_t faults;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_NE(MAP_FAILED, to);
	EXPECT_STAMPS(map, 3, 5);
	faults = fm_faults(self->fd);
	ASSERT_EQ(to, mremap(map, 8 * self->page, 8 * self->page,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_STAMPS(to, 3, 5);
	EXPECT_EQ(faults, fm_faults(self->fd));
	EXPECT_STAMPS(to, 3, 8);
	EXPECT_SIGNALS(SIGSEGV, map, 8);
	EXPECT_EQ(1, fm_stats(self->fd).moves);
}

TEST_F(buffer, fixed_move_of_the_middle)
{
	char *map = fm_map(self, 0, 12), *to = fm_reserve(4);
	struct fm_vma vma;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_NE(MAP_FAILED, to);
	EXPECT_STAMPS(map, 0, 12);
	ASSERT_EQ(to, mremap(map + 4 * self->page, 4 * self->page,
			     4 * self->page, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_STAMPS(map, 0, 4);
	EXPECT_SIGNALS(SIGSEGV, map + 4 * self->page, 4);
	EXPECT_STAMPS(map + 8 * self->page, 8, 4);
	EXPECT_STAMPS(to, 4, 4);
	ASSERT_TRUE(fm_find_vma(to, &vma));
	EXPECT_EQ(4 * self->page, vma.offset);
}

/* An old size of zero leaves the mapping and makes another one of the same. */
TEST_F(buffer, duplicate)
{
	char *map = fm_map(self, 2, PART), *copy;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 2, PART);
	copy = mremap(map, 0, PART * self->page, MREMAP_MAYMOVE);
	if (!fm_is_by_page(variant)) {
		EXPECT_EQ(MAP_FAILED, copy);
		EXPECT_EQ(EFAULT, errno);
		return;
	}
	ASSERT_NE(MAP_FAILED, copy);
	EXPECT_NE(map, copy);
	EXPECT_STAMPS(copy, 2, PART);
	EXPECT_STAMPS(map, 2, PART);
	copy[0] ^= 0xff;
	EXPECT_EQ(-1, fm_page_at(map));
}

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

/* The translations move, the old mapping stays, and is filled anew by faults. */
TEST_F(buffer, dontunmap)
{
	char *map = fm_map(self, 2, PART), *moved;
	uint64_t faults;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 2, PART);
	moved = mremap(map, PART * self->page, PART * self->page,
		       MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	if (!fm_is_by_page(variant)) {
		EXPECT_EQ(MAP_FAILED, moved);
		EXPECT_EQ(EINVAL, errno);
		return;
	}
	ASSERT_NE(MAP_FAILED, moved);
	faults = fm_faults(self->fd);
	EXPECT_STAMPS(moved, 2, PART);
	EXPECT_EQ(faults, fm_faults(self->fd));
	EXPECT_STAMPS(map, 2, PART);
	EXPECT_EQ(faults + PART, fm_faults(self->fd));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
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
	const char *saw;
	struct fm_vma vma;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 2, PART);
	grown = mremap(map, PART * self->page, 8 * self->page, 0);
	saw = fm_mapped(grown, 2, 8);
	stats = fm_stats(self->fd);
	SAW("grow 4 touched pages to 8 in place, read all", "%s, %llu faults",
	    saw, stats.read_faults);
	if (!fm_is_ordinary(variant) && grown == MAP_FAILED) {
		EXPECT_STREQ(fm_is_by_page(variant) ? "ENOMEM" : "EFAULT", saw);
		EXPECT_STAMPS(map, 2, PART);
		return;
	}
	ASSERT_EQ(map, grown);
	EXPECT_TRUE(fm_is_by_page(variant));
	EXPECT_STREQ(FM_WORKS, saw);
	ASSERT_TRUE(fm_find_vma(map, &vma));
	EXPECT_EQ(8 * self->page, vma.end - vma.start);
	EXPECT_EQ(2 * self->page, vma.offset);

	/* Each page has faulted once, and nothing told the driver of growth. */
	EXPECT_FAULTS(fm_is_lazy(variant) ? 8 : 8 - PART, stats.read_faults);
	EXPECT_EQ(0, stats.opens);
	EXPECT_EQ(0, stats.closes);
	EXPECT_EQ(0, stats.moves);
}

/* Without MREMAP_MAYMOVE, and something in the way. */
TEST_F(buffer, grow_without_room)
{
	char *map = fm_reserve(PART + 1), *grown;

	ASSERT_EQ(map, fm_map_at(self, map, 1, PART));
	grown = mremap(map, PART * self->page, 9 * self->page, 0);
	SAW("grow in place without room", "%s",
	    fm_outcome(grown != MAP_FAILED));
	EXPECT_EQ(MAP_FAILED, grown);
	EXPECT_EQ(fm_is_by_page(variant) ? ENOMEM : EFAULT, errno);
	EXPECT_STAMPS(map, 1, PART);
}

TEST_F(buffer, grow_by_moving)
{
	char *map = fm_reserve(PART + 1), *moved;
	struct faultmap_stats stats;
	const char *saw;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(map, fm_map_at(self, map, 1, PART));
	EXPECT_STAMPS(map, 1, PART);
	moved = mremap(map, PART * self->page, 9 * self->page, MREMAP_MAYMOVE);
	saw = fm_mapped(moved, 1, 9);
	stats = fm_stats(self->fd);
	SAW("grow 4 touched pages to 9 by moving, read all", "%s, %llu faults",
	    saw, stats.read_faults);
	if (!fm_is_by_page(variant)) {
		EXPECT_STREQ("EFAULT", saw);
		EXPECT_STAMPS(map, 1, PART);
		return;
	}
	ASSERT_NE(MAP_FAILED, moved);
	EXPECT_NE(map, moved);
	EXPECT_STREQ(FM_WORKS, saw);
	EXPECT_SIGNALS(SIGSEGV, map, PART);

	/* What was touched before moved along and did not fault again. */
	EXPECT_FAULTS(fm_is_lazy(variant) ? 9 : 9 - PART, stats.read_faults);
	EXPECT_EQ(fm_counts_mappings(variant), stats.opens);
	EXPECT_EQ(fm_counts_mappings(variant), stats.closes);
	EXPECT_EQ(1, stats.moves);
}

/* Maps the last pages of the buffer, and as many behind them by growing. */
static char *map_past_the_end(const FIXTURE_DATA(buffer) *self)
{
	char *map = fm_reserve(PART + 1);

	if (fm_map_at(self, map, FM_PAGES - PART, PART) != map)
		return NULL;
	return mremap(map, PART * self->page, 2 * PART * self->page,
		      MREMAP_MAYMOVE);
}

TEST_F(buffer, grow_past_the_end)
{
	char *map = map_past_the_end(self), *end;
	const char *saw;

	ASSERT_NE(NULL, map);
	SAW("grow past the end of the buffer", "%s",
	    fm_outcome(map != MAP_FAILED));
	end = map + PART * self->page;
	saw = map == MAP_FAILED ? fm_outcome(false) :
				  fm_shown(end, FM_PAGES, PART);
	SAW("grow past the end, read there", "%s", saw);
	if (!fm_is_by_page(variant)) {
		EXPECT_STREQ("EFAULT", saw);
		return;
	}
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STREQ("SIGBUS", saw);
	EXPECT_STAMPS(map, FM_PAGES - PART, PART);
	EXPECT_EQ(SIGBUS, fm_write_at(end));
	EXPECT_EQ(end, fm_touch_addr);
	EXPECT_EQ(PART + 1, fm_stats(self->fd).sigbus);
	EXPECT_FAULTS(fm_is_lazy(variant) ? PART : 0, fm_faults(self->fd));
}

/* A system call that copies gets an error, not a signal. */
TEST_F(buffer, copies_past_the_end)
{
	char *map = map_past_the_end(self), *end;
	const char *out, *in;
	int pipes[2];

	ASSERT_NE(NULL, map);
	ASSERT_EQ(0, pipe(pipes));
	if (map == MAP_FAILED) {
		out = fm_outcome(false);
		in = out;
	} else {
		end = map + PART * self->page;
		out = fm_result(fm_errno(write(pipes[1], end, 1)), 1);
		ASSERT_EQ(1, write(pipes[1], "x", 1));
		in = fm_result(fm_errno(read(pipes[0], end, 1)), 1);
		EXPECT_EQ(1, write(pipes[1], map, 1));
	}
	SAW("grow past the end, write(2) from there", "%s", out);
	SAW("grow past the end, read(2) to there", "%s", in);
	EXPECT_EQ(fm_is_by_page(variant), map != MAP_FAILED);
	EXPECT_STREQ("EFAULT", out);
	EXPECT_STREQ("EFAULT", in);
	close(pipes[0]);
	close(pipes[1]);
}

/* What was out of reach when the mapping grew is there once the buffer is. */
TEST_F(buffer, grow_mapping_then_buffer)
{
	struct faultmap_resize resize = { .bytes = 2 * FM_PAGES * self->page };
	char *map = fm_reserve(FM_PAGES + 1);
	const char *saw;

	ASSERT_EQ(map, fm_map_at(self, map, 0, FM_PAGES));
	map = mremap(map, FM_PAGES * self->page, 2 * FM_PAGES * self->page,
		     MREMAP_MAYMOVE);
	saw = fm_outcome(map != MAP_FAILED);
	if (map != MAP_FAILED) {
		EXPECT_SIGNALS(SIGBUS, map + FM_PAGES * self->page, 1);
		ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_RESIZE, &resize));
		ASSERT_EQ(0, fm_stamp(self->fd, FM_PAGES, FM_PAGES));
		saw = fm_shown(map, 0, 2 * FM_PAGES);
	}
	SAW("grow the mapping, then the buffer, read all", "%s", saw);
	EXPECT_STREQ(fm_is_by_page(variant) ? FM_WORKS : "EFAULT", saw);
}

TEST_F(buffer, shrink)
{
	char *map = fm_map(self, 0, FM_PAGES), *shrunk, *gone;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	shrunk = mremap(map, FM_PAGES * self->page, PART * self->page, 0);
	SAW("shrink, read what is left", "%s", fm_mapped(shrunk, 0, PART));
	ASSERT_EQ(map, shrunk);
	EXPECT_STAMPS(map, 0, PART);
	gone = map + PART * self->page;
	SAW("shrink, read what went", "%s",
	    fm_shown(gone, PART, FM_PAGES - PART));
	EXPECT_SIGNALS(SIGSEGV, gone, FM_PAGES - PART);
	EXPECT_EQ(0, fm_stats(self->fd).moves);
}

TEST_F(buffer, fixed_move)
{
	char *map = fm_map(self, 3, 8), *to = fm_reserve(8), *moved;
	const char *saw;
	uint64_t faults;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_NE(MAP_FAILED, to);
	EXPECT_STAMPS(map, 3, 5);
	faults = fm_faults(self->fd);
	moved = mremap(map, 8 * self->page, 8 * self->page,
		       MREMAP_MAYMOVE | MREMAP_FIXED, to);
	saw = fm_mapped(moved, 3, 5);
	faults = fm_faults(self->fd) - faults;
	SAW("move 5 touched pages and 3 more, read the 5",
	    "%s, %" PRIu64 " faults", saw, faults);
	ASSERT_EQ(to, moved);
	EXPECT_STREQ(FM_WORKS, saw);
	EXPECT_EQ(0, faults);
	EXPECT_STAMPS(to, 3, 8);
	SAW("move, read where it was", "%s", fm_shown(map, 3, 8));
	EXPECT_SIGNALS(SIGSEGV, map, 8);
	EXPECT_EQ(1, fm_stats(self->fd).moves);
}

TEST_F(buffer, fixed_move_of_the_middle)
{
	char *map = fm_map(self, 0, 12), *to = fm_reserve(4), *moved;
	char *middle = map + 4 * self->page, *tail = map + 8 * self->page;
	struct fm_vma vma;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_NE(MAP_FAILED, to);
	EXPECT_STAMPS(map, 0, 12);
	moved = mremap(middle, 4 * self->page, 4 * self->page,
		       MREMAP_MAYMOVE | MREMAP_FIXED, to);
	SAW("move the middle, read it", "%s", fm_mapped(moved, 4, 4));
	ASSERT_EQ(to, moved);
	SAW("move the middle, read the rest", "%s",
	    fm_both(fm_shown(map, 0, 4), fm_shown(tail, 8, 4)));
	EXPECT_STAMPS(map, 0, 4);
	EXPECT_SIGNALS(SIGSEGV, middle, 4);
	EXPECT_STAMPS(tail, 8, 4);
	EXPECT_STAMPS(to, 4, 4);
	ASSERT_TRUE(fm_find_vma(to, &vma));
	EXPECT_EQ(4 * self->page, vma.offset);
}

/* An old size of zero leaves the mapping and makes another one of the same. */
TEST_F(buffer, duplicate)
{
	char *map = fm_map(self, 2, PART), *copy;
	const char *saw;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 2, PART);
	copy = mremap(map, 0, PART * self->page, MREMAP_MAYMOVE);
	saw = fm_mapped(copy, 2, PART);
	SAW("old size 0, read both mappings", "%s",
	    fm_both(saw, fm_shown(map, 2, PART)));
	if (!fm_is_by_page(variant)) {
		EXPECT_STREQ("EFAULT", saw);
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
	uint64_t before, at_new, at_old;
	const char *saw, *old;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 2, PART);
	/* Newer libraries pass a place to the kernel here, given or not. */
	moved = mremap(map, PART * self->page, PART * self->page,
		       MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	before = fm_faults(self->fd);
	saw = fm_mapped(moved, 2, PART);
	at_new = fm_faults(self->fd) - before;
	old = fm_shown(map, 2, PART);
	at_old = fm_faults(self->fd) - before - at_new;
	SAW("MREMAP_DONTUNMAP of 4 touched pages, read the new mapping",
	    "%s, %" PRIu64 " faults", saw, at_new);
	SAW("MREMAP_DONTUNMAP, read the old mapping",
	    "%s, %" PRIu64 " faults", old, at_old);
	EXPECT_STREQ(fm_is_by_page(variant) ? FM_WORKS : "EINVAL", saw);
	EXPECT_STREQ(FM_WORKS, old);
	EXPECT_EQ(0, at_new);
	EXPECT_FAULTS(fm_is_by_page(variant) ? PART : 0, at_old);
}

TEST_HARNESS_MAIN

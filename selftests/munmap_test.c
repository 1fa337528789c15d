// SPDX-License-Identifier: GPL-2.0
/* munmap(2) of a part: what is left stays as it was, what is gone is gone. */
#include "buffer_fixture.h"

/* Live mappings by the driver's count: those that came less those that went. */
static uint64_t live(int fd)
{
	struct faultmap_stats stats = fm_stats(fd);

	return stats.mmaps + stats.opens - stats.closes;
}

/* Maps everything, touches it, and removes @pages from page @first on. */
static void punch(struct __test_metadata *_metadata,
		  FIXTURE_DATA(buffer) *self, size_t first, size_t pages)
{
	char *map = fm_map(self, 0, FM_PAGES);
	size_t behind = first + pages;
	uint64_t faults;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	faults = fm_faults(self->fd);
	ASSERT_EQ(0, munmap(map + first * self->page, pages * self->page));

	EXPECT_STAMPS(map, 0, first);
	EXPECT_SIGNALS(SIGSEGV, map + first * self->page, pages);
	EXPECT_STAMPS(map + behind * self->page, behind, FM_PAGES - behind);
	EXPECT_EQ(faults, fm_faults(self->fd));
	EXPECT_EQ(fm_count_vmas(map, FM_PAGES * self->page), live(self->fd));

	munmap(map, FM_PAGES * self->page);
	EXPECT_EQ(0, live(self->fd));
}

TEST_F(buffer, head)
{
	punch(_metadata, self, 0, 5);
}

TEST_F(buffer, middle)
{
	punch(_metadata, self, 5, 6);
}

TEST_F(buffer, tail)
{
	punch(_metadata, self, 11, 5);
}

TEST_F(buffer, one_page_at_a_time)
{
	char *map = fm_map(self, 0, FM_PAGES);
	size_t i;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	for (i = 0; i < FM_PAGES; i += 2)
		ASSERT_EQ(0, munmap(map + i * self->page, self->page));
	EXPECT_EQ(FM_PAGES / 2, live(self->fd));
	for (i = 1; i < FM_PAGES; i += 2)
		EXPECT_STAMPS(map + i * self->page, i, 1);
	for (i = 1; i < FM_PAGES; i += 2)
		ASSERT_EQ(0, munmap(map + i * self->page, self->page));
	EXPECT_EQ(0, live(self->fd));
}

TEST_F(buffer, hole_is_mapped_again)
{
	char *map = fm_map(self, 0, FM_PAGES), *hole = map + 6 * self->page;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, munmap(hole, 3 * self->page));
	ASSERT_EQ(hole, fm_map_at(self, hole, 6, 3));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* The end of one mapping and the beginning of the next, in one call. */
TEST_F(buffer, across_two_mappings)
{
	char *base = fm_reserve(16), *second = base + 8 * self->page;

	ASSERT_NE(MAP_FAILED, base);
	ASSERT_EQ(base, fm_map_at(self, base, 0, 8));
	ASSERT_EQ(second, fm_map_at(self, second, 3, 8));
	EXPECT_STAMPS(base, 0, 8);
	EXPECT_STAMPS(second, 3, 8);
	ASSERT_EQ(0, munmap(base + 5 * self->page, 6 * self->page));
	EXPECT_STAMPS(base, 0, 5);
	EXPECT_SIGNALS(SIGSEGV, base + 5 * self->page, 6);
	EXPECT_STAMPS(base + 11 * self->page, 6, 5);
	EXPECT_EQ(2, live(self->fd));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/* munmap(2) of a part: what is left stays as it was, what is gone is gone. */
#include "buffer_fixture.h"

/* Maps everything, touches it, and removes @pages from page @first on. */
static void punch(struct __test_metadata *_metadata,
		  FIXTURE_DATA(buffer) *self,
		  const FIXTURE_VARIANT(buffer) *variant,
		  size_t first, size_t pages)
{
	char *map = fm_map(self, 0, FM_PAGES), *hole, *tail;
	size_t behind = first + pages, left = FM_PAGES - behind;
	const char *rest;
	unsigned int vmas;
	uint64_t faults;
	char row[64];

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	faults = fm_faults(self->fd);
	hole = map + first * self->page;
	tail = map + behind * self->page;
	ASSERT_EQ(0, munmap(hole, pages * self->page));

	rest = fm_both(fm_shown(map, 0, first), fm_shown(tail, behind, left));
	faults = fm_faults(self->fd) - faults;
	vmas = fm_count_vmas(map, FM_PAGES * self->page);
	snprintf(row, sizeof(row), "munmap the %s, read the rest",
		 _metadata->name);
	SAW(row, "%s, %" PRIu64 " faults, VMAs: %u, %s", rest, faults, vmas,
	    fm_saw_live(self->fd, variant));
	snprintf(row, sizeof(row), "munmap the %s, read what went",
		 _metadata->name);
	SAW(row, "%s", fm_shown(hole, first, pages));

	EXPECT_STREQ(FM_WORKS, rest);
	EXPECT_SIGNALS(SIGSEGV, hole, pages);
	EXPECT_EQ(0, faults);
	EXPECT_LIVE(vmas);

	munmap(map, FM_PAGES * self->page);
	EXPECT_LIVE(0);
}

TEST_F(buffer, head)
{
	punch(_metadata, self, variant, 0, 5);
}

TEST_F(buffer, middle)
{
	punch(_metadata, self, variant, 5, 6);
}

TEST_F(buffer, tail)
{
	punch(_metadata, self, variant, 11, 5);
}

TEST_F(buffer, one_page_at_a_time)
{
	char *map = fm_map(self, 0, FM_PAGES);
	const char *saw = FM_WORKS;
	size_t i;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	for (i = 0; i < FM_PAGES; i += 2)
		ASSERT_EQ(0, munmap(map + i * self->page, self->page));
	SAW("munmap every other page", "%s", fm_saw_live(self->fd, variant));
	EXPECT_LIVE(FM_PAGES / 2);
	for (i = 1; i < FM_PAGES; i += 2)
		saw = fm_both(saw, fm_shown(map + i * self->page, i, 1));
	for (i = 1; i < FM_PAGES; i += 2)
		ASSERT_EQ(0, munmap(map + i * self->page, self->page));
	SAW("munmap every other page, read the others", "%s", saw);
	EXPECT_STREQ(FM_WORKS, saw);
	EXPECT_LIVE(0);
}

TEST_F(buffer, hole_is_mapped_again)
{
	char *map = fm_map(self, 0, FM_PAGES), *hole = map + 6 * self->page;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, munmap(hole, 3 * self->page));
	ASSERT_EQ(hole, fm_map_at(self, hole, 6, 3));
	SAW("munmap the middle, map it again, read all", "%s",
	    fm_shown(map, 0, FM_PAGES));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* The end of one mapping and the beginning of the next, in one call. */
TEST_F(buffer, across_two_mappings)
{
	char *base = fm_reserve(16), *second = base + 8 * self->page;
	char *hole = base + 5 * self->page, *tail = base + 11 * self->page;
	const char *rest;

	ASSERT_NE(MAP_FAILED, base);
	ASSERT_EQ(base, fm_map_at(self, base, 0, 8));
	ASSERT_EQ(second, fm_map_at(self, second, 3, 8));
	EXPECT_STAMPS(base, 0, 8);
	EXPECT_STAMPS(second, 3, 8);
	ASSERT_EQ(0, munmap(hole, 6 * self->page));
	rest = fm_both(fm_shown(base, 0, 5), fm_shown(tail, 6, 5));
	SAW("munmap the end of one and the head of the next, read the rest",
	    "%s, %s", rest, fm_saw_live(self->fd, variant));
	EXPECT_STREQ(FM_WORKS, rest);
	EXPECT_SIGNALS(SIGSEGV, hole, 6);
	EXPECT_LIVE(2);
}

TEST_HARNESS_MAIN

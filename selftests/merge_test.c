// SPDX-License-Identifier: GPL-2.0
/*
 * Neighbours that continue each other. Mappings with a driver's flags stay apart;
 * ordinary ones may become one, without a call of the driver, on kernels later
 * than 6.1. Whatever the kernel does, the driver's count of mappings is right.
 */
#include "buffer_fixture.h"

static unsigned int live(int fd)
{
	struct faultmap_stats stats = fm_stats(fd);

	return stats.mmaps + stats.opens - stats.closes;
}

TEST_F(buffer, two_mmaps_that_continue)
{
	char *base = fm_reserve(FM_PAGES), *second = base + 8 * self->page;
	struct faultmap_stats stats;
	unsigned int vmas;

	ASSERT_NE(MAP_FAILED, base);
	ASSERT_EQ(base, fm_map_at(self, base, 0, 8));
	ASSERT_EQ(second, fm_map_at(self, second, 8, 8));
	vmas = fm_count_vmas(base, FM_PAGES * self->page);
	stats = fm_stats(self->fd);
	SAW("mmap() a half and then the other behind it",
	    "VMAs: %u, driver saw %llu mmap, %llu open, %llu close", vmas,
	    stats.mmaps, stats.opens, stats.closes);
	EXPECT_EQ(vmas, live(self->fd));
	EXPECT_EQ(vmas, fm_stats(self->fd).mmaps);
	EXPECT_TRUE(vmas == 2 || (vmas == 1 && fm_is_ordinary(variant)));
	EXPECT_STAMPS(base, 0, FM_PAGES);
}

/* Offsets that do not continue keep any two mappings apart. */
TEST_F(buffer, two_mmaps_that_do_not_continue)
{
	char *base = fm_reserve(FM_PAGES), *second = base + 8 * self->page;
	unsigned int vmas;

	ASSERT_NE(MAP_FAILED, base);
	ASSERT_EQ(base, fm_map_at(self, base, 0, 8));
	ASSERT_EQ(second, fm_map_at(self, second, 0, 8));
	vmas = fm_count_vmas(base, FM_PAGES * self->page);
	SAW("mmap() a half and then the same one behind it",
	    "VMAs: %u, driver counts %u", vmas, live(self->fd));
	EXPECT_EQ(2, vmas);
	EXPECT_EQ(2, live(self->fd));
	EXPECT_STAMPS(base, 0, 8);
	EXPECT_STAMPS(second, 0, 8);
}

/* .close keeps the three parts of a split apart, so that all are counted. */
TEST_F(buffer, split_by_mprotect_and_back)
{
	char *map = fm_map(self, 0, FM_PAGES), *middle = map + 4 * self->page;
	unsigned int vmas;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	ASSERT_EQ(0, mprotect(middle, 4 * self->page, PROT_READ));
	vmas = fm_count_vmas(map, FM_PAGES * self->page);
	SAW("mprotect() the middle", "VMAs: %u, driver counts %u", vmas,
	    live(self->fd));
	EXPECT_EQ(3, vmas);
	EXPECT_EQ(3, live(self->fd));
	EXPECT_EQ(SIGSEGV, fm_write_at(middle));
	ASSERT_EQ(0, mprotect(middle, 4 * self->page, PROT_READ | PROT_WRITE));
	vmas = fm_count_vmas(map, FM_PAGES * self->page);
	SAW("mprotect() the middle and back", "VMAs: %u, driver counts %u", vmas,
	    live(self->fd));
	EXPECT_EQ(vmas, live(self->fd));
	EXPECT_EQ(3, vmas);
	EXPECT_EQ(0, fm_write_at(middle));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* Without any right nothing is seen, and nothing is forgotten. */
TEST_F(buffer, no_access_and_back)
{
	char *map = fm_map(self, 0, FM_PAGES);
	size_t size = FM_PAGES * self->page;
	const char *saw;
	uint64_t faults;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	faults = fm_faults(self->fd);
	ASSERT_EQ(0, mprotect(map, size, PROT_NONE));
	SAW("mprotect() to PROT_NONE, read", "%s", fm_shown(map, 0, FM_PAGES));
	EXPECT_SIGNALS(SIGSEGV, map, FM_PAGES);
	ASSERT_EQ(0, mprotect(map, size, PROT_READ));
	saw = fm_shown(map, 0, FM_PAGES);
	faults = fm_faults(self->fd) - faults;
	SAW("mprotect() to PROT_NONE and back, read",
	    "%s, %" PRIu64 " faults", saw, faults);
	EXPECT_STREQ(FM_WORKS, saw);
	EXPECT_EQ(0, faults);
}

TEST_HARNESS_MAIN

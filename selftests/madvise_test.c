// SPDX-License-Identifier: GPL-2.0
/* madvise(2): which advice is taken, and what becomes of the translations. */
#include "buffer_fixture.h"

#ifndef MADV_COLD
#define MADV_COLD	20
#define MADV_PAGEOUT	21
#endif

/* Maps and touches all, gives the advice and returns 0 or -errno. */
static int advise(const FIXTURE_DATA(buffer) *self, char **map, int advice)
{
	size_t i;

	*map = fm_map(self, 0, FM_PAGES);
	for (i = 0; i < FM_PAGES; i++)
		fm_read_at(*map + i * self->page);
	return fm_errno(madvise(*map, FM_PAGES * self->page, advice));
}

TEST_F(buffer, dontneed)
{
	uint64_t faults;
	char *map;
	int ret = advise(self, &map, MADV_DONTNEED);

	EXPECT_EQ(fm_is_by_page(variant) ? 0 : -EINVAL, ret);
	faults = fm_faults(self->fd);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(ret ? 0 : FM_PAGES, fm_faults(self->fd) - faults);
}

TEST_F(buffer, free)
{
	char *map;

	EXPECT_EQ(-EINVAL, advise(self, &map, MADV_FREE));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* Pages that are on no LRU list stay where they are. */
TEST_F(buffer, cold_and_pageout)
{
	uint64_t faults;
	char *map;

	EXPECT_EQ(fm_is_by_page(variant) ? 0 : -EINVAL,
		  advise(self, &map, MADV_COLD));
	EXPECT_EQ(fm_is_by_page(variant) ? 0 : -EINVAL,
		  fm_errno(madvise(map, FM_PAGES * self->page, MADV_PAGEOUT)));
	faults = fm_faults(self->fd);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(faults, fm_faults(self->fd));
}

TEST_F(buffer, hints_are_taken)
{
	static const int hints[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_NOHUGEPAGE, MADV_HUGEPAGE, MADV_DONTDUMP,
	};
	char *map = fm_map(self, 0, FM_PAGES);
	size_t i;

	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < sizeof(hints) / sizeof(*hints); i++)
		EXPECT_EQ(0, madvise(map, FM_PAGES * self->page, hints[i]))
			TH_LOG("advice %d", hints[i]);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_F(buffer, dodump)
{
	char *map;

	EXPECT_EQ(fm_is_ordinary(variant) ? 0 : -EINVAL,
		  advise(self, &map, MADV_DODUMP));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_F(buffer, mergeable)
{
	char *map;
	int ret = advise(self, &map, MADV_MERGEABLE);

	EXPECT_TRUE(ret == 0 || ret == -EINVAL);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* There is no file behind it to punch a hole into. */
TEST_F(buffer, remove)
{
	char *map;
	int ret = advise(self, &map, MADV_REMOVE);

	EXPECT_GT(0, ret);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_HARNESS_MAIN

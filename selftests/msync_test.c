// SPDX-License-Identifier: GPL-2.0
/*
 * msync(2), fsync(2) and their kin: there is nothing to write back to, and the
 * driver does not pretend that there was.
 */
#include "buffer_fixture.h"

/* Maps and writes every page. */
static char *dirty(const FIXTURE_DATA(buffer) *self)
{
	char *map = fm_map(self, 0, FM_PAGES);

	for (size_t i = 0; map != MAP_FAILED && i < FM_PAGES; i++)
		fm_write_at(map + i * self->page);
	return map;
}

TEST_F(buffer, msync)
{
	size_t size = FM_PAGES * self->page;
	char *map = dirty(self);
	uint64_t faults;

	ASSERT_NE(MAP_FAILED, map);
	faults = fm_faults(self->fd);
	EXPECT_EQ(-1, msync(map, size, MS_SYNC));
	SAW("msync(MS_SYNC)", "%s", fm_outcome(false));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, msync(map, size, MS_SYNC | MS_INVALIDATE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, msync(map, size, MS_ASYNC));
	EXPECT_EQ(0, msync(map, size, MS_INVALIDATE));
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(faults, fm_faults(self->fd));
}

/* What is locked may not be invalidated; only an ordinary mapping is locked. */
TEST_F(buffer, msync_of_locked_memory)
{
	size_t size = FM_PAGES * self->page;
	char *map = dirty(self);
	int ret;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, mlock(map, size));
	ret = msync(map, size, MS_INVALIDATE);
	SAW("msync(MS_INVALIDATE) after mlock()", "%s", fm_outcome(!ret));
	if (fm_is_ordinary(variant)) {
		EXPECT_EQ(-1, ret);
		EXPECT_EQ(EBUSY, errno);
	} else {
		EXPECT_EQ(0, ret);
	}
	munlock(map, size);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_F(buffer, fsync)
{
	char *map = dirty(self);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, fsync(self->fd));
	SAW("fsync()", "%s", fm_outcome(false));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, fdatasync(self->fd));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, sync_file_range(self->fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	SAW("sync_file_range()", "%s", fm_outcome(false));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(0, syncfs(self->fd));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * msync(2), fsync(2) and their kin: there is nothing to write back to, so that
 * what is asked for is done already. Programs that flush what they wrote go on.
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
	static const struct {
		const char *row;
		int flags;
	} table[] = {
		{ "msync(MS_SYNC)", MS_SYNC },
		{ "msync(MS_SYNC and MS_INVALIDATE)", MS_SYNC | MS_INVALIDATE },
		{ "msync(MS_ASYNC)", MS_ASYNC },
		{ "msync(MS_INVALIDATE)", MS_INVALIDATE },
	};
	size_t size = FM_PAGES * self->page;
	char *map = dirty(self);
	uint64_t faults;

	ASSERT_NE(MAP_FAILED, map);
	faults = fm_faults(self->fd);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		int ret = msync(map, size, table[i].flags);

		SAW(table[i].row, "%s", fm_outcome(!ret));
		EXPECT_EQ(0, ret) TH_LOG("%s", table[i].row);
	}
	/* A part of it, and what a descriptor that is closed had mapped. */
	EXPECT_EQ(0, msync(map + 3 * self->page, self->page, MS_SYNC));
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(faults, fm_faults(self->fd));
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(0, msync(map, size, MS_SYNC));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* What is not mapped cannot be synchronized, whatever lies beside it. */
TEST_F(buffer, msync_of_a_hole)
{
	char *map = dirty(self);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, munmap(map + 4 * self->page, self->page));
	EXPECT_EQ(-1, msync(map, FM_PAGES * self->page, MS_SYNC));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(0, msync(map, 4 * self->page, MS_SYNC));
	EXPECT_STAMPS(map, 0, 4);
}

/* What REVOKE has cut off has nothing to write back either. */
TEST_F(buffer, msync_after_revoke)
{
	char *map = dirty(self);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_EQ(0, msync(map, FM_PAGES * self->page, MS_SYNC));
	EXPECT_EQ(0, fsync(self->fd));
	EXPECT_SIGNALS(SIGBUS, map, FM_PAGES);
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
	int ret;

	ASSERT_NE(MAP_FAILED, map);
	ret = fsync(self->fd);
	SAW("fsync()", "%s", fm_outcome(!ret));
	EXPECT_EQ(0, ret);
	ret = fdatasync(self->fd);
	SAW("fdatasync()", "%s", fm_outcome(!ret));
	EXPECT_EQ(0, ret);
	ret = sync_file_range(self->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	SAW("sync_file_range()", "%s", fm_outcome(!ret));
	if (fm_is_device(variant)) {
		EXPECT_EQ(-1, ret);
		EXPECT_EQ(ESPIPE, errno);
	} else {
		EXPECT_EQ(0, ret);
	}
	EXPECT_EQ(0, syncfs(self->fd));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_F(buffer, fsync_of_a_node)
{
	int fd = open(fm_node(variant), O_RDWR | O_CLOEXEC);
	char *map;

	ASSERT_LE(0, fd);
	map = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	map[0] = 1;
	EXPECT_EQ(0, msync(map, self->page, MS_SYNC));
	EXPECT_EQ(0, fsync(fd));
	EXPECT_EQ(0, fdatasync(fd));
	close(fd);
}

TEST_HARNESS_MAIN

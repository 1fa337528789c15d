// SPDX-License-Identifier: GPL-2.0
/*
 * ftruncate(2) and fallocate(2) are for files: a buffer changes its size by
 * FAULTMAP_RESIZE, and these refuse and change nothing.
 */
#include <linux/falloc.h>

#include "buffer_fixture.h"

static uint64_t bytes(int fd)
{
	struct faultmap_info info = { 0 };

	ioctl(fd, FAULTMAP_INFO, &info);
	return info.bytes;
}

static void expect_unchanged(struct __test_metadata *_metadata,
			     const FIXTURE_DATA(buffer) *self, char *map,
			     uint64_t faults)
{
	EXPECT_EQ(FM_PAGES * self->page, bytes(self->fd));
	EXPECT_EQ(FM_PAGES * self->page, lseek(self->fd, 0, SEEK_END));
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(faults, fm_faults(self->fd));
	EXPECT_EQ(0, fm_stats(self->fd).zaps);
}

static char *touched(struct __test_metadata *_metadata,
		     const FIXTURE_DATA(buffer) *self)
{
	char *map = fm_map(self, 0, FM_PAGES);

	EXPECT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(0, ioctl(self->fd, FAULTMAP_STATS_RESET));
	return map;
}

TEST_F(buffer, ftruncate)
{
	const off_t sizes[] = { 0, 1, FM_PAGES, 2 * FM_PAGES };
	char *map = touched(_metadata, self);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		EXPECT_EQ(-1, ftruncate(self->fd, sizes[i] * self->page));
		EXPECT_EQ(EINVAL, errno);
	}
	SAW("ftruncate()", "%s", fm_outcome(false));
	expect_unchanged(_metadata, self, map, 0);
}

TEST_F(buffer, fallocate)
{
	static const int modes[] = {
		0, FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE,
	};
	char *map = touched(_metadata, self);

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		EXPECT_EQ(-1, fallocate(self->fd, modes[i], 0, self->page));
		EXPECT_EQ(ENODEV, errno);
	}
	SAW("fallocate()", "%s", fm_outcome(false));
	expect_unchanged(_metadata, self, map, 0);
}

/* Opening a node to truncate it leaves it as it is, as with any device. */
TEST_F(buffer, o_trunc)
{
	int fd = open(fm_node(variant), O_RDWR | O_CLOEXEC), again;
	char page[self->page];
	uint64_t size;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fm_stamp(fd, 0, FM_PAGES));
	size = bytes(fd);
	again = open(fm_node(variant), O_RDWR | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
	SAW("open(O_TRUNC)", "%s", fm_outcome(again >= 0));
	ASSERT_LE(0, again);
	EXPECT_EQ(size, bytes(again));
	EXPECT_EQ(self->page, pread(again, page, self->page, 3 * self->page));
	EXPECT_EQ(3, fm_page_at(page));
	close(again);
	close(fd);
}

TEST_HARNESS_MAIN

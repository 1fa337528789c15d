// SPDX-License-Identifier: GPL-2.0-only
/*
 * ftruncate(2) of a private buffer is FAULTMAP_RESIZE. A node is a device's file, and
 * has no size to change; and fallocate(2) refuses and changes nothing.
 */
#include <linux/falloc.h>
#include <sys/stat.h>

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

/* A node has no size that this could change, whatever it shows. */
TEST_F(buffer, ftruncate_of_a_node)
{
	const off_t sizes[] = { 0, 1, FM_PAGES, 2 * FM_PAGES };
	int fd = open(fm_node(variant), O_RDWR | O_CLOEXEC);
	uint64_t size;

	ASSERT_LE(0, fd);
	size = bytes(fd);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		EXPECT_EQ(-1, ftruncate(fd, sizes[i] * self->page));
		EXPECT_EQ(EINVAL, errno);
	}
	SAW("ftruncate() of a node", "%s", fm_outcome(false));
	EXPECT_EQ(size, bytes(fd));
	close(fd);
}

#define NEEDS_PRIVATE_BUFFER() do { \
	if (fm_is_device(variant)) \
		DOES_NOT_APPLY("a device has no private buffers"); \
} while (0)

static bool all_zero(const char *page, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (page[i])
			return false;
	return true;
}

static off_t file_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -errno : st.st_size;
}

TEST_F(buffer, ftruncate_shrinks)
{
	char *map;
	int ret;

	NEEDS_PRIVATE_BUFFER();
	map = touched(_metadata, self);
	ret = ftruncate(self->fd, 5 * self->page);
	SAW("ftruncate() to 5 pages", "%s", fm_outcome(!ret));
	ASSERT_EQ(0, ret);
	EXPECT_EQ(5 * self->page, bytes(self->fd));
	EXPECT_EQ(5 * self->page, file_size(self->fd));
	EXPECT_EQ(5 * self->page, lseek(self->fd, 0, SEEK_END));
	EXPECT_STAMPS(map, 0, 5);
	EXPECT_SIGNALS(SIGBUS, map + 5 * self->page, FM_PAGES - 5);
	EXPECT_EQ(1, fm_stats(self->fd).zaps);
	EXPECT_EQ(FM_PAGES - 5, fm_stats(self->fd).sigbus);
}

TEST_F(buffer, ftruncate_grows)
{
	size_t more = 3 * FM_PAGES;
	char *map, page[self->page];
	int ret;

	NEEDS_PRIVATE_BUFFER();
	ret = ftruncate(self->fd, more * self->page);
	SAW("ftruncate() to 48 pages", "%s", fm_outcome(!ret));
	ASSERT_EQ(0, ret);
	EXPECT_EQ(more * self->page, bytes(self->fd));
	EXPECT_EQ(more * self->page, file_size(self->fd));
	map = fm_map(self, 0, more);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	for (size_t i = FM_PAGES; i < more; i++) {
		EXPECT_TRUE(all_zero(map + i * self->page, self->page));
		EXPECT_EQ(self->page, pread(self->fd, page, self->page,
					    i * self->page));
		EXPECT_TRUE(all_zero(page, self->page));
	}
	EXPECT_EQ(0, fm_write_at(map + (more - 1) * self->page));
}

/* What was cut off is gone, and what comes instead is zero. */
TEST_F(buffer, ftruncate_to_and_fro)
{
	static const size_t counts[] = { 1, 2, 7, 15, 17, 31 };
	const size_t all = 2 * FM_PAGES;
	char *map;

	NEEDS_PRIVATE_BUFFER();
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		ASSERT_EQ(0, ftruncate(self->fd, all * self->page));
		ASSERT_EQ(0, fm_stamp(self->fd, 0, all));
		ASSERT_EQ(0, ftruncate(self->fd, counts[i] * self->page));
		ASSERT_EQ(0, ftruncate(self->fd, all * self->page));
		map = fm_map(self, 0, all);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_STAMPS(map, 0, counts[i]);
		for (size_t k = counts[i]; k < all; k++)
			EXPECT_TRUE(all_zero(map + k * self->page, self->page));
		munmap(map, all * self->page);
	}
}

TEST_F(buffer, ftruncate_refuses)
{
	static const struct {
		off_t bytes;
		int error;
	} bad[] = {
		{ 0, EINVAL }, { 1, EINVAL }, { 4095, EINVAL }, { 4097, EINVAL },
		{ -1, EINVAL }, { -4096, EINVAL }, { INT64_MAX, EINVAL },
		{ INT64_MAX & -4096LL, EFBIG },
	};
	char *map;

	NEEDS_PRIVATE_BUFFER();
	map = touched(_metadata, self);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		EXPECT_EQ(-1, ftruncate(self->fd, bad[i].bytes));
		if (!i)
			SAW("ftruncate() to 0", "%s", fm_outcome(false));
		EXPECT_EQ(bad[i].error, errno) TH_LOG("%lld", (long long)bad[i].bytes);
	}
	expect_unchanged(_metadata, self, map, 0);
	/* To what it has already is no error, and needs no zap. */
	EXPECT_EQ(0, ftruncate(self->fd, FM_PAGES * self->page));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_F(buffer, truncate_by_name)
{
	char path[64];
	int ret;

	NEEDS_PRIVATE_BUFFER();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	ret = truncate(path, 4 * self->page);
	EXPECT_EQ(0, ret);
	EXPECT_EQ(4 * self->page, bytes(self->fd));
	EXPECT_EQ(-1, truncate(path, 0));
	EXPECT_EQ(EINVAL, errno);
}

/* A descriptor that REVOKE cut off changes nothing any more. */
TEST_F(buffer, ftruncate_after_revoke)
{
	NEEDS_PRIVATE_BUFFER();
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_EQ(-1, ftruncate(self->fd, self->page));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(FM_PAGES * self->page, bytes(self->fd));
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
		EXPECT_EQ(fm_is_device(variant) ? ENODEV : EOPNOTSUPP, errno);
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

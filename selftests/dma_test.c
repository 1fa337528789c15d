// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory from dma_alloc_coherent(): only the DMA API knows how it may be mapped, and
 * that maps a block at once. So there is one strategy, and one block for a mapping.
 */
#include "faultmap_test.h"

#define BLOCK		(2UL << 20)	/* the largest that there is */

FIXTURE(coherent)
{
	size_t page, block;	/* a block in pages */
	int fd;			/* a buffer of three blocks */
};

FIXTURE_SETUP(coherent)
{
	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	self->page = fm_page_size();
	self->block = BLOCK / self->page;
	self->fd = fm_create(FAULTMAP_MEMORY_COHERENT, FAULTMAP_STRATEGY_EAGER, 3 * self->block);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fm_stamp(self->fd, 0, 3 * self->block));
}

FIXTURE_TEARDOWN(coherent)
{
	close(self->fd);
}

static int resize(int fd, size_t pages)
{
	struct faultmap_resize arg = { .bytes = pages * fm_page_size() };

	return ioctl(fd, FAULTMAP_RESIZE, &arg);
}

static char *map_from(const FIXTURE_DATA(coherent) *self, size_t first, size_t pages)
{
	return mmap(NULL, pages * self->page, PROT_READ | PROT_WRITE, MAP_SHARED,
		    self->fd, first * self->page);
}

TEST_F(coherent, is_eager_only)
{
	EXPECT_EQ(-EOPNOTSUPP, fm_create(FAULTMAP_MEMORY_COHERENT, FAULTMAP_STRATEGY_LAZY, 1));
	EXPECT_EQ(-EOPNOTSUPP,
		  fm_create(FAULTMAP_MEMORY_COHERENT, FAULTMAP_STRATEGY_LAZY_PFN, 1));
	EXPECT_EQ(-EOPNOTSUPP,
		  fm_create(FAULTMAP_MEMORY_COHERENT, FAULTMAP_STRATEGY_EAGER_PAGE, 1));
}

TEST_F(coherent, says_what_it_is)
{
	struct faultmap_info info;

	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_INFO, &info));
	EXPECT_EQ(FAULTMAP_MEMORY_COHERENT, info.memory);
	EXPECT_EQ(FAULTMAP_STRATEGY_EAGER, info.strategy);
	EXPECT_EQ(3 * BLOCK, info.bytes);
	EXPECT_EQ(1, info.window);
	EXPECT_EQ(0, info.order);
	EXPECT_EQ(FAULTMAP_INFO_ALLOCATED | FAULTMAP_INFO_PRIVATE, info.flags);
}

TEST_F(coherent, takes_no_order)
{
	struct faultmap_create create = {
		.bytes = BLOCK,
		.memory = FAULTMAP_MEMORY_COHERENT,
		.order = 1,
	};

	EXPECT_EQ(-EINVAL, fm_create_as(create));
}

/* Any part of a block, be it the first of the buffer or not. */
TEST_F(coherent, inside_a_block)
{
	const struct {
		size_t first, pages;
	} parts[] = {
		{ 0, 1 }, { 0, self->block }, { 1, self->block - 1 },
		{ self->block - 1, 1 }, { self->block, self->block },
		{ self->block + 7, 100 }, { 2 * self->block, 1 },
		{ 3 * self->block - 1, 1 }, { 2 * self->block, self->block },
	};
	char *map;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		map = map_from(self, parts[i].first, parts[i].pages);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_STAMPS(map, parts[i].first, parts[i].pages);
		munmap(map, parts[i].pages * self->page);
	}
	EXPECT_EQ(0, fm_faults(self->fd));
	EXPECT_EQ(9, fm_stats(self->fd).mmaps);
}

TEST_F(coherent, across_blocks)
{
	const struct {
		size_t first, pages;
	} parts[] = {
		{ 0, self->block + 1 }, { self->block - 1, 2 }, { 0, 3 * self->block },
		{ self->block, self->block + 1 }, { 2 * self->block - 1, 2 },
		{ 1, self->block },
	};
	char *map;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		map = map_from(self, parts[i].first, parts[i].pages);
		EXPECT_EQ(MAP_FAILED, map);
		EXPECT_EQ(EOPNOTSUPP, errno);
	}
	EXPECT_EQ(0, fm_stats(self->fd).mmaps);
	/* Beyond the end comes first, as for any buffer. */
	EXPECT_EQ(MAP_FAILED, map_from(self, 3 * self->block, 1));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(MAP_FAILED, map_from(self, 3 * self->block - 1, 2));
	EXPECT_EQ(ENXIO, errno);
}

TEST_F(coherent, private_is_refused)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				   self->fd, 0));
	EXPECT_EQ(EINVAL, errno);
}

/* The mapping and the file are one, whichever writes. */
TEST_F(coherent, mapping_and_file_are_one)
{
	char *map = map_from(self, self->block, self->block), byte = 0;
	off_t at = BLOCK + 5 * self->page + 17;

	ASSERT_NE(MAP_FAILED, map);
	map[5 * self->page + 17] = 'm';
	ASSERT_EQ(1, pread(self->fd, &byte, 1, at));
	EXPECT_EQ('m', byte);
	byte = 'f';
	ASSERT_EQ(1, pwrite(self->fd, &byte, 1, at + 1));
	EXPECT_EQ('f', map[5 * self->page + 18]);
}

/* What is copied does not care for blocks. */
TEST_F(coherent, read_and_write_across_blocks)
{
	size_t size = 4 * self->page;
	char out[size], in[size];

	for (size_t i = 0; i < size; i++)
		out[i] = i * 7 + i / 256;
	ASSERT_EQ(size, pwrite(self->fd, out, size, BLOCK - size / 2 + 3));
	ASSERT_EQ(size, pread(self->fd, in, size, BLOCK - size / 2 + 3));
	EXPECT_EQ(0, memcmp(out, in, size));
}

static bool all_zero(const char *page, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (page[i])
			return false;
	return true;
}

TEST_F(coherent, new_memory_is_zero)
{
	int fd = fm_create(FAULTMAP_MEMORY_COHERENT, FAULTMAP_STRATEGY_EAGER, 256);
	char *map;

	ASSERT_LE(0, fd);
	map = mmap(NULL, 256 * self->page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(all_zero(map, 256 * self->page));
	munmap(map, 256 * self->page);
	close(fd);
}

TEST_F(coherent, shrinks)
{
	char *map = map_from(self, self->block, self->block), byte = 0;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, resize(self->fd, self->block + 10));
	EXPECT_STAMPS(map, self->block, 10);
	EXPECT_SIGNALS(SIGBUS, map + 10 * self->page, 5);
	EXPECT_EQ(SIGBUS, fm_read_at(map + (self->block - 1) * self->page));
	EXPECT_EQ(0, pread(self->fd, &byte, 1, (self->block + 10) * self->page));
	EXPECT_EQ(MAP_FAILED, map_from(self, self->block, 11));
	EXPECT_EQ(ENXIO, errno);
}

/* From any size to any: what a mapping shows is what the file has. */
TEST_F(coherent, shrinks_and_grows)
{
	const size_t sizes[] = {
		self->block + 10, 2 * self->block, 1, 3, self->block, self->block + 1,
		700, 3 * self->block,
	};
	char page[self->page];
	size_t had = 3 * self->block, size, i;

	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		size = sizes[i];
		ASSERT_EQ(0, resize(self->fd, size));
		for (size_t k = had; k < size; k += 37) {
			ASSERT_EQ(self->page, pread(self->fd, page, self->page,
						    k * self->page));
			EXPECT_TRUE(all_zero(page, self->page));
		}
		ASSERT_EQ(0, fm_stamp(self->fd, 0, size));
		for (size_t k = 0; k < size; k += 101) {
			char *map = map_from(self, k, 1);

			ASSERT_NE(MAP_FAILED, map);
			EXPECT_STAMPS(map, k, 1);
			munmap(map, self->page);
		}
		had = size;
	}
}

TEST_F(coherent, revoke)
{
	char *map = map_from(self, 0, self->block), byte;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_SIGNALS(SIGBUS, map, 3);
	EXPECT_EQ(-1, pread(self->fd, &byte, 1, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(MAP_FAILED, map_from(self, 0, 1));
	EXPECT_EQ(ENODEV, errno);
}

/* What is split, moved or inherited is still the same. */
TEST_F(coherent, parts_of_a_mapping)
{
	char *map = map_from(self, 0, 16), *moved;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, munmap(map + 4 * self->page, self->page));
	ASSERT_EQ(0, mprotect(map + 8 * self->page, self->page, PROT_READ));
	EXPECT_STAMPS(map, 0, 4);
	EXPECT_STAMPS(map + 5 * self->page, 5, 11);
	EXPECT_EQ(SIGSEGV, fm_write_at(map + 8 * self->page));
	moved = mremap(map, 4 * self->page, 4 * self->page, MREMAP_MAYMOVE | MREMAP_FIXED,
		       fm_reserve(4));
	ASSERT_NE(MAP_FAILED, moved);
	EXPECT_STAMPS(moved, 0, 4);
}

/* A limit counts it as all memory, and gives it back. */
TEST_F(coherent, many)
{
	for (int i = 0; i < 30; i++) {
		int fd = fm_create(FAULTMAP_MEMORY_COHERENT, FAULTMAP_STRATEGY_EAGER,
				   1 + 97 * i);
		char *map;

		ASSERT_LE(0, fd);
		map = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_EQ(0, fm_write_at(map));
		close(fd);
		EXPECT_EQ(0, fm_write_at(map));
		munmap(map, self->page);
	}
}

/* Others' memory that the DMA API allows to be mapped by page frame is as it was. */
TEST(dma_is_mapped_in_any_part)
{
	static const unsigned int strategies[] = {
		FAULTMAP_STRATEGY_EAGER, FAULTMAP_STRATEGY_LAZY_PFN,
	};
	size_t pages = 3 * BLOCK / fm_page_size();

	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	for (size_t i = 0; i < 2; i++) {
		int fd = fm_create(FAULTMAP_MEMORY_DMA, strategies[i], pages);
		char *map;

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, fm_stamp(fd, 0, pages));
		map = mmap(NULL, (pages - 7) * fm_page_size(), PROT_READ, MAP_SHARED, fd,
			   7 * fm_page_size());
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_STAMPS(map, 7, pages - 7);
		munmap(map, (pages - 7) * fm_page_size());
		close(fd);
	}
}

TEST_HARNESS_MAIN

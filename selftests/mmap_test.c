// SPDX-License-Identifier: GPL-2.0
/* mmap(2): what is seen at each offset, and what is refused. */
#include "buffer_fixture.h"

TEST_F(buffer, whole)
{
	char *map = fm_map(self, 0, FM_PAGES);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_F(buffer, every_offset_and_length)
{
	size_t first, pages;
	char *map;

	for (first = 0; first < FM_PAGES; first++) {
		for (pages = 1; pages <= FM_PAGES - first; pages++) {
			map = fm_map(self, first, pages);
			ASSERT_NE(MAP_FAILED, map);
			EXPECT_STAMPS(map, first, pages);
			ASSERT_EQ(0, munmap(map, pages * self->page));
		}
	}
}

/* vm_pgoff counts pages from the start of the buffer; it is no frame number. */
TEST_F(buffer, four_offsets_seen_in_maps)
{
	static const size_t offsets[] = { 0, 5, 9, 15 };
	struct fm_vma vma;
	char *map;
	size_t i;

	for (i = 0; i < 4; i++) {
		map = fm_map(self, offsets[i], 1);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_STAMPS(map, offsets[i], 1);
		ASSERT_TRUE(fm_find_vma(map, &vma));
		EXPECT_EQ((unsigned long)map, vma.start);
		EXPECT_EQ(offsets[i] * self->page, vma.offset);
	}
}

TEST_F(buffer, split_keeps_offsets)
{
	char *map = fm_map(self, 2, 12);
	size_t size = 4 * self->page;
	struct fm_vma vma;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, mprotect(map + size, size, PROT_READ));
	ASSERT_TRUE(fm_find_vma(map + size, &vma));
	EXPECT_EQ(6 * self->page, vma.offset);
	EXPECT_EQ(3, fm_count_vmas(map, 3 * size));
	EXPECT_STAMPS(map, 2, 12);
	EXPECT_EQ(SIGSEGV, fm_write_at(map + size));
	EXPECT_EQ(0, fm_write_at(map));
}

TEST_F(buffer, new_memory_is_zero)
{
	size_t i, words = FM_PAGES * self->page / sizeof(uint64_t);
	uint64_t *map, seen = 0;
	int fd;

	if (fm_is_device(variant))
		SKIP(return, "a device's memory is not new");
	fd = fm_create(variant->memory, variant->strategy, FM_PAGES);
	ASSERT_LE(0, fd);
	map = mmap(NULL, FM_PAGES * self->page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < words; i++)
		seen |= map[i];
	EXPECT_EQ(0, seen);
	close(fd);
}

TEST_F(buffer, past_the_end_is_refused)
{
	EXPECT_EQ(MAP_FAILED, fm_map(self, 0, FM_PAGES + 1));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(MAP_FAILED, fm_map(self, FM_PAGES - 1, 2));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(MAP_FAILED, fm_map(self, FM_PAGES, 1));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(0, fm_stats(self->fd).mmaps);
}

TEST_F(buffer, overflowing_offset_is_refused)
{
	size_t last = ~0UL / self->page;

	EXPECT_EQ(MAP_FAILED, fm_map(self, last, 1));
	EXPECT_TRUE(errno == ENXIO || errno == EOVERFLOW);
	EXPECT_EQ(MAP_FAILED, fm_map(self, last, 2));
	EXPECT_TRUE(errno == ENXIO || errno == EOVERFLOW);
	EXPECT_EQ(MAP_FAILED, fm_map(self, last / 2, FM_PAGES));
	EXPECT_TRUE(errno == ENXIO || errno == EOVERFLOW);
}

TEST_F(buffer, private_copies_or_is_refused)
{
	char *map = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 self->fd, 3 * self->page);

	if (!fm_is_by_page(variant)) {
		EXPECT_EQ(MAP_FAILED, map);
		EXPECT_EQ(EINVAL, errno);
		return;
	}
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 3, 1);
	map[0] ^= 0xff;
	EXPECT_EQ(-1, fm_page_at(map));
	map = fm_map(self, 3, 1);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 3, 1);
}

TEST_F(buffer, read_only_descriptor)
{
	int fd = open(fm_node(variant), O_RDONLY);
	char *map;

	ASSERT_LE(0, fd);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->page, PROT_READ | PROT_WRITE,
				   MAP_SHARED, fd, 0));
	EXPECT_EQ(EACCES, errno);
	map = mmap(NULL, self->page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, fm_read_at(map));
	EXPECT_EQ(-1, mprotect(map, self->page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	munmap(map, self->page);
	close(fd);
}

/* The kernel maps anew instead, which works for every mapping. */
TEST_F(buffer, remap_file_pages)
{
	char *map = fm_map(self, 0, FM_PAGES);
	int ret;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	ret = remap_file_pages(map, 4 * self->page, 0, 8, 0);
	SAW("remap_file_pages()", "%s", fm_outcome(!ret));
	EXPECT_EQ(0, ret);
	EXPECT_STAMPS(map, 8, 4);
	EXPECT_STAMPS(map + 4 * self->page, 4, FM_PAGES - 4);

	/* By the time it is refused, what it was to replace is gone. */
	ret = remap_file_pages(map, 4 * self->page, 0, FM_PAGES - 2, 0);
	SAW("remap_file_pages(), past the end", "%s", fm_outcome(!ret));
	EXPECT_EQ(-1, ret);
	EXPECT_EQ(ENXIO, errno);
	EXPECT_SIGNALS(SIGSEGV, map, 4);
	EXPECT_STAMPS(map + 4 * self->page, 4, FM_PAGES - 4);
}

TEST_F(buffer, mapping_outlives_descriptor)
{
	char *map = fm_map(self, 0, FM_PAGES);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, close(self->fd));
	EXPECT_STAMPS(map, 0, FM_PAGES);
	self->fd = -1;
}

TEST_HARNESS_MAIN

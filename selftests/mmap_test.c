// SPDX-License-Identifier: GPL-2.0-only
/* mmap(2): what is seen at each offset, and what is refused. */
#include "buffer_fixture.h"

TEST_F(buffer, whole)
{
	char *map = fm_map(self, 0, FM_PAGES);

	SAW("map the whole buffer and read it", "%s",
	    fm_mapped(map, 0, FM_PAGES));
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_F(buffer, every_offset_and_length)
{
	const char *saw = FM_WORKS;
	size_t first, pages;
	char *map;

	for (first = 0; first < FM_PAGES; first++) {
		for (pages = 1; pages <= FM_PAGES - first; pages++) {
			map = fm_map(self, first, pages);
			saw = fm_both(saw, fm_mapped(map, first, pages));
			munmap(map, pages * self->page);
		}
	}
	SAW("map from each page on, each length, and read", "%s", saw);
	EXPECT_STREQ(FM_WORKS, saw);
}

/* vm_pgoff counts pages from the start of the buffer; it is no frame number. */
TEST_F(buffer, four_offsets_seen_in_maps)
{
	static const size_t offsets[] = { 0, 5, 9, 15 };
	struct fm_vma vmas[4] = { 0 };
	char *maps[4];
	size_t i;

	for (i = 0; i < 4; i++) {
		maps[i] = fm_map(self, offsets[i], 1);
		ASSERT_NE(MAP_FAILED, maps[i]);
		EXPECT_STAMPS(maps[i], offsets[i], 1);
		ASSERT_TRUE(fm_find_vma(maps[i], &vmas[i]));
	}
	SAW("map pages 0, 5, 9, 15: which /proc/PID/maps says",
	    "%zu, %zu, %zu, %zu", vmas[0].offset / self->page,
	    vmas[1].offset / self->page, vmas[2].offset / self->page,
	    vmas[3].offset / self->page);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ((unsigned long)maps[i], vmas[i].start);
		EXPECT_EQ(offsets[i] * self->page, vmas[i].offset);
	}
}

TEST_F(buffer, split_keeps_offsets)
{
	char *map = fm_map(self, 2, 12);
	size_t size = 4 * self->page;
	struct fm_vma vma;
	int sig;

	ASSERT_NE(MAP_FAILED, map);
	SAW("mprotect() the middle to read-only", "%s",
	    fm_outcome(!mprotect(map + size, size, PROT_READ)));
	SAW("read all of it then", "%s", fm_shown(map, 2, 12));
	ASSERT_TRUE(fm_find_vma(map + size, &vma));
	EXPECT_EQ(6 * self->page, vma.offset);
	EXPECT_EQ(3, fm_count_vmas(map, 3 * size));
	EXPECT_STAMPS(map, 2, 12);
	sig = fm_write_at(map + size);
	SAW("write to the middle then", "%s", fm_signal(sig));
	EXPECT_EQ(SIGSEGV, sig);
	sig = fm_write_at(map);
	SAW("write before the middle then", "%s", fm_signal(sig));
	EXPECT_EQ(0, sig);
}

TEST_F(buffer, new_memory_is_zero)
{
	size_t i, words = FM_PAGES * self->page / sizeof(uint64_t);
	uint64_t *map, seen = 0;
	int fd;

	if (fm_is_device(variant))
		DOES_NOT_APPLY("a device's memory is not new");
	fd = fm_create(variant->memory, variant->strategy, FM_PAGES);
	ASSERT_LE(0, fd);
	map = mmap(NULL, FM_PAGES * self->page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < words; i++)
		seen |= map[i];
	SAW("what a new buffer shows", "%s", seen ? "other data" : "zeroes");
	EXPECT_EQ(0, seen);
	close(fd);
}

TEST_F(buffer, past_the_end_is_refused)
{
	static const struct {
		const char *row;
		size_t first, pages;
	} past[] = {
		{ "map a page more than there are", 0, FM_PAGES + 1 },
		{ "map the last page and the next", FM_PAGES - 1, 2 },
		{ "map the page behind the last", FM_PAGES, 1 },
	};
	char *map;
	size_t i;

	for (i = 0; i < 3; i++) {
		map = fm_map(self, past[i].first, past[i].pages);
		SAW(past[i].row, "%s", fm_outcome(map != MAP_FAILED));
		EXPECT_EQ(MAP_FAILED, map);
		EXPECT_EQ(ENXIO, errno);
	}
	EXPECT_EQ(0, fm_stats(self->fd).mmaps);
}

/* The kernel refuses what it can tell itself, and the driver the rest. */
TEST_F(buffer, overflowing_offset_is_refused)
{
	const size_t last = ~0UL / self->page;
	const struct {
		const char *row;
		size_t first, pages;
	} past[] = {
		{ "map the last page that an offset can name", last, 1 },
		{ "map two pages from there on", last, 2 },
		{ "map from the middle of all offsets on", last / 2, FM_PAGES },
	};
	char *map;
	size_t i;

	for (i = 0; i < 3; i++) {
		map = fm_map(self, past[i].first, past[i].pages);
		SAW(past[i].row, "%s", fm_outcome(map != MAP_FAILED));
		EXPECT_EQ(MAP_FAILED, map);
		EXPECT_TRUE(errno == ENXIO || errno == EOVERFLOW);
	}
}

/* Whose page a write through a private mapping changed. */
static const char *private_write(const FIXTURE_DATA(buffer) *self, char *map,
				 size_t index)
{
	char *shared = fm_map(self, index, 1);

	map[0] ^= 0xff;
	return fm_page_at(map) == (long)index ? "writes nothing" :
	       fm_page_at(shared) == (long)index ? "writes a copy" :
						   "writes to the buffer";
}

TEST_F(buffer, private_copies_or_is_refused)
{
	char *map = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 self->fd, 3 * self->page);
	const char *saw = fm_mapped(map, 3, 1);

	if (map != MAP_FAILED)
		saw = private_write(self, map, 3);
	SAW("MAP_PRIVATE, and write", "%s", saw);
	EXPECT_STREQ(fm_is_by_page(variant) ? "writes a copy" : "EINVAL", saw);
}

/* mprotect(2) could make it writable, so that it is one that copies. */
TEST_F(buffer, private_and_only_read)
{
	char *map = mmap(NULL, FM_PAGES * self->page, PROT_READ, MAP_PRIVATE,
			 self->fd, 0);
	const char *saw = fm_mapped(map, 0, FM_PAGES);

	SAW("MAP_PRIVATE, PROT_READ only", "%s", saw);
	EXPECT_STREQ(fm_is_by_page(variant) ? FM_WORKS : "EINVAL", saw);
}

TEST_F(buffer, read_only_descriptor)
{
	int fd = open(fm_node(variant), O_RDONLY);
	const char *saw;
	char *map;

	ASSERT_LE(0, fd);
	map = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	saw = fm_outcome(map != MAP_FAILED);
	SAW("O_RDONLY: MAP_SHARED, to write", "%s", saw);
	EXPECT_STREQ("EACCES", saw);

	map = mmap(NULL, self->page, PROT_READ, MAP_SHARED, fd, 0);
	saw = fm_outcome(map != MAP_FAILED);
	SAW("O_RDONLY: MAP_SHARED, to read", "%s", saw);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, fm_read_at(map));

	saw = fm_outcome(!mprotect(map, self->page, PROT_READ | PROT_WRITE));
	SAW("O_RDONLY: mprotect() that to writable", "%s", saw);
	EXPECT_STREQ("EACCES", saw);
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

/* A copy may be written whatever the descriptor is for. */
TEST_F(buffer, private_from_a_read_only_descriptor)
{
	int fd = open(fm_node(variant), O_RDONLY);
	const char *saw;
	char *map;

	ASSERT_LE(0, fd);
	map = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	saw = fm_outcome(map != MAP_FAILED);
	if (map != MAP_FAILED)
		saw = fm_signal(fm_write_at(map));
	SAW("O_RDONLY: MAP_PRIVATE, and write", "%s", saw);
	EXPECT_STREQ(fm_is_by_page(variant) ? FM_WORKS : "EINVAL", saw);
	munmap(map, self->page);
	close(fd);
}

TEST_F(buffer, write_only_descriptor)
{
	int fd = open(fm_node(variant), O_WRONLY);
	const char *saw;
	char *map;

	ASSERT_LE(0, fd);
	map = mmap(NULL, self->page, PROT_WRITE, MAP_SHARED, fd, 0);
	saw = fm_outcome(map != MAP_FAILED);
	SAW("O_WRONLY: MAP_SHARED, to write", "%s", saw);
	EXPECT_STREQ("EACCES", saw);
	close(fd);
}

TEST_F(buffer, mapping_outlives_descriptor)
{
	char *map = fm_map(self, 0, FM_PAGES);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, close(self->fd));
	SAW("close the descriptor and read the mapping", "%s",
	    fm_shown(map, 0, FM_PAGES));
	EXPECT_STAMPS(map, 0, FM_PAGES);
	self->fd = -1;
}

TEST_HARNESS_MAIN

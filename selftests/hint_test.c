// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmap(2) with an address that is only a hint: where there is room for exactly what
 * is mapped, it goes there, as that of a memfd does. Without one, what may be
 * mapped by PMDs comes out where those fit.
 */
#include "buffer_fixture.h"

#define MIB		(1UL << 20)
#define HUGE_SIZE	fm_pmd_size()

/* Pages of the buffers here: 8 MiB, or what every device's memory has. */
static size_t all_pages(const FIXTURE_VARIANT(buffer) *variant)
{
	return (fm_is_device(variant) ? 2 : 8) * MIB / fm_page_size();
}

static int open_large(const FIXTURE_DATA(buffer) *self,
		      const FIXTURE_VARIANT(buffer) *variant)
{
	/* In large blocks, where there are any: what can be mapped by them is aligned. */
	if (!fm_is_device(variant))
		return fm_create_as((struct faultmap_create){
			.bytes = all_pages(variant) * self->page,
			.memory = variant->memory,
			.strategy = variant->strategy,
			.order = variant->memory == FAULTMAP_MEMORY_PAGES ? FM_PMD_ORDER : 0,
			.window = fm_window(variant->strategy),
		});
	return fm_resize(self->fd, all_pages(variant)) ? -errno : dup(self->fd);
}

/* Nothing is mapped in [at, at + pages), and a page of no access at both ends. */
struct hole {
	char *at;
	size_t pages;
	char *reserved;
	size_t all;
};

/* The hole begins @skew pages behind where a PMD fits. */
static bool make_hole(struct hole *hole, size_t pages, size_t skew)
{
	size_t page = fm_page_size(), huge = HUGE_SIZE / page;

	hole->pages = pages;
	hole->all = pages + 2 * huge + skew;
	hole->reserved = fm_reserve(hole->all);
	if (hole->reserved == MAP_FAILED)
		return false;
	hole->at = hole->reserved + HUGE_SIZE -
		   (unsigned long)hole->reserved % HUGE_SIZE + skew * page;
	return !munmap(hole->at, pages * page);
}

static void fill_hole(struct hole *hole)
{
	munmap(hole->reserved, hole->all * fm_page_size());
}

/* Whether a mapping of @fd into the hole goes there; it is taken away again. */
static bool goes_there(const struct hole *hole, int fd, size_t first)
{
	size_t size = hole->pages * fm_page_size();
	char *map = mmap(hole->at, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 first * fm_page_size());

	if (map == MAP_FAILED)
		return false;
	munmap(map, size);
	return map == hole->at;
}

/* A length, the page of the buffer it starts at, and how the hole is aligned. */
struct place {
	size_t pages, first, skew;
};

static const struct place places[] = {
	{ 1, 0, 0 }, { 16, 3, 1 }, { 511, 0, 0 }, { 511, 1, 1 }, { 512, 0, 0 },
	{ 512, 0, 1 }, { 512, 5, 0 }, { 513, 0, 0 }, { 513, 0, 511 },
	{ 1000, 24, 24 }, { 1024, 0, 0 }, { 1024, 512, 0 }, { 1025, 7, 100 },
	{ 2047, 1, 0 }, { 2047, 1, 1 }, { 2048, 0, 0 }, { 2048, 0, 256 },
};

/* How many of the places that are in the buffer are missed. */
static unsigned int misses(const FIXTURE_VARIANT(buffer) *variant, int fd)
{
	unsigned int missed = 0;
	struct hole hole;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		const struct place *place = &places[i];

		if (place->first + place->pages > all_pages(variant))
			continue;
		if (!make_hole(&hole, place->pages, place->skew) ||
		    !goes_there(&hole, fd, place->first)) {
			printf("# %zu pages from %zu on, %zu behind a PMD: elsewhere\n",
			       place->pages, place->first, place->skew);
			missed++;
		}
		fill_hole(&hole);
	}
	return missed;
}

TEST_F(buffer, hint_that_fits)
{
	int fd = open_large(self, variant), memfd = memfd_create("hint", MFD_CLOEXEC);
	size_t pages = all_pages(variant);
	struct hole hole;
	bool there;

	ASSERT_LE(0, fd);
	ASSERT_LE(0, memfd);
	ASSERT_EQ(0, ftruncate(memfd, pages * self->page));
	ASSERT_TRUE(make_hole(&hole, pages, 0));
	there = goes_there(&hole, fd, 0);
	SAW("mmap() with a hint, into a hole of just that size", "%s",
	    there ? "goes there" : "goes elsewhere");
	EXPECT_TRUE(there);
	EXPECT_TRUE(goes_there(&hole, memfd, 0));
	fill_hole(&hole);

	/* That of a memfd tells whether the places are good ones. */
	EXPECT_EQ(0, misses(variant, memfd));
	EXPECT_EQ(0, misses(variant, fd));
	close(memfd);
	close(fd);
}

/* The same of what has a name; a device's buffer was that already. */
TEST_F(buffer, hint_for_a_node)
{
	int fd = open(fm_node(variant), O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	if (fm_is_device(variant))
		ASSERT_EQ(0, fm_resize(fd, all_pages(variant)));
	EXPECT_EQ(0, misses(variant, fd));
	close(fd);
}

/* A hint where something is already is none, and replaces nothing. */
TEST_F(buffer, hint_that_is_taken)
{
	size_t pages = all_pages(variant), size = pages * self->page;
	int fd = open_large(self, variant);
	char *taken = fm_map(self, 0, FM_PAGES), *map;

	ASSERT_LE(0, fd);
	ASSERT_NE(MAP_FAILED, taken);
	for (size_t i = 0; i < FM_PAGES; i += FM_PAGES - 1) {
		map = mmap(taken + i * self->page, size, PROT_READ, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_TRUE(map + size <= taken ||
			    map >= taken + FM_PAGES * self->page);
		munmap(map, size);
	}
	EXPECT_STAMPS(taken, 0, FM_PAGES);
	close(fd);
}

/* What is no multiple of the page size is rounded, as for any file. */
TEST_F(buffer, hint_that_is_odd)
{
	int fd = open_large(self, variant);
	size_t page = self->page;
	struct hole hole;
	char *map;

	ASSERT_LE(0, fd);
	ASSERT_TRUE(make_hole(&hole, 512, 3));
	map = mmap(hole.at + 1, 512 * page - 1, PROT_READ, MAP_SHARED, fd, 0);
	EXPECT_EQ(hole.at, map);
	fill_hole(&hole);
	/* Nothing of the kind is an error. */
	map = mmap((void *)~0UL, page, PROT_READ, MAP_SHARED, fd, 0);
	EXPECT_NE(MAP_FAILED, map);
	close(fd);
}

/* MAP_FIXED_NOREPLACE is no hint: there, or nowhere. */
TEST_F(buffer, fixed_noreplace)
{
	int fd = open_large(self, variant);
	size_t size = all_pages(variant) * self->page;
	struct hole hole;
	char *map;

	ASSERT_LE(0, fd);
	ASSERT_TRUE(make_hole(&hole, all_pages(variant), 1));
	map = mmap(hole.at, size, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	EXPECT_EQ(hole.at, map);
	map = mmap(hole.at - self->page, size, PROT_READ,
		   MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	EXPECT_EQ(MAP_FAILED, map);
	EXPECT_EQ(EEXIST, errno);
	fill_hole(&hole);
	close(fd);
}

/* PMDs are for these: private buffers in large blocks, any window. */
static int open_huge(const FIXTURE_VARIANT(buffer) *variant)
{
	return fm_create_as((struct faultmap_create){
		.bytes = 4 * fm_pmd_size(),
		.memory = FAULTMAP_MEMORY_PAGES,
		.strategy = variant->strategy,
		.order = FM_PMD_ORDER,
	});
}

/* As many pages, where a page table has 512 entries. */
static size_t in_tables(size_t pages)
{
	return pages / 512 * fm_table_pages() + pages % 512;
}

TEST_F(buffer, without_a_hint)
{
	static const struct place asked[] = {
		{ 512, 0, 0 }, { 513, 0, 0 }, { 1024, 512, 0 }, { 1024, 3, 0 },
		{ 2048, 0, 0 }, { 2041, 7, 0 },
	};
	int fd;

	if (variant->memory != FAULTMAP_MEMORY_PAGES || !fm_is_lazy(variant))
		SKIP(return, "not mapped by PMDs");
	if (fm_is_by_page(variant) && !fm_kernel_since(6, 12))
		SKIP(return, "this kernel gets pages one by one");
	if (!fm_has_thp())
		SKIP(return, "a kernel without transparent huge pages");
	fd = open_huge(variant);
	ASSERT_LE(0, fd);
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		size_t size = in_tables(asked[i].pages) * self->page;
		size_t first = in_tables(asked[i].first) * self->page;
		/* Whatever the kernel would choose next, by itself. */
		char *other = fm_reserve(1 + i), *map;

		map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, first);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_EQ(first % HUGE_SIZE, (unsigned long)map % HUGE_SIZE);
		/* Nor does a hint that cannot be had spoil that. */
		munmap(map, size);
		map = mmap(other, size, PROT_READ, MAP_SHARED, fd, first);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_EQ(first % HUGE_SIZE, (unsigned long)map % HUGE_SIZE);
		munmap(map, size);
		munmap(other, (1 + i) * self->page);
	}
	close(fd);
}

TEST_HARNESS_MAIN

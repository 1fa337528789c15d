// SPDX-License-Identifier: GPL-2.0-only
/*
 * Neighbours that continue each other. Mappings with a driver's flags stay apart,
 * and are counted. Ordinary ones become one again, as those of a memfd do, without
 * a call of the driver, which therefore counts but the calls of mmap(2).
 */
#include "buffer_fixture.h"
#include "put.h"

/* The driver counts @vmas mappings; of ordinary ones it saw @mmaps begin. */
static void expect_live(struct __test_metadata *_metadata,
			const FIXTURE_VARIANT(buffer) *variant, int fd,
			unsigned int vmas, unsigned int mmaps)
{
	struct faultmap_stats stats = fm_stats(fd);

	if (fm_is_ordinary(variant)) {
		EXPECT_EQ(mmaps, stats.mmaps);
		EXPECT_EQ(0, stats.opens);
		EXPECT_EQ(0, stats.closes);
	} else {
		EXPECT_EQ(vmas, fm_live(fd));
	}
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
	/* What the kernel merges at once need not be asked of the driver. */
	EXPECT_TRUE(stats.mmaps == 2 || (stats.mmaps == 1 && fm_is_ordinary(variant)));
	expect_live(_metadata, variant, self->fd, vmas, stats.mmaps);
	EXPECT_EQ(fm_is_ordinary(variant) ? 1 : 2, vmas);
	EXPECT_STAMPS(base, 0, FM_PAGES);
}

/*
 * What the kernel merges at once is not asked of the driver either when it lies behind the
 * end, or the file is revoked: then the touch says so.
 */
TEST_F(buffer, what_merges_is_not_refused)
{
	bool merges = fm_is_ordinary(variant) && fm_stats(self->fd).mmaps == 0;
	char *base = fm_reserve(FM_PAGES + 8), *behind = base + FM_PAGES * self->page;

	ASSERT_NE(MAP_FAILED, base);
	ASSERT_EQ(base, fm_map_at(self, base, 0, FM_PAGES));
	merges &= fm_map_at(self, behind, FM_PAGES, 1) == behind;
	SAW("mmap() the page behind the last, beside what is mapped",
	    "%s", fm_outcome(merges));
	EXPECT_EQ(fm_is_ordinary(variant), merges);
	if (!merges)
		return;
	EXPECT_EQ(SIGBUS, fm_read_at(behind));
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_EQ(behind + self->page, fm_map_at(self, behind + self->page, FM_PAGES + 1, 1));
	EXPECT_EQ(SIGBUS, fm_read_at(behind + self->page));
	EXPECT_EQ(1, fm_stats(self->fd).mmaps);
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
	    "VMAs: %u, %s", vmas,
	    fm_saw_live(self->fd, variant));
	EXPECT_EQ(2, vmas);
	expect_live(_metadata, variant, self->fd, 2, 2);
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
	SAW("mprotect() the middle", "VMAs: %u, %s", vmas,
	    fm_saw_live(self->fd, variant));
	EXPECT_EQ(3, vmas);
	expect_live(_metadata, variant, self->fd, 3, 1);
	EXPECT_EQ(SIGSEGV, fm_write_at(middle));
	ASSERT_EQ(0, mprotect(middle, 4 * self->page, PROT_READ | PROT_WRITE));
	vmas = fm_count_vmas(map, FM_PAGES * self->page);
	SAW("mprotect() the middle and back", "VMAs: %u, %s", vmas,
	    fm_saw_live(self->fd, variant));
	EXPECT_EQ(fm_is_ordinary(variant) ? 1 : 3, vmas);
	expect_live(_metadata, variant, self->fd, vmas, 1);
	EXPECT_EQ(0, fm_write_at(middle));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* What was taken out and comes back to its place is one with it, if it can be. */
TEST_F(buffer, moved_away_and_back)
{
	char *map = fm_map(self, 0, FM_PAGES), *middle = map + 4 * self->page;
	char *away = fm_reserve(4);
	size_t size = 4 * self->page;

	ASSERT_NE(MAP_FAILED, map);
	if (mremap(middle, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, away) == MAP_FAILED)
		DOES_NOT_APPLY("a mapping that does not move");
	ASSERT_EQ(middle, mremap(away, size, size, MREMAP_MAYMOVE | MREMAP_FIXED,
				 middle));
	EXPECT_EQ(fm_is_ordinary(variant) ? 1 : 3,
		  fm_count_vmas(map, FM_PAGES * self->page));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

#define MAX_MAP_COUNT	"/proc/sys/vm/max_map_count"
#define FEW_VMAS	1000
#define MANY_PAGES	3000

/* The limit of VMAs, lowered so that a few thousand pages would exceed it. */
static int lower_limit(char *before, size_t size)
{
	FILE *file = fopen(MAX_MAP_COUNT, "r");
	char few[16];

	if (!file)
		return -errno;
	if (!fgets(before, size, file))
		*before = 0;
	fclose(file);
	snprintf(few, sizeof(few), "%d", FEW_VMAS);
	return fm_put(MAX_MAP_COUNT, few);
}

/* Changes each @step th of @pages by a call of its own; at which of them it ends. */
static size_t protect_each(char *map, size_t pages, size_t step, int prot)
{
	size_t page = fm_page_size(), i;

	for (i = 0; i < pages; i += step)
		if (mprotect(map + i * page, page, prot))
			break;
	return i < pages ? i : pages;
}

/* Takes the right to write from each other page, and gives it back at once. */
static size_t toggle_each(char *map, size_t pages)
{
	size_t page = fm_page_size(), i;

	for (i = 0; i < pages; i += 2)
		if (mprotect(map + i * page, page, PROT_READ) ||
		    mprotect(map + i * page, page, PROT_READ | PROT_WRITE))
			break;
	return i < pages ? i : pages;
}

/* What a page at a time did to a mapping. */
struct protected {
	size_t toggled;		/* pages that mprotect(2) reached, by turns, */
	size_t there, back;	/* all to read-only, and back */
	unsigned int apart;	/* VMAs, with each fourth page of some read-only */
	unsigned int vmas;	/* in the end */
};

static struct protected protect_page_by_page(char *map, size_t pages)
{
	struct protected p = {
		.toggled = toggle_each(map, pages),
		.there = protect_each(map, pages, 1, PROT_READ),
		.back = protect_each(map, pages, 1, PROT_READ | PROT_WRITE),
	};

	protect_each(map, FEW_VMAS / 2, 4, PROT_READ);
	p.apart = fm_count_vmas(map, FEW_VMAS / 2 * fm_page_size());
	protect_each(map, FEW_VMAS / 2, 4, PROT_READ | PROT_WRITE);
	p.vmas = fm_count_vmas(map, pages * fm_page_size());
	return p;
}

static char *map_whole(int fd, size_t pages)
{
	return mmap(NULL, pages * fm_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
		    fd, 0);
}

TEST_F(buffer, mprotect_a_page_at_a_time)
{
	size_t pages = fm_is_device(variant) ? 1024 : MANY_PAGES, size = pages * self->page;
	int memfd = memfd_create("merge", MFD_CLOEXEC), ret;
	char before[32], *map, *plain;
	struct protected p, q;

	ASSERT_EQ(0, fm_resize(self->fd, pages));
	ASSERT_EQ(0, ftruncate(memfd, size));
	map = map_whole(self->fd, pages);
	plain = map_whole(memfd, pages);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_NE(MAP_FAILED, plain);
	ret = lower_limit(before, sizeof(before));
	if (ret == -EACCES || ret == -ENOENT)
		SKIP(return, "needs to lower " MAX_MAP_COUNT);
	ASSERT_EQ(0, ret);
	q = protect_page_by_page(plain, pages);
	p = protect_page_by_page(map, pages);
	ASSERT_EQ(0, fm_put(MAX_MAP_COUNT, before));
	SAW("mprotect() each other page and back, one at a time, 1000 VMAs at most",
	    "%s", p.toggled == pages ? FM_WORKS : "ENOMEM");
	printf("# %zu, %zu, %zu of %zu pages, %u VMAs, then %u; memfd %zu, %zu, %zu, %u, %u\n",
	       p.toggled, p.there, p.back, pages, p.apart, p.vmas, q.toggled, q.there,
	       q.back, q.apart, q.vmas);
	EXPECT_EQ(pages, q.toggled);
	EXPECT_EQ(pages, q.there);
	EXPECT_EQ(pages, q.back);
	EXPECT_EQ(FEW_VMAS / 4, q.apart);
	EXPECT_EQ(1, q.vmas);
	if (fm_is_ordinary(variant)) {
		EXPECT_EQ(0, memcmp(&p, &q, sizeof(p)));
		expect_live(_metadata, variant, self->fd, 1, 1);
	} else {
		EXPECT_GT(pages, p.toggled);
		EXPECT_EQ(p.vmas, fm_live(self->fd));
	}
	EXPECT_STAMPS(map, 0, FM_PAGES);
	munmap(map, size);
	munmap(plain, size);
	close(memfd);
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

// SPDX-License-Identifier: GPL-2.0-only
/* madvise(2): which advice is taken, and what becomes of the translations. */
#include <sys/resource.h>

#include "advice.h"
#include "buffer_fixture.h"

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

	faults = fm_faults(self->fd);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	faults = fm_faults(self->fd) - faults;
	SAW("touch all, MADV_DONTNEED, touch all", "%s, refaults %" PRIu64 " pages",
	    fm_result(ret, 0), faults);
	EXPECT_EQ(fm_is_by_page(variant) ? 0 : -EINVAL, ret);
	EXPECT_FAULTS(ret ? 0 : FM_PAGES, faults);
}

/* The page itself does not have to come back before its copy. */
TEST_F(buffer, private_write_of_what_was_dropped)
{
	char *map = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			 self->fd, 0);
	struct rusage before, after;

	if (!fm_is_by_page(variant))
		SKIP(return, "frames have no private mappings");
	ASSERT_NE(MAP_FAILED, map);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, madvise(map, self->page, MADV_DONTNEED));
		getrusage(RUSAGE_SELF, &before);
		*(volatile char *)map = 1;
		getrusage(RUSAGE_SELF, &after);
	}
	EXPECT_EQ(1, after.ru_minflt - before.ru_minflt);
	munmap(map, self->page);
}

TEST_F(buffer, free)
{
	char *map;
	int ret = advise(self, &map, MADV_FREE);

	SAW("MADV_FREE", "%s", fm_result(ret, 0));
	EXPECT_EQ(-EINVAL, ret);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* Pages that are on no LRU list stay where they are. */
TEST_F(buffer, cold_and_pageout)
{
	static const struct {
		const char *row;
		int advice;
	} reclaim[] = {
		{ "touch all, MADV_COLD, touch all", MADV_COLD },
		{ "touch all, MADV_PAGEOUT, touch all", MADV_PAGEOUT },
	};
	uint64_t faults;
	char *map;
	size_t i;
	int ret;

	for (i = 0; i < 2; i++) {
		ret = advise(self, &map, reclaim[i].advice);
		faults = fm_faults(self->fd);
		EXPECT_STAMPS(map, 0, FM_PAGES);
		faults = fm_faults(self->fd) - faults;
		SAW(reclaim[i].row, "%s, refaults %" PRIu64 " pages",
		    fm_result(ret, 0), faults);
		EXPECT_EQ(fm_is_by_page(variant) ? 0 : -EINVAL, ret);
		EXPECT_EQ(0, faults);
		ASSERT_EQ(0, munmap(map, FM_PAGES * self->page));
	}
}

TEST_F(buffer, hints_are_taken)
{
	static const struct {
		const char *name;
		int advice;
	} hints[] = {
		{ "MADV_NORMAL", MADV_NORMAL },
		{ "MADV_RANDOM", MADV_RANDOM },
		{ "MADV_SEQUENTIAL", MADV_SEQUENTIAL },
		{ "MADV_WILLNEED", MADV_WILLNEED },
		{ "MADV_NOHUGEPAGE", MADV_NOHUGEPAGE },
		{ "MADV_HUGEPAGE", MADV_HUGEPAGE },
		{ "MADV_DONTDUMP", MADV_DONTDUMP },
		{ "MADV_DONTFORK", MADV_DONTFORK },
	};
	char *map = fm_map(self, 0, FM_PAGES);
	size_t i;
	int ret;

	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < sizeof(hints) / sizeof(*hints); i++) {
		ret = fm_errno(madvise(map, FM_PAGES * self->page,
				       hints[i].advice));
		SAW(hints[i].name, "%s", fm_result(ret, 0));
		EXPECT_EQ(strstr(hints[i].name, "HUGEPAGE") && !fm_has_thp() ? -EINVAL : 0, ret)
			TH_LOG("%s", hints[i].name);
	}
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* The kernel refuses it to VM_IO, and from 7.x on to whatever a driver flagged. */
TEST_F(buffer, dofork)
{
	char *map;
	int ret = advise(self, &map, MADV_DOFORK);

	SAW("MADV_DOFORK", "%s", fm_result(ret, 0));
	EXPECT_TRUE(ret == 0 || (ret == -EINVAL && !fm_is_ordinary(variant)));
	EXPECT_TRUE(ret == -EINVAL || fm_is_by_page(variant));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_F(buffer, dodump)
{
	char *map;
	int ret = advise(self, &map, MADV_DODUMP);

	SAW("MADV_DODUMP", "%s", fm_result(ret, 0));
	EXPECT_EQ(fm_is_ordinary(variant) ? 0 : -EINVAL, ret);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* Advice that is for other memory: refused, or taken without effect. */
TEST_F(buffer, for_other_memory)
{
	const struct {
		const char *name;
		int advice, error;
	} table[] = {
		{ "madvise(MADV_REMOVE)", MADV_REMOVE,
		  fm_is_device(variant) ? ENODEV : EOPNOTSUPP },
		{ "madvise(MADV_WIPEONFORK)", MADV_WIPEONFORK, EINVAL },
		{ "madvise(MADV_MERGEABLE)", MADV_MERGEABLE, 0 },
		{ "madvise(MADV_UNMERGEABLE)", MADV_UNMERGEABLE, 0 },
		{ "madvise(MADV_KEEPONFORK)", MADV_KEEPONFORK, 0 },
	};
	uint64_t faults;
	char *map;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		int ret = advise(self, &map, table[i].advice);

		errno = -ret;
		SAW(table[i].name, "%s", fm_outcome(!ret));
		EXPECT_EQ(-table[i].error, ret) TH_LOG("%s", table[i].name);
		faults = fm_faults(self->fd);
		EXPECT_STAMPS(map, 0, FM_PAGES);
		EXPECT_EQ(faults, fm_faults(self->fd));
		munmap(map, FM_PAGES * self->page);
	}
}

TEST_F(buffer, dontneed_locked)
{
	char *map;
	int ret = advise(self, &map, MADV_DONTNEED_LOCKED);
	uint64_t faults = fm_faults(self->fd);

	EXPECT_EQ(fm_is_by_page(variant) ? 0 : -EINVAL, ret);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_FAULTS(ret ? 0 : FM_PAGES, fm_faults(self->fd) - faults);
}

/* Two huge pages' worth, so that there is one to collapse to. */
TEST_F(buffer, collapse)
{
	size_t huge = fm_pmd_size(), pages = 2 * huge / self->page;
	uint64_t faults;
	char *map;
	int ret;

	ASSERT_EQ(0, fm_resize(self->fd, pages));
	ASSERT_EQ(0, fm_stamp(self->fd, 0, pages));
	map = fm_map(self, 0, pages);
	ASSERT_NE(MAP_FAILED, map);
	for (size_t i = 0; i < pages; i++)
		*(volatile char *)(map + i * self->page);
	faults = fm_faults(self->fd);
	ret = madvise(map, 2 * huge, MADV_COLLAPSE);
	SAW("madvise(MADV_COLLAPSE)", "%s", fm_outcome(!ret));
	EXPECT_EQ(-1, ret);
	EXPECT_EQ(EINVAL, errno);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(faults, fm_faults(self->fd));
}

/* Guards, in mappings of files since 6.15: a touch is SIGSEGV until they go. */
TEST_F(buffer, guard)
{
	bool guards = fm_is_ordinary(variant) && fm_kernel_since(6, 15);
	char *map;
	int ret = advise(self, &map, MADV_GUARD_INSTALL);
	uint64_t faults = fm_faults(self->fd);

	errno = -ret;
	SAW("madvise(MADV_GUARD_INSTALL)", "%s", fm_outcome(!ret));
	EXPECT_EQ(guards ? 0 : -EINVAL, ret);
	if (guards) {
		EXPECT_SIGNALS(SIGSEGV, map, FM_PAGES);
		EXPECT_EQ(0, fm_stats(self->fd).sigbus);
		EXPECT_EQ(faults, fm_faults(self->fd));
		EXPECT_EQ(0, madvise(map, FM_PAGES * self->page,
				     MADV_GUARD_REMOVE));
	}
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_FAULTS(guards ? FM_PAGES : 0, fm_faults(self->fd) - faults);
}

TEST_F(buffer, mergeable)
{
	char *map;
	int ret = advise(self, &map, MADV_MERGEABLE);

	SAW("MADV_MERGEABLE", "%s", fm_result(ret, 0));
	EXPECT_TRUE(ret == 0 || ret == -EINVAL);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* There is no file behind it to punch a hole into. */
TEST_F(buffer, remove)
{
	char *map;
	int ret = advise(self, &map, MADV_REMOVE);

	SAW("MADV_REMOVE", "%s", fm_result(ret, 0));
	EXPECT_EQ(fm_is_device(variant) ? -ENODEV : -EOPNOTSUPP, ret);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_HARNESS_MAIN

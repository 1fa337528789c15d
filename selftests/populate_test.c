// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asking for pages before they are touched: MAP_POPULATE, MADV_POPULATE_READ and
 * _WRITE, mlock(2) and mlockall(2). Frames that are mapped lazily never come this
 * way, because the kernel populates by taking pages.
 */
#include "advice.h"
#include "buffer_fixture.h"

/* Faults that touching everything now takes. */
static uint64_t touch_all(const FIXTURE_DATA(buffer) *self, char *map)
{
	uint64_t faults = fm_faults(self->fd);
	size_t i;

	for (i = 0; i < FM_PAGES; i++)
		fm_read_at(map + i * self->page);
	return fm_faults(self->fd) - faults;
}

static bool never_populates(const FIXTURE_VARIANT(buffer) *variant)
{
	return fm_is_lazy(variant) && !fm_is_by_page(variant);
}

TEST_F(buffer, map_populate)
{
	char *map = mmap(NULL, FM_PAGES * self->page, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, self->fd, 0);
	const char *saw = fm_outcome(map != MAP_FAILED);
	uint64_t faults;

	ASSERT_NE(MAP_FAILED, map);
	faults = touch_all(self, map);
	SAW("MAP_POPULATE, touch all", "%s, %" PRIu64 " faults", saw, faults);
	EXPECT_FAULTS(never_populates(variant) ? FM_PAGES : 0, faults);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_F(buffer, madv_populate)
{
	static const struct {
		const char *row;
		int advice;
	} populate[] = {
		{ "MADV_POPULATE_READ, touch all", MADV_POPULATE_READ },
		{ "MADV_POPULATE_WRITE, touch all", MADV_POPULATE_WRITE },
	};
	uint64_t faults;
	char *map;
	size_t i;
	int ret;

	for (i = 0; i < 2; i++) {
		map = fm_map(self, 0, FM_PAGES);
		ASSERT_NE(MAP_FAILED, map);
		ret = fm_errno(madvise(map, FM_PAGES * self->page,
				       populate[i].advice));
		faults = touch_all(self, map);
		SAW(populate[i].row, "%s, %" PRIu64 " faults",
		    fm_result(ret, 0), faults);
		EXPECT_EQ(fm_is_by_page(variant) ? 0 : -EINVAL, ret);
		EXPECT_FAULTS(never_populates(variant) ? FM_PAGES : 0, faults);
		EXPECT_STAMPS(map, 0, FM_PAGES);
		ASSERT_EQ(0, munmap(map, FM_PAGES * self->page));
	}
}

/* Beyond the end, populating fails as a touch would. */
TEST_F(buffer, madv_populate_past_the_end)
{
	struct faultmap_resize resize = { .bytes = 4 * self->page };
	char *map = fm_map(self, 0, FM_PAGES);
	int ret;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_RESIZE, &resize));
	ret = fm_errno(madvise(map, FM_PAGES * self->page, MADV_POPULATE_READ));
	SAW("MADV_POPULATE_READ past the end of the buffer", "%s",
	    fm_result(ret, 0));
	EXPECT_EQ(fm_is_by_page(variant) ? -EFAULT : -EINVAL, ret);
	EXPECT_STAMPS(map, 0, 4);
}

TEST_F(buffer, mlock)
{
	char *map = fm_map(self, 0, FM_PAGES);
	uint64_t faults;
	int ret;

	ASSERT_NE(MAP_FAILED, map);
	ret = fm_errno(mlock(map, FM_PAGES * self->page));
	faults = touch_all(self, map);
	SAW("mlock(), touch all", "%s, %" PRIu64 " faults", fm_result(ret, 0),
	    faults);
	EXPECT_EQ(0, ret);
	EXPECT_FAULTS(never_populates(variant) ? FM_PAGES : 0, faults);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(0, munlock(map, FM_PAGES * self->page));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_F(buffer, mlockall)
{
	char *map = fm_map(self, 0, FM_PAGES);
	uint64_t faults;
	int ret;

	ASSERT_NE(MAP_FAILED, map);
	ret = fm_errno(mlockall(MCL_CURRENT));
	faults = touch_all(self, map);
	SAW("mlockall(MCL_CURRENT), touch all", "%s, %" PRIu64 " faults",
	    fm_result(ret, 0), faults);
	EXPECT_EQ(0, ret);
	EXPECT_FAULTS(never_populates(variant) ? FM_PAGES : 0, faults);
	EXPECT_EQ(0, munlockall());
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* Those who lock everything to come populate at mmap(2), where that works. */
TEST_F(buffer, mlockall_future)
{
	const char *saw;
	uint64_t faults;
	char *map;

	ASSERT_EQ(0, mlockall(MCL_FUTURE));
	map = fm_map(self, 0, FM_PAGES);
	saw = fm_outcome(map != MAP_FAILED);
	ASSERT_NE(MAP_FAILED, map);
	faults = touch_all(self, map);
	SAW("mlockall(MCL_FUTURE), mmap(), touch all",
	    "%s, %" PRIu64 " faults", saw, faults);
	EXPECT_FAULTS(never_populates(variant) ? FM_PAGES : 0, faults);
	EXPECT_EQ(0, munlockall());
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_HARNESS_MAIN

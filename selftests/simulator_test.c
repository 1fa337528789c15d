// SPDX-License-Identifier: GPL-2.0-only
/* On real mappings, the driver makes the fault windows that the simulator foretells. */

#include "faultmap_test.h"
#include "window_sim.h"

#define DRIVEN_PAGES	(16UL << 8)
#define SPARE_PAGES	8

struct driven {
	int fd;
	char *reserved;
	char *table;		/* begins a page table */
};

static bool new_driven(struct driven *driven, enum fm_kind kind)
{
	size_t table = FM_TABLE_PAGES * fm_page_size();

	driven->fd = fm_create_as((struct faultmap_create){
		.bytes = (DRIVEN_PAGES + SPARE_PAGES) * fm_page_size(),
		.memory = FAULTMAP_MEMORY_VMALLOC,
		.strategy = kind == FM_FRAME ? FAULTMAP_STRATEGY_LAZY_PFN :
						FAULTMAP_STRATEGY_LAZY,
	});
	driven->reserved = fm_reserve(DRIVEN_PAGES + FM_TABLE_PAGES);
	driven->table = driven->reserved + table - 1;
	driven->table -= (unsigned long)driven->table % table;
	return driven->fd >= 0 && driven->reserved != MAP_FAILED;
}

static void drop_driven(struct driven *driven)
{
	munmap(driven->reserved, (DRIVEN_PAGES + FM_TABLE_PAGES) * fm_page_size());
	close(driven->fd);
}

/* The life of a mapping of @walk->pages from page @first of the buffer on. */
static void touch(volatile char *at, bool write)
{
	if (write)
		*at = 1;
	else
		*at;
}

static struct faultmap_stats drive(const struct driven *driven,
				   const struct fm_walk *walk, size_t first,
				   enum fm_hint hint, bool write)
{
	static const int advice[] = {
		[FM_HINT_NONE] = MADV_NORMAL,
		[FM_HINT_RANDOM] = MADV_RANDOM,
		[FM_HINT_SEQUENTIAL] = MADV_SEQUENTIAL,
	};
	size_t page = fm_page_size(), i;
	struct faultmap_stats stats;
	char *map;

	map = mmap(driven->table, walk->pages * page, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED, driven->fd, first * page);
	madvise(map, walk->pages * page, advice[hint]);
	ioctl(driven->fd, FAULTMAP_STATS_RESET);
	for (i = 0; i < walk->n; i++)
		touch(map + walk->touch[i] * page, write);
	stats = fm_stats(driven->fd);
	mmap(map, walk->pages * page, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return stats;
}

/*
 * Each with a buffer that has no history, without advice, and with either, one after
 * the other. Frames that happen to lie for a huge mapping do not if the buffer is
 * mapped from another page on.
 */
static bool drive_as_simulated(struct __test_metadata *_metadata,
			       const struct fm_walk *walk, size_t first,
			       enum fm_kind kind, bool *same)
{
	static const enum fm_hint hints[] = {
		FM_HINT_NONE, FM_HINT_NONE, FM_HINT_RANDOM, FM_HINT_NONE,
		FM_HINT_SEQUENTIAL, FM_HINT_SEQUENTIAL, FM_HINT_NONE,
	};
	struct fm_sim sim = {
		.costs = fm_measured_costs[kind], .pages = walk->pages, .kind = kind,
	};
	struct fm_memory memory = { 0 };
	struct faultmap_stats stats;
	struct fm_replay replay;
	struct driven driven;
	bool huge = false;
	size_t i;

	ASSERT_TRUE(new_driven(&driven, kind));
	for (i = 0; i < sizeof(hints) / sizeof(*hints) && !huge; i++) {
		replay = fm_replay(walk, &sim, &memory, i + 1, hints[i]);
		stats = drive(&driven, walk, first, hints[i], kind == FM_PAGE_WRITTEN);
		huge = stats.huge_faults;
		if (huge)
			continue;
		EXPECT_EQ(replay.faults, stats.read_faults + stats.write_faults);
		EXPECT_EQ(replay.mapped, stats.pages_installed);
		*same = *same && replay.faults == stats.read_faults + stats.write_faults &&
			replay.mapped == stats.pages_installed;
	}
	drop_driven(&driven);
	return !huge;
}

static void drive_all(struct __test_metadata *_metadata, enum fm_kind kind)
{
	static size_t touch[DRIVEN_PAGES];
	struct fm_walk walk = { .pages = DRIVEN_PAGES, .touch = touch };
	static const double shares[] = { 0.2, 5, 50, 100 };
	size_t i, j, first;
	bool same = true;

	/* What a CPU has learned stays with it. */
	ASSERT_TRUE(fm_run_on(0, sched_getcpu()));
	for (i = 0; i < fm_nr_patterns; i++) {
		for (j = 0; j < sizeof(shares) / sizeof(*shares); j++) {
			if (!fm_draw(&walk, &fm_patterns[i], shares[j], 0, false))
				continue;
			first = 0;
			while (first < SPARE_PAGES &&
			       !drive_as_simulated(_metadata, &walk, first, kind, &same))
				first++;
			EXPECT_GT(SPARE_PAGES, first);
			if (!same) {
				TH_LOG("%s, %g %%", fm_patterns[i].name, shares[j]);
				return;
			}
		}
	}
}

TEST(driver_does_as_simulated)
{
	if (access(FM_CONTROL, R_OK | W_OK))
		SKIP(return, "faultmap is not loaded");
	if (!fm_batches())
		SKIP(return, "this kernel has no apply_to_page_range() for modules");
	drive_all(_metadata, FM_FRAME);
}

TEST(driver_does_as_simulated_by_page)
{
	if (access(FM_CONTROL, R_OK | W_OK))
		SKIP(return, "faultmap is not loaded");
	drive_all(_metadata, FM_PAGE_READ);
	drive_all(_metadata, FM_PAGE_WRITTEN);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two threads touch the same page at the same time. Both may reach the driver, and
 * both are counted, by the driver and in ru_minflt; or one takes a fault and, once
 * it is in the kernel, finds that the other has mapped the page: that one is in
 * ru_minflt alone. So the driver counts one to two faults a page, and never more
 * than ru_minflt.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "buffer_fixture.h"

#define ROUNDS	4
#define THREADS	2

struct race {
	char *map;
	size_t page;
	bool write;
	atomic_uint arrived;
	atomic_long minor_faults;
};

/* Returns when all threads have come to the step. */
static void meet(struct race *race, unsigned int step)
{
	unsigned int spins = 0;

	atomic_fetch_add(&race->arrived, 1);
	while (atomic_load(&race->arrived) < THREADS * step)
		if (++spins % 1000 == 0)
			sched_yield();
}

static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt;
}

static void *touch_all(void *arg)
{
	struct race *race = arg;
	volatile char *at = race->map;
	unsigned int step = 0;
	long before;

	meet(race, ++step);
	before = minor_faults();
	for (int i = 0; i < FM_PAGES; i++, at += race->page) {
		meet(race, ++step);
		if (race->write)
			*at = *at;
		else
			*at;
	}
	atomic_fetch_add(&race->minor_faults, minor_faults() - before);
	return NULL;
}

/* Has all threads touch each page of a new mapping; returns their faults. */
static long run_round(struct __test_metadata *_metadata,
		      const FIXTURE_DATA(buffer) *self, bool write)
{
	struct race race = {
		.map = fm_map(self, 0, FM_PAGES),
		.page = self->page,
		.write = write,
	};
	pthread_t threads[THREADS];

	EXPECT_NE(MAP_FAILED, race.map);
	for (int i = 0; i < THREADS; i++)
		EXPECT_EQ(0, pthread_create(&threads[i], NULL, touch_all, &race));
	for (int i = 0; i < THREADS; i++)
		EXPECT_EQ(0, pthread_join(threads[i], NULL));
	EXPECT_STAMPS(race.map, 0, FM_PAGES);
	munmap(race.map, FM_PAGES * self->page);
	return race.minor_faults;
}

static void run_races(struct __test_metadata *_metadata,
		      const FIXTURE_DATA(buffer) *self,
		      const FIXTURE_VARIANT(buffer) *variant, bool write)
{
	uint64_t pages = ROUNDS * FM_PAGES, minor = 0, faults;
	uint64_t least = !fm_is_lazy(variant) ? 0 :
			 self->window == 1 ? pages : ROUNDS;

	run_round(_metadata, self, write);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_STATS_RESET));
	for (int i = 0; i < ROUNDS; i++)
		minor += run_round(_metadata, self, write);
	faults = fm_faults(self->fd);
	EXPECT_LE(least, faults);
	EXPECT_LE(faults, minor);
	EXPECT_LE(minor, fm_is_lazy(variant) ? THREADS * pages : 0);
	if (self->window != 1)
		return;
	EXPECT_EQ(faults + pages - least, fm_stats(self->fd).pages_installed);
	SAW(write ? "two threads write a page at once" : "two threads read a page at once",
	    "%s", !faults ? "no fault" :
	    faults >= pages && faults <= 2 * pages ? "1 or 2 faults a page" :
	    "faults out of range");
}

TEST_F(buffer, read_at_once)
{
	run_races(_metadata, self, variant, false);
}

TEST_F(buffer, write_at_once)
{
	run_races(_metadata, self, variant, true);
}

TEST_HARNESS_MAIN

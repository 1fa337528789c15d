// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer grows to where 2 MiB at once fit while two threads touch it: one finds a
 * page table, or makes it, where the other maps all. Each sees its page, and the kernel
 * has nothing to log. FAULTMAP_RACE_SECONDS makes the case run for so long.
 */
#include <pthread.h>

#include "kernel_log.h"
#include "race.h"

#define HUGE_SIZE	fm_pmd_size()

/* A buffer at the edge of 2 MiB, which two threads touch where nothing is mapped. */
FIXTURE(edge)
{
	struct race *race;
	size_t page, pages;	/* in 2 MiB */
	char *area, *at;
	atomic_uint turn, done;
	atomic_ulong grow_ns;	/* how long that took */
	int fd;
	int log;
};

FIXTURE_SETUP(edge)
{
	self->fd = fm_create_as((struct faultmap_create){
		.bytes = HUGE_SIZE,
		.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
		.order = FM_PMD_ORDER,
	});
	if (self->fd == -ENOENT)
		SKIP(return, "faultmap is not loaded");
	self->page = fm_page_size();
	self->pages = HUGE_SIZE / self->page;
	self->race = race_new();
	ASSERT_NE(MAP_FAILED, self->race);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, fm_stamp(self->fd, 0, self->pages));
	self->area = fm_reserve(2 * self->pages);
	ASSERT_NE(MAP_FAILED, self->area);
	self->at = (char *)(((uintptr_t)self->area + HUGE_SIZE - 1) & -HUGE_SIZE);
	self->log = fm_log_open();
}

FIXTURE_TEARDOWN(edge)
{
	EXPECT_SILENT(self->log);
	munmap(self->area, 2 * HUGE_SIZE);
	close(self->fd);
}

static void touch_edge(FIXTURE_DATA(edge) *self, size_t index)
{
	struct race_moment before = race_before(self->race);

	if (race_touch(self->race, self->at + index * self->page, index, true) !=
	    RACE_STAMP)
		race_wrong(self->race, index, 0);
	race_met(self->race, &before);
}

/* Touches once each turn, at some time while the buffer grows. */
static void *touch_in_turn(void *arg)
{
	FIXTURE_DATA(edge) *self = arg;
	unsigned int turn = 0;
	double end;

	for (;;) {
		while (atomic_load(&self->turn) == turn)
			if (atomic_load(&self->race->stop))
				return NULL;
		turn++;
		end = race_now() + rand() % (atomic_load(&self->grow_ns) + 1) / 1e9;
		while (race_now() < end)
			;
		touch_edge(self, 1);
		atomic_store(&self->done, turn);
	}
}

/* By one page, to all that 2 MiB at once need; the other thread touches meanwhile. */
static void grow_and_touch(struct __test_metadata *_metadata, FIXTURE_DATA(edge) *self)
{
	unsigned int turn = atomic_load(&self->turn) + 1;
	double start, grown;

	ASSERT_EQ(self->at, mmap(self->at, HUGE_SIZE, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_FIXED, self->fd, 0));
	ASSERT_EQ(0, race_resize(self->fd, self->pages - 1));
	atomic_store(&self->turn, turn);
	start = race_now();
	atomic_fetch_add(&self->race->began, 1);
	EXPECT_EQ(0, race_resize(self->fd, self->pages));
	grown = race_now();
	atomic_fetch_add(&self->race->ended, 1);
	touch_edge(self, 0);
	atomic_store(&self->grow_ns, 1e9 * (grown - start));
	while (atomic_load(&self->done) != turn)
		sched_yield();
	/* With the page table, so that the next turn finds none. */
	munmap(self->at, HUGE_SIZE);
}

/* One thread finds 2 MiB too much and makes a page table, the other finds it fits. */
TEST_F(edge, grown_while_touched)
{
	struct race_clock clock = race_start_all();
	unsigned long met = 0, now;
	pthread_t thread;

	race_catch_signals();
	ASSERT_EQ(0, pthread_create(&thread, NULL, touch_in_turn, self));
	while (race_goes_on(&clock) && !atomic_load(&self->race->wrong)) {
		grow_and_touch(_metadata, self);
		now = atomic_load(&self->race->met);
		clock.rounds++;
		clock.hits += now > met;
		met = now;
	}
	clock.met = met;
	atomic_store(&self->race->stop, true);
	pthread_join(thread, NULL);
	EXPECT_NOTHING_WRONG(self->race);
	EXPECT_RACED(&clock);
}

TEST_HARNESS_MAIN

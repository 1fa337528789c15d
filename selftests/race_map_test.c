// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads touch the pages of one mapping while another thread unmaps, moves or
 * forks it, and RESIZE takes what is being mapped, moved or forked. Every page
 * shows its stamp, or is gone where it may be.
 */
#include <pthread.h>

#include "race_fixture.h"

#define TOUCHERS	2

/* The threads of a round, and what may happen to the pages they touch. */
struct crew {
	const FIXTURE_DATA(race) *self;
	struct race *race;
	int fd;
	char *base;
	char *other;		/* where its middle half may be instead, with @moves */
	bool moves;
	bool goes;		/* the middle half may be nowhere meanwhile */
	bool comes;		/* all may be nowhere */
	bool resized;		/* what is behind the first pages goes for good */
	atomic_uint numbered;
	pthread_t thread[TOUCHERS + 1];
};

static size_t part_first(const struct crew *crew)
{
	return crew->self->pages / 4;
}

static size_t part_bytes(const struct crew *crew)
{
	return crew->self->pages / 2 * crew->self->page;
}

static bool in_part(const struct crew *crew, size_t index)
{
	return index - part_first(crew) < crew->self->pages / 2;
}

static bool is_right(const struct crew *crew, bool other, size_t index,
		     enum race_seen seen, bool met, bool over)
{
	bool taken = crew->resized && index >= crew->self->keep;

	switch (seen) {
	case RACE_STAMP:
		return !taken || !over;
	case RACE_REFUSED:
		return taken && (met || over);
	case RACE_GONE:
		if (crew->comes || crew->moves)
			return crew->comes || other || in_part(crew, index);
		return crew->goes && met && in_part(crew, index);
	default:
		return false;
	}
}

static void touch(struct crew *crew, bool other, size_t index, bool write)
{
	char *at = (other ? crew->other : crew->base) + index * crew->self->page;
	struct race_moment before = race_before(crew->race);
	enum race_seen seen = race_touch(crew->race, at, index, write);
	bool met = race_met(crew->race, &before);

	if (!is_right(crew, other, index, seen, met, before.ended))
		race_wrong(crew->race, index, seen);
}

/*
 * Who touches what is not yet mapped waits until a mmap(2) is over, and sees nothing
 * of it: so one page now and then, of those that go last.
 */
static void touch_one(struct crew *crew, bool write)
{
	usleep(rand() % 2000);
	touch(crew, false, crew->self->keep, write);
}

static void touch_all(struct crew *crew, bool write)
{
	if (crew->comes) {
		touch_one(crew, write);
		return;
	}
	for (size_t i = 0; i < crew->self->pages; i += crew->self->step) {
		touch(crew, false, i, write);
		if (crew->moves)
			touch(crew, true, i, write);
	}
}

static void *touch_until_stopped(void *arg)
{
	struct crew *crew = arg;
	bool write = atomic_fetch_add(&crew->numbered, 1) % 2;

	touch_all(crew, write);
	atomic_fetch_add(&crew->race->ready, 1);
	while (!atomic_load(&crew->race->stop))
		touch_all(crew, write);
	touch_all(crew, write);
	return NULL;
}

/* Threads touch a new mapping, and one does what it is given. */
static void start_crew(struct __test_metadata *_metadata, struct crew *crew,
		       const FIXTURE_VARIANT(race) *variant,
		       void *(*work)(void *arg))
{
	memset(crew->race, 0, sizeof(*crew->race));
	atomic_store(&crew->numbered, 0);
	crew->fd = race_create(crew->self, variant);
	ASSERT_LE(0, crew->fd);
	crew->base = race_map(crew->fd, crew->self->pages);
	ASSERT_NE(MAP_FAILED, crew->base);
	crew->other = fm_reserve(crew->self->pages);
	ASSERT_NE(MAP_FAILED, crew->other);
	race_catch_signals();
	for (int i = 0; i < TOUCHERS; i++)
		ASSERT_EQ(0, pthread_create(&crew->thread[i], NULL,
					    touch_until_stopped, crew));
	crew->thread[TOUCHERS] = 0;
	if (work) {
		ASSERT_EQ(0, pthread_create(&crew->thread[TOUCHERS], NULL, work,
					    crew));
	}
	while (atomic_load(&crew->race->ready) < TOUCHERS + !!work)
		sched_yield();
}

static void stop_crew(struct __test_metadata *_metadata, struct crew *crew)
{
	size_t bytes = crew->self->pages * crew->self->page;
	struct race *race = crew->race;
	struct faultmap_stats stats;
	unsigned long touched;

	atomic_store(&race->stop, true);
	for (int i = 0; i <= TOUCHERS; i++)
		if (crew->thread[i])
			pthread_join(crew->thread[i], NULL);
	munmap(crew->base, bytes);
	munmap(crew->other, bytes);
	stats = fm_stats(crew->fd);
	touched = atomic_load(&race->seen[RACE_STAMP]);
	if (stats.closes)
		EXPECT_EQ(stats.mmaps + stats.opens, stats.closes);
	EXPECT_EQ(atomic_load(&race->refused), stats.sigbus);
	if (!crew->comes) {
		EXPECT_LE(stats.read_faults + stats.write_faults,
			  touched + atomic_load(&race->met));
	}
	EXPECT_NOTHING_WRONG(race);
	close(crew->fd);
}

/* Something that is done, over and over, to what the threads touch. */
typedef bool (*operation_fn)(struct crew *crew);

static void run_operation(struct __test_metadata *_metadata, struct crew *crew,
			  const FIXTURE_VARIANT(race) *variant,
			  operation_fn operation)
{
	struct race_clock clock = race_start();
	struct race *race = crew->race;
	unsigned long met = 0, now;

	start_crew(_metadata, crew, variant, NULL);
	while (race_goes_on(&clock) && !atomic_load(&race->wrong)) {
		atomic_fetch_add(&race->began, 1);
		EXPECT_TRUE(operation(crew));
		atomic_fetch_add(&race->ended, 1);
		now = atomic_load(&race->met);
		clock.rounds++;
		clock.hits += now > met;
		met = now;
	}
	clock.met = met;
	stop_crew(_metadata, crew);
	EXPECT_RACED(&clock);
}

static bool unmap_and_map(struct crew *crew)
{
	size_t first = part_first(crew) * crew->self->page;
	char *at = crew->base + first;

	return !munmap(at, part_bytes(crew)) &&
	       mmap(at, part_bytes(crew), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, crew->fd, first) == at;
}

TEST_F(race, munmap)
{
	struct crew crew = { .self = self, .race = race_new(), .goes = true };

	run_operation(_metadata, &crew, variant, unmap_and_map);
}

static bool move_there_and_back(struct crew *crew)
{
	size_t first = part_first(crew) * crew->self->page;
	char *from = crew->base + first, *to = crew->other + first;
	size_t bytes = part_bytes(crew);
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;

	return mremap(from, bytes, bytes, flags, to) == to &&
	       mremap(to, bytes, bytes, flags, from) == from;
}

TEST_F(race, mremap)
{
	struct crew crew = { .self = self, .race = race_new(), .moves = true };

	run_operation(_metadata, &crew, variant, move_there_and_back);
}

/* The child has a copy, and looks at all of it. */
static int touch_in_child(struct crew *crew)
{
	touch_all(crew, true);
	return 0;
}

static bool fork_and_touch(struct crew *crew)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(touch_in_child(crew));
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

TEST_F(race, fork)
{
	struct crew crew = { .self = self, .race = race_new() };

	run_operation(_metadata, &crew, variant, fork_and_touch);
}

/* RESIZE, once a round, against a thread that moves or forks what it takes. */
static void run_resize(struct __test_metadata *_metadata, struct crew *crew,
		       const FIXTURE_VARIANT(race) *variant,
		       void *(*work)(void *arg))
{
	struct race_clock clock = race_start();
	struct race *race = crew->race;

	while (race_goes_on(&clock) && !atomic_load(&race->wrong)) {
		start_crew(_metadata, crew, variant, work);
		usleep(rand() % 1000);
		atomic_fetch_add(&race->began, 1);
		EXPECT_EQ(0, race_resize(crew->fd, crew->self->keep));
		atomic_fetch_add(&race->ended, 1);
		stop_crew(_metadata, crew);
		race_count(&clock, race);
	}
	EXPECT_RACED(&clock);
}

static void *move_until_stopped(void *arg)
{
	struct crew *crew = arg;

	atomic_fetch_add(&crew->race->ready, 1);
	while (!atomic_load(&crew->race->stop))
		if (!move_there_and_back(crew))
			race_wrong(crew->race, 0, -errno);
	return NULL;
}

TEST_F(race, mremap_and_shrink)
{
	struct crew crew = {
		.self = self,
		.race = race_new(),
		.resized = true,
		.moves = true,
	};

	run_resize(_metadata, &crew, variant, move_until_stopped);
}

/* A mmap(2) that fails has mapped some of it, for a while. */
static void *map_until_stopped(void *arg)
{
	struct crew *crew = arg;
	size_t bytes = crew->self->pages * crew->self->page;
	char *map;

	atomic_fetch_add(&crew->race->ready, 1);
	while (!atomic_load(&crew->race->stop)) {
		map = mmap(crew->base, bytes, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED, crew->fd, 0);
		if (map == MAP_FAILED && errno != ENXIO)
			race_wrong(crew->race, 0, -errno);
	}
	return NULL;
}

TEST_F(race, mmap_and_shrink)
{
	struct crew crew = {
		.self = self,
		.race = race_new(),
		.resized = true,
		.comes = true,
	};

	run_resize(_metadata, &crew, variant, map_until_stopped);
}

/* A child that was made at any time has nothing left when the call is over. */
static int touch_when_over(struct crew *crew)
{
	touch_all(crew, false);
	while (!atomic_load(&crew->race->ended))
		sched_yield();
	touch_all(crew, true);
	return 0;
}

static void *fork_until_over(void *arg)
{
	struct crew *crew = arg;
	int children = 0, status;
	pid_t pid;

	atomic_fetch_add(&crew->race->ready, 1);
	while (!atomic_load(&crew->race->ended) && children < 8) {
		pid = fork();
		if (!pid)
			_exit(touch_when_over(crew));
		children += pid > 0;
	}
	while (children--)
		if (wait(&status) < 0 || status)
			race_wrong(crew->race, 0, status);
	return NULL;
}

TEST_F(race, fork_and_shrink)
{
	struct crew crew = { .self = self, .race = race_new(), .resized = true };

	run_resize(_metadata, &crew, variant, fork_until_over);
}

#define LEAVERS	6

/* A process that has it all mapped, and goes when it likes. */
static int leave(const FIXTURE_DATA(race) *self, struct race *race, char *map)
{
	for (size_t i = 0; i < self->pages; i += self->step)
		*(volatile char *)(map + i * self->page);
	atomic_fetch_add(&race->ready, 1);
	while (!atomic_load(&race->began))
		sched_yield();
	srand(getpid());
	usleep(rand() % 1000);
	atomic_fetch_add(&race->seen[RACE_GONE], 1);
	return 0;
}

static int reap(int options)
{
	int left = 0, status;

	while (waitpid(-1, &status, options) > 0)
		left += !status;
	return left;
}

static void revoke_while_they_leave(struct __test_metadata *_metadata, struct race *race,
				    const FIXTURE_DATA(race) *self,
				    const FIXTURE_VARIANT(race) *variant)
{
	int fd = race_create(self, variant), left, i;
	char *map = race_map(fd, self->pages);

	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < LEAVERS; i++)
		if (!fork())
			_exit(leave(self, race, map));
	while (atomic_load(&race->ready) < LEAVERS)
		sched_yield();
	atomic_store(&race->began, 1);
	usleep(rand() % 1000);
	left = reap(WNOHANG);
	EXPECT_EQ(0, ioctl(fd, FAULTMAP_REVOKE));
	atomic_store(&race->met, atomic_load(&race->seen[RACE_GONE]) - left);
	EXPECT_EQ(LEAVERS, left + reap(0));
	munmap(map, self->pages * self->page);
	close(fd);
}

TEST_F(race, exit_and_revoke)
{
	struct race_clock clock = race_start();
	struct race *race = race_new();

	while (race_goes_on(&clock)) {
		memset(race, 0, sizeof(*race));
		revoke_while_they_leave(_metadata, race, self, variant);
		race_count(&clock, race);
	}
	EXPECT_RACED(&clock);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that meet where the use of a buffer begins, changes and ends: all want
 * its memory first, resize it at once, find no memory for page tables, and are the
 * last to let it go.
 */
#include "memcg.h"
#include "race_fixture.h"

#define USERS	3

/* A process of a round. */
struct user {
	const FIXTURE_DATA(race) *self;
	struct race *race;
	int fd;
	unsigned int number;
	size_t pages;		/* what it may rely on to be there */
	bool alone;		/* but for the users, nobody has the buffer */
	int other;		/* a buffer that asks for memory in vain */
};

/* Returns when all have come, so that what follows is done at once. */
static void meet_others(struct race *race)
{
	atomic_fetch_add(&race->ready, 1);
	while (atomic_load(&race->ready) < USERS)
		sched_yield();
}

/* For all that is done at once: did somebody else do it, too? */
static void enter(struct race *race)
{
	struct race_moment before = race_before(race);

	atomic_fetch_add(&race->began, 1);
	if (before.began != before.ended)
		atomic_fetch_add(&race->met, 1);
}

static void leave(struct race *race)
{
	atomic_fetch_add(&race->ended, 1);
}

typedef int (*use_fn)(struct user *user);

/* Every user is a process; the round is over when all have ended. */
static void run_users(struct __test_metadata *_metadata, struct user *user,
		      use_fn use)
{
	pid_t pids[USERS];
	int status;

	memset(user->race, 0, sizeof(*user->race));
	for (int i = 0; i < USERS; i++) {
		user->number = i;
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i]) {
			srand(getpid());
			race_catch_signals();
			_exit(use(user));
		}
	}
	if (user->alone)
		close(user->fd);
	for (int i = 0; i < USERS; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		/* Who finds no memory may be killed, whoever took it. */
		if (user->other)
			atomic_store(&user->race->stop, true);
		EXPECT_TRUE(user->other || !status);
		EXPECT_TRUE(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL :
						  !WEXITSTATUS(status));
	}
	EXPECT_NOTHING_WRONG(user->race);
}

/* Which of two is at a page, in a file that is looked at by read(2). */
static enum race_seen look(int fd, size_t index)
{
	uint64_t value;

	if (pread(fd, &value, sizeof(value), index * fm_page_size()) !=
	    sizeof(value))
		return RACE_REFUSED;
	return race_judge(value, index);
}

/* Asks for the memory by the first call, a mmap(2) or a write(2), and stamps it. */
static int use_first(struct user *user)
{
	size_t page = user->self->page;
	char *map = NULL, stamp[page];

	meet_others(user->race);
	enter(user->race);
	if (user->number)
		map = race_map(user->fd, user->pages);
	for (size_t i = user->number; i < user->pages; i += USERS) {
		fm_stamp_page(stamp, i);
		if (map)
			memcpy(map + i * page, stamp, page);
		else if (pwrite(user->fd, stamp, page, i * page) != page)
			race_wrong(user->race, i, -errno);
	}
	leave(user->race);
	return 0;
}

/* All find the same memory: nobody's first write is lost. */
TEST_F(race, first_use)
{
	struct race_clock clock = race_start();
	struct user user = {
		.race = race_new(),
		.self = self,
		.pages = self->pages,
	};

	while (race_goes_on(&clock) && !atomic_load(&user.race->wrong)) {
		user.fd = race_create_empty(self, variant);
		ASSERT_LE(0, user.fd);
		run_users(_metadata, &user, use_first);
		for (size_t i = 0; i < self->pages; i++)
			if (look(user.fd, i) != RACE_STAMP)
				race_wrong(user.race, i, look(user.fd, i));
		EXPECT_NOTHING_WRONG(user.race);
		race_count(&clock, user.race);
		close(user.fd);
	}
	EXPECT_RACED(&clock);
}

/* One resizes; the others rely on what is left. */
static int use_first_and_resize(struct user *user)
{
	int ret;

	if (user->number)
		return use_first(user);
	meet_others(user->race);
	enter(user->race);
	ret = race_resize(user->fd, user->self->keep);
	leave(user->race);
	return ret;
}

/* The memory is asked for, for a size that is no longer wanted. */
TEST_F(race, first_use_and_shrink)
{
	struct race_clock clock = race_start();
	struct user user = {
		.race = race_new(),
		.self = self,
		.pages = self->keep,
	};
	enum race_seen seen;

	while (race_goes_on(&clock) && !atomic_load(&user.race->wrong)) {
		user.fd = race_create_empty(self, variant);
		ASSERT_LE(0, user.fd);
		run_users(_metadata, &user, use_first_and_resize);
		EXPECT_EQ(RACE_REFUSED, look(user.fd, self->keep));
		ASSERT_EQ(0, race_resize(user.fd, self->pages));
		for (size_t i = 0; i < self->pages; i++) {
			seen = look(user.fd, i);
			if (seen != (i < self->keep && i % USERS ? RACE_STAMP :
								   RACE_ZERO))
				race_wrong(user.race, i, seen);
		}
		EXPECT_NOTHING_WRONG(user.race);
		race_count(&clock, user.race);
		close(user.fd);
	}
	EXPECT_RACED(&clock);
}

#define RESIZES	4

static int resize_at_once(struct user *user)
{
	size_t keep = user->self->keep, more = user->self->pages - keep;
	char *map = race_map(user->fd, user->self->pages);
	enum race_seen seen;

	meet_others(user->race);
	for (int i = 0; i < RESIZES; i++) {
		enter(user->race);
		if (race_resize(user->fd, keep + rand() % (more + 1)))
			race_wrong(user->race, 0, -errno);
		leave(user->race);
		for (size_t n = 0; n < user->self->pages; n += user->self->step) {
			seen = race_touch(user->race, map + n * user->self->page,
					  n, false);
			if (n < keep && seen != RACE_STAMP)
				race_wrong(user->race, n, seen);
		}
	}
	return 0;
}

/* Of what all leave, nothing is lost; the rest comes back as zeroes or not at all. */
TEST_F(race, resize_at_once)
{
	struct race_clock clock = race_start();
	struct user user = { .race = race_new(), .self = self };

	while (race_goes_on(&clock) && !atomic_load(&user.race->wrong)) {
		user.fd = race_create(self, variant);
		ASSERT_LE(0, user.fd);
		run_users(_metadata, &user, resize_at_once);
		ASSERT_EQ(0, race_resize(user.fd, self->keep));
		ASSERT_EQ(0, race_resize(user.fd, self->pages));
		for (size_t i = 0; i < self->pages; i++)
			EXPECT_EQ(i < self->keep ? RACE_STAMP : RACE_ZERO,
				  look(user.fd, i));
		race_count(&clock, user.race);
		close(user.fd);
	}
	EXPECT_RACED(&clock);
}

static int let_go(struct user *user)
{
	size_t bytes = user->self->pages * user->self->page;
	char *map = race_map(user->fd, user->self->pages);

	for (size_t i = 0; i < user->self->pages; i += user->self->step)
		if (race_touch(user->race, map + i * user->self->page, i,
			       user->number == 1) != RACE_STAMP)
			race_wrong(user->race, i, 0);
	/* Too short for the others to be met in, so they are waited for. */
	enter(user->race);
	meet_others(user->race);
	if (user->number == 0)
		munmap(map, bytes);
	if (user->number == 1)
		close(user->fd);
	leave(user->race);
	return 0;
}

/* Who is last frees the buffer: what is left behind would show when the run ends. */
TEST_F(race, last_close)
{
	struct race_clock clock = race_start();
	struct user user = {
		.race = race_new(),
		.self = self,
		.alone = true,
	};

	while (race_goes_on(&clock) && !atomic_load(&user.race->wrong)) {
		user.fd = race_create(self, variant);
		ASSERT_LE(0, user.fd);
		run_users(_metadata, &user, let_go);
		race_count(&clock, user.race);
	}
	EXPECT_RACED(&clock);
}

#define GROUP_LIMIT	"16M"
#define HOG_BYTES	(64UL << 20)

/* Never returns, for lack of memory. */
static void hog_memory(void)
{
	char *memory = mmap(NULL, HOG_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	fm_put("/proc/self/oom_score_adj", "1000");
	for (size_t i = 0; memory != MAP_FAILED; i = (i + 4096) % HOG_BYTES)
		memory[i]++;
	_exit(1);
}

static int run_hog(struct race *race)
{
	int status = 0;
	pid_t pid;

	enter(race);
	pid = fork();
	if (!pid)
		hog_memory();
	waitpid(pid, &status, 0);
	leave(race);
	atomic_store(&race->stop, true);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : 1;
}

/* More than there is, and back. */
static void ask_for_memory(struct user *user)
{
	int ret = race_resize(user->other, HOG_BYTES / user->self->page);

	if (ret && ret != -ENOMEM)
		race_wrong(user->race, 0, ret);
	ret = race_resize(user->other, user->self->pages);
	if (ret && ret != -ENOMEM)
		race_wrong(user->race, 0, ret);
}

static void map_and_touch(struct user *user)
{
	struct race_moment before = race_before(user->race);
	size_t page = user->self->page;
	char *map = race_map(user->fd, user->self->pages);

	if (map == MAP_FAILED && errno == ENOMEM)
		return;
	for (size_t i = 0; i < user->self->pages; i += user->self->step)
		if (race_touch(user->race, map + i * page, i,
			       i & user->self->step) != RACE_STAMP)
			race_wrong(user->race, i, 0);
	munmap(map, user->self->pages * page);
	if (before.began != before.ended)
		atomic_fetch_add(&user->race->met, 1);
}

static int use_without_memory(struct user *user)
{
	if (!fm_enter_group())
		return 1;
	meet_others(user->race);
	if (!user->number)
		return run_hog(user->race);
	while (!atomic_load(&user->race->stop)) {
		map_and_touch(user);
		if (user->number == 1)
			ask_for_memory(user);
	}
	return 0;
}

/* Page tables, mappings and buffers of a group that has no memory left. */
TEST_F(race, no_memory)
{
	struct race_clock clock = race_start();
	struct user user = { .race = race_new(), .self = self };

	if (!fm_enter_group())
		SKIP(return, "no memory controller of cgroup v2, or not root");
	fm_put(FM_CGROUPS "/cgroup.procs", "0");
	ASSERT_EQ(0, fm_put(FM_GROUP "/memory.max", GROUP_LIMIT));
	user.fd = race_create(self, variant);
	user.other = race_create(self, variant);
	ASSERT_LE(0, user.fd);
	ASSERT_LE(0, user.other);
	while (race_goes_on(&clock) && !atomic_load(&user.race->wrong)) {
		run_users(_metadata, &user, use_without_memory);
		race_count(&clock, user.race);
	}
	EXPECT_RACED(&clock);
	close(user.fd);
	close(user.other);
	fm_leave_group();
}

TEST_HARNESS_MAIN

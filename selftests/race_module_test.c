// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module is removed and loaded while processes open, map, touch and let go of
 * its nodes: it goes in a moment when nobody has one, or not at all. FAULTMAP_KO
 * names its file.
 */
#include "module_fixture.h"
#include "race.h"

#define USERS	2
#define PAGES	16

static const char *const nodes[] = {
	"/dev/faultmap/pages-eager", "/dev/faultmap/pages-lazy",
	"/dev/faultmap/pages-eager-page", "/dev/faultmap/pages-lazy-pfn",
	"/dev/faultmap/vmalloc-lazy", "/dev/faultmap/dma-lazy-pfn",
};

/* What open(2) may say of a node that is about to go, is gone, or not yet there. */
static bool may_fail(int error)
{
	return error == ENOENT || error == ENODEV || error == ENXIO;
}

static void use_node(struct race *race, const char *node)
{
	size_t page = fm_page_size();
	int fd = open(node, O_RDWR | O_CLOEXEC);
	char *map;

	if (fd < 0) {
		if (!may_fail(errno))
			race_wrong(race, 0, -errno);
		atomic_fetch_add(&race->seen[RACE_GONE], 1);
		return;
	}
	if (fm_stamp(fd, 0, PAGES))
		race_wrong(race, 0, -errno);
	map = race_map(fd, PAGES);
	close(fd);
	for (size_t i = 0; i < PAGES; i++)
		if (race_touch(race, map + i * page, i, i % 2) != RACE_STAMP)
			race_wrong(race, i, 0);
	munmap(map, PAGES * page);
}

static int use_nodes(struct race *race)
{
	race_catch_signals();
	srand(getpid());
	while (!atomic_load(&race->stop)) {
		use_node(race, nodes[rand() % (sizeof(nodes) / sizeof(*nodes))]);
		usleep(rand() % 20000);
	}
	return 0;
}

/* Only so much is to be allocated by the first who uses a node. */
static int load_again(void)
{
	return load("size=256K");
}

TEST_F(module, goes_while_it_is_opened)
{
	struct race_clock clock = race_start();
	struct race *race = race_new();
	unsigned int went = 0;
	pid_t pids[USERS];
	int status, ret;

	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load_again());
	for (int i = 0; i < USERS; i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i])
			_exit(use_nodes(race));
	}
	while (race_goes_on(&clock) && !atomic_load(&race->wrong)) {
		usleep(rand() % 500);
		ret = unload();
		EXPECT_TRUE(ret == 0 || ret == -EWOULDBLOCK);
		if (!ret)
			EXPECT_EQ(0, load_again());
		went += !ret;
		clock.rounds++;
		clock.hits = went < clock.rounds - went ? went :
							   clock.rounds - went;
	}
	atomic_store(&race->stop, true);
	for (int i = 0; i < USERS; i++) {
		EXPECT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	printf("# race: went %u times; found no node %lu times\n", went,
	       atomic_load(&race->seen[RACE_GONE]));
	EXPECT_NOTHING_WRONG(race);
	EXPECT_LT(0, atomic_load(&race->seen[RACE_STAMP]));
	EXPECT_RACED(&clock);
	EXPECT_EQ(0, unload());
	EXPECT_EQ(0, load(""));
}

static const unsigned int strategies[] = {
	FAULTMAP_STRATEGY_EAGER, FAULTMAP_STRATEGY_LAZY,
	FAULTMAP_STRATEGY_EAGER_PAGE, FAULTMAP_STRATEGY_LAZY_PFN,
};

#define FEW	2	/* pages of a private buffer */

/* What has a private buffer to the last: a descriptor, a mapping, or another opening. */
enum last { LAST_FD, LAST_MAPPING, LAST_REOPENED, NR_LAST };

/* Makes a buffer and leaves one thing that keeps it, for the exit to close. */
static int leave_buffer(enum last last)
{
	unsigned int strategy = strategies[rand() % 4];
	int fd = fm_create(FAULTMAP_MEMORY_PAGES, strategy, FEW), again;
	char path[64], *map;

	if (fd < 0)
		return may_fail(-fd) ? 2 : 1;
	if (fm_stamp(fd, 0, FEW))
		return 1;
	map = race_map(fd, FEW);
	if (map == MAP_FAILED || fm_page_at(map + fm_page_size()) != 1)
		return 1;
	if (last == LAST_REOPENED) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		again = open(path, O_RDONLY | O_CLOEXEC);
		if (again < 0)
			return 1;
	}
	if (last != LAST_MAPPING)
		munmap(map, FEW * fm_page_size());
	if (last != LAST_FD)
		close(fd);
	usleep(rand() % 500);
	return 0;
}

static int leave_buffers(struct race *race)
{
	int status;
	pid_t pid;

	for (unsigned int i = 0; !atomic_load(&race->stop); i++) {
		pid = fork();
		if (!pid) {
			srand(getpid());
			_exit(leave_buffer(i % NR_LAST));
		}
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status) == 1)
			race_wrong(race, i % NR_LAST, status);
		atomic_fetch_add(&race->seen[status ? RACE_GONE : RACE_STAMP], 1);
		/* So that there are moments when nobody has one. */
		usleep(rand() % 20000);
	}
	return 0;
}

/* The last steps of closing a file are the kernel's, after the driver has had its. */
TEST_F(module, goes_while_the_last_file_closes)
{
	struct race_clock clock = race_start();
	struct race *race = race_new();
	unsigned int went = 0;
	pid_t pids[USERS];
	int status, ret;

	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load_again());
	for (int i = 0; i < USERS; i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i])
			_exit(leave_buffers(race));
	}
	while (race_goes_on(&clock) && !atomic_load(&race->wrong)) {
		usleep(rand() % 200);
		ret = unload();
		EXPECT_TRUE(ret == 0 || ret == -EWOULDBLOCK);
		if (!ret) {
			EXPECT_EQ(0, load_again());
			usleep(rand() % 20000);
		}
		went += !ret;
		clock.rounds++;
		clock.hits = went < clock.rounds - went ? went :
							   clock.rounds - went;
	}
	atomic_store(&race->stop, true);
	for (int i = 0; i < USERS; i++) {
		EXPECT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	printf("# race: went %u times; %lu buffers, none %lu times\n", went,
	       atomic_load(&race->seen[RACE_STAMP]),
	       atomic_load(&race->seen[RACE_GONE]));
	EXPECT_NOTHING_WRONG(race);
	EXPECT_LT(0, atomic_load(&race->seen[RACE_STAMP]));
	EXPECT_RACED(&clock);
	EXPECT_EQ(0, unload());
	EXPECT_EQ(0, load(""));
}

TEST_HARNESS_MAIN

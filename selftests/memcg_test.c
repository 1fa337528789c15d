// SPDX-License-Identifier: GPL-2.0-only
/* Whose memory it is: a buffer's is charged to the cgroup of who creates or first opens it. */
#include <sys/wait.h>

#include "buffer_fixture.h"
#include "memcg.h"
#include "race.h"

#define BYTES	(8 << 20)
#define SLACK	(1 << 20)	/* charges are made in batches for each CPU */

/* On demand, who touches is charged: see demand_test. */
#define SKIP_IF_NOT_CHARGED() do { \
	if (fm_is_device(variant)) \
		SKIP(return, "a device's memory is charged to nobody"); \
	if (!fm_is_charged(variant->memory)) \
		SKIP(return, "memory for DMA is from CMA, and charged to nobody"); \
	if (fm_on_demand(variant->memory)) \
		SKIP(return, "FAULTMAP_ON_DEMAND is set"); \
	if (!fm_has_groups()) \
		SKIP(return, "no memory controller of cgroup v2"); \
} while (0)

TEST_F(buffer, charged_to_who_creates)
{
	size_t pages = BYTES / self->page;
	long long before, created, used, freed;
	char byte;
	int fd;

	SKIP_IF_NOT_CHARGED();
	ASSERT_TRUE(fm_enter_group());
	before = fm_charged();
	fd = fm_create(variant->memory, variant->strategy, pages);
	created = fm_charged() - before;
	EXPECT_EQ(1, pread(fd, &byte, 1, 0));
	used = fm_charged() - before;
	close(fd);
	freed = fm_charged() - before;
	fm_leave_group();

	EXPECT_LT(BYTES - SLACK, created);
	EXPECT_GT(BYTES + SLACK, created);
	EXPECT_GT(BYTES + SLACK, used);
	EXPECT_GT(SLACK, freed);
}

/* Over the limit: an error for the one who asked, and nobody is killed. */
TEST_F(buffer, limit_fails_the_request)
{
	int fd, ret;

	SKIP_IF_NOT_CHARGED();
	ASSERT_TRUE(fm_enter_group());
	ret = fm_put(FM_GROUP "/memory.max", "4M");
	fd = fm_create(variant->memory, variant->strategy, BYTES / self->page);
	close(fd);
	fm_leave_group();

	EXPECT_EQ(0, ret);
	EXPECT_EQ(-ENOMEM, fd);
}

#define FAR_APART	(16UL << 20)
#define TRIES		120
#define FOR_KERNEL	64	/* pages left for what the kernel needs itself: a file, a VMA */

/*
 * A buffer that grows, and one that is made. What one call gives back is for the
 * next: on the same CPU, since others get it only after a while.
 */
static int use_until_refused(const FIXTURE_VARIANT(buffer) *variant)
{
	size_t page = fm_page_size();
	int full = fm_create(variant->memory, variant->strategy, 1);
	struct faultmap_create arg = {
		.bytes = BYTES,
		.memory = variant->memory,
		.strategy = variant->strategy,
		.window = fm_window(variant->strategy),
	};
	int control = open(FM_CONTROL, O_RDWR);
	char byte;

	if (control < 0 || pread(full, &byte, 1, 0) != 1 ||
	    !fm_run_on(0, sched_getcpu()) || !fm_enter_group() ||
	    !fm_fill_group(FOR_KERNEL))
		return -1;
	if (fm_resize(full, BYTES / page) != -1 || errno != ENOMEM)
		return 1;
	/* A kernel with KASAN keeps for a while what was freed, charged as it was. */
	if (!fm_leave_pages(FOR_KERNEL))
		return -1;
	if (ioctl(control, FAULTMAP_CREATE, &arg) != -1)
		return 2;
	return errno;
}

/* Not a block is left: an error, and nobody is killed for it. */
TEST_F(buffer, full_group_gets_no_memory)
{
	int status;
	long kills;
	pid_t pid;

	SKIP_IF_NOT_CHARGED();
	pid = fork();
	if (!pid)
		_exit(use_until_refused(variant));
	waitpid(pid, &status, 0);
	kills = fm_oom_kills();
	fm_leave_group();
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(ENOMEM, WEXITSTATUS(status));
	EXPECT_EQ(0, kills);
}

/* Each of these pages needs several nodes of the tree of the file's pages. */
static bool touch_far_apart(int control, unsigned int left)
{
	struct faultmap_create arg = {
		.bytes = FAR_APART * 64,
		.strategy = FAULTMAP_STRATEGY_LAZY,
		.flags = FAULTMAP_CREATE_ON_DEMAND,
		.window = 1,
	};
	int fd = ioctl(control, FAULTMAP_CREATE, &arg);
	char byte = 0;
	off_t at;
	bool full;

	if (fd < 0 || !fm_leave_pages(left))
		return false;
	for (at = 0; at < (off_t)arg.bytes; at += FAR_APART)
		if (pwrite(fd, &byte, 1, at) != 1)
			break;
	full = at < (off_t)arg.bytes;
	fm_leave_pages(1 << 20);
	close(fd);
	return full;
}

/* 0 if the group was full; not where what was charged in advance is enough. */
static int touch_in_full_groups(void)
{
	int control = open(FM_CONTROL, O_RDWR);
	unsigned int i, full = 0;

	if (control < 0 || !fm_run_on(0, sched_getcpu()) || !fm_enter_group() ||
	    !fm_fill_group(1 << 20))
		return 1;
	for (i = 0; i < TRIES; i++)
		full += touch_far_apart(control, i % 40);
	return full < TRIES / 4 ? 2 : 0;
}

/* The group is full between two nodes for one page: the kernel has nothing to say of it. */
TEST(full_between_two_nodes)
{
	int status;
	pid_t pid;

	if (!fm_has_groups())
		SKIP(return, "no memory controller of cgroup v2");
	pid = fork();
	if (!pid)
		_exit(touch_in_full_groups());
	waitpid(pid, &status, 0);
	fm_leave_group();
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

#define BLOCKS	16384	/* of a page each; what the driver writes down of them is 256 pages */
#define IN_PIPE	256

/* Others refer to each page of a buffer. */
static bool pin_all(int fd, size_t pages)
{
	size_t page = fm_page_size();
	char *map = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	size_t done;

	if (map == MAP_FAILED)
		return false;
	for (done = 0; done < pages; done += IN_PIPE) {
		struct iovec some = { map + done * page, IN_PIPE * page };
		int to[2];

		if (pipe(to) || fcntl(to[1], F_SETPIPE_SZ, IN_PIPE * page) < 0 ||
		    vmsplice(to[1], &some, 1, SPLICE_F_NONBLOCK) != (ssize_t)some.iov_len)
			break;
	}
	munmap(map, pages * page);
	return done == pages;
}

static int close_in_full_group(int fd)
{
	if (!fm_enter_group() || !fm_fill_group(FOR_KERNEL))
		return 1;
	close(fd);
	fm_leave_pages(1 << 20);
	return 0;
}

/* Who gives memory back that others still use needs none: nobody is killed for it. */
TEST(pinned_pages_are_left_in_full_group)
{
	int fd, status;
	long kills;
	pid_t pid;

	if (!fm_has_groups())
		SKIP(return, "no memory controller of cgroup v2");
	fd = fm_create_as((struct faultmap_create){
		.bytes = BLOCKS * fm_page_size(), .strategy = FAULTMAP_STRATEGY_EAGER_PAGE,
	});
	ASSERT_LE(0, fd);
	ASSERT_TRUE(pin_all(fd, BLOCKS));
	pid = fork();
	if (!pid)
		_exit(close_in_full_group(fd));
	close(fd);
	waitpid(pid, &status, 0);
	kills = fm_oom_kills();
	fm_leave_group();
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, kills);
}

#define BLOCK_ORDER	7	/* of which each is delayed, for up to two seconds */
#define PATIENCE	30	/* seconds; all blocks together take minutes */

static int map_over_high(int fd, size_t bytes)
{
	if (!fm_enter_group() || fm_put(FM_GROUP "/memory.high", "1M"))
		return 1;
	return mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED;
}

static bool ends_in_time(pid_t pid, int *status)
{
	for (int i = 0; i < 10 * PATIENCE; i++, usleep(100000))
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
	return false;
}

/*
 * An eager mapping allocates all of it, in a group that is held up at each block. Who
 * takes memory back waits for the one that is under way.
 */
TEST(resize_waits_for_one_allocation)
{
	size_t bytes = BLOCKS * fm_page_size();
	struct faultmap_info info = { 0 };
	pid_t mapper, resizer;
	bool in_time;
	int fd, status;

	if (!fm_has_groups())
		SKIP(return, "no memory controller of cgroup v2");
	fd = fm_create_as((struct faultmap_create){
		.bytes = bytes, .order = BLOCK_ORDER, .strategy = FAULTMAP_STRATEGY_EAGER,
		.flags = FAULTMAP_CREATE_ON_DEMAND,
	});
	ASSERT_LE(0, fd);
	mapper = fork();
	if (!mapper)
		_exit(map_over_high(fd, bytes));
	while (info.held < 1 << 20 && !ioctl(fd, FAULTMAP_INFO, &info) &&
	       !waitpid(mapper, &status, WNOHANG))
		usleep(10000);
	sleep(2);
	resizer = fork();
	if (!resizer)
		_exit(fm_resize(fd, bytes / fm_page_size() - 1) != 0);
	in_time = ends_in_time(resizer, &status);
	EXPECT_TRUE(in_time);
	if (in_time)
		EXPECT_EQ(0, status);
	EXPECT_EQ(0, waitpid(mapper, &status, WNOHANG)) TH_LOG("it was not held up");
	kill(mapper, SIGKILL);
	waitpid(mapper, &status, 0);
	if (!in_time)
		waitpid(resizer, &status, 0);
	close(fd);
	fm_leave_group();
}

TEST_HARNESS_MAIN

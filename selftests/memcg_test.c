// SPDX-License-Identifier: GPL-2.0
/* Whose memory it is: a buffer's is charged to the cgroup of who creates or first opens it. */
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "buffer_fixture.h"
#include "memcg.h"
#include "race.h"

#define BYTES	(8 << 20)
#define SLACK	(1 << 20)	/* charges are made in batches for each CPU */

TEST_F(buffer, charged_to_who_creates)
{
	size_t pages = BYTES / self->page;
	long long before, created, used, freed;
	char byte;
	int fd;

	if (fm_is_device(variant))
		SKIP(return, "a device's memory is charged to nobody");
	if (!fm_enter_group()) {
		fm_leave_group();
		SKIP(return, "no memory controller of cgroup v2");
	}
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

	if (fm_is_device(variant))
		SKIP(return, "a device's memory is charged to nobody");
	if (!fm_enter_group()) {
		fm_leave_group();
		SKIP(return, "no memory controller of cgroup v2");
	}
	ret = fm_put(FM_GROUP "/memory.max", "4M");
	fd = fm_create(variant->memory, variant->strategy, BYTES / self->page);
	close(fd);
	fm_leave_group();

	EXPECT_EQ(0, ret);
	EXPECT_EQ(-ENOMEM, fd);
}

#define MANY	4000

/* The descriptor table is large enough from the start: growing it is not ours. */
static int open_many(void)
{
	struct rlimit limit = { MANY + 64, MANY + 64 };

	if (setrlimit(RLIMIT_NOFILE, &limit) || dup2(0, MANY + 63) < 0)
		return -1;
	close(MANY + 63);
	return open(FM_CONTROL, O_RDWR);
}

/* In a group that is full from now on: what creates buffers, or -1. */
static int open_in_full_group(void)
{
	int control = open_many();

	return control >= 0 && fm_enter_group() && fm_fill_group(0) ? control : -1;
}

/* Creates buffers until that fails; with what, or 0. */
static int create_many(int control, const FIXTURE_VARIANT(buffer) *variant)
{
	struct faultmap_create arg = {
		.bytes = fm_page_size(),
		.memory = variant->memory,
		.strategy = variant->strategy,
		.window = fm_window(variant->strategy),
	};
	int i;

	for (i = 0; i < MANY; i++)
		if (ioctl(control, FAULTMAP_CREATE, &arg) < 0)
			return errno;
	return 0;
}

static int create_until_refused(const FIXTURE_VARIANT(buffer) *variant)
{
	int control = open_in_full_group();

	return control < 0 ? -1 : create_many(control, variant);
}

#define FOR_VMA		4	/* pages left for what the kernel needs itself */

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
	    !fm_fill_group(FOR_VMA))
		return -1;
	if (fm_resize(full, BYTES / page) != -1 || errno != ENOMEM)
		return 1;
	if (ioctl(control, FAULTMAP_CREATE, &arg) != -1)
		return 2;
	return errno;
}

typedef int (*full_fn)(const FIXTURE_VARIANT(buffer) *variant);

/* Runs @fn in a process of its own; what it returns, or minus the signal. */
static int in_full_group(full_fn fn, const FIXTURE_VARIANT(buffer) *variant,
			 long *kills)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(fn(variant));
	waitpid(pid, &status, 0);
	*kills = fm_oom_kills();
	fm_leave_group();
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static bool has_groups(void)
{
	bool has = fm_enter_group();

	fm_leave_group();
	return has;
}

/* Not a byte is left: an error, and nobody is killed for it. */
static void expect_refused(struct __test_metadata *_metadata, full_fn fn,
			   const FIXTURE_VARIANT(buffer) *variant)
{
	long kills;

	if (fm_is_device(variant))
		SKIP(return, "a device's memory is charged to nobody");
	if (!has_groups())
		SKIP(return, "no memory controller of cgroup v2");
	EXPECT_EQ(ENOMEM, in_full_group(fn, variant, &kills));
	EXPECT_EQ(0, kills);
}

TEST_F(buffer, full_group_creates_nothing)
{
	expect_refused(_metadata, create_until_refused, variant);
}

TEST_F(buffer, full_group_gets_no_memory)
{
	expect_refused(_metadata, use_until_refused, variant);
}

static bool run_before_others(int priority)
{
	struct sched_param param = { .sched_priority = priority };

	return !sched_setscheduler(0, SCHED_FIFO, &param);
}

/* The process that creates, and how often it was refused, and moved. */
struct moved {
	atomic_int pid;
	atomic_uint refused;
	atomic_ulong times;
};

static struct moved *moved;

/* Nothing else runs on the first CPU then: not what gives back the room left there. */
static void keep_busy(void)
{
	while (fm_run_on(0, 0) && run_before_others(1))
		if (!atomic_load(&moved->pid))
			usleep(100);
}

static void move_about(void)
{
	int cpu = 0;

	while (fm_run_on(0, 1) && run_before_others(3)) {
		pid_t pid = atomic_load(&moved->pid);

		usleep(rand() % 200);
		cpu ^= 1;
		if (pid && fm_run_on(pid, cpu))
			atomic_fetch_add(&moved->times, 1);
	}
}

/* Runs until its parent ends. */
static bool in_background(void (*work)(void))
{
	pid_t pid = fork();

	if (pid)
		return pid > 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	work();
	_exit(1);
}

/* Fills the group a few times: later it is more and more the same. */
static int create_while_moved(const FIXTURE_VARIANT(buffer) *variant)
{
	int control = open_in_full_group(), ret = ENOMEM, i;

	if (control < 0 || !run_before_others(2))
		return -1;
	atomic_store(&moved->pid, getpid());
	for (i = 0; i < 3 && ret == ENOMEM; i++) {
		ret = create_many(control, variant);
		close_range(control + 1, ~0U, 0);
		atomic_fetch_add(&moved->refused, 1);
	}
	atomic_store(&moved->pid, 0);
	return ret;
}

/* What CREATE found room for, it gets, wherever the scheduler puts it meanwhile. */
TEST(full_group_on_two_cpus)
{
	const FIXTURE_VARIANT(buffer) variant = {
		.memory = FAULTMAP_MEMORY_PAGES,
		.strategy = FAULTMAP_STRATEGY_LAZY,
	};
	unsigned int rounds = 0;
	double end;
	long kills;

	if (!has_groups())
		SKIP(return, "no memory controller of cgroup v2");
	if (!fm_run_on(0, 1))
		SKIP(return, "one CPU");
	moved = mmap(NULL, sizeof(*moved), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, moved);
	ASSERT_TRUE(in_background(keep_busy));
	ASSERT_TRUE(in_background(move_about));
	for (end = race_now() + 2; race_now() < end; rounds++) {
		EXPECT_EQ(ENOMEM, in_full_group(create_while_moved, &variant,
						&kills));
		EXPECT_EQ(0, kills);
		atomic_store(&moved->pid, 0);
	}
	EXPECT_LT(rounds, moved->refused);
	EXPECT_LT(rounds, moved->times);
	printf("# %u rounds, refused %u times, moved %lu\n", rounds, moved->refused,
	       moved->times);
}

TEST_HARNESS_MAIN

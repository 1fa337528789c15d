// SPDX-License-Identifier: GPL-2.0-only
/*
 * What others do in the middle of a touch, of an mmap() or of a system call, which is held
 * there: who takes memory away waits for those who still use what they have looked up, and
 * for nobody else.
 */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "bar.h"
#include "hold.h"
#include "kernel_log.h"
#include "module_load.h"

#define PAGES	16
#define KEPT	8		/* pages that a RESIZE leaves */
#define WATCH	500		/* milliseconds in which who does not wait is ready */
#define PATIENCE 20000		/* milliseconds for what has to come */

/* Seen by all processes of a case. */
struct shared {
	atomic_bool done[2];		/* who is held, and the other one */
	atomic_int ret[2];		/* what they say, then */
	atomic_bool look;		/* who was held is to look again */
};

FIXTURE(interleave)
{
	size_t page, pages;
	unsigned int window;	/* for a buffer of frames that are mapped lazily */
	struct shared *shared;
	struct hold hold;
	pid_t pid[2];		/* who is held, and who comes in between */
	int fd;			/* of a buffer, or -1 */
	char *map;		/* of all of it, or NULL */
	size_t touched;		/* which page of it is */
	int log;
};

FIXTURE_SETUP(interleave)
{
	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	if (!hold_possible())
		SKIP(return, "no two CPUs, or no kprobes by perf, or not root");
	self->page = fm_page_size();
	self->pages = PAGES;
	self->window = 1;
	self->fd = -1;
	self->log = fm_log_open();
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	ASSERT_EQ(0, hold_open(&self->hold));
	ASSERT_TRUE(fm_run_on(0, 0));
}

FIXTURE_TEARDOWN(interleave)
{
	hold_close(&self->hold);
	if (self->fd >= 0)
		close(self->fd);
	EXPECT_SILENT(self->log);
}

typedef int (*act_fn)(FIXTURE_DATA(interleave) *self);

/* Until @what, or too late. */
#define WAIT_FOR(what) ({ \
	int __ms = 0; \
	while (!(what) && __ms++ < PATIENCE) \
		usleep(1000); \
	__ms < PATIENCE; \
})

static void start(FIXTURE_DATA(interleave) *self, int i, act_fn act)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		self->shared->ret[i] = act(self);
		self->shared->done[i] = true;
		_exit(0);
	}
	self->pid[i] = pid;
}

#define TRIES	3

/*
 * Does @act in another process, which is held at @function; false if it never is. A busy
 * machine may let it come there too late.
 */
static bool hold(FIXTURE_DATA(interleave) *self, const char *function,
		 enum hold_where where, act_fn act)
{
	int ret = hold_probe(&self->hold, function, where, 0), i;

	if (ret)
		printf("# no probe at %s: %s\n", function, strerror(-ret));
	for (i = 0; !ret && i < TRIES; i++) {
		start(self, 0, act);
		if (WAIT_FOR(self->hold.state->times))
			return true;
		printf("# nobody was held at %s: hits %llu, armed %u, %s, said %d\n", function,
		       (unsigned long long)self->hold.state->hits, self->hold.state->armed,
		       self->shared->done[0] ? "done" : "not done", self->shared->ret[0]);
		kill(self->pid[0], SIGKILL);
		waitpid(self->pid[0], NULL, 0);
		self->pid[0] = 0;
	}
	return false;
}

/* In the process that is held. */
static void arm(FIXTURE_DATA(interleave) *self)
{
	hold_me(&self->hold);
}

/*
 * Meanwhile, another process does @act. Whether it has done that within some milliseconds,
 * while the first was still held: where it has to wait, it never has.
 */
static bool meanwhile(FIXTURE_DATA(interleave) *self, act_fn act, int patience)
{
	bool done;

	start(self, 1, act);
	for (int ms = 0; !self->shared->done[1] && ms < patience; ms++)
		usleep(1000);
	done = self->shared->done[1];
	return done && hold_is_held(&self->hold);
}

/* Both go on to their ends. */
static void end(struct __test_metadata *_metadata, FIXTURE_DATA(interleave) *self)
{
	int status;

	hold_go_on(&self->hold);
	for (int i = 1; i >= 0; i--) {
		if (!self->pid[i])
			continue;
		ASSERT_EQ(self->pid[i], waitpid(self->pid[i], &status, 0));
		EXPECT_EQ(0, status);
		self->shared->look = true;
	}
	hold_unprobe(&self->hold);
}

static int resize(int fd, size_t pages)
{
	struct faultmap_resize arg = { .bytes = pages * fm_page_size() };

	return fm_errno(ioctl(fd, FAULTMAP_RESIZE, &arg));
}

/* In the other process. */
static int shrink(FIXTURE_DATA(interleave) *self)
{
	return resize(self->fd, KEPT);
}

static int cut_off(FIXTURE_DATA(interleave) *self)
{
	return fm_errno(ioctl(self->fd, FAULTMAP_REVOKE));
}

/* A buffer of @strategy, stamped, and mapped. */
static bool make(FIXTURE_DATA(interleave) *self, unsigned int strategy)
{
	self->fd = fm_create_as((struct faultmap_create){
		.bytes = self->pages * self->page,
		.strategy = strategy,
		.window = self->window,
	});
	if (self->fd < 0 || fm_stamp(self->fd, 0, self->pages))
		return false;
	self->map = mmap(NULL, self->pages * self->page, PROT_READ | PROT_WRITE, MAP_SHARED,
			 self->fd, 0);
	return self->map != MAP_FAILED;
}

/* Touches a page, is held there, and touches it again when it is told to. */
static int touch_twice(FIXTURE_DATA(interleave) *self, size_t page)
{
	arm(self);
	fm_read_at(self->map + page * self->page);
	while (!self->shared->look)
		sched_yield();
	return fm_read_at(self->map + page * self->page);
}

static int touch_first_that_goes(FIXTURE_DATA(interleave) *self)
{
	return touch_twice(self, KEPT);
}

static int touch_last_that_goes(FIXTURE_DATA(interleave) *self)
{
	return touch_twice(self, PAGES - 1);
}

static void expect_shrink_waits(struct __test_metadata *_metadata,
				FIXTURE_DATA(interleave) *self)
{
	EXPECT_FALSE(meanwhile(self, shrink, WATCH));
	end(_metadata, self);
	EXPECT_EQ(0, self->shared->ret[1]);
	EXPECT_EQ(SIGBUS, self->shared->ret[0]);
}

/* Frames that were looked up are mapped before the buffer is smaller, or not at all. */
TEST_F(interleave, shrink_waits_for_frames)
{
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_LAZY_PFN));
	ASSERT_TRUE(hold(self, "fm_insert_around", HOLD_ENTRY, touch_first_that_goes));
	expect_shrink_waits(_metadata, self);
}

/* As a page that comes back to an eager mapping. */
TEST_F(interleave, shrink_waits_for_what_comes_back)
{
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_EAGER_PAGE));
	ASSERT_EQ(0, madvise(self->map, PAGES * self->page, MADV_DONTNEED));
	ASSERT_TRUE(hold(self, "vm_insert_page", HOLD_ENTRY, touch_first_that_goes));
	expect_shrink_waits(_metadata, self);
}

/* The kernel has a page that is not mapped yet: the first, or the last, of those that go. */
TEST_F(interleave, shrink_waits_for_the_first_page)
{
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_LAZY));
	ASSERT_TRUE(hold(self, "fm_lazy_fault", HOLD_RETURN, touch_first_that_goes));
	expect_shrink_waits(_metadata, self);
}

TEST_F(interleave, shrink_waits_for_the_last_page)
{
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_LAZY));
	ASSERT_TRUE(hold(self, "fm_lazy_fault", HOLD_RETURN, touch_last_that_goes));
	expect_shrink_waits(_metadata, self);
}

/* What was read is what was there: 0, or what is wrong. */
static int read_page(FIXTURE_DATA(interleave) *self)
{
	char page[self->page];

	arm(self);
	if (pread(self->fd, page, self->page, KEPT * self->page) != (ssize_t)self->page)
		return -errno;
	return fm_page_at(page) != KEPT;
}

/* Takes the memory that has come free, and writes to it. */
static int shrink_and_reuse(FIXTURE_DATA(interleave) *self)
{
	int ret = shrink(self);

	if (!ret)
		ret = resize(self->fd, PAGES);
	for (size_t i = KEPT; !ret && i < PAGES; i++)
		ret = pwrite(self->fd, "other", 5, i * self->page) != 5;
	return ret;
}

/* Behind its section, a read has nothing to do with the memory any more. */
TEST_F(interleave, read_is_over_with_its_section)
{
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_LAZY));
	ASSERT_TRUE(hold(self, "__srcu_read_unlock", HOLD_RETURN, read_page));
	meanwhile(self, shrink_and_reuse, PATIENCE);
	end(_metadata, self);
	EXPECT_EQ(0, self->shared->ret[1]);
	EXPECT_EQ(0, self->shared->ret[0]);
}

static int open_again(FIXTURE_DATA(interleave) *self)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	arm(self);
	return open(path, O_RDWR) < 0 ? -errno : 0;
}

/* A file is not added while others are revoked. */
TEST_F(interleave, revoke_waits_for_an_open)
{
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_LAZY));
	ASSERT_TRUE(hold(self, "faultmap_buffer_populate", HOLD_ENTRY, open_again));
	EXPECT_FALSE(meanwhile(self, cut_off, WATCH));
	end(_metadata, self);
	EXPECT_EQ(0, self->shared->ret[1]);
	EXPECT_EQ(0, self->shared->ret[0]);
}

static bool is_revoked(int fd)
{
	struct faultmap_info info = { 0 };

	return !ioctl(fd, FAULTMAP_INFO, &info) && info.flags & FAULTMAP_INFO_REVOKED;
}

/* 0, or -errno: where no PMD fits, however contiguous the frames are. */
static int map_all(FIXTURE_DATA(interleave) *self)
{
	size_t pmd = fm_pmd_size(), bytes = self->pages * self->page;
	char *at = fm_reserve((bytes + 2 * pmd) / self->page);

	at += pmd - (uintptr_t)at % pmd + self->page;
	arm(self);
	if (mmap(at, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, self->fd, 0) != at)
		return -errno;
	while (!self->shared->look)
		sched_yield();
	return fm_read_at(at);
}

/* In the middle: of the window around a page at the end, that may be all there is. */
static int touch_once(FIXTURE_DATA(interleave) *self)
{
	arm(self);
	return fm_read_at(self->map + PAGES / 2 * self->page);
}

/* @act is held at @function, finds the file revoked there, and says @expected. */
static void expect_revoked(struct __test_metadata *_metadata, FIXTURE_DATA(interleave) *self,
			   const char *function, act_fn act, int expected)
{
	bool in_time;

	ASSERT_TRUE(hold(self, function, HOLD_ENTRY, act));
	start(self, 1, cut_off);
	EXPECT_TRUE(WAIT_FOR(is_revoked(self->fd)));
	in_time = hold_is_held(&self->hold);
	end(_metadata, self);
	EXPECT_EQ(0, self->shared->ret[1]);
	if (in_time)
		EXPECT_EQ(expected, self->shared->ret[0]);
}

/* Nobody finds pages in a file that is revoked, though he has come so far as to look. */
TEST_F(interleave, revoked_before_all_pages_are_found)
{
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_EAGER_PAGE));
	expect_revoked(_metadata, self, "fm_resolve_array", map_all, -ENODEV);
}

TEST_F(interleave, revoked_before_all_frames_are_found)
{
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_EAGER));
	expect_revoked(_metadata, self, "fm_resolve", map_all, -ENODEV);
}

TEST_F(interleave, revoked_before_a_page_is_found)
{
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_LAZY));
	expect_revoked(_metadata, self, "fm_resolve_page", touch_once, SIGBUS);
}

/* The first time it asks for the touched page alone. */
TEST_F(interleave, revoked_before_a_window_is_found)
{
	if (!fm_batches())
		SKIP(return, "this kernel has no apply_to_page_range() for modules");
	self->window = 16;
	self->hold.nth = 2;
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_LAZY_PFN));
	expect_revoked(_metadata, self, "fm_resolve", touch_once, SIGBUS);
}

/* Nor does he go on to make page tables, of which there may be many. */
TEST_F(interleave, revoked_before_all_tables_are_filled)
{
	if (!fm_batches())
		SKIP(return, "this kernel has no apply_to_page_range() for modules");
	self->pages = 8 * fm_pmd_size() / self->page;
	self->fd = fm_create_batched(FAULTMAP_MEMORY_VMALLOC, self->pages);
	ASSERT_LE(0, self->fd);
	expect_revoked(_metadata, self, "apply_to_page_range", map_all, -ENODEV);
	EXPECT_GT(3, self->hold.state->hits);
}

#define TABLES	512

/* Touches a page in each of so many page tables, which are to be made for that. */
static int touch_in_tables(int fd)
{
	size_t pmd = fm_pmd_size();
	char *at = mmap(NULL, (TABLES + 1) * pmd, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return -errno;
	at += pmd - (uintptr_t)at % pmd;
	for (int i = 0; i < TABLES; i++, at += pmd) {
		if (mmap(at, fm_page_size(), PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != at)
			return -errno;
		if (fm_read_at(at))
			return -EFAULT;
	}
	return 0;
}

/* The first of a mapping of its own. */
static int make_a_table(FIXTURE_DATA(interleave) *self)
{
	arm(self);
	return touch_in_tables(self->fd);
}

static int make_tables_of_another(FIXTURE_DATA(interleave) *self)
{
	int fd = fm_create_as((struct faultmap_create){
		.bytes = self->page, .strategy = FAULTMAP_STRATEGY_LAZY_PFN, .window = 1,
	});

	return fd < 0 ? fd : touch_in_tables(fd);
}

static int make_tables_too(FIXTURE_DATA(interleave) *self)
{
	return touch_in_tables(self->fd);
}

/* Who is kept waiting for the memory of a page table keeps no user of other files waiting. */
TEST_F(interleave, others_make_page_tables)
{
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_LAZY_PFN));
	ASSERT_TRUE(hold(self, "__pte_alloc", HOLD_ENTRY, make_a_table));
	EXPECT_TRUE(meanwhile(self, make_tables_of_another, PATIENCE));
	end(_metadata, self);
	EXPECT_EQ(0, self->shared->ret[0]);
	EXPECT_EQ(0, self->shared->ret[1]);
}

/* Where a PMD could map it all, users of the same file wait, and can be killed. */
TEST_F(interleave, who_waits_for_a_page_table_can_be_killed)
{
	bool in_time;

	if (!fm_maps_by_pmd())
		SKIP(return, "no PMD is mapped at once, and nobody waits");
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_LAZY_PFN));
	ASSERT_TRUE(hold(self, "__pte_alloc", HOLD_ENTRY, make_a_table));
	EXPECT_FALSE(meanwhile(self, make_tables_too, WATCH));
	EXPECT_EQ(0, kill(self->pid[1], SIGKILL));
	EXPECT_TRUE(WAIT_FOR(waitpid(self->pid[1], NULL, WNOHANG) == self->pid[1]));
	in_time = hold_is_held(&self->hold);
	self->pid[1] = 0;
	end(_metadata, self);
	EXPECT_TRUE(in_time);
	EXPECT_EQ(0, self->shared->ret[0]);
}

/* A mapping that is filled, and still in no tree where it would be found, is waited for. */
TEST_F(interleave, revoke_waits_for_a_mapping_in_the_making)
{
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_EAGER));
	ASSERT_TRUE(hold(self, "fm_mmap", HOLD_RETURN, map_all));
	EXPECT_FALSE(meanwhile(self, cut_off, WATCH));
	end(_metadata, self);
	EXPECT_EQ(0, self->shared->ret[1]);
	EXPECT_EQ(SIGBUS, self->shared->ret[0]);
}

/* As long, others are in the tree that are no eager mappings. */
TEST_F(interleave, revoke_finds_only_eager_mappings)
{
	int other = open("/dev/faultmap/pages-lazy-pfn", O_RDWR | O_CLOEXEC);
	char *map = mmap(NULL, self->page, PROT_READ, MAP_SHARED, other, 0);

	ASSERT_NE(MAP_FAILED, map);
	self->fd = open("/dev/faultmap/pages-eager", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_TRUE(hold(self, "fm_mmap", HOLD_RETURN, map_all));
	EXPECT_FALSE(meanwhile(self, cut_off, WATCH));
	end(_metadata, self);
	EXPECT_EQ(0, self->shared->ret[1]);
	EXPECT_EQ(SIGBUS, self->shared->ret[0]);
	EXPECT_EQ(SIGBUS, fm_read_at(map));
	munmap(map, self->page);
	close(other);
}

static void *touch_by_thread(void *arg)
{
	FIXTURE_DATA(interleave) *self = arg;

	arm(self);
	fm_do_read(self->map + self->touched * self->page);
	return NULL;
}

/* By one thread, and by this one while that is held: 1 if so; 0 if it came too late. */
static int touch_one_page_twice(FIXTURE_DATA(interleave) *self)
{
	pthread_t thread;
	bool met;

	ioctl(self->fd, FAULTMAP_STATS_RESET);
	if (pthread_create(&thread, NULL, touch_by_thread, self) ||
	    !WAIT_FOR(hold_is_held(&self->hold)))
		return -1;
	fm_do_read(self->map + self->touched * self->page);
	met = hold_is_held(&self->hold);
	hold_go_on(&self->hold);
	pthread_join(thread, NULL);
	self->hold.state->go_on = 0;
	return met;
}

/* On a busy machine, not each time. */
static int touch_pages_twice(FIXTURE_DATA(interleave) *self)
{
	int ret = 0;

	for (; !ret && self->touched < KEPT; self->touched++)
		ret = touch_one_page_twice(self);
	return ret;
}

/* Who comes second to a page has touched it all the same. */
TEST_F(interleave, another_thread_is_faster)
{
	ASSERT_TRUE(make(self, FAULTMAP_STRATEGY_EAGER_PAGE));
	ASSERT_EQ(0, madvise(self->map, PAGES * self->page, MADV_DONTNEED));
	ASSERT_TRUE(hold(self, "vm_insert_page", HOLD_ENTRY, touch_pages_twice));
	ASSERT_TRUE(WAIT_FOR(self->shared->done[0]));
	end(_metadata, self);
	EXPECT_EQ(1, self->shared->ret[0]);
	EXPECT_EQ(2, fm_stats(self->fd).read_faults);
}

static struct bar bar;

static void node_of_bar(char *path, size_t size)
{
	snprintf(path, size, "/dev/faultmap/pci-%s-eager", bar.device);
}

static int open_bar(FIXTURE_DATA(interleave) *self)
{
	char path[96];

	node_of_bar(path, sizeof(path));
	arm(self);
	return open(path, O_RDWR) < 0 ? -errno : 0;
}

static int take_away(FIXTURE_DATA(interleave) *self)
{
	return fm_put(PCI_DRIVER "/unbind", bar.device);
}

/* Who has found a device before it went does not get it. */
TEST_F(interleave, device_goes_before_it_is_opened)
{
	char path[96];
	bool in_time;

	if (!find_bar(&bar))
		SKIP(return, "no device: give QEMU -device ivshmem-plain");
	node_of_bar(path, sizeof(path));
	ASSERT_TRUE(hold(self, "fm_file_create", HOLD_ENTRY, open_bar));
	in_time = meanwhile(self, take_away, PATIENCE);
	end(_metadata, self);
	EXPECT_EQ(0, self->shared->ret[1]);
	if (in_time)
		EXPECT_EQ(-ENODEV, self->shared->ret[0]);
	EXPECT_EQ(0, fm_put(PCI_DRIVER "/bind", bar.device));
	EXPECT_EQ(0, access(path, F_OK));
}

TEST_HARNESS_MAIN

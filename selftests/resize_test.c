// SPDX-License-Identifier: GPL-2.0-only
/* FAULTMAP_RESIZE: what goes is out of reach first, what comes is zero. */
#include <sched.h>
#include <sys/wait.h>

#include "buffer_fixture.h"

static uint64_t bytes(int fd)
{
	struct faultmap_info info = { 0 };

	ioctl(fd, FAULTMAP_INFO, &info);
	return info.bytes;
}

TEST_F(buffer, shrink_cuts_off_the_tail)
{
	char *map = fm_map(self, 0, FM_PAGES);
	struct faultmap_stats stats;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	ASSERT_EQ(0, fm_resize(self->fd, 6));
	EXPECT_EQ(6 * self->page, bytes(self->fd));
	SAW("shrink the buffer, read what is left", "%s", fm_shown(map, 0, 6));
	EXPECT_STAMPS(map, 0, 6);
	SAW("shrink the buffer, read what went", "%s",
	    fm_shown(map + 6 * self->page, 6, FM_PAGES - 6));
	stats = fm_stats(self->fd);
	EXPECT_SIGNALS(SIGBUS, map + 6 * self->page, FM_PAGES - 6);
	EXPECT_EQ(1, stats.zaps);
	EXPECT_EQ(FM_PAGES - 6, stats.sigbus);
	EXPECT_EQ(6 * self->page, lseek(self->fd, 0, SEEK_END));
	EXPECT_EQ(MAP_FAILED, fm_map(self, 6, 1));
	SAW("shrink the buffer, map what went", "%s", fm_outcome(false));
	EXPECT_EQ(ENXIO, errno);
}

TEST_F(buffer, grow_adds_zeroes)
{
	char *map, zero[self->page], page[self->page];
	bool same = true;
	size_t i;

	if (fm_is_device(variant))
		DOES_NOT_APPLY("a device's memory shows what the device has there");
	memset(zero, 0, sizeof(zero));
	ASSERT_EQ(0, fm_resize(self->fd, 3 * FM_PAGES));
	map = fm_map(self, 0, 3 * FM_PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	for (i = FM_PAGES; i < 3 * FM_PAGES; i++) {
		ASSERT_EQ(self->page, pread(self->fd, page, self->page,
					    i * self->page));
		EXPECT_EQ(0, memcmp(page, zero, self->page));
		same = !memcmp(map + i * self->page, zero, self->page) && same;
	}
	SAW("grow the buffer, map it, read what came", "%s",
	    same ? "zeroes" : "other data");
	EXPECT_TRUE(same);
}

TEST_F(buffer, shrunk_and_grown_again_shows_nothing_old)
{
	char zero[self->page], page[self->page], *map;
	const char *saw = "zeroes";
	size_t i;
	int sig;

	if (fm_is_device(variant))
		DOES_NOT_APPLY("a device's memory shows what the device has there");
	memset(zero, 0, sizeof(zero));
	map = fm_map(self, 0, FM_PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	ASSERT_EQ(0, fm_resize(self->fd, 5));
	ASSERT_EQ(0, fm_resize(self->fd, FM_PAGES));
	EXPECT_STAMPS(map, 0, 5);
	for (i = 5; i < FM_PAGES; i++) {
		ASSERT_EQ(self->page, pread(self->fd, page, self->page,
					    i * self->page));
		EXPECT_EQ(0, memcmp(page, zero, self->page));
		/* A mapping with a fault handler comes back. */
		sig = fm_read_at(map + i * self->page);
		EXPECT_EQ(fm_comes_back(variant) ? 0 : SIGBUS, sig);
		if (sig)
			saw = fm_signal(sig);
		else if (memcmp(map + i * self->page, zero, self->page))
			saw = "other data";
	}
	SAW("shrink and grow the buffer, read the old mapping there", "%s", saw);
	EXPECT_STREQ(fm_comes_back(variant) ? "zeroes" : "SIGBUS", saw);
}

/* What is in a device's memory is not ours to clear. */
TEST_F(buffer, shrunk_and_grown_again_shows_the_device)
{
	char *map;

	if (!fm_is_device(variant))
		DOES_NOT_APPLY("what is no device's memory is cleared");
	ASSERT_EQ(0, fm_resize(self->fd, 5));
	ASSERT_EQ(0, fm_resize(self->fd, FM_PAGES));
	map = fm_map(self, 0, FM_PAGES);
	SAW("shrink and grow a device's memory, map and read all", "%s",
	    fm_mapped(map, 0, FM_PAGES));
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* Many blocks: areas of vmalloc are freed whole, the rest is kept and zeroed. */
TEST_F(buffer, across_blocks)
{
	static const size_t sizes[] = { 2000, 700, 512, 511, 1, 1024, 3 };
	char page[self->page];
	uint64_t *words = (uint64_t *)page;
	size_t i, n, had = FM_PAGES;
	uint64_t want;
	bool same = true;

	if (fm_is_device(variant))
		DOES_NOT_APPLY("a device's memory is one block");
	for (n = 0; n < sizeof(sizes) / sizeof(*sizes); n++) {
		ASSERT_EQ(0, fm_resize(self->fd, sizes[n]));
		for (i = 0; i < sizes[n]; i++) {
			ASSERT_EQ(self->page, pread(self->fd, page, self->page,
						    i * self->page));
			want = i < had ? fm_stamp_word(i, 0) : 0;
			same = words[0] == want && same;
		}
		ASSERT_EQ(0, fm_stamp(self->fd, 0, sizes[n]));
		had = sizes[n];
	}
	SAW("resize up and down between 1 and 2000 pages, read all", "%s",
	    fm_same(same));
	EXPECT_TRUE(same);
}

TEST_F(buffer, reaches_other_processes)
{
	char *map = fm_map(self, 0, FM_PAGES);
	int to_child[2], from_child[2], status;
	char byte = 0;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, pipe(to_child));
	ASSERT_EQ(0, pipe(from_child));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int sig, seen = fm_page_at(map + 12 * self->page) == 12;

		seen = write(from_child[1], &byte, 1) == 1 && seen;
		seen = read(to_child[0], &byte, 1) == 1 && seen;
		sig = fm_read_at(map + 12 * self->page);
		SAW("shrink the buffer, another process reads what went", "%s",
		    fm_signal(sig));
		seen = sig == SIGBUS && seen;
		_exit(!(seen && fm_page_at(map) == 0));
	}
	ASSERT_EQ(1, read(from_child[0], &byte, 1));
	ASSERT_EQ(0, fm_resize(self->fd, 12));
	ASSERT_EQ(1, write(to_child[1], &byte, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/*
 * Translations that are being made while the buffer shrinks must not survive it.
 * A child makes them over and over, by mmap(2) and by touching the last page; the
 * parent shrinks meanwhile, and says so. What the child mapped last is looked at:
 * the signal that it raises is the result, if there was time to map anything.
 */
#define RACE_PAGES	1024

static int race(const FIXTURE_DATA(buffer) *self, volatile int *shrunk,
		bool touch)
{
	size_t tail = (RACE_PAGES - 1) * self->page;
	char *map = MAP_FAILED, *next;

	while (!*shrunk) {
		next = fm_map(self, 0, RACE_PAGES);
		if (next == MAP_FAILED)
			break;
		if (map != MAP_FAILED)
			munmap(map, RACE_PAGES * self->page);
		map = next;
		if (touch)
			fm_read_at(map + tail);
	}
	while (!*shrunk)
		sched_yield();
	return map == MAP_FAILED ? SIGBUS : fm_read_at(map + tail);
}

static void run_races(struct __test_metadata *_metadata,
		      FIXTURE_DATA(buffer) *self,
		      const FIXTURE_VARIANT(buffer) *variant,
		      const char *row, bool touch)
{
	bool cut_off = true;
	volatile int *shrunk = mmap(NULL, self->page, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int round, status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, shrunk);
	for (round = 0; round < 20; round++) {
		ASSERT_EQ(0, fm_resize(self->fd, RACE_PAGES));
		*shrunk = 0;
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(race(self, shrunk, touch));
		usleep(500 * round);
		ASSERT_EQ(0, fm_resize(self->fd, 1));
		*shrunk = 1;
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFEXITED(status));
		EXPECT_EQ(SIGBUS, WEXITSTATUS(status));
		cut_off = WEXITSTATUS(status) == SIGBUS && cut_off;
	}
	SAW(row, "%s", cut_off ? "SIGBUS" : "survives");
}

/* An eager mmap(2) fills page tables before the kernel can find its VMA. */
TEST_F_TIMEOUT(buffer, cuts_off_mappings_in_the_making, 60)
{
	run_races(_metadata, self, variant,
		  "shrink the buffer during mmap(), read what went", false);
}

/* A lazy translation is made after the fault handler has returned. */
TEST_F_TIMEOUT(buffer, cuts_off_faults_in_flight, 60)
{
	run_races(_metadata, self, variant,
		  "shrink the buffer during a touch, read what went", true);
}

/* The private copies of what is cut off go too, as those of a file do. */
TEST_F(buffer, reaches_private_copies)
{
	char *map = mmap(NULL, FM_PAGES * self->page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE, self->fd, 0);
	const char *saw = fm_outcome(map != MAP_FAILED);

	if (map != MAP_FAILED) {
		EXPECT_EQ(0, fm_write_at(map + 10 * self->page));
		ASSERT_EQ(0, fm_resize(self->fd, 10));
		saw = fm_signal(fm_read_at(map + 10 * self->page));
		EXPECT_STAMPS(map, 0, 10);
	}
	SAW("MAP_PRIVATE, write, shrink the buffer, read what went", "%s", saw);
	EXPECT_STREQ(fm_is_by_page(variant) ? "SIGBUS" : "EINVAL", saw);
}

/* mmap(2) would allocate it with the mmap_lock held, so it is there before. */
TEST_F(buffer, new_one_has_its_memory)
{
	struct faultmap_info info = { 0 };
	int fd;

	if (fm_is_device(variant))
		DOES_NOT_APPLY("a device has its memory always");
	if (fm_on_demand(variant->memory))
		SKIP(return, "FAULTMAP_ON_DEMAND is set");
	fd = fm_create(variant->memory, variant->strategy, FM_PAGES);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
	SAW("a new buffer", "%s", info.extents ? "has memory" : "has no memory");
	EXPECT_EQ(FAULTMAP_INFO_ALLOCATED,
		  info.flags & FAULTMAP_INFO_ALLOCATED);
	EXPECT_LE(1, info.extents);
	EXPECT_GE(FM_PAGES, info.extents);
	ASSERT_EQ(0, fm_resize(fd, 2));
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
	EXPECT_LE(1, info.extents);
	EXPECT_GE(2, info.extents);
	close(fd);
}

/* A size that no memory can hold fails and changes nothing. */
TEST_F(buffer, too_large)
{
	EXPECT_EQ(-1, fm_resize(self->fd, 1UL << 40));
	SAW("grow the buffer to 1 TiB", "%s", fm_outcome(false));
	EXPECT_EQ(EFBIG, errno);
	EXPECT_EQ(FM_PAGES * self->page, bytes(self->fd));
}

static uint64_t held(int fd)
{
	struct faultmap_info info = { 0 };

	return ioctl(fd, FAULTMAP_INFO, &info) ? UINT64_MAX : info.held;
}

/* Who is killed while a buffer grows does not wait for all of it, and leaves it as it was. */
TEST(killed_while_it_grows)
{
	size_t page = fm_page_size();
	int fd, status;
	pid_t pid;

	if (access(FM_CONTROL, R_OK | W_OK))
		SKIP(return, "faultmap is not loaded");
	/* Memory that is never there on demand. */
	fd = fm_create(FAULTMAP_MEMORY_KMALLOC, FAULTMAP_STRATEGY_LAZY_PFN, 1);
	ASSERT_LE(0, fd);
	ASSERT_EQ(page, held(fd));
	pid = fork();
	if (!pid) {
		fm_resize(fd, (512UL << 20) / page);
		_exit(0);
	}
	ASSERT_LT(0, pid);
	while (held(fd) == page)
		usleep(1000);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(page, bytes(fd));
	EXPECT_EQ(page, held(fd));
	close(fd);
}

/*
 * What a shrink frees are blocks: none is larger than was asked for, or than what may
 * be left behind.
 */
TEST(shrink_frees_all_but_a_block)
{
	const struct {
		unsigned int memory, strategy, order;
		size_t pages, block;
	} kinds[] = {
		{ FAULTMAP_MEMORY_PAGES, FAULTMAP_STRATEGY_LAZY, 0, 64, 1 },
		{ FAULTMAP_MEMORY_PAGES, FAULTMAP_STRATEGY_LAZY, 4, 64, 16 },
		{ FAULTMAP_MEMORY_VMALLOC, FAULTMAP_STRATEGY_LAZY, 0,
		  (16 << 20) / fm_page_size(), (2 << 20) / fm_page_size() },
		{ FAULTMAP_MEMORY_KMALLOC, FAULTMAP_STRATEGY_LAZY_PFN, 0,
		  (256 << 10) / fm_page_size(), (64 << 10) / fm_page_size() },
	};
	size_t page = fm_page_size(), i;
	int fd;

	if (access(FM_CONTROL, R_OK | W_OK))
		SKIP(return, "faultmap is not loaded");
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		fd = fm_create_as((struct faultmap_create){
			.bytes = kinds[i].pages * page,
			.memory = kinds[i].memory,
			.strategy = kinds[i].strategy,
			.order = kinds[i].order,
			.window = 1,
		});
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, fm_stamp(fd, 0, kinds[i].pages));
		ASSERT_EQ(0, fm_resize(fd, 1));
		EXPECT_LE(1, held(fd) / page);
		EXPECT_GE(kinds[i].block, held(fd) / page) {
			TH_LOG("memory %u, order %u", kinds[i].memory, kinds[i].order);
		}
		close(fd);
	}
}

TEST_HARNESS_MAIN

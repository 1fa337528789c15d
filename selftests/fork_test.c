// SPDX-License-Identifier: GPL-2.0-only
/*
 * fork(2): what a child inherits. Translations of a mapping with a driver's flags
 * are copied; those of an ordinary one are not, and fault again in the child.
 */
#include <sched.h>
#include <sys/wait.h>

#include "buffer_fixture.h"

/* Runs @fn in a child and returns what it returned. */
static int in_child(int (*fn)(char *map, size_t page), char *map, size_t page)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(fn(map, page));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* The signal that reading raises, 255 if it shows other data. */
static int sees_stamps(char *map, size_t page)
{
	long seen;
	size_t i;

	for (i = 0; i < FM_PAGES; i++) {
		seen = fm_page_at(map + i * page);
		if (seen != (long)i)
			return seen < -1 ? -seen : 255;
	}
	return 0;
}

static int writes(char *map, size_t page)
{
	fm_stamp_page(map + 3 * page, 9);
	return 0;
}

static int reads(char *map, size_t page)
{
	return fm_read_at(map);
}

static int unmaps_the_middle(char *map, size_t page)
{
	if (munmap(map + 4 * page, 4 * page))
		return 1;
	return fm_read_at(map + 4 * page) != SIGSEGV ||
	       fm_page_at(map + 8 * page) != 8;
}

TEST_F(buffer, child_sees)
{
	char *map = fm_map(self, 0, FM_PAGES);
	struct faultmap_stats stats;
	uint64_t faults;
	int saw;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	faults = fm_faults(self->fd);
	saw = in_child(sees_stamps, map, self->page);
	faults = fm_faults(self->fd) - faults;
	stats = fm_stats(self->fd);
	SAW("touch all, fork, child reads all", "%s, %" PRIu64 " faults",
	    fm_signal(saw), faults);
	SAW("fork and exit of the child", "%llu open, %llu close", stats.opens,
	    stats.closes);
	EXPECT_EQ(0, saw);
	EXPECT_FAULTS(fm_is_ordinary(variant) ? FM_PAGES : 0, faults);
	EXPECT_EQ(fm_counts_mappings(variant), stats.opens);
	EXPECT_EQ(fm_counts_mappings(variant), stats.closes);
}

TEST_F(buffer, child_touches_first)
{
	char *map = fm_map(self, 0, FM_PAGES);
	uint64_t faults;
	int saw;

	ASSERT_NE(MAP_FAILED, map);
	saw = in_child(sees_stamps, map, self->page);
	faults = fm_faults(self->fd);
	SAW("fork, child reads all", "%s, %" PRIu64 " faults", fm_signal(saw),
	    faults);
	EXPECT_EQ(0, saw);
	EXPECT_FAULTS(fm_is_lazy(variant) ? FM_PAGES : 0, faults);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_F(buffer, parent_sees_what_the_child_wrote)
{
	char *map = fm_map(self, 0, FM_PAGES);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(0, in_child(writes, map, self->page));
	SAW("child writes and exits, parent reads that", "%s",
	    fm_shown(map + 3 * self->page, 9, 1));
	EXPECT_STAMPS(map + 3 * self->page, 9, 1);
}

TEST_F(buffer, private_copies_stay_apart)
{
	char *map = mmap(NULL, FM_PAGES * self->page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE, self->fd, 0);
	const char *saw = fm_outcome(map != MAP_FAILED);

	if (map != MAP_FAILED) {
		fm_stamp_page(map + 3 * self->page, 5);
		EXPECT_EQ(0, in_child(writes, map, self->page));
		saw = fm_both(fm_shown(map + 3 * self->page, 5, 1),
			      fm_shown(map, 0, 3));
	}
	SAW("MAP_PRIVATE: child writes, parent reads its own", "%s", saw);
	EXPECT_STREQ(fm_is_by_page(variant) ? FM_WORKS : "EINVAL", saw);
}

TEST_F(buffer, child_unmaps_a_part)
{
	char *map = fm_map(self, 0, FM_PAGES);
	const char *saw;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(0, in_child(unmaps_the_middle, map, self->page));
	saw = fm_shown(map, 0, FM_PAGES);
	SAW("child unmaps the middle, parent reads all", "%s", saw);
	EXPECT_STREQ(FM_WORKS, saw);
}

/* The child lives on with the mapping when its parent has gone. */
TEST_F(buffer, parent_exits_first)
{
	char *map = fm_map(self, 0, FM_PAGES), result = 1;
	int pipes[2];
	pid_t pid;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, pipe(pipes));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		EXPECT_STAMPS(map, 0, 5);
		if (!fork()) {
			usleep(50000);
			result = sees_stamps(map, self->page);
			_exit(write(pipes[1], &result, 1) != 1);
		}
		_exit(0);
	}
	munmap(map, FM_PAGES * self->page);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	ASSERT_EQ(1, read(pipes[0], &result, 1));
	SAW("fork, parent exits, child reads all", "%s",
	    fm_signal((unsigned char)result));
	EXPECT_EQ(0, result);
}

TEST_F(buffer, dontfork)
{
	char *map = fm_map(self, 0, FM_PAGES);
	int saw;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, madvise(map, FM_PAGES * self->page, MADV_DONTFORK));
	saw = in_child(reads, map, self->page);
	SAW("MADV_DONTFORK, fork, child reads", "%s", fm_signal(saw));
	EXPECT_EQ(SIGSEGV, saw);
	EXPECT_EQ(0, fm_stats(self->fd).opens);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* What a driver has marked as its own is not to be inherited again. */
static bool takes_dofork(const FIXTURE_VARIANT(buffer) *variant)
{
	if (fm_kernel_since(7, 0))
		return fm_is_ordinary(variant);
	return fm_is_by_page(variant);
}

TEST_F(buffer, dofork)
{
	char *map = fm_map(self, 0, FM_PAGES);
	size_t size = FM_PAGES * self->page;
	int ret;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, madvise(map, size, MADV_DONTFORK));
	ret = madvise(map, size, MADV_DOFORK);
	SAW("madvise(MADV_DOFORK) after MADV_DONTFORK", "%s", fm_outcome(!ret));
	EXPECT_EQ(takes_dofork(variant) ? 0 : -EINVAL, fm_errno(ret));
	EXPECT_EQ(ret ? SIGSEGV : 0,
		  in_child(ret ? reads : sees_stamps, map, self->page));
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* A child by vfork(2) borrows the mapping, one by fork(2) has its own till then. */
TEST_F(buffer, exec)
{
	char *map = fm_map(self, 0, FM_PAGES);
	struct faultmap_stats stats;
	uint64_t faults;
	int status = -1;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	faults = fm_faults(self->fd);

	pid = vfork();
	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	stats = fm_stats(self->fd);
	EXPECT_EQ(0, stats.opens);
	EXPECT_EQ(0, stats.closes);
	SAW("vfork() and exec()", "%llu open", stats.opens);

	pid = fork();
	if (!pid) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	stats = fm_stats(self->fd);
	EXPECT_EQ(fm_counts_mappings(variant), stats.opens);
	EXPECT_EQ(fm_counts_mappings(variant), stats.closes);
	SAW("fork() and exec()", "%llu open", stats.opens);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(faults, fm_faults(self->fd));
}

static int write_nine(void *map)
{
	fm_stamp_page(map, 9);
	return 0;
}

/* One address space, two processes: what one touches the other need not. */
TEST_F(buffer, clone_vm)
{
	char *map = fm_map(self, 0, FM_PAGES), *stack = malloc(1 << 16);
	int status = -1;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_NE(NULL, stack);
	pid = clone(write_nine, stack + (1 << 16), CLONE_VM | SIGCHLD,
		    map + 3 * self->page);
	ASSERT_LE(0, pid);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(fm_is_lazy(variant), fm_faults(self->fd));
	EXPECT_STAMPS(map + 3 * self->page, 9, 1);
	EXPECT_EQ(fm_is_lazy(variant), fm_faults(self->fd));
	EXPECT_EQ(0, fm_stats(self->fd).opens);
	SAW("clone(CLONE_VM)", "refaults %d pages",
	    (int)fm_faults(self->fd) - fm_is_lazy(variant));
	free(stack);
}

TEST_HARNESS_MAIN

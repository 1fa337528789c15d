// SPDX-License-Identifier: GPL-2.0-only
/*
 * A private buffer has no name, but whoever has a descriptor can open(2) it again by
 * /proc/self/fd: what each such descriptor may, sees and keeps.
 */
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "private_buffer.h"

#define NOBODY	65534

TEST_F(buffer, opened_again_to_read)
{
	size_t size = FM_PAGES * self->page;
	struct faultmap_info info, same;
	char *map, *copy;
	int fd;

	NEEDS_PRIVATE_BUFFER();
	fd = fm_reopen(self->fd, O_RDONLY);
	errno = -fd;
	SAW("open(/proc/self/fd/N, O_RDONLY)", "%s", fm_outcome(fd >= 0));
	ASSERT_LE(0, fd);
	fm_expect_read_only(_metadata, self, fd);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_INFO, &info));
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &same));
	EXPECT_EQ(0, memcmp(&info, &same, sizeof(info)));

	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	EXPECT_EQ(MAP_FAILED, map);
	SAW("open(/proc/self/fd/N, O_RDONLY), map it to write", "%s",
	    fm_outcome(map != MAP_FAILED));
	EXPECT_EQ(EACCES, errno);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, mprotect(map, size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	EXPECT_EQ(fm_is_by_page(variant), copy != MAP_FAILED);
	close(fd);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_F(buffer, opened_again_to_write)
{
	size_t size = FM_PAGES * self->page;
	char *map, *mine = fm_map(self, 0, FM_PAGES);
	struct stat st, same;
	int fd;

	NEEDS_PRIVATE_BUFFER();
	ASSERT_NE(MAP_FAILED, mine);
	fd = fm_reopen(self->fd, O_RDWR);
	errno = -fd;
	SAW("open(/proc/self/fd/N, O_RDWR)", "%s", fm_outcome(fd >= 0));
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fstat(self->fd, &st));
	ASSERT_EQ(0, fstat(fd, &same));
	EXPECT_EQ(st.st_ino, same.st_ino);
	EXPECT_EQ(st.st_dev, same.st_dev);
	EXPECT_EQ(0, lseek(fd, 0, SEEK_CUR));

	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	map[5 * self->page] = 'n';
	EXPECT_EQ('n', mine[5 * self->page]);
	ASSERT_EQ(0, fm_resize(fd, 8));
	EXPECT_STAMPS(map, 0, 5);
	EXPECT_SIGNALS(SIGBUS, map + 8 * self->page, FM_PAGES - 8);
	EXPECT_SIGNALS(SIGBUS, mine + 8 * self->page, FM_PAGES - 8);
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(8 * self->page, st.st_size);
	close(fd);
}

/* There is one set of counters, whichever descriptor is asked. */
TEST_F(buffer, opened_again_counts_together)
{
	struct faultmap_stats stats, same;
	char *map;
	int fd;

	NEEDS_PRIVATE_BUFFER();
	fd = fm_reopen(self->fd, O_RDONLY);
	ASSERT_LE(0, fd);
	map = mmap(NULL, FM_PAGES * self->page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	stats = fm_stats(self->fd);
	same = fm_stats(fd);
	EXPECT_EQ(0, memcmp(&stats, &same, sizeof(stats)));
	EXPECT_EQ(1, stats.mmaps);
	EXPECT_EQ(FM_PAGES, stats.pages_installed);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_STATS_RESET));
	EXPECT_EQ(0, fm_stats(fd).mmaps);
	close(fd);
}

TEST_F(buffer, opened_again_to_write_only)
{
	char *map, byte = 'w';
	int fd;

	NEEDS_PRIVATE_BUFFER();
	fd = fm_reopen(self->fd, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, pwrite(fd, &byte, 1, 0));
	EXPECT_EQ(-1, pread(fd, &byte, 1, 0));
	EXPECT_EQ(EBADF, errno);
	map = mmap(NULL, self->page, PROT_WRITE, MAP_SHARED, fd, 0);
	EXPECT_EQ(MAP_FAILED, map);
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(0, fm_resize(fd, 1));
	close(fd);
}

/* It cannot be emptied, so neither by who opens it. */
TEST_F(buffer, opened_again_to_truncate)
{
	struct stat st;
	char *map;

	NEEDS_PRIVATE_BUFFER();
	map = fm_map(self, 0, FM_PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-EINVAL, fm_reopen(self->fd, O_RDWR | O_TRUNC));
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(FM_PAGES * self->page, st.st_size);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* The buffer is there as long as somebody has it, whoever that is. */
TEST_F(buffer, opened_again_keeps_it)
{
	char *map;
	int fd;

	NEEDS_PRIVATE_BUFFER();
	fd = fm_reopen(self->fd, O_RDONLY);
	ASSERT_LE(0, fd);
	close(self->fd);
	self->fd = fm_reopen(fd, O_RDWR);
	ASSERT_LE(0, self->fd);
	close(fd);
	map = fm_map(self, 0, FM_PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	close(self->fd);
	self->fd = -1;
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* Who opens it after REVOKE is not cut off, as with a node. */
TEST_F(buffer, opened_again_after_revoke)
{
	char *map, *old = fm_map(self, 0, FM_PAGES);
	int fd, before;

	NEEDS_PRIVATE_BUFFER();
	ASSERT_NE(MAP_FAILED, old);
	before = fm_reopen(self->fd, O_RDWR);
	ASSERT_LE(0, before);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_EQ(-1, fm_resize(before, 1));
	EXPECT_EQ(ENODEV, errno);
	fd = fm_reopen(self->fd, O_RDWR);
	errno = -fd;
	SAW("REVOKE, open(/proc/self/fd/N)", "%s", fm_outcome(fd >= 0));
	ASSERT_LE(0, fd);
	map = mmap(NULL, FM_PAGES * self->page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_SIGNALS(SIGBUS, old, FM_PAGES);
	close(fd);
	close(before);
}

/* Whoever it was given to read only cannot open it to write: it is its maker's. */
static int stranger_reopens(int fd, int flags)
{
	int status, ret;
	pid_t pid = fork();

	if (!pid) {
		/* A process that changed its user may not look at its own descriptors. */
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY) || prctl(PR_SET_DUMPABLE, 1))
			_exit(255);
		ret = fm_reopen(fd, flags);
		_exit(ret < 0 ? -ret : 0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

TEST_F(buffer, opened_again_by_its_maker_only)
{
	int fd, memfd = memfd_create("stranger", MFD_CLOEXEC);

	NEEDS_PRIVATE_BUFFER();
	if (geteuid())
		SKIP(return, "needs root, to become somebody else");
	fd = fm_reopen(self->fd, O_RDONLY);
	ASSERT_LE(0, fd);
	/* That of a memfd, with mode 0777, shows that it is the mode that counts. */
	ASSERT_LE(0, memfd);
	EXPECT_EQ(0, stranger_reopens(memfd, O_RDWR));
	EXPECT_EQ(EACCES, stranger_reopens(fd, O_RDWR));
	EXPECT_EQ(EACCES, stranger_reopens(fd, O_RDONLY));
	EXPECT_EQ(EACCES, stranger_reopens(self->fd, O_RDWR));
	close(memfd);
	close(fd);
}

/* Behind its end there is no room. */
TEST_F(buffer, opened_again_to_append)
{
	uint64_t word;
	int fd;

	NEEDS_PRIVATE_BUFFER();
	fd = fm_reopen(self->fd, O_WRONLY | O_APPEND);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fm_stamp(self->fd, 0, 1));
	EXPECT_EQ(-1, write(fd, "AB", 2));
	SAW("open(/proc/self/fd/N, O_APPEND), write()", "%s", fm_outcome(false));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(sizeof(word), pread(self->fd, &word, sizeof(word), 0));
	EXPECT_EQ(fm_stamp_word(0, 0), word);
	close(fd);
}

TEST_HARNESS_MAIN

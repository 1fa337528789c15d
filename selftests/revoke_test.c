// SPDX-License-Identifier: GPL-2.0
/* FAULTMAP_REVOKE: those who use the buffer now are cut off for good. */
#include <sys/wait.h>

#include "buffer_fixture.h"

TEST_F(buffer, everything_fails)
{
	struct faultmap_resize resize = { .bytes = self->page };
	char *map = fm_map(self, 0, FM_PAGES), byte = 0;
	struct faultmap_info info = { 0 };

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES / 2);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	SAW("REVOKE, read touched and untouched pages", "%s",
	    fm_shown(map, 0, FM_PAGES));
	EXPECT_EQ(FM_PAGES, fm_stats(self->fd).sigbus);
	EXPECT_EQ(1, fm_stats(self->fd).zaps);
	EXPECT_SIGNALS(SIGBUS, map, FM_PAGES);

	EXPECT_EQ(MAP_FAILED, fm_map(self, 0, 1));
	SAW("REVOKE, mmap()", "%s", fm_outcome(false));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, pread(self->fd, &byte, 1, 0));
	SAW("REVOKE, read(2)", "%s", fm_outcome(false));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, pwrite(self->fd, &byte, 1, 0));
	SAW("REVOKE, write(2)", "%s", fm_outcome(false));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_RESIZE, &resize));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_INFO, &info));
	EXPECT_EQ(FAULTMAP_INFO_REVOKED | FAULTMAP_INFO_ALLOCATED |
		  (fm_is_device(variant) ? 0 : FAULTMAP_INFO_PRIVATE), info.flags);
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
		int touched, untouched, seen = fm_page_at(map) == 0;

		seen = write(from_child[1], &byte, 1) == 1 && seen;
		seen = read(to_child[0], &byte, 1) == 1 && seen;
		touched = fm_read_at(map);
		untouched = fm_write_at(map + self->page);
		SAW("REVOKE, another process reads a touched page", "%s",
		    fm_signal(touched));
		SAW("REVOKE, another process writes an untouched page", "%s",
		    fm_signal(untouched));
		seen = touched == SIGBUS && untouched == SIGBUS && seen;
		_exit(!seen);
	}
	ASSERT_EQ(1, read(from_child[0], &byte, 1));
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	ASSERT_EQ(1, write(to_child[1], &byte, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

static int use_first(int fd, size_t size)
{
	char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	int sig;

	if (map == MAP_FAILED)
		return errno != ENODEV;
	sig = fm_read_at(map);
	return sig && sig != SIGBUS;
}

/* The memory may come in the middle of it, by somebody's mmap(2). */
TEST_F(buffer, during_the_first_use)
{
	int round, fd, status;
	pid_t pid;

	for (round = 0; round < 20; round++) {
		fd = fm_open_buffer(variant);
		ASSERT_LE(0, fd);
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(use_first(fd, FM_PAGES * self->page));
		usleep(50 * round);
		ASSERT_EQ(0, ioctl(fd, FAULTMAP_REVOKE));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		close(fd);
	}
}

/* A node opened afterwards works, and shows what was there before. */
TEST_F(buffer, node_is_opened_anew)
{
	int old = open(fm_node(variant), O_RDWR), fd;
	char *old_map, *map;

	ASSERT_LE(0, old);
	ASSERT_EQ(0, fm_stamp(old, 0, 4));
	old_map = mmap(NULL, 4 * self->page, PROT_READ, MAP_SHARED, old, 0);
	ASSERT_NE(MAP_FAILED, old_map);
	ASSERT_EQ(0, ioctl(old, FAULTMAP_REVOKE));
	fd = open(fm_node(variant), O_RDWR);
	ASSERT_LE(0, fd);
	map = mmap(NULL, 4 * self->page, PROT_READ, MAP_SHARED, fd, 0);
	SAW("REVOKE, open the node anew, map and read", "%s",
	    fm_mapped(map, 0, 4));
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, 4);
	SAW("REVOKE, open the node anew, read the old mapping", "%s",
	    fm_shown(old_map, 0, 4));
	EXPECT_SIGNALS(SIGBUS, old_map, 4);
	munmap(old_map, 4 * self->page);
	munmap(map, 4 * self->page);
	close(old);
	close(fd);
}

/* One zap reaches the mappings made through every node of the buffer. */
TEST_F(buffer, reaches_the_other_node)
{
	int fd = open(fm_node(variant), O_RDWR), other, sig;
	char *map;

	other = open(fm_node_by(variant, fm_is_lazy(variant) ? "eager" : "lazy-pfn"),
		     O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, other);
	map = mmap(NULL, self->page, PROT_READ, MAP_SHARED, other, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, fm_read_at(map));
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_REVOKE));
	sig = fm_read_at(map);
	SAW("REVOKE, read a touched page through another strategy's node", "%s",
	    fm_signal(sig));
	EXPECT_EQ(SIGBUS, sig);
	munmap(map, self->page);
	close(fd);
	close(other);
}

TEST_HARNESS_MAIN

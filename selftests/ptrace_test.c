// SPDX-License-Identifier: GPL-2.0
/*
 * Another process looks in: ptrace(2), as debuggers do, and /proc/PID/mem. Pages
 * are found by the kernel; for bare frames it asks the driver's .access.
 */
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "buffer_fixture.h"

/* A traced child that has mapped the whole buffer at @map, and stopped. */
static pid_t traced(void)
{
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	return pid;
}

static void end_traced(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The word at @addr of a traced process, or -errno. */
static long peek(pid_t pid, char *addr)
{
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, addr, NULL);
	return errno ? -errno : word;
}

static long poke(pid_t pid, char *addr, long word)
{
	return fm_errno(ptrace(PTRACE_POKEDATA, pid, addr, (void *)word));
}

TEST_F(buffer, peek_and_poke)
{
	char *map = fm_map(self, 0, FM_PAGES);
	pid_t pid = traced();
	uint64_t word = 0;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(fm_stamp_word(0, 0), peek(pid, map));
	EXPECT_EQ(fm_stamp_word(15, 511), peek(pid, map + 16 * self->page - 8));
	EXPECT_EQ(0, poke(pid, map + 7 * self->page, 0x1234));
	EXPECT_EQ(0x1234, peek(pid, map + 7 * self->page));
	EXPECT_EQ(8, pread(self->fd, &word, 8, 7 * self->page));
	EXPECT_EQ(0x1234, word);
	end_traced(pid);
}

/* Unaligned, so that the word lies in two pages. */
TEST_F(buffer, across_a_page_boundary)
{
	char *map = fm_map(self, 0, FM_PAGES), expected[8];
	pid_t pid = traced();
	long word;

	ASSERT_NE(MAP_FAILED, map);
	word = peek(pid, map + 3 * self->page - 3);
	ASSERT_EQ(8, pread(self->fd, expected, 8, 3 * self->page - 3));
	EXPECT_EQ(0, memcmp(&word, expected, 8));
	end_traced(pid);
}

TEST_F(buffer, beyond_the_end)
{
	struct faultmap_resize resize = { .bytes = 4 * self->page };
	char *map = fm_map(self, 0, FM_PAGES);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_RESIZE, &resize));
	pid = traced();
	EXPECT_EQ(fm_stamp_word(3, 0), peek(pid, map + 3 * self->page));
	EXPECT_EQ(-EIO, peek(pid, map + 4 * self->page));
	EXPECT_EQ(-EIO, poke(pid, map + 4 * self->page, 1));
	end_traced(pid);
}

/* What the process itself may not write, its debugger may not either. */
TEST_F(buffer, read_only_mapping)
{
	char *map = mmap(NULL, self->page, PROT_READ, MAP_SHARED, self->fd, 0);
	pid_t pid = traced();

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(fm_stamp_word(0, 0), peek(pid, map));
	EXPECT_EQ(-EIO, poke(pid, map, 1));
	EXPECT_EQ(fm_stamp_word(0, 0), peek(pid, map));
	end_traced(pid);
}

TEST_F(buffer, proc_pid_mem)
{
	char *map = fm_map(self, 0, FM_PAGES), path[32], out[self->page];
	pid_t pid = traced();
	int mem;

	ASSERT_NE(MAP_FAILED, map);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDWR);
	ASSERT_LE(0, mem);
	ASSERT_EQ(self->page, pread(mem, out, self->page,
				    (off_t)(map + 5 * self->page)));
	EXPECT_EQ(5, fm_page_at(out));
	fm_stamp_page(out, 1);
	ASSERT_EQ(self->page, pwrite(mem, out, self->page,
				     (off_t)(map + 5 * self->page)));
	EXPECT_STAMPS(map + 5 * self->page, 1, 1);
	close(mem);
	end_traced(pid);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
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

/* What became of a peek(), which should give @want. */
static const char *peeked(long word, long want)
{
	return word < 0 && word > -4096 ? fm_result(word, 0) :
					  fm_same(word == want);
}

TEST_F(buffer, peek_and_poke)
{
	char *map = fm_map(self, 0, FM_PAGES);
	pid_t pid = traced();
	uint64_t word = 0;
	long seen, poked;

	ASSERT_NE(MAP_FAILED, map);
	seen = peek(pid, map);
	poked = poke(pid, map + 7 * self->page, 0x1234);
	SAW("PTRACE_PEEKDATA", "%s", peeked(seen, fm_stamp_word(0, 0)));
	SAW("PTRACE_POKEDATA", "%s", fm_result(poked, 0));
	EXPECT_EQ(fm_stamp_word(0, 0), seen);
	EXPECT_EQ(fm_stamp_word(15, 511), peek(pid, map + 16 * self->page - 8));
	EXPECT_EQ(0, poked);
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
	SAW("PTRACE_PEEKDATA of a word in two pages", "%s",
	    fm_same(!memcmp(&word, expected, 8)));
	EXPECT_EQ(0, memcmp(&word, expected, 8));
	end_traced(pid);
}

TEST_F(buffer, beyond_the_end)
{
	struct faultmap_resize resize = { .bytes = 4 * self->page };
	char *map = fm_map(self, 0, FM_PAGES);
	long seen, poked;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_RESIZE, &resize));
	pid = traced();
	EXPECT_EQ(fm_stamp_word(3, 0), peek(pid, map + 3 * self->page));
	seen = peek(pid, map + 4 * self->page);
	poked = poke(pid, map + 4 * self->page, 1);
	SAW("PTRACE_PEEKDATA past the end of the buffer", "%s",
	    peeked(seen, 0));
	SAW("PTRACE_POKEDATA past the end of the buffer", "%s",
	    fm_result(poked, 0));
	EXPECT_EQ(-EIO, seen);
	EXPECT_EQ(-EIO, poked);
	end_traced(pid);
}

/* What the process itself may not write, its debugger may not either. */
TEST_F(buffer, read_only_mapping)
{
	char *map = mmap(NULL, self->page, PROT_READ, MAP_SHARED, self->fd, 0);
	pid_t pid = traced();
	long poked;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(fm_stamp_word(0, 0), peek(pid, map));
	poked = poke(pid, map, 1);
	SAW("PTRACE_POKEDATA to a read-only mapping", "%s",
	    fm_result(poked, 0));
	EXPECT_EQ(-EIO, poked);
	EXPECT_EQ(fm_stamp_word(0, 0), peek(pid, map));
	end_traced(pid);
}

TEST_F(buffer, proc_pid_mem)
{
	char *map = fm_map(self, 0, FM_PAGES), path[32], out[self->page];
	off_t at = (off_t)(map + 5 * self->page);
	pid_t pid = traced();
	long got, put;
	int mem;

	ASSERT_NE(MAP_FAILED, map);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDWR);
	ASSERT_LE(0, mem);
	got = fm_errno(pread(mem, out, self->page, at));
	SAW("read /proc/PID/mem", "%s",
	    fm_both(fm_result(got, self->page), fm_shown_page(out, 5)));
	ASSERT_EQ(self->page, got);
	EXPECT_EQ(5, fm_page_at(out));
	fm_stamp_page(out, 1);
	put = fm_errno(pwrite(mem, out, self->page, at));
	SAW("write /proc/PID/mem", "%s",
	    fm_both(fm_result(put, self->page),
		    fm_shown_page(map + 5 * self->page, 1)));
	ASSERT_EQ(self->page, put);
	EXPECT_STAMPS(map + 5 * self->page, 1, 1);
	close(mem);
	end_traced(pid);
}

TEST_HARNESS_MAIN

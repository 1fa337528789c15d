// SPDX-License-Identifier: GPL-2.0-only
/* FAULTMAP_REVOKE: those who use the buffer now are cut off for good. */
#include <limits.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/uio.h>
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
	EXPECT_EQ(-ENODEV, fm_errno(read(self->fd, &byte, 0)));
	EXPECT_EQ(-ENODEV, fm_errno(write(self->fd, &byte, 0)));
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_RESIZE, &resize));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_INFO, &info));
	EXPECT_EQ(FAULTMAP_INFO_REVOKED | fm_info_memory(variant->memory) |
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

/* In the middle of the first mmap(2) that anybody makes of it. */
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

/*
 * Memory whose pages come when the test says so: who reads or writes there is held
 * up in the middle of its system call, by userfaultfd(2).
 */
struct held {
	int uffd;
	char *memory;		/* FM_PAGES pages, none of which is there */
};

/* 0 or -errno, where the kernel's own accesses cannot be held up. */
static int held_open(struct held *held)
{
	size_t size = FM_PAGES * fm_page_size();
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.mode = UFFDIO_REGISTER_MODE_MISSING,
		.range.len = size,
	};

	held->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (unsigned long)held->memory;
	held->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (held->uffd < 0)
		return -errno;
	return fm_errno(ioctl(held->uffd, UFFDIO_API, &api)) ?:
	       fm_errno(ioctl(held->uffd, UFFDIO_REGISTER, &reg));
}

static void held_close(struct held *held)
{
	close(held->uffd);
	munmap(held->memory, FM_PAGES * fm_page_size());
}

/* Page @index is there from now on, stamped as page @stamp, and who waits goes on. */
static bool held_give(struct held *held, size_t index, size_t stamp)
{
	size_t size = fm_page_size();
	uint64_t page[size / sizeof(uint64_t)];
	struct uffdio_copy copy = {
		.dst = (unsigned long)held->memory + index * size,
		.src = (unsigned long)page,
		.len = size,
	};

	fm_stamp_page(page, stamp);
	return !ioctl(held->uffd, UFFDIO_COPY, &copy);
}

/* Waits until somebody is held up; the page that is missing, or -1. */
static long held_wait(struct held *held)
{
	struct uffd_msg msg;

	if (read(held->uffd, &msg, sizeof(msg)) != sizeof(msg) ||
	    msg.event != UFFD_EVENT_PAGEFAULT)
		return -1;
	return (msg.arg.pagefault.address - (unsigned long)held->memory) /
	       fm_page_size();
}

/* A read(2) or write(2) by a thread of its own, and what it returned. */
struct transfer {
	int fd;
	bool write;
	struct iovec iov[2];
	int parts;
	long ret;
};

static void *do_transfer(void *arg)
{
	struct transfer *t = arg;

	t->ret = fm_errno(t->write ? pwritev(t->fd, t->iov, t->parts, 0) :
				     preadv(t->fd, t->iov, t->parts, 0));
	return NULL;
}

/*
 * Has all pages but those from @missing on, and revokes when one transfers that page;
 * then gives the rest. What the transfer returned, or something that no call returns.
 */
static long cut_off(int fd, bool write, size_t missing)
{
	size_t size = FM_PAGES * fm_page_size(), i;
	struct transfer t = { .fd = fd, .write = write, .parts = 1 };
	struct held held;
	pthread_t thread;
	long at;

	if (held_open(&held))
		return LONG_MIN;
	for (i = 0; i < missing; i++)
		held_give(&held, i, 100 + i);
	t.iov[0].iov_base = held.memory;
	t.iov[0].iov_len = size;
	pthread_create(&thread, NULL, do_transfer, &t);
	at = held_wait(&held);
	if (ioctl(fd, FAULTMAP_REVOKE))
		at = -1;
	for (i = missing; i < FM_PAGES; i++)
		held_give(&held, i, 100 + i);
	pthread_join(thread, NULL);
	held_close(&held);
	return at == (long)missing ? t.ret : LONG_MAX;
}

#define NEEDS_USERFAULTFD() do { \
	struct held __held; \
	if (held_open(&__held)) \
		SKIP(return, "userfaultfd cannot hold up the kernel"); \
	held_close(&__held); \
} while (0)

/* Nothing was written, and it is no matter of space. */
TEST_F(buffer, cuts_off_a_write_at_its_start)
{
	long ret;

	NEEDS_USERFAULTFD();
	ret = cut_off(self->fd, true, 0);
	SAW("REVOKE while write(2) waits for its first page", "%s",
	    fm_result(ret, 0));
	EXPECT_EQ(-ENODEV, ret);
}

/* What is done is done, and is told; what is cut off is told by the next call. */
TEST_F(buffer, cuts_off_a_write_in_the_middle)
{
	char byte = 0;
	long ret;

	NEEDS_USERFAULTFD();
	ret = cut_off(self->fd, true, 3);
	SAW("REVOKE while write(2) waits for its fourth page", "%ld bytes", ret);
	EXPECT_EQ(3 * self->page, ret);
	EXPECT_EQ(-1, pwrite(self->fd, &byte, 1, 0));
	EXPECT_EQ(ENODEV, errno);
}

/* The page that it waited with had been read before. */
TEST_F(buffer, cuts_off_a_read_in_the_middle)
{
	char byte = 0;
	long ret;

	NEEDS_USERFAULTFD();
	ret = cut_off(self->fd, false, 3);
	SAW("REVOKE while read(2) waits for room for its fourth page", "%ld bytes",
	    ret);
	EXPECT_EQ(4 * self->page, ret);
	EXPECT_EQ(-1, pread(self->fd, &byte, 1, 0));
	EXPECT_EQ(ENODEV, errno);
}

/* A part of a page that has nothing to wait for, before one that has. */
TEST_F(buffer, cuts_off_a_write_of_two_parts)
{
	struct transfer t = { .fd = self->fd, .write = true, .parts = 2 };
	struct held held;
	pthread_t thread;
	char byte = 'r';

	NEEDS_USERFAULTFD();
	ASSERT_EQ(0, held_open(&held));
	t.iov[0] = (struct iovec){ &byte, 1 };
	t.iov[1] = (struct iovec){ held.memory, self->page };
	ASSERT_EQ(0, pthread_create(&thread, NULL, do_transfer, &t));
	EXPECT_EQ(0, held_wait(&held));
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_TRUE(held_give(&held, 0, 1));
	pthread_join(thread, NULL);
	/* Both in one copy of the page, or the first alone. */
	EXPECT_TRUE(t.ret == 1 || t.ret == -ENODEV) TH_LOG("%ld", t.ret);
	held_close(&held);
}

#define CUT_OFFS	100

/* Says in how many of them the call returned what it may not. */
static unsigned int race_with(struct __test_metadata *_metadata,
			      const FIXTURE_VARIANT(buffer) *variant, bool write)
{
	unsigned int wrong = 0, cut = 0;
	char byte;

	for (int round = 0; round < CUT_OFFS; round++) {
		int fd = fm_open_buffer(variant);
		pid_t pid = fork();
		int status;
		long ret;

		if (!pid) {
			usleep(rand() % 200);
			_exit(!!ioctl(fd, FAULTMAP_REVOKE));
		}
		do {
			ret = fm_errno(write ? pwrite(fd, &byte, 1, 0) :
					       pread(fd, &byte, 1, 0));
		} while (ret == 1);
		cut += ret == -ENODEV;
		wrong += ret != -ENODEV;
		EXPECT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		close(fd);
	}
	printf("# %u cut off, %u told something else\n", cut, wrong);
	return wrong;
}

/* Neither the end of the file nor want of space, whenever it comes. */
TEST_F(buffer, cuts_off_at_any_moment)
{
	EXPECT_EQ(0, race_with(_metadata, variant, false));
	EXPECT_EQ(0, race_with(_metadata, variant, true));
}

TEST_HARNESS_MAIN

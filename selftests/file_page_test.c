// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel does by itself with pages that belong to a file: marks them dirty,
 * writes them back, splits, moves and retires them. A buffer's are left as they are,
 * and come to their end in order, whoever holds them.
 */
#include <linux/io_uring.h>
#include <sys/uio.h>

#include "advice.h"
#include "buffer_fixture.h"
#include "shared_futex.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

/* Everything that marks a page dirty, or cleans it. */
static void dirty_and_clean(struct __test_metadata *_metadata,
			    const FIXTURE_DATA(buffer) *self, char *map)
{
	size_t size = FM_PAGES * self->page;

	for (size_t i = 0; i < FM_PAGES; i++)
		EXPECT_EQ(0, fm_write_at(map + i * self->page));
	EXPECT_EQ(0, msync(map, size, MS_ASYNC));
	msync(map, size, MS_SYNC);
	msync(map, size, MS_INVALIDATE);
	EXPECT_EQ(0, mprotect(map, size, PROT_READ));
	EXPECT_EQ(0, mprotect(map, size, PROT_READ | PROT_WRITE));
	madvise(map, size, MADV_COLD);
	madvise(map, size, MADV_PAGEOUT);
	madvise(map, size, MADV_DONTNEED);
	mlock(map, size);
	munlock(map, size);
}

TEST_F(buffer, written_pages)
{
	char *map = fm_map(self, 0, FM_PAGES), *other;
	long before = taint();
	pid_t pid;

	ASSERT_NE(MAP_FAILED, map);
	dirty_and_clean(_metadata, self, map);
	pid = fork();
	if (!pid) {
		map[0] = map[0];
		munmap(map, self->page);
		map[self->page] = map[self->page];
		_exit(0);
	}
	EXPECT_EQ(0, exit_code(pid));
	other = map_elsewhere(self->fd, FM_PAGES);
	dirty_and_clean(_metadata, self, other);
	EXPECT_EQ(0, munmap(other, FM_PAGES * self->page));
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(0, munmap(map, FM_PAGES * self->page));
	for (int advice = POSIX_FADV_NORMAL; advice <= POSIX_FADV_NOREUSE; advice++)
		posix_fadvise(self->fd, 0, 0, advice);
	readahead(self->fd, 0, FM_PAGES * self->page);
	sync();
	map = fm_map(self, 0, FM_PAGES);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(before, taint());
}

/* What walks over all memory finds nothing there that it may move or drop. */
TEST_F(buffer, compacted_and_dropped)
{
	char *map = fm_map(self, 0, FM_PAGES), range[96];
	long before = taint();
	uint64_t faults;

	ASSERT_NE(MAP_FAILED, map);
	for (size_t i = 0; i < FM_PAGES; i++)
		EXPECT_EQ(0, fm_write_at(map + i * self->page));
	faults = fm_faults(self->fd);
	fm_put("/proc/sys/vm/compact_memory", "1");
	fm_put("/proc/sys/vm/drop_caches", "3");
	snprintf(range, sizeof(range), "%d,%p,%p", getpid(), map,
		 map + FM_PAGES * self->page);
	fm_put("/sys/kernel/debug/split_huge_pages", range);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(faults, fm_faults(self->fd));
	EXPECT_EQ(before, taint());
}

/* A block of 2 MiB is no huge page of the page cache, though it looks like one. */
TEST_F(buffer, blocks_are_not_split)
{
	size_t pages = 1024, size = pages * self->page;
	long before = taint();
	char *map, range[96];
	int fd;

	if (variant->memory != FAULTMAP_MEMORY_PAGES)
		SKIP(return, "only pages come in blocks of a chosen order");
	fd = fm_create_as((struct faultmap_create){
		.bytes = size,
		.memory = variant->memory,
		.strategy = variant->strategy,
		.order = 9,
	});
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fm_stamp(fd, 0, pages));
	map = map_elsewhere(fd, pages);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, pages);
	snprintf(range, sizeof(range), "%d,%p,%p", getpid(), map, map + size);
	fm_put("/sys/kernel/debug/split_huge_pages", range);
	fm_put("/sys/kernel/debug/split_huge_pages", "1");
	madvise(map, size, MADV_COLLAPSE);
	madvise(map, size, MADV_PAGEOUT);
	EXPECT_STAMPS(map, 0, pages);
	ASSERT_EQ(0, fm_resize(fd, 100));
	EXPECT_STAMPS(map, 0, 100);
	EXPECT_SIGNALS(SIGBUS, map + 100 * self->page, 1);
	close(fd);
	munmap(map, size);
	EXPECT_EQ(before, taint());
}

#define HUGE_SIZE	fm_pmd_size()

static char *map_node(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char *map = mmap(NULL, HUGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	close(fd);
	return map;
}

/* Pins all but @but pages of a block, has the kernel try to split it, and looks. */
static void split_pinned(struct __test_metadata *_metadata, const char *frames,
			 size_t but)
{
	char *other = map_node(frames), *map = map_node("/dev/faultmap/pages-lazy");
	size_t page = fm_page_size(), pages = HUGE_SIZE / page, i;
	struct iovec iov = { map, (pages - but) * page };
	int pipes[2];

	ASSERT_NE(MAP_FAILED, other);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	ASSERT_LE(HUGE_SIZE, fcntl(pipes[1], F_SETPIPE_SZ, HUGE_SIZE));
	for (i = 0; i < pages; i++)
		fm_stamp_page(map + i * page, i);
	EXPECT_STAMPS(other, 0, pages);
	EXPECT_LT(0, vmsplice(pipes[1], &iov, 1, SPLICE_F_NONBLOCK));
	EXPECT_EQ(0, madvise(map + page, page, MADV_COLD));
	EXPECT_STAMPS(map, 0, pages);
	EXPECT_STAMPS(other, 0, pages);
	close(pipes[0]);
	close(pipes[1]);
	munmap(map, HUGE_SIZE);
	munmap(other, HUGE_SIZE);
}

/*
 * As many references as the page cache has on a folio are what the kernel expects of
 * one that it may split; it would find the frames, too, which have none to give.
 */
TEST(pinned_blocks_are_not_split)
{
	static const char *const frames[] = {
		"/dev/faultmap/pages-eager", "/dev/faultmap/pages-lazy-pfn",
	};
	long before = taint();

	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	for (size_t i = 0; i < 2; i++)
		for (size_t but = 0; but < 4; but++)
			split_pinned(_metadata, frames[i], but);
	EXPECT_EQ(before, taint());
}

/* So that it is in use as a futex when it is taken from the buffer. */
static void use_futex(struct __test_metadata *_metadata, int fd, char *map,
		      size_t index)
{
	pid_t pid = waiter(fd, index);

	EXPECT_EQ(1, wake(map + index * fm_page_size(), pid));
	EXPECT_EQ(0, exit_code(pid));
}

static int pin_by_io_uring(char *map, size_t bytes)
{
	struct io_uring_params params = { 0 };
	struct iovec iov = { map, bytes };
	int ring = syscall(SYS_io_uring_setup, 1, &params);

	if (ring >= 0 && syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS,
				 &iov, 1)) {
		close(ring);
		return -1;
	}
	return ring;
}

/* A page that somebody holds is no longer the file's when it comes to its end. */
TEST_F(buffer, held_page_outlives_the_buffer)
{
	char *map, out[self->page];
	long before = taint();
	struct iovec iov;
	int pipes[2], ring, fd;

	if (!fm_is_by_page(variant))
		DOES_NOT_APPLY("frames cannot be held");
	for (int way = 0; way < 4; way++) {
		fd = fm_create(variant->memory, variant->strategy, FM_PAGES);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, fm_stamp(fd, 0, FM_PAGES));
		map = map_elsewhere(fd, FM_PAGES);
		ASSERT_NE(MAP_FAILED, map);
		use_futex(_metadata, fd, map, 5);
		ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
		iov = (struct iovec){ map + 5 * self->page, self->page };
		ASSERT_EQ(self->page, vmsplice(pipes[1], &iov, 1, 0));
		ring = pin_by_io_uring(map + 4 * self->page, 4 * self->page);
		if (way & 1) {
			ASSERT_EQ(0, fm_resize(fd, 2));
			ASSERT_EQ(0, fm_resize(fd, FM_PAGES));
			/* Another page is there now, and a futex as good. */
			map[5 * self->page] = 'x';
			use_futex(_metadata, fd, map, 5);
		}
		if (way & 2)
			ASSERT_EQ(0, ioctl(fd, FAULTMAP_REVOKE));
		munmap(map, FM_PAGES * self->page);
		close(fd);
		EXPECT_EQ(self->page, read(pipes[0], out, self->page));
		/* An area of vmalloc is not freed in part: what was cut off is cleared. */
		if (!(way & 1) || variant->memory != FAULTMAP_MEMORY_VMALLOC)
			EXPECT_EQ(5, fm_page_at(out));
		close(pipes[0]);
		close(pipes[1]);
		if (ring >= 0)
			close(ring);
	}
	/* Whoever gets these pages next finds nothing of that. */
	for (int i = 0; i < 4; i++) {
		fd = fm_create(variant->memory, variant->strategy, 8 * FM_PAGES);
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, fm_stamp(fd, 0, 8 * FM_PAGES));
		close(fd);
	}
	EXPECT_EQ(before, taint());
}

static const char *says(const void *addr)
{
	uint64_t entry = fm_pagemap(addr);

	if (!(entry & FM_PM_PRESENT))
		return "nothing";
	return entry & FM_PM_FILE ? "present, of a file" : "present, of nothing";
}

TEST_F(buffer, seen_in_proc)
{
	char *map = fm_map(self, 0, FM_PAGES);
	const char *saw;

	ASSERT_NE(MAP_FAILED, map);
	saw = says(map + self->page);
	SAW("/proc/PID/pagemap of an untouched page", "%s", saw);
	if (fm_is_lazy(variant))
		EXPECT_STREQ("nothing", saw);
	EXPECT_EQ(0, fm_write_at(map + self->page));
	saw = says(map + self->page);
	SAW("/proc/PID/pagemap of a touched page", "%s", saw);
	/* It tells nothing of what has frames only. */
	EXPECT_STREQ(fm_is_by_page(variant) ? "present, of a file" : "nothing", saw);
}

/* What the log says meanwhile is meant, and no complaint for vm. */
static void begin_failures(void)
{
	fm_put("/dev/kmsg", "<5>vm: faults are injected\n");
}

static void end_failures(void)
{
	fm_put("/dev/kmsg", "<5>vm: no more faults\n");
}

static int offline(void *addr, int advice)
{
	int ret;

	begin_failures();
	ret = fm_errno(madvise(addr, fm_page_size(), advice));
	end_failures();
	return ret;
}

/* A page that is to be retired, though its memory is good: it stays where it is. */
TEST_F(buffer, soft_offline)
{
	char *map = fm_map(self, 0, FM_PAGES);
	int ret;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, fm_write_at(map + 3 * self->page));
	ret = offline(map + 3 * self->page, MADV_SOFT_OFFLINE);
	if (ret == -EINVAL || ret == -EPERM)
		SKIP(return, "a kernel that retires no memory, or not for this user");
	SAW("madvise(MADV_SOFT_OFFLINE)", "%s", fm_result(ret, 0));
	EXPECT_GT(0, ret);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(0, fm_resize(self->fd, 2));
	EXPECT_EQ(0, fm_resize(self->fd, FM_PAGES));
}

#define HWPOISON	"/sys/kernel/debug/hwpoison"

/* So that the page is a good one again, for whoever gets it. */
static bool mend(uint64_t frame)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, frame);
	begin_failures();
	frame = fm_put(HWPOISON "/unpoison-pfn", text);
	end_failures();
	return !frame;
}

#define FAILED	3	/* which page it is */

/* As of the page cache: whoever reads it would take the failure to the kernel. */
static void expect_failed(struct __test_metadata *_metadata,
			  const FIXTURE_DATA(buffer) *self,
			  const FIXTURE_VARIANT(buffer) *variant)
{
	struct faultmap_stats before, after;
	char bytes[3 * self->page], *map;
	struct faultmap_export export = { 0 };
	off_t at = FAILED * self->page;

	EXPECT_EQ(-EIO, fm_errno(pread(self->fd, bytes, 16, at + 5)));
	EXPECT_EQ(-EIO, fm_errno(pwrite(self->fd, bytes, 16, at + 5)));
	/* Up to it. */
	EXPECT_EQ(self->page, pread(self->fd, bytes, sizeof(bytes), at - self->page));
	EXPECT_EQ(self->page, pwrite(self->fd, bytes, sizeof(bytes), at - self->page));
	EXPECT_EQ(16, pread(self->fd, bytes, 16, at + self->page));
	EXPECT_EQ(-EIO, fm_errno(ioctl(self->fd, FAULTMAP_EXPORT, &export)));
	if (variant->strategy != FAULTMAP_STRATEGY_LAZY)
		return;
	map = fm_map(self, 0, FM_PAGES);
	before = fm_stats(self->fd);
	begin_failures();
	EXPECT_EQ(SIGBUS, fm_read_at(map + at));
	end_failures();
	after = fm_stats(self->fd);
	EXPECT_EQ(before.read_faults, after.read_faults);
	EXPECT_EQ(before.pages_installed, after.pages_installed);
	EXPECT_EQ(before.sigbus + 1, after.sigbus);
	/* What is mapped around others does not bring it in. */
	EXPECT_STAMPS(map, 0, FAILED);
	EXPECT_STAMPS(map + at + self->page, FAILED + 1, FM_PAGES - FAILED - 1);
	begin_failures();
	EXPECT_EQ(SIGBUS, fm_write_at(map + at));
	end_failures();
	munmap(map, FM_PAGES * self->page);
}

/* A page whose memory has failed, as far as the kernel is told. */
TEST_F(buffer, memory_failure)
{
	char *map = fm_map(self, 0, FM_PAGES);
	bool ours = access(HWPOISON, F_OK);
	uint64_t frame;
	int ret;

	ASSERT_NE(MAP_FAILED, map);
	if (ours && system("modprobe -q hwpoison-inject"))
		SKIP(return, "nothing to mend what is told to be broken");
	ASSERT_EQ(0, fm_write_at(map + FAILED * self->page));
	frame = fm_pagemap(map + FAILED * self->page) & FM_PM_FRAME;
	ret = offline(map + FAILED * self->page, MADV_HWPOISON);
	SAW("madvise(MADV_HWPOISON)", "%s", fm_result(ret, 0));
	EXPECT_GE(0, ret);
	EXPECT_STAMPS(map, 0, FAILED);
	EXPECT_STAMPS(map + (FAILED + 1) * self->page, FAILED + 1, FM_PAGES - FAILED - 1);
	if (ret != -EFAULT)
		expect_failed(_metadata, self, variant);
	EXPECT_EQ(0, fm_resize(self->fd, 2));
	EXPECT_EQ(0, fm_resize(self->fd, FM_PAGES));
	EXPECT_EQ(0, munmap(map, FM_PAGES * self->page));
	close(self->fd);
	self->fd = -1;
	/* That takes a page that nobody has. */
	if (ret != -EFAULT)
		EXPECT_TRUE(mend(frame));
	if (ours)
		EXPECT_EQ(0, system("modprobe -q -r hwpoison-inject"));
}

TEST_HARNESS_MAIN

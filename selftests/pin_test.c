// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls that take a mapping's pages instead of copying: O_DIRECT,
 * vmsplice(2), process_vm_readv(2), registered buffers of io_uring. They get
 * struct pages, touched before or not, and EFAULT where frames are mapped, which
 * nobody can hold a reference to. What copies works with both.
 */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <linux/loop.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "buffer_fixture.h"

#define DISK_PAGES	16

/* A loop device, whose O_DIRECT works on all kernels, over a file in memory. */
struct disk {
	int backing;
	int direct;
};

static int add_disk(int control, int backing)
{
	struct loop_config config = {
		.fd = backing,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int number = ioctl(control, LOOP_CTL_GET_FREE), fd, ret;
	char path[32];

	if (number < 0)
		return -errno;
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = fm_errno(ioctl(fd, LOOP_CONFIGURE, &config));
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/* 0, or -errno where there can be no loop device; it goes with its last close. */
static int open_disk(struct disk *disk)
{
	int control, ret;

	disk->backing = memfd_create("disk", MFD_CLOEXEC);
	if (ftruncate(disk->backing, DISK_PAGES * fm_page_size()))
		return -errno;
	if (access("/dev/loop-control", F_OK) && system("modprobe -q loop"))
		return -ENODEV;
	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return -errno;
	/* Somebody else may have taken the free one. */
	do {
		ret = add_disk(control, disk->backing);
	} while (ret == -EBUSY);
	close(control);
	disk->direct = ret;
	return ret < 0 ? ret : 0;
}

static void close_disk(struct disk *disk)
{
	close(disk->direct);
	close(disk->backing);
}

/* What a call that takes pages returns: @ret by page, and EFAULT by frame. */
static long taken(const FIXTURE_VARIANT(buffer) *variant, long ret)
{
	return fm_is_by_page(variant) ? ret : -EFAULT;
}

TEST_F(buffer, direct_write)
{
	char *map = fm_map(self, 0, FM_PAGES), out[self->page];
	long size = self->page, touched, untouched;
	struct disk disk;

	ASSERT_NE(MAP_FAILED, map);
	if (open_disk(&disk))
		SKIP(return, "no loop device");
	EXPECT_STAMPS(map, 0, 1);
	touched = fm_errno(pwrite(disk.direct, map, size, 0));
	untouched = fm_errno(pwrite(disk.direct, map + size, 3 * size, size));
	SAW("O_DIRECT write from a touched page", "%s",
	    fm_result(touched, size));
	SAW("O_DIRECT write from untouched pages", "%s",
	    fm_result(untouched, 3 * size));
	EXPECT_EQ(taken(variant, size), touched);
	EXPECT_EQ(taken(variant, 3 * size), untouched);

	/* By frame nothing was written. */
	for (size_t i = 0; i < 4; i++) {
		ASSERT_EQ(size, pread(disk.backing, out, size, i * size));
		EXPECT_EQ(fm_is_by_page(variant) ? i : -1, fm_page_at(out));
	}
	close_disk(&disk);
}

TEST_F(buffer, direct_read)
{
	bool by_page = fm_is_by_page(variant);
	char *map = fm_map(self, 0, FM_PAGES);
	long size = self->page, touched, untouched;
	struct disk disk;

	ASSERT_NE(MAP_FAILED, map);
	if (open_disk(&disk))
		SKIP(return, "no loop device");
	ASSERT_EQ(0, fm_stamp(disk.backing, 8, 4));
	EXPECT_STAMPS(map, 0, 1);
	touched = fm_errno(pread(disk.direct, map, size, 8 * size));
	untouched = fm_errno(pread(disk.direct, map + size, 3 * size, 9 * size));
	SAW("O_DIRECT read into a touched page", "%s", fm_result(touched, size));
	SAW("O_DIRECT read into untouched pages", "%s",
	    fm_result(untouched, 3 * size));
	EXPECT_EQ(taken(variant, size), touched);
	EXPECT_EQ(taken(variant, 3 * size), untouched);
	EXPECT_STAMPS(map, by_page ? 8 : 0, 4);
	EXPECT_STAMPS(map + 4 * size, 4, FM_PAGES - 4);
	close_disk(&disk);
}

/* Each page that is taken without having been touched faults, once. */
TEST_F(buffer, taking_faults)
{
	uint64_t faults = variant->strategy == FAULTMAP_STRATEGY_LAZY ? 4 : 0;
	char *map = fm_map(self, 0, FM_PAGES);
	long size = 4 * self->page, ret;
	struct disk disk;

	ASSERT_NE(MAP_FAILED, map);
	if (open_disk(&disk))
		SKIP(return, "no loop device");
	for (int i = 0; i < 2; i++) {
		ret = fm_errno(pwrite(disk.direct, map, size, 0));
		SAW(i ? "O_DIRECT write from the same 4 pages again" :
			"O_DIRECT write from 4 untouched pages",
		    "%s, %" PRIu64 " faults so far", fm_result(ret, size),
		    fm_faults(self->fd));
		EXPECT_EQ(taken(variant, size), ret);
		EXPECT_FAULTS(faults, fm_faults(self->fd));
	}
	close_disk(&disk);
}

static long splice_out(int fd, char *map, size_t bytes)
{
	struct iovec iov = { .iov_base = map, .iov_len = bytes };

	return fm_errno(vmsplice(fd, &iov, 1, 0));
}

TEST_F(buffer, vmsplice)
{
	char *map = fm_map(self, 0, FM_PAGES), out[self->page];
	long size = self->page, touched, untouched;
	int pipes[2];

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_STAMPS(map, 0, 1);
	touched = splice_out(pipes[1], map, size);
	untouched = splice_out(pipes[1], map + size, 3 * size);
	SAW("vmsplice() of a touched page", "%s", fm_result(touched, size));
	SAW("vmsplice() of untouched pages", "%s",
	    fm_result(untouched, 3 * size));
	EXPECT_EQ(taken(variant, size), touched);
	EXPECT_EQ(taken(variant, 3 * size), untouched);
	close(pipes[1]);
	for (size_t i = 0; fm_is_by_page(variant) && i < 4; i++) {
		ASSERT_EQ(self->page, read(pipes[0], out, self->page));
		EXPECT_EQ(i, fm_page_at(out));
	}
	EXPECT_EQ(0, read(pipes[0], out, self->page));
	close(pipes[0]);
}

/* Who has taken a page keeps it, even when neither mapping nor buffer has it. */
TEST_F(buffer, taken_page_outlives_the_buffer)
{
	struct faultmap_resize resize = { .bytes = self->page };
	char *map = fm_map(self, 0, FM_PAGES), out[self->page];
	const char *saw;
	int pipes[2];
	long ret;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, pipe(pipes));
	ret = splice_out(pipes[1], map + 5 * self->page, self->page);
	saw = fm_result(ret, self->page);
	EXPECT_EQ(taken(variant, self->page), ret);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_RESIZE, &resize));
	EXPECT_SIGNALS(SIGBUS, map + 5 * self->page, 1);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	ASSERT_EQ(0, munmap(map, FM_PAGES * self->page));
	if (ret == self->page) {
		ASSERT_EQ(self->page, read(pipes[0], out, self->page));
		saw = fm_shown_page(out, 5);
		EXPECT_EQ(5, fm_page_at(out));
	}
	SAW("vmsplice(), shrink, revoke, munmap, read the pipe", "%s", saw);
	close(pipes[0]);
	close(pipes[1]);
}

/* A child with the mappings of its parent, which touches nothing. */
static pid_t idle_child(void)
{
	pid_t pid = fork();

	while (!pid)
		pause();
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST_F(buffer, process_vm_readv)
{
	char *map = fm_map(self, 0, FM_PAGES), out[4 * self->page];
	struct iovec local = { .iov_base = out, .iov_len = sizeof(out) };
	struct iovec remote = { .iov_base = map, .iov_len = sizeof(out) };
	pid_t pid;
	long ret;

	ASSERT_NE(MAP_FAILED, map);
	memset(out, 0, sizeof(out));
	EXPECT_STAMPS(map, 0, 1);
	pid = idle_child();
	ASSERT_LE(0, pid);
	ret = fm_errno(process_vm_readv(pid, &local, 1, &remote, 1, 0));
	SAW("process_vm_readv() from another's mapping", "%s",
	    fm_result(ret, sizeof(out)));
	EXPECT_EQ(taken(variant, sizeof(out)), ret);
	for (size_t i = 0; i < 4; i++)
		EXPECT_EQ(fm_is_by_page(variant) ? i : -1,
			  fm_page_at(out + i * self->page));
	end_child(pid);
}

TEST_F(buffer, process_vm_writev)
{
	char *map = fm_map(self, 0, FM_PAGES), in[4 * self->page];
	struct iovec local = { .iov_base = in, .iov_len = sizeof(in) };
	struct iovec remote = { .iov_base = map, .iov_len = sizeof(in) };
	pid_t pid;
	long ret;

	ASSERT_NE(MAP_FAILED, map);
	for (size_t i = 0; i < 4; i++)
		fm_stamp_page(in + i * self->page, 8 + i);
	EXPECT_STAMPS(map, 0, 1);
	pid = idle_child();
	ASSERT_LE(0, pid);
	ret = fm_errno(process_vm_writev(pid, &local, 1, &remote, 1, 0));
	SAW("process_vm_writev() to another's mapping", "%s",
	    fm_result(ret, sizeof(in)));
	EXPECT_EQ(taken(variant, sizeof(in)), ret);
	EXPECT_STAMPS(map, fm_is_by_page(variant) ? 8 : 0, 4);
	EXPECT_STAMPS(map + 4 * self->page, 4, FM_PAGES - 4);
	end_child(pid);
}

/* The caller's own side is copied to, so that frames will do. */
TEST_F(buffer, process_vm_readv_into_the_mapping)
{
	char *map = fm_map(self, 0, FM_PAGES), in[self->page];
	struct iovec local = { .iov_base = map, .iov_len = self->page };
	struct iovec remote = { .iov_base = in, .iov_len = self->page };
	long ret;

	ASSERT_NE(MAP_FAILED, map);
	fm_stamp_page(in, 8);
	ret = fm_errno(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	SAW("process_vm_readv() into the caller's mapping", "%s",
	    fm_both(fm_result(ret, self->page), fm_shown_page(map, 8)));
	EXPECT_EQ(self->page, ret);
	EXPECT_STAMPS(map, 8, 1);
}

/* Until 6.4 io_uring takes no pages of files but those of hugetlbfs and shmem. */
static bool io_uring_takes_files(void)
{
	struct utsname uts;
	int major, minor;

	return !uname(&uts) &&
	       sscanf(uts.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor > 4));
}

static long register_buffer(int ring, char *map, size_t bytes)
{
	struct iovec iov = { .iov_base = map, .iov_len = bytes };
	long ret = fm_errno(syscall(SYS_io_uring_register, ring,
				    IORING_REGISTER_BUFFERS, &iov, 1));

	if (!ret)
		syscall(SYS_io_uring_register, ring,
			IORING_UNREGISTER_BUFFERS, NULL, 0);
	return ret;
}

TEST_F(buffer, io_uring_buffer)
{
	long ret = taken(variant, io_uring_takes_files() ? 0 : -EOPNOTSUPP);
	struct io_uring_params params = { 0 };
	char *map = fm_map(self, 0, FM_PAGES);
	long size = 4 * self->page, touched, untouched;
	int ring;

	ASSERT_NE(MAP_FAILED, map);
	ring = syscall(SYS_io_uring_setup, 1, &params);
	if (ring < 0)
		SKIP(return, "io_uring is not available");
	EXPECT_STAMPS(map, 0, 4);
	touched = register_buffer(ring, map, size);
	untouched = register_buffer(ring, map + size, size);
	SAW("register touched pages as buffer of io_uring", "%s",
	    fm_result(touched, 0));
	SAW("register untouched pages as buffer of io_uring", "%s",
	    fm_result(untouched, 0));
	EXPECT_EQ(ret, touched);
	EXPECT_EQ(ret, untouched);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	close(ring);
}

TEST_F(buffer, copied_out)
{
	char *map = fm_map(self, 0, FM_PAGES), out[self->page];
	int pipes[2];
	long ret;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_STAMPS(map, 0, 1);
	ret = fm_errno(write(pipes[1], map, 4 * self->page));
	SAW("touch a page, write(2) it and 3 more to a pipe",
	    "%s, %" PRIu64 " faults", fm_result(ret, 4 * self->page),
	    fm_faults(self->fd));
	EXPECT_EQ(4 * self->page, ret);
	for (size_t i = 0; i < 4; i++) {
		ASSERT_EQ(self->page, read(pipes[0], out, self->page));
		EXPECT_EQ(i, fm_page_at(out));
	}
	EXPECT_FAULTS(fm_is_lazy(variant) ? 4 : 0, fm_faults(self->fd));
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(buffer, copied_in)
{
	char *map = fm_map(self, 0, FM_PAGES), in[self->page];
	int pipes[2];
	long ret;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_STAMPS(map, 0, 1);
	for (size_t i = 0; i < 4; i++) {
		fm_stamp_page(in, 8 + i);
		ASSERT_EQ(self->page, write(pipes[1], in, self->page));
	}
	ret = fm_errno(read(pipes[0], map, 4 * self->page));
	SAW("touch a page, read(2) into it and 3 more from a pipe",
	    "%s, %" PRIu64 " faults", fm_result(ret, 4 * self->page),
	    fm_faults(self->fd));
	EXPECT_EQ(4 * self->page, ret);
	EXPECT_STAMPS(map, 8, 4);
	EXPECT_STAMPS(map + 4 * self->page, 4, FM_PAGES - 4);
	close(pipes[0]);
	close(pipes[1]);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/* The ioctls: what each refuses, and how structures of other sizes are taken. */
#include <stddef.h>

#include "buffer_fixture.h"

static struct faultmap_create good(void)
{
	return (struct faultmap_create){
		.bytes = FM_PAGES * fm_page_size(),
		.memory = FAULTMAP_MEMORY_PAGES,
		.strategy = FAULTMAP_STRATEGY_LAZY,
	};
}

FIXTURE(control)
{
	int fd;
};

FIXTURE_SETUP(control)
{
	self->fd = open(FM_CONTROL, O_RDWR);
	if (self->fd < 0 && errno == ENOENT)
		SKIP(return, "faultmap is not loaded");
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(control)
{
	close(self->fd);
}

/* Expects FAULTMAP_CREATE with one member changed to fail. */
#define EXPECT_REFUSED(error, member, value) do { \
	struct faultmap_create __arg = good(); \
	__arg.member = (value); \
	EXPECT_EQ(-(error), fm_create_as(__arg)) \
		TH_LOG(#member " = " #value); \
} while (0)

TEST_F(control, create_refuses_bad_members)
{
	EXPECT_REFUSED(EINVAL, bytes, 0);
	EXPECT_REFUSED(EINVAL, bytes, 1);
	EXPECT_REFUSED(EINVAL, bytes, fm_page_size() + 1);
	EXPECT_REFUSED(EINVAL, bytes, ~0ULL);
	EXPECT_REFUSED(EFBIG, bytes, ~0ULL << 12);
	EXPECT_REFUSED(EFBIG, bytes, 1ULL << 63);
	EXPECT_REFUSED(EINVAL, memory, 99);
	EXPECT_REFUSED(EINVAL, memory, ~0U);
	EXPECT_REFUSED(EINVAL, strategy, 99);
	EXPECT_REFUSED(EINVAL, order, 32);
	EXPECT_REFUSED(EINVAL, order, ~0U);
	EXPECT_REFUSED(EINVAL, window, FAULTMAP_WINDOW_MAX + 1);
	EXPECT_REFUSED(EINVAL, flags, FAULTMAP_CREATE_BATCHED);
	EXPECT_REFUSED(EINVAL, flags, 4);
	EXPECT_REFUSED(EINVAL, flags, 1U << 31);
	EXPECT_REFUSED(EINVAL, reserved, 1);
}

TEST_F(control, window_is_for_the_lazy_only)
{
	struct faultmap_create arg = good();
	struct faultmap_info info;
	int fd;

	arg.window = FAULTMAP_WINDOW_MAX;
	for (arg.strategy = 0; arg.strategy < 4; arg.strategy++) {
		fd = fm_create_as(arg);
		if (arg.strategy != FAULTMAP_STRATEGY_LAZY &&
		    arg.strategy != FAULTMAP_STRATEGY_LAZY_PFN) {
			EXPECT_EQ(-EINVAL, fd);
			continue;
		}
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
		EXPECT_EQ(FAULTMAP_WINDOW_MAX, info.window);
		close(fd);
	}
	arg.strategy = FAULTMAP_STRATEGY_LAZY_PFN;
	arg.window++;
	EXPECT_EQ(-EINVAL, fm_create_as(arg));
	arg.window = ~0U;
	EXPECT_EQ(-EINVAL, fm_create_as(arg));
}

TEST_F(control, order_is_for_pages_only)
{
	struct faultmap_create arg = good();

	arg.order = 1;
	arg.memory = FAULTMAP_MEMORY_VMALLOC;
	EXPECT_EQ(-EINVAL, fm_create_as(arg));
}

/* Pages that may not be referenced are mapped by frame, or not at all. */
TEST_F(control, unsupported_pairs)
{
	struct faultmap_create arg = good();

	for (arg.memory = FAULTMAP_MEMORY_KMALLOC;
	     arg.memory <= FAULTMAP_MEMORY_DMA; arg.memory++) {
		arg.strategy = FAULTMAP_STRATEGY_LAZY;
		EXPECT_EQ(-EOPNOTSUPP, fm_create_as(arg));
		arg.strategy = FAULTMAP_STRATEGY_EAGER_PAGE;
		EXPECT_EQ(-EOPNOTSUPP, fm_create_as(arg));
	}
	EXPECT_EQ(-1, access("/dev/faultmap/kmalloc-lazy", F_OK));
	EXPECT_EQ(-1, access("/dev/faultmap/kmalloc-eager-page", F_OK));
	EXPECT_EQ(-1, access("/dev/faultmap/dma-lazy", F_OK));
	EXPECT_EQ(-1, access("/dev/faultmap/dma-eager-page", F_OK));
}

/* A device's memory cannot be made. */
TEST_F(control, no_private_device)
{
	struct faultmap_create arg = good();

	arg.memory = FAULTMAP_MEMORY_PHYS;
	for (arg.strategy = FAULTMAP_STRATEGY_EAGER;
	     arg.strategy <= FAULTMAP_STRATEGY_LAZY_PFN; arg.strategy++)
		EXPECT_EQ(-EOPNOTSUPP, fm_create_as(arg));
}

TEST_F(control, largest_order)
{
	struct faultmap_create arg = good();
	int fd;

	ASSERT_LT(0, fm_largest_order());
	arg.order = fm_largest_order();
	fd = fm_create_as(arg);
	EXPECT_LE(0, fd);
	close(fd);
	arg.order++;
	EXPECT_EQ(-EINVAL, fm_create_as(arg));
}

/* Blocks of a higher order make fewer and longer contiguous pieces. */
TEST_F(control, order_makes_extents)
{
	struct faultmap_create arg = good();
	struct faultmap_info info = { 0 };
	int fd;

	arg.bytes = 64 * fm_page_size();
	arg.order = 4;
	fd = fm_create_as(arg);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fm_stamp(fd, 0, 1));
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
	EXPECT_EQ(4, info.order);
	EXPECT_LE(1, info.extents);
	EXPECT_GE(4, info.extents);
	close(fd);
}

/* How often a page of a mapping does not lie behind the one before it. */
static unsigned int count_pieces(char *map, size_t pages)
{
	uint64_t before = 0, frame;
	unsigned int pieces = 0;

	for (size_t i = 0; i < pages; i++, before = frame) {
		fm_read_at(map + i * fm_page_size());
		frame = fm_pagemap(map + i * fm_page_size()) & FM_PM_FRAME;
		pieces += frame != before + 1;
	}
	return pieces;
}

#define GROWN	256

/* What a buffer gains, page by page, is a piece with what it had, if it lies behind that. */
TEST_F(control, growth_makes_no_extents)
{
	struct faultmap_create arg = good();
	struct faultmap_resize resize = { 0 };
	struct faultmap_info info = { 0 };
	size_t page = fm_page_size();
	unsigned int pieces;
	char *map;
	int fd;

	arg.bytes = page;
	fd = fm_create_as(arg);
	ASSERT_LE(0, fd);
	for (size_t i = 1; i <= GROWN; i++) {
		resize.bytes = i * page;
		ASSERT_EQ(0, ioctl(fd, FAULTMAP_RESIZE, &resize));
	}
	map = mmap(NULL, GROWN * page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	pieces = count_pieces(map, GROWN);
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
	printf("# %u pieces\n", pieces);
	EXPECT_EQ(pieces, info.extents);
	munmap(map, GROWN * page);
	close(fd);
}

/* More than the machine has. */
TEST_F(control, too_large)
{
	EXPECT_REFUSED(EFBIG, bytes, 1ULL << 50);
}

TEST_F(control, descriptor_is_close_on_exec)
{
	int fd = fm_create_as(good());

	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(fd, F_GETFL) & O_ACCMODE);
	close(fd);
}

/* A structure that ends where mapped memory ends is read, and no byte more. */
TEST_F(control, no_descriptor_left)
{
	struct rlimit before, none;
	int next = dup(self->fd);
	struct faultmap_create arg = good();

	ASSERT_LE(0, next);
	close(next);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
	none = before;
	none.rlim_cur = next;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_CREATE, &arg));
	EXPECT_EQ(EMFILE, errno);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
	EXPECT_EQ(next, ioctl(self->fd, FAULTMAP_CREATE, &arg));
	close(next);
}

TEST_F(control, struct_at_a_page_edge)
{
	size_t page = fm_page_size();
	char *edge = fm_reserve(2);
	struct faultmap_create *arg;
	int fd;

	ASSERT_NE(MAP_FAILED, edge);
	ASSERT_EQ(0, mprotect(edge, page, PROT_READ | PROT_WRITE));
	arg = (void *)(edge + page - sizeof(*arg));
	*arg = good();
	fd = ioctl(self->fd, FAULTMAP_CREATE, arg);
	EXPECT_LE(0, fd);
	close(fd);
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_CREATE,
			    edge + page - sizeof(*arg) + 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_CREATE, edge + page));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_CREATE, NULL));
	EXPECT_EQ(EFAULT, errno);
}

/* A newer program's structure: taken if what this kernel misses is zero. */
TEST_F(control, longer_struct)
{
	struct {
		struct faultmap_create known;
		uint64_t more;
	} arg = { .known = good() };
	unsigned long cmd = _IOC(_IOC_WRITE, FAULTMAP_IOC_MAGIC,
				 _IOC_NR(FAULTMAP_CREATE), sizeof(arg));
	int fd = ioctl(self->fd, cmd, &arg);

	EXPECT_LE(0, fd);
	close(fd);
	arg.more = 1;
	EXPECT_EQ(-1, ioctl(self->fd, cmd, &arg));
	EXPECT_EQ(E2BIG, errno);
}

/* An older program's structure: what it misses is zero. */
TEST_F(control, shorter_struct)
{
	struct faultmap_create arg = good();
	unsigned long cmd = _IOC(_IOC_WRITE, FAULTMAP_IOC_MAGIC,
				 _IOC_NR(FAULTMAP_CREATE),
				 offsetof(struct faultmap_create, order));
	int fd;

	arg.order = ~0U;
	arg.flags = ~0U;
	fd = ioctl(self->fd, cmd, &arg);
	EXPECT_LE(0, fd);
	close(fd);
}

TEST_F(control, unknown_ioctls)
{
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_INFO, NULL));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->fd, TCGETS, NULL));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->fd, _IO(FAULTMAP_IOC_MAGIC, 0), NULL));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(buffer, info)
{
	struct faultmap_info info = { 0 };

	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_INFO, &info));
	EXPECT_EQ(FM_PAGES * self->page, info.bytes);
	EXPECT_EQ(variant->memory, info.memory);
	EXPECT_EQ(variant->strategy, info.strategy);
	EXPECT_EQ(fm_info_memory(variant->memory) |
		  (fm_is_device(variant) ? 0 : FAULTMAP_INFO_PRIVATE), info.flags);
	EXPECT_LE(1, info.extents);
	EXPECT_GE(FM_PAGES, info.extents);
}

/* Results of other sizes: cut short, or filled up with zeroes. */
TEST_F(buffer, longer_and_shorter_results)
{
	struct {
		struct faultmap_info known;
		uint64_t more;
	} info;
	unsigned long longer = _IOC(_IOC_READ, FAULTMAP_IOC_MAGIC,
				    _IOC_NR(FAULTMAP_INFO), sizeof(info));
	unsigned long shorter = _IOC(_IOC_READ, FAULTMAP_IOC_MAGIC,
				     _IOC_NR(FAULTMAP_INFO), 8);

	memset(&info, 0xff, sizeof(info));
	ASSERT_EQ(0, ioctl(self->fd, longer, &info));
	EXPECT_EQ(FM_PAGES * self->page, info.known.bytes);
	EXPECT_EQ(0, info.more);
	memset(&info, 0xff, sizeof(info));
	ASSERT_EQ(0, ioctl(self->fd, shorter, &info));
	EXPECT_EQ(FM_PAGES * self->page, info.known.bytes);
	EXPECT_EQ(~0ULL, info.known.extents);
}

TEST_F(buffer, bad_addresses)
{
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_INFO, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_STATS, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_RESIZE, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_CREATE, NULL));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(buffer, resize_refuses_bad_members)
{
	struct faultmap_resize arg = { .bytes = 0 };

	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_RESIZE, &arg));
	EXPECT_EQ(EINVAL, errno);
	arg.bytes = self->page - 1;
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_RESIZE, &arg));
	EXPECT_EQ(EINVAL, errno);
	arg.bytes = ~0ULL << 12;
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_RESIZE, &arg));
	EXPECT_EQ(EFBIG, errno);
	arg.bytes = self->page;
	arg.flags = 1;
	EXPECT_EQ(-1, ioctl(self->fd, FAULTMAP_RESIZE, &arg));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(buffer, read_only_descriptor_changes_nothing)
{
	struct faultmap_resize arg = { .bytes = self->page };
	struct faultmap_info info;
	int fd = open(fm_node(variant), O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, ioctl(fd, FAULTMAP_RESIZE, &arg));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, ioctl(fd, FAULTMAP_REVOKE));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, ioctl(fd, FAULTMAP_STATS_RESET));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
	close(fd);
}

TEST_HARNESS_MAIN

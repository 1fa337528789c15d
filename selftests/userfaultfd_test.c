// SPDX-License-Identifier: GPL-2.0-only
/*
 * userfaultfd(2): a mapping of the driver has a fault handler of its own, and no
 * other can be registered for what is missing there.
 */
#include <linux/userfaultfd.h>
#include <sys/syscall.h>

#include "buffer_fixture.h"

static int open_userfaultfd(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	return fd < 0 || ioctl(fd, UFFDIO_API, &api) ? -errno : fd;
}

static int register_missing(int fd, char *addr, size_t len)
{
	struct uffdio_register arg = {
		.range = { .start = (unsigned long)addr, .len = len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	return fm_errno(ioctl(fd, UFFDIO_REGISTER, &arg));
}

TEST_F(buffer, register_missing)
{
	char *map = fm_map(self, 0, FM_PAGES);
	size_t len = FM_PAGES * self->page;
	char *anon = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open_userfaultfd(), ret;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_NE(MAP_FAILED, anon);
	if (fd < 0)
		SKIP(return, "userfaultfd is not available");
	EXPECT_EQ(0, register_missing(fd, anon, len));
	ret = register_missing(fd, map, len);
	SAW("UFFDIO_REGISTER for missing pages", "%s", fm_result(ret, 0));
	EXPECT_EQ(-EINVAL, ret);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	close(fd);
}

TEST_HARNESS_MAIN

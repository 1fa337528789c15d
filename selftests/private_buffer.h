/* SPDX-License-Identifier: GPL-2.0-only */
/* For tests of private buffers, which are files and which devices do not have. */
#ifndef _FAULTMAP_PRIVATE_BUFFER_H
#define _FAULTMAP_PRIVATE_BUFFER_H

#include "buffer_fixture.h"

/* A device has nodes only, and a node is a device's file. */
#define NEEDS_PRIVATE_BUFFER() do { \
	if (fm_is_device(variant)) \
		DOES_NOT_APPLY("a device has no private buffers"); \
} while (0)

/* Opens anew what is behind a descriptor; or -errno. */
static inline int fm_reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fm_errno(open(path, flags | O_CLOEXEC));
}

/* Everything that changes a buffer needs a descriptor that may. */
static inline void fm_expect_read_only(struct __test_metadata *_metadata,
				       const FIXTURE_DATA(buffer) *self, int fd)
{
	char byte = 0, page[self->page];

	EXPECT_EQ(O_RDONLY, fcntl(fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(self->page, pread(fd, page, self->page, 3 * self->page));
	EXPECT_EQ(3, fm_page_at(page));
	EXPECT_EQ(-1, pwrite(fd, &byte, 1, 0));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, fm_resize(fd, 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, ftruncate(fd, self->page));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(fd, FAULTMAP_REVOKE));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, ioctl(fd, FAULTMAP_STATS_RESET));
	EXPECT_EQ(EBADF, errno);
}

#endif /* _FAULTMAP_PRIVATE_BUFFER_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * sendfile(2), splice(2), tee(2), copy_file_range(2): from a buffer and to it,
 * across its end and past it.
 */
#include <sys/sendfile.h>

#include "buffer_fixture.h"

struct pipe {
	int out, in;
};

static struct pipe new_pipe(struct __test_metadata *_metadata)
{
	struct pipe new = { -1, -1 };
	int fds[2];

	EXPECT_EQ(0, pipe2(fds, O_NONBLOCK | O_CLOEXEC));
	new.out = fds[0];
	new.in = fds[1];
	return new;
}

static void close_pipe(struct pipe pipe)
{
	close(pipe.out);
	close(pipe.in);
}

/* A file of stamped pages, numbered from the buffer's last on. */
static int new_file(struct __test_metadata *_metadata, size_t first,
		    size_t pages)
{
	size_t page = fm_page_size();
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char bytes[page];

	EXPECT_LE(0, fd);
	for (size_t i = 0; i < pages; i++) {
		fm_stamp_page(bytes, first + i);
		EXPECT_EQ(page, write(fd, bytes, page));
	}
	return fd;
}

/* Which page of a buffer is at page @at of a file; -1 if none is. */
static long page_of(int fd, size_t at)
{
	char bytes[fm_page_size()];

	if (pread(fd, bytes, sizeof(bytes), at * sizeof(bytes)) !=
	    (ssize_t)sizeof(bytes))
		return -1;
	return fm_page_at(bytes);
}

static long next_page(struct pipe pipe)
{
	char bytes[fm_page_size()];

	if (read(pipe.out, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
		return -1;
	return fm_page_at(bytes);
}

/* By parts: a kernel that notes who owns its pages splices one at a time. */
static long from_buffer(const FIXTURE_DATA(buffer) *self, struct pipe pipe,
			size_t first, size_t pages)
{
	size_t done = 0, bytes = pages * self->page;
	off_t at = first * self->page;
	long ret;

	do {
		ret = fm_errno(splice(self->fd, &at, pipe.in, NULL, bytes - done,
				      SPLICE_F_NONBLOCK));
		if (ret > 0)
			done += ret;
	} while (ret > 0 && done < bytes);
	return done ? done : ret;
}

static long to_buffer(const FIXTURE_DATA(buffer) *self, struct pipe pipe,
		      size_t first, size_t pages)
{
	off_t at = first * self->page;

	return fm_errno(splice(pipe.out, NULL, self->fd, &at, pages * self->page,
			       SPLICE_F_NONBLOCK));
}

static const char *word(long ret)
{
	errno = ret < 0 ? -ret : 0;
	return fm_outcome(ret >= 0);
}

TEST_F(buffer, splice_out)
{
	struct pipe pipe = new_pipe(_metadata);
	long ret = from_buffer(self, pipe, 6, 2);

	SAW("splice() to a pipe", "%s", word(ret));
	EXPECT_EQ(2 * self->page, ret);
	EXPECT_EQ(6, next_page(pipe));
	EXPECT_EQ(7, next_page(pipe));
	EXPECT_EQ(self->page, from_buffer(self, pipe, FM_PAGES - 1, 4));
	EXPECT_EQ(FM_PAGES - 1, next_page(pipe));
	EXPECT_EQ(0, from_buffer(self, pipe, FM_PAGES, 1));
	EXPECT_EQ(0, from_buffer(self, pipe, FM_PAGES + 5, 1));
	close_pipe(pipe);
}

/* What is in the pipe are copies: the buffer may change or go meanwhile. */
TEST_F(buffer, spliced_is_copied)
{
	struct pipe pipe = new_pipe(_metadata);

	ASSERT_EQ(2 * self->page, from_buffer(self, pipe, 6, 2));
	ASSERT_EQ(self->page, pwrite(self->fd, "x", 1, 6 * self->page) *
			      self->page);
	ASSERT_EQ(0, fm_resize(self->fd, 2));
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_EQ(6, next_page(pipe));
	EXPECT_EQ(7, next_page(pipe));
	EXPECT_EQ(-ENODEV, from_buffer(self, pipe, 0, 1));
	close_pipe(pipe);
}

TEST_F(buffer, splice_in)
{
	struct pipe pipe = new_pipe(_metadata);
	char page[self->page], *map = fm_map(self, 0, FM_PAGES);
	long ret;

	ASSERT_NE(MAP_FAILED, map);
	for (size_t i = 0; i < 6; i++) {
		fm_stamp_page(page, 100 + i);
		ASSERT_EQ(self->page, write(pipe.in, page, self->page));
	}
	ret = to_buffer(self, pipe, 3, 2);
	SAW("splice() from a pipe", "%s", word(ret));
	EXPECT_EQ(2 * self->page, ret);
	EXPECT_STAMPS(map + 3 * self->page, 100, 2);

	/* What did not fit stays in the pipe. */
	EXPECT_EQ(self->page, to_buffer(self, pipe, FM_PAGES - 1, 2));
	ret = to_buffer(self, pipe, FM_PAGES, 2);
	SAW("splice() from a pipe, past the end", "%s", word(ret));
	EXPECT_EQ(-ENOSPC, ret);
	EXPECT_STAMPS(map + (FM_PAGES - 1) * self->page, 102, 1);
	EXPECT_EQ(103, next_page(pipe));
	EXPECT_EQ(104, next_page(pipe));
	EXPECT_STAMPS(map + 5 * self->page, 5, FM_PAGES - 6);
	close_pipe(pipe);
}

TEST_F(buffer, tee)
{
	struct pipe one = new_pipe(_metadata), two = new_pipe(_metadata);
	long ret;

	ASSERT_EQ(2 * self->page, from_buffer(self, one, 9, 2));
	ret = fm_errno(tee(one.out, two.in, 2 * self->page, SPLICE_F_NONBLOCK));
	SAW("tee() of what was spliced", "%s", word(ret));
	EXPECT_EQ(2 * self->page, ret);
	EXPECT_EQ(self->page, to_buffer(self, two, 2, 1));
	EXPECT_EQ(10, next_page(two));
	EXPECT_EQ(9, next_page(one));
	EXPECT_EQ(9, page_of(self->fd, 2));
	close_pipe(one);
	close_pipe(two);
}

TEST_F(buffer, sendfile_out)
{
	int file = new_file(_metadata, 0, 0);
	off_t at = 2 * self->page;
	long ret = fm_errno(sendfile(file, self->fd, &at, 3 * self->page));

	SAW("sendfile() to a file", "%s", word(ret));
	EXPECT_EQ(3 * self->page, ret);
	EXPECT_EQ(5 * self->page, at);
	for (size_t i = 0; i < 3; i++)
		EXPECT_EQ(2 + i, page_of(file, i));
	at = (FM_PAGES - 2) * self->page;
	EXPECT_EQ(2 * self->page, sendfile(file, self->fd, &at, 9 * self->page));
	EXPECT_EQ(0, sendfile(file, self->fd, &at, self->page));
	close(file);
}

TEST_F(buffer, sendfile_in)
{
	int file = new_file(_metadata, 100, 6);
	off_t at = self->page;
	long ret;

	ASSERT_EQ(8 * self->page, lseek(self->fd, 8 * self->page, SEEK_SET));
	ret = fm_errno(sendfile(self->fd, file, &at, 2 * self->page));
	SAW("sendfile() from a file", "%s", word(ret));
	EXPECT_EQ(2 * self->page, ret);
	EXPECT_EQ(101, page_of(self->fd, 8));
	EXPECT_EQ(102, page_of(self->fd, 9));

	at = 0;
	lseek(self->fd, -(off_t)self->page, SEEK_END);
	EXPECT_EQ(self->page, sendfile(self->fd, file, &at, 4 * self->page));
	EXPECT_EQ(100, page_of(self->fd, FM_PAGES - 1));
	at = 0;
	EXPECT_EQ(-1, sendfile(self->fd, file, &at, self->page));
	EXPECT_EQ(ENOSPC, errno);
	close(file);
}

TEST_F(buffer, sendfile_to_itself)
{
	off_t at = 0;
	long ret;

	ASSERT_EQ(12 * self->page, lseek(self->fd, 12 * self->page, SEEK_SET));
	ret = fm_errno(sendfile(self->fd, self->fd, &at, 2 * self->page));
	SAW("sendfile() to itself", "%s", word(ret));
	EXPECT_EQ(2 * self->page, ret);
	EXPECT_EQ(0, page_of(self->fd, 12));
	EXPECT_EQ(1, page_of(self->fd, 13));
}

/* Copies @self's first page to its fifth, or through a file; 0 or an errno. */
static int copy_page(int from, int to, size_t page)
{
	off_t in = 0, out = 4 * page;
	long ret = fm_errno(copy_file_range(from, &in, to, &out, page, 0));

	return ret < 0 ? -ret : ret == page ? 0 : -1;
}

/* It is for regular files, of one file system unless that says otherwise. */
TEST_F(buffer, copy_file_range)
{
	int file = new_file(_metadata, 100, 2), other = fm_is_device(variant) ? EINVAL : EXDEV;
	int ret;

	EXPECT_EQ(other, copy_page(self->fd, file, self->page));
	EXPECT_EQ(other, copy_page(file, self->fd, self->page));
	ret = copy_page(self->fd, self->fd, self->page);
	errno = ret;
	SAW("copy_file_range()", "%s", fm_outcome(!ret));
	EXPECT_EQ(fm_is_device(variant) ? EINVAL : 0, ret);
	EXPECT_EQ(ret ? 4 : 0, page_of(self->fd, 4));
	close(file);
}

TEST_HARNESS_MAIN

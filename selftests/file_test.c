// SPDX-License-Identifier: GPL-2.0-only
/* read(2), write(2) and lseek(2): those of a file of fixed size. */
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "buffer_fixture.h"

TEST_F(buffer, read_is_short_at_the_end)
{
	size_t size = FM_PAGES * self->page;
	char page[2 * self->page];

	SAW("pread() of 2 pages, 100 bytes before the end", "%ld bytes",
	    fm_errno(pread(self->fd, page, sizeof(page), size - 100)));
	SAW("pread() at the end", "%ld bytes",
	    fm_errno(pread(self->fd, page, sizeof(page), size)));
	EXPECT_EQ(self->page, pread(self->fd, page, sizeof(page),
				    size - self->page));
	EXPECT_EQ(100, pread(self->fd, page, sizeof(page), size - 100));
	EXPECT_EQ(0, pread(self->fd, page, sizeof(page), size));
	EXPECT_EQ(0, pread(self->fd, page, sizeof(page), size + self->page));
	EXPECT_EQ(0, pread(self->fd, page, 0, 0));
}

TEST_F(buffer, write_ends_with_enospc)
{
	size_t size = FM_PAGES * self->page;
	char page[2 * self->page];

	memset(page, 'x', sizeof(page));
	SAW("pwrite() of 2 pages, 100 bytes before the end", "%ld bytes",
	    fm_errno(pwrite(self->fd, page, sizeof(page), size - 100)));
	SAW("pwrite() at the end", "%s",
	    fm_outcome(pwrite(self->fd, page, sizeof(page), size) >= 0));
	EXPECT_EQ(100, pwrite(self->fd, page, sizeof(page), size - 100));
	EXPECT_EQ(-1, pwrite(self->fd, page, sizeof(page), size));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(-1, pwrite(self->fd, page, 1, size + self->page));
	EXPECT_EQ(ENOSPC, errno);
}

TEST_F(buffer, read_sees_what_write_wrote)
{
	char out[3 * self->page], in[3 * self->page];
	size_t i;

	for (i = 0; i < sizeof(out); i++)
		out[i] = i * 7 + i / 256;
	ASSERT_EQ(sizeof(out), pwrite(self->fd, out, sizeof(out), 1234));
	ASSERT_EQ(sizeof(in), pread(self->fd, in, sizeof(in), 1234));
	SAW("pwrite(), pread() across pages", "%s",
	    fm_same(!memcmp(out, in, sizeof(in))));
	EXPECT_EQ(0, memcmp(out, in, sizeof(in)));
}

TEST_F(buffer, mapping_and_file_are_one)
{
	char *map = fm_map(self, 0, FM_PAGES), byte = 0;

	ASSERT_NE(MAP_FAILED, map);
	map[5 * self->page + 17] = 'm';
	ASSERT_EQ(1, pread(self->fd, &byte, 1, 5 * self->page + 17));
	SAW("write to the mapping, pread()", "%s", fm_same(byte == 'm'));
	EXPECT_EQ('m', byte);
	byte = 'f';
	ASSERT_EQ(1, pwrite(self->fd, &byte, 1, 9 * self->page));
	SAW("pwrite(), read the mapping", "%s",
	    fm_same(map[9 * self->page] == 'f'));
	EXPECT_EQ('f', map[9 * self->page]);
}

TEST_F(buffer, llseek)
{
	off_t size = FM_PAGES * self->page;
	char byte;

	SAW("lseek() to the end", "%ld bytes",
	    (long)lseek(self->fd, 0, SEEK_END));
	SAW("lseek() past the end", "%s",
	    fm_outcome(lseek(self->fd, size + 1, SEEK_SET) >= 0));
	EXPECT_EQ(0, lseek(self->fd, 0, SEEK_SET));
	EXPECT_EQ(size, lseek(self->fd, 0, SEEK_END));
	EXPECT_EQ(0, read(self->fd, &byte, 1));
	EXPECT_EQ(size - 1, lseek(self->fd, -1, SEEK_CUR));
	EXPECT_EQ(1, read(self->fd, &byte, 1));
	EXPECT_EQ(size, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_EQ(-1, lseek(self->fd, size + 1, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->fd, -1, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(buffer, bad_user_memory)
{
	char *map = fm_map(self, 0, FM_PAGES), *gone = fm_reserve(1);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_NE(MAP_FAILED, gone);
	EXPECT_EQ(-1, pread(self->fd, gone, self->page, 0));
	SAW("pread() to memory without access", "%s", fm_outcome(false));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pwrite(self->fd, gone, self->page, 0));
	SAW("pwrite() from memory without access", "%s", fm_outcome(false));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_STAMPS(map, 0, 1);
}

/* What was copied before memory without access counts. */
TEST_F(buffer, user_memory_that_ends)
{
	char *memory = fm_reserve(2);

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, mprotect(memory, self->page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(self->page, pread(self->fd, memory, 2 * self->page, 0));
	EXPECT_STAMPS(memory, 0, 1);
	EXPECT_EQ(self->page, pwrite(self->fd, memory, 2 * self->page, 0));
	munmap(memory, 2 * self->page);
}

/* The user memory of a copy may be a mapping of the same buffer. */
TEST_F(buffer, copies_from_and_to_itself)
{
	char *map = fm_map(self, 0, FM_PAGES);
	long out, in;

	ASSERT_NE(MAP_FAILED, map);
	out = fm_errno(pwrite(self->fd, map, 4 * self->page, 8 * self->page));
	SAW("pwrite() from a mapping of the same buffer", "%s",
	    fm_both(fm_result(out, 4 * self->page),
		    fm_shown(map + 8 * self->page, 0, 4)));
	EXPECT_EQ(4 * self->page, out);
	EXPECT_STAMPS(map + 8 * self->page, 0, 4);
	in = fm_errno(pread(self->fd, map + 4 * self->page, 2 * self->page,
			    14 * self->page));
	SAW("pread() to a mapping of the same buffer", "%s",
	    fm_both(fm_result(in, 2 * self->page),
		    fm_shown(map + 4 * self->page, 14, 2)));
	EXPECT_EQ(2 * self->page, in);
	EXPECT_STAMPS(map + 4 * self->page, 14, 2);
}

TEST_F(buffer, sendfile)
{
	char in[self->page], out[self->page];
	off_t offset = 6 * self->page;
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(self->page, sendfile(pipes[1], self->fd, &offset, self->page));
	ASSERT_EQ(self->page, read(pipes[0], in, self->page));
	fm_stamp_page(out, 6);
	SAW("sendfile() to a pipe", "%s",
	    fm_same(!memcmp(in, out, self->page)));
	EXPECT_EQ(0, memcmp(in, out, self->page));
}

/* A buffer has no holes to be asked for. */
TEST_F(buffer, seek_data_and_hole)
{
	EXPECT_EQ(self->page, lseek(self->fd, self->page, SEEK_SET));
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_DATA));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_HOLE));
	EXPECT_EQ(EINVAL, errno);
	SAW("lseek(SEEK_DATA, SEEK_HOLE)", "%s", fm_outcome(false));
	EXPECT_EQ(self->page, lseek(self->fd, 0, SEEK_CUR));
}

/* The node, opened twice: locks belong to what is opened. */
TEST_F(buffer, flock)
{
	int one = open(fm_node(variant), O_RDWR | O_CLOEXEC);
	int two = open(fm_node(variant), O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, one);
	ASSERT_LE(0, two);
	EXPECT_EQ(0, flock(one, LOCK_EX));
	EXPECT_EQ(-1, flock(two, LOCK_EX | LOCK_NB));
	EXPECT_EQ(EWOULDBLOCK, errno);
	EXPECT_EQ(0, flock(one, LOCK_UN));
	EXPECT_EQ(0, flock(two, LOCK_EX | LOCK_NB));
	SAW("flock()", "works");
	close(one);
	close(two);
}

static long read_with(int fd, char *byte, off_t at, int flags)
{
	struct iovec iov = { .iov_base = byte, .iov_len = 1 };

	return fm_errno(preadv2(fd, &iov, 1, at, flags));
}

static long write_with(int fd, char byte, off_t at, int flags)
{
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };

	return fm_errno(pwritev2(fd, &iov, 1, at, flags));
}

/* A read or write may have to allocate the buffer, so it may have to wait. */
TEST_F(buffer, nowait)
{
	char byte = 0;

	EXPECT_EQ(-EOPNOTSUPP, read_with(self->fd, &byte, 0, RWF_NOWAIT));
	EXPECT_EQ(-EOPNOTSUPP, write_with(self->fd, 'x', 0, RWF_NOWAIT));
	errno = EOPNOTSUPP;
	SAW("preadv2(RWF_NOWAIT)", "%s", fm_outcome(false));
	EXPECT_EQ(1, read_with(self->fd, &byte, 0, RWF_HIPRI));
	EXPECT_EQ(1, write_with(self->fd, byte, 0, RWF_DSYNC));
	EXPECT_EQ(1, write_with(self->fd, byte, 0, RWF_SYNC));
	EXPECT_EQ(-EOPNOTSUPP, read_with(self->fd, &byte, 0, 1 << 30));
}

/* A device has no end to append to: writing goes where it is told to. */
static void append_to_device(struct __test_metadata *_metadata,
			     const FIXTURE_DATA(buffer) *self)
{
	char byte = 0;

	EXPECT_EQ(1, write_with(self->fd, 'a', 2 * self->page, RWF_APPEND));
	EXPECT_EQ(1, pread(self->fd, &byte, 1, 2 * self->page));
	EXPECT_EQ('a', byte);
	EXPECT_EQ(1, write(self->fd, "b", 1));
	EXPECT_EQ(4, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_EQ(1, pread(self->fd, &byte, 1, 3));
	EXPECT_EQ('b', byte);
}

/* A file has one, and behind that there is no room. */
static void append_to_file(struct __test_metadata *_metadata,
			   const FIXTURE_DATA(buffer) *self)
{
	EXPECT_EQ(-ENOSPC, write_with(self->fd, 'a', 2 * self->page, RWF_APPEND));
	EXPECT_EQ(-1, write(self->fd, "b", 1));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(3, lseek(self->fd, 0, SEEK_CUR));
}

TEST_F(buffer, append)
{
	off_t size = FM_PAGES * self->page;
	int flags = fcntl(self->fd, F_GETFL);

	ASSERT_EQ(0, fcntl(self->fd, F_SETFL, flags | O_APPEND));
	EXPECT_EQ(3, lseek(self->fd, 3, SEEK_SET));
	if (fm_is_device(variant))
		append_to_device(_metadata, self);
	else
		append_to_file(_metadata, self);
	SAW("write(), O_APPEND", "%s", fm_is_device(variant) ? "at the offset" :
							       fm_result(-ENOSPC, 0));
	EXPECT_EQ(size, lseek(self->fd, 0, SEEK_END));
}

TEST_F(buffer, o_direct)
{
	int flags = fcntl(self->fd, F_GETFL);

	EXPECT_EQ(-1, fcntl(self->fd, F_SETFL, flags | O_DIRECT));
	EXPECT_EQ(EINVAL, errno);
	SAW("fcntl(O_DIRECT)", "%s", fm_outcome(false));
	EXPECT_EQ(flags, fcntl(self->fd, F_GETFL));
}

TEST_HARNESS_MAIN

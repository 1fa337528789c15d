// SPDX-License-Identifier: GPL-2.0-only
/*
 * write(2) and read(2) with a mapping as the user's memory, through a pipe and a
 * regular file: the kernel copies, and touches the mapping as the process would.
 * Where the buffer ends, after RESIZE has shrunk it under the mapping, so does
 * the copy: with the count so far, or EFAULT.
 */
#include "buffer_fixture.h"

#define PART	4	/* pages left to the buffer */
#define ROOM	(2 * PART)	/* and that a copy has at most: a pipe takes them */

enum target { FROM_PIPE, FROM_FILE, TO_PIPE, TO_FILE };

static const char *const calls[] = {
	"read() from a pipe", "read() from a file",
	"write() to a pipe", "write() to a file",
};

/* Where the copy begins, and how long it is, in pages and bytes. */
struct range {
	const char *where;
	int begin_page, begin_byte;
	int pages, bytes;
};

static const struct range ranges[] = {
	{ "inside", 0, 0, PART, 0 },
	{ "inside, unaligned", 1, -100, 2, 150 },
	{ "across the end", 1, 0, PART, 0 },
	{ "across the end, unaligned", PART, -100, 0, 300 },
	{ "across the end, unaligned pages", PART - 2, 50, PART, 0 },
	{ "past the end", PART, 0, 0, 1 },
	{ "far past the end", PART + 3, 17, 2, 0 },
};

struct channel {
	int in, out;
};

static bool open_channel(struct channel *channel, enum target target)
{
	int pipes[2];

	if (target == FROM_FILE || target == TO_FILE) {
		channel->in = open("/tmp", O_TMPFILE | O_RDWR, 0600);
		channel->out = dup(channel->in);
		return channel->out >= 0;
	}
	if (pipe2(pipes, O_NONBLOCK))
		return false;
	channel->in = pipes[0];
	channel->out = pipes[1];
	return true;
}

static void close_channel(const struct channel *channel)
{
	close(channel->in);
	close(channel->out);
}

static char pattern(size_t i)
{
	return 'a' + i % 23;
}

static bool is_pattern(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != pattern(i))
			return false;
	return true;
}

static void fill(char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = pattern(i);
}

static long copy_in(const struct channel *channel, char *user, size_t len,
		    char *scratch)
{
	fill(scratch, len);
	if (write(channel->out, scratch, len) != (ssize_t)len)
		return -EIO;
	lseek(channel->in, 0, SEEK_SET);
	return fm_errno(read(channel->in, user, len));
}

/* What arrived must be what the call said it wrote. */
static long copy_out(const struct channel *channel, const char *user,
		     size_t len, char *scratch)
{
	long ret = fm_errno(write(channel->out, user, len)), got;

	lseek(channel->in, 0, SEEK_SET);
	got = read(channel->in, scratch, len);
	if (got < 0 && errno == EAGAIN)
		got = 0;
	return got == (ret < 0 ? 0 : ret) ? ret : -EIO;
}

static long copy(enum target target, char *user, size_t len, char *scratch)
{
	struct channel channel;
	long ret;

	if (!open_channel(&channel, target))
		return -EIO;
	ret = target == FROM_PIPE || target == FROM_FILE ?
		copy_in(&channel, user, len, scratch) :
		copy_out(&channel, user, len, scratch);
	close_channel(&channel);
	return ret;
}

static size_t range_len(const FIXTURE_DATA(buffer) *self,
			const struct range *range)
{
	return range->pages * self->page + range->bytes;
}

static long range_begin(const FIXTURE_DATA(buffer) *self,
			const struct range *range)
{
	return range->begin_page * self->page + range->begin_byte;
}

/* All that there is; a pipe counts none but whole pages of its own. */
static long expected(const FIXTURE_DATA(buffer) *self, enum target target,
		     const struct range *range)
{
	long room = PART * self->page - range_begin(self, range);
	long len = range_len(self, range);

	if (room >= len)
		return len;
	if (target == FROM_PIPE || target == TO_PIPE)
		room -= room % self->page;
	return room > 0 ? room : -EFAULT;
}

/* How many pages of the buffer a copy reaches. */
static unsigned int reached(const FIXTURE_DATA(buffer) *self,
			    const struct range *range)
{
	long begin = range_begin(self, range);
	long end = begin + range_len(self, range);

	if (begin >= (long)(PART * self->page))
		return 0;
	if (end > (long)(PART * self->page))
		end = PART * self->page;
	return (end - 1) / self->page - begin / self->page + 1;
}

/* Maps what is a larger buffer yet, in it, from @begin on, what is to be copied. */
static char *map_shrunk(struct __test_metadata *_metadata,
			const FIXTURE_DATA(buffer) *self, enum target target,
			size_t begin)
{
	char bytes[FM_PAGES * self->page], *map;

	EXPECT_EQ(0, fm_resize(self->fd, FM_PAGES));
	memset(bytes, 0, sizeof(bytes));
	if (target == TO_PIPE || target == TO_FILE)
		fill(bytes + begin, sizeof(bytes) - begin);
	EXPECT_EQ(sizeof(bytes), pwrite(self->fd, bytes, sizeof(bytes), 0));
	map = fm_map(self, 0, FM_PAGES);
	EXPECT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, fm_resize(self->fd, PART));
	return map;
}

static void note(const FIXTURE_VARIANT(buffer) *variant,
		 struct __test_metadata *_metadata, enum target target,
		 const struct range *range, long ret, size_t len)
{
	char row[80];

	snprintf(row, sizeof(row), "%s, %s", calls[target], range->where);
	if (ret < 0 || ret == (long)len) {
		errno = -ret;
		SAW(row, "%s", fm_outcome(ret == (long)len));
	} else {
		SAW(row, "%ld of %zu bytes", ret, len);
	}
}

static long copy_range(struct __test_metadata *_metadata,
		       const FIXTURE_DATA(buffer) *self,
		       const FIXTURE_VARIANT(buffer) *variant,
		       enum target target, const struct range *range,
		       bool touch)
{
	size_t begin = range_begin(self, range), len = range_len(self, range);
	char *map = map_shrunk(_metadata, self, target, begin);
	char *user = map + begin, scratch[ROOM * self->page];
	struct faultmap_stats before, after;
	long ret;

	for (size_t i = 0; touch && i < PART; i++)
		EXPECT_EQ(0, fm_read_at(map + i * self->page));
	before = fm_stats(self->fd);
	ret = copy(target, user, len, scratch);
	after = fm_stats(self->fd);

	EXPECT_EQ(expected(self, target, range), ret)
		TH_LOG("%s, %s, %s", calls[target], range->where,
		       touch ? "touched" : "untouched");
	if (ret > 0 && (target == FROM_PIPE || target == FROM_FILE))
		EXPECT_EQ(ret, pread(self->fd, scratch, ret, begin));
	EXPECT_TRUE(ret < 0 || is_pattern(scratch, ret));
	EXPECT_EQ(ret < (long)len, after.sigbus > before.sigbus);
	EXPECT_FAULTS(fm_is_lazy(variant) && !touch ? reached(self, range) : 0,
		      after.read_faults + after.write_faults -
		      before.read_faults - before.write_faults);
	munmap(map, FM_PAGES * self->page);
	return ret;
}

static void copy_all(struct __test_metadata *_metadata,
		     const FIXTURE_DATA(buffer) *self,
		     const FIXTURE_VARIANT(buffer) *variant, enum target target)
{
	long ret;

	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		ret = copy_range(_metadata, self, variant, target, &ranges[i],
				 false);
		EXPECT_EQ(ret, copy_range(_metadata, self, variant, target,
					  &ranges[i], true));
		note(variant, _metadata, target, &ranges[i], ret,
		     range_len(self, &ranges[i]));
	}
}

TEST_F(buffer, read_from_pipe)
{
	copy_all(_metadata, self, variant, FROM_PIPE);
}

TEST_F(buffer, read_from_file)
{
	copy_all(_metadata, self, variant, FROM_FILE);
}

TEST_F(buffer, write_to_pipe)
{
	copy_all(_metadata, self, variant, TO_PIPE);
}

TEST_F(buffer, write_to_file)
{
	copy_all(_metadata, self, variant, TO_FILE);
}

TEST_HARNESS_MAIN

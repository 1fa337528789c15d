// SPDX-License-Identifier: GPL-2.0
/* Whose memory it is: a buffer's is charged to the cgroup that first uses it. */
#include <sys/stat.h>

#include "buffer_fixture.h"

#define ROOT	"/sys/fs/cgroup"
#define GROUP	ROOT "/faultmap_test"
#define BYTES	(8 << 20)
#define SLACK	(1 << 20)	/* charges are made in batches for each CPU */

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = fm_errno(write(fd, text, strlen(text)));
	close(fd);
	return ret < 0 ? ret : 0;
}

static long long charged(void)
{
	long long bytes = -1;
	FILE *file = fopen(GROUP "/memory.current", "r");

	if (file && fscanf(file, "%lld", &bytes) != 1)
		bytes = -1;
	if (file)
		fclose(file);
	return bytes;
}

/* Runs this process, the test's own, in a cgroup of its own. */
static bool enter_group(void)
{
	return !put(ROOT "/cgroup.subtree_control", "+memory") &&
		(!mkdir(GROUP, 0755) || errno == EEXIST) &&
		!put(GROUP "/cgroup.procs", "0") && charged() >= 0;
}

static void leave_group(void)
{
	put(ROOT "/cgroup.procs", "0");
	rmdir(GROUP);
}

TEST_F(buffer, charged_at_first_use)
{
	size_t pages = BYTES / self->page;
	long long before, created, used, freed;
	char byte;
	int fd;

	if (fm_is_device(variant))
		SKIP(return, "a device's memory is charged to nobody");
	if (!enter_group()) {
		leave_group();
		SKIP(return, "no memory controller of cgroup v2");
	}
	before = charged();
	fd = fm_create(variant->memory, variant->strategy, pages);
	created = charged() - before;
	EXPECT_EQ(1, pread(fd, &byte, 1, 0));
	used = charged() - before;
	close(fd);
	freed = charged() - before;
	leave_group();

	EXPECT_GT(SLACK, created);
	EXPECT_LT(BYTES - SLACK, used);
	EXPECT_GT(BYTES + SLACK, used);
	EXPECT_GT(SLACK, freed);
}

/* Over the limit: an error for the one who asked, and nobody is killed. */
TEST_F(buffer, limit_fails_the_request)
{
	int fd, ret, error;
	char byte;

	if (variant->memory == FAULTMAP_MEMORY_VMALLOC)
		SKIP(return, "vmalloc logs its failures, and 7.x forbids silence");
	if (fm_is_device(variant))
		SKIP(return, "a device's memory is charged to nobody");
	if (!enter_group()) {
		leave_group();
		SKIP(return, "no memory controller of cgroup v2");
	}
	ret = put(GROUP "/memory.max", "4M");
	fd = fm_create(variant->memory, variant->strategy, BYTES / self->page);
	EXPECT_EQ(0, ret);
	ret = pread(fd, &byte, 1, 0);
	error = errno;
	close(fd);
	put(GROUP "/memory.max", "max");
	leave_group();

	EXPECT_EQ(-1, ret);
	EXPECT_EQ(ENOMEM, error);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0
/* Whose memory it is: a buffer's is charged to the cgroup that first uses it. */
#include "buffer_fixture.h"
#include "memcg.h"

#define BYTES	(8 << 20)
#define SLACK	(1 << 20)	/* charges are made in batches for each CPU */

TEST_F(buffer, charged_at_first_use)
{
	size_t pages = BYTES / self->page;
	long long before, created, used, freed;
	char byte;
	int fd;

	if (fm_is_device(variant))
		SKIP(return, "a device's memory is charged to nobody");
	if (!fm_enter_group()) {
		fm_leave_group();
		SKIP(return, "no memory controller of cgroup v2");
	}
	before = fm_charged();
	fd = fm_create(variant->memory, variant->strategy, pages);
	created = fm_charged() - before;
	EXPECT_EQ(1, pread(fd, &byte, 1, 0));
	used = fm_charged() - before;
	close(fd);
	freed = fm_charged() - before;
	fm_leave_group();

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
	if (!fm_enter_group()) {
		fm_leave_group();
		SKIP(return, "no memory controller of cgroup v2");
	}
	ret = fm_put(FM_GROUP "/memory.max", "4M");
	fd = fm_create(variant->memory, variant->strategy, BYTES / self->page);
	EXPECT_EQ(0, ret);
	ret = pread(fd, &byte, 1, 0);
	error = errno;
	close(fd);
	fm_put(FM_GROUP "/memory.max", "max");
	fm_leave_group();

	EXPECT_EQ(-1, ret);
	EXPECT_EQ(ENOMEM, error);
}

TEST_HARNESS_MAIN

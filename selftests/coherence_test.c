// SPDX-License-Identifier: GPL-2.0-only
/* The nodes of one kind of memory show one buffer, whatever their strategy. */
#include "faultmap_test.h"

#define NODE_PAGES	64	/* of the node's buffer, which is larger */

FIXTURE(nodes)
{
	size_t size;
	int eager, lazy;
	char *eager_map, *lazy_map;
};

FIXTURE_VARIANT(nodes)
{
	const char *eager;
	const char *lazy;
};

FIXTURE_VARIANT_ADD(nodes, pages)
{
	.eager = "/dev/faultmap/pages-eager",
	.lazy = "/dev/faultmap/pages-lazy",
};

FIXTURE_VARIANT_ADD(nodes, vmalloc)
{
	.eager = "/dev/faultmap/vmalloc-eager",
	.lazy = "/dev/faultmap/vmalloc-lazy",
};

FIXTURE_SETUP(nodes)
{
	self->size = NODE_PAGES * fm_page_size();
	self->eager = open(variant->eager, O_RDWR);
	if (self->eager < 0 && errno == ENOENT)
		SKIP(return, "faultmap is not loaded");
	ASSERT_LE(0, self->eager);
	self->lazy = open(variant->lazy, O_RDWR);
	ASSERT_LE(0, self->lazy);
	self->eager_map = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			       MAP_SHARED, self->eager, 0);
	ASSERT_NE(MAP_FAILED, self->eager_map);
	self->lazy_map = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			      MAP_SHARED, self->lazy, 0);
	ASSERT_NE(MAP_FAILED, self->lazy_map);
}

FIXTURE_TEARDOWN(nodes)
{
	munmap(self->eager_map, self->size);
	munmap(self->lazy_map, self->size);
	close(self->eager);
	close(self->lazy);
}

TEST_F(nodes, eager_sees_lazy_writes)
{
	size_t i;

	for (i = 0; i < NODE_PAGES; i++)
		fm_stamp_page(self->lazy_map + i * fm_page_size(), i);
	EXPECT_STAMPS(self->eager_map, 0, NODE_PAGES);
}

TEST_F(nodes, lazy_sees_eager_writes)
{
	size_t i;

	for (i = 0; i < NODE_PAGES; i++)
		fm_stamp_page(self->eager_map + i * fm_page_size(),
			      NODE_PAGES - i);
	for (i = 0; i < NODE_PAGES; i++)
		EXPECT_STAMPS(self->lazy_map + i * fm_page_size(),
			      NODE_PAGES - i, 1);
}

TEST_F(nodes, file_and_both_mappings_agree)
{
	char *copy = malloc(self->size);

	ASSERT_NE(NULL, copy);
	ASSERT_EQ(0, fm_stamp(self->eager, 0, NODE_PAGES));
	ASSERT_EQ(self->size, pread(self->lazy, copy, self->size, 0));
	EXPECT_EQ(0, memcmp(copy, self->eager_map, self->size));
	EXPECT_EQ(0, memcmp(copy, self->lazy_map, self->size));
	free(copy);
}

TEST_F(nodes, contents_stay_after_close)
{
	int fd;

	ASSERT_EQ(0, fm_stamp(self->lazy, 0, NODE_PAGES));
	FIXTURE_DATA(nodes) old = *self;

	munmap(old.eager_map, old.size);
	munmap(old.lazy_map, old.size);
	close(old.eager);
	close(old.lazy);
	fd = open(variant->eager, O_RDWR);
	ASSERT_LE(0, fd);
	self->eager = fd;
	self->lazy = open(variant->lazy, O_RDWR);
	self->eager_map = mmap(NULL, self->size, PROT_READ, MAP_SHARED, fd, 0);
	self->lazy_map = mmap(NULL, self->size, PROT_READ, MAP_SHARED,
			      self->lazy, 0);
	ASSERT_NE(MAP_FAILED, self->eager_map);
	ASSERT_NE(MAP_FAILED, self->lazy_map);
	EXPECT_STAMPS(self->eager_map, 0, NODE_PAGES);
	EXPECT_STAMPS(self->lazy_map, 0, NODE_PAGES);
}

TEST_F(nodes, each_node_counts_its_own)
{
	uint64_t before = fm_faults(self->eager);

	ASSERT_EQ(0, ioctl(self->lazy, FAULTMAP_STATS_RESET));
	EXPECT_EQ(0, fm_read_at(self->lazy_map));
	EXPECT_EQ(1, fm_faults(self->lazy));
	EXPECT_EQ(before, fm_faults(self->eager));
}

/* Every strategy of a kind of memory, those of frames and those of pages. */
TEST_F(nodes, all_strategies_agree)
{
	static const char *const strategies[] = {
		"eager", "lazy", "eager-page", "lazy-pfn",
	};
	int prefix = strrchr(variant->eager, '-') - variant->eager, fd;
	char path[64], *maps[4];
	size_t i, j;

	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%.*s-%s", prefix, variant->eager,
			 strategies[i]);
		fd = open(path, O_RDWR);
		ASSERT_LE(0, fd);
		maps[i] = mmap(NULL, self->size, PROT_READ | PROT_WRITE,
			       MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, maps[i]);
		close(fd);
	}
	for (i = 0; i < 4; i++) {
		fm_stamp_page(maps[i] + 7 * fm_page_size(), i);
		for (j = 0; j < 4; j++)
			EXPECT_STAMPS(maps[j] + 7 * fm_page_size(), i, 1);
	}
	for (i = 0; i < 4; i++)
		munmap(maps[i], self->size);
}

TEST_HARNESS_MAIN

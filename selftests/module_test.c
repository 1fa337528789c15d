// SPDX-License-Identifier: GPL-2.0
/*
 * The module itself: it cannot be removed while it is in use, takes no bad
 * parameter, and can be loaded again after it went. FAULTMAP_KO names its file.
 */
#include <sys/stat.h>

#include "module_fixture.h"

TEST_F(module, load_and_unload_twice)
{
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(exists(FM_CONTROL));
		EXPECT_TRUE(exists("/dev/faultmap/pages-eager"));
		EXPECT_TRUE(exists("/dev/faultmap/pages-lazy"));
		EXPECT_TRUE(exists("/dev/faultmap/vmalloc-eager"));
		EXPECT_TRUE(exists("/dev/faultmap/vmalloc-lazy"));
		ASSERT_EQ(0, unload());
		EXPECT_FALSE(exists(FM_CONTROL));
		EXPECT_FALSE(exists("/dev/faultmap/pages-lazy"));
		EXPECT_FALSE(exists("/sys/kernel/debug/faultmap"));
		ASSERT_EQ(0, load(""));
	}
}

TEST_F(module, nodes_are_for_root)
{
	struct stat st;

	ASSERT_EQ(0, stat("/dev/faultmap/pages-lazy", &st));
	EXPECT_EQ(S_IFCHR | 0600, st.st_mode);
	EXPECT_EQ(0, st.st_uid);
}

static void busy_while(struct __test_metadata *_metadata, const char *node,
		       bool keep_fd, bool keep_map)
{
	size_t size = fm_page_size();
	int fd = node ? open(node, O_RDWR) : fm_create(FAULTMAP_MEMORY_PAGES,
						       FAULTMAP_STRATEGY_LAZY, 1);
	char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	ASSERT_NE(MAP_FAILED, map);
	if (!keep_fd)
		close(fd);
	if (!keep_map)
		munmap(map, size);
	EXPECT_EQ(-EWOULDBLOCK, unload());
	if (keep_map)
		EXPECT_EQ(0, fm_read_at(map));
	if (keep_fd)
		close(fd);
	if (keep_map)
		munmap(map, size);
	EXPECT_EQ(0, unload());
	EXPECT_EQ(0, load(""));
}

TEST_F(module, stays_while_a_descriptor_lives)
{
	busy_while(_metadata, "/dev/faultmap/pages-lazy", true, false);
	busy_while(_metadata, "/dev/faultmap/vmalloc-eager", true, false);
	busy_while(_metadata, NULL, true, false);
}

TEST_F(module, stays_while_a_mapping_lives)
{
	busy_while(_metadata, "/dev/faultmap/pages-lazy", false, true);
	busy_while(_metadata, "/dev/faultmap/pages-eager", false, true);
	busy_while(_metadata, "/dev/faultmap/vmalloc-lazy", false, true);
	busy_while(_metadata, "/dev/faultmap/vmalloc-eager", false, true);
	busy_while(_metadata, NULL, false, true);
}

TEST_F(module, stays_while_control_is_open)
{
	int fd = open(FM_CONTROL, O_RDWR);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EWOULDBLOCK, unload());
	close(fd);
}

TEST_F(module, refuses_bad_parameters)
{
	static const char *const bad[] = {
		"size=0", "size=1", "size=4095", "size=abc", "size=64X",
		"size=-1", "size=16E", "order=11", "order=4096",
		"window=513",
	};
	size_t i;

	ASSERT_EQ(0, unload());
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EXPECT_EQ(-EINVAL, load(bad[i])) TH_LOG("parameter %zu", i);
	EXPECT_FALSE(exists(FM_CONTROL));
}

TEST_F(module, takes_good_parameters)
{
	struct faultmap_info info;
	int fd;

	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load("size=3M order=2"));
	fd = open("/dev/faultmap/pages-lazy", O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
	EXPECT_EQ(3 << 20, info.bytes);
	EXPECT_EQ(2, info.order);
	EXPECT_EQ(0, info.flags);
	close(fd);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * mbind(2), get_mempolicy(2), move_pages(2), migrate_pages(2): where the memory of
 * a mapping is. The policy of a mapping is taken, and moves nothing; where a page
 * is can be asked of pages, and not of frames.
 */
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "buffer_fixture.h"

#define NODES	(8 * sizeof(unsigned long))

static const unsigned long first_node = 1;

/* Without it these system calls are not there. */
static bool has_numa(void)
{
	return !access("/sys/devices/system/node", F_OK);
}

static long bind_to(const FIXTURE_DATA(buffer) *self, char *map, int mode,
		    unsigned int flags)
{
	return fm_errno(syscall(SYS_mbind, map, FM_PAGES * self->page, mode,
				&first_node, NODES, flags));
}

static char *touched(const FIXTURE_DATA(buffer) *self)
{
	char *map = fm_map(self, 0, FM_PAGES);

	for (size_t i = 0; map != MAP_FAILED && i < FM_PAGES; i++)
		fm_read_at(map + i * self->page);
	return map;
}

TEST_F(buffer, mbind)
{
	char *map = touched(self);
	uint64_t faults = fm_faults(self->fd);
	int mode = -1;
	long ret;

	if (!has_numa())
		SKIP(return, "a kernel without NUMA");
	ASSERT_NE(MAP_FAILED, map);
	ret = bind_to(self, map, MPOL_PREFERRED, 0);
	errno = -ret;
	SAW("mbind()", "%s", fm_outcome(!ret));
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, bind_to(self, map, MPOL_BIND, MPOL_MF_MOVE));
	EXPECT_EQ(0, bind_to(self, map, MPOL_BIND, MPOL_MF_STRICT));
	EXPECT_EQ(0, syscall(SYS_get_mempolicy, &mode, NULL, 0, map,
			     MPOL_F_ADDR));
	EXPECT_EQ(MPOL_BIND, mode);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(faults, fm_faults(self->fd));
}

TEST_F(buffer, node_of_an_address)
{
	char *map = touched(self);
	int node = -1;
	long ret;

	if (!has_numa())
		SKIP(return, "a kernel without NUMA");
	ASSERT_NE(MAP_FAILED, map);
	ret = syscall(SYS_get_mempolicy, &node, NULL, 0, map,
		      MPOL_F_ADDR | MPOL_F_NODE);
	SAW("get_mempolicy(MPOL_F_NODE)", "%s", fm_outcome(!ret));
	EXPECT_EQ(fm_is_by_page(variant) ? 0 : -EFAULT, fm_errno(ret));
	if (fm_is_by_page(variant))
		EXPECT_LE(0, node);
}

/* Asked where two pages are (@nodes is NULL), or asked to move them there. */
static long move_two(const FIXTURE_DATA(buffer) *self, char *map,
		     const int *nodes, int *status)
{
	void *pages[] = { map, map + 5 * self->page };

	status[0] = 77;
	status[1] = 77;
	return fm_errno(syscall(SYS_move_pages, 0, 2, pages, nodes, status,
				MPOL_MF_MOVE));
}

TEST_F(buffer, move_pages)
{
	char *map = touched(self);
	uint64_t faults = fm_faults(self->fd);
	int status[2], node[2];
	long ret;

	if (!has_numa())
		SKIP(return, "a kernel without NUMA");
	ASSERT_NE(MAP_FAILED, map);
	ret = move_two(self, map, NULL, status);
	EXPECT_EQ(0, ret);
	errno = status[0] < 0 ? -status[0] : 0;
	SAW("move_pages(), asking where", "%s", fm_outcome(status[0] >= 0));
	if (fm_is_by_page(variant)) {
		EXPECT_LE(0, status[0]);
		EXPECT_LE(0, status[1]);
	} else {
		/* 6.1 says so of all that is special. */
		EXPECT_EQ(fm_kernel_since(6, 12) ? -ENOENT : -EFAULT, status[0]);
		EXPECT_EQ(status[0], status[1]);
	}

	/* To where they are. */
	node[0] = status[0] < 0 ? 0 : status[0];
	node[1] = node[0];
	EXPECT_EQ(0, move_two(self, map, node, status));
	errno = status[0] < 0 ? -status[0] : 0;
	SAW("move_pages(), to the same node", "%s", fm_outcome(status[0] >= 0));
	EXPECT_EQ(fm_is_by_page(variant) ? node[0] : -EFAULT, status[0]);
	EXPECT_EQ(status[0], status[1]);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(faults, fm_faults(self->fd));
}

TEST_F(buffer, migrate_pages)
{
	char *map = touched(self);
	uint64_t faults = fm_faults(self->fd);
	long ret;

	if (!has_numa())
		SKIP(return, "a kernel without NUMA");
	ASSERT_NE(MAP_FAILED, map);
	ret = syscall(SYS_migrate_pages, 0, NODES, &first_node, &first_node);
	EXPECT_EQ(0, ret);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(faults, fm_faults(self->fd));
}

TEST_HARNESS_MAIN

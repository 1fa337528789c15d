// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compaction, reclaim and dropped caches go by: what a buffer's mapping shows, and
 * its translations, stay where they are, though its pages are in page tables.
 */
#include "buffer_fixture.h"
#include "memcg.h"

#define COMPACT		"/proc/sys/vm/compact_memory"
#define HOG_BYTES	(8UL << 20)

/* An event that the kernel has counted, of a file of lines "name count". */
static long long count(const char *path, const char *name)
{
	long long value, found = -1;
	FILE *file = fopen(path, "r");
	char field[64];

	while (found < 0 && file && fscanf(file, "%63s %lld", field, &value) == 2)
		if (!strcmp(field, name))
			found = value;
	if (file)
		fclose(file);
	return found;
}

static long long vm_event(const char *name)
{
	return count("/proc/vmstat", name);
}

/* The frame of a page, 0 if pagemap shows none. */
static uint64_t frame_at(const char *addr)
{
	uint64_t entry = fm_pagemap(addr);

	return entry & FM_PM_PRESENT ? entry & FM_PM_FRAME : 0;
}

/* Small pages of the kernel's own kind, which it may move and reclaim. */
static char *new_hog(void)
{
	char *hog = mmap(NULL, HOG_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (hog == MAP_FAILED)
		return NULL;
	madvise(hog, HOG_BYTES, MADV_NOHUGEPAGE);
	memset(hog, 1, HOG_BYTES);
	return hog;
}

struct watch {
	char *map;
	uint64_t faults;
	uint64_t frames[FM_PAGES];
};

static void begin_watch(struct __test_metadata *_metadata, struct watch *watch,
			int fd)
{
	size_t page = fm_page_size();

	watch->map = mmap(NULL, FM_PAGES * page, PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, watch->map);
	EXPECT_STAMPS(watch->map, 0, FM_PAGES);
	for (size_t i = 0; i < FM_PAGES; i++)
		watch->frames[i] = frame_at(watch->map + i * page);
	watch->faults = fm_faults(fd);
}

static void end_watch(struct __test_metadata *_metadata,
		      const FIXTURE_VARIANT(buffer) *variant,
		      struct watch *watch, int fd, const char *row)
{
	size_t page = fm_page_size(), refaults;

	EXPECT_STAMPS(watch->map, 0, FM_PAGES);
	for (size_t i = 0; i < FM_PAGES; i++) {
		EXPECT_EQ(watch->frames[i], frame_at(watch->map + i * page));
		EXPECT_EQ(fm_is_by_page(variant), !!watch->frames[i]);
		EXPECT_EQ(0, fm_write_at(watch->map + i * page));
	}
	refaults = fm_faults(fd) - watch->faults;
	EXPECT_EQ(0, refaults);
	SAW(row, "refaults %zu pages", refaults);
	munmap(watch->map, FM_PAGES * page);
}

/* Every other page of the hog is free, so that compaction has what to move. */
TEST_F(buffer, compaction)
{
	long long scanned = vm_event("compact_migrate_scanned");
	struct watch watch;
	char *hog;

	if (access(COMPACT, W_OK))
		SKIP(return, "a kernel without compaction, or not root");
	begin_watch(_metadata, &watch, self->fd);
	hog = new_hog();
	ASSERT_NE(NULL, hog);
	for (size_t at = 0; at < HOG_BYTES; at += 2 * self->page)
		madvise(hog + at, self->page, MADV_DONTNEED);
	EXPECT_EQ(0, fm_put(COMPACT, "1"));
	EXPECT_LT(scanned, vm_event("compact_migrate_scanned"));
	end_watch(_metadata, variant, &watch, self->fd, "memory compaction");
	munmap(hog, HOG_BYTES);
}

TEST_F(buffer, drop_caches)
{
	long long dropped = vm_event("drop_slab");
	struct watch watch;

	if (geteuid())
		SKIP(return, "only root drops caches");
	begin_watch(_metadata, &watch, self->fd);
	EXPECT_EQ(0, fm_put("/proc/sys/vm/drop_caches", "3"));
	EXPECT_LT(dropped, vm_event("drop_slab"));
	end_watch(_metadata, variant, &watch, self->fd, "drop_caches");
}

/*
 * A cgroup is asked to give up more than it has: of the buffer, which is charged
 * to it, nothing, but of the hog, which has said that it can do without, all.
 */
TEST_F(buffer, reclaim)
{
	long long stolen, reclaimed, had;
	struct watch watch;
	char *hog;
	int fd;

	if (!fm_enter_group() || access(FM_GROUP "/memory.reclaim", W_OK)) {
		fm_leave_group();
		SKIP(return, "no memory.reclaim of cgroup v2");
	}
	fd = fm_open_buffer(variant);
	EXPECT_EQ(0, fm_stamp(fd, 0, FM_PAGES));
	begin_watch(_metadata, &watch, fd);
	hog = new_hog();
	EXPECT_NE(NULL, hog);
	EXPECT_EQ(0, madvise(hog, HOG_BYTES, MADV_FREE));
	had = fm_charged();
	stolen = count(FM_GROUP "/memory.stat", "pgsteal");
	fm_put(FM_GROUP "/memory.reclaim", "64M");
	reclaimed = had - fm_charged();
	stolen = count(FM_GROUP "/memory.stat", "pgsteal") - stolen;
	end_watch(_metadata, variant, &watch, fd, "reclaim in a cgroup");
	munmap(hog, HOG_BYTES);
	close(fd);
	fm_leave_group();

	EXPECT_LT(HOG_BYTES / 2, reclaimed);
	EXPECT_LT(HOG_BYTES / 2 / self->page, stolen);
}

TEST_HARNESS_MAIN

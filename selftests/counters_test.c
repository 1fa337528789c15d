// SPDX-License-Identifier: GPL-2.0
/* The counters, against what the kernel itself counted. */
#include "buffer_fixture.h"

/* Touches each page and returns the minor faults that took. */
static long touch(char *map, size_t pages, size_t size, bool write)
{
	struct rusage before, after;
	size_t i;

	getrusage(RUSAGE_SELF, &before);
	for (i = 0; i < pages; i++) {
		if (write)
			*(volatile char *)(map + i * size) = 1;
		else
			*(volatile char *)(map + i * size);
	}
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt - before.ru_minflt;
}

/* The program's own code and stack fault too, the first time. */
static void warm_up(void)
{
	static char memory[1];

	touch(memory, 1, 0, false);
	touch(memory, 1, 0, true);
}

TEST_F(buffer, faults_equal_minor_faults)
{
	char *map = fm_map(self, 0, FM_PAGES);
	bool lazy = fm_is_lazy(variant);
	struct faultmap_stats stats;
	long reads, writes, again;

	ASSERT_NE(MAP_FAILED, map);
	warm_up();
	reads = touch(map, 7, self->page, false);
	writes = touch(map + 7 * self->page, 9, self->page, true);
	again = touch(map, FM_PAGES, self->page, true);
	stats = fm_stats(self->fd);
	SAW("read 7 pages, write 9: driver's faults",
	    "%llu read, %llu write", stats.read_faults, stats.write_faults);
	SAW("read 7 pages, write 9: minor faults of the process",
	    "%ld, %ld, and %ld for all again", reads, writes, again);
	SAW("pages installed by then", "%llu", stats.pages_installed);

	EXPECT_FAULTS(lazy ? 7 : 0, reads);
	EXPECT_FAULTS(lazy ? 9 : 0, writes);
	EXPECT_EQ(reads, stats.read_faults);
	EXPECT_EQ(writes, stats.write_faults);
	EXPECT_EQ(0, again);
	EXPECT_EQ(FM_PAGES, stats.pages_installed);
	EXPECT_EQ(0, stats.sigbus);
	EXPECT_EQ(1, stats.mmaps);
}

TEST_F(buffer, a_refault_counts_again)
{
	char *map = fm_map(self, 0, FM_PAGES);
	long first, second;
	int ret;

	ASSERT_NE(MAP_FAILED, map);
	warm_up();
	first = touch(map, FM_PAGES, self->page, false);
	ret = fm_errno(madvise(map, 4 * self->page, MADV_DONTNEED));
	second = touch(map, FM_PAGES, self->page, false);
	SAW("touch 16 pages, MADV_DONTNEED 4 of them, touch 16",
	    "%s, refaults %ld pages", fm_result(ret, 0), second);
	EXPECT_EQ(fm_is_by_page(variant) ? 0 : -EINVAL, ret);
	EXPECT_FAULTS(fm_is_lazy(variant) ? FM_PAGES : 0, first);
	EXPECT_EQ(fm_is_by_page(variant) ? 4 : 0, second);
	EXPECT_EQ(first + second, fm_stats(self->fd).read_faults);
}

TEST_F(buffer, reset)
{
	char *map = fm_map(self, 0, FM_PAGES);
	struct faultmap_stats stats, zero = { 0 };

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_STATS_RESET));
	stats = fm_stats(self->fd);
	SAW("FAULTMAP_STATS_RESET, all counters", "%s",
	    memcmp(&zero, &stats, sizeof(stats)) ? "not zero" : "zero");
	EXPECT_EQ(0, memcmp(&zero, &stats, sizeof(stats)));
	ASSERT_EQ(0, munmap(map, FM_PAGES * self->page));
	EXPECT_EQ(1, fm_stats(self->fd).closes);
}

/* Reads "name:\tvalue" from a file of the kernel; -1 if it is not there. */
static long long field(const char *path, const char *name)
{
	long long value = -1;
	char line[128];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) &&
		    line[strlen(name)] == ':')
			value = atoll(line + strlen(name) + 1);
	if (file)
		fclose(file);
	return value;
}

TEST_F(buffer, same_in_fdinfo_and_debugfs)
{
	char fdinfo[64], debugfs[96], *map = fm_map(self, 0, FM_PAGES);
	struct faultmap_stats stats;
	const char *path;
	size_t i;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(0, fm_write_at(map));
	stats = fm_stats(self->fd);
	snprintf(fdinfo, sizeof(fdinfo), "/proc/self/fdinfo/%d", self->fd);
	if (fm_is_device(variant))
		snprintf(debugfs, sizeof(debugfs), "/sys/kernel/debug/faultmap/%s",
			 strrchr(fm_node(variant), '/') + 1);
	else
		snprintf(debugfs, sizeof(debugfs),
			 "/sys/kernel/debug/faultmap/private-%lld",
			 field(fdinfo, "view"));
	SAW("read 16 pages, write one: faults by fdinfo, debugfs",
	    "%lld + %lld, %lld + %lld", field(fdinfo, "read_faults"),
	    field(fdinfo, "write_faults"), field(debugfs, "read_faults"),
	    field(debugfs, "write_faults"));
	for (i = 0; i < 2; i++) {
		path = i ? debugfs : fdinfo;
		EXPECT_EQ(FM_PAGES * self->page, field(path, "bytes"));
		EXPECT_EQ(stats.read_faults, field(path, "read_faults"));
		EXPECT_EQ(stats.write_faults, field(path, "write_faults"));
		EXPECT_EQ(stats.pages_installed,
			  field(path, "pages_installed"));
		EXPECT_EQ(stats.sigbus, field(path, "sigbus"));
		EXPECT_EQ(stats.mmaps, field(path, "mmaps"));
		EXPECT_EQ(stats.opens, field(path, "opens"));
		EXPECT_EQ(stats.closes, field(path, "closes"));
		EXPECT_EQ(stats.moves, field(path, "moves"));
		EXPECT_EQ(stats.zaps, field(path, "zaps"));
	}
}

TEST_HARNESS_MAIN

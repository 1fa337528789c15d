// SPDX-License-Identifier: GPL-2.0-only
/* The counters, against what the kernel itself counted. */
#include <stddef.h>
#include <sys/rseq.h>

#include "buffer_fixture.h"

static long touch_each(char *map, size_t pages, size_t size, bool write)
{
	static struct rusage before, after;
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

/*
 * Touches each page and returns the minor faults that took. Nothing else that it needs
 * may fault in between, so each call, that of warm_up() too, uses the same memory: the
 * kernel writes to what is static there, and by a pointer nothing becomes inline.
 */
static long (*volatile touch)(char *map, size_t pages, size_t size, bool write) = touch_each;

/*
 * The program's own code and stack fault too, the first time, and so does the area where
 * the kernel says which CPU it is, whenever it has put another task in between.
 */
static void warm_up(void)
{
	static char memory[1];
	struct rseq *area = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);

	touch(memory, 1, 0, false);
	touch(memory, 1, 0, true);
	if (__rseq_size)
		*(volatile __u64 *)&area->rseq_cs = 0;
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
	EXPECT_FAULTS(fm_is_by_page(variant) ? 4 : 0, second);
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
	/* The end of an ordinary mapping is not told. */
	EXPECT_EQ(fm_counts_mappings(variant), fm_stats(self->fd).closes);
}

/* clear_refs(4) leaves alone what has frames only: VM_PFNMAP. */
static bool soft_dirty_reaches(const FIXTURE_VARIANT(buffer) *variant)
{
	return fm_is_by_page(variant);
}

/*
 * Soft-dirty tracking takes the right to write away, and the kernel gives it back at
 * the next write by itself: ru_minflt counts that fault, the driver is not asked.
 */
TEST_F(buffer, soft_dirty_faults_are_the_kernels)
{
	char *map = fm_map(self, 0, FM_PAGES);
	struct faultmap_stats before, after;
	long minor;

	if (!fm_tracks_soft_dirty())
		SKIP(return, "a kernel without soft-dirty tracking");
	ASSERT_NE(MAP_FAILED, map);
	touch(map, FM_PAGES, self->page, true);
	before = fm_stats(self->fd);
	ASSERT_EQ(0, fm_put("/proc/self/clear_refs", "4"));
	warm_up();
	minor = touch(map, FM_PAGES, self->page, true);
	after = fm_stats(self->fd);
	SAW("write 16 pages, clear their soft-dirty bits, write again",
	    "%ld minor faults, %llu of the driver", minor,
	    after.write_faults - before.write_faults);
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(soft_dirty_reaches(variant) ? FM_PAGES : 0, minor);
	EXPECT_EQ(0, touch(map, FM_PAGES, self->page, true));
}

/* Every counter there is, by the name that user space reads. */
static const struct {
	const char *name;
	size_t offset;
} counters[] = {
#define COUNTER(member) { #member, offsetof(struct faultmap_stats, member) }
	COUNTER(read_faults), COUNTER(write_faults), COUNTER(pages_installed),
	COUNTER(sigbus), COUNTER(mmaps), COUNTER(opens), COUNTER(closes),
	COUNTER(moves), COUNTER(zaps), COUNTER(huge_faults),
};

#define NR_COUNTERS	(sizeof(counters) / sizeof(*counters))

_Static_assert(sizeof(struct faultmap_stats) == sizeof(__u64) * NR_COUNTERS,
	       "a counter is missing here");

static void expect_counters(struct __test_metadata *_metadata, const char *path,
			    const struct faultmap_stats *stats)
{
	for (size_t i = 0; i < NR_COUNTERS; i++) {
		uint64_t value = *(uint64_t *)((char *)stats + counters[i].offset);

		EXPECT_EQ(value, fm_field(path, counters[i].name))
			TH_LOG("%s in %s", counters[i].name, path);
	}
}

/* Makes each counter something else than zero, as far as the strategy has it. */
static void use_everything(struct __test_metadata *_metadata,
			   const FIXTURE_DATA(buffer) *self)
{
	char *map = fm_map(self, 0, FM_PAGES), *moved;

	EXPECT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, 7);
	for (size_t i = 7; i < FM_PAGES; i++)
		EXPECT_EQ(0, fm_write_at(map + i * self->page));
	EXPECT_EQ(0, munmap(map + 4 * self->page, self->page));
	moved = mremap(map, 4 * self->page, 4 * self->page,
		       MREMAP_MAYMOVE | MREMAP_FIXED, fm_reserve(4));
	EXPECT_NE(MAP_FAILED, moved);
	EXPECT_EQ(0, fm_resize(self->fd, 3));
	EXPECT_EQ(SIGBUS, fm_read_at(moved + 3 * self->page));
}

TEST_F(buffer, all_counters_are_shown)
{
	char fdinfo[64];
	struct faultmap_stats stats;

	use_everything(_metadata, self);
	stats = fm_stats(self->fd);
	EXPECT_LT(0, stats.pages_installed);
	EXPECT_EQ(1, stats.sigbus);
	EXPECT_EQ(1, stats.zaps);
	EXPECT_EQ(1, stats.mmaps);
	snprintf(fdinfo, sizeof(fdinfo), "/proc/self/fdinfo/%d", self->fd);
	expect_counters(_metadata, fdinfo, &stats);
}

/* The one that needs a PMD's worth in one piece. */
TEST_F(buffer, huge_faults_are_shown)
{
	size_t huge = fm_pmd_size();
	struct faultmap_create create = {
		.bytes = 2 * huge,
		.memory = variant->memory,
		.strategy = variant->strategy,
		.order = FM_PMD_ORDER,
	};
	char fdinfo[64], *map;
	struct faultmap_stats stats;
	int fd;

	if (variant->memory != FAULTMAP_MEMORY_PAGES ||
	    variant->strategy != FAULTMAP_STRATEGY_LAZY_PFN)
		SKIP(return, "no PMD for a fault");
	fd = fm_create_as(create);
	ASSERT_LE(0, fd);
	map = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, fm_write_at(map));
	EXPECT_EQ(0, fm_read_at(map + huge));
	stats = fm_stats(fd);
	/* Whether there are such faults is for huge_test. */
	printf("# %llu huge faults\n", stats.huge_faults);
	snprintf(fdinfo, sizeof(fdinfo), "/proc/self/fdinfo/%d", fd);
	expect_counters(_metadata, fdinfo, &stats);
	munmap(map, 2 * huge);
	close(fd);
}

TEST_F(buffer, same_in_fdinfo)
{
	char fdinfo[64], *map = fm_map(self, 0, FM_PAGES);
	struct faultmap_stats stats;

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(0, fm_write_at(map));
	stats = fm_stats(self->fd);
	snprintf(fdinfo, sizeof(fdinfo), "/proc/self/fdinfo/%d", self->fd);
	SAW("read 16 pages, write one: faults by fdinfo", "%lld + %lld",
	    fm_field(fdinfo, "read_faults"), fm_field(fdinfo, "write_faults"));
	EXPECT_EQ(FM_PAGES * self->page, fm_field(fdinfo, "bytes"));
	expect_counters(_metadata, fdinfo, &stats);
}

/* A node's name is that of its memory and of its strategy, which fdinfo gives one by one. */
TEST_F(buffer, fdinfo_names_both)
{
	char fdinfo[64], line[64], memory[24] = "", strategy[24] = "", both[64];
	FILE *file;

	snprintf(fdinfo, sizeof(fdinfo), "/proc/self/fdinfo/%d", self->fd);
	file = fopen(fdinfo, "r");
	ASSERT_NE(NULL, file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "memory: %23s", memory) == 1 ||
		    sscanf(line, "strategy: %23s", strategy) == 1)
			continue;
	fclose(file);
	snprintf(both, sizeof(both), "/dev/faultmap/%s-%s", memory, strategy);
	EXPECT_STREQ(variant->node, both);
}

/* A private buffer as the node of such memory, with a number. */
TEST_F(buffer, has_a_name_of_its_own)
{
	const char *node = strrchr(fm_node(variant), '/') + 1;
	char name[FM_NAME_SIZE], other_name[FM_NAME_SIZE];
	int other;

	fm_name(self->fd, name);
	if (fm_is_device(variant)) {
		EXPECT_STREQ(node, name);
		return;
	}
	EXPECT_EQ(0, strncmp(name, node, strlen(node)));
	EXPECT_EQ('#', name[strlen(node)]);
	other = fm_create(variant->memory, variant->strategy, 1);
	ASSERT_LE(0, other);
	EXPECT_STRNE(name, fm_name(other, other_name));
	close(other);
}

TEST_HARNESS_MAIN

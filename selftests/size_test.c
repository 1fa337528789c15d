// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every size, and every way to it: each page shows its own bytes through every
 * strategy, whatever blocks the memory has come in.
 */
#include <pthread.h>
#include <time.h>

#include "faultmap_test.h"
#include "fragment.h"

#define TABLE	fm_table_pages()

static const struct {
	size_t from, to;
} steps[] = {
	{ 100, 2048 }, { 511, 512 }, { 777, 1300 }, { 1, 2048 }, { 512, 511 },
	{ 511, 1024 }, { 512, 1536 }, { 513, 1536 }, { 1023, 2047 }, { 1000, 1024 },
	{ 2047, 2048 }, { 2048, 100 }, { 2048, 513 }, { 3, 1 }, { 1, 2 },
};

#define STEPS	(sizeof(steps) / sizeof(*steps))
#define SOME	3		/* of these, for orders between */

FIXTURE(size)
{
	size_t page;
};

FIXTURE_VARIANT(size)
{
	const char *node;
	unsigned int strategy, flags;
};

FIXTURE_VARIANT_ADD(size, eager)
{
	.node = "/dev/faultmap/pages-eager",
	.strategy = FAULTMAP_STRATEGY_EAGER,
};

FIXTURE_VARIANT_ADD(size, batched)
{
	.node = "/dev/faultmap/pages-eager",
	.strategy = FAULTMAP_STRATEGY_EAGER,
	.flags = FAULTMAP_CREATE_BATCHED,
};

FIXTURE_VARIANT_ADD(size, lazy)
{
	.node = "/dev/faultmap/pages-lazy",
	.strategy = FAULTMAP_STRATEGY_LAZY,
};

FIXTURE_VARIANT_ADD(size, eager_page)
{
	.node = "/dev/faultmap/pages-eager-page",
	.strategy = FAULTMAP_STRATEGY_EAGER_PAGE,
};

FIXTURE_VARIANT_ADD(size, lazy_pfn)
{
	.node = "/dev/faultmap/pages-lazy-pfn",
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
};

FIXTURE_VARIANT_ADD(size, lazy_on_demand)
{
	.node = "/dev/faultmap/pages-lazy",
	.strategy = FAULTMAP_STRATEGY_LAZY,
	.flags = FAULTMAP_CREATE_ON_DEMAND,
};

FIXTURE_VARIANT_ADD(size, lazy_pfn_on_demand)
{
	.node = "/dev/faultmap/pages-lazy-pfn",
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
	.flags = FAULTMAP_CREATE_ON_DEMAND,
};

FIXTURE_SETUP(size)
{
	self->page = fm_page_size();
	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	if (variant->flags & FAULTMAP_CREATE_BATCHED && !fm_batches())
		SKIP(return, "this kernel has no apply_to_page_range() for modules");
}

FIXTURE_TEARDOWN(size)
{
}

static int create(const FIXTURE_DATA(size) *self, const FIXTURE_VARIANT(size) *variant,
		  unsigned int order, size_t pages)
{
	return fm_create_as((struct faultmap_create){
		.bytes = pages * self->page,
		.memory = FAULTMAP_MEMORY_PAGES,
		.strategy = variant->strategy,
		.order = order,
		.flags = variant->flags,
	});
}

static int resize(int fd, size_t pages)
{
	struct faultmap_resize arg = { .bytes = pages * fm_page_size() };

	return fm_errno(ioctl(fd, FAULTMAP_RESIZE, &arg));
}

/* Gives each page a word of its own; true if all of them took it. */
static bool mark(int fd, size_t pages, size_t round)
{
	uint64_t word;
	size_t i;

	for (i = 0; i < pages; i++) {
		word = fm_stamp_word(i, round);
		if (pwrite(fd, &word, sizeof(word), i * fm_page_size()) !=
		    sizeof(word))
			return false;
	}
	return true;
}

/* Which page a word was given to. */
static long page_of(uint64_t word)
{
	return word ? (long)((word & 0xffffffff) >> 12) : -1;
}

static size_t wrong_by_read(int fd, size_t pages, size_t round)
{
	size_t i, wrong = 0;
	uint64_t word;

	for (i = 0; i < pages; i++)
		if (pread(fd, &word, sizeof(word), i * fm_page_size()) != sizeof(word) ||
		    word != fm_stamp_word(i, round))
			wrong++;
	return wrong;
}

struct look {
	char *map;
	size_t first, pages, round, wrong;
};

static void look_at_each(void *arg)
{
	struct look *look = arg;
	uint64_t word;
	size_t i;

	for (i = 0; i < look->pages; i++) {
		word = *(volatile uint64_t *)(look->map + i * fm_page_size());
		if (word == fm_stamp_word(look->first + i, look->round))
			continue;
		if (!look->wrong++)
			printf("# page %zu shows %ld\n", look->first + i,
			       page_of(word));
	}
}

/* Where 2 MiB fit as a whole, unless @odd. */
static char *map_at(int fd, size_t first, size_t pages, size_t odd)
{
	size_t page = fm_page_size(), align = TABLE * page;
	char *room = fm_reserve(pages + 2 * TABLE + odd);

	if (room == MAP_FAILED)
		return room;
	room += align - (uintptr_t)room % align + (first % TABLE + odd) * page;
	return mmap(room, pages * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		    fd, first * page);
}

static void unmap(char *map, size_t pages)
{
	size_t page = fm_page_size(), align = TABLE * page;
	char *room = map - (uintptr_t)map % align;

	munmap(room, pages * page + align);
}

static size_t wrong_by_map(int fd, size_t first, size_t pages, size_t round, size_t odd)
{
	struct look look = { .first = first, .pages = pages, .round = round };

	look.map = map_at(fd, first, pages, odd);
	if (look.map == MAP_FAILED)
		return pages;
	if (fm_guarded(look_at_each, &look))
		look.wrong = pages;
	unmap(look.map, pages);
	return look.wrong;
}

/* Of what shows in a mapping of all pages, in one that fits nowhere, and of the end. */
static size_t wrong_pages(int fd, size_t pages, size_t round)
{
	size_t last = (pages - 1) / TABLE * TABLE;

	return wrong_by_read(fd, pages, round) + wrong_by_map(fd, 0, pages, round, 0) +
	       wrong_by_map(fd, 0, pages, round, 3) +
	       wrong_by_map(fd, last, pages - last, round, 0);
}

static void run_step(struct __test_metadata *_metadata, FIXTURE_DATA(size) *self,
		     const FIXTURE_VARIANT(size) *variant, unsigned int order,
		     size_t from, size_t to)
{
	size_t left = from < to ? from : to;
	int fd = create(self, variant, order, from);

	ASSERT_LE(0, fd);
	ASSERT_TRUE(mark(fd, from, 1));
	EXPECT_EQ(0, wrong_by_map(fd, 0, from, 1, 0))
		TH_LOG("%zu pages of order %u", from, order);
	ASSERT_EQ(0, resize(fd, to));
	EXPECT_EQ(0, wrong_by_map(fd, 0, left, 1, 0))
		TH_LOG("what is left, %zu to %zu pages of order %u", from, to, order);
	ASSERT_TRUE(mark(fd, to, 2));
	EXPECT_EQ(0, wrong_pages(fd, to, 2))
		TH_LOG("%zu to %zu pages of order %u", from, to, order);
	close(fd);
}

TEST_F(size, any_to_any_in_blocks_of_any_order)
{
	unsigned int order;
	size_t i, n;

	for (order = 0; order <= fm_largest_order(); order++) {
		n = !order || order == 3 || order >= fm_pmd_order() ? STEPS : SOME;
		for (i = 0; i < n; i++)
			run_step(_metadata, self, variant, order, steps[i].from,
				 steps[i].to);
	}
}

/* One buffer that goes on and on, and a mapping that was there before. */
TEST_F(size, many_steps)
{
	static const size_t sizes[] = {
		100, 612, 1124, 511, 1023, 1024, 513, 2048, 2047, 1, 2, 514, 1600, 1601,
	};
	int fd = create(self, variant, fm_pmd_order(), 1);
	size_t i;

	ASSERT_LE(0, fd);
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		ASSERT_EQ(0, resize(fd, sizes[i]));
		ASSERT_TRUE(mark(fd, sizes[i], i));
		EXPECT_EQ(0, wrong_pages(fd, sizes[i], i))
			TH_LOG("step %zu, %zu pages", i, sizes[i]);
	}
	close(fd);
}

/* The mapping is as large as the buffer will be, and touched as that grows into it. */
TEST_F(size, grows_into_a_mapping)
{
	int fd = create(self, variant, fm_pmd_order(), 2048);
	struct look look = { .pages = 2048, .round = 7 };
	size_t step;

	if (variant->strategy == FAULTMAP_STRATEGY_EAGER && !variant->flags) {
		close(fd);
		SKIP(return, "what is taken from an eager mapping does not come back");
	}
	ASSERT_LE(0, fd);
	look.map = map_at(fd, 0, 2048, 0);
	ASSERT_NE(MAP_FAILED, look.map);
	ASSERT_EQ(0, resize(fd, 1));
	for (step = 1; step < 2048; step += step < 600 ? 173 : 511) {
		ASSERT_EQ(0, resize(fd, step));
		EXPECT_EQ(0, fm_read_at(look.map + (step - 1) * self->page));
		EXPECT_EQ(SIGBUS, fm_read_at(look.map + step * self->page));
	}
	ASSERT_EQ(0, resize(fd, 2048));
	ASSERT_TRUE(mark(fd, 2048, look.round));
	ASSERT_EQ(0, fm_guarded(look_at_each, &look));
	EXPECT_EQ(0, look.wrong);
	EXPECT_EQ(0, wrong_by_read(fd, 2048, look.round));
	unmap(look.map, 2048);
	close(fd);
}

/* The nodes of a kind of memory show one buffer: all strategies look at one size. */
TEST_F(size, node_of_any_size)
{
	static const size_t sizes[] = { 100, 2048, 511, 1535, 513, 1, 1024 };
	struct faultmap_info info = { 0 };
	int fd = open(variant->node, O_RDWR | O_CLOEXEC);
	size_t i;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		ASSERT_EQ(0, resize(fd, sizes[i]));
		ASSERT_TRUE(mark(fd, sizes[i], i));
		EXPECT_EQ(0, wrong_pages(fd, sizes[i], i))
			TH_LOG("step %zu, %zu pages", i, sizes[i]);
	}
	EXPECT_EQ(0, resize(fd, info.bytes / self->page));
	close(fd);
}

static unsigned long extents(int fd)
{
	struct faultmap_info info = { 0 };

	ioctl(fd, FAULTMAP_INFO, &info);
	return info.extents;
}

/* No block of the wanted order is free: smaller ones are taken. */
static void fall_back(struct __test_metadata *_metadata, FIXTURE_DATA(size) *self,
		      const FIXTURE_VARIANT(size) *variant)
{
	static const unsigned int orders[] = { 0, 4, 8, 9, 10 };
	static const size_t sizes[][2] = { { 2048, 2560 }, { 700, 1212 }, { 513, 100 } };
	size_t i, j;

	for (i = 0; i < sizeof(orders) / sizeof(*orders); i++)
		for (j = 0; j < sizeof(sizes) / sizeof(*sizes); j++)
			run_step(_metadata, self, variant, orders[i], sizes[j][0],
				 sizes[j][1]);
}

#define SOAKED	96

/* The large blocks that are left, as those that CPUs keep for themselves. */
struct soaked {
	int fd[SOAKED];
	size_t n;
};

/* Holds such blocks until one comes in pieces; false if there is no end to them. */
static bool soak_up(const FIXTURE_DATA(size) *self,
		    const FIXTURE_VARIANT(size) *variant, struct soaked *soaked)
{
	int fd;

	while (soaked->n < SOAKED) {
		fd = create(self, variant, fm_pmd_order(), TABLE);
		if (fd < 0)
			return false;
		soaked->fd[soaked->n++] = fd;
		if (extents(fd) > 1)
			return true;
	}
	return false;
}

#define ROUNDS	8
#define KEPT	4		/* blocks in each that come free one by one */

struct kept {
	int fd[KEPT];
	useconds_t delay;	/* before each */
};

static void *release_each(void *arg)
{
	struct kept *kept = arg;
	size_t i;

	for (i = 0; i < KEPT; i++) {
		usleep(kept->delay);
		close(kept->fd[i]);
	}
	return NULL;
}

static useconds_t time_to_create(const FIXTURE_DATA(size) *self,
				 const FIXTURE_VARIANT(size) *variant)
{
	struct timespec from, to;
	int fd;

	clock_gettime(CLOCK_MONOTONIC, &from);
	fd = create(self, variant, fm_pmd_order(), 5 * TABLE);
	clock_gettime(CLOCK_MONOTONIC, &to);
	close(fd);
	return (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
}

/*
 * Large blocks come free while smaller ones are taken, sooner in one round and later
 * in another: who takes one as it comes takes it at an odd offset.
 */
static void come_free(struct __test_metadata *_metadata, FIXTURE_DATA(size) *self,
		      const FIXTURE_VARIANT(size) *variant, struct kept *kept,
		      unsigned int round)
{
	pthread_t thread;
	int fd;

	kept->delay = time_to_create(self, variant) * (round + 1) / ROUNDS / (KEPT + 1);
	ASSERT_EQ(0, pthread_create(&thread, NULL, release_each, kept));
	fd = create(self, variant, fm_pmd_order(), 5 * TABLE);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(mark(fd, 5 * TABLE, 1));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, wrong_pages(fd, 5 * TABLE, 1));
	close(fd);
}

TEST_F(size, in_fragmented_memory)
{
	struct fm_fragmented fragmented;
	struct soaked soaked = { .n = 0 };
	struct kept kept[ROUNDS];
	size_t i, j;
	int ret;

	if (variant->flags & FAULTMAP_CREATE_ON_DEMAND)
		SKIP(return, "demand_test.small_blocks_count_as_small is for this");
	/* What one CPU frees another need not find. */
	ASSERT_TRUE(fm_run_on(0, 0));
	for (i = 0; i < ROUNDS; i++) {
		for (j = 0; j < KEPT; j++) {
			kept[i].fd[j] = create(self, variant, fm_pmd_order(), TABLE);
			ASSERT_LE(0, kept[i].fd[j]);
		}
	}
	ret = fm_fragment(&fragmented, 7);
	if (ret == -EOPNOTSUPP)
		SKIP(return, "this kernel has no huge pages to take memory by");
	ASSERT_EQ(0, ret);
	EXPECT_TRUE(soak_up(self, variant, &soaked));
	fall_back(_metadata, self, variant);
	for (i = 0; i < ROUNDS; i++) {
		EXPECT_TRUE(soak_up(self, variant, &soaked));
		come_free(_metadata, self, variant, &kept[i], i);
	}
	fm_defragment(&fragmented);
	while (soaked.n)
		close(soaked.fd[--soaked.n]);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers on demand: which memory comes into being by what, who pays for it, what
 * happens where there is none, and when it goes.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

#include "fragment.h"
#include "memcg.h"
#include "module_fixture.h"

FIXTURE(demand)
{
	size_t page, block;	/* that a touch brings, in pages */
	size_t pages;		/* of the buffer, some blocks */
	int fd;
};

FIXTURE_VARIANT(demand)
{
	unsigned int memory, strategy, order, window;
	size_t block;
};

#define WHOLE_TABLE	SIZE_MAX	/* a block of as many pages as a page table has */

FIXTURE_VARIANT_ADD(demand, pages_lazy) {
	.strategy = FAULTMAP_STRATEGY_LAZY, .window = 1, .block = 1,
};

FIXTURE_VARIANT_ADD(demand, pages_lazy_window) {
	.strategy = FAULTMAP_STRATEGY_LAZY, .window = 16, .block = 1,
};

FIXTURE_VARIANT_ADD(demand, pages_lazy_pfn) {
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN, .window = 1, .block = 1,
};

FIXTURE_VARIANT_ADD(demand, pages_lazy_pfn_window) {
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN, .block = 1,
};

FIXTURE_VARIANT_ADD(demand, pages_lazy_blocks) {
	.strategy = FAULTMAP_STRATEGY_LAZY, .window = 1, .order = 3, .block = 8,
};

FIXTURE_VARIANT_ADD(demand, pages_lazy_huge) {
	.strategy = FAULTMAP_STRATEGY_LAZY, .window = 1,
	.order = FM_PMD_ORDER, .block = WHOLE_TABLE,
};

FIXTURE_VARIANT_ADD(demand, pages_lazy_pfn_huge) {
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN, .order = FM_PMD_ORDER, .block = WHOLE_TABLE,
};

FIXTURE_VARIANT_ADD(demand, vmalloc_lazy) {
	.memory = FAULTMAP_MEMORY_VMALLOC, .strategy = FAULTMAP_STRATEGY_LAZY,
	.window = 1, .block = 16,
};

FIXTURE_VARIANT_ADD(demand, vmalloc_lazy_window) {
	.memory = FAULTMAP_MEMORY_VMALLOC, .strategy = FAULTMAP_STRATEGY_LAZY, .block = 16,
};

FIXTURE_VARIANT_ADD(demand, vmalloc_lazy_pfn) {
	.memory = FAULTMAP_MEMORY_VMALLOC, .strategy = FAULTMAP_STRATEGY_LAZY_PFN,
	.block = 16,
};

static int create(const FIXTURE_VARIANT(demand) *variant, unsigned int strategy, size_t pages)
{
	return fm_create_as((struct faultmap_create){
		.bytes = pages * fm_page_size(),
		.memory = variant->memory,
		.strategy = strategy,
		.order = variant->order,
		.window = fm_has_window(strategy) ? variant->window : 1,
		.flags = FAULTMAP_CREATE_ON_DEMAND,
	});
}

FIXTURE_SETUP(demand)
{
	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	self->page = fm_page_size();
	self->block = variant->block == WHOLE_TABLE ? fm_table_pages() : variant->block;
	self->pages = 4 * self->block;
	/* Large blocks are to be had. */
	if (variant->order)
		fm_put("/proc/sys/vm/compact_memory", "1");
	self->fd = create(variant, variant->strategy, self->pages);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(demand)
{
	close(self->fd);
}

/* In pages. */
static size_t held(int fd)
{
	struct faultmap_info info;

	return ioctl(fd, FAULTMAP_INFO, &info) ? (size_t)-1 : info.held / fm_page_size();
}

static int resize(int fd, size_t pages)
{
	struct faultmap_resize arg = { .bytes = pages * fm_page_size() };

	return fm_errno(ioctl(fd, FAULTMAP_RESIZE, &arg));
}

static char *map(const FIXTURE_DATA(demand) *self)
{
	return mmap(NULL, self->pages * self->page, PROT_READ | PROT_WRITE, MAP_SHARED,
		    self->fd, 0);
}

static bool is_zero(const char *bytes, size_t n)
{
	return !*bytes && !memcmp(bytes, bytes + 1, n - 1);
}

/* A block for each touch, wherever it is, by reading or writing; the rest stays as it is. */
TEST_F(demand, touch_brings_its_block)
{
	static const size_t order[] = { 2, 0, 3, 1 };
	char *at = map(self);
	struct faultmap_info info;

	ASSERT_NE(MAP_FAILED, at);
	EXPECT_EQ(0, held(self->fd));
	for (size_t i = 0; i < 4; i++) {
		size_t first = order[i] * self->block;
		size_t touched = first + i % self->block;

		EXPECT_EQ(0, (i % 2 ? fm_write_at : fm_read_at)(at + touched * self->page));
		EXPECT_EQ((i + 1) * self->block, held(self->fd));
	}
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_INFO, &info));
	EXPECT_EQ(FAULTMAP_INFO_PRIVATE | FAULTMAP_INFO_ON_DEMAND, info.flags);
	EXPECT_LE(1, info.extents);
	EXPECT_GE(self->pages, info.extents);
	for (size_t i = 0; i < self->pages; i++)
		fm_stamp_page(at + i * self->page, i);
	EXPECT_STAMPS(at, 0, self->pages);
	EXPECT_EQ(self->pages, held(self->fd));
}

/* What was never touched reads as zeroes, is not there for that, and is when written. */
TEST_F(demand, read_allocates_nothing)
{
	size_t bytes = self->pages * self->page;
	char *buf = malloc(bytes);

	ASSERT_NE(NULL, buf);
	memset(buf, 1, bytes);
	ASSERT_EQ(bytes, pread(self->fd, buf, bytes, 0));
	EXPECT_TRUE(is_zero(buf, bytes));
	EXPECT_EQ(0, held(self->fd));
	EXPECT_EQ(1, pwrite(self->fd, "x", 1, bytes - 1));
	EXPECT_EQ(self->block, held(self->fd));
	memset(buf, 1, bytes);
	ASSERT_EQ(bytes, pread(self->fd, buf, bytes, 0));
	EXPECT_TRUE(is_zero(buf, bytes - 1));
	EXPECT_EQ('x', buf[bytes - 1]);
	free(buf);
}

/* A block that lies beyond the new end goes, and what grows again is not there, and zero. */
TEST_F(demand, shrink_frees)
{
	char *at = map(self), *buf;
	size_t i;

	ASSERT_NE(MAP_FAILED, at);
	for (i = 0; i < self->pages; i++)
		fm_stamp_page(at + i * self->page, i);
	ASSERT_EQ(0, resize(self->fd, self->block));
	EXPECT_EQ(self->block, held(self->fd));
	ASSERT_EQ(0, resize(self->fd, self->pages));
	EXPECT_EQ(self->block, held(self->fd));
	EXPECT_STAMPS(at, 0, self->block);
	buf = malloc(self->page);
	ASSERT_NE(NULL, buf);
	ASSERT_EQ(self->page, pread(self->fd, buf, self->page, self->block * self->page));
	EXPECT_TRUE(is_zero(buf, self->page));
	for (i = self->block; i < self->pages; i++)
		EXPECT_TRUE(is_zero(at + i * self->page, self->page));
	EXPECT_EQ(self->pages, held(self->fd));
	free(buf);
}

/* A shrink through a block leaves it, and nothing of it shows when the buffer grows. */
TEST_F(demand, cut_block_shows_nothing)
{
	char *at = map(self);
	size_t i, keep = self->block / 2 + 1;

	ASSERT_NE(MAP_FAILED, at);
	if (self->block == 1)
		SKIP(return, "a block is a page");
	for (i = 0; i < self->block; i++)
		fm_stamp_page(at + i * self->page, i);
	ASSERT_EQ(0, resize(self->fd, keep));
	EXPECT_LE(keep, held(self->fd));
	EXPECT_EQ(SIGBUS, fm_read_at(at + keep * self->page));
	ASSERT_EQ(0, resize(self->fd, self->pages));
	EXPECT_STAMPS(at, 0, keep);
	for (i = keep; i < self->pages; i++)
		EXPECT_TRUE(is_zero(at + i * self->page, self->page));
	EXPECT_EQ(self->pages, held(self->fd));
}

static const struct {
	unsigned int strategy, window;
} by_frame[] = {
	{ FAULTMAP_STRATEGY_LAZY_PFN, 0 }, { FAULTMAP_STRATEGY_LAZY_PFN, 512 },
	{ FAULTMAP_STRATEGY_EAGER, 1 },
};

/*
 * Nor when it is mapped anew: a window or a remap from the pages that are left ends with
 * them, or goes on with new ones.
 */
TEST_F(demand, cut_block_has_no_run)
{
	size_t bytes = self->pages * self->page, keep = 3;

	for (size_t i = 0; i < sizeof(by_frame) / sizeof(*by_frame); i++) {
		int fd = fm_create_as((struct faultmap_create){
			.bytes = bytes, .memory = variant->memory, .order = variant->order,
			.strategy = by_frame[i].strategy, .window = by_frame[i].window,
			.flags = FAULTMAP_CREATE_ON_DEMAND,
		});
		char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		ASSERT_NE(MAP_FAILED, at);
		for (size_t j = 0; j < self->pages; j++)
			fm_stamp_page(at + j * self->page, j);
		munmap(at, bytes);
		ASSERT_EQ(0, resize(fd, keep));
		ASSERT_EQ(0, resize(fd, self->pages));
		ASSERT_EQ(0, ioctl(fd, FAULTMAP_STATS_RESET));
		at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, at);
		EXPECT_STAMPS(at, 0, 1);
		EXPECT_GE(held(fd), fm_stats(fd).pages_installed);
		EXPECT_STAMPS(at, 0, keep);
		for (size_t j = keep; j < self->pages; j++)
			EXPECT_TRUE(is_zero(at + j * self->page, self->page));
		munmap(at, bytes);
		close(fd);
	}
}

/* Sizes that no block fits: smaller ones at the end, and every page has its own bytes. */
TEST_F(demand, odd_sizes)
{
	for (size_t pages = 1; pages <= 2 * self->block + 1; pages += pages / 3 + 1) {
		int fd = create(variant, variant->strategy, pages);
		char *at = mmap(NULL, pages * self->page, PROT_READ | PROT_WRITE,
				MAP_SHARED, fd, 0);

		ASSERT_NE(MAP_FAILED, at);
		for (size_t i = pages; i-- > 0; )
			fm_stamp_page(at + i * self->page, i);
		EXPECT_STAMPS(at, 0, pages);
		EXPECT_EQ(pages, held(fd));
		munmap(at, pages * self->page);
		close(fd);
	}
}

/* An eager mapping touches what it maps, and no more. */
TEST_F(demand, eager_has_what_it_maps)
{
	static const unsigned int eager[] = {
		FAULTMAP_STRATEGY_EAGER, FAULTMAP_STRATEGY_EAGER_PAGE,
	};

	for (size_t i = 0; i < 2; i++) {
		int fd = create(variant, eager[i], self->pages);
		char *at = mmap(NULL, self->block * self->page, PROT_READ | PROT_WRITE,
				MAP_SHARED, fd, self->block * self->page);

		ASSERT_NE(MAP_FAILED, at);
		EXPECT_EQ(self->block, held(fd));
		for (size_t j = 0; j < self->block; j++)
			fm_stamp_page(at + j * self->page, j);
		EXPECT_STAMPS(at, 0, self->block);
		close(fd);
	}
}

/* Memory that has just come into being is mapped by one entry, where that fits. */
TEST_F(demand, huge_at_the_first_touch)
{
	struct faultmap_stats stats;
	char *at = map(self);

	if (variant->strategy != FAULTMAP_STRATEGY_LAZY_PFN || self->block < fm_table_pages() ||
	    !fm_maps_by_pmd())
		SKIP(return, "no PMD is mapped at once");
	ASSERT_NE(MAP_FAILED, at);
	EXPECT_EQ(0, fm_write_at(at + (self->block + 7) * self->page));
	stats = fm_stats(self->fd);
	EXPECT_EQ(1, stats.huge_faults);
	EXPECT_EQ(fm_table_pages(), stats.pages_installed);
}

/* A private mapping's read brings the page that its write copies. */
TEST_F(demand, private_write_copies)
{
	char *at = mmap(NULL, self->pages * self->page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE, self->fd, 0);
	char byte = 1;

	if (variant->strategy == FAULTMAP_STRATEGY_LAZY_PFN) {
		EXPECT_EQ(MAP_FAILED, at);
		return;
	}
	ASSERT_NE(MAP_FAILED, at);
	EXPECT_EQ(0, fm_write_at(at));
	EXPECT_EQ(self->block, held(self->fd));
	EXPECT_EQ(1, pread(self->fd, &byte, 1, 0));
	EXPECT_EQ(0, byte);
}

#define THREADS	8

struct racer {
	pthread_t thread;
	pthread_barrier_t *start;
	char *at;
	size_t pages, page, first;
	size_t wrong;
};

/* Stamps every THREADS-th page, when all are ready. */
static void *race(void *arg)
{
	struct racer *racer = arg;
	size_t i;

	pthread_barrier_wait(racer->start);
	for (i = racer->first; i < racer->pages; i += THREADS) {
		uint64_t *word = (uint64_t *)(racer->at + i * racer->page);

		racer->wrong += *word != 0;
		*word = i + 1;
	}
	return NULL;
}

/* Threads that touch at once get one block, not two, and nobody's bytes are lost. */
TEST_F(demand, one_block_for_all)
{
	struct racer racer[THREADS];
	pthread_barrier_t start;
	size_t i, round, wrong = 0;

	pthread_barrier_init(&start, NULL, THREADS);
	for (round = 0; round < 20; round++) {
		int fd = create(variant, variant->strategy, self->pages);
		char *at = mmap(NULL, self->pages * self->page, PROT_READ | PROT_WRITE,
				MAP_SHARED, fd, 0);

		ASSERT_NE(MAP_FAILED, at);
		for (i = 0; i < THREADS; i++) {
			racer[i] = (struct racer){
				.start = &start, .at = at, .pages = self->pages,
				.page = self->page, .first = i,
			};
			ASSERT_EQ(0, pthread_create(&racer[i].thread, NULL, race, &racer[i]));
		}
		for (i = 0; i < THREADS; i++) {
			pthread_join(racer[i].thread, NULL);
			wrong += racer[i].wrong;
		}
		for (i = 0; i < self->pages; i++)
			wrong += *(uint64_t *)(at + i * self->page) != i + 1;
		EXPECT_EQ(self->pages, held(fd));
		munmap(at, self->pages * self->page);
		close(fd);
	}
	EXPECT_EQ(0, wrong);
}

/* Who is killed while an eager mapping gets its memory does not wait for all of it. */
TEST_F(demand, eager_mapping_can_be_killed)
{
	size_t bytes = 512UL << 20;
	int fd = create(variant, FAULTMAP_STRATEGY_EAGER, bytes / self->page), status;
	pid_t pid;

	ASSERT_LE(0, fd);
	pid = fork();
	if (!pid) {
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		_exit(0);
	}
	while (!held(fd))
		usleep(1000);
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_GT(bytes / self->page, held(fd));
	close(fd);
}

/* What @arg describes is written, page after page. */
struct maker {
	pthread_t thread;
	int fd;
	size_t pages;
	volatile bool done;
};

static void *make_all(void *arg)
{
	struct sched_param idle = { 0 };
	struct maker *maker = arg;
	size_t i;

	/* So that another thread comes in between, on this CPU. */
	sched_setscheduler(0, SCHED_BATCH, &idle);
	fm_run_on(0, 0);
	for (i = 0; i < maker->pages; i++)
		if (pwrite(maker->fd, "", 1, i * fm_page_size()) != 1)
			break;
	maker->done = true;
	return NULL;
}

static bool run_first(int policy)
{
	struct sched_param param = { .sched_priority = policy == SCHED_FIFO ? 50 : 0 };

	return !sched_setscheduler(0, policy, &param);
}

/*
 * A block whose pages do not count yet, since who makes it has lost the CPU to who looks
 * at the block before it, as INFO and a window do.
 */
TEST_F(demand, half_made_is_not_gone_on_with)
{
	size_t bytes = 32 << 20, all = bytes / self->page, asked = 0, page;
	time_t end = time(NULL) + 1;

	ASSERT_TRUE(fm_run_on(0, 0));
	do {
		struct maker maker = {
			.fd = create(variant, FAULTMAP_STRATEGY_LAZY_PFN, all),
			.pages = all,
		};
		char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
				maker.fd, 0);

		ASSERT_NE(MAP_FAILED, at);
		ASSERT_EQ(0, pthread_create(&maker.thread, NULL, make_all, &maker));
		while (!maker.done) {
			ASSERT_TRUE(run_first(SCHED_FIFO));
			usleep(20 + rand() % 400);
			page = held(maker.fd);
			ASSERT_TRUE(run_first(SCHED_OTHER));
			if (page)
				fm_read_at(at + (page - 1) * self->page);
			asked++;
		}
		pthread_join(maker.thread, NULL);
		munmap(at, bytes);
		close(maker.fd);
	} while (time(NULL) < end);
	EXPECT_LT(0, asked);
}

/* Who touches pays: not who created the buffer. */
TEST_F(demand, charged_to_who_touches)
{
	size_t pages = (8 << 20) / self->page;
	int fd = create(variant, variant->strategy, pages);
	char *at = mmap(NULL, pages * self->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	long long before, touched;

	ASSERT_NE(MAP_FAILED, at);
	if (!fm_has_groups())
		SKIP(return, "no memory controller of cgroup v2");
	ASSERT_TRUE(fm_enter_group());
	before = fm_charged();
	for (size_t i = 0; i < pages; i++)
		at[i * self->page] = 1;
	touched = fm_charged() - before;
	munmap(at, pages * self->page);
	close(fd);
	fm_leave_group();
	EXPECT_LT(7 << 20, touched);
	EXPECT_GT(9 << 20, touched);
}

/* Touches until there is no more; what that raised, or -1. */
static int touch_in_full_group(const FIXTURE_DATA(demand) *self, char *at, size_t pages)
{
	int sig = 0;

	/*
	 * Page tables, and what it takes to get a signal, are there before: for those the
	 * kernel would kill somebody.
	 */
	for (size_t i = 0; i < pages; i += fm_table_pages())
		sig |= fm_write_at(at + i * self->page);
	if (sig || fm_write_at(NULL) != SIGSEGV || !fm_enter_group() ||
	    fm_put(FM_GROUP "/memory.max", "4M"))
		return -1;
	for (size_t i = 0; i < pages && !sig; i++)
		sig = fm_write_at(at + i * self->page);
	return sig;
}

/* A full group is SIGBUS for the one who touches, and nobody is killed. */
TEST_F(demand, full_group_is_sigbus)
{
	size_t pages = (16 << 20) / self->page;
	int fd = create(variant, variant->strategy, pages), status;
	char *at = mmap(NULL, pages * self->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	long kills;
	pid_t pid;

	if (self->block >= fm_table_pages())
		SKIP(return, "the group would be full when the kernel wants a page table");
	if (!fm_has_groups())
		SKIP(return, "no memory controller of cgroup v2");
	ASSERT_NE(MAP_FAILED, at);
	pid = fork();
	if (!pid)
		_exit(touch_in_full_group(self, at, pages));
	waitpid(pid, &status, 0);
	kills = fm_oom_kills();
	fm_leave_group();
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(SIGBUS, WEXITSTATUS(status));
	EXPECT_EQ(0, kills);
	/* Others may go on. */
	EXPECT_EQ(0, fm_write_at(at + (pages - 1) * self->page));
}

TEST_F(demand, refused_where_there_is_no_memory_to_choose)
{
	for (unsigned int memory = 0; memory <= FAULTMAP_MEMORY_COHERENT; memory++) {
		int fd = fm_create_as((struct faultmap_create){
			.bytes = self->page,
			.memory = memory,
			.strategy = FAULTMAP_STRATEGY_EAGER,
			.flags = FAULTMAP_CREATE_ON_DEMAND,
		});

		EXPECT_EQ(memory <= FAULTMAP_MEMORY_VMALLOC ? 0 : -EOPNOTSUPP,
			  fd < 0 ? fd : 0);
		close(fd);
	}
	EXPECT_EQ(-EOPNOTSUPP, fm_create_as((struct faultmap_create){
		.bytes = self->page,
		.strategy = FAULTMAP_STRATEGY_EAGER,
		.flags = FAULTMAP_CREATE_ON_DEMAND | FAULTMAP_CREATE_BATCHED,
	}));
}

/* max_total counts what is there, not what may come. */
TEST_F(module, limit_is_met_by_touches)
{
	size_t page = fm_page_size(), pages = (4 << 20) / page, i;
	struct faultmap_create create = {
		.bytes = 4 << 20, .strategy = FAULTMAP_STRATEGY_LAZY, .order = 9,
		.flags = FAULTMAP_CREATE_ON_DEMAND,
	};
	int fd, other, sig = 0;
	char *at;

	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load("max_total=5M"));
	fd = fm_create_as(create);
	other = fm_create_as(create);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, other);
	for (i = 0; i < pages; i++)
		ASSERT_EQ(1, pwrite(other, "", 1, i * page));
	EXPECT_EQ(pages, held(other));
	at = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, at);
	for (i = 0; i < pages && !sig; i++)
		sig = fm_write_at(at + i * page);
	EXPECT_EQ(SIGBUS, sig);
	/* To the last page: where no whole block fits, smaller ones come. */
	EXPECT_EQ((1 << 20) / page, held(fd));
	EXPECT_EQ(-ENOSPC, fm_errno(pwrite(fd, "", 1, 3 << 20)));
	create.strategy = FAULTMAP_STRATEGY_EAGER;
	i = fm_create_as(create);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page, PROT_READ, MAP_SHARED, i, 0));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(0, held(i));
	close(i);
	ASSERT_EQ(0, resize(other, 1));
	EXPECT_EQ(1, pwrite(fd, "", 1, 3 << 20));
	munmap(at, 4 << 20);
	close(other);
	close(fd);
}

#define SOAKED	96

/* Holds the large blocks that CPUs keep for themselves, until one comes in pieces. */
static size_t soak_up(int *fd)
{
	struct faultmap_info info;
	size_t n;

	for (n = 0; n < SOAKED; ) {
		fd[n] = fm_create_as((struct faultmap_create){
			.bytes = fm_pmd_size(), .strategy = FAULTMAP_STRATEGY_LAZY,
			.order = FM_PMD_ORDER,
		});
		if (fd[n] < 0)
			break;
		if (ioctl(fd[n++], FAULTMAP_INFO, &info) || info.extents > 1)
			break;
	}
	return n;
}

static const unsigned int in_blocks[] = {
	FAULTMAP_MEMORY_PAGES, FAULTMAP_MEMORY_DMA, FAULTMAP_MEMORY_COHERENT,
};

#define IN_BLOCKS	(sizeof(in_blocks) / sizeof(*in_blocks))

/* Of a buffer that would be one block: in pages. A shrink leaves the first of them whole. */
static size_t first_block(unsigned int memory)
{
	int fd = fm_create_as((struct faultmap_create){
		.bytes = fm_pmd_size(), .memory = memory, .strategy = FAULTMAP_STRATEGY_EAGER,
		.order = memory == FAULTMAP_MEMORY_PAGES ? FM_PMD_ORDER : 0,
	});
	size_t pages = 0;

	if (fd >= 0 && !resize(fd, 1))
		pages = held(fd);
	close(fd);
	return pages;
}

/* What became of blocks of order 9 where no large block is free. */
struct small_blocks {
	size_t extents;
	size_t first[IN_BLOCKS];
};

/* Returns what fm_fragment() does. */
static int write_in_fragments(struct __test_metadata *_metadata, struct small_blocks *found)
{
	size_t page = fm_page_size(), bytes = 4 << 20, pages = bytes / page, n;
	struct fm_fragmented fragmented;
	struct faultmap_info info = { 0 };
	int fd, ret, soaked[SOAKED];
	char *at;

	fd = fm_create_as((struct faultmap_create){
		.bytes = bytes, .strategy = FAULTMAP_STRATEGY_LAZY, .order = 9,
		.flags = FAULTMAP_CREATE_ON_DEMAND,
	});
	at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, at);
	ret = fm_fragment(&fragmented, 3);
	if (ret)
		return ret;
	n = soak_up(soaked);
	for (size_t i = 0; i < IN_BLOCKS; i++)
		found->first[i] = first_block(in_blocks[i]);
	for (size_t i = pages; i-- > 0; )
		fm_stamp_page(at + i * page, i);
	EXPECT_STAMPS(at, 0, pages);
	EXPECT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
	fm_defragment(&fragmented);
	while (n)
		close(soaked[--n]);
	EXPECT_EQ(bytes, info.held);
	found->extents = info.extents;
	munmap(at, bytes);
	close(fd);
	return 0;
}

/* On kernels that keep no folios, a shrink frees each page of a block. */
static bool are_small(const struct small_blocks *found)
{
	for (size_t i = 0; i < IN_BLOCKS; i++)
		if (found->first[i] < (in_blocks[i] || fm_maps_by_pmd() ? 2 : 1))
			return false;
	return found->extents > 2;
}

/*
 * Where no large block is free, small ones come, each at its place, and count as small;
 * and not smaller than there are. Others give back large blocks and take small ones
 * meanwhile, so a try that shows neither says nothing.
 */
TEST_F(module, small_blocks_count_as_small)
{
	struct small_blocks found = { 0 };
	int fd, ret;

	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load("max_total=200M"));
	/* What one CPU keeps another need not find. */
	ASSERT_TRUE(fm_run_on(0, 0));
	for (int i = 0; i < 3 && !are_small(&found); i++) {
		ret = write_in_fragments(_metadata, &found);
		if (ret == -EOPNOTSUPP)
			SKIP(return, "this kernel has no huge pages to take memory by");
		ASSERT_EQ(0, ret);
	}
	EXPECT_LT(2, found.extents);
	for (size_t i = 0; i < IN_BLOCKS; i++)
		TH_LOG("memory %u: a first block of %zu pages", in_blocks[i], found.first[i]);
	EXPECT_TRUE(are_small(&found));
	/* All that may be had is to be had again. */
	fd = fm_create(FAULTMAP_MEMORY_VMALLOC, FAULTMAP_STRATEGY_LAZY,
		       (200 << 20) / fm_page_size());
	EXPECT_LE(0, fd);
	close(fd);
}

/* The nodes, by a parameter. */
TEST_F(module, nodes_on_demand)
{
	static const char *const nodes[] = {
		"/dev/faultmap/pages-lazy", "/dev/faultmap/vmalloc-lazy",
		"/dev/faultmap/kmalloc-eager",
	};
	struct faultmap_info info;

	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load("on_demand=1 size=4M order=0"));
	for (size_t i = 0; i < 3; i++) {
		int fd = open(nodes[i], O_RDWR);

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
		EXPECT_EQ(i < 2 ? FAULTMAP_INFO_ON_DEMAND : FAULTMAP_INFO_ALLOCATED,
			  info.flags);
		EXPECT_EQ(i < 2 ? 0 : 4 << 20, info.held);
		close(fd);
	}
}

TEST_HARNESS_MAIN

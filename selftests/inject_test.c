// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every allocation of the driver fails, one after the other: the first of a call,
 * then the second, and so on until the call needs no more. Each time the call ends
 * with an errno that is documented, or does without; the same call then works; and
 * in the end no memory is missing.
 */
#include "inject.h"

#define BUFFER_PAGES	64
#define LEAK_PAGES	2048	/* what may come and go meanwhile */

/* What is free in all zones, with what each CPU keeps of them. */
static long free_pages(void)
{
	FILE *zones = fopen("/proc/zoneinfo", "r");
	long pages = 0, n;
	char line[128];

	while (zones && fgets(line, sizeof(line), zones))
		if (sscanf(line, " pages free %ld", &n) == 1 ||
		    sscanf(line, " count: %ld", &n) == 1)
			pages += n;
	if (zones)
		fclose(zones);
	return pages;
}

/* A call that is made to fail, on a buffer of one kind. */
struct subject {
	unsigned int memory, strategy, window, order, flags;
	int fd;
	char *map;
};

struct operation {
	const char *name;
	int (*prepare)(struct subject *subject);
	long (*call)(struct subject *subject);	/* 0 or more, or -errno */
	void (*undo)(struct subject *subject);
	int error;		/* what it may return besides -ENOMEM */
};

FIXTURE(inject)
{
	struct subject subject;
};

FIXTURE_VARIANT(inject)
{
	unsigned int memory, strategy, window, order, flags;
};

FIXTURE_VARIANT_ADD(inject, pages_eager)
{
	.memory = FAULTMAP_MEMORY_PAGES,
	.strategy = FAULTMAP_STRATEGY_EAGER,
};

FIXTURE_VARIANT_ADD(inject, pages_lazy)
{
	.memory = FAULTMAP_MEMORY_PAGES,
	.strategy = FAULTMAP_STRATEGY_LAZY,
	.window = 1,
};

FIXTURE_VARIANT_ADD(inject, pages_lazy_window)
{
	.memory = FAULTMAP_MEMORY_PAGES,
	.strategy = FAULTMAP_STRATEGY_LAZY,
	.window = 16,
};

FIXTURE_VARIANT_ADD(inject, pages_eager_page)
{
	.memory = FAULTMAP_MEMORY_PAGES,
	.strategy = FAULTMAP_STRATEGY_EAGER_PAGE,
};

FIXTURE_VARIANT_ADD(inject, pages_lazy_pfn)
{
	.memory = FAULTMAP_MEMORY_PAGES,
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
	.window = 1,
};

FIXTURE_VARIANT_ADD(inject, blocks_lazy_pfn)
{
	.memory = FAULTMAP_MEMORY_PAGES,
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
	.order = 4,
};

FIXTURE_VARIANT_ADD(inject, vmalloc_lazy)
{
	.memory = FAULTMAP_MEMORY_VMALLOC,
	.strategy = FAULTMAP_STRATEGY_LAZY,
};

FIXTURE_VARIANT_ADD(inject, kmalloc_eager)
{
	.memory = FAULTMAP_MEMORY_KMALLOC,
	.strategy = FAULTMAP_STRATEGY_EAGER,
};

FIXTURE_VARIANT_ADD(inject, dma_eager)
{
	.memory = FAULTMAP_MEMORY_DMA,
	.strategy = FAULTMAP_STRATEGY_EAGER,
};

FIXTURE_VARIANT_ADD(inject, dma_lazy_pfn)
{
	.memory = FAULTMAP_MEMORY_DMA,
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
	.window = 16,
};

FIXTURE_VARIANT_ADD(inject, coherent_eager)
{
	.memory = FAULTMAP_MEMORY_COHERENT,
	.strategy = FAULTMAP_STRATEGY_EAGER,
};

FIXTURE_VARIANT_ADD(inject, demand_eager)
{
	.memory = FAULTMAP_MEMORY_PAGES,
	.strategy = FAULTMAP_STRATEGY_EAGER,
	.flags = FAULTMAP_CREATE_ON_DEMAND,
};

FIXTURE_VARIANT_ADD(inject, demand_lazy)
{
	.memory = FAULTMAP_MEMORY_PAGES,
	.strategy = FAULTMAP_STRATEGY_LAZY,
	.order = 2,
	.flags = FAULTMAP_CREATE_ON_DEMAND,
};

FIXTURE_VARIANT_ADD(inject, demand_vmalloc_lazy_pfn)
{
	.memory = FAULTMAP_MEMORY_VMALLOC,
	.strategy = FAULTMAP_STRATEGY_LAZY_PFN,
	.flags = FAULTMAP_CREATE_ON_DEMAND,
};

FIXTURE_SETUP(inject)
{
	unsigned long start, end;

	if (!find_modules(&start, &end))
		SKIP(return, "faultmap is not loaded");
	if (!start_injecting(start, end))
		SKIP(return, "no fault injection: use KERNEL=sanitizer");
	self->subject = (struct subject){
		.memory = variant->memory,
		.strategy = variant->strategy,
		.window = variant->window,
		.order = variant->order,
		.flags = variant->flags,
		.fd = -1,
	};
}

FIXTURE_TEARDOWN(inject)
{
	stop_injecting();
}

static long create(struct subject *s)
{
	s->fd = fm_create_as((struct faultmap_create){
		.bytes = BUFFER_PAGES * fm_page_size(),
		.memory = s->memory,
		.strategy = s->strategy,
		.window = s->window,
		.order = s->order,
		.flags = s->flags,
	});
	return s->fd;
}

static void drop(struct subject *s)
{
	if (s->map)
		munmap(s->map, BUFFER_PAGES * fm_page_size());
	if (s->fd >= 0)
		close(s->fd);
	s->map = NULL;
	s->fd = -1;
}

/* Where nothing is near, so that page tables of all levels come and go with it. */
static long map_all(struct subject *s)
{
	char *want = (char *)(1UL << 44);
	char *map = mmap(want, BUFFER_PAGES * fm_page_size(),
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE,
			 s->fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	s->map = map;
	return 0;
}

static int create_and_stamp(struct subject *s)
{
	int fd = create(s);

	return fd < 0 ? fd : fm_stamp(fd, 0, BUFFER_PAGES) ? -errno : 0;
}

static int create_and_map(struct subject *s)
{
	return create_and_stamp(s) ?: map_all(s);
}

static int create_new(struct subject *s)
{
	return create(s);
}

static int create_and_map_new(struct subject *s)
{
	int fd = create(s);

	return fd < 0 ? fd : map_all(s);
}

/* On demand, with the memory for it. */
static long touch_new(struct subject *s)
{
	return fm_write_at(s->map + 3 * fm_page_size()) ? -EFAULT : 0;
}

/* A fault that finds no memory is tried again, by the kernel. */
static long touch_all(struct subject *s)
{
	size_t i, page = fm_page_size();

	for (i = 0; i < BUFFER_PAGES; i++)
		if (*(volatile uint64_t *)(s->map + i * page) !=
		    fm_stamp_word(i, 0))
			return -EILSEQ;
	return 0;
}

static long grow(struct subject *s)
{
	struct faultmap_resize arg = { .bytes = 2 * BUFFER_PAGES * fm_page_size() };

	return fm_errno(ioctl(s->fd, FAULTMAP_RESIZE, &arg));
}

static long shrink(struct subject *s)
{
	struct faultmap_resize arg = { .bytes = fm_page_size() };

	return fm_errno(ioctl(s->fd, FAULTMAP_RESIZE, &arg));
}

static long write_page(struct subject *s)
{
	char page[fm_page_size()];

	fm_stamp_page(page, 3);
	return fm_errno(pwrite(s->fd, page, sizeof(page), 3 * sizeof(page)));
}

/* On demand, there is no room where there is no memory. */
static long write_new(struct subject *s)
{
	long ret = write_page(s);

	return ret == -ENOSPC ? -ENOMEM : ret;
}

static long read_page(struct subject *s)
{
	char page[fm_page_size()];

	return fm_errno(pread(s->fd, page, sizeof(page), 3 * sizeof(page)));
}

static long open_again(struct subject *s)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
	fd = fm_errno(open(path, O_RDWR | O_CLOEXEC));
	if (fd >= 0)
		close(fd);
	return fd;
}

/* Of the memory that can be. */
static long export(struct subject *s)
{
	struct faultmap_export arg = { 0 };
	int fd = fm_errno(ioctl(s->fd, FAULTMAP_EXPORT, &arg));

	if (fd >= 0)
		close(fd);
	return fd == -EOPNOTSUPP ? 0 : fd;
}

static long ask(struct subject *s)
{
	struct faultmap_info info;
	struct faultmap_stats stats;

	return fm_errno(ioctl(s->fd, FAULTMAP_INFO, &info) ?:
			ioctl(s->fd, FAULTMAP_STATS, &stats));
}

static const struct operation operations[] = {
	{ "CREATE", NULL, create, drop, EFAULT },
	{ "mmap", create_and_stamp, map_all, drop, 0 },
	{ "touch", create_and_map, touch_all, drop, 0 },
	{ "write", create_and_stamp, write_page, drop, EFAULT },
	{ "mmap of a new one", create_new, map_all, drop, 0 },
	{ "touch of a new one", create_and_map_new, touch_new, drop, EFAULT },
	{ "write to a new one", create_new, write_new, drop, EFAULT },
	{ "read", create_and_stamp, read_page, drop, EFAULT },
	{ "open again", create_and_stamp, open_again, drop, 0 },
	{ "RESIZE, grow", create_and_stamp, grow, drop, EFAULT },
	{ "RESIZE, shrink", create_and_map, shrink, drop, EFAULT },
	{ "EXPORT", create_and_stamp, export, drop, EFAULT },
	{ "EXPORT of a new one", create_new, export, drop, EFAULT },
	{ "INFO, STATS", create_and_map, ask, drop, EFAULT },
};

#define MAX_NTH	100000

/* Makes the @nth allocation fail; true if there was one. */
static bool fail_one(struct __test_metadata *_metadata, struct subject *s,
		     const struct operation *op, unsigned int nth,
		     unsigned int *failed)
{
	bool injected;
	long ret;

	ASSERT_LE(0, op->prepare ? op->prepare(s) : 0);
	ASSERT_EQ(0, write_nth(nth));
	ret = op->call(s);
	injected = was_injected();
	if (ret < 0) {
		++*failed;
		EXPECT_TRUE(injected && (ret == -ENOMEM || ret == -op->error)) {
			TH_LOG("%s, %u: %s", op->name, nth, strerror(-ret));
		}
		/* What has failed has done nothing: it can be done now. */
		EXPECT_LE(0, op->call(s)) {
			TH_LOG("%s again, after %u", op->name, nth);
		}
	}
	op->undo(s);
	return injected;
}

static void fail_each(struct __test_metadata *_metadata, struct subject *s,
		      const struct operation *op)
{
	unsigned int nth, failed = 0;

	for (nth = 1; nth < MAX_NTH; nth++)
		if (!fail_one(_metadata, s, op, nth, &failed))
			break;
	printf("# inject: %s: %u faults, %u failures\n", op->name, nth - 1,
	       failed);
	EXPECT_GT(MAX_NTH, nth);
}

TEST_F(inject, every_call)
{
	long before, lost;
	size_t i;

	/* 6.1's harness runs what its fixture has skipped. */
	if (fail_nth < 0)
		SKIP(return, "no fault injection: use KERNEL=sanitizer");

	/* What the first use of anything leaves behind is no leak. */
	for (i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		fail_one(_metadata, &self->subject, &operations[i], MAX_NTH,
			 &(unsigned int){ 0 });
	before = free_pages();
	for (i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		fail_each(_metadata, &self->subject, &operations[i]);
	lost = before - free_pages();
	EXPECT_GT(LEAK_PAGES, lost);
	printf("# inject: %ld pages less are free\n", lost);
}

TEST_HARNESS_MAIN

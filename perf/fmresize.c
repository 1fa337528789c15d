// SPDX-License-Identifier: GPL-2.0-only
/*
 * What changing the size of a buffer costs: by one page, whatever it has already,
 * and by many, beside what as many cost in a new buffer. A memfd is the reference,
 * which gets its pages in fallocate(2).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "common.h"
#include "faultmap_uapi.h"

#define MIB		(1UL << 20)
#define BULK		(32 * MIB)
#define TRIES		3

static const struct {
	const char *name;
	enum faultmap_memory_id id;
	__u32 order;
} memories[] = {
	{ "pages",	FAULTMAP_MEMORY_PAGES, 0 },
	{ "pages-2M",	FAULTMAP_MEMORY_PAGES, 9 },
	{ "vmalloc",	FAULTMAP_MEMORY_VMALLOC, 0 },
	{ "kmalloc",	FAULTMAP_MEMORY_KMALLOC, 0 },
	{ "dma",	FAULTMAP_MEMORY_DMA, 0 },
	{ "memfd",	0, 0 },
};

#define NR_MEMORIES	(sizeof(memories) / sizeof(*memories))
#define MEMFD		(NR_MEMORIES - 1)

static const size_t sizes[] = { MIB, 16 * MIB, 256 * MIB, 1024 * MIB };

static void die(const char *what)
{
	fprintf(stderr, "fmresize: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int create(size_t kind, size_t bytes)
{
	struct faultmap_create arg = {
		.bytes = bytes,
		.memory = memories[kind].id,
		.order = memories[kind].order,
		.strategy = FAULTMAP_STRATEGY_EAGER,
	};
	static int control = -1;
	int fd;

	if (kind == MEMFD) {
		fd = memfd_create("fmresize", 0);
		if (fd < 0 || fallocate(fd, 0, 0, bytes))
			die("memfd");
		return fd;
	}
	if (control < 0)
		control = open("/dev/faultmap/control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		die("/dev/faultmap/control: load the module");
	fd = ioctl(control, FAULTMAP_CREATE, &arg);
	if (fd < 0)
		die("FAULTMAP_CREATE");
	return fd;
}

static void resize(size_t kind, int fd, size_t from, size_t to)
{
	struct faultmap_resize arg = { .bytes = to };
	int ret;

	if (kind != MEMFD)
		ret = ioctl(fd, FAULTMAP_RESIZE, &arg);
	else if (to < from)
		ret = ftruncate(fd, to);
	else
		ret = fallocate(fd, 0, from, to - from);
	if (ret)
		die("a change of the size");
}

struct cost {
	__u64 grow, shrink, bulk, fresh;
};

static void lower(__u64 *least, __u64 since)
{
	__u64 took = fm_now_ns() - since;

	if (!*least || took < *least)
		*least = took;
}

/* New memory comes from the same free pages whether a buffer grows or is new. */
static void measure(size_t kind, int fd, size_t bytes, struct cost *cost)
{
	size_t page = fm_page_size();
	__u64 start;
	int fresh;

	/* The first page is the dearest: it may need room in the table. */
	if (!cost->grow) {
		start = fm_now_ns();
		resize(kind, fd, bytes, bytes + page);
		lower(&cost->grow, start);
		start = fm_now_ns();
		resize(kind, fd, bytes + page, bytes);
		lower(&cost->shrink, start);
	}
	start = fm_now_ns();
	resize(kind, fd, bytes, bytes + BULK);
	lower(&cost->bulk, start);
	resize(kind, fd, bytes + BULK, bytes);
	start = fm_now_ns();
	fresh = create(kind, BULK);
	lower(&cost->fresh, start);
	close(fresh);
}

/* In bulk, the least of a few, without what the kernel happens to do in between. */
static void print_cell(size_t kind, size_t bytes)
{
	struct cost cost = { 0 };
	int fd = create(kind, bytes);

	for (int i = 0; i < TRIES; i++)
		measure(kind, fd, bytes, &cost);
	close(fd);
	printf("%s,%zu,%llu,%llu,%llu,%llu\n", memories[kind].name, bytes,
	       cost.grow, cost.shrink, cost.bulk, cost.fresh);
	fflush(stdout);
}

int main(void)
{
	printf("memory,bytes,grow_page,shrink_page,grow_32M,create_32M\n");
	for (size_t kind = 0; kind < NR_MEMORIES; kind++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
			print_cell(kind, sizes[i]);
	return 0;
}

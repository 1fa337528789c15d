// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first use of memory: a new buffer is made, mapped, touched, unmapped and given
 * back. What all that costs, and how much memory the buffer held before it went.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "buffer.h"
#include "common.h"
#include "first.h"
#include "mapping.h"

#define BLOCK_ORDER	9

static const struct {
	const char *memory, *strategy;
	struct faultmap_create create;
} ways[] = {
	{ "pages", "eager", {
		.strategy = FAULTMAP_STRATEGY_EAGER, .order = BLOCK_ORDER,
	} },
	{ "pages", "batched", {
		.strategy = FAULTMAP_STRATEGY_EAGER, .order = BLOCK_ORDER,
		.flags = FAULTMAP_CREATE_BATCHED,
	} },
	{ "pages", "lazy", {
		.strategy = FAULTMAP_STRATEGY_LAZY, .order = BLOCK_ORDER,
	} },
	{ "pages", "on-demand", {
		.strategy = FAULTMAP_STRATEGY_LAZY, .flags = FAULTMAP_CREATE_ON_DEMAND,
	} },
	{ "memfd", "lazy", { } },
	{ "vmalloc", "eager", {
		.memory = FAULTMAP_MEMORY_VMALLOC, .strategy = FAULTMAP_STRATEGY_EAGER,
	} },
	{ "vmalloc", "batched", {
		.memory = FAULTMAP_MEMORY_VMALLOC, .strategy = FAULTMAP_STRATEGY_EAGER,
		.flags = FAULTMAP_CREATE_BATCHED,
	} },
	{ "vmalloc", "lazy", {
		.memory = FAULTMAP_MEMORY_VMALLOC, .strategy = FAULTMAP_STRATEGY_LAZY,
	} },
	{ "vmalloc", "on-demand", {
		.memory = FAULTMAP_MEMORY_VMALLOC, .strategy = FAULTMAP_STRATEGY_LAZY,
		.flags = FAULTMAP_CREATE_ON_DEMAND,
	} },
};

#define NR_WAYS	(sizeof(ways) / sizeof(*ways))
#define MEMFD	4	/* the reference */

/* FAULTMAP_CREATE_BATCHED needs a kernel that lets modules fill page tables. */
static bool is_offered(size_t way)
{
	struct faultmap_create create = ways[way].create;
	int fd;

	if (!(create.flags & FAULTMAP_CREATE_BATCHED))
		return true;
	create.bytes = fm_page_size();
	fd = ioctl(fm_control(), FAULTMAP_CREATE, &create);
	if (fd < 0)
		return errno != EOPNOTSUPP;
	close(fd);
	return true;
}

static int make(size_t way, size_t bytes)
{
	struct faultmap_create create = ways[way].create;
	int fd;

	create.bytes = bytes;
	fd = way == MEMFD ? memfd_create("fmbench", MFD_CLOEXEC) :
			    ioctl(fm_control(), FAULTMAP_CREATE, &create);
	if (fd < 0 || (way == MEMFD && ftruncate(fd, bytes)))
		exit_err("a new buffer of %s by %s: %s", ways[way].memory,
			 ways[way].strategy, strerror(errno));
	return fd;
}

/* In bytes. */
static __u64 held(size_t way, int fd)
{
	struct faultmap_info info;
	struct stat st;

	if (way == MEMFD)
		return fstat(fd, &st) ? 0 : st.st_blocks * 512ULL;
	if (ioctl(fd, FAULTMAP_INFO, &info))
		exit_err("FAULTMAP_INFO: %s", strerror(errno));
	return info.held;
}

struct first {
	__u64 ns, held;
};

/* Only the look at what is held is left out of the time. */
static struct first use_once(size_t way, const struct config *config, char *addr,
			     const struct plan *plan)
{
	struct source source = { .name = "a new buffer" };
	struct first first;
	__u64 start;

	/* Opened before the clock starts. */
	fm_control();
	start = fm_now_ns();
	source.fd = make(way, config->bytes);
	fm_map(&source, config->bytes, addr, config->access);
	fm_touch(addr, plan, config->access);
	first.ns = fm_now_ns() - start;
	first.held = held(way, source.fd);
	start = fm_now_ns();
	munmap(addr, config->bytes);
	close(source.fd);
	first.ns += fm_now_ns() - start;
	return first;
}

/*
 * A mean: memory may be given back after close(2), so that one run cleans up what the one
 * before it has left, and the cheapest would be one that leaves most of it.
 */
static void print_cell(size_t way, const struct config *config, char *addr,
		       const struct plan *plan, double share)
{
	struct first first;
	unsigned int i;
	__u64 ns = 0;

	for (i = 0; i < config->warmups + config->repeats; i++) {
		first = use_once(way, config, addr, plan);
		if (i >= config->warmups)
			ns += first.ns;
	}
	printf("%s,%s,%zu,%g,%zu,%llu,%llu\n", ways[way].memory, ways[way].strategy,
	       config->bytes, share, plan->touched, first.held,
	       ns / config->repeats);
	fflush(stdout);
}

/**
 * fm_run_first() - measure the first use of memory, and print it
 * @config: what to map and touch
 */
void fm_run_first(const struct config *config)
{
	char *addr = fm_find_address(config->bytes);
	struct plan plan;
	size_t way;
	unsigned int i;

	fm_alloc_plan(&plan, config->bytes / fm_page_size());
	/* A write stores what there is: zeroes. */
	memset(plan.first_bytes, 0, plan.pages);
	fm_lock_ourselves();
	if (config->header)
		puts("memory,strategy,bytes,share_percent,touched,held_bytes,total_ns");
	for (way = 0; way < NR_WAYS; way++) {
		if (!is_offered(way))
			continue;
		for (i = 0; i < config->nr_shares; i++) {
			fm_choose_pages(&plan, config->shares[i], config->order);
			print_cell(way, config, addr, &plan, config->shares[i]);
		}
	}
	fm_free_plan(&plan);
}

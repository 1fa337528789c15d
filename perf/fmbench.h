/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fmbench: what its parts know of each other.
 *
 * The options become a config. A source is memory that can be mapped, a plan
 * says which of its pages are touched, and a run is what that cost.
 */
#ifndef _FMBENCH_H
#define _FMBENCH_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "faultmap_uapi.h"

#define MAX_SHARES		32
#define FM_BLOCK_BYTES		(2UL << 20)
#define LEAST_RUNS		3
#define NSEC_PER_SEC		1000000000ULL

enum order { SEQUENTIAL, REVERSE, SPREAD, RANDOM };
enum access { READ, WRITE };

/**
 * struct config - what the user asked for
 * @bytes: size of the mapping
 * @shares: shares of its pages to touch, in percent
 * @nr_shares: how many of @shares there are
 * @order: in which order, and which of the pages
 * @access: how they are touched
 * @warmups: runs that are not measured
 * @repeats: at most so many measured runs
 * @budget_ns: no further run than LEAST_RUNS once the measured ones took that
 *	long; 0: no limit
 * @settle: wait for a quiet machine first
 * @tolerance_ppm: by how much a fixed piece of work may differ on a quiet one
 * @scatter: nodes get their memory in blocks that do not touch
 * @header: print the line of column names
 * @verbose: tell on stderr which memory is being measured
 * @plan: the file that says what to measure instead, or NULL
 * @control: "CTL,ACK", the fifos of perf stat --control, or NULL
 */
struct config {
	size_t bytes;
	double shares[MAX_SHARES];
	unsigned int nr_shares;
	enum order order;
	enum access access;
	unsigned int warmups;
	unsigned int repeats;
	__u64 budget_ns;
	bool settle;
	unsigned int tolerance_ppm;
	bool scatter;
	bool header;
	bool verbose;
	const char *plan;
	const char *control;
};

/**
 * struct source - the memory that is mapped
 * @name: what the user calls it, without the directory
 * @memory: where it comes from
 * @strategy: how it gets into a page table
 * @extents: its physically contiguous pieces; empty if nobody tells
 * @fd: its descriptor, -1 for anonymous memory
 * @driver: it is the buffer of a faultmap node or of FAULTMAP_CREATE
 * @populate: mapping it fills the page tables
 * @learns: what a fault maps depends on those before it
 */
struct source {
	char name[64];
	char memory[32];
	char strategy[32];
	char extents[24];
	int fd;
	bool driver;
	bool populate;
	bool learns;
};

/**
 * struct run - what one run cost
 * @mmap_ns: mmap(2)
 * @touch_ns: the touches
 * @munmap_ns: munmap(2)
 * @faults: minor faults of this process during the touches
 * @driver_faults: faults that the driver answered during the run
 * @driver_mmaps: mmap(2) calls that reached the driver
 */
struct run {
	__u64 mmap_ns;
	__u64 touch_ns;
	__u64 munmap_ns;
	long faults;
	__u64 driver_faults;
	__u64 driver_mmaps;
};

/**
 * struct plan - what to touch
 * @pages: pages of the mapping
 * @touched: how many of them to touch
 * @index: which, in this order; has room for all
 * @first_bytes: what each page of the buffer begins with
 */
struct plan {
	size_t pages;
	size_t touched;
	size_t *index;
	char *first_bytes;
};

#define print_info(format, ...) \
	fprintf(stderr, "fmbench: " format "\n", ##__VA_ARGS__)

#define exit_err(...) do { print_info(__VA_ARGS__); exit(1); } while (0)

/* Static and inline: what is timed does not pay for a call. */
static inline size_t fm_page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static inline __u64 fm_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* options.c */
void fm_parse_options(struct config *config, int argc, char **argv);
const char *fm_order_name(enum order order);
const char *fm_access_name(enum access access);

/* source.c */
void fm_allocate_node(const struct source *source);
void fm_allocate_apart(const struct source *source, __u64 bytes);
struct source *fm_open_sources(char **what, int n, const struct config *config);
void fm_close_source(const struct source *source);
struct faultmap_stats fm_node_stats(const struct source *source);
void fm_read_first_bytes(const struct source *source, struct plan *plan);

/* plan.c */
void fm_alloc_plan(struct plan *plan, size_t pages);
void fm_free_plan(struct plan *plan);
void fm_choose_pages(struct plan *plan, double share, enum order order);
void fm_touch(char *addr, const struct plan *plan, enum access access);

/* mapping.c */
char *fm_find_address(size_t bytes);
char *fm_common_address(void);
void fm_map(const struct source *source, size_t bytes, char *addr);
long fm_minor_faults(void);
void fm_lock_ourselves(void);

/* settle.c */
void fm_settle(unsigned int tolerance_ppm);

/* perf_stat.c */
void fm_open_perf(const char *control);
void fm_tell_perf(const char *command);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * fmbench: what mapping memory, touching some of it and unmapping it cost.
 *
 * Here is what is timed, and what is printed of it. Makefile lists the other files, from
 * the lowest floor up.
 *
 * The memory is a faultmap node's buffer or, as a reference, a memfd or
 * anonymous memory; the code that is timed is the same for all of them. The
 * result is CSV, one line for each memory and share of touched pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/mman.h>

#include "cells.h"
#include "common.h"
#include "first.h"
#include "mapping.h"
#include "mark.h"
#include "options.h"
#include "perf_stat.h"
#include "settle.h"

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

/* Outside of what the clock sees; a run that is not counted has no phase. */
static __u64 begin(enum phase phase, enum phase counted)
{
	if (phase == counted)
		fm_tell_perf("enable\n");
	return fm_now_ns();
}

static __u64 end(enum phase phase, enum phase counted)
{
	__u64 now = fm_now_ns();

	if (phase == counted)
		fm_tell_perf("disable\n");
	return now;
}

static struct run run_once(const struct source *source,
			   const struct config *config, char *addr,
			   const struct plan *plan, enum phase counted)
{
	__u64 start, mapped, touching, done, unmapping, unmapped;
	long faults;

	start = begin(PHASE_MMAP, counted);
	fm_mark(FM_MARK_MMAP);
	fm_map(source, config->bytes, addr, config->access);
	fm_mark(FM_MARK_NONE);
	mapped = end(PHASE_MMAP, counted);

	faults = fm_minor_faults();
	touching = begin(PHASE_TOUCH, counted);
	fm_mark(FM_MARK_TOUCH);
	fm_touch(addr, plan, config->access);
	fm_mark(FM_MARK_NONE);
	done = end(PHASE_TOUCH, counted);
	faults = fm_minor_faults() - faults;

	unmapping = begin(PHASE_MUNMAP, counted);
	fm_mark(FM_MARK_MUNMAP);
	munmap(addr, config->bytes);
	fm_mark(FM_MARK_NONE);
	unmapped = end(PHASE_MUNMAP, counted);
	return (struct run) {
		.mmap_ns = mapped - start,
		.touch_ns = done - touching,
		.munmap_ns = unmapped - unmapping,
		.faults = faults,
	};
}

static struct run count_once(const struct source *source,
			     const struct config *config, char *addr,
			     const struct plan *plan)
{
	struct faultmap_stats before = fm_node_stats(source), after;
	struct run run;

	begin(PHASE_ALL, config->phase);
	run = run_once(source, config, addr, plan, config->phase);
	end(PHASE_ALL, config->phase);
	begin(PHASE_EMPTY, config->phase);
	end(PHASE_EMPTY, config->phase);
	after = fm_node_stats(source);
	run.driver_faults = after.read_faults + after.write_faults -
			    before.read_faults - before.write_faults;
	run.driver_mmaps = after.mmaps - before.mmaps;
	return run;
}

static __u64 total_ns(const struct run *run)
{
	return run->mmap_ns + run->touch_ns + run->munmap_ns;
}

/*
 * The run that took least. Interrupts and other threads only ever add to what
 * the code itself costs, so the least is the nearest to it, and the one figure
 * that repeats; a mean or a median moves with what else the machine does.
 */
static struct run measure(const struct source *source,
			  const struct config *config, char *addr,
			  const struct plan *plan)
{
	struct run best = { }, run;
	__u64 spent = 0;
	unsigned int i;

	for (i = 0; i < config->warmups; i++)
		run_once(source, config, addr, plan, NR_PHASES);
	for (i = 0; i < config->repeats; i++) {
		run = count_once(source, config, addr, plan);
		if (!i || total_ns(&run) < total_ns(&best))
			best = run;
		spent += total_ns(&run);
		if (config->budget_ns && spent >= config->budget_ns &&
		    i + 1 >= LEAST_RUNS)
			break;
	}
	return best;
}

static void print_columns(void)
{
	fputs("source,memory,strategy,bytes,pages,extents,", stdout);
	fputs("share_percent,touched,order,access,", stdout);
	fputs("faults,driver_faults,driver_mmaps,", stdout);
	puts("mmap_ns,touch_ns,munmap_ns,total_ns");
}

static void print_driver_counts(const struct source *source,
				const struct run *run)
{
	if (source->driver)
		printf("%llu,%llu,", run->driver_faults,
		       run->driver_mmaps);
	else
		printf(",,");
}

static void print_run(const struct source *source, const struct config *config,
		      double share, size_t touched, const struct run *run)
{
	printf("%s,%s,%s,%zu,%zu,%s,%g,%zu,%s,%s,%ld,", source->name,
	       source->memory, source->strategy, config->bytes,
	       config->bytes / fm_page_size(), source->extents, share, touched,
	       fm_order_names[config->order], fm_access_names[config->access],
	       run->faults);
	print_driver_counts(source, run);
	printf("%llu,%llu,%llu,%llu\n",
	       run->mmap_ns, run->touch_ns, run->munmap_ns, total_ns(run));
	fflush(stdout);
	if (ferror(stdout))
		exit_err("cannot write the results: %s", strerror(errno));
}

static void measure_source(struct source *source, const struct config *config,
			   struct plan *plan)
{
	char *addr = fm_find_address(config->bytes);
	struct run run;
	unsigned int i;

	if (config->verbose)
		print_info("measuring %s", source->name);
	fm_read_first_bytes(source, plan);
	for (i = 0; i < config->nr_shares; i++) {
		fm_choose_pages(plan, config->shares[i], config->order);
		run = measure(source, config, addr, plan);
		print_run(source, config, config->shares[i], plan->touched, &run);
	}
}

static void run_sources(const struct config *config, char **what, int n)
{
	struct source *sources = fm_open_sources(what, n, config->bytes,
						config->scatter);
	struct plan plan;
	int i;

	fm_alloc_plan(&plan, config->bytes / fm_page_size());
	if (config->control)
		fm_open_perf(config->control);
	fm_lock_ourselves();
	if (config->settle)
		fm_settle(config->tolerance_ppm);
	if (config->header)
		print_columns();
	for (i = 0; i < n; i++) {
		measure_source(&sources[i], config, &plan);
		fm_close_source(&sources[i]);
	}
	fm_free_plan(&plan);
	free(sources);
}

static void run_plan(const struct config *config)
{
	fm_lock_ourselves();
	if (config->settle)
		fm_settle(config->tolerance_ppm);
	fm_run_plan(config->plan, config->repeats);
}

int main(int argc, char **argv)
{
	struct config config = {
		.bytes = 64UL << 20,
		.shares = { 100 },
		.nr_shares = 1,
		.order = SEQUENTIAL,
		.access = WRITE,
		.warmups = 1,
		.repeats = 5,
		.settle = true,
		.header = true,
	};

	fm_parse_options(&config, argc, argv);
	if (config.first)
		fm_run_first(&config);
	else if (config.plan)
		run_plan(&config);
	else
		run_sources(&config, argv + optind, argc - optind);
	return 0;
}

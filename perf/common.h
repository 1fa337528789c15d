/* SPDX-License-Identifier: GPL-2.0-only */
/* What every file here needs: the clock, the size of a page, and words for the user. */
#ifndef _COMMON_H
#define _COMMON_H

#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC	1000000000ULL

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

#endif /* _COMMON_H */

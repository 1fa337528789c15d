// SPDX-License-Identifier: GPL-2.0-only
/*
 * The counters, in the order of struct faultmap_stats, which has nothing else.
 */
#include <assert.h>
#include <string.h>

#include "counters.h"
#include "tool.h"

static const char * const names[] = {
	"read_faults", "write_faults", "pages_installed", "sigbus", "mmaps",
	"opens", "closes", "moves", "zaps", "huge_faults",
};

static_assert(ARRAY_SIZE(names) == FM_NR_COUNTERS, "each counter has a name");

/**
 * fm_counter_name() - name a counter
 * @i: which, less than FM_NR_COUNTERS
 */
const char *fm_counter_name(unsigned int i)
{
	return names[i];
}

/**
 * fm_counter() - pick a counter
 * @stats: all of them
 * @i: which, less than FM_NR_COUNTERS
 */
__u64 fm_counter(const struct faultmap_stats *stats, unsigned int i)
{
	__u64 values[FM_NR_COUNTERS];

	memcpy(values, stats, sizeof(values));
	return values[i];
}

/**
 * fm_print_counters() - print all counters, one to a line
 * @out: where
 * @stats: the counters
 */
void fm_print_counters(FILE *out, const struct faultmap_stats *stats)
{
	unsigned int i;

	for (i = 0; i < FM_NR_COUNTERS; i++)
		fprintf(out, "%s: %llu\n", names[i], fm_counter(stats, i));
}

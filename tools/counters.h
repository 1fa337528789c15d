/* SPDX-License-Identifier: GPL-2.0-only */
/* The counters by name. */
#ifndef _COUNTERS_H
#define _COUNTERS_H

#include <stdio.h>

#include "faultmap_uapi.h"

#define FM_NR_COUNTERS	(sizeof(struct faultmap_stats) / sizeof(__u64))

const char *fm_counter_name(unsigned int i);
__u64 fm_counter(const struct faultmap_stats *stats, unsigned int i);
void fm_print_counters(FILE *out, const struct faultmap_stats *stats);

#endif /* _COUNTERS_H */

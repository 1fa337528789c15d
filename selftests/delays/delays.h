/* SPDX-License-Identifier: GPL-2.0-only */
/* faultmap_delays: what its parts know of each other. */
#ifndef _FAULTMAP_DELAYS_H
#define _FAULTMAP_DELAYS_H

#include <linux/kprobes.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/seq_file.h>

/**
 * struct delays_count - what a CPU did at a function
 * @hits: how often it came there
 * @waits: how often it waited
 * @since: when it was there last, in jiffies
 * @burst: how often lately
 */
struct delays_count {
	unsigned long hits, waits;
	unsigned long since;
	unsigned int burst;
};

/**
 * struct delays_function - a function that is waited at
 * @probe: at its entry and its return
 * @count: what each CPU did there
 * @size: of its code, in bytes; 0 if that is not the driver's
 * @error: why it cannot be probed, or 0
 * @met: its hits when places were dealt last
 * @name: its symbol
 */
struct delays_function {
	struct kretprobe probe;
	struct delays_count __percpu *count;
	unsigned long size;
	int error;
	unsigned long met;
	const char *name;
};

/* delays.c */
void delays_wait(struct delays_count __percpu *counts, unsigned int one_in);
struct delays_count delays_sum(const struct delays_function *function);

/* places.c */
void delays_places_start(struct delays_function *functions, unsigned int nr,
			 struct rnd_state *random);
void delays_places_stop(void);
void delays_places_show(struct seq_file *m);

#endif /* _FAULTMAP_DELAYS_H */

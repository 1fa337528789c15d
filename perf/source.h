/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that can be mapped, and how it is allocated before the measurement. */
#ifndef _SOURCE_H
#define _SOURCE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "faultmap_uapi.h"
#include "plan.h"

#define FM_BLOCK_BYTES	(2UL << 20)

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

void fm_allocate_node(const struct source *source);
void fm_allocate_apart(const struct source *source, __u64 bytes);
struct source *fm_open_sources(char **what, int n, size_t bytes, bool scatter);
void fm_close_source(const struct source *source);
struct faultmap_stats fm_node_stats(const struct source *source);
void fm_read_first_bytes(const struct source *source, struct plan *plan);

#endif /* _SOURCE_H */

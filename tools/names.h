/* SPDX-License-Identifier: GPL-2.0-only */
/* What the driver calls kinds of memory, strategies and nodes. */
#ifndef _NAMES_H
#define _NAMES_H

#include <linux/types.h>
#include <stddef.h>

/**
 * struct node_name - what the name of a node says
 * @prefix: length of what stands before "-<strategy>": nodes that have it in common show
 *	one buffer
 * @memory: an &enum faultmap_memory_id, or -1
 * @strategy: an &enum faultmap_strategy_id, or -1
 */
struct node_name {
	size_t prefix;
	int memory;
	int strategy;
};

const char *fm_memory_name(int id);
const char *fm_strategy_name(int id);
int fm_find_memory(const char *name);
int fm_find_strategy(const char *name);
void fm_read_node_name(const char *name, struct node_name *read);

#endif /* _NAMES_H */

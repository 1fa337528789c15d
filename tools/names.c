// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the driver calls kinds of memory, strategies and nodes.
 */
#include <string.h>

#include "names.h"
#include "tool.h"

static const char * const memories[] = {
	[FAULTMAP_MEMORY_PAGES] = "pages",
	[FAULTMAP_MEMORY_VMALLOC] = "vmalloc",
	[FAULTMAP_MEMORY_KMALLOC] = "kmalloc",
	[FAULTMAP_MEMORY_DMA] = "dma",
	[FAULTMAP_MEMORY_PHYS] = "phys",
	[FAULTMAP_MEMORY_COHERENT] = "coherent",
};

static const char * const strategies[] = {
	[FAULTMAP_STRATEGY_EAGER] = "eager",
	[FAULTMAP_STRATEGY_LAZY] = "lazy",
	[FAULTMAP_STRATEGY_EAGER_PAGE] = "eager-page",
	[FAULTMAP_STRATEGY_LAZY_PFN] = "lazy-pfn",
};

/* A newer driver may have others. */
static const char *name_of(const char * const *names, int n, int id)
{
	return id >= 0 && id < n ? names[id] : "?";
}

static int find(const char * const *names, int n, const char *name, size_t len)
{
	int i;

	for (i = 0; i < n; i++)
		if (strlen(names[i]) == len && !strncmp(names[i], name, len))
			return i;
	return -1;
}

/**
 * fm_memory_name() - name a kind of memory
 * @id: an &enum faultmap_memory_id
 */
const char *fm_memory_name(int id)
{
	return name_of(memories, ARRAY_SIZE(memories), id);
}

/**
 * fm_strategy_name() - name a strategy
 * @id: an &enum faultmap_strategy_id
 */
const char *fm_strategy_name(int id)
{
	return name_of(strategies, ARRAY_SIZE(strategies), id);
}

/**
 * fm_find_memory() - look up a kind of memory
 * @name: its name
 *
 * Return: the &enum faultmap_memory_id, or -1
 */
int fm_find_memory(const char *name)
{
	return find(memories, ARRAY_SIZE(memories), name, strlen(name));
}

/**
 * fm_find_strategy() - look up a strategy
 * @name: its name
 *
 * Return: the &enum faultmap_strategy_id, or -1
 */
int fm_find_strategy(const char *name)
{
	return find(strategies, ARRAY_SIZE(strategies), name, strlen(name));
}

/* No strategy's name ends in a dash and another one's. */
static int find_suffix(const char *name, size_t *prefix)
{
	size_t len = strlen(name), suffix;
	int i;

	for (i = 0; i < (int)ARRAY_SIZE(strategies); i++) {
		suffix = strlen(strategies[i]) + 1;
		if (suffix < len && name[len - suffix] == '-' &&
		    !strcmp(name + len - suffix + 1, strategies[i])) {
			*prefix = len - suffix;
			return i;
		}
	}
	*prefix = len;
	return -1;
}

/**
 * fm_read_node_name() - tell what the name of a node says
 * @name: the name, without a directory
 * @read: filled in
 */
void fm_read_node_name(const char *name, struct node_name *read)
{
	read->strategy = find_suffix(name, &read->prefix);
	if (!strncmp(name, "pci-", 4))
		read->memory = FAULTMAP_MEMORY_PHYS;
	else
		read->memory = find(memories, ARRAY_SIZE(memories), name, read->prefix);
}

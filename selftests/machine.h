/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a machine and its kernel have, and others do not: asked here, and nowhere else.
 */
#ifndef _FAULTMAP_MACHINE_H
#define _FAULTMAP_MACHINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static inline size_t fm_page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* Entries of a page table, which fills a page with 64 bits for each. */
static inline size_t fm_table_pages(void)
{
	return fm_page_size() / sizeof(uint64_t);
}

/* What a PMD maps, in bytes, and the order of a block of so many pages. */
static inline size_t fm_pmd_size(void)
{
	return fm_table_pages() * fm_page_size();
}

static inline unsigned int fm_pmd_order(void)
{
	return __builtin_ctzl(fm_table_pages());
}

/* As an order for fm_create_as(): that. */
#define FM_PMD_ORDER	0x504d44

/* The kernels differ, and where only their version tells which it is, that does. */
static inline bool fm_kernel_since(int major, int minor)
{
	struct utsname uts;
	int has[2];

	return !uname(&uts) &&
	       sscanf(uts.release, "%d.%d", &has[0], &has[1]) == 2 &&
	       (has[0] > major || (has[0] == major && has[1] >= minor));
}

/* The number behind "name:" in a file of the kernel; -1 if it is not there. */
static inline long long fm_field(const char *path, const char *name)
{
	long long value = -1;
	char line[128];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) &&
		    line[strlen(name)] == ':')
			value = atoll(line + strlen(name) + 1);
	if (file)
		fclose(file);
	return value;
}

/* Of the blocks that there are: /proc/buddyinfo has a column for each, behind the node. */
static inline unsigned int fm_largest_order(void)
{
	FILE *file = fopen("/proc/buddyinfo", "r");
	char line[256], *word, *rest = line;
	unsigned int numbers = 0;

	if (file && fgets(line, sizeof(line), file))
		while ((word = strtok_r(NULL, "\n ", &rest)))
			numbers += *word >= '0' && *word <= '9';
	if (file)
		fclose(file);
	return numbers < 2 ? 0 : numbers - 2;
}

/* Transparent huge pages, which a kernel for real time has not. */
static inline bool fm_has_thp(void)
{
	return !access("/sys/kernel/mm/transparent_hugepage", F_OK);
}

/* Whether one entry may map all of a block, or of as many frames, for a fault. */
static inline bool fm_maps_by_pmd(void)
{
	return fm_has_thp() && fm_kernel_since(6, 12);
}

/* Memory that is kept for large blocks of the DMA API. */
static inline bool fm_has_cma(void)
{
	return fm_field("/proc/meminfo", "CmaTotal") > 0;
}

/* Where the kernel puts modules. */
#ifdef __x86_64__
#define MODULES_START	0xffffffffa0000000UL
#define MODULES_END	0xffffffffff000000UL
#else
#define MODULES_START	0xffff800000000000UL
#define MODULES_END	0xffff800080000000UL
#endif

#endif /* _FAULTMAP_MACHINE_H */

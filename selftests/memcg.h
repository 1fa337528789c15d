/* SPDX-License-Identifier: GPL-2.0-only */
/* A memory cgroup for the process of a test. */
#ifndef _FAULTMAP_MEMCG_H
#define _FAULTMAP_MEMCG_H

#include <sys/stat.h>

#include "faultmap_test.h"

#define FM_CGROUPS	"/sys/fs/cgroup"
#define FM_GROUP	FM_CGROUPS "/faultmap_test"

/* What the group has in use, in bytes; -1 if there is none. */
static inline long long fm_charged(void)
{
	long long bytes = -1;
	FILE *file = fopen(FM_GROUP "/memory.current", "r");

	if (file && fscanf(file, "%lld", &bytes) != 1)
		bytes = -1;
	if (file)
		fclose(file);
	return bytes;
}

/* False if there is no memory controller of cgroup v2. */
static inline bool fm_enter_group(void)
{
	return !fm_put(FM_CGROUPS "/cgroup.subtree_control", "+memory") &&
		(!mkdir(FM_GROUP, 0755) || errno == EEXIST) &&
		!fm_put(FM_GROUP "/cgroup.procs", "0") && fm_charged() >= 0;
}

static inline void fm_leave_group(void)
{
	fm_put(FM_GROUP "/memory.max", "max");
	fm_put(FM_CGROUPS "/cgroup.procs", "0");
	rmdir(FM_GROUP);
}

/* The DMA API takes memory from CMA where there is some, and that is charged to nobody. */
static inline bool fm_is_charged(unsigned int memory)
{
	return memory != FAULTMAP_MEMORY_DMA || !fm_has_cma();
}

static inline bool fm_has_groups(void)
{
	bool has = fm_enter_group();

	fm_leave_group();
	return has;
}

/*
 * Makes the group's limit what it has in use and @pages more. The first time, files are
 * opened, and the kernel allocates what it prints in; then nothing is charged for it.
 */
static inline bool fm_leave_pages(unsigned int pages)
{
	static int limit = -1, charged = -1;
	char text[32] = "";
	ssize_t len;

	if (limit < 0)
		limit = open(FM_GROUP "/memory.max", O_WRONLY);
	if (charged < 0)
		charged = open(FM_GROUP "/memory.current", O_RDONLY);
	if (limit < 0 || charged < 0 || pread(charged, text, sizeof(text) - 1, 0) <= 0)
		return false;
	len = snprintf(text, sizeof(text), "%lld", atoll(text) + (long long)pages * fm_page_size());
	return pwrite(limit, text, len, 0) == len;
}

/*
 * Fills the group but for @pages, most of which cannot be taken back: only those are left,
 * and what the kernel has charged in advance. The process has what it uses before, and keeps
 * it, as another charge is reason enough to kill it.
 */
static inline bool fm_fill_group(unsigned int pages)
{
	return fm_leave_pages(1 << 20) &&
	       mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED &&
	       !mlockall(MCL_CURRENT | MCL_FUTURE) && fm_leave_pages(pages);
}

/* How many processes of the group were killed for want of memory. */
static inline long fm_oom_kills(void)
{
	FILE *file = fopen(FM_GROUP "/memory.events", "r");
	long kills = -1;
	char line[64];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "oom_kill %ld", &kills) == 1)
			break;
	if (file)
		fclose(file);
	return kills;
}

#endif /* _FAULTMAP_MEMCG_H */

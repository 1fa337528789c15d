/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of which only small blocks are free.
 *
 * The page cache is dropped, and most of memory becomes huge pages that nobody uses.
 * A process takes nearly all of the rest, page by page and locked, and gives it back but
 * for some pages, of which each 4 MiB has more or fewer: what is left free there are
 * blocks of order 0 in one, of order 1 in the next, and so on. It ends, and everything
 * else is as before, when it is told to, when its parent dies, or first of all when
 * memory runs out.
 */
#ifndef _FAULTMAP_FRAGMENT_H
#define _FAULTMAP_FRAGMENT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "advice.h"
#include "machine.h"
#include "put.h"

#define FM_FRAGMENT_MOST	(4UL << 20)	/* KiB: others may use a larger machine */
#define FM_FRAGMENT_LEFT	(288UL << 10)	/* KiB that do not become huge pages */
#define FM_FRAGMENT_CHUNK	(fm_page_size() << fm_largest_order())
#define FM_ORDERS		16		/* room for those of all machines */
#define FM_COMPACT_UNEVICTABLE	"/proc/sys/vm/compact_unevictable_allowed"
#define FM_NR_HUGEPAGES		"/proc/sys/vm/nr_hugepages"
#define FM_DROP_CACHES		"/proc/sys/vm/drop_caches"
#define FM_WATERMARK_BOOST	"/proc/sys/vm/watermark_boost_factor"

/* What is set meanwhile, in the order in which it is put back. */
static const char *const fm_fragment_settings[] = {
	FM_WATERMARK_BOOST, FM_COMPACT_UNEVICTABLE, FM_NR_HUGEPAGES,
};

#define FM_FRAGMENT_SETTINGS	(sizeof(fm_fragment_settings) / sizeof(char *))

/* What does it, and what it found. */
struct fm_fragmented {
	pid_t pid;
	unsigned long found[FM_FRAGMENT_SETTINGS];
};

/* A line of /proc/meminfo, in KiB; 0 if there is none. */
static inline unsigned long fm_meminfo(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long value = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			value = strtoul(line + strlen(name) + 1, NULL, 10);
	if (file)
		fclose(file);
	return value;
}

/* How many blocks of each order are free, but for those that only old devices need. */
static inline void fm_free_blocks(unsigned long *blocks)
{
	FILE *file = fopen("/proc/buddyinfo", "r");
	char line[256], zone[16], *word, *rest;
	size_t i;

	memset(blocks, 0, FM_ORDERS * sizeof(*blocks));
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Node %*d, zone %15s", zone) != 1 ||
		    !strcmp(zone, "DMA"))
			continue;
		rest = strstr(line, zone) + strlen(zone);
		for (i = 0; i < FM_ORDERS && (word = strtok_r(NULL, "\n ", &rest)); i++)
			blocks[i] += strtoul(word, NULL, 10);
	}
	if (file)
		fclose(file);
}

static inline unsigned long fm_get_number(const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned long value = 0;

	if (file && fscanf(file, "%lu", &value) != 1)
		value = 0;
	if (file)
		fclose(file);
	return value;
}

static inline void fm_put_number(const char *path, unsigned long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lu", value);
	fm_put(path, text);
}

/* Below how much free memory others have to wait, or are killed, in KiB. */
static inline unsigned long fm_min_watermark(void)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	unsigned long sum = 0, pages;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " min %lu", &pages) == 1)
			sum += pages;
	if (file)
		fclose(file);
	return sum * (sysconf(_SC_PAGESIZE) >> 10);
}

/* Huge pages of memory that is free. Returns how many there are. */
static inline unsigned long fm_add_huge(unsigned long n)
{
	fm_put_number(FM_NR_HUGEPAGES, fm_get_number(FM_NR_HUGEPAGES) + n);
	return fm_get_number(FM_NR_HUGEPAGES);
}

/* Takes memory until little is left. Returns how much of @all it took, in bytes. */
static inline size_t fm_fragment_take(char *base, size_t all)
{
	unsigned long spare = fm_min_watermark() * 3 / 2 + (16 << 10);
	size_t taken = 0;

	while (taken + FM_FRAGMENT_CHUNK <= all && fm_meminfo("MemFree") > spare &&
	       !madvise(base + taken, FM_FRAGMENT_CHUNK, MADV_POPULATE_WRITE))
		taken += FM_FRAGMENT_CHUNK;
	return taken;
}

/* Whether the page of a frame is kept, so that no large block is free there. */
static inline bool fm_fragment_keeps(uint64_t entry, unsigned int most)
{
	uint64_t pfn = entry & ((1ULL << 55) - 1);
	unsigned int order = (pfn >> fm_largest_order()) % (most + 1);

	return !(pfn & ((2ULL << order) - 1));
}

/* Gives back all of a range of pages but some. */
static inline bool fm_fragment_release(char *base, size_t bytes, unsigned int most)
{
	size_t page = sysconf(_SC_PAGESIZE), pages = bytes / page, i, from = 0;
	ssize_t len = pages * sizeof(uint64_t);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t *entries = malloc(len);
	bool ok;

	ok = entries && pread(fd, entries, len,
			      (uintptr_t)base / page * sizeof(*entries)) == len;
	for (i = 0; ok && i <= pages; i++) {
		if (i < pages && !fm_fragment_keeps(entries[i], most))
			continue;
		if (i > from)
			ok = !madvise(base + from * page, (i - from) * page,
				      MADV_DONTNEED_LOCKED);
		from = i + 1;
	}
	free(entries);
	close(fd);
	return ok;
}

/* The large blocks that were left to the last. */
static inline void fm_fragment_take_rest(unsigned int most)
{
	unsigned long blocks[FM_ORDERS], had = 0, has = 0, i;

	do {
		had = has;
		fm_free_blocks(blocks);
		for (has = 0, i = fm_pmd_order(); i < FM_ORDERS; i++)
			has += blocks[i] << (i - fm_pmd_order());
		if (has && most < fm_pmd_order())
			fm_add_huge(has);
	} while (has && has != had);
}

static inline bool fm_fragment_do(unsigned int most)
{
	size_t all = FM_FRAGMENT_LEFT << 10, taken;
	unsigned long total;
	char *base;

	/* What files hold would come free while the memory is looked at, in any size. */
	fm_put(FM_DROP_CACHES, "3");
	total = fm_meminfo("MemFree");
	if (total > FM_FRAGMENT_LEFT)
		fm_add_huge((total - FM_FRAGMENT_LEFT) / (fm_pmd_size() >> 10));
	base = mmap(NULL, all + FM_FRAGMENT_CHUNK, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return false;
	base += FM_FRAGMENT_CHUNK - (uintptr_t)base % FM_FRAGMENT_CHUNK;
	madvise(base, all, MADV_NOHUGEPAGE);
	if (mlock2(base, all, MLOCK_ONFAULT))
		return false;
	taken = fm_fragment_take(base, all);
	if (!taken || !fm_fragment_release(base, taken, most))
		return false;
	fm_fragment_take_rest(most);
	return true;
}

static inline void fm_fragment_undo(const struct fm_fragmented *f)
{
	size_t i;

	for (i = 0; i < FM_FRAGMENT_SETTINGS; i++)
		fm_put_number(fm_fragment_settings[i], f->found[i]);
}

static inline void fm_fragment_hold(const struct fm_fragmented *f, unsigned int most,
				    int ready)
{
	sigset_t set;
	int sig;

	/* A buffer goes when the parent closes it. */
	close_range(3, ready - 1, 0);
	close_range(ready + 1, ~0U, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fm_put("/proc/self/oom_score_adj", "1000");
	/* Compaction would move what lies between. */
	fm_put(FM_COMPACT_UNEVICTABLE, "0");
	/* Memory in small blocks would raise the watermarks, until others are killed. */
	fm_put(FM_WATERMARK_BOOST, "0");
	if (fm_fragment_do(most) && write(ready, "", 1) == 1)
		sigwait(&set, &sig);
	fm_fragment_undo(f);
	_exit(0);
}

static inline void fm_defragment(struct fm_fragmented *f)
{
	if (f->pid <= 0)
		return;
	kill(f->pid, SIGTERM);
	/* Where SIGCHLD is ignored, this waits all the same. */
	waitpid(f->pid, NULL, 0);
	fm_fragment_undo(f);
	f->pid = 0;
}

/*
 * Sees to it that hardly a block larger than of order @most is free, until
 * fm_defragment(). Returns 0 or -errno; -EOPNOTSUPP without huge pages, and on
 * a machine with much memory.
 */
static inline int fm_fragment(struct fm_fragmented *f, unsigned int most)
{
	int ready[2];
	ssize_t got;
	char byte;
	size_t i;

	f->pid = 0;
	for (i = 0; i < FM_FRAGMENT_SETTINGS; i++)
		f->found[i] = fm_get_number(fm_fragment_settings[i]);
	if (fm_meminfo("MemTotal") > FM_FRAGMENT_MOST || access(FM_NR_HUGEPAGES, W_OK) ||
	    access(FM_COMPACT_UNEVICTABLE, W_OK))
		return -EOPNOTSUPP;
	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	f->pid = fork();
	if (!f->pid) {
		close(ready[0]);
		fm_fragment_hold(f, most, ready[1]);
	}
	close(ready[1]);
	got = read(ready[0], &byte, 1);
	close(ready[0]);
	if (f->pid > 0 && got == 1)
		return 0;
	fm_defragment(f);
	return -ENOMEM;
}

#endif /* _FAULTMAP_FRAGMENT_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all tests share: stamps that make every page tell which one it is, and
 * ways to touch and look.
 */
#ifndef _FAULTMAP_TEST_H
#define _FAULTMAP_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "faultmap_uapi.h"
#include "kselftest_harness.h"
#include "machine.h"
#include "put.h"

/* Seconds for a test: a kernel that checks every access takes many times the usual 30. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	600

#define FM_CONTROL	"/dev/faultmap/control"

static inline bool fm_has_window(unsigned int strategy)
{
	return strategy == FAULTMAP_STRATEGY_LAZY || strategy == FAULTMAP_STRATEGY_LAZY_PFN;
}

static unsigned int fm_nodes_window = 1;

/* Before a test unloads the module. */
static inline void __attribute__((constructor)) fm_find_window(void)
{
	const char *named = getenv("FAULTMAP_WINDOW");
	FILE *file = fopen("/sys/module/faultmap/parameters/window", "r");

	if (named)
		fm_nodes_window = atoi(named);
	else if (file && fscanf(file, "%u", &fm_nodes_window) != 1)
		fm_nodes_window = 1;
	if (file)
		fclose(file);
}

/* What FAULTMAP_WINDOW says, or else the module's parameter: the tests hold for any. */
static inline unsigned int fm_window(unsigned int strategy)
{
	return fm_has_window(strategy) ? fm_nodes_window : 1;
}

/* Memory comes into being at its first touch: what FAULTMAP_ON_DEMAND wants of all. */
static inline bool fm_on_demand(unsigned int memory)
{
	return getenv("FAULTMAP_ON_DEMAND") &&
	       (memory == FAULTMAP_MEMORY_PAGES || memory == FAULTMAP_MEMORY_VMALLOC);
}

#define FM_PM_PRESENT		(1ULL << 63)
#define FM_PM_FILE		(1ULL << 61)
#define FM_PM_SOFT_DIRTY	(1ULL << 55)
#define FM_PM_FRAME		((1ULL << 55) - 1)

/* What /proc/self/pagemap says of the page at an address; 0 if nothing. */
static inline uint64_t fm_pagemap(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (pread(fd, &entry, sizeof(entry), (unsigned long)addr / fm_page_size() *
		  sizeof(entry)) != sizeof(entry))
		entry = 0;
	close(fd);
	return entry;
}

/* Without CONFIG_MEM_SOFT_DIRTY, clear_refs takes a 4 and does nothing. */
static inline bool fm_tracks_soft_dirty(void)
{
	static volatile char written;

	written = 1;
	return fm_pagemap((char *)&written) & FM_PM_SOFT_DIRTY;
}

/* What INFO says of the memory of a buffer. */
static inline unsigned int fm_info_memory(unsigned int memory)
{
	return fm_on_demand(memory) ? FAULTMAP_INFO_ON_DEMAND : FAULTMAP_INFO_ALLOCATED;
}

/* FAULTMAP_CREATE; the descriptor or -errno. */
static inline int fm_create_as(struct faultmap_create create)
{
	int control = open(FM_CONTROL, O_RDWR | O_CLOEXEC), fd;

	if (control < 0)
		return -errno;
	if (fm_on_demand(create.memory) && !create.flags)
		create.flags = FAULTMAP_CREATE_ON_DEMAND;
	if (create.order == FM_PMD_ORDER)
		create.order = fm_pmd_order();
	fd = fm_errno(ioctl(control, FAULTMAP_CREATE, &create));
	close(control);
	return fd;
}

static inline int fm_create(unsigned int memory, unsigned int strategy,
			    size_t pages)
{
	return fm_create_as((struct faultmap_create){
		.bytes = pages * fm_page_size(),
		.memory = memory,
		.strategy = strategy,
		.window = fm_window(strategy),
	});
}

static inline int fm_create_batched(unsigned int memory, size_t pages)
{
	return fm_create_as((struct faultmap_create){
		.bytes = pages * fm_page_size(),
		.memory = memory,
		.strategy = FAULTMAP_STRATEGY_EAGER,
		.flags = FAULTMAP_CREATE_BATCHED,
	});
}

/* Whether the driver can map many frames at once: not every kernel lets it. */
static inline bool fm_batches(void)
{
	int fd = fm_create_batched(FAULTMAP_MEMORY_PAGES, 1);

	if (fd >= 0)
		close(fd);
	return fd != -EOPNOTSUPP;
}

/* The stamp fills a page, differs at each word, and never reads as zero. */
static inline uint64_t fm_stamp_word(size_t index, size_t word)
{
	return 0x66617575ULL << 32 | index << 12 | word;
}

static inline void fm_stamp_page(void *page, size_t index)
{
	uint64_t *words = page;
	size_t i;

	for (i = 0; i < fm_page_size() / sizeof(*words); i++)
		words[i] = fm_stamp_word(index, i);
}

/* Stamps the pages of a buffer from @first on, through write(2). */
static inline int fm_stamp(int fd, size_t first, size_t pages)
{
	size_t size = fm_page_size(), i;
	char page[size];

	for (i = first; i < first + pages; i++) {
		fm_stamp_page(page, i);
		if (pwrite(fd, page, size, i * size) != (ssize_t)size)
			return -1;
	}
	return 0;
}

static sigjmp_buf fm_touch_env;
static void *volatile fm_touch_addr;

static inline void fm_touch_handler(int sig, siginfo_t *info, void *context)
{
	fm_touch_addr = info->si_addr;
	siglongjmp(fm_touch_env, sig);
}

/* Calls @fn and returns 0, or the signal that its touch of memory raised. */
static inline int fm_guarded(void (*fn)(void *arg), void *arg)
{
	struct sigaction sa = {
		.sa_sigaction = fm_touch_handler,
		.sa_flags = SA_SIGINFO,
	}, bus, segv;
	int sig;

	fm_touch_addr = NULL;
	sigaction(SIGBUS, &sa, &bus);
	sigaction(SIGSEGV, &sa, &segv);
	sig = sigsetjmp(fm_touch_env, 1);
	if (!sig)
		fn(arg);
	sigaction(SIGBUS, &bus, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	return sig;
}

static inline void fm_do_read(void *addr)
{
	*(volatile char *)addr;
}

static inline void fm_do_write(void *addr)
{
	*(volatile char *)addr = *(volatile char *)addr;
}

/* 0, or the signal that reading a byte at @addr raises. */
static inline int fm_read_at(void *addr)
{
	return fm_guarded(fm_do_read, addr);
}

static inline int fm_write_at(void *addr)
{
	return fm_guarded(fm_do_write, addr);
}

/* Which page of the buffer is at @addr: its index, -1 if none, -signal. */
static inline long fm_page_at(void *addr)
{
	const volatile uint64_t *words = addr;
	size_t i, last = fm_page_size() / sizeof(*words) - 1;
	long index;
	int sig;

	sig = fm_read_at(addr);
	if (sig)
		return -sig;
	index = (words[0] & 0xffffffff) >> 12;
	for (i = 0; i <= last; i++)
		if (words[i] != fm_stamp_word(index, i))
			return -1;
	return index;
}

static inline struct faultmap_stats fm_stats(int fd)
{
	struct faultmap_stats stats;

	if (ioctl(fd, FAULTMAP_STATS, &stats)) {
		perror("FAULTMAP_STATS");
		abort();
	}
	return stats;
}

static inline uint64_t fm_faults(int fd)
{
	struct faultmap_stats stats = fm_stats(fd);

	return stats.read_faults + stats.write_faults;
}

#define FM_NAME_SIZE	40

/* What the tracepoints call what a descriptor is of; "" if it is none of ours. */
static inline const char *fm_name(int fd, char name[FM_NAME_SIZE])
{
	char path[64], line[64];
	FILE *info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "r");
	name[0] = '\0';
	while (info && fgets(line, sizeof(line), info))
		sscanf(line, "name: %39s", name);
	if (info)
		fclose(info);
	return name;
}

/* Has @pid, or its caller if that is 0, run on @cpu and no other. */
static inline bool fm_run_on(pid_t pid, int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	return !sched_setaffinity(pid, sizeof(cpus), &cpus);
}

/* A range of free addresses: PROT_NONE, to be mapped over or unmapped. */
static inline char *fm_reserve(size_t pages)
{
	return mmap(NULL, pages * fm_page_size(), PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

struct fm_vma {
	unsigned long start, end, offset;
};

/* The VMA that holds @addr, from /proc/self/maps; false if there is none. */
static inline bool fm_find_vma(const void *addr, struct fm_vma *vma)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long at = (unsigned long)addr;
	char line[512];
	bool found = false;

	while (!found && maps && fgets(line, sizeof(line), maps))
		found = sscanf(line, "%lx-%lx %*s %lx", &vma->start, &vma->end,
			       &vma->offset) == 3 &&
			at >= vma->start && at < vma->end;
	if (maps)
		fclose(maps);
	return found;
}

/* How many VMAs there are in [addr, addr + len). */
static inline unsigned int fm_count_vmas(char *addr, size_t len)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long at = (unsigned long)addr, start, end;
	unsigned int n = 0;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		n += sscanf(line, "%lx-%lx", &start, &end) == 2 &&
		     start < at + len && end > at;
	if (maps)
		fclose(maps);
	return n;
}

/* So many say what is wrong. */
#define FM_DIFFERENCES	4

/* Every page of [addr, addr + pages) shows the buffer from page @first on. */
#define EXPECT_STAMPS(addr, first, pages) do { \
	int __wrong = 0; \
	for (size_t __i = 0; __i < (pages) && __wrong < FM_DIFFERENCES; __i++) \
		EXPECT_EQ((long)((first) + __i), \
			  fm_page_at((addr) + __i * fm_page_size())) \
			__wrong++; \
} while (0)

/* Every page of [addr, addr + pages) raises @sig when it is read. */
#define EXPECT_SIGNALS(sig, addr, pages) do { \
	int __wrong = 0; \
	for (size_t __i = 0; __i < (pages) && __wrong < FM_DIFFERENCES; __i++) \
		EXPECT_EQ(sig, fm_read_at((addr) + __i * fm_page_size())) \
			__wrong++; \
} while (0)

#endif /* _FAULTMAP_TEST_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the memory is mapped, and how.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "common.h"
#include "mapping.h"

#define MAPPING_ALIGN		(1024UL << 20)

/**
 * fm_find_address() - find free addresses; exits if there are none
 * @bytes: how many
 *
 * Their page tables, two levels of them, serve nothing else. Where the mapping
 * falls across them, and so how many a run allocates, would otherwise change
 * with address space randomisation.
 *
 * Return: the first one
 */
char *fm_find_address(size_t bytes)
{
	size_t room = (bytes + 2 * MAPPING_ALIGN - 1) & ~(MAPPING_ALIGN - 1);
	uintptr_t start;

	start = (uintptr_t)mmap(NULL, room, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if ((void *)start == MAP_FAILED)
		exit_err("no address range of %zu bytes: %s: give a smaller --size",
			 room, strerror(errno));
	munmap((void *)start, room);
	return (char *)((start + MAPPING_ALIGN - 1) & ~(MAPPING_ALIGN - 1));
}

/**
 * fm_common_address() - addresses for mappings of up to 1 GiB, one at a time
 *
 * A BPF arena has to be mapped where it was mapped first. There is room above
 * for whatever else the program may map, which the kernel places from the top.
 *
 * Return: the first one, the same each time
 */
char *fm_common_address(void)
{
	static char *addr;

	if (!addr)
		addr = fm_find_address(8 * MAPPING_ALIGN);
	return addr;
}

/**
 * fm_map() - map memory; exits if that fails
 * @source: the memory
 * @bytes: how much of it
 * @addr: where, free as fm_find_address() found it
 * @access: how it will be touched, and so be populated
 */
void fm_map(const struct source *source, size_t bytes, char *addr, enum access access)
{
	int populate = access == READ ? MADV_POPULATE_READ : MADV_POPULATE_WRITE;
	int flags = MAP_FIXED_NOREPLACE;
	char *got;

	flags |= source->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	got = mmap(addr, bytes, PROT_READ | PROT_WRITE, flags, source->fd, 0);
	if (got == MAP_FAILED)
		exit_err("%s: mmap: %s", source->name, strerror(errno));
	if (got != addr)
		exit_err("%s: mmap chose another address than the free one it was given",
			 source->name);
	/*
	 * Page by page, as all the others are mapped: whether anonymous memory
	 * gets huge pages, zeroed whole at one touch, is the machine's setting.
	 */
	if (source->fd < 0)
		madvise(addr, bytes, MADV_NOHUGEPAGE);
	if (source->populate && madvise(addr, bytes, populate))
		exit_err("%s: MADV_POPULATE_%s: %s", source->name,
			 access == READ ? "READ" : "WRITE", strerror(errno));
}

/**
 * fm_minor_faults() - count faults
 *
 * Return: how many this process has had
 */
long fm_minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/**
 * fm_proc_kib() - look up a figure that the kernel tells
 * @path: a file below /proc with a line "KEY:  N kB"
 * @key: of the line
 *
 * Return: the figure in KiB; -1 if there is none
 */
long fm_proc_kib(const char *path, const char *key)
{
	FILE *file = fopen(path, "r");
	size_t len = strlen(key);
	char line[128];
	long kib = -1;

	while (file && kib < 0 && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, len) && line[len] == ':')
			kib = strtol(line + len + 1, NULL, 10);
	}
	if (file)
		fclose(file);
	return kib;
}

/**
 * fm_table_kib() - measure the page tables
 *
 * Return: what those of this process take, in KiB
 */
long fm_table_kib(void)
{
	return fm_proc_kib("/proc/self/status", "VmPTE");
}

/**
 * fm_lock_ourselves() - keep faults of our own out of the count
 *
 * Only on memory that there is by now. Without the right to lock it, the warm-up
 * runs touch what the measured ones need.
 */
void fm_lock_ourselves(void)
{
	static bool told;

	fm_now_ns();
	if (mlockall(MCL_CURRENT) && !told) {
		print_info("cannot lock memory (%s): a fault of fmbench itself may be counted",
			   strerror(errno));
		told = true;
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * For LD_PRELOAD: who asks mmap(2) for memory, or for a file's to write to, gets a
 * buffer of its own from the driver instead.  Its strategy is FAULTMAP_STRATEGY, a
 * number of the uapi header; what that refuses to map, the kernel gives as it would.
 * Frames have no private copies: they are shared where copies were asked for, unless
 * that is little, as a stack that children of fork(2) must not share.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "faultmap_uapi.h"

#define MAX_BYTES	(16UL << 20)
#define MIN_SHARED	(128UL << 10)
#define SPARE		2	/* times what is asked for, as mremap(2) may want more */

static void *map_as_asked(void *addr, size_t bytes, int prot, int flags, int fd,
			  off_t offset)
{
	return (void *)syscall(SYS_mmap, addr, bytes, prot, flags, fd, offset);
}

static unsigned int strategy(void)
{
	const char *name = getenv("FAULTMAP_STRATEGY");

	return name ? atoi(name) : FAULTMAP_STRATEGY_LAZY;
}

static bool is_of_frames(void)
{
	return strategy() == FAULTMAP_STRATEGY_EAGER ||
	       strategy() == FAULTMAP_STRATEGY_LAZY_PFN;
}

static bool is_wanted(size_t bytes, int prot, int flags, int fd)
{
	int special = MAP_STACK | MAP_GROWSDOWN | MAP_HUGETLB;
	struct stat stat;

	if (!bytes || bytes > MAX_BYTES || flags & special)
		return false;
	if (is_of_frames() && flags & MAP_PRIVATE && bytes < MIN_SHARED)
		return false;
	if (flags & MAP_ANONYMOUS)
		return true;
	return prot & PROT_WRITE && !fstat(fd, &stat) && S_ISREG(stat.st_mode);
}

static int new_buffer(size_t bytes)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct faultmap_create create = {
		.bytes = SPARE * ((bytes + page - 1) / page * page),
		.strategy = strategy(),
	};
	int control = open("/dev/faultmap/control", O_RDWR | O_CLOEXEC), fd;

	if (control < 0)
		return -1;
	fd = ioctl(control, FAULTMAP_CREATE, &create);
	close(control);
	return fd;
}

static void *map_buffer(void *addr, size_t bytes, int prot, int flags)
{
	int saved = errno, fd = new_buffer(bytes);
	void *map;

	flags &= ~MAP_ANONYMOUS;
	if (is_of_frames())
		flags = (flags & ~MAP_TYPE) | MAP_SHARED;
	map = map_as_asked(addr, bytes, prot, flags, fd, 0);
	close(fd);
	errno = saved;
	return map;
}

void *mmap(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	void *map = MAP_FAILED;

	if (is_wanted(bytes, prot, flags, fd))
		map = map_buffer(addr, bytes, prot, flags);
	if (map == MAP_FAILED)
		map = map_as_asked(addr, bytes, prot, flags, fd, offset);
	return map;
}

void *mmap64(void *addr, size_t bytes, int prot, int flags, int fd, off_t offset)
{
	return mmap(addr, bytes, prot, flags, fd, offset);
}

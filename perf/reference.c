// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel itself maps, and a driver that answers each fault by a callback: the
 * same program measures them for comparison. All but anonymous memory have their pages
 * before the measurement.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/udmabuf.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "common.h"
#include "mapping.h"
#include "reference.h"

#ifndef BPF_F_MMAPABLE
#define BPF_F_MMAPABLE		(1U << 10)
#endif
/* Newer than the headers of the oldest kernel. */
#define MAP_TYPE_ARENA		33

/* What fallocate(2) alone gives is not up to date, and no fault around it would map it. */
static void give_memory(const char *name, int fd, size_t bytes)
{
	int ret = ftruncate(fd, bytes) ? errno : posix_fallocate(fd, 0, bytes);
	size_t at;

	for (at = 0; !ret && at < bytes; at += fm_page_size())
		if (pwrite(fd, "", 1, at) != 1)
			ret = errno;
	if (ret)
		exit_err("%s: no %zu bytes: %s", name, bytes, strerror(ret));
}

static int make_memfd(size_t bytes, unsigned int flags)
{
	int fd = memfd_create("fmbench", MFD_CLOEXEC | flags);

	if (fd < 0)
		exit_err("memfd: %s", strerror(errno));
	give_memory("memfd", fd, bytes);
	return fd;
}

/* A mount that nobody else sees, and that lives as long as its files. */
static int mount_huge_tmpfs(void)
{
	int context = fsopen("tmpfs", FSOPEN_CLOEXEC), mount = -1;

	if (context >= 0 &&
	    !fsconfig(context, FSCONFIG_SET_STRING, "huge", "always", 0) &&
	    !fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	close(context);
	return mount;
}

/*
 * What a memfd is where /sys/kernel/mm/transparent_hugepage/shmem_enabled says always: a
 * file of shmem in huge pages. That all came in such pages is looked up.
 */
static int make_tmpfs_huge(size_t bytes)
{
	long kib = fm_proc_kib("/proc/meminfo", "ShmemHugePages");
	int mount = mount_huge_tmpfs(), fd;

	if (mount < 0)
		return -1;
	fd = openat(mount, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		exit_err("tmpfs-huge: %s", strerror(errno));
	close(mount);
	give_memory("tmpfs-huge", fd, bytes);
	kib = fm_proc_kib("/proc/meminfo", "ShmemHugePages") - kib;
	if (kib < (long)(bytes >> 10))
		exit_err("tmpfs-huge: %ld KiB of %zu came in huge pages: give the machine more memory",
			 kib, bytes >> 10);
	return fd;
}

static int make_udmabuf(size_t bytes)
{
	int device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	struct udmabuf_create create = {
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = bytes,
	};
	int fd;

	if (device < 0)
		return -1;
	create.memfd = make_memfd(bytes, MFD_ALLOW_SEALING);
	if (fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		exit_err("memfd: F_SEAL_SHRINK: %s", strerror(errno));
	fd = ioctl(device, UDMABUF_CREATE, &create);
	close(create.memfd);
	close(device);
	return fd;
}

static int make_bpf_map(__u32 type, __u32 key_size, __u32 value_size,
			size_t bytes)
{
	union bpf_attr attr = {
		.map_type = type,
		.key_size = key_size,
		.value_size = value_size,
		.max_entries = bytes / fm_page_size(),
		.map_flags = BPF_F_MMAPABLE,
	};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

/* module/examples/scull.c, which answers for each page, and has them when they are written. */
static int make_scull(size_t bytes)
{
	int fd = open("/dev/scull", O_RDWR | O_TRUNC | O_CLOEXEC);
	size_t i;

	for (i = 0; fd >= 0 && i < bytes; i += fm_page_size())
		if (pwrite(fd, "", 1, i) != 1)
			exit_err("/dev/scull: no %zu bytes: %s", bytes, strerror(errno));
	return fd;
}

/* An arena gets its pages from its first mapping, and keeps them. */
static void populate_arena(struct source *source, size_t bytes)
{
	char *addr = fm_common_address();
	size_t i;

	fm_map(source, bytes, addr, WRITE);
	for (i = 0; i < bytes; i += fm_page_size())
		__atomic_store_n(addr + i, 0, __ATOMIC_RELAXED);
	munmap(addr, bytes);
}

/**
 * fm_make_reference() - make what the kernel maps without the driver
 * @source: filled in but for its name
 * @strategy: "anon", "memfd", "anon-populate", "memfd-populate", "tmpfs-huge",
 *	"udmabuf", "bpf-array" or "bpf-arena"; "callback" for an example driver, if that is loaded
 * @bytes: how much
 *
 * Exits if it is none of these.
 *
 * Return: false if this kernel has none
 */
bool fm_make_reference(struct source *source, const char *strategy, size_t bytes)
{
	source->populate = !!strstr(strategy, "-populate");
	if (!strncmp(strategy, "anon", 4))
		return true;
	if (!strncmp(strategy, "memfd", 5))
		source->fd = make_memfd(bytes, 0);
	else if (!strcmp(strategy, "tmpfs-huge"))
		source->fd = make_tmpfs_huge(bytes);
	else if (!strcmp(strategy, "udmabuf"))
		source->fd = make_udmabuf(bytes);
	else if (!strcmp(strategy, "callback"))
		source->fd = make_scull(bytes);
	else if (!strcmp(strategy, "bpf-array"))
		source->fd = make_bpf_map(BPF_MAP_TYPE_ARRAY, sizeof(__u32),
					  fm_page_size(), bytes);
	else if (!strcmp(strategy, "bpf-arena"))
		source->fd = make_bpf_map(MAP_TYPE_ARENA, 0, 0, bytes);
	else
		exit_err("no strategy %s", strategy);
	if (source->fd >= 0 && !strcmp(strategy, "bpf-arena"))
		populate_arena(source, bytes);
	return source->fd >= 0;
}

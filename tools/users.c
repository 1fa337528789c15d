// SPDX-License-Identifier: GPL-2.0-only
/*
 * What processes have open, or mapped: to look at the links below /proc opens nothing.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "users.h"

static void each_link_of(const char *pid, const char *kind, fm_link_fn fn, void *arg)
{
	struct dirent *entry;
	char path[300];
	DIR *links;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, kind);
	links = opendir(path);
	/* It has ended, or is somebody else's. */
	if (!links)
		return;
	while ((entry = readdir(links)))
		fn(arg, pid, links, entry->d_name);
	closedir(links);
}

/**
 * fm_each_link() - look at what processes use
 * @kind: "fd", or "map_files", whose mappings outlive the descriptors
 * @fn: called for each of all processes that the caller may look into: as root, all
 * @arg: for @fn
 */
void fm_each_link(const char *kind, fm_link_fn fn, void *arg)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)*entry->d_name))
			each_link_of(entry->d_name, kind, fn, arg);
	if (proc)
		closedir(proc);
}

struct used {
	unsigned int major_number;
	bool *used;
};

static void note_device(void *arg, const char *pid, DIR *links, const char *name)
{
	struct used *used = arg;
	struct stat st;

	(void)pid;
	/* The process may have closed it meanwhile. */
	if (fstatat(dirfd(links), name, &st, 0) || !S_ISCHR(st.st_mode))
		return;
	if (major(st.st_rdev) == used->major_number && minor(st.st_rdev) < FM_MINORS)
		used->used[minor(st.st_rdev)] = true;
}

/**
 * fm_find_used() - find out which nodes are open, or mapped
 * @major_number: of the nodes
 * @used: by minor number; those are set that some process uses
 */
void fm_find_used(unsigned int major_number, bool used[FM_MINORS])
{
	struct used arg = { major_number, used };

	fm_each_link("fd", note_device, &arg);
	fm_each_link("map_files", note_device, &arg);
}

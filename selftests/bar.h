/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The memory of the first PCI device of the driver, the one that QEMU's -device
 * ivshmem-plain makes.
 */
#ifndef _FAULTMAP_BAR_H
#define _FAULTMAP_BAR_H

#include "faultmap_test.h"

#define PCI_DRIVER	"/sys/bus/pci/drivers/faultmap"

struct bar {
	char device[32];
	unsigned long start, size;
};

static inline bool read_bar(struct bar *bar)
{
	char path[128];
	unsigned long end;
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource",
		 bar->device);
	file = fopen(path, "r");
	if (!file)
		return false;
	ok = fscanf(file, "%*[^\n]\n%*[^\n]\n%lx %lx", &bar->start,
		    &end) == 2;
	fclose(file);
	bar->size = end + 1 - bar->start;
	return ok;
}

static inline bool find_bar(struct bar *bar)
{
	glob_t found;

	if (glob(PCI_DRIVER "/????:??:??.?", 0, NULL, &found))
		return false;
	snprintf(bar->device, sizeof(bar->device), "%s",
		 strrchr(found.gl_pathv[0], '/') + 1);
	globfree(&found);
	return read_bar(bar);
}

#endif /* _FAULTMAP_BAR_H */

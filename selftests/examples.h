/* SPDX-License-Identifier: GPL-2.0-only */
/* Loading the examples. To the one called "bar" the driver lends its PCI device. */
#ifndef _FAULTMAP_EXAMPLES_H
#define _FAULTMAP_EXAMPLES_H

#include <sys/syscall.h>

#include "bar.h"
#include "installed.h"

#define BAR_DRIVER	"/sys/bus/pci/drivers/bar"

static inline int load_example(const char *name, const char *params)
{
	char path[512];
	int fd, ret;

	snprintf(path, sizeof(path), "%s/%s.ko", examples_directory(), name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = fm_errno(syscall(SYS_finit_module, fd, params, 0));
	close(fd);
	return ret;
}

static inline int unload_example(const char *name)
{
	return fm_errno(syscall(SYS_delete_module, name, O_NONBLOCK));
}

/* The example finds the device free, and binds it; 0 or -errno. */
static inline int lend_bar(const struct bar *bar, const char *params)
{
	int ret = fm_put(PCI_DRIVER "/unbind", bar->device);

	if (ret)
		return ret;
	ret = load_example("bar", params);
	if (ret)
		fm_put(PCI_DRIVER "/bind", bar->device);
	return ret;
}

/* Whatever a test has left: the driver has the device again. What unloading says. */
static inline int take_bar_back(const struct bar *bar)
{
	int ret;

	fm_put(BAR_DRIVER "/unbind", bar->device);
	ret = unload_example("bar");
	fm_put(PCI_DRIVER "/bind", bar->device);
	return ret;
}

static inline bool is_bound(const char *driver, const struct bar *bar)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", driver, bar->device);
	return !access(path, F_OK);
}

#endif /* _FAULTMAP_EXAMPLES_H */

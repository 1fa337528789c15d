/* SPDX-License-Identifier: GPL-2.0-only */
/* Loading and unloading the module. */
#ifndef _FAULTMAP_MODULE_LOAD_H
#define _FAULTMAP_MODULE_LOAD_H

#include <sys/syscall.h>

#include "installed.h"

static inline int load(const char *params)
{
	int fd = open(driver_file(), O_RDONLY | O_CLOEXEC), ret;
	char all[128];

	if (fd < 0)
		return -errno;
	snprintf(all, sizeof(all), "window=%u %s",
		 fm_window(FAULTMAP_STRATEGY_LAZY_PFN), params);
	ret = fm_errno(syscall(SYS_finit_module, fd, all, 0));
	close(fd);
	return ret;
}

static inline int unload(void)
{
	return fm_errno(syscall(SYS_delete_module, "faultmap", O_NONBLOCK));
}

#endif /* _FAULTMAP_MODULE_LOAD_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the files of modules are: as the environment says, or with the running kernel. */
#ifndef _FAULTMAP_INSTALLED_H
#define _FAULTMAP_INSTALLED_H

#include "faultmap_test.h"

/* NULL if there is neither. */
static inline const char *fm_installed(const char *variable, const char *path)
{
	const char *named = getenv(variable);
	static char found[256];
	struct utsname uts;

	if (named)
		return named;
	uname(&uts);
	snprintf(found, sizeof(found), "/lib/modules/%s/kernel/%s", uts.release, path);
	return access(found, R_OK) ? NULL : found;
}

static inline const char *driver_file(void)
{
	return fm_installed("FAULTMAP_KO", "drivers/misc/faultmap/faultmap.ko");
}

static inline const char *engine_file(void)
{
	return fm_installed("FAULTMAP_ENGINE_KO", "lib/faultmap/faultmap_engine.ko");
}

static inline const char *examples_directory(void)
{
	return fm_installed("FAULTMAP_EXAMPLES", "samples/faultmap");
}

/* What only modules have. */
static inline bool is_built_in(const char *module)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s", module);
	if (access(path, F_OK))
		return false;
	strncat(path, "/initstate", sizeof(path) - strlen(path) - 1);
	return access(path, F_OK);
}

#endif /* _FAULTMAP_INSTALLED_H */

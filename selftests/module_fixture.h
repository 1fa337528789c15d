/* SPDX-License-Identifier: GPL-2.0-only */
/* The fixture of tests that load and unload the module. */
#ifndef _FAULTMAP_MODULE_FIXTURE_H
#define _FAULTMAP_MODULE_FIXTURE_H

#include "faultmap_test.h"
#include "module_load.h"

/* Loaded with its default parameters before and after each test. */
FIXTURE(module)
{
	bool ready;
};

FIXTURE_SETUP(module)
{
	int ret;

	if (is_built_in("faultmap"))
		SKIP(return, "faultmap is built in");
	if (!driver_file())
		SKIP(return, "no file of the module: FAULTMAP_KO may name it");
	if (geteuid())
		SKIP(return, "only root loads modules");
	ret = unload();
	ASSERT_TRUE(ret == 0 || ret == -ENOENT);
	ASSERT_EQ(0, load(""));
	self->ready = true;
}

FIXTURE_TEARDOWN(module)
{
	if (self->ready && unload() != -EWOULDBLOCK)
		load("");
}

static inline bool exists(const char *path)
{
	return !access(path, F_OK);
}

#endif /* _FAULTMAP_MODULE_FIXTURE_H */

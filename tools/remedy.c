// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be done about an error of the driver.
 */
#include <errno.h>

#include "tool.h"

static const struct {
	int error;
	const char *remedy;
} remedies[] = {
	{ EACCES, ": run as root, or as whom the file belongs to" },
	{ EPERM, ": run as root" },
	{ ENOMEM, ": ask for less memory, or free some, in the memory cgroup too" },
	{ ENOSPC, ": close other buffers, or load the module with a larger max_total" },
	{ EFBIG, ": ask for less, or load the module with a larger max_size" },
	{ ENODEV, ": the device, or the buffer, is gone" },
	{ ENXIO, ": the device, or the buffer, is gone" },
};

/**
 * fm_remedy() - tell what can be done about an error
 * @error: the errno that the driver gave
 *
 * Return: words to follow those of strerror(3), which may be none
 */
const char *fm_remedy(int error)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(remedies); i++)
		if (remedies[i].error == error)
			return remedies[i].remedy;
	return "";
}

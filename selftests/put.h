/* SPDX-License-Identifier: GPL-2.0-only */
/* Errors as the kernel has them, and files that are told something in a word. */
#ifndef _FAULTMAP_PUT_H
#define _FAULTMAP_PUT_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* An error as the negative errno that it is in the kernel. */
static inline long fm_errno(long ret)
{
	return ret == -1 ? -errno : ret;
}

/* Writes a file of the kernel; 0 or -errno. */
static inline int fm_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = fm_errno(write(fd, text, strlen(text)));
	close(fd);
	return ret < 0 ? ret : 0;
}

#endif /* _FAULTMAP_PUT_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * From what the user names to a descriptor: a node by its name or path, a descriptor of a
 * process as PID:FD or by its path below /proc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "operand.h"
#include "tool.h"

/* Digits, a colon and digits; nothing in /dev/faultmap is called so. */
static bool is_descriptor(const char *operand)
{
	size_t pid = strspn(operand, "0123456789");
	const char *fd = operand + pid + 1;

	return pid && operand[pid] == ':' && *fd && !fd[strspn(fd, "0123456789")];
}

static bool find_path(const char *operand, char path[PATH_MAX])
{
	int len;

	if (strchr(operand, '/'))
		len = snprintf(path, PATH_MAX, "%s", operand);
	else if (is_descriptor(operand))
		len = snprintf(path, PATH_MAX, "/proc/%.*s/fd/%s",
			       (int)strcspn(operand, ":"), operand,
			       strchr(operand, ':') + 1);
	else
		len = snprintf(path, PATH_MAX, FM_NODES "/%s", operand);
	return len < PATH_MAX;
}

static const char *missing_remedy(const char *operand)
{
	if (is_descriptor(operand) || !strncmp(operand, "/proc/", 6))
		return ": no such process, or it has no such descriptor";
	if (access(FM_NODES, F_OK))
		return ": load the module faultmap first";
	return ": the nodes are those that \"faultmap list\" shows";
}

static void tell_why(const char *operand, int error)
{
	fm_warn("%s: %s%s", operand, strerror(error),
		error == ENOENT ? missing_remedy(operand) : fm_remedy(error));
}

static void refuse(const char *operand)
{
	fm_warn("%s: neither a node nor a private buffer of faultmap: give one as pages-lazy, a path, or PID:FD",
		operand);
}

static bool is_node(dev_t device)
{
	char path[64], class[PATH_MAX];
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/subsystem", major(device),
		 minor(device));
	len = readlink(path, class, sizeof(class) - 1);
	if (len < 0)
		return false;
	class[len] = '\0';
	return !strcmp(strrchr(class, '/') ? strrchr(class, '/') + 1 : class, "faultmap");
}

/*
 * Opening something else might block, as a fifo does, or do something, as a tape does;
 * a regular file shows at the first ioctl whether it is a private buffer.
 */
static bool may_open(int at)
{
	struct stat st;

	return !fstat(at, &st) && (S_ISREG(st.st_mode) ||
				   (S_ISCHR(st.st_mode) && is_node(st.st_rdev)));
}

static int reopen(const char *operand, int at, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", at);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		tell_why(operand, errno);
	return fd;
}

/* First to read, which does nothing to a file that is not ours. */
static int open_checked(const char *operand, int at, int flags)
{
	struct faultmap_info info;
	int fd;

	if (!may_open(at)) {
		refuse(operand);
		return -1;
	}
	fd = reopen(operand, at, O_RDONLY);
	if (fd >= 0 && ioctl(fd, FAULTMAP_INFO, &info)) {
		refuse(operand);
		close(fd);
		return -1;
	}
	if (fd < 0 || flags == O_RDONLY)
		return fd;
	close(fd);
	return reopen(operand, at, flags);
}

/**
 * fm_open_operand() - open a node or a private buffer
 * @operand: the name of a node, a path, or PID:FD
 * @flags: O_RDONLY or O_RDWR
 *
 * Return: a descriptor; -1 if there is none, which has been told
 */
int fm_open_operand(const char *operand, int flags)
{
	char path[PATH_MAX];
	int at, fd;

	if (!find_path(operand, path)) {
		tell_why(operand, ENAMETOOLONG);
		return -1;
	}
	at = open(path, O_PATH | O_CLOEXEC);
	if (at < 0) {
		tell_why(operand, errno);
		return -1;
	}
	fd = open_checked(operand, at, flags);
	close(at);
	return fd;
}

/**
 * fm_read_info() - ask what a buffer is
 * @fd: its descriptor
 * @operand: what the user calls it
 * @info: filled in
 *
 * Return: false if the driver does not tell, which has been told
 */
bool fm_read_info(int fd, const char *operand, struct faultmap_info *info)
{
	if (!ioctl(fd, FAULTMAP_INFO, info))
		return true;
	tell_why(operand, errno);
	return false;
}

/**
 * fm_read_stats() - ask for the counters of a buffer
 * @fd: its descriptor
 * @operand: what the user calls it
 * @stats: filled in
 *
 * Return: false if the driver does not tell, which has been told
 */
bool fm_read_stats(int fd, const char *operand, struct faultmap_stats *stats)
{
	if (!ioctl(fd, FAULTMAP_STATS, stats))
		return true;
	tell_why(operand, errno);
	return false;
}

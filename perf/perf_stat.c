// SPDX-License-Identifier: GPL-2.0-only
/*
 * Talking to perf stat --control: it counts only between enable and disable.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common.h"
#include "perf_stat.h"

/* The fifos of perf stat; -1 without perf. */
static int control_fd = -1, ack_fd = -1;

static int open_fifo(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		exit_err("%s: %s: give --control the two fifos of perf stat --control fifo:CTL,ACK",
			 path, strerror(errno));
	return fd;
}

/**
 * fm_open_perf() - open the fifos of perf stat; exits if it cannot
 * @control: both names, "CTL,ACK"
 */
void fm_open_perf(const char *control)
{
	char *ctl = strdup(control);
	char *comma = ctl ? strchr(ctl, ',') : NULL;

	if (!comma)
		exit_err("--control=%s: give two fifos as CTL,ACK", control);
	*comma = '\0';
	control_fd = open_fifo(ctl, O_WRONLY);
	ack_fd = open_fifo(comma + 1, O_RDONLY);
	free(ctl);
}

/**
 * fm_tell_perf() - send perf stat a command and wait until it has effect
 * @command: "enable" or "disable", and a newline
 *
 * Nothing happens before fm_open_perf().
 */
void fm_tell_perf(const char *command)
{
	char answer[16];
	size_t len = strlen(command);

	if (control_fd < 0)
		return;
	if (write(control_fd, command, len) != (ssize_t)len)
		exit_err("perf does not take the command %s", command);
	if (read(ack_fd, answer, sizeof(answer)) < 4 || memcmp(answer, "ack\n", 4))
		exit_err("perf does not acknowledge: does its --control name an ack fifo?");
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel complains of while a test runs, so that it is that test which fails. */
#ifndef _FAULTMAP_KERNEL_LOG_H
#define _FAULTMAP_KERNEL_LOG_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "put.h"

#define FM_LOG_ERROR	3	/* the level, and those below it are worse */

/* The log from now on, or -1; what warns but once is to warn again. */
static inline int fm_log_open(void)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (log >= 0)
		lseek(log, 0, SEEK_END);
	fm_put("/sys/kernel/debug/clear_warn_once", "1");
	return log;
}

/* A record is "PRIORITY,NUMBER,TIME,FLAGS;TEXT". */
static inline bool fm_log_complains(const char *record)
{
	return (atoi(record) & 7) <= FM_LOG_ERROR ||
	       strstr(record, "WARNING:") || strstr(record, "BUG:");
}

/* Whether there is a complaint since fm_log_open(): the first comes in @record. */
static inline bool fm_log_read(int log, char *record, size_t size)
{
	ssize_t got;

	while ((got = read(log, record, size - 1)) > 0 || (got < 0 && errno == EPIPE)) {
		record[got < 0 ? 0 : got] = 0;
		if (got > 0 && fm_log_complains(record))
			return true;
	}
	return false;
}

/* For a teardown. */
#define EXPECT_SILENT(log) do { \
	char __record[1024]; \
	bool __complains = fm_log_read(log, __record, sizeof(__record)); \
	EXPECT_FALSE(__complains) { \
		TH_LOG("the kernel: %s", __record); \
	} \
	if ((log) >= 0) \
		close(log); \
} while (0)

#endif /* _FAULTMAP_KERNEL_LOG_H */

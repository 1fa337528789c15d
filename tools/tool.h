/* SPDX-License-Identifier: GPL-2.0-only */
/* What every file of the command needs: its exit statuses, and words for the user. */
#ifndef _TOOL_H
#define _TOOL_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "faultmap_uapi.h"

#define FM_NODES	"/dev/faultmap"

/*
 * "create" has those of env(1) for what is not its program's status: FM_CREATE_FAILED,
 * FM_NOT_RUN and FM_NOT_FOUND.
 */
enum fm_exit {
	FM_FAILED = 1,		/* the kernel refused, or there is no such thing */
	FM_USAGE = 2,		/* the command line cannot be followed */
	FM_CREATE_FAILED = 125,
	FM_NOT_RUN = 126,
	FM_NOT_FOUND = 127,
	FM_SIGNALLED = 128,	/* plus the signal */
};

#define fm_warn(format, ...) \
	fprintf(stderr, "faultmap: " format "\n", ##__VA_ARGS__)

#define fm_die(status, ...) do { fm_warn(__VA_ARGS__); exit(status); } while (0)

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* With the size of a page. */
#define FM_SIZE_REMEDY	"give a multiple of the page size, %zu bytes, such as 64M"

static inline size_t fm_page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* remedy.c */
const char *fm_remedy(int error);

/* The commands: each returns the exit status. */
int fm_list(int argc, char **argv);
int fm_create(int argc, char **argv);
int fm_info(int argc, char **argv);
int fm_stats(int argc, char **argv);
int fm_reset(int argc, char **argv);
int fm_resize(int argc, char **argv);
int fm_revoke(int argc, char **argv);
int fm_watch(int argc, char **argv);

#endif /* _TOOL_H */

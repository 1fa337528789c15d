/* SPDX-License-Identifier: GPL-2.0-only */
/* What "list" shows of a node, or of a private buffer. */
#ifndef _ROWS_H
#define _ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "faultmap_uapi.h"
#include "names.h"

/**
 * struct row - a node or a private buffer
 * @name: of a node, without the directory; else PID:FD
 * @path: by which it is opened
 * @read: what the name says, or the driver
 * @device: number of the node, or of the file system that has the private buffer
 * @file: of a private buffer, its inode; else 0
 * @looked: it was opened; @info and @stats are what it told
 * @failed: it could not be opened, for @error
 * @error: an errno
 * @note: why not, or why nobody tried; else empty
 */
struct row {
	char name[256];
	char path[300];
	struct node_name read;
	dev_t device;
	ino_t file;
	bool looked;
	bool failed;
	int error;
	struct faultmap_info info;
	struct faultmap_stats stats;
	char note[160];
};

struct rows {
	struct row *row;
	size_t n;
};

struct row *fm_add_row(struct rows *rows);
void fm_ask_row(struct row *row);
void fm_find_rows(struct rows *rows, bool allocate);

/* private.c */
void fm_find_private(struct rows *rows);

#endif /* _ROWS_H */

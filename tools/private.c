// SPDX-License-Identifier: GPL-2.0-only
/*
 * The private buffers that processes have descriptors of. They have their memory, or get
 * it on demand: to open one costs none.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "rows.h"
#include "tool.h"
#include "users.h"

/* By the name that the driver gives its file; INFO tells for certain. */
static bool may_be_private(DIR *links, const char *name, struct stat *st)
{
	char target[64];
	ssize_t len = readlinkat(dirfd(links), name, target, sizeof(target) - 1);

	if (len < 0)
		return false;
	target[len] = '\0';
	return strstr(target, "faultmap") && !fstatat(dirfd(links), name, st, 0) &&
		S_ISREG(st->st_mode);
}

/* Another descriptor, or another process, may have shown it. */
static bool is_shown(const struct rows *rows, const struct stat *st)
{
	size_t i;

	for (i = 0; i < rows->n; i++)
		if (rows->row[i].file == st->st_ino && rows->row[i].device == st->st_dev)
			return true;
	return false;
}

static void add_private(void *arg, const char *pid, DIR *links, const char *name)
{
	struct rows *rows = arg;
	struct stat st;
	struct row *row;

	if (!may_be_private(links, name, &st) || is_shown(rows, &st))
		return;
	row = fm_add_row(rows);
	snprintf(row->name, sizeof(row->name), "%s:%s", pid, name);
	snprintf(row->path, sizeof(row->path), "/proc/%s/fd/%s", pid, name);
	row->device = st.st_dev;
	row->file = st.st_ino;
	fm_ask_row(row);
	/* Some other file, or one that has just been closed. */
	if (row->failed && (row->error == ENOTTY || row->error == ENOENT))
		rows->n--;
}

/**
 * fm_find_private() - add the private buffers that processes have descriptors of
 * @rows: to which they are added, each once
 */
void fm_find_private(struct rows *rows)
{
	fm_each_link("fd", add_private, rows);
}

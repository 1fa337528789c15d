// SPDX-License-Identifier: GPL-2.0-only
/*
 * The nodes and what they tell. The first open of a node gives its buffer all its memory,
 * and nothing tells whether there was one: so a node is opened only if that costs nothing.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "rows.h"
#include "tool.h"
#include "users.h"

static int is_no_dot(const struct dirent *entry)
{
	return *entry->d_name != '.' && strcmp(entry->d_name, "control");
}

/**
 * fm_add_row() - make room for a row; exits if there is none
 * @rows: to which it is added
 *
 * Return: the row, empty
 */
struct row *fm_add_row(struct rows *rows)
{
	rows->row = reallocarray(rows->row, rows->n + 1, sizeof(*rows->row));
	if (!rows->row)
		fm_die(FM_FAILED, "%s", strerror(errno));
	rows->row[rows->n] = (struct row) { };
	return &rows->row[rows->n++];
}

static void add_node(struct rows *rows, const char *name)
{
	struct row *row = fm_add_row(rows);
	struct stat st;

	snprintf(row->name, sizeof(row->name), "%s", name);
	snprintf(row->path, sizeof(row->path), FM_NODES "/%s", name);
	/* A device may have gone meanwhile, and its nodes with it. */
	if (stat(row->path, &st) || !S_ISCHR(st.st_mode)) {
		rows->n--;
		return;
	}
	row->device = st.st_rdev;
	fm_read_node_name(row->name, &row->read);
}

static void find_nodes(struct rows *rows)
{
	struct dirent **entries;
	int i, n = scandir(FM_NODES, &entries, is_no_dot, alphasort);

	if (n < 0)
		fm_die(FM_FAILED, FM_NODES ": %s%s", strerror(errno), errno == ENOENT ?
		       ": load the module faultmap first" : fm_remedy(errno));
	for (i = 0; i < n; i++) {
		add_node(rows, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

static bool share_buffer(const struct row *row, const struct row *other)
{
	return row->read.prefix == other->read.prefix &&
		!strncmp(row->name, other->name, row->read.prefix);
}

/* Who has a node open has given the buffer its memory, which stays. */
static bool has_memory(const struct rows *rows, const struct row *row, const bool *used)
{
	size_t i;

	for (i = 0; i < rows->n; i++)
		if (used[minor(rows->row[i].device)] && share_buffer(row, &rows->row[i]))
			return true;
	return false;
}

static bool comes_on_demand(const struct row *row)
{
	FILE *parameter = fopen("/sys/module/faultmap/parameters/on_demand", "r");
	bool on_demand = parameter && fgetc(parameter) == 'Y';

	if (parameter)
		fclose(parameter);
	return on_demand && (row->read.memory == FAULTMAP_MEMORY_PAGES ||
			     row->read.memory == FAULTMAP_MEMORY_VMALLOC);
}

static void fail(struct row *row, int error)
{
	row->failed = true;
	row->error = error;
	snprintf(row->note, sizeof(row->note), "%s%s", strerror(error), fm_remedy(error));
}

/**
 * fm_ask_row() - open what a row is of, and let it tell
 * @row: the row, with a path
 */
void fm_ask_row(struct row *row)
{
	int fd = open(row->path, O_RDONLY | O_CLOEXEC);

	row->looked = fd >= 0 && !ioctl(fd, FAULTMAP_INFO, &row->info) &&
		!ioctl(fd, FAULTMAP_STATS, &row->stats);
	if (row->looked) {
		row->read.memory = row->info.memory;
		row->read.strategy = row->info.strategy;
	} else {
		fail(row, errno);
	}
	if (fd >= 0)
		close(fd);
}

static void leave(struct row *row)
{
	if (access(row->path, R_OK))
		fail(row, errno);
	else
		snprintf(row->note, sizeof(row->note),
			 "nobody has it open: --open gives it its memory");
}

/**
 * fm_find_rows() - find all nodes, and open those that may be; exits if there is no driver
 * @rows: filled in, sorted by name
 * @allocate: open also those whose buffers may get their memory by that
 */
void fm_find_rows(struct rows *rows, bool allocate)
{
	bool used[FM_MINORS] = { false };
	struct row *row;
	size_t i;

	find_nodes(rows);
	if (rows->n)
		fm_find_used(major(rows->row[0].device), used);
	for (i = 0; i < rows->n; i++) {
		row = &rows->row[i];
		if (allocate || row->read.memory == FAULTMAP_MEMORY_PHYS ||
		    comes_on_demand(row) || has_memory(rows, row, used))
			fm_ask_row(row);
		else
			leave(row);
	}
}

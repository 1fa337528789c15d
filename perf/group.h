/* SPDX-License-Identifier: GPL-2.0-only */
/* The file of a plan, each line a group of cells. */
#ifndef _GROUP_H
#define _GROUP_H

#include "cell.h"

#define FM_MAX_VALUES	64
#define FM_MAX_LINE	1024
#define FM_MAX_DEFAULT	32
#define FM_MAX_GROUPS	64

enum axis {
	STRATEGY, LAYOUT, SIZE, PATTERN, SHARE, ACCESS, HINT, HISTORY, THREADS, BY, NR_AXES
};

/* Those before it say what is mapped, the others what is done with it. */
#define FIRST_CELL_AXIS	PATTERN

struct axis_values {
	const char *value[FM_MAX_VALUES];
	size_t n;
};

/**
 * struct group - a line of a plan
 * @text: the line, cut into words
 * @defaults: what it does not say
 * @axes: the words of each axis
 */
struct group {
	char text[FM_MAX_LINE];
	char defaults[NR_AXES][FM_MAX_DEFAULT];
	struct axis_values axes[NR_AXES];
};

size_t fm_read_plan(const char *path, struct group **groups);
enum layout fm_nth_layout(const struct group *group, size_t n);
size_t fm_nth_bytes(const struct group *group, size_t n);
size_t fm_cells_of_subject(const struct group *group);
struct cell fm_nth_cell(const struct group *group, size_t n);
void fm_print_cell(const struct cell *cell, size_t touched);
const char *fm_layout_name(enum layout layout);

#endif /* _GROUP_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* fmbench --plan: many cells in one go. */
#ifndef _CELLS_H
#define _CELLS_H

void fm_run_plan(const char *path, unsigned int repeats);

#endif /* _CELLS_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* What processes have open, or mapped. */
#ifndef _USERS_H
#define _USERS_H

#include <dirent.h>
#include <stdbool.h>

#define FM_MINORS	256	/* of the driver's nodes */

/* Called with a process, the directory of its links, and one of these. */
typedef void (*fm_link_fn)(void *arg, const char *pid, DIR *links, const char *name);

void fm_each_link(const char *kind, fm_link_fn fn, void *arg);
void fm_find_used(unsigned int major_number, bool used[FM_MINORS]);

#endif /* _USERS_H */

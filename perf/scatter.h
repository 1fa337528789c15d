/* SPDX-License-Identifier: GPL-2.0-only */
/* Free memory in single pages. */
#ifndef _SCATTER_H
#define _SCATTER_H

#include <stddef.h>

void fm_scatter(size_t pages);

#endif /* _SCATTER_H */

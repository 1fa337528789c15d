/* SPDX-License-Identifier: GPL-2.0-only */
/* Sizes on a command line. */
#ifndef _SIZE_H
#define _SIZE_H

#include <stdbool.h>
#include <stddef.h>

bool fm_parse_size(const char *arg, size_t *bytes);

#endif /* _SIZE_H */

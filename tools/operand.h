/* SPDX-License-Identifier: GPL-2.0-only */
/* The node or the private buffer that a command is given. */
#ifndef _OPERAND_H
#define _OPERAND_H

#include <stdbool.h>

#include "faultmap_uapi.h"

int fm_open_operand(const char *operand, int flags);
bool fm_read_info(int fd, const char *operand, struct faultmap_info *info);
bool fm_read_stats(int fd, const char *operand, struct faultmap_stats *stats);

#endif /* _OPERAND_H */

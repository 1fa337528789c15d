/* SPDX-License-Identifier: GPL-2.0-only */
/* Where memory is mapped, and how; and the faults that were taken there. */
#ifndef _MAPPING_H
#define _MAPPING_H

#include "source.h"

char *fm_find_address(size_t bytes);
char *fm_common_address(void);
void fm_map(const struct source *source, size_t bytes, char *addr, enum access access);
long fm_minor_faults(void);
long fm_proc_kib(const char *path, const char *key);
long fm_table_kib(void);
void fm_lock_ourselves(void);

#endif /* _MAPPING_H */

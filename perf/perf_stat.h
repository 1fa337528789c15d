/* SPDX-License-Identifier: GPL-2.0-only */
/* Talking to perf stat --control. */
#ifndef _PERF_STAT_H
#define _PERF_STAT_H

void fm_open_perf(const char *control);
void fm_tell_perf(const char *command);

#endif /* _PERF_STAT_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* Waiting for a quiet machine. */
#ifndef _SETTLE_H
#define _SETTLE_H

void fm_settle(unsigned int tolerance_ppm);

#endif /* _SETTLE_H */

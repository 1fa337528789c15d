/* SPDX-License-Identifier: GPL-2.0-only */
/* What the first use of memory costs, which has to come into being for it. */
#ifndef _FIRST_H
#define _FIRST_H

#include "options.h"

void fm_run_first(const struct config *config);

#endif /* _FIRST_H */

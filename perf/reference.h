/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel itself maps. */
#ifndef _REFERENCE_H
#define _REFERENCE_H

#include "source.h"

bool fm_make_reference(struct source *source, const char *strategy, size_t bytes);

#endif /* _REFERENCE_H */

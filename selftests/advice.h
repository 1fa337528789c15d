/* SPDX-License-Identifier: GPL-2.0-only */
/* Advice for madvise(2) that the C library may be too old to know. */
#ifndef _FAULTMAP_ADVICE_H
#define _FAULTMAP_ADVICE_H

#include <sys/mman.h>

#ifndef MADV_COLD
#define MADV_COLD		20
#define MADV_PAGEOUT		21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ	22
#define MADV_POPULATE_WRITE	23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#define MADV_GUARD_REMOVE	103
#endif

#endif /* _FAULTMAP_ADVICE_H */

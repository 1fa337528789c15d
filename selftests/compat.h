/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What compat_test and the 32-bit program that it runs, compat32, agree on. No C
 * library, which compat32 does without, and nothing whose size could differ.
 */
#ifndef _FAULTMAP_COMPAT_H
#define _FAULTMAP_COMPAT_H

#include <stddef.h>

#include "faultmap_uapi.h"

#define FM_COMPAT_PAGE	4096
#define FM_COMPAT_PAGES	16

/* What compat32 is told on its standard input. */
struct fm_compat_request {
	__u32 create;	/* a buffer, rather than use the node */
	__u32 memory;
	__u32 strategy;
	__u32 window;
	char node[64];
};

/* What it does, in this order; each gives a count, 0, or a negative errno. */
enum fm_compat_step {
	FM_OPEN, FM_CREATE, FM_WRITE, FM_INFO,
	FM_MMAP2, FM_MMAP2_SEES, FM_OLD_MMAP, FM_OLD_MMAP_SEES,
	FM_MMAP2_FAR, FM_STORE, FM_STORE_READ, FM_MREMAP, FM_MREMAP_SEES,
	FM_STATS, FM_LLSEEK, FM_FROM_MAPPING, FM_TO_MAPPING,
	FM_RESIZE, FM_PAST_THE_END, FM_STATS_RESET, FM_UNKNOWN,
	FM_REVOKE, FM_REVOKED, FM_OPEN_NODE, FM_NODE_INFO, FM_NODE_MMAP,
	FM_NR_STEPS
};

/* Where the compiler put a member, and how large it is. */
#define FM_MEMBER(s, m) \
	(offsetof(struct faultmap_##s, m) << 16 | \
	 sizeof(((struct faultmap_##s *)0)->m))

static const __u32 fm_layout[] = {
	FAULTMAP_CREATE, FAULTMAP_INFO, FAULTMAP_STATS, FAULTMAP_STATS_RESET,
	FAULTMAP_RESIZE, FAULTMAP_REVOKE, FAULTMAP_EXPORT,
	sizeof(struct faultmap_create),
	FM_MEMBER(create, bytes), FM_MEMBER(create, memory),
	FM_MEMBER(create, strategy), FM_MEMBER(create, order),
	FM_MEMBER(create, window), FM_MEMBER(create, flags),
	FM_MEMBER(create, reserved),
	sizeof(struct faultmap_info),
	FM_MEMBER(info, bytes), FM_MEMBER(info, extents),
	FM_MEMBER(info, memory), FM_MEMBER(info, strategy),
	FM_MEMBER(info, order), FM_MEMBER(info, flags),
	FM_MEMBER(info, window), FM_MEMBER(info, reserved),
	sizeof(struct faultmap_stats),
	FM_MEMBER(stats, read_faults), FM_MEMBER(stats, write_faults),
	FM_MEMBER(stats, pages_installed), FM_MEMBER(stats, sigbus),
	FM_MEMBER(stats, mmaps), FM_MEMBER(stats, opens),
	FM_MEMBER(stats, closes), FM_MEMBER(stats, moves),
	FM_MEMBER(stats, zaps), FM_MEMBER(stats, huge_faults),
	sizeof(struct faultmap_resize),
	FM_MEMBER(resize, bytes), FM_MEMBER(resize, flags),
	sizeof(struct faultmap_export),
	FM_MEMBER(export, flags), FM_MEMBER(export, reserved),
};

#define FM_NR_LAYOUT	(sizeof(fm_layout) / sizeof(*fm_layout))

/* What it says on its standard output. */
struct fm_compat_reply {
	/* Aligns the whole, which 32 bits would align to four bytes. */
	__aligned_u64 pointer_size;
	struct faultmap_info info;
	struct faultmap_stats stats;
	struct faultmap_info node_info;
	__u32 layout[FM_NR_LAYOUT];
	__s32 result[FM_NR_STEPS];
};

#endif /* _FAULTMAP_COMPAT_H */

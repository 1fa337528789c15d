/* SPDX-License-Identifier: GPL-2.0-only */
/* What a mapping costs a child, which has it by fork(2). */
#ifndef _CHILD_H
#define _CHILD_H

#include "plan.h"

#include <linux/types.h>

/**
 * struct child - what a child cost
 * @fork_ns: from before fork(2) until the child runs
 * @touch_ns: the touches
 * @exit_ns: from there until the parent has waited for it
 * @faults: minor faults during the touches
 * @table_kib: the child's page tables in the end, in KiB
 */
struct child {
	__u64 fork_ns;
	__u64 touch_ns;
	__u64 exit_ns;
	long faults;
	long table_kib;
};

struct child fm_have_child(char *addr, const struct plan *plan, enum access access);

#endif /* _CHILD_H */

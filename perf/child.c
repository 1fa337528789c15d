// SPDX-License-Identifier: GPL-2.0-only
/*
 * A child that inherits a mapping: what fork(2), its own touches and its end cost.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "child.h"
#include "common.h"
#include "mapping.h"

/* What a child tells its parent. */
struct life {
	__u64 begins, ends;
	long faults, table_kib;
};

/* A child's stack, and code that it runs for the first time, have faults of their own. */
static void warm_up(enum access access)
{
	static char page;
	static size_t first;
	const struct plan one = {
		.pages = 1, .touched = 1, .index = &first, .first_bytes = &page,
	};

	fm_touch(&page, &one, access);
	fm_now_ns();
	fm_minor_faults();
}

static struct life live(char *addr, const struct plan *plan, enum access access)
{
	struct life life;
	long faults;

	warm_up(access);
	faults = fm_minor_faults();
	life.begins = fm_now_ns();
	if (plan)
		fm_touch(addr, plan, access);
	life.ends = fm_now_ns();
	life.faults = fm_minor_faults() - faults;
	life.table_kib = fm_table_kib();
	return life;
}

static struct life *shared_life(void)
{
	static struct life *life;

	if (!life)
		life = mmap(NULL, sizeof(*life), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (life == MAP_FAILED)
		exit_err("no memory to share with a child: %s", strerror(errno));
	return life;
}

/**
 * fm_have_child() - let a child inherit a mapping and touch it; exits if that fails
 * @addr: where it is
 * @plan: the pages that the child touches; NULL: none
 * @access: how
 *
 * Return: what that cost
 */
struct child fm_have_child(char *addr, const struct plan *plan, enum access access)
{
	struct life *life = shared_life();
	__u64 start = fm_now_ns();
	pid_t pid = fork();
	int status;

	if (!pid) {
		*life = live(addr, plan, access);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		exit_err("no child, or it failed: %s", strerror(errno));
	return (struct child) {
		.fork_ns = life->begins - start,
		.touch_ns = life->ends - life->begins,
		.exit_ns = fm_now_ns() - life->ends,
		.faults = life->faults,
		.table_kib = life->table_kib,
	};
}

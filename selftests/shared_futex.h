/* SPDX-License-Identifier: GPL-2.0-only */
/* Futexes that processes share, and processes that wait at one. */
#ifndef _FAULTMAP_SHARED_FUTEX_H
#define _FAULTMAP_SHARED_FUTEX_H

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "faultmap_test.h"

#define PATIENCE	20	/* seconds until somebody who waits gives up */

static inline long futex(void *word, int op, uint32_t value, const struct timespec *timeout)
{
	return fm_errno(syscall(SYS_futex, word, op, value, timeout, NULL, 0));
}

/* Maps the buffer on its own, somewhere else than whoever was before it. */
static inline char *map_elsewhere(int fd, size_t pages)
{
	fm_reserve(pages);
	return mmap(NULL, pages * fm_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
		    fd, 0);
}

/* Sleeps until it is woken; 0 or an errno. */
static inline int wait_at(void *word, int op)
{
	const struct timespec patience = { .tv_sec = PATIENCE };
	long ret;

	do {
		ret = futex(word, op, *(volatile uint32_t *)word, &patience);
	} while (ret == -EINTR);
	return -ret;
}

/* A process that maps @fd by itself and waits at its page @index. */
static inline pid_t waiter(int fd, size_t index)
{
	pid_t pid = fork();
	char *map;

	if (pid)
		return pid;
	map = map_elsewhere(fd, index + 1);
	if (map == MAP_FAILED)
		_exit(errno);
	_exit(wait_at(map + index * fm_page_size(), FUTEX_WAIT));
}

static inline bool is_asleep(pid_t pid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state == 'S';
}

/* Until it sleeps, or has come to its end. */
static inline void let_sleep(pid_t pid)
{
	siginfo_t info = { 0 };

	for (int i = 0; i < PATIENCE * 1000 && !is_asleep(pid); i++) {
		if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
		    info.si_pid)
			return;
		usleep(1000);
	}
}

static inline int exit_code(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return 255;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void give_up(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Wakes who waits at @word, once it does: how many, 0 if it ended, or -errno. */
static inline long wake(void *word, pid_t pid)
{
	long woken;

	let_sleep(pid);
	for (int i = 0; i < 1000; i++) {
		woken = futex(word, FUTEX_WAKE, INT_MAX, NULL);
		if (woken || !is_asleep(pid))
			break;
		usleep(1000);
	}
	return woken;
}

/* The mask of what has gone wrong in the kernel. */
static inline long taint(void)
{
	FILE *file = fopen("/proc/sys/kernel/tainted", "r");
	long mask = -1;

	if (!file || fscanf(file, "%ld", &mask) != 1)
		mask = -1;
	if (file)
		fclose(file);
	return mask;
}

#endif /* _FAULTMAP_SHARED_FUTEX_H */

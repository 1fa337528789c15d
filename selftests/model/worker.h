/* SPDX-License-Identifier: GPL-2.0-only */
/* What the coordinator and the processes that do the operations share. */
#ifndef _MODEL_WORKER_H
#define _MODEL_WORKER_H

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "op.h"

#define M_QUEUE		16		/* operations given to a thread at once */
#define M_FD		100		/* the descriptor behind number 0 */
#define M_FD_CONTROL	98
#define M_FD_DISK	99

/* A thread's orders and its answers; each side waits for the other's number. */
struct m_slot {
	uint32_t asked, answered;
	uint32_t n;
	uint32_t ready;
	int32_t cpu;		/* to do it on; -1: any */
	struct m_op op[M_QUEUE];
	struct m_answer answer[M_QUEUE];
};

struct m_shared {
	int coordinator;
	int pid[M_PROCS];
	struct m_slot slot[M_PROCS][M_THREADS];
};

static inline void m_futex_wait(uint32_t *word, uint32_t value)
{
	struct timespec tick = { .tv_sec = 1 };

	syscall(SYS_futex, word, FUTEX_WAIT, value, &tick, NULL, 0);
}

static inline void m_set(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static inline uint32_t m_get(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline char *m_address(uint64_t page)
{
	return (char *)(M_BASE + page * M_PAGE);
}

/* cpu.c: a thread goes to a CPU, leaves it for any, and returns to it; -1: any. */
void m_go_to(int32_t cpu);
void m_run_anywhere(void);
void m_go_back(void);

/* touch.c: loads and stores, and the signals that they raise. */
void m_catch_signals(void);
/* Reads a word, or adds nothing to it; the signal that this raised, or 0. */
int m_try_touch(uint64_t *word, bool write);
void m_touch(const struct m_op *op, struct m_answer *answer);

/* race.c: what threads do at once; returns what the operation does. */
int64_t m_race(const struct m_op *op, struct m_answer *answer);

/* perform.c: does an operation. */
void m_perform(struct m_shared *shared, const struct m_op *op, struct m_answer *answer);

/* worker.c: becomes process @proc, and does not return. */
void m_work(struct m_shared *shared, uint32_t proc);

#endif /* _MODEL_WORKER_H */

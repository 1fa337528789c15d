// SPDX-License-Identifier: GPL-2.0-only
/* A process that does what it is told, in each of its threads. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "worker.h"

/* What a thread has of its own, perform.c's scratch, is taken from its stack. */
#define STACK	((128 << 10) + M_IO * M_PAGE_MOST)

static struct m_shared *shared;
static uint32_t self;		/* which process */
static __thread uint32_t thread;

static void wait_for_orders(struct m_slot *slot, uint32_t last)
{
	while (m_get(&slot->asked) == last) {
		m_futex_wait(&slot->asked, last);
		if (kill(shared->coordinator, 0))
			_exit(4);
	}
}

static void *start_thread(void *number);

static void start_others(void)
{
	pthread_attr_t attr;
	pthread_t other;
	uintptr_t i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	for (i = 1; i < M_THREADS; i++)
		if (pthread_create(&other, &attr, start_thread, (void *)i))
			_exit(3);
	pthread_attr_destroy(&attr);
}

/* The one thread that the new process has becomes its first. */
static void become(uint32_t proc)
{
	self = proc;
	thread = 0;
	shared->pid[self] = getpid();
	start_others();
}

/* Returns in both processes; only the parent has an answer to give. */
static bool fork_as(const struct m_op *op, struct m_answer *answer)
{
	pid_t pid = fork();
	int error = errno;

	if (!pid) {
		become(op->peer);
		return false;
	}
	m_perform(shared, op, answer);
	answer->ret = pid < 0 ? -error : 0;
	return true;
}

/* Does what is asked; false in a process that has come out of it. */
static bool obey(struct m_slot *slot)
{
	uint32_t i;

	m_go_to(slot->cpu);
	for (i = 0; i < slot->n; i++) {
		if (slot->op[i].kind != M_FORK)
			m_perform(shared, &slot->op[i], &slot->answer[i]);
		else if (!fork_as(&slot->op[i], &slot->answer[i]))
			return false;
	}
	return true;
}

static void serve(void)
{
	struct m_slot *slot;
	uint32_t last;

	do {
		slot = &shared->slot[self][thread];
		last = slot->answered;
		m_set(&slot->ready, 1);
		for (wait_for_orders(slot, last); obey(slot); wait_for_orders(slot, last))
			m_set(&slot->answered, ++last);
	} while (true);
}

static void *start_thread(void *number)
{
	thread = (uintptr_t)number;
	serve();
	return NULL;
}

void m_work(struct m_shared *with, uint32_t proc)
{
	shared = with;
	m_catch_signals();
	become(proc);
	serve();
	_exit(0);
}

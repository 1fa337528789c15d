// SPDX-License-Identifier: GPL-2.0-only
/* Where a thread runs. */
#include <sched.h>

#include "worker.h"

/* The CPU. A process and the coordinator take turns the faster for sharing one. */
static __thread int32_t here = -1;

static void run_on(int32_t cpu)
{
	cpu_set_t set;
	int i;

	CPU_ZERO(&set);
	for (i = 0; cpu < 0 && i < CPU_SETSIZE; i++)
		CPU_SET(i, &set);
	if (cpu >= 0)
		CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void m_go_to(int32_t cpu)
{
	if (cpu == here)
		return;
	here = cpu;
	run_on(here);
}

void m_run_anywhere(void)
{
	run_on(-1);
}

void m_go_back(void)
{
	run_on(here);
}

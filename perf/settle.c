// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for a quiet machine. Right after boot kernel threads share the CPU
 * and double every figure.
 */
#include <stdbool.h>

#include "common.h"
#include "settle.h"

#define PIECES		400
#define PIECE_LOOPS	50000

static __u64 time_piece(void)
{
	__u64 start = fm_now_ns();
	unsigned int i;

	for (i = 0; i < PIECE_LOOPS; i++)
		__asm__ volatile("" : : "r" (i));
	return fm_now_ns() - start;
}

/*
 * The timer's interrupt hits one piece in forty, so not every piece can take
 * the least time; and a thread that takes the CPU for one long slice hits few
 * pieces, but shows in the sum. A nanosecond is what the clock itself rounds.
 */
static bool is_quiet(unsigned int tolerance_ppm)
{
	__u64 took[PIECES], least = ~0ULL, sum = 0;
	unsigned int i, same = 0;
	__u64 slack;

	for (i = 0; i < PIECES; i++) {
		took[i] = time_piece();
		sum += took[i];
		if (took[i] < least)
			least = took[i];
	}
	slack = 1 + least * tolerance_ppm / 1000000;
	for (i = 0; i < PIECES; i++)
		same += took[i] <= least + slack;
	return same >= PIECES * 9 / 10 &&
	       sum <= PIECES * (least + slack + least / 200);
}

/**
 * fm_settle() - wait until a fixed piece of work repeats, but not for ever
 * @tolerance_ppm: by how much it may differ
 */
void fm_settle(unsigned int tolerance_ppm)
{
	const struct timespec pause = { .tv_nsec = NSEC_PER_SEC / 10 };
	const unsigned int tries = 30;
	unsigned int i;

	for (i = 0; i < tries; i++) {
		if (is_quiet(tolerance_ppm))
			return;
		nanosleep(&pause, NULL);
	}
	print_info("the machine never settled: a fixed piece of work differed by more than %u ppm in each of %u tries, and so may the figures",
		   tolerance_ppm, tries);
}

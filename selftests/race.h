/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Races: workers touch the pages of a buffer while something is done to it. Every
 * page is stamped with its number, so a look at it tells whether it is the right
 * one; what was freed is filled with poison by whoever gets it next.
 */
#ifndef _FAULTMAP_RACE_H
#define _FAULTMAP_RACE_H

#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>

#include "faultmap_test.h"

#define RACE_HITS	10	/* rounds in which the two met, to be content */
#define RACE_POISON	0xbadc0ffee0ddf00dULL
#define RACE_MARK	0x6d61726b6d61726bULL	/* in the last word, by writers */

static inline int race_resize(int fd, size_t pages)
{
	struct faultmap_resize resize = { .bytes = pages * fm_page_size() };

	return fm_errno(ioctl(fd, FAULTMAP_RESIZE, &resize));
}

static inline char *race_map(int fd, size_t pages)
{
	return mmap(NULL, pages * fm_page_size(), PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
}

/* What one touch of a page found. */
enum race_seen {
	RACE_STAMP,
	RACE_ZERO,
	RACE_REFUSED,		/* SIGBUS, ENODEV or the end of the file */
	RACE_GONE,		/* SIGSEGV: nothing is mapped */
	RACE_OTHER,
	RACE_NR_SEEN,
};

/*
 * What workers tell, in memory that all share. An operation is going on while
 * @began is ahead of @ended.
 */
struct race {
	atomic_uint began, ended;
	atomic_uint ready;		/* workers that have made their first round */
	atomic_bool stop;
	atomic_ulong seen[RACE_NR_SEEN];
	atomic_ulong refused;		/* of @seen[RACE_REFUSED], by SIGBUS */
	atomic_ulong met;		/* touches and mmaps that an operation met */
	atomic_ulong wrong;
	uint64_t what;			/* the first wrong thing: what was read */
	size_t where;			/* and at which page */
};

static inline struct race *race_new(void)
{
	return mmap(NULL, sizeof(struct race), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static inline void race_wrong(struct race *race, size_t page, uint64_t what)
{
	if (atomic_fetch_add(&race->wrong, 1))
		return;
	race->where = page;
	race->what = what;
}

/* When an operation is told from a touch, or meets it. */
struct race_moment {
	unsigned int began, ended;
};

static inline struct race_moment race_before(struct race *race)
{
	struct race_moment now;

	now.ended = atomic_load(&race->ended);
	now.began = atomic_load(&race->began);
	return now;
}

/* Whether an operation was going on, or began, since @before. */
static inline bool race_met(struct race *race, const struct race_moment *before)
{
	bool met = before->began != before->ended ||
		   atomic_load(&race->began) != before->began;

	if (met)
		atomic_fetch_add(&race->met, 1);
	return met;
}

static __thread sigjmp_buf race_env;

static inline void race_signal(int sig)
{
	siglongjmp(race_env, sig);
}

/* For all threads, each of which lands where it was: no mask is to be restored. */
static inline void race_catch_signals(void)
{
	struct sigaction sa = { .sa_handler = race_signal, .sa_flags = SA_NODEFER };

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

static inline enum race_seen race_judge(uint64_t value, size_t index)
{
	if (value == fm_stamp_word(index, 0))
		return RACE_STAMP;
	return value ? RACE_OTHER : RACE_ZERO;
}

/* Touches page @index at @at, for reading or, the first of it, for writing. */
static inline enum race_seen race_touch(struct race *race, void *at, size_t index,
					bool write)
{
	volatile uint64_t *words = at;
	enum race_seen seen;
	uint64_t value = 0;
	int sig = sigsetjmp(race_env, 0);

	if (!sig) {
		if (write)
			words[fm_page_size() / sizeof(*words) - 1] = RACE_MARK;
		value = words[0];
		seen = race_judge(value, index);
	} else {
		seen = sig == SIGBUS ? RACE_REFUSED : RACE_GONE;
		if (sig == SIGBUS)
			atomic_fetch_add(&race->refused, 1);
	}
	atomic_fetch_add(&race->seen[seen], 1);
	if (seen == RACE_OTHER)
		race_wrong(race, index, value);
	return seen;
}

static inline double race_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* A case goes on until it has its hits, for some seconds, or until the first. */
struct race_clock {
	unsigned int rounds, hits;
	unsigned long met;
	double end;
	bool fixed;		/* FAULTMAP_RACE_SECONDS says how long */
};

static inline struct race_clock race_start(void)
{
	const char *seconds = getenv("FAULTMAP_RACE_SECONDS");
	struct race_clock clock = {
		.end = race_now() + (seconds ? atof(seconds) : 2),
		.fixed = seconds,
	};

	return clock;
}

/* Every round counts: they are over soon. */
static inline struct race_clock race_start_all(void)
{
	struct race_clock clock = race_start();

	clock.fixed = true;
	return clock;
}

static inline bool race_goes_on(const struct race_clock *clock)
{
	double patience = clock->hits ? 0 : 20;

	return race_now() < clock->end + patience &&
	       (clock->fixed || clock->hits < RACE_HITS);
}

/* A round is over; it is a hit if a touch met the operation. */
static inline void race_count(struct race_clock *clock, struct race *race)
{
	unsigned long met = atomic_load(&race->met);

	clock->rounds++;
	clock->hits += met > 0;
	clock->met += met;
}

/* At the end of each case, so that it is no race that never happened. */
#define EXPECT_RACED(clock) do { \
	printf("# race: %u rounds, %u hits, %lu touches met\n", \
	       (clock)->rounds, (clock)->hits, (clock)->met); \
	EXPECT_LT(0, (clock)->hits); \
} while (0)

/* Nobody saw what is of another page, or was freed. */
#define EXPECT_NOTHING_WRONG(race) do { \
	unsigned long __wrong = atomic_load(&(race)->wrong); \
	EXPECT_EQ(0, __wrong) { \
		TH_LOG("page %zu: %#" PRIx64, (race)->where, (race)->what); \
	} \
} while (0)

#endif /* _FAULTMAP_RACE_H */

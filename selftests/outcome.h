/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What became of an operation, in the words of notes/matrix.md. `selftests/matrix`
 * makes the tables there of what tests note here.
 */
#ifndef _FAULTMAP_OUTCOME_H
#define _FAULTMAP_OUTCOME_H

#include "faultmap_test.h"

/*
 * Notes for the matrix what became of an operation: @row names the operation, the
 * rest is a printf() of the outcome, which must not depend on chance. Comes before
 * the assertions, so that it says what was, and in every variant; keeps errno.
 */
#define SAW(row, ...) do { \
	int __errno = errno; \
	printf("# saw|%s|%s|%s|", _metadata->name, \
	       strrchr(variant->node, '/') + 1, row); \
	printf(__VA_ARGS__); \
	putchar('\n'); \
	fflush(stdout); \
	errno = __errno; \
} while (0)

/*
 * Skips a test that has no meaning for a variant; the matrix shows it as "-". What
 * the test needs and does not find is for SKIP(), and a gap that fails the matrix.
 */
#define DOES_NOT_APPLY(why) do { \
	SAW("-", "-"); \
	SKIP(return, why); \
} while (0)

#define FM_WORKS	"works"

/* "works", or the name of the errno that a call just left. */
static inline const char *fm_outcome(bool ok)
{
	return ok ? FM_WORKS : strerrorname_np(errno);
}

/* Of a call that should return @want, and returns -errno if it fails. */
static inline const char *fm_result(long ret, long want)
{
	if (ret < 0)
		return strerrorname_np(-ret);
	return ret == want ? FM_WORKS : "short";
}

/* Of a touch of memory, by the signal that it raised. */
static inline const char *fm_signal(int sig)
{
	switch (sig) {
	case 0:
		return FM_WORKS;
	case SIGBUS:
		return "SIGBUS";
	case SIGSEGV:
		return "SIGSEGV";
	default:
		return "something else";
	}
}

/* Of reading the page at @addr, which should be page @index of the buffer. */
static inline const char *fm_shown_page(void *addr, size_t index)
{
	long page = fm_page_at(addr);

	if (page < -1)
		return fm_signal(-page);
	return page == (long)index ? FM_WORKS : "other data";
}

/* Of reading pages that should show the buffer from page @first on. */
static inline const char *fm_shown(char *addr, size_t first, size_t pages)
{
	const char *saw = FM_WORKS, *page;
	size_t i;

	for (i = 0; i < pages; i++) {
		page = fm_shown_page(addr + i * fm_page_size(), first + i);
		if (i && strcmp(saw, page))
			return "differs by page";
		saw = page;
	}
	return saw;
}

/* Of a call that just returned @addr, and of reading what is there now. */
static inline const char *fm_mapped(char *addr, size_t first, size_t pages)
{
	return addr == MAP_FAILED ? fm_outcome(false) :
				    fm_shown(addr, first, pages);
}

/* Of two things that should both work: the first that does not. */
static inline const char *fm_both(const char *one, const char *other)
{
	return strcmp(one, FM_WORKS) ? one : other;
}

/* Of a comparison that should find no difference. */
static inline const char *fm_same(bool same)
{
	return same ? FM_WORKS : "other data";
}

#endif /* _FAULTMAP_OUTCOME_H */

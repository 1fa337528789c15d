// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a failure to a short script: operations are left out, in halves, quarters and
 * so on down to single ones, as long as the rest still fails.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "run.h"

struct shrinking {
	const struct m_host *host;
	const struct m_config *config;
	struct m_failure *failure;
	time_t until;
	int tries;		/* runs that a failure may take to show */
};

/* Whether what is left fails, at whichever operation, which then is the last. */
static bool still_fails(struct shrinking *s, struct m_op *ops, size_t *n)
{
	struct m_tally tally = { 0 };
	struct m_failure failure = { 0 };
	int i;

	for (i = 0; i < s->tries && time(NULL) < s->until; i++) {
		size_t all = *n;

		if (m_run(s->host, s->config, ops, &all, false, &tally, &failure))
			continue;
		*s->failure = failure;
		if (failure.at < *n)
			*n = failure.at + 1;
		return true;
	}
	return false;
}

/* Leaves out operations @from to @to; true if they were not needed. */
static bool leave_out(struct shrinking *s, struct m_op *ops, size_t *n, size_t from,
		      size_t to)
{
	struct m_op *fewer = malloc(*n * sizeof(*ops));
	size_t left = *n - (to - from);
	bool fails;

	memcpy(fewer, ops, from * sizeof(*ops));
	memcpy(fewer + from, ops + to, (*n - to) * sizeof(*ops));
	fails = still_fails(s, fewer, &left);
	if (fails) {
		memcpy(ops, fewer, left * sizeof(*ops));
		*n = left;
	}
	free(fewer);
	return fails;
}

/* What happens at once fails by chance. */
static bool is_certain(const struct m_op *ops, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (ops[i].kind == M_TOGETHER ||
		    (ops[i].kind >= M_SHAKE && ops[i].kind <= M_REBIND_SEEN))
			return false;
	return true;
}

/* All operations of a kind at once: most kinds have nothing to do with it. */
static void leave_out_kind(struct shrinking *s, struct m_op *ops, size_t *n,
			   uint32_t kind)
{
	struct m_op *fewer = malloc(*n * sizeof(*ops));
	size_t left = 0, i;

	/* The last one is what fails. */
	for (i = 0; i < *n; i++)
		if (ops[i].kind != kind || i + 1 == *n)
			fewer[left++] = ops[i];
	if (left < *n && still_fails(s, fewer, &left)) {
		memcpy(ops, fewer, left * sizeof(*ops));
		*n = left;
	}
	free(fewer);
}

size_t m_shrink(const struct m_host *host, const struct m_config *config,
		struct m_op *ops, size_t n, struct m_failure *failure,
		unsigned int seconds)
{
	struct shrinking s = {
		.host = host,
		.config = config,
		.failure = failure,
		.until = time(NULL) + seconds,
		.tries = is_certain(ops, n) ? 1 : 3,
	};
	size_t size, from;
	bool any = true;
	uint32_t kind;

	for (kind = M_NOP; kind < M_KINDS; kind++)
		leave_out_kind(&s, ops, &n, kind);
	size = n / 2;
	while ((size || any) && time(NULL) < s.until) {
		if (!size)
			size = 1;
		any = false;
		/* From the end: what comes later depends on what comes first. */
		for (from = n; from > 0; ) {
			size_t to = from < n ? from : n;

			from = to > size ? to - size : 0;
			if (to > from && leave_out(&s, ops, &n, from, to))
				any = true;
			if (from > n)
				from = n;
		}
		if (size > 1 || !any)
			size /= 2;
	}
	return n;
}

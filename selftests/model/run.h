/* SPDX-License-Identifier: GPL-2.0-only */
/* An episode, and what makes a short script of one that fails. */
#ifndef _MODEL_RUN_H
#define _MODEL_RUN_H

#include "host.h"
#include "op.h"

struct m_failure {
	size_t at;			/* index of the operation */
	char text[2048];		/* expected against seen */
};

struct m_tally {
	uint64_t done, skipped, episodes, together;
	uint64_t kind[M_KINDS], nanoseconds[M_KINDS];
};

/* run.c. False: @failure tells why. @n: operations given, or made and done. */
bool m_run(const struct m_host *host, const struct m_config *config, struct m_op *ops,
	   size_t *n, bool generate, struct m_tally *tally, struct m_failure *failure);

/* shrink.c. Returns how many operations are left; @ops are these. */
size_t m_shrink(const struct m_host *host, const struct m_config *config,
		struct m_op *ops, size_t n, struct m_failure *failure,
		unsigned int seconds);

#endif /* _MODEL_RUN_H */

// SPDX-License-Identifier: GPL-2.0-only
/* Touching memory as the processor does, and the signals that this raises. */
#include <setjmp.h>
#include <signal.h>

#include "content.h"
#include "worker.h"

static __thread sigjmp_buf env;
static __thread uint64_t where;

static void caught(int sig, siginfo_t *info, void *context)
{
	where = (uint64_t)info->si_addr;
	siglongjmp(env, sig);
}

void m_catch_signals(void)
{
	struct sigaction sa = {
		.sa_sigaction = caught,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	/* Children that were forked by whoever has them now go unnoticed. */
	signal(SIGCHLD, SIG_IGN);
}

int m_try_touch(uint64_t *word, bool write)
{
	int sig = sigsetjmp(env, 0);

	if (sig)
		return sig;
	if (write)
		__atomic_fetch_add(word, 0, __ATOMIC_SEQ_CST);
	else
		*(volatile uint64_t *)word;
	return 0;
}

/* All the words of a range of bytes, or one of each of @n pages. */
void m_touch(const struct m_op *op, struct m_answer *answer)
{
	volatile uint64_t *words = (void *)(m_address(op->at) + op->off);
	bool each = op->kind == M_LOOK || op->kind == M_MARK;
	uint64_t n = each ? op->n : op->len / sizeof(*words);
	uint64_t step = each ? M_PAGE / sizeof(*words) : 1;
	uint64_t i, hash = M_HASH_START;

	answer->sig = sigsetjmp(env, 0);
	if (answer->sig) {
		answer->where = where;
		return;
	}
	if (op->kind == M_WRITE || op->kind == M_MARK) {
		for (i = 0; i < n; i++)
			words[i * step] = m_word(op->stamp, i);
		return;
	}
	for (i = 0; i < n; i++) {
		uint64_t word = words[i * step];

		if (!i)
			answer->first = word;
		hash = m_hash_word(hash, word);
	}
	answer->hash = hash;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* Chance, which a seed repeats. */
#ifndef _MODEL_RANDOM_H
#define _MODEL_RANDOM_H

#include <stdint.h>

struct m_random {
	uint64_t s[4];
};

void m_seed(struct m_random *random, uint64_t seed);
uint64_t m_random(struct m_random *random);
uint64_t m_below(struct m_random *random, uint64_t n);

#endif /* _MODEL_RANDOM_H */

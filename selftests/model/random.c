// SPDX-License-Identifier: GPL-2.0
/* Chance, which a seed repeats. */
#include "model.h"

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

/* xoshiro256**, by Blackman and Vigna, and splitmix64 to start it. */
uint64_t m_random(struct m_random *random)
{
	uint64_t *s = random->s, value = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return value;
}

void m_seed(struct m_random *random, uint64_t seed)
{
	uint64_t z;
	int i;

	for (i = 0; i < 4; i++) {
		z = seed += 0x9e3779b97f4a7c15ULL;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
		random->s[i] = z ^ z >> 31;
	}
}

uint64_t m_below(struct m_random *random, uint64_t n)
{
	return n ? m_random(random) % n : 0;
}

/* What an episode is about; memory and strategy are chosen already. */
void m_draw_config(struct m_random *random, struct m_config *config)
{
	config->arena = 96;
	config->pages = 16 + m_below(random, 48);
	if (config->large) {
		config->arena = 3072;
		config->pages = 512 + m_below(random, 1800);
		/* Some in a row, for it takes seconds to get there. */
		config->fragment = config->seed % 8 < 6 ? 0 :
				   1 + config->seed / 8 % M_TABLE_ORDER;
		if (config->fragment)
			config->pages = 512 + m_below(random, 800);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/* Chance, which a seed repeats. */
#include "random.h"

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

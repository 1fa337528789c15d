/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is written to memory, and a digest of what is seen there: the same for the
 * model and for the processes that do it.
 */
#ifndef _MODEL_CONTENT_H
#define _MODEL_CONTENT_H

#include <stdint.h>
#include <string.h>

/* Every word of every write is another one, and none reads as zero. */
static inline uint64_t m_word(uint64_t stamp, uint64_t index)
{
	return (stamp ^ (index << 48)) | 1;
}

#define M_HASH_START	0xcbf29ce484222325ULL

static inline uint64_t m_hash_word(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9fb21c651e98df25ULL;
	return hash ^ hash >> 29;
}

static inline uint64_t m_hash_bytes(uint64_t hash, const uint8_t *bytes, uint64_t len)
{
	uint64_t word;

	for (; len >= sizeof(word); len -= sizeof(word), bytes += sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = m_hash_word(hash, word);
	}
	for (; len; len--)
		hash = m_hash_word(hash, *bytes++);
	return hash;
}

/* What a write of @len bytes puts there, from byte @pos of it on. */
static inline void m_fill(uint8_t *bytes, uint64_t stamp, uint64_t pos, uint64_t len)
{
	uint64_t word;

	for (; len && pos % sizeof(word); len--, pos++) {
		word = m_word(stamp, pos / sizeof(word));
		*bytes++ = word >> (pos % sizeof(word) * 8);
	}
	for (; len >= sizeof(word); len -= sizeof(word), pos += sizeof(word)) {
		word = m_word(stamp, pos / sizeof(word));
		memcpy(bytes, &word, sizeof(word));
		bytes += sizeof(word);
	}
	for (; len; len--, pos++)
		*bytes++ = m_word(stamp, pos / sizeof(word)) >> (pos % sizeof(word) * 8);
}

#endif /* _MODEL_CONTENT_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marks in a program's code, between which a plugin of the emulator counts: each is
 * one instruction that does nothing, and that no compiler makes.
 */
#ifndef _MARK_H
#define _MARK_H

#include <sys/cdefs.h>

/**
 * enum fm_mark - what begins behind a mark
 * @FM_MARK_MMAP: mmap(2)
 * @FM_MARK_TOUCH: the touches
 * @FM_MARK_MUNMAP: munmap(2)
 * @FM_MARK_NONE: nothing that counts; after munmap(2), the run is over
 * @FM_NR_MARKS: how many there are
 */
enum fm_mark {
	FM_MARK_MMAP,
	FM_MARK_TOUCH,
	FM_MARK_MUNMAP,
	FM_MARK_NONE,
	FM_NR_MARKS,
};

/*
 * x86: the displacement of a nop; arm64: a hint that means nothing, the last of 128.
 * The number of the mark is added.
 */
#define FM_MARK_BASE	0x464d4d00
#define FM_MARK_HINT	(128 - FM_NR_MARKS)

/**
 * fm_mark() - run a mark
 * @mark: a constant, for its number is a part of the instruction
 */
static __always_inline void fm_mark(enum fm_mark mark)
{
#ifdef __x86_64__
	/* Eight bytes: 0f 1f 84 00, and the displacement. */
	__asm__ volatile("nopl %c0(%%rax,%%rax,1)"
			 : : "i" (FM_MARK_BASE + mark) : "memory");
#elif defined(__aarch64__)
	__asm__ volatile("hint %0" : : "i" (FM_MARK_HINT + mark) : "memory");
#else
	/* No plugin knows one of this machine. */
	__asm__ volatile("" : : "i" (mark) : "memory");
#endif
}

#endif /* _MARK_H */

/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * A ring of records, for /dev/ring and those who map it. Page 0 of the file is the
 * header, RING_PAGES pages of data follow, and then the same pages once more: map both
 * at once, and a record that goes on behind the last page lies there in one piece.
 *
 * Positions count bytes and wrap at 2^32, so that every machine loads and stores them at
 * once; a position modulo the bytes of data is an offset. A consumer loads the head with
 * acquire semantics, reads the records from the tail to there, and stores the new
 * tail with release semantics. poll(2) lets it wait, and wakes those who wait for room.
 *
 * write(2) makes a record of what it is given. It waits for room, or with O_NONBLOCK
 * fails with EAGAIN; EMSGSIZE: more than half of the ring; EPROTO: the tail is not where
 * a record was, or the next one will be. poll(2) says POLLIN where there is a record,
 * POLLOUT where there is room for any, POLLERR where the tail is wrong.
 *
 * mmap(2) maps the header alone (one page at 0), or any range to read. EACCES: other
 * pages than the header were to be writable; EINVAL: private; ENXIO: beyond the end.
 */
#ifndef _RING_H
#define _RING_H

#include <linux/types.h>

#define RING_PAGES	16	/* of data; a power of two */

/**
 * struct ring_header - page 0
 * @head: where the next record will be; the kernel writes it, and never reads it
 * @unused: keeps the two in cache lines of their own: different CPUs write them
 * @tail: where the first record is that has not been read; user space writes it
 */
struct ring_header {
	__u32 head;
	__u32 unused[15];
	__u32 tail;
};

/**
 * struct ring_record - what one write(2) has written
 * @bytes: how much, at most half of the ring together with this
 * @data: the bytes
 */
struct ring_record {
	__u32 bytes;
	__u8 data[];
};

/* From one record to the next; the size is never cut by the end of the ring. */
static inline __u32 ring_record_size(__u32 bytes)
{
	return (sizeof(struct ring_record) + bytes + 3) & ~3U;
}

#endif /* _RING_H */

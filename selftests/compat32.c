// SPDX-License-Identifier: GPL-2.0-only
/*
 * Uses a buffer as a 32-bit process: run by compat_test, which knows what to
 * expect. Without a C library, so that any compiler for x86-64 can make it.
 */
#include <asm/mman.h>
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/mman.h>

#include "compat.h"

#define PAGE	FM_COMPAT_PAGE
#define FIRST	3	/* page that is mapped first */
#define PART	4	/* pages mapped */

static struct fm_compat_request request;
static struct fm_compat_reply reply;
static unsigned char page[PAGE];

/* The sixth argument goes where the compiler may keep its frame. */
static long fm_syscall(long number, long a, long b, long c, long d, long e,
		       long f)
{
	long rest[] = { number, f }, ret;

	__asm__ volatile("push %%ebp\n"
			 "mov 4(%%eax), %%ebp\n"
			 "mov (%%eax), %%eax\n"
			 "int $0x80\n"
			 "pop %%ebp"
			 : "=a" (ret)
			 : "a" (rest), "b" (a), "c" (b), "d" (c), "S" (d),
			   "D" (e)
			 : "memory");
	return ret;
}

static long call(long number, long a, long b, long c)
{
	return fm_syscall(number, a, b, c, 0, 0, 0);
}

static int is_error(long ret)
{
	return (unsigned long)ret > -4096UL;
}

/* An address is no error, though it may look negative. */
static void note(enum fm_compat_step step, long ret)
{
	reply.result[step] = ret;
}

static void note_address(enum fm_compat_step step, long ret)
{
	note(step, is_error(ret) ? ret : 0);
}

/* Page N of the buffer is full of N + 1. */
static long write_pages(int fd)
{
	long done = 0, ret;
	int i, at;

	for (i = 0; i < FM_COMPAT_PAGES; i++) {
		for (at = 0; at < PAGE; at++)
			((volatile unsigned char *)page)[at] = i + 1;
		ret = call(__NR_write, fd, (long)page, PAGE);
		if (ret < 0)
			return ret;
		done += ret;
	}
	return done;
}

/* How many pages at @addr show the buffer from page @first on. */
static int sees(long addr, int pages, int first)
{
	volatile unsigned char *at = (unsigned char *)addr;
	int i;

	if (is_error(addr))
		return -1;
	for (i = 0; i < pages; i++)
		if (at[i * PAGE] != first + i + 1 ||
		    at[(i + 1) * PAGE - 1] != first + i + 1)
			break;
	return i;
}

/* The offset is given in pages, and may be beyond what 32 bits of bytes reach. */
static long mmap2(int fd, unsigned long pages, unsigned long first)
{
	return fm_syscall(__NR_mmap2, 0, pages * PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, first);
}

static long old_mmap(int fd, unsigned long pages, unsigned long first)
{
	long args[6] = {
		0, pages * PAGE, PROT_READ, MAP_SHARED, fd, first * PAGE
	};

	return call(__NR_mmap, (long)args, 0, 0);
}

static long pread(int fd, void *to, long len, long offset)
{
	return fm_syscall(__NR_pread64, fd, (long)to, len, offset, 0, 0);
}

static long pwrite(int fd, void *from, long len, long offset)
{
	return fm_syscall(__NR_pwrite64, fd, (long)from, len, offset, 0, 0);
}

static int open_buffer(void)
{
	static struct faultmap_create arg;
	const char *path = request.create ? "/dev/faultmap/control" :
					    request.node;
	int fd = call(__NR_open, (long)path, O_RDWR, 0);

	note(FM_OPEN, fd < 0 ? fd : 0);
	if (!request.create)
		return fd;
	arg.bytes = FM_COMPAT_PAGES * PAGE;
	arg.memory = request.memory;
	arg.strategy = request.strategy;
	arg.window = request.window;
	fd = call(__NR_ioctl, fd, FAULTMAP_CREATE, (long)&arg);
	note(FM_CREATE, fd < 0 ? fd : 0);
	return fd;
}

static long map(int fd)
{
	long addr = mmap2(fd, PART, FIRST), old, grown;

	note_address(FM_MMAP2, addr);
	note(FM_MMAP2_SEES, sees(addr, PART, FIRST));
	old = old_mmap(fd, PART, FIRST + 2);
	note_address(FM_OLD_MMAP, old);
	note(FM_OLD_MMAP_SEES, sees(old, PART, FIRST + 2));
	note_address(FM_MMAP2_FAR, mmap2(fd, 1, 1UL << 21));
	if (is_error(addr))
		return addr;

	*(volatile unsigned char *)(addr + PAGE) = 200;
	pread(fd, page, 1, (FIRST + 1) * PAGE);
	note(FM_STORE, page[0]);
	page[0] = FIRST + 2;
	pwrite(fd, page, 1, (FIRST + 1) * PAGE);
	note(FM_STORE_READ, *(volatile unsigned char *)(addr + PAGE));

	grown = fm_syscall(__NR_mremap, addr, PART * PAGE, 2 * PART * PAGE,
			   MREMAP_MAYMOVE, 0, 0);
	note_address(FM_MREMAP, grown);
	note(FM_MREMAP_SEES, sees(grown, 2 * PART, FIRST));
	return is_error(grown) ? addr : grown;
}

/* System calls that copy from and to the mapping. */
static void copy(int fd, long addr)
{
	static __u64 end;

	note(FM_LLSEEK, fm_syscall(__NR__llseek, fd, 0, 0, (long)&end, SEEK_END,
				   0) ?: (long)end);
	note(FM_FROM_MAPPING, pwrite(fd, (void *)addr, PART * PAGE, 0));
	note(FM_TO_MAPPING, pread(fd, (void *)addr, PART * PAGE, 0));
}

static void shrink(int fd, long addr)
{
	static struct faultmap_resize resize = { .bytes = (FIRST + 1) * PAGE };

	note(FM_RESIZE, call(__NR_ioctl, fd, FAULTMAP_RESIZE, (long)&resize));
	note(FM_PAST_THE_END, pwrite(fd, (void *)(addr + PAGE), 1, 0));
}

static void use_node(void)
{
	int fd = call(__NR_open, (long)request.node, O_RDONLY, 0);

	note(FM_OPEN_NODE, fd < 0 ? fd : 0);
	note(FM_NODE_INFO, call(__NR_ioctl, fd, FAULTMAP_INFO,
				(long)&reply.node_info));
	note_address(FM_NODE_MMAP, old_mmap(fd, 1, FIRST));
}

static int run(void)
{
	unsigned int i;
	long addr;
	int fd;

	if (call(__NR_read, 0, (long)&request, sizeof(request)) !=
	    sizeof(request))
		return 1;
	reply.pointer_size = sizeof(void *);
	for (i = 0; i < FM_NR_LAYOUT; i++)
		reply.layout[i] = fm_layout[i];

	fd = open_buffer();
	note(FM_WRITE, write_pages(fd));
	note(FM_INFO, call(__NR_ioctl, fd, FAULTMAP_INFO, (long)&reply.info));
	addr = map(fd);
	note(FM_STATS, call(__NR_ioctl, fd, FAULTMAP_STATS, (long)&reply.stats));
	copy(fd, addr);
	shrink(fd, addr);
	note(FM_STATS_RESET, call(__NR_ioctl, fd, FAULTMAP_STATS_RESET, 0));
	note(FM_UNKNOWN, call(__NR_ioctl, fd, _IO(FAULTMAP_IOC_MAGIC, 99), 0));
	note(FM_REVOKE, call(__NR_ioctl, fd, FAULTMAP_REVOKE, 0));
	note(FM_REVOKED, pread(fd, page, 1, 0));
	use_node();
	return call(__NR_write, 1, (long)&reply, sizeof(reply)) != sizeof(reply);
}

void _start(void);

/* The stack comes as the kernel leaves it. */
__attribute__((force_align_arg_pointer)) void _start(void)
{
	call(__NR_exit, run(), 0, 0);
}

// SPDX-License-Identifier: GPL-2.0-only
/* Operations, as a process does them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "content.h"
#include "host.h"
#include "worker.h"

static _Alignas(64) __thread uint8_t scratch[M_IO * M_PAGE_MOST];

static int64_t result(int64_t ret)
{
	return ret == -1 ? -errno : ret;
}

static void seen(struct m_answer *answer, int64_t len)
{
	if (len <= 0)
		return;
	answer->hash = m_hash_bytes(M_HASH_START, scratch, len);
	memcpy(&answer->first, scratch, len < 8 ? len : 8);
}

static int64_t map(const struct m_op *op)
{
	int flags = op->flags & M_PRIVATE ? MAP_PRIVATE : MAP_SHARED;
	uint64_t unaligned = op->flags & M_UNALIGNED ? 8 : 0;
	char *at = m_address(op->at) + unaligned, *map;

	flags |= op->flags & M_NOREPLACE ? MAP_FIXED_NOREPLACE : MAP_FIXED;
	if (op->flags & M_POPULATE)
		flags |= MAP_POPULATE;
	map = mmap(at, op->n * M_PAGE, op->prot, flags, M_FD + op->fd,
		   op->pg * M_PAGE);
	if (map == MAP_FAILED)
		return -errno;
	return map == at ? 0 : (int64_t)map;
}

/* What the kernel has put where it liked is put where the model looks. */
static int64_t remap(const struct m_op *op)
{
	int flags = (op->flags & M_MAYMOVE ? MREMAP_MAYMOVE : 0) |
		    (op->flags & M_FIXED ? MREMAP_FIXED : 0) |
		    (op->flags & M_DONTUNMAP ? MREMAP_DONTUNMAP : 0);
	char *at = m_address(op->at) + (op->flags & M_UNALIGNED ? 8 : 0), *map;

	map = mremap(at, op->n * M_PAGE, op->m * M_PAGE, flags, m_address(op->to));
	if (map == MAP_FAILED)
		return -errno;
	if (!(op->flags & M_FIXED)) {
		if (map == at)
			return 0;
		map = mremap(map, op->m * M_PAGE, op->m * M_PAGE,
			     MREMAP_MAYMOVE | MREMAP_FIXED, m_address(op->to));
	}
	return map == m_address(op->to) ? 0 : result((int64_t)map);
}

static int64_t mapping(const struct m_op *op)
{
	char *at = m_address(op->at) + (op->flags & M_UNALIGNED ? 8 : 0);

	switch (op->kind) {
	case M_MMAP:
		return map(op);
	case M_MUNMAP:
		return result(munmap(at, op->n * M_PAGE));
	case M_MPROTECT:
		return result(mprotect(at, op->n * M_PAGE, op->prot));
	case M_MADVISE:
		return result(madvise(at, op->n * M_PAGE, op->advice));
	default:
		return remap(op);
	}
}

/* Puts a new descriptor where number @fd is expected. */
static int64_t keep(int64_t fd, uint32_t number)
{
	int64_t ret;

	if (fd < 0)
		return -errno;
	ret = result(dup3(fd, M_FD + number, O_CLOEXEC));
	close(fd);
	return ret < 0 ? ret : 0;
}

static int64_t create(const struct m_op *op)
{
	struct faultmap_create arg = {
		.bytes = op->len,
		.memory = op->memory,
		.strategy = op->strategy,
		.order = op->order,
		.window = op->window,
		.flags = (op->flags & M_BATCHED ? FAULTMAP_CREATE_BATCHED : 0) |
			 (op->flags & M_ON_DEMAND ? FAULTMAP_CREATE_ON_DEMAND : 0) |
			 (op->flags & M_BADFLAG ? 1U << 31 : 0),
	};

	return keep(ioctl(M_FD_CONTROL, FAULTMAP_CREATE, &arg), op->fd);
}

static int64_t open_node(const struct m_op *op)
{
	int flags = op->flags & M_RDONLY ? O_RDONLY :
		    op->flags & M_WRONLY ? O_WRONLY : O_RDWR;
	char path[64];

	m_node_path(path, sizeof(path), op->memory, op->strategy);
	return keep(open(path, flags), op->fd);
}

/* Another description of the same: as any file's, by its name in /proc. */
static int64_t reopen(const struct m_op *op)
{
	int flags = op->flags & M_RDONLY ? O_RDONLY :
		    op->flags & M_WRONLY ? O_WRONLY : O_RDWR;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%u", M_FD + op->fd);
	return keep(open(path, flags), op->fd2);
}

static int64_t export(const struct m_op *op)
{
	struct faultmap_export arg = { .flags = op->flags & M_BADFLAG ? 1 : 0 };

	return keep(ioctl(M_FD + op->fd, FAULTMAP_EXPORT, &arg), op->fd2);
}

static int64_t take(struct m_shared *shared, const struct m_op *op)
{
	int pidfd = syscall(SYS_pidfd_open, shared->pid[op->peer], 0);
	int64_t ret;

	if (pidfd < 0)
		return -errno;
	ret = keep(syscall(SYS_pidfd_getfd, pidfd, M_FD + op->fd, 0), op->fd2);
	close(pidfd);
	return ret;
}

static int64_t resize(const struct m_op *op)
{
	struct faultmap_resize arg = {
		.bytes = op->len,
		.flags = op->flags & M_BADFLAG ? 1 : 0,
	};

	return result(ioctl(M_FD + op->fd, FAULTMAP_RESIZE, &arg));
}

/* A word of each page. Returns of how many, or what the first one failed by. */
static int64_t skim(const struct m_op *op, struct m_answer *answer)
{
	uint64_t word, hash = M_HASH_START, i;
	int64_t ret;

	for (i = 0; i < op->n; i++) {
		off_t at = (op->pg + i) * M_PAGE + op->off;

		word = m_word(op->stamp, i);
		ret = result(op->kind == M_STAMP ?
			     pwrite(M_FD + op->fd, &word, sizeof(word), at) :
			     pread(M_FD + op->fd, &word, sizeof(word), at));
		if (ret < 0 && !i)
			return ret;
		if (ret != sizeof(word))
			break;
		if (!i)
			answer->first = word;
		hash = m_hash_word(hash, word);
	}
	answer->hash = hash;
	return i;
}

static int64_t transfer(const struct m_op *op, struct m_answer *answer)
{
	int64_t ret;

	switch (op->kind) {
	case M_PREAD:
		ret = result(pread(M_FD + op->fd, scratch, op->len, op->off));
		seen(answer, ret);
		return ret;
	case M_PWRITE:
		m_fill(scratch, op->stamp, 0, op->len);
		return result(pwrite(M_FD + op->fd, scratch, op->len, op->off));
	case M_SKIM:
	case M_STAMP:
		return skim(op, answer);
	case M_COPY_IN:
		return result(pread(M_FD + op->fd, m_address(op->at), op->n * M_PAGE,
				    op->pg * M_PAGE));
	case M_COPY_OUT:
		return result(pwrite(M_FD + op->fd, m_address(op->at), op->n * M_PAGE,
				     op->pg * M_PAGE));
	case M_DIRECT_READ:
		return result(pread(M_FD_DISK, m_address(op->at), op->n * M_PAGE,
				    op->pg * M_PAGE));
	default:
		return result(pwrite(M_FD_DISK, m_address(op->at), op->n * M_PAGE,
				     op->pg * M_PAGE));
	}
}

static int64_t peek(pid_t pid, const struct m_op *op, struct m_answer *answer)
{
	char *at = m_address(op->at) + op->off;
	int64_t ret;

	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) ||
	    ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) ||
	    waitpid(pid, NULL, __WALL) != pid)
		return -1000 - errno;
	errno = 0;
	if (op->kind == M_PEEK) {
		uint64_t word = ptrace(PTRACE_PEEKDATA, pid, at, NULL);

		ret = -errno;
		memcpy(scratch, &word, sizeof(word));
		if (!ret)
			seen(answer, sizeof(word));
	} else {
		ret = result(ptrace(PTRACE_POKEDATA, pid, at,
				    (void *)m_word(op->stamp, 0)));
	}
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return ret;
}

static int64_t through_proc(pid_t pid, const struct m_op *op, struct m_answer *answer)
{
	off_t at = (off_t)(m_address(op->at) + op->off);
	int64_t ret;
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1000 - errno;
	if (op->kind == M_MEM_READ) {
		ret = result(pread(fd, scratch, op->len, at));
		seen(answer, ret);
	} else {
		m_fill(scratch, op->stamp, 0, op->len);
		ret = result(pwrite(fd, scratch, op->len, at));
	}
	close(fd);
	return ret;
}

static int64_t across(pid_t pid, const struct m_op *op, struct m_answer *answer)
{
	struct iovec local = { scratch, op->len };
	struct iovec remote = { m_address(op->at) + op->off, op->len };
	int64_t ret;

	if (op->kind == M_VM_READV) {
		ret = result(process_vm_readv(pid, &local, 1, &remote, 1, 0));
		seen(answer, ret);
		return ret;
	}
	m_fill(scratch, op->stamp, 0, op->len);
	return result(process_vm_writev(pid, &local, 1, &remote, 1, 0));
}

static int64_t control(struct m_shared *shared, const struct m_op *op,
		       struct m_answer *answer)
{
	int fd = M_FD + op->fd;

	switch (op->kind) {
	case M_CREATE:
		return create(op);
	case M_OPEN:
		return open_node(op);
	case M_CLOSE:
		return result(close(fd));
	case M_DUP:
		return keep(dup(fd), op->fd2);
	case M_TAKE:
		return take(shared, op);
	case M_REOPEN:
		return reopen(op);
	case M_EXPORT:
		return export(op);
	case M_TRUNCATE:
		return result(ftruncate(fd, op->len));
	case M_RESIZE:
		return resize(op);
	case M_REVOKE:
		return result(ioctl(fd, FAULTMAP_REVOKE));
	case M_STATS:
		return result(ioctl(fd, FAULTMAP_STATS, &answer->stats[0]));
	case M_RESET:
		return result(ioctl(fd, FAULTMAP_STATS_RESET));
	case M_INFO:
		return result(ioctl(fd, FAULTMAP_INFO, &answer->info));
	case M_REBIND:
		return m_rebind_device();
	case M_SHAKE ... M_REBIND_SEEN:
		return m_race(op, answer);
	case M_EXIT:
		if (op->flags & M_KILL)
			kill(getpid(), SIGKILL);
		_exit(0);
	default:
		return 0;
	}
}

/* The counters of what the coordinator has asked for, after the operation. */
static void read_stats(uint32_t of, struct m_answer *answer)
{
	uint32_t i;

	answer->stats_of = 0;
	for (i = 0; i < M_FDS; i++)
		if (of & 1U << i &&
		    !ioctl(M_FD + i, FAULTMAP_STATS, &answer->stats[i]))
			answer->stats_of |= 1U << i;
}

void m_perform(struct m_shared *shared, const struct m_op *op, struct m_answer *answer)
{
	uint32_t stats_of = answer->stats_of;

	answer->ret = 0;
	answer->sig = 0;
	answer->hash = 0;
	answer->first = 0;
	answer->worked = 0;
	answer->failed = 0;
	switch (op->kind) {
	case M_READ ... M_MARK:
		m_touch(op, answer);
		break;
	case M_MMAP ... M_MREMAP:
		answer->ret = mapping(op);
		break;
	case M_PREAD ... M_DIRECT_WRITE:
		answer->ret = transfer(op, answer);
		break;
	case M_PEEK:
	case M_POKE:
		answer->ret = peek(shared->pid[op->peer], op, answer);
		break;
	case M_MEM_READ:
	case M_MEM_WRITE:
		answer->ret = through_proc(shared->pid[op->peer], op, answer);
		break;
	case M_VM_READV:
	case M_VM_WRITEV:
		answer->ret = across(shared->pid[op->peer], op, answer);
		break;
	default:
		answer->ret = control(shared, op, answer);
	}
	read_stats(stats_of, answer);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* What each ioctl must answer, from what is documented alone. */
#ifndef _FAULTMAP_FUZZ_MODEL_H
#define _FAULTMAP_FUZZ_MODEL_H

#include <sys/sysinfo.h>

#include "faultmap_test.h"

#define LONGEST		16384		/* more than _IOC_SIZE can say */
#define MAX_ORDER	10
#define MAX_FILE	((uint64_t)INT64_MAX)

/* What an ioctl is called on. */
enum kind { CONTROL, CONTROL_RO, BUFFER, NODE_RO, KINDS };

union argument {
	struct faultmap_create create;
	struct faultmap_resize resize;
	struct faultmap_info info;
	struct faultmap_stats stats;
	struct faultmap_export export;
};

struct range {
	uintptr_t start, end;
	bool writable;
};

FIXTURE(fuzz)
{
	size_t page;
	uint64_t most;		/* bytes that a buffer may have */
	int fds[KINDS];
	bool revoked;
	char *memory;		/* LONGEST bytes, and a page that nobody can access */
	char *read_only;	/* the same */
	struct range ranges[2];
};

static inline char *area(size_t page, int prot)
{
	char *base = fm_reserve(LONGEST / page + 1);

	if (base != MAP_FAILED && mprotect(base, LONGEST, prot))
		return MAP_FAILED;
	return base;
}

static inline int new_buffer(void)
{
	return fm_create(FAULTMAP_MEMORY_PAGES, FAULTMAP_STRATEGY_LAZY, 4);
}

FIXTURE_SETUP(fuzz)
{
	struct sysinfo info;

	sysinfo(&info);
	self->most = (uint64_t)info.totalram * info.mem_unit;
	self->page = fm_page_size();
	self->fds[CONTROL] = open(FM_CONTROL, O_RDWR);
	if (self->fds[CONTROL] < 0 && errno == ENOENT)
		SKIP(return, "faultmap is not loaded");
	self->fds[CONTROL_RO] = open(FM_CONTROL, O_RDONLY);
	self->fds[BUFFER] = new_buffer();
	self->fds[NODE_RO] = open("/dev/faultmap/pages-lazy", O_RDONLY);
	for (int i = 0; i < KINDS; i++)
		ASSERT_LE(0, self->fds[i]);
	self->memory = area(self->page, PROT_READ | PROT_WRITE);
	self->read_only = area(self->page, PROT_READ);
	ASSERT_NE(MAP_FAILED, self->memory);
	ASSERT_NE(MAP_FAILED, self->read_only);
	self->ranges[0] = (struct range){ (uintptr_t)self->memory,
		(uintptr_t)self->memory + LONGEST, true };
	self->ranges[1] = (struct range){ (uintptr_t)self->read_only,
		(uintptr_t)self->read_only + LONGEST, false };
}

FIXTURE_TEARDOWN(fuzz)
{
	for (int i = 0; i < KINDS; i++)
		close(self->fds[i]);
}

static inline bool accessible(const FIXTURE_DATA(fuzz) *self, uintptr_t at, size_t len,
			      bool write)
{
	const struct range *range = self->ranges;

	if (!len)
		return true;
	for (; range < self->ranges + 2; range++)
		if (at >= range->start && at < range->end &&
		    len <= range->end - at)
			return range->writable || !write;
	return false;
}

/* The commands there are. */
static const struct command {
	unsigned int cmd;
	bool control, changes;
} commands[] = {
	{ FAULTMAP_CREATE, true, false },
	{ FAULTMAP_INFO, false, false },
	{ FAULTMAP_STATS, false, false },
	{ FAULTMAP_STATS_RESET, false, true },
	{ FAULTMAP_RESIZE, false, true },
	{ FAULTMAP_REVOKE, false, true },
	{ FAULTMAP_EXPORT, false, true },
};

#define NR_COMMANDS	(sizeof(commands) / sizeof(*commands))

static inline bool is_control(enum kind kind)
{
	return kind == CONTROL || kind == CONTROL_RO;
}

static inline const struct command *find_command(enum kind kind, unsigned int cmd)
{
	const struct command *known = commands;

	for (; known < commands + NR_COMMANDS; known++)
		if (known->control == is_control(kind) &&
		    _IOC_TYPE(known->cmd) == _IOC_TYPE(cmd) &&
		    _IOC_NR(known->cmd) == _IOC_NR(cmd) &&
		    _IOC_DIR(known->cmd) == _IOC_DIR(cmd))
			return known;
	return NULL;
}

static inline int expect_bytes(const FIXTURE_DATA(fuzz) *self, uint64_t bytes)
{
	if (!bytes || bytes % self->page)
		return -EINVAL;
	return bytes > self->most ? -EFBIG : 0;
}

static inline int expect_create(const FIXTURE_DATA(fuzz) *self,
				const struct faultmap_create *arg)
{
	bool lazy_pfn = arg->strategy == FAULTMAP_STRATEGY_LAZY_PFN;
	bool lazy = lazy_pfn || arg->strategy == FAULTMAP_STRATEGY_LAZY;
	bool by_frame = lazy_pfn || arg->strategy == FAULTMAP_STRATEGY_EAGER;

	if (arg->memory > FAULTMAP_MEMORY_COHERENT ||
	    arg->strategy > FAULTMAP_STRATEGY_LAZY_PFN ||
	    arg->flags & ~(FAULTMAP_CREATE_BATCHED | FAULTMAP_CREATE_ON_DEMAND) ||
	    arg->reserved ||
	    (arg->flags & FAULTMAP_CREATE_BATCHED && arg->strategy != FAULTMAP_STRATEGY_EAGER) ||
	    arg->window > (lazy ? FAULTMAP_WINDOW_MAX : 1))
		return -EINVAL;
	if (arg->memory == FAULTMAP_MEMORY_PHYS ||
	    (arg->memory >= FAULTMAP_MEMORY_KMALLOC && !by_frame) ||
	    (arg->memory == FAULTMAP_MEMORY_COHERENT && lazy_pfn) ||
	    (arg->flags & FAULTMAP_CREATE_ON_DEMAND &&
	     arg->memory > FAULTMAP_MEMORY_VMALLOC) ||
	    (arg->flags & FAULTMAP_CREATE_BATCHED &&
	     (arg->memory == FAULTMAP_MEMORY_COHERENT ||
	      arg->flags & FAULTMAP_CREATE_ON_DEMAND)))
		return -EOPNOTSUPP;
	if (arg->order > (arg->memory == FAULTMAP_MEMORY_PAGES ? MAX_ORDER : 0))
		return -EINVAL;
	return expect_bytes(self, arg->bytes);
}

static inline int expect_resize(const FIXTURE_DATA(fuzz) *self,
				const struct faultmap_resize *arg)
{
	int error = arg->flags ? -EINVAL : expect_bytes(self, arg->bytes);

	/* What no file can have is refused before the file is looked at. */
	if (error == -EFBIG && arg->bytes > MAX_FILE)
		return -EFBIG;
	return error != -EINVAL && self->revoked ? -ENODEV : error;
}

/* The argument as the kernel gets it; or why it does not. */
static inline int expect_argument(const FIXTURE_DATA(fuzz) *self, uintptr_t at,
				  size_t size, size_t known, union argument *arg)
{
	size_t i, len = size < known ? size : known;

	for (i = known; i < size; i++) {
		if (!accessible(self, at + i, 1, false))
			return -EFAULT;
		if (((const char *)at)[i])
			return -E2BIG;
	}
	if (!accessible(self, at, len, false))
		return -EFAULT;
	memset(arg, 0, sizeof(*arg));
	memcpy(arg, (const void *)at, len);
	return 0;
}

/* 0 or the error that the call must fail with. */
static inline int expected(const FIXTURE_DATA(fuzz) *self, enum kind kind,
			   unsigned int cmd, uintptr_t at)
{
	const struct command *known = find_command(kind, cmd);
	union argument arg;
	int error = 0;

	if (!known)
		return -ENOTTY;
	if (known->changes && kind == NODE_RO)
		return -EBADF;
	if (_IOC_DIR(cmd) == _IOC_WRITE)
		error = expect_argument(self, at, _IOC_SIZE(cmd),
					_IOC_SIZE(known->cmd), &arg);
	if (error)
		return error;
	switch (known->cmd) {
	case FAULTMAP_CREATE:
		return expect_create(self, &arg.create);
	case FAULTMAP_INFO:
	case FAULTMAP_STATS:
		return accessible(self, at, _IOC_SIZE(cmd), true) ? 0 : -EFAULT;
	case FAULTMAP_RESIZE:
		return expect_resize(self, &arg.resize);
	case FAULTMAP_REVOKE:
		return self->revoked ? -ENODEV : 0;
	case FAULTMAP_EXPORT:
		if (arg.export.flags || arg.export.reserved)
			return -EINVAL;
		return self->revoked ? -ENODEV : 0;
	}
	return 0;
}

/* More than is sure to be there, of an argument that begins with a size. */
#define PLENTY	(4UL << 20)

static inline bool may_lack_memory(const FIXTURE_DATA(fuzz) *self, unsigned int cmd,
				   uintptr_t at)
{
	uint64_t bytes = 0;

	if (_IOC_DIR(cmd) != _IOC_WRITE || !accessible(self, at, sizeof(bytes), false))
		return false;
	memcpy(&bytes, (const void *)at, sizeof(bytes));
	return bytes > PLENTY;
}

#endif /* _FAULTMAP_FUZZ_MODEL_H */

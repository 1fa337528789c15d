// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations that threads do at once: whatever the order is, some of it must hold.
 * These threads run on any CPU, whichever their process keeps to.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "host.h"
#include "race.h"
#include "worker.h"

struct race {
	const struct m_op *op;
	pthread_t thread[M_TOUCHERS];
	uint32_t pages[M_EDGES], n;
	uint64_t worked, failed;	/* a bit for each of @pages */
	uint64_t wrong;			/* bits of what must not be, and was seen */
	uint32_t ready, stop;
};

static bool stopped(struct race *race)
{
	return __atomic_load_n(&race->stop, __ATOMIC_ACQUIRE);
}

static void ready(struct race *race)
{
	__atomic_add_fetch(&race->ready, 1, __ATOMIC_RELEASE);
}

static void set_bit(uint64_t *mask, uint32_t i)
{
	__atomic_or_fetch(mask, 1ULL << i, __ATOMIC_RELAXED);
}

static int start(struct race *race, void *(*fn)(void *race))
{
	uint32_t i, started;

	m_run_anywhere();
	for (started = 0; started < M_TOUCHERS; started++)
		if (pthread_create(&race->thread[started], NULL, fn, race))
			break;
	for (i = 0; i < 1000 && __atomic_load_n(&race->ready, __ATOMIC_ACQUIRE) < started;
	     i++)
		usleep(100);
	return started;
}

static void finish(struct race *race, int started)
{
	__atomic_store_n(&race->stop, 1, __ATOMIC_RELEASE);
	while (started--)
		pthread_join(race->thread[started], NULL);
	/* Back to where the thread was told to be. */
	m_go_back();
}

/* Adds nothing, atomically: what is there stays the same, whoever writes too. */
static void touch_edges(struct race *race)
{
	bool write = race->op->prot & PROT_WRITE;
	uint32_t i;

	for (i = 0; i < race->n; i++) {
		uint64_t *word = (void *)(M_BASE + race->pages[i] * M_PAGE);

		set_bit(m_try_touch(word, write) ? &race->failed : &race->worked, i);
	}
}

static void *touch_until_stopped(void *arg)
{
	struct race *race = arg;
	uint32_t done = 0;

	m_run_anywhere();
	ready(race);
	while (!stopped(race) && (done += race->n) <= M_TOUCHES)
		touch_edges(race);
	return NULL;
}

static int64_t resize(const struct m_op *op, uint64_t bytes)
{
	struct faultmap_resize arg = { .bytes = bytes };

	return ioctl(M_FD + op->fd, FAULTMAP_RESIZE, &arg) ? -errno : 0;
}

/* The buffer gets another size, and back, and again; threads touch what it shows. */
static int64_t shake(struct race *race, struct m_answer *answer)
{
	const struct m_op *op = race->op;
	struct faultmap_info info = { 0 };
	int started;
	int64_t ret;
	uint32_t i;

	if (ioctl(M_FD + op->fd, FAULTMAP_INFO, &info))
		return -errno;
	race->n = m_edges(op, race->pages);
	started = start(race, touch_until_stopped);
	ret = resize(op, op->len);
	for (i = 1; !ret && i < op->m; i++)
		ret = resize(op, info.bytes) ?: resize(op, op->len);
	finish(race, started);
	answer->worked = race->worked;
	answer->failed = race->failed;
	return ret;
}

struct opened {
	int fd;
	char *map;
};

static bool is_revoked(int fd)
{
	struct faultmap_info info = { 0 };

	return ioctl(fd, FAULTMAP_INFO, &info) || info.flags & FAULTMAP_INFO_REVOKED;
}

static int open_it(const struct m_op *op)
{
	char path[64];

	m_node_path(path, sizeof(path), op->memory, op->strategy);
	return open(path, O_RDWR | O_CLOEXEC);
}

static void open_one(const struct m_op *op, struct opened *opened)
{
	opened->map = MAP_FAILED;
	opened->fd = open_it(op);
	if (opened->fd < 0)
		return;
	opened->map = mmap(NULL, M_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			   opened->fd, 0);
	if (opened->map != MAP_FAILED)
		m_try_touch((uint64_t *)opened->map, false);
}

/*
 * Who is not revoked can touch what he has mapped, and who is cannot. Bits: no file,
 * no mapping, a dead mapping, and one that works still.
 */
static uint64_t is_wrong(const struct opened *opened)
{
	bool works;

	if (opened->fd < 0)
		return 1;
	if (opened->map == MAP_FAILED)
		return is_revoked(opened->fd) ? 0 : 2;
	works = !m_try_touch((uint64_t *)opened->map, false);
	if (works != is_revoked(opened->fd))
		return 0;
	return works ? 8 : 4;
}

static void *open_until_stopped(void *arg)
{
	struct race *race = arg;
	struct opened opened[M_OPENS / M_TOUCHERS];
	uint32_t i, n = 0;

	m_run_anywhere();
	ready(race);
	while (!stopped(race) && n < M_OPENS / M_TOUCHERS)
		open_one(race->op, &opened[n++]);
	while (!stopped(race))
		sched_yield();
	for (i = 0; i < n; i++) {
		__atomic_or_fetch(&race->wrong, is_wrong(&opened[i]), __ATOMIC_RELAXED);
		if (opened[i].map != MAP_FAILED)
			munmap(opened[i].map, M_PAGE);
		close(opened[i].fd);
	}
	return NULL;
}

static int64_t revoke_during_opens(struct race *race, int fd)
{
	int started = start(race, open_until_stopped);
	int64_t ret = ioctl(fd, FAULTMAP_REVOKE) ? -errno : 0;

	finish(race, started);
	return ret;
}

/* All who have a node are cut off while others open it; and again, by a new file. */
static int64_t rush(struct race *race)
{
	int64_t ret = revoke_during_opens(race, M_FD + race->op->fd);
	uint32_t i;
	int fd;

	for (i = 1; !ret && i < race->op->m; i++) {
		race->ready = 0;
		race->stop = 0;
		fd = open_it(race->op);
		ret = fd < 0 ? -errno : revoke_during_opens(race, fd);
		close(fd);
	}
	return ret ?: (int64_t)race->wrong;
}

/* The bits of what is wrong. */
static uint64_t judge(const struct m_op *op, const struct faultmap_info *before,
		      int64_t got, const struct faultmap_info *after)
{
	bool was_revoked = before->flags & FAULTMAP_INFO_REVOKED;
	bool is_revoked = after->flags & FAULTMAP_INFO_REVOKED;

	return (got < 0 && (got != -ENODEV || !is_revoked)) |
	       /* All, or nothing and why. */
	       (got >= 0 && got != M_PAGE) << 1 |
	       (before->extents > 1 || after->extents > 1) << 2 |
	       (before->memory != FAULTMAP_MEMORY_PHYS) << 3 |
	       (before->strategy != op->strategy) << 4 |
	       (was_revoked && (got > 0 || !is_revoked)) << 5 |
	       (!after->bytes && !is_revoked) << 6;
}

/* What INFO and read(2) say of a device that may go at any time. */
static uint64_t look(const struct m_op *op, int fd)
{
	struct faultmap_info info[2] = { 0 };
	char page[M_PAGE];
	int64_t got;

	if (ioctl(fd, FAULTMAP_INFO, &info[0]))
		return 1 << 7;
	got = pread(fd, page, sizeof(page), 0);
	if (got < 0)
		got = -errno;
	if (ioctl(fd, FAULTMAP_INFO, &info[1]))
		return 1 << 7;
	return judge(op, &info[0], got, &info[1]);
}

static void *look_until_stopped(void *arg)
{
	struct race *race = arg;
	int fd;

	m_run_anywhere();
	ready(race);
	while (!stopped(race)) {
		fd = open_it(race->op);
		/* There is no node, or no driver behind it, for a while. */
		if (fd < 0)
			continue;
		__atomic_or_fetch(&race->wrong, look(race->op, fd), __ATOMIC_RELAXED);
		close(fd);
	}
	return NULL;
}

/* A device goes and comes back, and others ask what it is and read it. */
static int64_t rebind(struct race *race)
{
	int started = start(race, look_until_stopped);
	int64_t ret = 0;
	uint32_t i;

	for (i = 0; !ret && i < race->op->m; i++)
		ret = m_rebind_device();
	finish(race, started);
	return ret ?: (int64_t)race->wrong;
}

int64_t m_race(const struct m_op *op, struct m_answer *answer)
{
	struct race race = { .op = op };

	switch (op->kind) {
	case M_SHAKE:
		return shake(&race, answer);
	case M_RUSH:
		return rush(&race);
	default:
		return rebind(&race);
	}
}

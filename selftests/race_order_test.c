// SPDX-License-Identifier: GPL-2.0-only
/*
 * What may happen in which order: descriptors that are opened while others are
 * revoked, touches while translations go, and questions while the device goes. A
 * descriptor that is not revoked works, one that is does not, and the kernel has
 * nothing to log.
 * FAULTMAP_RACE_SECONDS makes each case run for so long.
 */
#include "bar.h"
#include "kernel_log.h"
#include "module_load.h"
#include "race.h"

#define USERS		2
#define TOUCHED		4	/* pages of a node that are mapped */
#define WHILE		3000	/* milliseconds of touches, at most: REVOKE may take that long */
#define KEPT		64	/* descriptors that a user has at a time */
#define WINDOW		"window=16"
#define PATIENCE	20	/* seconds for one touch, however slow the kernel is */
#define SHORTEST_PAUSE	200	/* microseconds between two REVOKEs, at most */
#define LONGEST_PAUSE	500000

FIXTURE(node)
{
	char path[96];
	size_t page;
	struct race *race;
	bool reloaded;
	int log;
};

FIXTURE_VARIANT(node)
{
	const char *name;
	bool device;
};

FIXTURE_VARIANT_ADD(node, pages_eager)
{
	.name = "pages-eager",
};

FIXTURE_VARIANT_ADD(node, pages_eager_page)
{
	.name = "pages-eager-page",
};

FIXTURE_VARIANT_ADD(node, pages_lazy)
{
	.name = "pages-lazy",
};

FIXTURE_VARIANT_ADD(node, pages_lazy_pfn)
{
	.name = "pages-lazy-pfn",
};

FIXTURE_VARIANT_ADD(node, vmalloc_eager)
{
	.name = "vmalloc-eager",
};

FIXTURE_VARIANT_ADD(node, kmalloc_eager)
{
	.name = "kmalloc-eager",
};

FIXTURE_VARIANT_ADD(node, dma_eager)
{
	.name = "dma-eager",
};

FIXTURE_VARIANT_ADD(node, device_eager)
{
	.name = "eager",
	.device = true,
};

FIXTURE_VARIANT_ADD(node, device_lazy_pfn)
{
	.name = "lazy-pfn",
	.device = true,
};

static struct bar bar;

/* Of frames that come one by one there is nothing between the first and the others. */
static bool has_one_frame(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct faultmap_info info = { 0 };

	ioctl(fd, FAULTMAP_INFO, &info);
	close(fd);
	return info.strategy == FAULTMAP_STRATEGY_LAZY_PFN && info.window == 1;
}

FIXTURE_SETUP(node)
{
	int fd;

	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	if (variant->device && !find_bar(&bar))
		SKIP(return, "no device: give QEMU -device ivshmem-plain");
	snprintf(self->path, sizeof(self->path), "/dev/faultmap/%s%s%s%s",
		 variant->device ? "pci-" : "", variant->device ? bar.device : "",
		 variant->device ? "-" : "", variant->name);
	self->page = fm_page_size();
	self->race = race_new();
	ASSERT_NE(MAP_FAILED, self->race);
	self->log = fm_log_open();
	self->reloaded = variant->device && has_one_frame(self->path) &&
			 driver_file() && !unload();
	if (self->reloaded)
		ASSERT_EQ(0, load(WINDOW));
	fd = open(self->path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fm_stamp(fd, 0, TOUCHED));
	close(fd);
}

FIXTURE_TEARDOWN(node)
{
	if (self->reloaded) {
		EXPECT_EQ(0, unload());
		EXPECT_EQ(0, load(""));
	}
	EXPECT_SILENT(self->log);
	munmap(self->race, sizeof(*self->race));
}

/* A process of a case. */
typedef void (*user_fn)(FIXTURE_DATA(node) *self);

static pid_t start_user(FIXTURE_DATA(node) *self, user_fn use)
{
	pid_t pid = fork();

	if (!pid) {
		race_catch_signals();
		srand(getpid());
		use(self);
		_exit(0);
	}
	return pid;
}

static void start_users(struct __test_metadata *_metadata, FIXTURE_DATA(node) *self,
			user_fn use, pid_t *pids)
{
	memset(self->race, 0, sizeof(*self->race));
	for (int i = 0; i < USERS; i++) {
		pids[i] = start_user(self, use);
		ASSERT_LE(0, pids[i]);
	}
	while (atomic_load(&self->race->ready) < USERS)
		sched_yield();
}

static void end_users(struct __test_metadata *_metadata, FIXTURE_DATA(node) *self,
		      pid_t *pids)
{
	int status;

	for (int i = 0; i < USERS; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_NOTHING_WRONG(self->race);
}

/* A descriptor and its mapping. */
struct opened {
	int fd;
	char *map;
};

static bool is_revoked(int fd)
{
	struct faultmap_info info = { 0 };

	return ioctl(fd, FAULTMAP_INFO, &info) ||
	       info.flags & FAULTMAP_INFO_REVOKED;
}

static void open_one(FIXTURE_DATA(node) *self, struct opened *it)
{
	it->map = MAP_FAILED;
	it->fd = open(self->path, O_RDWR | O_CLOEXEC);
	if (it->fd < 0) {
		race_wrong(self->race, 0, -errno);
		return;
	}
	it->map = race_map(it->fd, TOUCHED);
	if (it->map == MAP_FAILED && (errno != ENODEV || !is_revoked(it->fd)))
		race_wrong(self->race, 0, -errno);
}

/* When no REVOKE is going on: all of it works, or none. */
static void judge_one(FIXTURE_DATA(node) *self, struct opened *it)
{
	bool revoked = is_revoked(it->fd);
	enum race_seen seen;

	if (it->map == MAP_FAILED)
		return;
	for (size_t i = 0; i < TOUCHED; i++) {
		seen = race_touch(self->race, it->map + i * self->page, i, i % 2);
		if (seen != (revoked ? RACE_REFUSED : RACE_STAMP))
			race_wrong(self->race, i, seen);
	}
}

static void close_one(FIXTURE_DATA(node) *self, struct opened *it)
{
	if (it->map != MAP_FAILED)
		munmap(it->map, TOUCHED * self->page);
	close(it->fd);
}

/* Opens and maps until REVOKE is over, and looks at what it has by then. */
static void open_until_over(FIXTURE_DATA(node) *self)
{
	struct race_moment before;
	unsigned int n = 0, kept, i;
	struct opened opened[KEPT];

	do {
		if (n >= KEPT)
			close_one(self, &opened[n % KEPT]);
		before = race_before(self->race);
		open_one(self, &opened[n++ % KEPT]);
		race_met(self->race, &before);
		if (n == 1)
			atomic_fetch_add(&self->race->ready, 1);
	} while (!atomic_load(&self->race->ended) && !atomic_load(&self->race->wrong));
	kept = n < KEPT ? n : KEPT;
	for (i = 0; i < kept && !atomic_load(&self->race->wrong); i++)
		judge_one(self, &opened[i]);
}

static void cut_off(struct __test_metadata *_metadata, FIXTURE_DATA(node) *self)
{
	int fd = open(self->path, O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	atomic_fetch_add(&self->race->began, 1);
	EXPECT_EQ(0, ioctl(fd, FAULTMAP_REVOKE));
	atomic_fetch_add(&self->race->ended, 1);
	close(fd);
}

/* Who is opened while others are cut off is cut off with them, or not at all. */
TEST_F(node, opened_while_revoked)
{
	struct race_clock clock = race_start();
	pid_t pids[USERS];

	while (race_goes_on(&clock) && !atomic_load(&self->race->wrong)) {
		start_users(_metadata, self, open_until_over, pids);
		usleep(rand() % 1000);
		cut_off(_metadata, self);
		end_users(_metadata, self, pids);
		race_count(&clock, self->race);
	}
	EXPECT_RACED(&clock);
}

/* REVOKE is met if it comes in between. Every other time each page is touched once. */
static void touch_for_a_while(FIXTURE_DATA(node) *self, char *map)
{
	/* Touches that do not fault are over in no time: it is time that counts. */
	double end = race_now() + (rand() % 2 ? 0 : rand() % WHILE * 1e-3);
	enum race_seen seen = RACE_STAMP;
	size_t i = 0;

	do {
		seen = race_touch(self->race, map + i % TOUCHED * self->page, i % TOUCHED,
				  i % 2);
		i++;
	} while (seen == RACE_STAMP && !atomic_load(&self->race->stop) &&
		 (i < TOUCHED || race_now() < end));
	if (seen == RACE_REFUSED && i > 1)
		atomic_fetch_add(&self->race->met, 1);
	else if (seen != RACE_STAMP && seen != RACE_REFUSED)
		race_wrong(self->race, i % TOUCHED, seen);
}

/* A touch that is never answered ends here, too. */
static void touch_until_stopped(FIXTURE_DATA(node) *self)
{
	struct opened it;

	signal(SIGALRM, race_signal);
	atomic_fetch_add(&self->race->ready, 1);
	while (!atomic_load(&self->race->stop) && !atomic_load(&self->race->wrong)) {
		alarm(PATIENCE);
		open_one(self, &it);
		if (it.map != MAP_FAILED)
			touch_for_a_while(self, it.map);
		close_one(self, &it);
	}
}

/* What goes in the middle of a touch has come in whole before, or comes not at all. */
TEST_F(node, touched_while_revoked)
{
	struct race_clock clock = race_start();
	struct race *race = self->race;
	useconds_t pause = SHORTEST_PAUSE;
	unsigned long met = 0, now;
	pid_t pids[USERS];

	start_users(_metadata, self, touch_until_stopped, pids);
	while (race_goes_on(&clock) && !atomic_load(&race->wrong)) {
		cut_off(_metadata, self);
		usleep(rand() % pause);
		now = atomic_load(&race->met);
		clock.rounds++;
		clock.hits += now > met;
		/* However slow the kernel is, somebody comes so far that it is met. */
		if (now > met)
			pause = SHORTEST_PAUSE;
		else if (pause < LONGEST_PAUSE)
			pause *= 2;
		met = now;
	}
	clock.met = met;
	atomic_store(&race->stop, true);
	end_users(_metadata, self, pids);
	/* Where each step may wait, REVOKE may always come before the second touch. */
	if (!clock.hits && !access("/sys/module/faultmap_delays", F_OK))
		SKIP(return, "nobody came so far that REVOKE met a touch");
	EXPECT_RACED(&clock);
}

/* All that a read(2) which REVOKE cuts off may say is that it was cut off. */
static void read_until_cut_off(FIXTURE_DATA(node) *self)
{
	int fd = open(self->path, O_RDWR | O_CLOEXEC);
	struct race_moment before;
	uint64_t word;
	ssize_t got;

	if (fd < 0)
		race_wrong(self->race, 0, -errno);
	atomic_fetch_add(&self->race->ready, 1);
	do {
		before = race_before(self->race);
		got = rand() % 2 ? pread(fd, &word, sizeof(word), 0) :
				   pwrite(fd, &word, sizeof(word), 8 * self->page);
		race_met(self->race, &before);
	} while (got == sizeof(word));
	if (got >= 0 || errno != ENODEV)
		race_wrong(self->race, 0, got < 0 ? -errno : got);
}

TEST_F(node, read_while_revoked)
{
	struct race_clock clock = race_start();
	pid_t pids[USERS];

	while (race_goes_on(&clock) && !atomic_load(&self->race->wrong)) {
		start_users(_metadata, self, read_until_cut_off, pids);
		usleep(rand() % 1000);
		cut_off(_metadata, self);
		end_users(_metadata, self, pids);
		race_count(&clock, self->race);
	}
	EXPECT_RACED(&clock);
}

FIXTURE(device)
{
	FIXTURE_DATA(node) node;	/* whose users it has */
};

FIXTURE_SETUP(device)
{
	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	if (!find_bar(&bar))
		SKIP(return, "no device: give QEMU -device ivshmem-plain");
	snprintf(self->node.path, sizeof(self->node.path), "/dev/faultmap/pci-%s-eager",
		 bar.device);
	self->node.page = fm_page_size();
	self->node.race = race_new();
	ASSERT_NE(MAP_FAILED, self->node.race);
	self->node.log = fm_log_open();
}

FIXTURE_TEARDOWN(device)
{
	EXPECT_SILENT(self->node.log);
	munmap(self->node.race, sizeof(*self->node.race));
}

/* INFO, over and over: it finds the device's size, or nothing. */
static void ask_until_over(FIXTURE_DATA(node) *self)
{
	int fd = open(self->path, O_RDWR | O_CLOEXEC);
	struct faultmap_info info = { 0 };
	struct race_moment before;

	if (fd < 0)
		race_wrong(self->race, 0, -errno);
	atomic_fetch_add(&self->race->ready, 1);
	do {
		before = race_before(self->race);
		if (ioctl(fd, FAULTMAP_INFO, &info) ||
		    (info.bytes && (info.bytes != bar.size || before.ended)))
			race_wrong(self->race, 0, info.bytes);
		race_met(self->race, &before);
	} while (!before.ended);
	if (!(info.flags & FAULTMAP_INFO_REVOKED))
		race_wrong(self->race, 0, info.flags);
}

static bool has_nodes(void)
{
	char path[96];
	bool has;

	snprintf(path, sizeof(path), "/dev/faultmap/pci-%s-lazy-pfn", bar.device);
	has = !access(path, F_OK);
	snprintf(path, sizeof(path), "/dev/faultmap/pci-%s-eager", bar.device);
	return has || !access(path, F_OK);
}

/*
 * Reads, from the moment on that the nodes have gone and the memory is about to, page
 * after page: each gives what it has, until there is nothing. A page is looked at once,
 * since a CPU remembers for a while where one was that it has seen.
 */
static void read_until_it_goes(FIXTURE_DATA(node) *self)
{
	int fd = open(self->path, O_RDWR | O_CLOEXEC);
	static char buf[1 << 16];
	ssize_t got;
	off_t pos;

	if (fd < 0 || self->page > sizeof(buf))
		race_wrong(self->race, 0, -errno);
	atomic_fetch_add(&self->race->ready, 1);
	while (has_nodes())
		;
	for (pos = 0; (got = pread(fd, buf, self->page, pos)) > 0; pos += got)
		if (pos + got == (off_t)bar.size)
			pos = -got;
	if (got && errno != ENODEV)
		race_wrong(self->race, pos / self->page, -errno);
}

/* The device goes while its size is asked for, and its memory. */
TEST_F(device, asked_while_it_goes)
{
	struct race_clock clock = race_start_all();
	pid_t asks, reads;
	int status;

	/* Of its whole size, whatever another test has left. */
	EXPECT_EQ(0, fm_put(PCI_DRIVER "/unbind", bar.device));
	EXPECT_EQ(0, fm_put(PCI_DRIVER "/bind", bar.device));
	while (race_goes_on(&clock) && !atomic_load(&self->node.race->wrong)) {
		memset(self->node.race, 0, sizeof(*self->node.race));
		asks = start_user(&self->node, ask_until_over);
		reads = start_user(&self->node, read_until_it_goes);
		while (atomic_load(&self->node.race->ready) < 2)
			sched_yield();
		atomic_fetch_add(&self->node.race->began, 1);
		EXPECT_EQ(0, fm_put(PCI_DRIVER "/unbind", bar.device));
		atomic_fetch_add(&self->node.race->ended, 1);
		ASSERT_EQ(asks, waitpid(asks, &status, 0));
		EXPECT_EQ(0, status);
		ASSERT_EQ(reads, waitpid(reads, &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_NOTHING_WRONG(self->node.race);
		EXPECT_EQ(0, fm_put(PCI_DRIVER "/bind", bar.device));
		race_count(&clock, self->node.race);
	}
	EXPECT_RACED(&clock);
}

TEST_HARNESS_MAIN

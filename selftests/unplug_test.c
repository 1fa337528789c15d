// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device goes, and module/examples/bar.c with it, while its memory is open, mapped
 * and touched. Needs QEMU's -device ivshmem-plain, which faultmap lends to the example,
 * and FAULTMAP_EXAMPLES.
 */
#include <pthread.h>

#include "examples.h"
#include "kernel_log.h"
#include "race.h"

#define PAGES	16

/* The example has the device, whose first pages are stamped. */
FIXTURE(unplug)
{
	struct bar bar;
	char node[64];
	size_t page;
	int log;
	int fd;		/* of the node, or -1 */
	char *map;	/* of PAGES, untouched, or NULL */
	bool ready;
};

FIXTURE_VARIANT(unplug)
{
	const char *params;
	bool eager;
};

FIXTURE_VARIANT_ADD(unplug, lazy_pfn) { .params = "" };
FIXTURE_VARIANT_ADD(unplug, eager) { .params = "eager=1", .eager = true };

static bool open_node(FIXTURE_DATA(unplug) *self)
{
	self->fd = open(self->node, O_RDWR | O_CLOEXEC);
	if (self->fd < 0)
		return false;
	self->map = race_map(self->fd, PAGES);
	return self->map != MAP_FAILED;
}

static void close_node(FIXTURE_DATA(unplug) *self)
{
	if (self->fd >= 0)
		close(self->fd);
	if (self->map)
		munmap(self->map, PAGES * self->page);
	self->fd = -1;
	self->map = NULL;
}

static int take_away(const FIXTURE_DATA(unplug) *self)
{
	return fm_put(BAR_DRIVER "/unbind", self->bar.device);
}

static int give_back(const FIXTURE_DATA(unplug) *self)
{
	return fm_put(BAR_DRIVER "/bind", self->bar.device);
}

FIXTURE_SETUP(unplug)
{
	if (!examples_directory())
		SKIP(return, "no directory of the examples: FAULTMAP_EXAMPLES may name it");
	if (geteuid())
		SKIP(return, "only root loads modules");
	if (!find_bar(&self->bar))
		SKIP(return, "no device: give QEMU -device ivshmem-plain");
	self->page = fm_page_size();
	self->log = fm_log_open();
	snprintf(self->node, sizeof(self->node), "/dev/bar-%s", self->bar.device);
	ASSERT_EQ(0, lend_bar(&self->bar, variant->params));
	self->ready = open_node(self) && !fm_stamp(self->fd, 0, PAGES);
	if (!self->ready) {
		close_node(self);
		take_bar_back(&self->bar);
	}
	ASSERT_TRUE(self->ready);
}

FIXTURE_TEARDOWN(unplug)
{
	if (!self->ready)
		return;
	close_node(self);
	EXPECT_EQ(0, take_bar_back(&self->bar));
	EXPECT_TRUE(is_bound(PCI_DRIVER, &self->bar));
	EXPECT_SILENT(self->log);
}

/* The harness of 6.1 goes on with a test whose setup has skipped it. */
#define READY_OR_RETURN() do { \
	if (!self->ready) \
		return; \
} while (0)

static long faults_of_touch(char *at)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	*(volatile char *)at;
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt - before.ru_minflt;
}

TEST_F(unplug, maps_when_it_is_told)
{
	char *maps[2];

	READY_OR_RETURN();
	/* The first call has faults of its own: code, stack. */
	for (int i = 0; i < 2; i++)
		maps[i] = race_map(self->fd, PAGES);
	faults_of_touch(maps[0]);
	EXPECT_EQ(!variant->eager, faults_of_touch(maps[1]));
	EXPECT_STAMPS(maps[1], 0, PAGES);
	for (int i = 0; i < 2; i++)
		munmap(maps[i], PAGES * self->page);
}

#define EXPECT_ENODEV(call) do { \
	EXPECT_EQ(-1, (long)(call)); \
	EXPECT_EQ(ENODEV, errno); \
} while (0)

/* Every way to the memory that an open file and a mapping had. */
TEST_F(unplug, cuts_off_files_and_mappings)
{
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC), status;
	char byte = 0;
	pid_t pid;

	READY_OR_RETURN();
	EXPECT_STAMPS(self->map, 0, PAGES / 2);
	EXPECT_EQ(1, pread(mem, &byte, 1, (long)self->map));
	ASSERT_EQ(0, take_away(self));
	EXPECT_EQ(-1, access(self->node, F_OK));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_SIGNALS(SIGBUS, self->map, PAGES);
	EXPECT_EQ(SIGBUS, fm_write_at(self->map));
	EXPECT_ENODEV(pread(self->fd, &byte, 1, 0));
	EXPECT_ENODEV(pwrite(self->fd, &byte, 1, 0));
	EXPECT_ENODEV(race_map(self->fd, 1));
	EXPECT_EQ(0, lseek(self->fd, 0, SEEK_END));
	EXPECT_EQ(-1, pread(mem, &byte, 1, (long)self->map));
	close(mem);
	pid = fork();
	if (!pid)
		_exit(fm_write_at(self->map));
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == SIGBUS);
}

/* Without a device, the module goes when the last file does, and not before. */
TEST_F(unplug, stays_loaded_until_the_last_close)
{
	READY_OR_RETURN();
	ASSERT_EQ(0, take_away(self));
	EXPECT_EQ(-EWOULDBLOCK, unload_example("bar"));
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(-EWOULDBLOCK, unload_example("bar"));
	EXPECT_EQ(SIGBUS, fm_read_at(self->map));
	close_node(self);
	EXPECT_EQ(0, unload_example("bar"));
	EXPECT_EQ(0, load_example("bar", variant->params));
	EXPECT_EQ(0, access(self->node, F_OK));
}

/* What it had claimed is free, though somebody has a mapping. */
TEST_F(unplug, leaves_the_device_to_another_driver)
{
	READY_OR_RETURN();
	EXPECT_STAMPS(self->map, 0, PAGES);
	ASSERT_EQ(0, take_away(self));
	EXPECT_EQ(0, fm_put(PCI_DRIVER "/bind", self->bar.device));
	EXPECT_TRUE(is_bound(PCI_DRIVER, &self->bar));
	EXPECT_EQ(SIGBUS, fm_read_at(self->map));
	EXPECT_EQ(0, fm_put(PCI_DRIVER "/unbind", self->bar.device));
}

TEST_F(unplug, comes_back_with_its_bytes)
{
	FIXTURE_DATA(unplug) again = *self;
	char byte;

	READY_OR_RETURN();
	EXPECT_STAMPS(self->map, 0, PAGES);
	ASSERT_EQ(0, take_away(self));
	ASSERT_EQ(0, give_back(self));
	ASSERT_TRUE(open_node(&again));
	EXPECT_STAMPS(again.map, 0, PAGES);
	fm_stamp_page(again.map, 99);
	/* Who had it before has nothing of that, and takes nothing away when going. */
	EXPECT_SIGNALS(SIGBUS, self->map, PAGES);
	EXPECT_ENODEV(pread(self->fd, &byte, 1, 0));
	close_node(self);
	EXPECT_EQ(99, fm_page_at(again.map));
	EXPECT_EQ(0, fm_stamp(again.fd, 0, 1));
	EXPECT_STAMPS(again.map, 0, PAGES);
	close_node(&again);
}

/* Somebody who touches the memory all the time; of another process, or a thread. */
struct toucher {
	struct race race;
	char *map;
	atomic_uint rounds;
};

static void touch_before_and_after(struct toucher *toucher, size_t i)
{
	struct race_moment before = race_before(&toucher->race);
	enum race_seen seen = race_touch(&toucher->race, toucher->map + i * fm_page_size(),
					 i, i % 2);
	bool met = race_met(&toucher->race, &before);

	if (seen != (before.ended ? RACE_REFUSED : RACE_STAMP) &&
	    !(met && seen == RACE_REFUSED))
		race_wrong(&toucher->race, i, seen);
}

static void *touch_all(void *arg)
{
	struct toucher *toucher = arg;

	while (!atomic_load(&toucher->race.stop)) {
		for (size_t i = 0; i < PAGES; i++)
			touch_before_and_after(toucher, i);
		atomic_fetch_add(&toucher->rounds, 1);
	}
	return NULL;
}

/* A round that began when this was called is over. */
static void wait_for_round(struct toucher *toucher)
{
	unsigned int now = atomic_load(&toucher->rounds);

	while (atomic_load(&toucher->rounds) < now + 2)
		usleep(100);
}

static struct toucher *toucher_new(char *map)
{
	struct toucher *toucher = mmap(NULL, sizeof(*toucher), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	toucher->map = map;
	return toucher;
}

/* Another process maps it for itself, after the fork. */
static int touch_own_map(struct toucher *toucher, const char *node)
{
	int fd = open(node, O_RDWR | O_CLOEXEC);

	toucher->map = race_map(fd, PAGES);
	close(fd);
	if (toucher->map == MAP_FAILED)
		return 1;
	touch_all(toucher);
	return 0;
}

static void unbind_among(const FIXTURE_DATA(unplug) *self, struct toucher **touchers,
			 int *ret)
{
	int i;

	for (i = 0; i < 2; i++)
		wait_for_round(touchers[i]);
	for (i = 0; i < 2; i++)
		atomic_fetch_add(&touchers[i]->race.began, 1);
	*ret = take_away(self);
	for (i = 0; i < 2; i++)
		atomic_fetch_add(&touchers[i]->race.ended, 1);
	for (i = 0; i < 2; i++)
		wait_for_round(touchers[i]);
	for (i = 0; i < 2; i++)
		atomic_store(&touchers[i]->race.stop, true);
}

/* Until it goes, each touch finds its bytes, and from then on none does. */
TEST_F(unplug, goes_while_it_is_touched)
{
	struct toucher *touchers[2];
	pthread_t thread;
	int ret, status;
	pid_t pid;

	READY_OR_RETURN();
	for (int i = 0; i < 2; i++)
		touchers[i] = toucher_new(self->map);
	race_catch_signals();
	pid = fork();
	if (!pid)
		_exit(touch_own_map(touchers[0], self->node));
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, pthread_create(&thread, NULL, touch_all, touchers[1]));
	unbind_among(self, touchers, &ret);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, ret);
	for (int i = 0; i < 2; i++) {
		EXPECT_NOTHING_WRONG(&touchers[i]->race);
		EXPECT_LE(PAGES, atomic_load(&touchers[i]->race.seen[RACE_STAMP]));
		EXPECT_LE(PAGES, atomic_load(&touchers[i]->race.refused));
		munmap(touchers[i], sizeof(*touchers[i]));
	}
}

/* What open(2) may say of a node that is about to go, is gone, or not yet there. */
static bool may_be_gone(int error)
{
	return error == ENOENT || error == ENODEV || error == ENXIO;
}

static void read_opened(struct race *race, int fd)
{
	uint64_t word;
	ssize_t got = pread(fd, &word, sizeof(word), 3 * fm_page_size());

	if (got < 0 ? errno != ENODEV : word != fm_stamp_word(3, 0))
		race_wrong(race, 3, got < 0 ? -errno : word);
}

static void touch_opened(struct race *race, int fd)
{
	size_t page = fm_page_size();
	char *map = race_map(fd, PAGES);
	enum race_seen seen;

	if (map == MAP_FAILED) {
		if (errno != ENODEV)
			race_wrong(race, 0, -errno);
		return;
	}
	for (size_t i = 0; i < PAGES; i++) {
		seen = race_touch(race, map + i * page, i, i % 2);
		if (seen != RACE_STAMP && seen != RACE_REFUSED)
			race_wrong(race, i, seen);
	}
	munmap(map, PAGES * page);
}

static void open_once(struct race *race, const char *node)
{
	struct race_moment before = race_before(race);
	int fd = open(node, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		if (!may_be_gone(errno))
			race_wrong(race, 0, -errno);
		return;
	}
	read_opened(race, fd);
	touch_opened(race, fd);
	/* Sometimes the device has come back by now, and has gone again. */
	if (!(rand() % 8))
		usleep(rand() % 3000);
	close(fd);
	race_met(race, &before);
}

static int open_all_the_time(struct race *race, const char *node)
{
	race_catch_signals();
	srand(getpid());
	while (!atomic_load(&race->stop))
		open_once(race, node);
	return 0;
}

static int go_and_come_back(const FIXTURE_DATA(unplug) *self, struct race *race)
{
	int ret;

	usleep(rand() % 3000);
	atomic_fetch_add(&race->began, 1);
	ret = take_away(self);
	atomic_fetch_add(&race->ended, 1);
	usleep(rand() % 300);
	return ret ?: give_back(self);
}

TEST_F(unplug, goes_while_it_is_opened)
{
	struct race_clock clock = race_start();
	struct race *race = race_new();
	int status, ret = 0, i;
	pid_t pids[2];

	READY_OR_RETURN();
	for (i = 0; i < 2; i++) {
		pids[i] = fork();
		if (!pids[i])
			_exit(open_all_the_time(race, self->node));
	}
	/* Its time in any case: a hit may have met the unbinding after its open(2). */
	while (!ret && (race_now() < clock.end || race_goes_on(&clock)) &&
	       !atomic_load(&race->wrong)) {
		ret = go_and_come_back(self, race);
		race_count(&clock, race);
		atomic_store(&race->met, 0);
	}
	atomic_store(&race->stop, true);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(0, ret);
	EXPECT_NOTHING_WRONG(race);
	EXPECT_LT(0, atomic_load(&race->seen[RACE_STAMP]));
	EXPECT_RACED(&clock);
}

static bool read_id(const char *device, const char *what, unsigned int *id)
{
	char path[256];
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", device, what);
	file = fopen(path, "r");
	if (!file)
		return false;
	ok = fscanf(file, "%x", id) == 1;
	fclose(file);
	return ok;
}

/* A device that no driver has, and that has no BAR 2: its ids, as new_id takes them. */
static bool find_bare_device(char *ids, size_t size)
{
	unsigned int vendor, device;
	struct bar bar;
	bool found = false;
	char path[256];
	glob_t all;

	if (glob("/sys/bus/pci/devices/*", 0, NULL, &all))
		return false;
	for (size_t i = 0; !found && i < all.gl_pathc; i++) {
		snprintf(path, sizeof(path), "%s/driver", all.gl_pathv[i]);
		snprintf(bar.device, sizeof(bar.device), "%s",
			 strrchr(all.gl_pathv[i], '/') + 1);
		found = access(path, F_OK) && read_bar(&bar) && !bar.start &&
			read_id(all.gl_pathv[i], "vendor", &vendor) &&
			read_id(all.gl_pathv[i], "device", &device);
	}
	globfree(&all);
	snprintf(ids, size, "%x %x", vendor, device);
	return found;
}

/* The host bridge, for one; the kernel would complain of what is no memory. */
TEST_F(unplug, refuses_a_device_without_the_memory)
{
	char ids[32];
	glob_t found;

	READY_OR_RETURN();
	if (!find_bare_device(ids, sizeof(ids)))
		SKIP(return, "each device has a driver, or a BAR 2");
	ASSERT_EQ(0, fm_put(BAR_DRIVER "/new_id", ids));
	ASSERT_EQ(0, glob(BAR_DRIVER "/????:??:??.?", 0, NULL, &found));
	EXPECT_EQ(1, found.gl_pathc);
	globfree(&found);
	EXPECT_EQ(0, fm_put(BAR_DRIVER "/remove_id", ids));
}

TEST_HARNESS_MAIN

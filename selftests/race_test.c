// SPDX-License-Identifier: GPL-2.0-only
/*
 * RESIZE and REVOKE while other processes fault, map, read and write. Each round
 * has a new buffer and new processes. Until the call they see every page as it was
 * stamped; after it they see nothing of what it took; in between, one or the other.
 * FAULTMAP_RACE_SECONDS makes each case run for so long.
 */
#include "bar.h"
#include "race_fixture.h"

/* What is done to the buffer, and what becomes of the pages it takes. */
struct operation {
	int (*open)(const FIXTURE_DATA(race) *self,
		    const FIXTURE_VARIANT(race) *variant);
	int (*call)(const FIXTURE_DATA(race) *self, int fd);
	bool takes_all;
	bool comes_back;	/* as zeroes, for who can fault them in */
};

static int shrink(const FIXTURE_DATA(race) *self, int fd)
{
	return race_resize(fd, self->keep);
}

static int shrink_and_grow(const FIXTURE_DATA(race) *self, int fd)
{
	return race_resize(fd, self->keep) ?: race_resize(fd, self->pages);
}

static int cut_off(const FIXTURE_DATA(race) *self, int fd)
{
	return fm_errno(ioctl(fd, FAULTMAP_REVOKE));
}

enum work { READS, WRITES, COPIES, NR_WORKS };

/* A process that uses the buffer in one way. */
struct worker {
	const FIXTURE_DATA(race) *self;
	struct race *race;
	const struct operation *op;
	enum work work;
	int fd;
	char *map;
};

/* By read(2) and write(2), which may find less than the page they want. */
static enum race_seen copy(struct worker *w, size_t index)
{
	off_t pos = index * w->self->page;
	uint64_t value = RACE_MARK;
	enum race_seen seen;
	ssize_t got;

	if (pwrite(w->fd, &value, sizeof(value),
		   pos + w->self->page - sizeof(value)) < 0 &&
	    errno != ENOSPC && errno != ENODEV)
		race_wrong(w->race, index, -errno);
	got = pread(w->fd, &value, sizeof(value), pos);
	if (got == sizeof(value))
		seen = race_judge(value, index);
	else
		seen = !got || errno == ENODEV ? RACE_REFUSED : RACE_OTHER;
	return seen;
}

static bool is_right(const struct worker *w, size_t index, enum race_seen seen,
		     bool began, bool over)
{
	bool taken = w->op->takes_all || index >= w->self->keep;

	if (seen == RACE_STAMP)
		return !taken || !over;
	return taken && began &&
	       (seen == RACE_REFUSED ||
		(seen == RACE_ZERO && w->op->comes_back));
}

static void touch(struct worker *w, size_t index)
{
	struct race_moment before = race_before(w->race);
	enum race_seen seen;
	bool met;

	if (w->work == COPIES)
		seen = copy(w, index);
	else
		seen = race_touch(w->race, w->map + index * w->self->page, index,
				  w->work == WRITES);
	met = race_met(w->race, &before);
	if (!is_right(w, index, seen, met || before.ended, before.ended))
		race_wrong(w->race, index, seen);
}

static void touch_all(struct worker *w)
{
	for (size_t i = 0; i < w->self->pages; i += w->self->step)
		touch(w, i);
}

/* A new mapping has everything yet to be faulted in; an old one stays if it fails. */
static void map_anew(struct worker *w)
{
	struct race_moment before = race_before(w->race);
	size_t bytes = w->self->pages * w->self->page;
	char *map = race_map(w->fd, w->self->pages);
	bool met = race_met(w->race, &before);

	if (map == MAP_FAILED) {
		if ((errno != ENXIO && errno != ENODEV) || !(met || before.ended))
			race_wrong(w->race, 0, -errno);
		return;
	}
	if (before.ended && !w->op->comes_back)
		race_wrong(w->race, 0, 0);
	if (w->map)
		munmap(w->map, bytes);
	w->map = map;
}

static int do_work(struct worker *w)
{
	race_catch_signals();
	map_anew(w);
	touch_all(w);
	atomic_fetch_add(&w->race->ready, 1);
	while (!atomic_load(&w->race->ended)) {
		map_anew(w);
		touch_all(w);
	}
	touch_all(w);
	map_anew(w);
	touch_all(w);
	return 0;
}

#define ARENA_PAGES	64

/* Gets hold of memory that was just freed. */
static uint64_t *take_freed(size_t bytes)
{
	uint64_t *arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; arena != MAP_FAILED && i < bytes / sizeof(*arena); i++)
		arena[i] = RACE_POISON;
	return arena;
}

/* How many words of it somebody else has written. */
static size_t count_strays(uint64_t *arena, size_t bytes)
{
	size_t strays = 0;

	for (size_t i = 0; i < bytes / sizeof(*arena); i++)
		strays += arena[i] != RACE_POISON;
	munmap(arena, bytes);
	return strays;
}

/*
 * All mappings are gone, and with them every count is known: of a touch that met
 * the operation the fault may have come twice, before it and after.
 */
static void check_counts(struct __test_metadata *_metadata,
			 int fd, struct race *race)
{
	struct faultmap_stats stats = fm_stats(fd);
	unsigned long touched = atomic_load(&race->seen[RACE_STAMP]) +
				atomic_load(&race->seen[RACE_ZERO]);
	uint64_t faults = stats.read_faults + stats.write_faults;

	if (stats.closes)
		EXPECT_EQ(stats.mmaps + stats.opens, stats.closes);
	EXPECT_EQ(atomic_load(&race->refused), stats.sigbus);
	EXPECT_LE(faults, touched + atomic_load(&race->met));
}

static void run_round(struct __test_metadata *_metadata,
		      const FIXTURE_DATA(race) *self,
		      const FIXTURE_VARIANT(race) *variant,
		      const struct operation *op, struct race *race)
{
	size_t bytes = ARENA_PAGES * self->page;
	struct worker worker = {
		.race = race,
		.self = self,
		.op = op,
		.fd = op->open(self, variant),
	};
	pid_t pids[NR_WORKS];
	uint64_t *arena;
	int status;

	ASSERT_LE(0, worker.fd);
	for (int i = 0; i < NR_WORKS; i++) {
		worker.work = i;
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i])
			_exit(do_work(&worker));
	}
	while (atomic_load(&race->ready) < NR_WORKS)
		sched_yield();
	usleep(rand() % 1000);
	atomic_fetch_add(&race->began, 1);
	EXPECT_EQ(0, op->call(self, worker.fd));
	atomic_fetch_add(&race->ended, 1);
	arena = take_freed(bytes);
	for (int i = 0; i < NR_WORKS; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_EQ(0, count_strays(arena, bytes));
	EXPECT_NOTHING_WRONG(race);
	check_counts(_metadata, worker.fd, race);
	close(worker.fd);
}

static void run_case(struct __test_metadata *_metadata,
		     const FIXTURE_DATA(race) *self,
		     const FIXTURE_VARIANT(race) *variant,
		     const struct operation *op)
{
	struct race_clock clock = race_start();
	struct race *race = race_new();

	ASSERT_NE(MAP_FAILED, race);
	while (race_goes_on(&clock) && !atomic_load(&race->wrong)) {
		memset(race, 0, sizeof(*race));
		run_round(_metadata, self, variant, op, race);
		race_count(&clock, race);
	}
	EXPECT_RACED(&clock);
	munmap(race, sizeof(*race));
}

TEST_F(race, shrink)
{
	static const struct operation op = { .open = race_create, .call = shrink };

	run_case(_metadata, self, variant, &op);
}

TEST_F(race, shrink_and_grow)
{
	static const struct operation op = {
		.open = race_create,
		.call = shrink_and_grow,
		.comes_back = true,
	};

	run_case(_metadata, self, variant, &op);
}

TEST_F(race, revoke)
{
	static const struct operation op = {
		.open = race_create,
		.call = cut_off,
		.takes_all = true,
	};

	run_case(_metadata, self, variant, &op);
}

static struct bar bar;		/* of the device that goes */

static const char *device_node(const FIXTURE_VARIANT(race) *variant)
{
	static char path[96];

	snprintf(path, sizeof(path), "/dev/faultmap/pci-%s-%s", bar.device,
		 variant->strategy == FAULTMAP_STRATEGY_EAGER ? "eager" :
								"lazy-pfn");
	return path;
}

/* Bound anew, if it was unbound, with so much of its memory as the others have. */
static int open_device(const FIXTURE_DATA(race) *self,
		       const FIXTURE_VARIANT(race) *variant)
{
	int fd, ret;

	if (access(device_node(variant), F_OK)) {
		ret = fm_put(PCI_DRIVER "/bind", bar.device);
		if (ret)
			return ret;
	}
	fd = open(device_node(variant), O_RDWR | O_CLOEXEC);
	if (fd < 0 || race_resize(fd, self->pages) ||
	    ioctl(fd, FAULTMAP_STATS_RESET) || fm_stamp(fd, 0, self->pages))
		return -errno;
	return fd;
}

static int unbind_device(const FIXTURE_DATA(race) *self, int fd)
{
	return fm_put(PCI_DRIVER "/unbind", bar.device);
}

/* The nodes have the window that the module was loaded with. */
static bool has_node_like(const FIXTURE_VARIANT(race) *variant)
{
	struct faultmap_info info = { 0 };
	int fd = open(device_node(variant), O_RDWR | O_CLOEXEC);

	ioctl(fd, FAULTMAP_INFO, &info);
	close(fd);
	return !variant->order && info.strategy == variant->strategy &&
	       (info.strategy == FAULTMAP_STRATEGY_EAGER ||
		info.window == variant->window);
}

/* The device goes, and with it what every mapping and descriptor shows. */
TEST_F(race, unbind)
{
	static const struct operation op = {
		.open = open_device,
		.call = unbind_device,
		.takes_all = true,
	};

	if (!find_bar(&bar))
		SKIP(return, "no device: give QEMU -device ivshmem-plain");
	if (!has_node_like(variant))
		SKIP(return, "no device is mapped like this");
	run_case(_metadata, self, variant, &op);
	EXPECT_EQ(0, fm_put(PCI_DRIVER "/bind", bar.device));
}

TEST_HARNESS_MAIN

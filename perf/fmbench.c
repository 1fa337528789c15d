// SPDX-License-Identifier: GPL-2.0
/*
 * fmbench: what mapping memory, touching some of it and unmapping it cost.
 *
 * The memory is a faultmap node's buffer or, as a reference, a memfd or
 * anonymous memory; the code that is timed is the same for all of them. The
 * result is CSV, one line for each memory and share of touched pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "faultmap_uapi.h"

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define MAX_SHARES		32
#define MAX_RUNS		1000000
#define LEAST_RUNS		3
#define NSEC_PER_SEC		1000000000ULL
#define BLOCK_ORDER		9
#define BLOCK_BYTES		(2UL << 20)
#define HELD_PAGES_BYTES	(32UL << 20)
#define MAPPING_ALIGN		(1024UL << 20)

enum order { SEQUENTIAL, REVERSE, SPREAD, RANDOM };
enum access { READ, WRITE };

static const char * const order_names[] = {
	[SEQUENTIAL]	= "sequential",
	[REVERSE]	= "reverse",
	[SPREAD]	= "spread",
	[RANDOM]	= "random",
};

static const char * const access_names[] = {
	[READ]		= "read",
	[WRITE]		= "write",
};

/**
 * struct config - what the user asked for
 * @bytes: size of the mapping
 * @shares: shares of its pages to touch, in percent
 * @nr_shares: how many of @shares there are
 * @order: in which order, and which of the pages
 * @access: how they are touched
 * @warmups: runs that are not measured
 * @repeats: at most so many measured runs
 * @budget_ns: no further run than LEAST_RUNS once the measured ones took that
 *	long; 0: no limit
 * @settle: wait for a quiet machine first
 * @tolerance_ppm: by how much a fixed piece of work may differ on a quiet one
 * @scatter: nodes get their memory in blocks that do not touch
 * @header: print the line of column names
 * @verbose: tell on stderr which memory is being measured
 * @control: "CTL,ACK", the fifos of perf stat --control, or NULL
 */
struct config {
	size_t bytes;
	double shares[MAX_SHARES];
	unsigned int nr_shares;
	enum order order;
	enum access access;
	unsigned int warmups;
	unsigned int repeats;
	__u64 budget_ns;
	bool settle;
	unsigned int tolerance_ppm;
	bool scatter;
	bool header;
	bool verbose;
	const char *control;
};

/**
 * struct source - the memory that is mapped
 * @name: what the user calls it, without the directory
 * @memory: where it comes from
 * @strategy: how it gets into a page table
 * @extents: its physically contiguous pieces; empty if nobody tells
 * @fd: its descriptor, -1 for anonymous memory
 * @driver: it is a faultmap node
 */
struct source {
	char name[64];
	char memory[32];
	char strategy[32];
	char extents[24];
	int fd;
	bool driver;
};

/**
 * struct run - what one run cost
 * @mmap_ns: mmap(2)
 * @touch_ns: the touches
 * @munmap_ns: munmap(2)
 * @faults: minor faults of this process during the touches
 * @driver_faults: faults that the driver answered during the run
 * @driver_mmaps: mmap(2) calls that reached the driver
 */
struct run {
	__u64 mmap_ns;
	__u64 touch_ns;
	__u64 munmap_ns;
	long faults;
	__u64 driver_faults;
	__u64 driver_mmaps;
};

/**
 * struct plan - what to touch
 * @pages: pages of the mapping
 * @touched: how many of them to touch
 * @index: which, in this order; has room for all
 * @first_bytes: what each page of the buffer begins with
 */
struct plan {
	size_t pages;
	size_t touched;
	size_t *index;
	char *first_bytes;
};

/* The fifos of perf stat; -1 without perf. */
static int control_fd = -1, ack_fd = -1;

#define print_info(format, ...) \
	fprintf(stderr, "fmbench: " format "\n", ##__VA_ARGS__)

#define exit_err(...) do { print_info(__VA_ARGS__); exit(1); } while (0)

static size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/*
 * Waiting for a quiet machine. Right after boot kernel threads share the CPU
 * and double every figure.
 */
#define PIECES		400
#define PIECE_LOOPS	50000

static __u64 time_piece(void)
{
	__u64 start = now_ns();
	unsigned int i;

	for (i = 0; i < PIECE_LOOPS; i++)
		__asm__ volatile("" : : "r" (i));
	return now_ns() - start;
}

/*
 * The timer's interrupt hits one piece in forty, so not every piece can take
 * the least time; and a thread that takes the CPU for one long slice hits few
 * pieces, but shows in the sum. A nanosecond is what the clock itself rounds.
 */
static bool is_quiet(unsigned int tolerance_ppm)
{
	__u64 took[PIECES], least = ~0ULL, sum = 0;
	unsigned int i, same = 0;
	__u64 slack;

	for (i = 0; i < PIECES; i++) {
		took[i] = time_piece();
		sum += took[i];
		if (took[i] < least)
			least = took[i];
	}
	slack = 1 + least * tolerance_ppm / 1000000;
	for (i = 0; i < PIECES; i++)
		same += took[i] <= least + slack;
	return same >= PIECES * 9 / 10 &&
	       sum <= PIECES * (least + slack + least / 200);
}

static void settle(unsigned int tolerance_ppm)
{
	const struct timespec pause = { .tv_nsec = NSEC_PER_SEC / 10 };
	const unsigned int tries = 30;
	unsigned int i;

	for (i = 0; i < tries; i++) {
		if (is_quiet(tolerance_ppm))
			return;
		nanosleep(&pause, NULL);
	}
	print_info("the machine never settled: a fixed piece of work differed by more than %u ppm in each of %u tries, and so may the figures",
		   tolerance_ppm, tries);
}

/* perf stat --control: counts only between enable and disable. */
static int open_fifo(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		exit_err("%s: %s: give --control the two fifos of perf stat --control fifo:CTL,ACK",
			 path, strerror(errno));
	return fd;
}

static void open_control(const char *control)
{
	char *ctl = strdup(control);
	char *comma = ctl ? strchr(ctl, ',') : NULL;

	if (!comma)
		exit_err("--control=%s: give two fifos as CTL,ACK", control);
	*comma = '\0';
	control_fd = open_fifo(ctl, O_WRONLY);
	ack_fd = open_fifo(comma + 1, O_RDONLY);
	free(ctl);
}

static void tell_perf(const char *command)
{
	char answer[16];
	size_t len = strlen(command);

	if (control_fd < 0)
		return;
	if (write(control_fd, command, len) != (ssize_t)len)
		exit_err("perf does not take the command %s", command);
	if (read(ack_fd, answer, sizeof(answer)) < 4 || memcmp(answer, "ack\n", 4))
		exit_err("perf does not acknowledge: does its --control name an ack fifo?");
}

/* Which pages are touched, and in which order. */
static size_t pages_of_share(size_t pages, double share)
{
	size_t touched = pages * share / 100 + 0.5;

	return touched ? touched : 1;
}

/* xorshift64: the same pages on every machine and with every C library. */
static __u64 next_random(__u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void shuffle_first(struct plan *plan, size_t first)
{
	__u64 state = 88172645463325252ULL;
	size_t i, other, swap;

	for (i = 0; i < first; i++) {
		other = i + next_random(&state) % (plan->pages - i);
		swap = plan->index[i];
		plan->index[i] = plan->index[other];
		plan->index[other] = swap;
	}
}

static void choose_pages(struct plan *plan, double share, enum order order)
{
	size_t i;

	plan->touched = pages_of_share(plan->pages, share);
	for (i = 0; i < plan->pages; i++)
		plan->index[i] = i;
	switch (order) {
	case SEQUENTIAL:
		break;
	case REVERSE:
		for (i = 0; i < plan->touched; i++)
			plan->index[i] = plan->touched - 1 - i;
		break;
	case SPREAD:
		for (i = 0; i < plan->touched; i++)
			plan->index[i] = i * plan->pages / plan->touched;
		break;
	case RANDOM:
		shuffle_first(plan, plan->touched);
		break;
	}
}

static void read_pages(char *base, const struct plan *plan, size_t page)
{
	size_t i;

	for (i = 0; i < plan->touched; i++)
		__atomic_load_n(base + plan->index[i] * page, __ATOMIC_RELAXED);
}

/*
 * Stores the byte that is there: whoever uses the buffer keeps its contents. An
 * atomic operation that changes nothing would do, but an emulator may turn one
 * into a load and a store, and so into two faults.
 */
static void write_pages(char *base, const struct plan *plan, size_t page)
{
	size_t i;

	for (i = 0; i < plan->touched; i++)
		__atomic_store_n(base + plan->index[i] * page,
				 plan->first_bytes[plan->index[i]],
				 __ATOMIC_RELAXED);
}

/* The memory. */
static void describe(struct source *source, const char *memory,
		     const char *strategy)
{
	snprintf(source->memory, sizeof(source->memory), "%s", memory);
	snprintf(source->strategy, sizeof(source->strategy), "%s", strategy);
}

static void open_anon(struct source *source)
{
	describe(source, "anon", "lazy");
	source->fd = -1;
}

static void open_memfd(struct source *source)
{
	describe(source, "memfd", "lazy");
	source->fd = memfd_create("fmbench", MFD_CLOEXEC);
	if (source->fd < 0)
		exit_err("memfd: %s", strerror(errno));
}

/* The driver's own words for what a node is: "memory: pages". */
static void read_fdinfo(const char *path, int fd, const char *key, char *value,
			size_t len)
{
	char name[40], line[128], text[32];
	bool found = false;
	size_t n = strlen(key);
	FILE *info;

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	info = fopen(name, "r");
	while (!found && info && fgets(line, sizeof(line), info))
		found = !strncmp(line, key, n) && line[n] == ':' &&
			sscanf(line + n + 1, "%31s", text) == 1;
	if (info)
		fclose(info);
	if (!found)
		exit_err("%s: %s has no line \"%s\": is this module's version older than fmbench?",
			 path, name, key);
	snprintf(value, len, "%s", text);
}

static struct faultmap_info node_info(const char *path, int fd)
{
	struct faultmap_info info;

	if (ioctl(fd, FAULTMAP_INFO, &info))
		exit_err("%s: not a faultmap node (%s): give /dev/faultmap/MEMORY-STRATEGY, memfd or anon",
			 path, strerror(errno));
	return info;
}

static struct faultmap_stats node_stats(const struct source *source)
{
	struct faultmap_stats stats = { };

	if (source->driver && ioctl(source->fd, FAULTMAP_STATS, &stats))
		exit_err("%s: FAULTMAP_STATS: %s",
			 source->name, strerror(errno));
	return stats;
}

static void open_node(struct source *source, const char *path,
		      const struct config *config)
{
	struct faultmap_info info;

	source->fd = open(path, O_RDWR | O_CLOEXEC);
	if (source->fd < 0)
		exit_err("%s: %s: give /dev/faultmap/MEMORY-STRATEGY of the loaded module, memfd or anon",
			 path, strerror(errno));
	source->driver = true;
	info = node_info(path, source->fd);
	if (config->bytes > info.bytes)
		exit_err("%s: the buffer has %llu bytes, fewer than --size=%zu: give a smaller --size or load the module with a greater size=",
			 path, info.bytes, config->bytes);
	read_fdinfo(path, source->fd, "memory", source->memory,
		    sizeof(source->memory));
	read_fdinfo(path, source->fd, "strategy", source->strategy,
		    sizeof(source->strategy));
}

static void open_source(struct source *source, const char *what,
			const struct config *config)
{
	const char *slash = strrchr(what, '/');

	snprintf(source->name, sizeof(source->name), "%s",
		 slash ? slash + 1 : what);
	if (!strcmp(what, "anon"))
		open_anon(source);
	else if (!strcmp(what, "memfd"))
		open_memfd(source);
	else
		open_node(source, what, config);
}

static void populate_memfd(const struct source *source,
			   const struct config *config)
{
	int ret = posix_fallocate(source->fd, 0, config->bytes);

	if (ret)
		exit_err("memfd: no %zu bytes: %s: give a smaller --size",
			 config->bytes, strerror(ret));
}

/* A driver allocates its whole buffer when a byte of it is read. */
static void allocate_node(const struct source *source)
{
	char byte;

	if (pread(source->fd, &byte, 1, 0) != 1)
		exit_err("%s: cannot read: %s", source->name, strerror(errno));
}

static void resize_node(const struct source *source, __u64 bytes)
{
	const struct faultmap_resize resize = { .bytes = bytes };

	if (ioctl(source->fd, FAULTMAP_RESIZE, &resize))
		exit_err("--scatter: %s: cannot resize: %s", source->name,
			 strerror(errno));
}

/* Takes memory, until the descriptor that it returns is closed. */
static int hold_memory(int control, __u64 bytes, unsigned int order)
{
	const struct faultmap_create create = {
		.bytes = bytes,
		.memory = FAULTMAP_MEMORY_PAGES,
		.order = order,
	};
	int fd = ioctl(control, FAULTMAP_CREATE, &create);
	char byte;

	if (fd < 0 || pread(fd, &byte, 1, 0) != 1)
		exit_err("--scatter: no memory to hold: %s", strerror(errno));
	return fd;
}

/*
 * How a fresh machine lays out a buffer is chance: in one extent, or in two,
 * which costs an eager mapping twice as much and more. So the buffer grows block
 * by block, with the next free block in other hands each time. The single pages
 * that were freed last are held, too: they would scatter it as chance will.
 */
static void allocate_scattered(const struct source *source, __u64 bytes)
{
	int control = open("/dev/faultmap/control", O_RDWR | O_CLOEXEC);
	size_t blocks = (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES, i;
	int *held = calloc(blocks, sizeof(*held)), pages;

	if (control < 0 || !held)
		exit_err("--scatter: /dev/faultmap/control: %s", strerror(errno));
	pages = hold_memory(control, HELD_PAGES_BYTES, 0);
	for (i = 0; i < blocks - 1; i++) {
		resize_node(source, (i + 1) * BLOCK_BYTES);
		allocate_node(source);
		held[i] = hold_memory(control, BLOCK_BYTES, BLOCK_ORDER);
	}
	resize_node(source, bytes);
	allocate_node(source);
	for (i = 0; i < blocks - 1; i++)
		close(held[i]);
	close(pages);
	close(control);
	free(held);
}

static void populate_node(struct source *source, bool scatter)
{
	struct faultmap_info info = node_info(source->name, source->fd);

	if (scatter && !(info.flags & FAULTMAP_INFO_ALLOCATED))
		allocate_scattered(source, info.bytes);
	else
		allocate_node(source);
	info = node_info(source->name, source->fd);
	snprintf(source->extents, sizeof(source->extents), "%llu", info.extents);
}

/* So that only the mapping is measured, and not the allocation. */
static void populate(struct source *source, const struct config *config)
{
	if (source->driver)
		populate_node(source, config->scatter);
	else if (source->fd >= 0)
		populate_memfd(source, config);
}

static void read_first_bytes(const struct source *source, struct plan *plan)
{
	size_t i;

	memset(plan->first_bytes, 0, plan->pages);
	for (i = 0; i < plan->pages && source->fd >= 0; i++)
		if (pread(source->fd, &plan->first_bytes[i], 1,
			  i * page_size()) != 1)
			exit_err("%s: cannot read page %zu: %s", source->name, i,
				 strerror(errno));
}

static void close_source(const struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
}

/*
 * An address whose page tables, two levels of them, serve nothing else. Where
 * the mapping falls across them, and so how many a run allocates, would
 * otherwise change with address space randomisation.
 */
static char *find_address(size_t bytes)
{
	size_t room = (bytes + 2 * MAPPING_ALIGN - 1) & ~(MAPPING_ALIGN - 1);
	uintptr_t start;

	start = (uintptr_t)mmap(NULL, room, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if ((void *)start == MAP_FAILED)
		exit_err("no address range of %zu bytes: %s: give a smaller --size",
			 room, strerror(errno));
	munmap((void *)start, room);
	return (char *)((start + MAPPING_ALIGN - 1) & ~(MAPPING_ALIGN - 1));
}

static void map(const struct source *source, const struct config *config,
		char *addr)
{
	int flags = MAP_FIXED_NOREPLACE;
	char *got;

	flags |= source->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	got = mmap(addr, config->bytes, PROT_READ | PROT_WRITE, flags,
		   source->fd, 0);
	if (got == MAP_FAILED)
		exit_err("%s: mmap: %s", source->name, strerror(errno));
	if (got != addr)
		exit_err("%s: mmap chose another address than the free one it was given",
			 source->name);
	/*
	 * Page by page, as all the others are mapped: whether anonymous memory
	 * gets huge pages, zeroed whole at one touch, is the machine's setting.
	 */
	if (source->fd < 0)
		madvise(addr, config->bytes, MADV_NOHUGEPAGE);
}

static void touch(const struct config *config, char *addr,
		  const struct plan *plan)
{
	if (config->access == WRITE)
		write_pages(addr, plan, page_size());
	else
		read_pages(addr, plan, page_size());
}

static struct run run_once(const struct source *source,
			   const struct config *config, char *addr,
			   const struct plan *plan)
{
	__u64 start, mapped, touching, done, end;
	long faults;

	start = now_ns();
	map(source, config, addr);
	mapped = now_ns();

	faults = minor_faults();
	touching = now_ns();
	touch(config, addr, plan);
	done = now_ns();
	faults = minor_faults() - faults;

	end = now_ns();
	munmap(addr, config->bytes);
	return (struct run) {
		.mmap_ns = mapped - start,
		.touch_ns = done - touching,
		.munmap_ns = now_ns() - end,
		.faults = faults,
	};
}

static struct run count_once(const struct source *source,
			     const struct config *config, char *addr,
			     const struct plan *plan)
{
	struct faultmap_stats before = node_stats(source), after;
	struct run run;

	tell_perf("enable\n");
	run = run_once(source, config, addr, plan);
	tell_perf("disable\n");
	after = node_stats(source);
	run.driver_faults = after.read_faults + after.write_faults -
			    before.read_faults - before.write_faults;
	run.driver_mmaps = after.mmaps - before.mmaps;
	return run;
}

static __u64 total_ns(const struct run *run)
{
	return run->mmap_ns + run->touch_ns + run->munmap_ns;
}

/*
 * The run that took least. Interrupts and other threads only ever add to what
 * the code itself costs, so the least is the nearest to it, and the one figure
 * that repeats; a mean or a median moves with what else the machine does.
 */
static struct run measure(const struct source *source,
			  const struct config *config, char *addr,
			  const struct plan *plan)
{
	struct run best = { }, run;
	__u64 spent = 0;
	unsigned int i;

	for (i = 0; i < config->warmups; i++)
		run_once(source, config, addr, plan);
	for (i = 0; i < config->repeats; i++) {
		run = count_once(source, config, addr, plan);
		if (!i || total_ns(&run) < total_ns(&best))
			best = run;
		spent += total_ns(&run);
		if (config->budget_ns && spent >= config->budget_ns &&
		    i + 1 >= LEAST_RUNS)
			break;
	}
	return best;
}

static void print_columns(void)
{
	fputs("source,memory,strategy,bytes,pages,extents,", stdout);
	fputs("share_percent,touched,order,access,", stdout);
	fputs("faults,driver_faults,driver_mmaps,", stdout);
	puts("mmap_ns,touch_ns,munmap_ns,total_ns");
}

static void print_driver_counts(const struct source *source,
				const struct run *run)
{
	if (source->driver)
		printf("%llu,%llu,", run->driver_faults,
		       run->driver_mmaps);
	else
		printf(",,");
}

static void print_run(const struct source *source, const struct config *config,
		      double share, size_t touched, const struct run *run)
{
	printf("%s,%s,%s,%zu,%zu,%s,%g,%zu,%s,%s,%ld,", source->name,
	       source->memory, source->strategy, config->bytes,
	       config->bytes / page_size(), source->extents, share, touched,
	       order_names[config->order], access_names[config->access],
	       run->faults);
	print_driver_counts(source, run);
	printf("%llu,%llu,%llu,%llu\n",
	       run->mmap_ns, run->touch_ns, run->munmap_ns, total_ns(run));
	fflush(stdout);
	if (ferror(stdout))
		exit_err("cannot write the results: %s", strerror(errno));
}

static void measure_source(struct source *source, const struct config *config,
			   struct plan *plan)
{
	char *addr = find_address(config->bytes);
	struct run run;
	unsigned int i;

	if (config->verbose)
		print_info("measuring %s", source->name);
	read_first_bytes(source, plan);
	for (i = 0; i < config->nr_shares; i++) {
		choose_pages(plan, config->shares[i], config->order);
		run = measure(source, config, addr, plan);
		print_run(source, config, config->shares[i], plan->touched, &run);
	}
}

/* Options. */
static void print_usage(FILE *out)
{
	fputs("usage: fmbench [OPTION]... MEMORY...\n"
	      "Maps each MEMORY, touches a share of its pages and unmaps it; prints CSV with\n"
	      "the faults, and the time of each phase in nanoseconds of CLOCK_MONOTONIC.\n"
	      "MEMORY is the path of a faultmap node, memfd or anon.  Nodes and memfd have\n"
	      "their memory before the measurement; anon is allocated and zeroed by the touch.\n"
	      "\n"
	      "  -S, --size=BYTES       size of the mapping; K, M, G may follow (64M)\n"
	      "  -s, --share=PERCENT,.. shares of the pages to touch (100)\n"
	      "  -o, --order=ORDER      sequential: the first pages; reverse: the same from the\n"
	      "                         last to the first; spread: evenly over the buffer,\n"
	      "                         ascending; random: the same ones each time (sequential)\n"
	      "  -a, --access=ACCESS    read or write; a write changes no contents (write)\n"
	      "  -w, --warmups=N        runs before those that are measured (1)\n"
	      "  -r, --repeats=N        measured runs, of which the quickest is printed (5)\n"
	      "  -b, --budget=MS        no more than 3 runs of a share after so many ms (no\n"
	      "                         limit)\n"
	      "  -t, --settle=PPM       first wait until a fixed piece of work repeats within\n"
	      "                         so many millionths; 0: to the digit; or off (0)\n"
	      "  -c, --control=CTL,ACK  enable perf stat --control fifo:CTL,ACK in measured runs\n"
	      "  -x, --scatter          let nodes that have no memory yet get it in blocks of\n"
	      "                         2 MiB that do not touch, as after long use; else it is\n"
	      "                         for each boot to say how scattered it is\n"
	      "  -n, --no-header        no line with the names of the columns\n"
	      "  -v, --verbose          tell on stderr what is being measured\n"
	      "  -h, --help             this text\n", out);
}

static int find_name(const char * const *names, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

static enum order parse_order(const char *arg)
{
	int order = find_name(order_names, ARRAY_SIZE(order_names), arg);

	if (order < 0)
		exit_err("--order=%s: give sequential, reverse, spread or random",
			 arg);
	return order;
}

static enum access parse_access(const char *arg)
{
	int access = find_name(access_names, ARRAY_SIZE(access_names), arg);

	if (access < 0)
		exit_err("--access=%s: give read or write", arg);
	return access;
}

static unsigned long parse_number(const char *option, const char *arg,
				  unsigned long least, unsigned long most)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(arg, &end, 10);
	if (errno || end == arg || *end || *arg == '-' || value < least ||
	    value > most)
		exit_err("--%s=%s: give a whole number from %lu to %lu", option, arg,
			 least, most);
	return value;
}

/* log2 of what a suffix stands for, -1 if it is none */
static int suffix_shift(const char *suffix)
{
	static const char * const suffixes[] = { "", "K", "M", "G" };
	int i = find_name(suffixes, ARRAY_SIZE(suffixes), suffix);

	return i < 0 ? -1 : i * 10;
}

static size_t parse_size(const char *arg)
{
	unsigned long long value;
	char *end;
	int shift;

	errno = 0;
	value = strtoull(arg, &end, 10);
	shift = suffix_shift(end);
	if (errno || end == arg || *arg == '-' || shift < 0 ||
	    value > (unsigned long long)SSIZE_MAX >> shift)
		exit_err("--size=%s: give bytes, such as 64M", arg);
	value <<= shift;
	if (!value || value % page_size())
		exit_err("--size=%s: give a multiple of the page size, %zu bytes", arg,
			 page_size());
	return value;
}

static void parse_shares(struct config *config, const char *arg)
{
	const char *at = arg;
	double share;
	char *end;

	config->nr_shares = 0;
	do {
		share = strtod(at, &end);
		if (end == at || (*end && *end != ',') ||
		    !(share > 0 && share <= 100))
			exit_err("--share=%s: give percentages above 0 and up to 100, separated by commas",
				 arg);
		if (config->nr_shares == MAX_SHARES)
			exit_err("--share=%s: give at most %d shares",
				 arg, MAX_SHARES);
		config->shares[config->nr_shares++] = share;
		at = end + 1;
	} while (*end);
}

static void parse_settle(struct config *config, const char *arg)
{
	config->settle = strcmp(arg, "off");
	if (config->settle)
		config->tolerance_ppm = parse_number("settle", arg, 0, 1000000);
}

static const struct option options[] = {
	{ "size",	required_argument, NULL, 'S' },
	{ "share",	required_argument, NULL, 's' },
	{ "order",	required_argument, NULL, 'o' },
	{ "access",	required_argument, NULL, 'a' },
	{ "warmups",	required_argument, NULL, 'w' },
	{ "repeats",	required_argument, NULL, 'r' },
	{ "budget",	required_argument, NULL, 'b' },
	{ "settle",	required_argument, NULL, 't' },
	{ "control",	required_argument, NULL, 'c' },
	{ "scatter",	no_argument,	   NULL, 'x' },
	{ "no-header",	no_argument,	   NULL, 'n' },
	{ "verbose",	no_argument,	   NULL, 'v' },
	{ "help",	no_argument,	   NULL, 'h' },
	{ }
};

static void parse_option(struct config *config, int option, const char *arg)
{
	switch (option) {
	case 'S':
		config->bytes = parse_size(arg);
		break;
	case 's':
		parse_shares(config, arg);
		break;
	case 'o':
		config->order = parse_order(arg);
		break;
	case 'a':
		config->access = parse_access(arg);
		break;
	case 'w':
		config->warmups = parse_number("warmups", arg, 0, MAX_RUNS);
		break;
	case 'r':
		config->repeats = parse_number("repeats", arg, 1, MAX_RUNS);
		break;
	case 'b':
		config->budget_ns = parse_number("budget", arg, 1, MAX_RUNS) *
				    (NSEC_PER_SEC / 1000);
		break;
	case 't':
		parse_settle(config, arg);
		break;
	case 'c':
		config->control = arg;
		break;
	case 'x':
		config->scatter = true;
		break;
	case 'n':
		config->header = false;
		break;
	case 'v':
		config->verbose = true;
		break;
	case 'h':
		print_usage(stdout);
		exit(0);
	default:
		print_usage(stderr);
		exit(2);
	}
}

/* Leaves optind at the first MEMORY. */
static void parse_options(struct config *config, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "S:s:o:a:w:r:b:t:c:xnvh",
				     options, NULL)) != -1)
		parse_option(config, option, optarg);
	if (optind == argc) {
		print_info("give a MEMORY: the path of a faultmap node, memfd or anon");
		print_usage(stderr);
		exit(2);
	}
}

static void alloc_plan(struct plan *plan, size_t pages)
{
	plan->pages = pages;
	plan->index = calloc(pages, sizeof(*plan->index));
	plan->first_bytes = calloc(pages, 1);
	if (!plan->index || !plan->first_bytes)
		exit_err("no memory to number %zu pages: give a smaller --size",
			 pages);
}

static void free_plan(struct plan *plan)
{
	free(plan->index);
	free(plan->first_bytes);
}

/*
 * All of them before the first is measured: a mistake is told at once, and how
 * scattered a buffer is does not depend on what was measured before it.
 */
static struct source *open_sources(char **what, int n,
				   const struct config *config)
{
	struct source *sources = calloc(n, sizeof(*sources));
	int i;

	if (!sources)
		exit_err("no memory for %d sources: give fewer", n);
	for (i = 0; i < n; i++)
		open_source(&sources[i], what[i], config);
	for (i = 0; i < n; i++)
		populate(&sources[i], config);
	return sources;
}

/*
 * A fault on memory of our own would be counted among the others. Without the
 * right to lock it, the warm-up runs touch what the measured ones need.
 */
static void fault_in_ourselves(void)
{
	now_ns();
	if (mlockall(MCL_CURRENT))
		print_info("cannot lock memory (%s): a fault of fmbench itself may be counted",
			   strerror(errno));
}

int main(int argc, char **argv)
{
	struct config config = {
		.bytes = 64UL << 20,
		.shares = { 100 },
		.nr_shares = 1,
		.order = SEQUENTIAL,
		.access = WRITE,
		.warmups = 1,
		.repeats = 5,
		.settle = true,
		.header = true,
	};
	struct source *sources;
	struct plan plan;
	int i, n;

	parse_options(&config, argc, argv);
	n = argc - optind;
	sources = open_sources(argv + optind, n, &config);
	alloc_plan(&plan, config.bytes / page_size());
	if (config.control)
		open_control(config.control);
	fault_in_ourselves();
	if (config.settle)
		settle(config.tolerance_ppm);
	if (config.header)
		print_columns();
	for (i = 0; i < n; i++) {
		measure_source(&sources[i], &config, &plan);
		close_source(&sources[i]);
	}
	free_plan(&plan);
	free(sources);
	return 0;
}

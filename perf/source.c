// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory that is measured: the buffer of a faultmap node, one that is mapped
 * eagerly in batches, a memfd, or anonymous memory; and how it is allocated before the
 * measurement.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "common.h"
#include "source.h"

#define BLOCK_ORDER		9
#define HELD_PAGES_BYTES	(32UL << 20)

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

static void open_node(struct source *source, const char *path, size_t bytes)
{
	struct faultmap_info info;

	source->fd = open(path, O_RDWR | O_CLOEXEC);
	if (source->fd < 0)
		exit_err("%s: %s: give /dev/faultmap/MEMORY-STRATEGY of the loaded module, pages-eager-batched, vmalloc-eager-batched, memfd or anon",
			 path, strerror(errno));
	source->driver = true;
	info = node_info(path, source->fd);
	if (bytes > info.bytes)
		exit_err("%s: the buffer has %llu bytes, fewer than --size=%zu: give a smaller --size or load the module with a greater size=",
			 path, info.bytes, bytes);
	read_fdinfo(path, source->fd, "memory", source->memory,
		    sizeof(source->memory));
	read_fdinfo(path, source->fd, "strategy", source->strategy,
		    sizeof(source->strategy));
}

static int open_control(void)
{
	int control = open("/dev/faultmap/control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		exit_err("/dev/faultmap/control: %s: load the module", strerror(errno));
	return control;
}

/* What remap_pfn_range() does not do: eagerly, by PMDs where they fit, else by page tables. */
static const struct {
	const char *name, *memory;
	__u32 id, order;
} batched[] = {
	{ "pages-eager-batched", "pages", FAULTMAP_MEMORY_PAGES, BLOCK_ORDER },
	{ "vmalloc-eager-batched", "vmalloc", FAULTMAP_MEMORY_VMALLOC, 0 },
};

static bool open_batched(struct source *source, const char *what, size_t bytes)
{
	struct faultmap_create create = {
		.bytes = bytes,
		.strategy = FAULTMAP_STRATEGY_EAGER,
		.flags = FAULTMAP_CREATE_BATCHED,
	};
	size_t i = 0;
	int control;

	while (strcmp(batched[i].name, what))
		if (++i == sizeof(batched) / sizeof(*batched))
			return false;
	create.memory = batched[i].id;
	create.order = batched[i].order;
	describe(source, batched[i].memory, "eager-batched");
	source->driver = true;
	control = open_control();
	source->fd = ioctl(control, FAULTMAP_CREATE, &create);
	if (source->fd < 0)
		exit_err("%s: FAULTMAP_CREATE: %s", what, strerror(errno));
	close(control);
	return true;
}

static void open_source(struct source *source, const char *what, size_t bytes)
{
	const char *slash = strrchr(what, '/');

	snprintf(source->name, sizeof(source->name), "%s",
		 slash ? slash + 1 : what);
	if (!strcmp(what, "anon"))
		open_anon(source);
	else if (!strcmp(what, "memfd"))
		open_memfd(source);
	else if (!open_batched(source, what, bytes))
		open_node(source, what, bytes);
}

static void populate_memfd(const struct source *source, size_t bytes)
{
	int ret = posix_fallocate(source->fd, 0, bytes);

	if (ret)
		exit_err("memfd: no %zu bytes: %s: give a smaller --size",
			 bytes, strerror(ret));
}

/**
 * fm_allocate_node() - let a driver's buffer have its memory; exits if not
 * @source: the buffer
 *
 * All of it is allocated when a byte is read.
 */
void fm_allocate_node(const struct source *source)
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

/**
 * fm_allocate_apart() - let a buffer have its memory in blocks that do not touch
 * @source: the buffer, which loses all memory that it has but its first block
 * @bytes: its size, in the end
 *
 * How a fresh machine lays out a buffer is chance: in one extent, or in two,
 * which costs an eager mapping twice as much and more. So the buffer grows block
 * by block, with the next free block in other hands each time. The single pages
 * that were freed last, its own of vmalloc() among them, are held, too: they would
 * scatter it as chance will, and two buffers of one memory would not be alike.
 */
void fm_allocate_apart(const struct source *source, __u64 bytes)
{
	size_t blocks = (bytes + FM_BLOCK_BYTES - 1) / FM_BLOCK_BYTES, i;
	int *held = calloc(blocks, sizeof(*held)), control = open_control(), pages;
	__u64 singles = HELD_PAGES_BYTES;

	if (!held)
		exit_err("--scatter: no memory for %zu blocks", blocks);
	if (node_info(source->name, source->fd).memory == FAULTMAP_MEMORY_VMALLOC)
		singles += bytes;
	resize_node(source, FM_BLOCK_BYTES);
	pages = hold_memory(control, singles, 0);
	for (i = 0; i < blocks - 1; i++) {
		resize_node(source, (i + 1) * FM_BLOCK_BYTES);
		fm_allocate_node(source);
		held[i] = hold_memory(control, FM_BLOCK_BYTES, BLOCK_ORDER);
	}
	resize_node(source, bytes);
	fm_allocate_node(source);
	for (i = 0; i < blocks - 1; i++)
		close(held[i]);
	close(pages);
	close(control);
	free(held);
}

/* Its memory has come with open(2), as it happened to be free. */
static void populate_node(struct source *source, bool scatter)
{
	if (scatter)
		fm_allocate_apart(source, node_info(source->name, source->fd).bytes);
	else
		fm_allocate_node(source);
}

/* When those that have the same buffer have all been populated. */
static void note_extents(struct source *source)
{
	struct faultmap_info info;

	if (!source->driver)
		return;
	info = node_info(source->name, source->fd);
	snprintf(source->extents, sizeof(source->extents), "%llu", info.extents);
}

/* So that only the mapping is measured, and not the allocation. */
static void populate(struct source *source, size_t bytes, bool scatter)
{
	if (source->driver)
		populate_node(source, scatter);
	else if (source->fd >= 0)
		populate_memfd(source, bytes);
}

/* The single pages that were freed last would scatter it as chance will. */
static int hold_pages(bool scatter)
{
	int control, held;

	if (!scatter)
		return -1;
	control = open_control();
	held = hold_memory(control, HELD_PAGES_BYTES, 0);
	close(control);
	return held;
}

/**
 * fm_open_sources() - open the memories and allocate them; exits if one fails
 * @what: a node's path, "pages-eager-batched", "vmalloc-eager-batched", "memfd" or
 *	"anon", each
 * @n: how many
 * @bytes: their size
 * @scatter: nodes get their memory in blocks that do not touch
 *
 * All of them before the first is measured: a mistake is told at once, and how
 * scattered a buffer is does not depend on what was measured before it.
 *
 * Return: an array of @n, to be freed when all of them are closed
 */
struct source *fm_open_sources(char **what, int n, size_t bytes, bool scatter)
{
	struct source *sources = calloc(n, sizeof(*sources));
	int held = hold_pages(scatter), i;

	if (!sources)
		exit_err("no memory for %d sources: give fewer", n);
	for (i = 0; i < n; i++)
		open_source(&sources[i], what[i], bytes);
	for (i = 0; i < n; i++)
		populate(&sources[i], bytes, scatter);
	if (held >= 0)
		close(held);
	for (i = 0; i < n; i++)
		note_extents(&sources[i]);
	return sources;
}

/**
 * fm_close_source() - give the memory back, if it has a descriptor
 * @source: the memory
 */
void fm_close_source(const struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
}

/**
 * fm_node_stats() - what the driver has counted
 * @source: the memory
 *
 * Return: the counters of a node; zeroes for other memory
 */
struct faultmap_stats fm_node_stats(const struct source *source)
{
	struct faultmap_stats stats = { };

	if (source->driver && ioctl(source->fd, FAULTMAP_STATS, &stats))
		exit_err("%s: FAULTMAP_STATS: %s",
			 source->name, strerror(errno));
	return stats;
}

/**
 * fm_read_first_bytes() - read what a write is to store again
 * @source: the memory
 * @plan: its first_bytes are filled
 */
void fm_read_first_bytes(const struct source *source, struct plan *plan)
{
	size_t i;

	memset(plan->first_bytes, 0, plan->pages);
	for (i = 0; i < plan->pages && source->fd >= 0; i++)
		if (pread(source->fd, &plan->first_bytes[i], 1,
			  i * fm_page_size()) != 1)
			exit_err("%s: cannot read page %zu: %s", source->name, i,
				 strerror(errno));
}

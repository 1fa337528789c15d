// SPDX-License-Identifier: GPL-2.0-only
/*
 * What holds for a mapping of any driver: the drivers of module/examples, whose modules
 * are installed, or in the directory that FAULTMAP_EXAMPLES names, and any node that FAULTMAP_NODE
 * names, of 8 pages or more, and as large all the time.
 */
#include <sys/wait.h>

#include "examples.h"

/* A driver, and the node of it that is looked at; the name of its module, or none. */
FIXTURE(example)
{
	size_t page, pages;
	const char *node;
	struct bar bar;
	char bar_node[64];
	int areas;	/* that were there before scull had a page */
	bool loaded;
	int fd;
	char *map;
};

FIXTURE_VARIANT(example)
{
	const char *module, *params, *node;
	bool is_written;	/* to become as large as it is to be */
	bool grows;	/* a mapping, by mremap(2), beyond what is there */
	bool copies;	/* private mappings */
	bool is_bar;	/* needs a device, whose memory has what was written last */
};

FIXTURE_VARIANT_ADD(example, simple_remap) {
	.module = "simple", .params = "", .node = "/dev/simple-remap",
};

FIXTURE_VARIANT_ADD(example, simple_fault) {
	.module = "simple", .params = "", .node = "/dev/simple-fault",
	.grows = true, .copies = true,
};

FIXTURE_VARIANT_ADD(example, scull) {
	.module = "scull", .params = "", .node = "/dev/scull",
	.is_written = true, .grows = true, .copies = true,
};

FIXTURE_VARIANT_ADD(example, scull_vmalloc) {
	.module = "scull", .params = "vmalloc=1", .node = "/dev/scull",
	.is_written = true, .grows = true, .copies = true,
};

FIXTURE_VARIANT_ADD(example, scull_by_frame) {
	.module = "scull", .params = "by_frame=1", .node = "/dev/scull",
	.is_written = true,
};

FIXTURE_VARIANT_ADD(example, scull_vmalloc_by_frame) {
	.module = "scull", .params = "vmalloc=1 by_frame=1", .node = "/dev/scull",
	.is_written = true,
};

FIXTURE_VARIANT_ADD(example, bar) {
	.module = "bar", .params = "", .is_bar = true,
};

FIXTURE_VARIANT_ADD(example, bar_eager) {
	.module = "bar", .params = "eager=1", .is_bar = true,
};

FIXTURE_VARIANT_ADD(example, any) { .module = NULL };

/* How many areas vmalloc() has whose caller is at an address of scull's. */
static int scull_areas(void)
{
	FILE *file = fopen("/proc/vmallocinfo", "r");
	char line[256];
	int n = 0;

	while (file && fgets(line, sizeof(line), file))
		n += !!strstr(line, "[scull]");
	if (file)
		fclose(file);
	return n;
}

static int load_variant(FIXTURE_DATA(example) *self,
			const FIXTURE_VARIANT(example) *variant)
{
	if (!variant->module)
		return 0;
	if (!variant->is_bar)
		return load_example(variant->module, variant->params);
	snprintf(self->bar_node, sizeof(self->bar_node), "/dev/bar-%s",
		 self->bar.device);
	self->node = self->bar_node;
	return lend_bar(&self->bar, variant->params);
}

static int unload_variant(const FIXTURE_DATA(example) *self,
			  const FIXTURE_VARIANT(example) *variant)
{
	if (!variant->module)
		return 0;
	return variant->is_bar ? take_bar_back(&self->bar) :
				 unload_example(variant->module);
}

static bool map_node(FIXTURE_DATA(example) *self,
		     const FIXTURE_VARIANT(example) *variant)
{
	self->fd = open(self->node, O_RDWR | O_CLOEXEC);
	self->page = fm_page_size();
	self->areas = scull_areas();
	if (variant->is_written && pwrite(self->fd, "", 1, 15 * self->page) != 1)
		return false;
	self->pages = lseek(self->fd, 0, SEEK_END) / self->page;
	self->map = mmap(NULL, self->pages * self->page, PROT_READ | PROT_WRITE,
			 MAP_SHARED, self->fd, 0);
	if (self->pages < 8 || self->map == MAP_FAILED)
		return false;
	if (variant->is_bar)
		memset(self->map, 0, self->pages * self->page);
	return true;
}

/* What a setup has done that fails, no teardown undoes. */
FIXTURE_SETUP(example)
{
	self->node = variant->module ? variant->node : getenv("FAULTMAP_NODE");
	if (!self->node && !variant->is_bar)
		SKIP(return, "FAULTMAP_NODE names no node");
	if (variant->module && !examples_directory())
		SKIP(return, "no directory of the examples: FAULTMAP_EXAMPLES may name it");
	if (variant->module && geteuid())
		SKIP(return, "only root loads modules");
	if (variant->is_bar && !find_bar(&self->bar))
		SKIP(return, "no device: give QEMU -device ivshmem-plain");
	ASSERT_EQ(0, load_variant(self, variant));
	self->loaded = map_node(self, variant);
	if (!self->loaded) {
		close(self->fd);
		unload_variant(self, variant);
	}
	ASSERT_TRUE(self->loaded);
}

FIXTURE_TEARDOWN(example)
{
	if (!self->loaded)
		return;
	munmap(self->map, self->pages * self->page);
	close(self->fd);
	EXPECT_EQ(0, unload_variant(self, variant));
}

/* The harness of 6.1 goes on with a test whose setup has skipped it. */
#define LOADED_OR_RETURN() do { \
	if (!self->loaded) \
		return; \
} while (0)

static bool read_page(const FIXTURE_DATA(example) *self, size_t i, char *buf)
{
	return pread(self->fd, buf, self->page, i * self->page) == (ssize_t)self->page;
}

/* Every page is zero at first, and then what was written, by whatever way. */
TEST_F(example, shows_its_own_bytes)
{
	char *buf = malloc(self->page), *again;
	size_t i;

	LOADED_OR_RETURN();
	again = mmap(NULL, 4 * self->page, PROT_READ, MAP_SHARED, self->fd,
		     2 * self->page);
	ASSERT_NE(MAP_FAILED, again);
	for (i = 0; i < self->pages; i++) {
		EXPECT_EQ(0, fm_read_at(self->map + i * self->page));
		if (variant->module)
			EXPECT_EQ(0, *(uint64_t *)(self->map + i * self->page));
		fm_stamp_page(self->map + i * self->page, i);
	}
	for (i = 0; i < self->pages; i++) {
		EXPECT_TRUE(read_page(self, i, buf));
		EXPECT_EQ(0, memcmp(buf, self->map + i * self->page, self->page));
		EXPECT_EQ(fm_stamp_word(i, 0), *(uint64_t *)buf);
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(fm_stamp_word(i + 2, 0), *(uint64_t *)(again + i * self->page));
	memset(buf, 7, self->page);
	EXPECT_EQ((ssize_t)self->page, pwrite(self->fd, buf, self->page, 3 * self->page));
	EXPECT_EQ(0, memcmp(buf, again + self->page, self->page));
	munmap(again, 4 * self->page);
	free(buf);
}

TEST_F(example, ends_where_it_ends)
{
	char *map, byte;

	LOADED_OR_RETURN();
	map = mmap(NULL, 2 * self->page, PROT_READ, MAP_SHARED, self->fd,
		   (self->pages - 1) * self->page);
	EXPECT_EQ(MAP_FAILED, map);
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(0, pread(self->fd, &byte, 1, self->pages * self->page));
	map = mmap(NULL, self->page, PROT_READ, MAP_SHARED, self->fd,
		   (self->pages - 1) * self->page);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, fm_read_at(map));
	munmap(map, self->page);
}

/* The part that is there stays, what is beyond is SIGBUS, or there is no growth. */
TEST_F(example, mremap_growth)
{
	size_t pages = self->pages + 4;
	char *map;

	LOADED_OR_RETURN();
	fm_stamp_page(self->map + (self->pages - 1) * self->page, 9);
	map = mremap(self->map, self->pages * self->page, pages * self->page,
		     MREMAP_MAYMOVE);
	if (variant->module)
		EXPECT_EQ(variant->grows, map != MAP_FAILED);
	if (map == MAP_FAILED)
		return;
	self->map = map;
	EXPECT_EQ(fm_stamp_word(9, 0),
		  *(uint64_t *)(map + (self->pages - 1) * self->page));
	EXPECT_EQ(SIGBUS, fm_read_at(map + self->pages * self->page));
	EXPECT_EQ(SIGBUS, fm_write_at(map + (pages - 1) * self->page));
	munmap(map + self->pages * self->page, 4 * self->page);
}

TEST_F(example, partial_unmap_and_move)
{
	char *map = self->map, *moved;

	LOADED_OR_RETURN();
	for (size_t i = 0; i < 8; i++)
		fm_stamp_page(map + i * self->page, i);
	EXPECT_EQ(0, munmap(map + 2 * self->page, 2 * self->page));
	EXPECT_EQ(SIGSEGV, fm_read_at(map + 2 * self->page));
	moved = mremap(map + 4 * self->page, 4 * self->page, 4 * self->page,
		       MREMAP_MAYMOVE | MREMAP_FIXED, fm_reserve(4));
	ASSERT_NE(MAP_FAILED, moved);
	EXPECT_EQ(fm_stamp_word(1, 0), *(uint64_t *)(map + self->page));
	EXPECT_EQ(fm_stamp_word(6, 0), *(uint64_t *)(moved + 2 * self->page));
	munmap(moved, 4 * self->page);
}

TEST_F(example, fork_and_mprotect)
{
	int status;
	pid_t pid;

	LOADED_OR_RETURN();
	fm_stamp_page(self->map, 1);
	pid = fork();
	if (!pid) {
		bool same = *(uint64_t *)self->map == fm_stamp_word(1, 0);

		fm_stamp_page(self->map + self->page, 2);
		_exit(!same);
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(fm_stamp_word(2, 0), *(uint64_t *)(self->map + self->page));
	EXPECT_EQ(0, mprotect(self->map, self->page, PROT_READ));
	EXPECT_EQ(SIGSEGV, fm_write_at(self->map));
	EXPECT_EQ(0, fm_read_at(self->map));
}

/* What is written to a private copy stays there, or there is none. */
TEST_F(example, private_mapping)
{
	char *map;

	LOADED_OR_RETURN();
	fm_stamp_page(self->map, 1);
	map = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd, 0);
	if (variant->module)
		EXPECT_EQ(variant->copies, map != MAP_FAILED);
	if (map == MAP_FAILED)
		return;
	EXPECT_EQ(fm_stamp_word(1, 0), *(uint64_t *)map);
	fm_stamp_page(map, 5);
	EXPECT_EQ(fm_stamp_word(1, 0), *(uint64_t *)self->map);
	EXPECT_EQ(fm_stamp_word(5, 0), *(uint64_t *)map);
	munmap(map, self->page);
}

/* A mapping holds the driver, and the driver holds the engine. */
TEST_F(example, stays_while_mapped)
{
	if (!variant->module)
		SKIP(return, "of no module that is known");
	close(self->fd);
	EXPECT_EQ(-EWOULDBLOCK, unload_example(variant->module));
	EXPECT_EQ(-EWOULDBLOCK, unload_example("faultmap_engine"));
	EXPECT_EQ(0, fm_write_at(self->map));
	self->fd = open(self->node, O_RDWR | O_CLOEXEC);
	EXPECT_LE(0, self->fd);
}

#define SCULL_OR_SKIP() do { \
	if (!variant->module || strcmp(variant->module, "scull")) \
		SKIP(return, "not scull"); \
} while (0)

/* If they are of vmalloc(), each is an area of its own. */
#define EXPECT_SCULL_PAGES(n) do { \
	if (strstr(variant->params, "vmalloc")) \
		EXPECT_EQ(n, scull_areas() - self->areas); \
} while (0)

TEST_F(example, scull_has_what_was_touched)
{
	char *buf = calloc(1, self->page), *zeroes = calloc(1, self->page);

	SCULL_OR_SKIP();
	EXPECT_SCULL_PAGES(1);
	for (size_t i = 0; i < self->pages; i++) {
		memset(buf, 1, self->page);
		EXPECT_TRUE(read_page(self, i, buf));
		EXPECT_EQ(0, memcmp(buf, zeroes, self->page));
	}
	EXPECT_SCULL_PAGES(1);
	EXPECT_EQ(0, fm_read_at(self->map + 3 * self->page));
	EXPECT_EQ(0, fm_write_at(self->map + 5 * self->page));
	EXPECT_SCULL_PAGES(3);
	free(zeroes);
	free(buf);
}

TEST_F(example, scull_is_emptied_while_mapped)
{
	int fd;

	SCULL_OR_SKIP();
	for (size_t i = 0; i < self->pages; i++)
		fm_stamp_page(self->map + i * self->page, i);
	EXPECT_SCULL_PAGES((int)self->pages);
	fd = open(self->node, O_WRONLY | O_TRUNC | O_CLOEXEC);
	EXPECT_LE(0, fd);
	EXPECT_SCULL_PAGES(0);
	EXPECT_EQ(0, lseek(self->fd, 0, SEEK_END));
	EXPECT_EQ(SIGBUS, fm_read_at(self->map));
	EXPECT_EQ(1, pwrite(fd, "x", 1, self->page));
	EXPECT_EQ(0, *(uint64_t *)self->map);
	EXPECT_EQ('x', self->map[self->page]);
	EXPECT_EQ(0, self->map[self->page + 1]);
	EXPECT_EQ(SIGBUS, fm_read_at(self->map + 2 * self->page));
	EXPECT_SCULL_PAGES(2);
	close(fd);
}

/* A mapping that is larger than what there is shows what is written later. */
TEST_F(example, scull_grows_into_a_mapping)
{
	size_t pages = self->pages + 4;

	SCULL_OR_SKIP();
	if (!variant->grows)
		SKIP(return, "no mapping grows");
	self->map = mremap(self->map, self->pages * self->page, pages * self->page,
			   MREMAP_MAYMOVE);
	ASSERT_NE(MAP_FAILED, self->map);
	EXPECT_EQ(SIGBUS, fm_read_at(self->map + (pages - 1) * self->page));
	EXPECT_EQ(1, pwrite(self->fd, "y", 1, (pages - 1) * self->page + 9));
	EXPECT_EQ('y', self->map[(pages - 1) * self->page + 9]);
	EXPECT_EQ(-1, pwrite(self->fd, "z", 1, 64 << 20));
	EXPECT_EQ(EFBIG, errno);
	self->pages = pages;
}

TEST_HARNESS_MAIN

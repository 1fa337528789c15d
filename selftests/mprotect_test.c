// SPDX-License-Identifier: GPL-2.0-only
/*
 * mprotect(2): what a mapping allows follows its protection at once, up to what
 * its descriptor allows, and taking access away loses neither contents nor
 * translations.
 */
#include "buffer_fixture.h"

#define RW	(PROT_READ | PROT_WRITE)

/* Nodes, since a private buffer cannot be opened a second time. */
static int open_node(const FIXTURE_VARIANT(buffer) *variant, int flags)
{
	int fd = open(fm_node(variant), flags);

	if (fd >= 0 && (flags & O_ACCMODE) == O_RDWR)
		fm_stamp(fd, 0, FM_PAGES);
	return fd;
}

static char *map_node(const FIXTURE_DATA(buffer) *self, int fd, int prot,
		      int flags)
{
	return mmap(NULL, FM_PAGES * self->page, prot, flags, fd, 0);
}

static int protect(const FIXTURE_DATA(buffer) *self, char *map, int prot)
{
	return mprotect(map, FM_PAGES * self->page, prot);
}

/* Through all protections, down and up; returns the faults of coming back. */
static uint64_t down_and_up(struct __test_metadata *_metadata,
			    const FIXTURE_DATA(buffer) *self, int fd, char *map)
{
	uint64_t faults;

	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(0, fm_write_at(map));
	faults = fm_faults(fd);

	EXPECT_EQ(0, protect(self, map, PROT_READ));
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(SIGSEGV, fm_write_at(map));
	EXPECT_EQ(0, protect(self, map, PROT_NONE));
	EXPECT_SIGNALS(SIGSEGV, map, FM_PAGES);
	EXPECT_EQ(0, protect(self, map, RW));
	EXPECT_STAMPS(map, 0, FM_PAGES);
	for (size_t i = 0; i < FM_PAGES; i++)
		EXPECT_EQ(0, fm_write_at(map + i * self->page));
	return fm_faults(fd) - faults;
}

TEST_F(buffer, shared_down_and_up)
{
	int fd = open_node(variant, O_RDWR);
	char *map = map_node(self, fd, RW, MAP_SHARED);
	uint64_t faults;

	ASSERT_NE(MAP_FAILED, map);
	faults = down_and_up(_metadata, self, fd, map);
	EXPECT_EQ(0, faults);
	SAW("shared: mprotect() to nothing and back", "refaults %d pages",
	    (int)faults);
	munmap(map, FM_PAGES * self->page);
	close(fd);
}

/* Its copies are anonymous memory: writes do not reach the buffer. */
static void private_down_and_up(struct __test_metadata *_metadata,
				const FIXTURE_DATA(buffer) *self,
				const FIXTURE_VARIANT(buffer) *variant, int mode)
{
	int writer = open_node(variant, O_RDWR);
	int fd = open_node(variant, mode);
	char *map = map_node(self, fd, RW, MAP_PRIVATE), byte;

	ASSERT_LE(0, fd);
	SAW(mode == O_RDONLY ? "private, of a read-only descriptor" :
	    "private, of a read-write descriptor", "%s",
	    fm_outcome(map != MAP_FAILED));
	if (!fm_is_by_page(variant)) {
		EXPECT_EQ(MAP_FAILED, map);
		EXPECT_EQ(EINVAL, errno);
	} else {
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_EQ(0, down_and_up(_metadata, self, fd, map));
		map[self->page] = 'p';
		ASSERT_EQ(1, pread(writer, &byte, 1, self->page));
		EXPECT_NE('p', byte);
		munmap(map, FM_PAGES * self->page);
	}
	close(fd);
	close(writer);
}

TEST_F(buffer, private_read_write)
{
	private_down_and_up(_metadata, self, variant, O_RDWR);
}

TEST_F(buffer, private_read_only)
{
	private_down_and_up(_metadata, self, variant, O_RDONLY);
}

TEST_F(buffer, shared_read_only)
{
	int writer = open_node(variant, O_RDWR);
	int fd = open_node(variant, O_RDONLY);
	uint64_t faults;
	char *map;

	ASSERT_LE(0, fd);
	EXPECT_EQ(MAP_FAILED, map_node(self, fd, RW, MAP_SHARED));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, map_node(self, fd, PROT_WRITE, MAP_SHARED));
	EXPECT_EQ(EACCES, errno);
	SAW("shared, for writing, of a read-only descriptor", "%s",
	    fm_outcome(false));

	map = map_node(self, fd, PROT_READ, MAP_SHARED);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	faults = fm_faults(fd);
	EXPECT_EQ(0, protect(self, map, PROT_NONE));
	EXPECT_SIGNALS(SIGSEGV, map, FM_PAGES);
	EXPECT_EQ(-1, protect(self, map, RW));
	EXPECT_EQ(EACCES, errno);
	SAW("mprotect() for writing, read-only descriptor", "%s",
	    fm_outcome(false));
	EXPECT_SIGNALS(SIGSEGV, map, FM_PAGES);
	EXPECT_EQ(0, protect(self, map, PROT_READ));
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(SIGSEGV, fm_write_at(map));
	EXPECT_EQ(faults, fm_faults(fd));
	munmap(map, FM_PAGES * self->page);
	close(fd);
	close(writer);
}

/* A descriptor that cannot be read cannot be mapped at all. */
TEST_F(buffer, write_only_descriptor)
{
	int fd = open(fm_node(variant), O_WRONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(MAP_FAILED, map_node(self, fd, PROT_WRITE, MAP_SHARED));
	EXPECT_EQ(EACCES, errno);
	SAW("mmap() of a write-only descriptor", "%s", fm_outcome(false));
	close(fd);
}

/* Mapped without access, and given it before the first touch. */
TEST_F(buffer, none_at_first)
{
	char *map = mmap(NULL, FM_PAGES * self->page, PROT_NONE, MAP_SHARED,
			 self->fd, 0);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_SIGNALS(SIGSEGV, map, FM_PAGES);
	EXPECT_EQ(0, fm_faults(self->fd));
	EXPECT_EQ(0, protect(self, map, RW));
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_EQ(0, fm_write_at(map));
	EXPECT_FAULTS(fm_is_lazy(variant) ? FM_PAGES : 0, fm_faults(self->fd));
}

#ifdef __x86_64__
/* mov $42,%eax; ret */
static const char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };

static int called;

static void call(void *at)
{
	called = ((int (*)(void))at)();
}

static int run(char *at)
{
	called = 0;
	return fm_guarded(call, at);
}

/* Code written through one mapping, and run where another allows it. */
TEST_F(buffer, execute)
{
	int fd = open_node(variant, O_RDWR), sig;
	char *map = map_node(self, fd, RW, MAP_SHARED), *exec;

	ASSERT_NE(MAP_FAILED, map);
	memcpy(map + 2 * self->page, code, sizeof(code));
	EXPECT_EQ(SIGSEGV, run(map + 2 * self->page));

	exec = map_node(self, fd, PROT_READ | PROT_EXEC, MAP_SHARED);
	if (exec == MAP_FAILED && errno == EPERM)
		SKIP(return, "/dev is mounted noexec");
	ASSERT_NE(MAP_FAILED, exec);
	sig = run(exec + 2 * self->page);
	SAW("executing, mapped for it", "%s", fm_signal(sig));
	EXPECT_EQ(0, sig);
	EXPECT_EQ(42, called);

	ASSERT_EQ(0, protect(self, exec, PROT_READ));
	sig = run(exec + 2 * self->page);
	SAW("executing, mapped to be read", "%s", fm_signal(sig));
	EXPECT_EQ(SIGSEGV, sig);
	EXPECT_EQ(0, called);

	EXPECT_EQ(0, protect(self, map, PROT_READ | PROT_EXEC));
	EXPECT_EQ(0, run(map + 2 * self->page));
	EXPECT_EQ(42, called);
	EXPECT_EQ(SIGSEGV, fm_write_at(map));
	fm_stamp(fd, 2, 1);
	munmap(exec, FM_PAGES * self->page);
	munmap(map, FM_PAGES * self->page);
	close(fd);
}

/* What has no name in /dev counts as mounted noexec from 6.17 on. */
TEST_F(buffer, execute_private_buffer)
{
	bool noexec = fm_kernel_since(6, 17);
	char *map;

	if (fm_is_device(variant))
		DOES_NOT_APPLY("a device's memory is no private buffer");
	map = mmap(NULL, self->page, PROT_READ | PROT_EXEC, MAP_SHARED,
		   self->fd, 0);
	SAW("mmap() to execute, of a private buffer", "%s",
	    fm_outcome(map != MAP_FAILED));
	if (noexec) {
		EXPECT_EQ(MAP_FAILED, map);
		EXPECT_EQ(EPERM, errno);
	} else {
		ASSERT_NE(MAP_FAILED, map);
		ASSERT_EQ(sizeof(code),
			  pwrite(self->fd, code, sizeof(code), 0));
		EXPECT_EQ(0, run(map));
		EXPECT_EQ(42, called);
	}
	map = fm_map(self, 0, 1);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(noexec ? -EACCES : 0,
		  fm_errno(mprotect(map, self->page, PROT_READ | PROT_EXEC)));
}
#endif

TEST_HARNESS_MAIN

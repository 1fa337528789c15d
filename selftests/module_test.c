// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module itself: it cannot be removed while it is in use, takes no bad
 * parameter, and can be loaded again after it went. FAULTMAP_KO names its file.
 */
#include <linux/mount.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "module_fixture.h"

/* Whether numbers are reserved for nodes. */
static bool has_numbers(void)
{
	FILE *file = fopen("/proc/devices", "r");
	char line[64], name[64];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%*d %63s", name) == 1 && !strcmp(name, "faultmap");
	if (file)
		fclose(file);
	return found;
}

TEST_F(module, load_and_unload_twice)
{
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(exists(FM_CONTROL));
		EXPECT_TRUE(exists("/dev/faultmap/pages-eager"));
		EXPECT_TRUE(exists("/dev/faultmap/pages-lazy"));
		EXPECT_TRUE(exists("/dev/faultmap/vmalloc-eager"));
		EXPECT_TRUE(exists("/dev/faultmap/vmalloc-lazy"));
		EXPECT_TRUE(has_numbers());
		ASSERT_EQ(0, unload());
		EXPECT_FALSE(has_numbers());
		EXPECT_FALSE(exists(FM_CONTROL));
		EXPECT_FALSE(exists("/dev/faultmap/pages-lazy"));
		ASSERT_EQ(0, load(""));
	}
}

static int load_engine(void)
{
	int fd = open(engine_file(), O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = fm_errno(syscall(SYS_finit_module, fd, "", 0));
	close(fd);
	return ret;
}

static int unload_engine(void)
{
	return fm_errno(syscall(SYS_delete_module, "faultmap_engine", O_NONBLOCK));
}

/* The number that the next mount without a device gets: the lowest that is free. */
static int next_mount(void)
{
	int context = syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC), fd;
	struct stat st;

	if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -errno;
	fd = syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	if (fstat(fd, &st))
		return -errno;
	close(fd);
	close(context);
	return minor(st.st_dev);
}

/* The engine is mounted where its objects have their inodes. */
TEST_F(module, engine_leaves_no_mount)
{
	int before;

	if (!engine_file())
		SKIP(return, "no file of the engine: FAULTMAP_ENGINE_KO may name it");
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, unload_engine());
	before = next_mount();
	ASSERT_LE(0, before);
	ASSERT_EQ(0, load_engine());
	ASSERT_EQ(0, load(""));
	EXPECT_NE(before, next_mount());
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, unload_engine());
	EXPECT_EQ(before, next_mount());
	ASSERT_EQ(0, load_engine());
	ASSERT_EQ(0, load(""));
}

TEST_F(module, nodes_are_for_root)
{
	struct stat st;

	ASSERT_EQ(0, stat("/dev/faultmap/pages-lazy", &st));
	EXPECT_EQ(S_IFCHR | 0600, st.st_mode);
	EXPECT_EQ(0, st.st_uid);
}

static void busy_while(struct __test_metadata *_metadata, const char *node,
		       bool keep_fd, bool keep_map)
{
	size_t size = fm_page_size();
	int fd = node ? open(node, O_RDWR) : fm_create(FAULTMAP_MEMORY_PAGES,
						       FAULTMAP_STRATEGY_LAZY, 1);
	char *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	ASSERT_NE(MAP_FAILED, map);
	if (!keep_fd)
		close(fd);
	if (!keep_map)
		munmap(map, size);
	EXPECT_EQ(-EWOULDBLOCK, unload());
	if (keep_map)
		EXPECT_EQ(0, fm_read_at(map));
	if (keep_fd)
		close(fd);
	if (keep_map)
		munmap(map, size);
	EXPECT_EQ(0, unload());
	EXPECT_EQ(0, load(""));
}

TEST_F(module, stays_while_a_descriptor_lives)
{
	busy_while(_metadata, "/dev/faultmap/pages-lazy", true, false);
	busy_while(_metadata, "/dev/faultmap/vmalloc-eager", true, false);
	busy_while(_metadata, NULL, true, false);
}

TEST_F(module, stays_while_a_mapping_lives)
{
	busy_while(_metadata, "/dev/faultmap/pages-lazy", false, true);
	busy_while(_metadata, "/dev/faultmap/pages-eager", false, true);
	busy_while(_metadata, "/dev/faultmap/vmalloc-lazy", false, true);
	busy_while(_metadata, "/dev/faultmap/vmalloc-eager", false, true);
	busy_while(_metadata, NULL, false, true);
}

TEST_F(module, stays_while_control_is_open)
{
	int fd = open(FM_CONTROL, O_RDWR);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EWOULDBLOCK, unload());
	close(fd);
}

static int references(void)
{
	FILE *file = fopen("/sys/module/faultmap/refcnt", "r");
	int n = -1;

	if (!file || fscanf(file, "%d", &n) != 1)
		n = -1;
	if (file)
		fclose(file);
	return n;
}

/*
 * A file's own reference goes before the last steps of closing it are done, so the mount
 * that private files are on has another.
 */
TEST_F(module, mount_of_private_files_holds_it)
{
	int control = open(FM_CONTROL, O_RDWR), fd;

	ASSERT_LE(0, control);
	EXPECT_EQ(2, references());
	fd = fm_create(FAULTMAP_MEMORY_PAGES, FAULTMAP_STRATEGY_LAZY, 1);
	ASSERT_LE(0, fd);
	close(control);
	EXPECT_EQ(2, references());
	close(fd);
	EXPECT_EQ(0, references());
}

static const char *const nodes[] = {
	"/dev/faultmap/pages-eager", "/dev/faultmap/pages-lazy",
	"/dev/faultmap/pages-eager-page", "/dev/faultmap/pages-lazy-pfn",
};

#define MAP_PAGES	64

/* Loaded again, with little to allocate for the first who uses a node. */
static int load_small(void)
{
	return load("size=1M");
}

static char *map_node(const char *node, int flags)
{
	int fd = open(node, O_RDWR | flags);
	char *map = mmap(NULL, MAP_PAGES * fm_page_size(),
			 PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (flags & O_CLOEXEC)
		close(fd);
	return map;
}

/* Never returns: maps, touches and unmaps, over and over. */
static void *fault_forever(void *arg)
{
	size_t page = fm_page_size();
	volatile char *map;

	for (;;) {
		map = map_node(arg, O_CLOEXEC);
		for (size_t i = 0; (void *)map != MAP_FAILED && i < MAP_PAGES; i++)
			map[i * page] = i;
		munmap((void *)map, MAP_PAGES * page);
	}
	return NULL;
}

static int exit_while_faulting(const char *node, useconds_t after)
{
	pthread_t thread;
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		if (pthread_create(&thread, NULL, fault_forever, (void *)node))
			_exit(1);
		usleep(after);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

/* All threads end wherever they are, in the middle of a fault or of a mmap(2). */
TEST_F(module, goes_after_exit_while_faulting)
{
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load_small());
	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
		for (int round = 0; round < 5; round++)
			EXPECT_EQ(0, exit_while_faulting(nodes[i],
							 5000 + 700 * round));
		EXPECT_EQ(0, unload());
		EXPECT_EQ(0, load_small());
	}
}

static int wait_for_byte(void *arg)
{
	char byte;

	return read(*(int *)arg, &byte, 1) != 1;
}

/* The mapping of an address space lives as long as the last process in it. */
static int leave_clone_behind(const char *node, int *pipe)
{
	char *stack = malloc(1 << 16);

	if (map_node(node, O_CLOEXEC) == MAP_FAILED)
		return 1;
	return clone(wait_for_byte, stack + (1 << 16), CLONE_VM | SIGCHLD,
		     pipe) < 0;
}

TEST_F(module, stays_while_a_clone_has_the_mapping)
{
	int pipes[2], status = -1;
	pid_t pid;

	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load_small());
	ASSERT_EQ(0, pipe(pipes));
	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(leave_clone_behind(nodes[i], pipes));
		EXPECT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		EXPECT_EQ(-EWOULDBLOCK, unload());
		EXPECT_EQ(1, write(pipes[1], "", 1));
		EXPECT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
		EXPECT_EQ(0, unload());
		EXPECT_EQ(0, load_small());
	}
}

/* Maps, and has a child that becomes another program, which echoes its input. */
static void exec_with(const char *node, int flags, const int *in, const int *out)
{
	pid_t pid;

	if (map_node(node, flags) == MAP_FAILED)
		_exit(1);
	dup2(in[0], 0);
	dup2(out[1], 1);
	pid = vfork();
	if (!pid) {
		execl("/bin/cat", "cat", NULL);
		_exit(1);
	}
	_exit(pid < 0);
}

/* A program that was executed has no mapping, but may have the descriptor. */
static void check_exec(struct __test_metadata *_metadata, const char *node,
		       int flags)
{
	int in[2], out[2], status = -1;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe2(in, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(out, O_CLOEXEC));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		exec_with(node, flags, in, out);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);

	/* A parent is let go before its child has left the address space. */
	EXPECT_EQ(1, write(in[1], "x", 1));
	EXPECT_EQ(1, read(out[0], &byte, 1));
	EXPECT_EQ(flags & O_CLOEXEC ? 0 : -EWOULDBLOCK, unload());
	close(in[0]);
	close(in[1]);
	EXPECT_LT(0, wait(&status));
	EXPECT_EQ(0, status);
	if (!(flags & O_CLOEXEC))
		EXPECT_EQ(0, unload());
	close(out[0]);
	close(out[1]);
	EXPECT_EQ(0, load_small());
}

TEST_F(module, goes_after_vfork_and_exec)
{
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load_small());
	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
		check_exec(_metadata, nodes[i], i % 2 ? O_CLOEXEC : 0);
}

TEST_F(module, refuses_bad_parameters)
{
	static const char *const bad[] = {
		"size=0", "size=1", "size=4095", "size=abc", "size=64X",
		"size=-1", "size=16E", "order=4096",
		"window=513",
		"size=64Mx", "size=64MM", "size=64M,", "size=4096x", "size=64M4K",
		"size=1Mi", "size=64MB", "size=M", "size=0x", "size=4096.0",
		"size=\"64M 64M\"",
	};
	char order[24];
	size_t i;

	ASSERT_EQ(0, unload());
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		EXPECT_EQ(-EINVAL, load(bad[i])) TH_LOG("parameter %zu", i);
	snprintf(order, sizeof(order), "order=%u", fm_largest_order() + 1);
	EXPECT_EQ(-EINVAL, load(order));
	EXPECT_FALSE(exists(FM_CONTROL));
}

static _Atomic bool has_opened;

static void *open_first(void *arg)
{
	int fd = open("/dev/faultmap/pages-lazy", O_RDWR | O_CLOEXEC);

	has_opened = true;
	close(fd);
	return NULL;
}

/* The first open clears 512 MiB; the control node is a misc device, as many are. */
TEST_F(module, first_open_holds_up_no_other_device)
{
	pthread_t thread;
	int fd;

	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load("size=512M"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, open_first, NULL));
	usleep(20000);
	fd = open(FM_CONTROL, O_RDWR | O_CLOEXEC);
	EXPECT_FALSE(has_opened);
	EXPECT_LE(0, fd);
	close(fd);
	pthread_join(thread, NULL);
}

static int window_of_node(const char *node)
{
	struct faultmap_info info = { 0 };
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/faultmap/%s", node);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ioctl(fd, FAULTMAP_INFO, &info);
	close(fd);
	return info.window;
}

TEST_F(module, takes_good_parameters)
{
	struct faultmap_info info;
	int fd;

	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load("size=3M order=2 window=16"));
	fd = open("/dev/faultmap/pages-lazy-pfn", O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
	EXPECT_EQ(3 << 20, info.bytes);
	EXPECT_EQ(2, info.order);
	EXPECT_EQ(16, info.window);
	EXPECT_EQ(FAULTMAP_INFO_ALLOCATED, info.flags);
	close(fd);
	EXPECT_EQ(16, window_of_node("pages-lazy"));
	/* It is for what is mapped lazily. */
	EXPECT_EQ(1, window_of_node("pages-eager"));
	EXPECT_EQ(1, window_of_node("pages-eager-page"));
}

TEST_HARNESS_MAIN

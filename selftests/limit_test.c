// SPDX-License-Identifier: GPL-2.0-only
/* The limits: of one buffer, of all of them, and that shares are given back. */
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "hold.h"
#include "memcg.h"
#include "module_fixture.h"

#define MIB	(1UL << 20)

static size_t pages(size_t bytes)
{
	return bytes / fm_page_size();
}

/* Every kind of memory can be mapped by frame. */
static int make(unsigned int memory, size_t bytes)
{
	return fm_create(memory, FAULTMAP_STRATEGY_LAZY_PFN, pages(bytes));
}

static int resize(int fd, size_t bytes)
{
	struct faultmap_resize arg = { .bytes = bytes };

	return fm_errno(ioctl(fd, FAULTMAP_RESIZE, &arg));
}

/* What a buffer can be used for when it has its memory; 0 or -errno. */
static int use(int fd)
{
	size_t page = fm_page_size();
	void *map = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
	char byte;

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, page);
	if (pread(fd, &byte, 1, 0) != 1 || pwrite(fd, "", 1, 0) != 1)
		return -errno;
	return 0;
}

#define for_each_memory(memory) \
	for (unsigned int memory = FAULTMAP_MEMORY_PAGES; \
	     memory <= FAULTMAP_MEMORY_DMA; memory++)

static int reload(const char *params)
{
	int ret = unload();

	return ret ? ret : load(params);
}

TEST_F(module, refuses_bad_limits)
{
	static const char *const bad[] = {
		"max_size=0", "max_size=1", "max_size=abc", "max_size=64X",
		"max_size=", "max_size=16E", "max_total=0", "max_total=4095",
		"max_total=-1", "max_total=none",
		"max_size=64Mx", "max_size=64MM", "max_size=1Mi", "max_size=G",
		"max_size=\"1M 2\"", "max_total=64Mx", "max_total=64M,",
		"max_total=4096.0", "max_total=1GG", "max_total=\"1G x\"",
	};

	ASSERT_EQ(0, unload());
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		EXPECT_EQ(-EINVAL, load(bad[i]))
			TH_LOG("%s", bad[i]);
	}
	EXPECT_EQ(0, load("max_size=1M max_total=1T"));
}

/* What the file of a parameter says, all of which must be a number; or 0. */
static unsigned long long parameter(const char *name)
{
	char path[64], text[64] = "", *end;
	unsigned long long value;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/faultmap/parameters/%s", name);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (!fgets(text, sizeof(text), file))
		text[0] = 0;
	fclose(file);
	value = strtoull(text, &end, 10);
	return strcmp(end, "\n") ? 0 : value;
}

/* With a suffix, with none, by default, and where the machine has less. */
TEST_F(module, limits_read_as_bytes)
{
	unsigned long long all = parameter("max_total");

	EXPECT_LT(64 * MIB, all);
	EXPECT_EQ(all, parameter("max_size"));
	ASSERT_EQ(0, reload("max_size=1M max_total=65536K"));
	EXPECT_EQ(MIB, parameter("max_size"));
	EXPECT_EQ(64 * MIB, parameter("max_total"));
	ASSERT_EQ(0, reload("max_total=2097152"));
	EXPECT_EQ(2 * MIB, parameter("max_size"));
	EXPECT_EQ(2 * MIB, parameter("max_total"));
	ASSERT_EQ(0, reload("max_total=1P max_size=1T"));
	EXPECT_EQ(all, parameter("max_size"));
	EXPECT_EQ(all, parameter("max_total"));
}

TEST_F(module, max_size)
{
	size_t page = fm_page_size();

	ASSERT_EQ(0, reload("max_size=1M"));
	for_each_memory(memory) {
		int fd = make(memory, MIB);

		ASSERT_LE(0, fd);
		EXPECT_EQ(0, use(fd));
		EXPECT_EQ(-EFBIG, resize(fd, MIB + page));
		EXPECT_EQ(0, resize(fd, page));
		EXPECT_EQ(-EFBIG, resize(fd, MIB + page));
		EXPECT_EQ(0, resize(fd, MIB));
		close(fd);
		EXPECT_EQ(-EFBIG, make(memory, MIB + page));
	}
}

/* A node's first size is the administrator's, and may only be made smaller. */
TEST_F(module, max_size_of_a_node)
{
	size_t page = fm_page_size();
	int fd;

	ASSERT_EQ(0, reload("max_size=1M size=4M"));
	fd = open("/dev/faultmap/pages-lazy", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, use(fd));
	EXPECT_EQ(-EFBIG, resize(fd, 4 * MIB + page));
	EXPECT_EQ(0, resize(fd, 4 * MIB));
	EXPECT_EQ(0, resize(fd, 2 * MIB));
	EXPECT_EQ(-EFBIG, resize(fd, 2 * MIB + page));
	EXPECT_EQ(0, use(fd));
	close(fd);
}

/* Expects that what all buffers have leaves exactly @bytes for one more. */
static void expect_left(struct __test_metadata *_metadata, unsigned int memory,
			size_t bytes)
{
	int one = make(memory, fm_page_size()), fd;

	EXPECT_EQ(0, use(one));
	EXPECT_EQ(-ENOSPC, make(memory, bytes));
	close(one);
	fd = make(memory, bytes);
	EXPECT_EQ(0, use(fd));
	EXPECT_EQ(-ENOSPC, make(memory, fm_page_size()));
	close(fd);
}

TEST_F(module, max_total)
{
	size_t page = fm_page_size();

	ASSERT_EQ(0, reload("max_total=4M max_size=1T order=0"));
	for_each_memory(memory) {
		int first, second;

		EXPECT_EQ(-EFBIG, make(memory, 4 * MIB + page));
		expect_left(_metadata, memory, 4 * MIB);
		first = make(memory, MIB);
		expect_left(_metadata, memory, 3 * MIB);
		EXPECT_EQ(0, resize(first, 4 * MIB));
		EXPECT_EQ(-ENOSPC, make(memory, 2 * MIB));
		EXPECT_EQ(0, resize(first, MIB));
		second = make(memory, 2 * MIB);
		EXPECT_EQ(0, use(second));
		EXPECT_EQ(-ENOSPC, resize(first, 2 * MIB + page));
		expect_left(_metadata, memory, MIB);
		EXPECT_EQ(0, resize(first, MIB + page));
		expect_left(_metadata, memory, MIB - page);
		close(second);
		expect_left(_metadata, memory, 3 * MIB - page);
		close(first);
		expect_left(_metadata, memory, 4 * MIB);
	}
}

/* Nodes have their share, too, and give back what RESIZE frees. */
TEST_F(module, nodes_count)
{
	int fd;

	ASSERT_EQ(0, reload("max_total=4M size=3M order=0"));
	fd = open("/dev/faultmap/pages-lazy", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, use(fd));
	expect_left(_metadata, FAULTMAP_MEMORY_KMALLOC, MIB);
	EXPECT_EQ(0, resize(fd, MIB));
	expect_left(_metadata, FAULTMAP_MEMORY_KMALLOC, 3 * MIB);
	close(fd);
	expect_left(_metadata, FAULTMAP_MEMORY_KMALLOC, 3 * MIB);
}

/* What is not allocated in the end is not kept either. */
TEST_F(module, failures_give_back)
{
	int left[FAULTMAP_MEMORY_DMA + 1];

	ASSERT_EQ(0, reload("max_total=16M"));
	if (!fm_enter_group() || fm_put(FM_GROUP "/memory.max", "8M")) {
		fm_leave_group();
		SKIP(return, "no memory controller of cgroup v2");
	}
	for_each_memory(memory) {
		left[memory] = make(memory, 16 * MIB);
		if (!fm_is_charged(memory))
			close(left[memory]);
	}
	fm_leave_group();
	for_each_memory(memory) {
		if (!fm_is_charged(memory))
			continue;
		EXPECT_EQ(-ENOMEM, left[memory]);
		expect_left(_metadata, memory, 16 * MIB);
	}
}

#define NO_GROUPS	2

/* Whose group is full, when there are no more pages to be had; the exit status. */
static int write_in_full_group(int fd, size_t bytes)
{
	ssize_t ret = 0;

	/* What a failure writes to is the process's own before: later it would be killed. */
	if (pwrite(-1, "", 1, 0) != -1)
		return 1;
	if (!fm_enter_group() || fm_put(FM_GROUP "/memory.max", "8M"))
		return NO_GROUPS;
	for (size_t i = 0; i < bytes; i += fm_page_size())
		ret = fm_errno(pwrite(fd, "", 1, i));
	return ret != -ENOSPC;
}

/* Nor what a touch did not get; to write(2) is to touch. */
TEST_F(module, touches_give_back)
{
	ASSERT_EQ(0, reload("max_total=16M"));
	for (unsigned int memory = 0; memory <= FAULTMAP_MEMORY_VMALLOC; memory++) {
		int status, fd = fm_create_as((struct faultmap_create){
			.bytes = 16 * MIB,
			.memory = memory,
			.strategy = FAULTMAP_STRATEGY_LAZY,
			.flags = FAULTMAP_CREATE_ON_DEMAND,
		});
		/* Who is in the group can hardly leave it, but by its end. */
		pid_t pid = fork();

		if (!pid)
			_exit(write_in_full_group(fd, 16 * MIB));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		fm_leave_group();
		close(fd);
		if (WIFEXITED(status) && WEXITSTATUS(status) == NO_GROUPS)
			SKIP(return, "no memory controller of cgroup v2");
		EXPECT_EQ(0, status);
		expect_left(_metadata, memory, 16 * MIB);
	}
}

/* Puts a page of the buffer into a pipe, by reference. */
static bool pin_page(int fd, int to)
{
	size_t page = fm_page_size();
	char *map = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 200 * page);
	struct iovec iov = { map, page };
	bool pinned = map != MAP_FAILED && vmsplice(to, &iov, 1, 0) == (ssize_t)page;

	munmap(map, page);
	return pinned;
}

/* What somebody refers to when its buffer is gone is not free for another one. */
TEST_F(module, pinned_pages_count)
{
	const struct {
		unsigned int memory;
		size_t block;
	} table[] = {
		{ FAULTMAP_MEMORY_PAGES, fm_page_size() },
		{ FAULTMAP_MEMORY_VMALLOC, MIB },
	};
	char page[fm_page_size()];
	int pipes[2];

	ASSERT_EQ(0, reload("max_total=4M"));
	ASSERT_EQ(0, pipe(pipes));
	for (size_t i = 0; i < 2; i++) {
		unsigned int memory = table[i].memory;
		int fd = fm_create(memory, FAULTMAP_STRATEGY_LAZY, pages(MIB));

		ASSERT_TRUE(pin_page(fd, pipes[1]));
		close(fd);
		expect_left(_metadata, memory, 4 * MIB - table[i].block);
		EXPECT_EQ((ssize_t)sizeof(page), read(pipes[0], page, sizeof(page)));
		expect_left(_metadata, memory, 4 * MIB);
	}
	close(pipes[0]);
	close(pipes[1]);
}

/* What a dma-buf holds counts until that is closed, whatever the buffer has lost. */
TEST_F(module, exported_pages_count)
{
	struct faultmap_export arg = { 0 };

	ASSERT_EQ(0, reload("max_total=4M"));
	for (unsigned int memory = FAULTMAP_MEMORY_PAGES;
	     memory <= FAULTMAP_MEMORY_VMALLOC; memory++) {
		int fd = fm_create(memory, FAULTMAP_STRATEGY_LAZY, pages(3 * MIB));
		int dmabuf = fm_errno(ioctl(fd, FAULTMAP_EXPORT, &arg));

		ASSERT_LE(0, dmabuf);
		expect_left(_metadata, memory, MIB);
		EXPECT_EQ(0, resize(fd, fm_page_size()));
		expect_left(_metadata, memory, MIB);
		close(fd);
		expect_left(_metadata, memory, MIB);
		EXPECT_EQ(-EWOULDBLOCK, unload());
		close(dmabuf);
		expect_left(_metadata, memory, 4 * MIB);
	}
}

/* Until the group of the process has less than @bytes in use, or for 20 seconds. */
static bool is_freed(long long bytes)
{
	int i;

	for (i = 0; i < 200 && fm_charged() >= bytes; i++)
		usleep(100000);
	return i < 200;
}

/* It is freed without anybody's asking, also if it was looked at before in vain. */
TEST_F(module, pinned_pages_are_freed)
{
	char page[fm_page_size()];
	long long before;
	int pipes[2], fd;

	ASSERT_EQ(0, pipe(pipes));
	if (!fm_enter_group()) {
		fm_leave_group();
		SKIP(return, "no memory controller of cgroup v2");
	}
	before = fm_charged();
	fd = fm_create(FAULTMAP_MEMORY_VMALLOC, FAULTMAP_STRATEGY_LAZY, pages(2 * MIB));
	ASSERT_TRUE(pin_page(fd, pipes[1]));
	close(fd);
	EXPECT_LT(before + MIB, fm_charged());
	/* It is looked at each second. */
	sleep(3);
	EXPECT_LT(before + MIB, fm_charged());
	EXPECT_EQ((ssize_t)sizeof(page), read(pipes[0], page, sizeof(page)));
	EXPECT_TRUE(is_freed(before + MIB));
	fm_leave_group();
	close(pipes[0]);
	close(pipes[1]);
}

/* It is looked at again each second; nothing may do that when the module has gone. */
TEST_F(module, goes_while_a_page_is_pinned)
{
	int fd = fm_create(FAULTMAP_MEMORY_PAGES, FAULTMAP_STRATEGY_LAZY, pages(MIB));
	char page[fm_page_size()];
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_TRUE(pin_page(fd, pipes[1]));
	close(fd);
	EXPECT_EQ(0, unload());
	sleep(2);
	EXPECT_EQ((ssize_t)sizeof(page), read(pipes[0], page, sizeof(page)));
	close(pipes[0]);
	close(pipes[1]);
}

#define THREADS	16
#define ROUNDS	40

static pthread_barrier_t barrier;

struct maker {
	pthread_t thread;
	unsigned int memory;
	size_t bytes;
	int fd;
};

static void *make_at_once(void *arg)
{
	struct maker *maker = arg;

	pthread_barrier_wait(&barrier);
	maker->fd = make(maker->memory, maker->bytes);
	return NULL;
}

/* How many of THREADS got a buffer; -1 if one failed otherwise. */
static int race(unsigned int memory, size_t bytes)
{
	struct maker makers[THREADS];
	int i, got = 0;

	for (i = 0; i < THREADS; i++) {
		makers[i] = (struct maker){ .memory = memory, .bytes = bytes };
		pthread_create(&makers[i].thread, NULL, make_at_once, &makers[i]);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(makers[i].thread, NULL);
		if (makers[i].fd >= 0)
			got += got >= 0;
		else if (makers[i].fd != -ENOSPC)
			got = -1;
	}
	for (i = 0; i < THREADS; i++)
		if (makers[i].fd >= 0)
			close(makers[i].fd);
	return got;
}

TEST_F(module, at_once)
{
	ASSERT_EQ(0, reload("max_total=1M"));
	pthread_barrier_init(&barrier, NULL, THREADS);
	for_each_memory(memory) {
		for (int i = 0; i < ROUNDS; i++)
			ASSERT_EQ(10, race(memory, 25 * fm_page_size()));
		expect_left(_metadata, memory, MIB);
	}
}

/* How many bytes of code a function has, at most: where the next one begins. */
static unsigned long code_size(const char *name)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	unsigned long at = 0, next = 0, address;
	char line[512], symbol[256];

	for (int pass = 0; pass < 2 && symbols; pass++) {
		rewind(symbols);
		while (fgets(line, sizeof(line), symbols)) {
			if (sscanf(line, "%lx %*c %255s", &address, symbol) != 2)
				continue;
			if (!pass && !strcmp(symbol, name))
				at = address;
			else if (pass && address > at && (!next || address < next))
				next = address;
		}
	}
	if (symbols)
		fclose(symbols);
	return at ? next - at : 0;
}

/* More than a half of what there is. */
#define MOST	(MIB / 8 * 5)

/* What two processes, of which one is held, see of each other. */
struct pair {
	atomic_bool done;
	int got;
};

static void make_when_held(struct hold *hold, struct pair *pair)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	hold_me(hold);
	pair->got = make(FAULTMAP_MEMORY_PAGES, MOST) >= 0;
	pair->done = true;
	/* It has the buffer until the other one has tried, too. */
	pause();
	_exit(0);
}

/* One makes a buffer, and where it is held, another one does; how many got one. */
static int make_two(struct hold *hold, struct pair *pair)
{
	int other, got;
	pid_t pid;

	pair->done = false;
	hold->state->go_on = 0;
	pid = fork();
	if (!pid)
		make_when_held(hold, pair);
	while (!hold_is_held(hold) && !pair->done)
		usleep(100);
	other = make(FAULTMAP_MEMORY_PAGES, MOST);
	hold_go_on(hold);
	while (!pair->done)
		usleep(100);
	got = pair->got + (other >= 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (other >= 0)
		close(other);
	return got;
}

/* Wherever another one comes in between, and not by chance: one of two gets its share. */
TEST_F(module, at_each_instruction)
{
	static const char function[] = "faultmap_limit_take";
	struct pair *pair = mmap(NULL, sizeof(*pair), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned long size, offset, met = 0;
	struct hold hold;

	if (!hold_possible())
		SKIP(return, "no two CPUs, or no kprobes by perf, or not root");
	ASSERT_EQ(0, reload("max_total=1M"));
	ASSERT_EQ(0, hold_open(&hold));
	ASSERT_TRUE(fm_run_on(0, 0));
	size = code_size(function);
	for (offset = 0; offset < size; offset++) {
		/* In the middle of one. */
		if (hold_probe(&hold, function, HOLD_ENTRY, offset))
			continue;
		hold.state->hits = 0;
		EXPECT_EQ(1, make_two(&hold, pair))
			TH_LOG("at %#lx", offset);
		met += hold.state->hits > 0;
		hold_unprobe(&hold);
	}
	hold_close(&hold);
	printf("# held at %lu instructions\n", met);
	EXPECT_LT(5, met);
}

TEST_HARNESS_MAIN

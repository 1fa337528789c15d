// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking memory back waits for nobody who has it mapped: a process that keeps its own
 * mmap_lock, here by a page fault that a file system does not answer, keeps neither its
 * mapping nor those who take it away.
 */
#include <linux/fuse.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "buffer_fixture.h"

#define SHRUNK		2		/* pages that are left */
#define TOUCHED		8		/* the page that is touched all the time */
#define PATIENCE	10		/* seconds for what needs no time */
#define FUSE_FILE_SIZE	65536

/* A file system of one file, which is its root, and whose contents never come. */
struct silent_fs {
	char path[32];
	int fd;
	pthread_t server;
	bool stop;
};

/* Seen by all processes of a case. */
struct shared {
	bool asked;			/* for what does not come */
	bool is_stuck;
	unsigned long touches;
};

static volatile struct shared *shared;

static void answer(int fd, const struct fuse_in_header *in, const void *out, size_t len)
{
	char reply[sizeof(struct fuse_out_header) + 256];
	struct fuse_out_header header = {
		.len = sizeof(header) + len,
		.unique = in->unique,
	};

	memcpy(reply, &header, sizeof(header));
	memcpy(reply + sizeof(header), out, len);
	if (write(fd, reply, header.len) != (ssize_t)header.len)
		perror("# /dev/fuse");
}

static void serve(int fd, const struct fuse_in_header *in)
{
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_write = 4096,
	};
	struct fuse_attr_out attr = {
		.attr_valid = PATIENCE * 10,
		.attr = {
			.ino = FUSE_ROOT_ID,
			.size = FUSE_FILE_SIZE,
			.mode = S_IFREG | 0600,
			.nlink = 1,
		},
	};
	struct fuse_open_out opened = { 0 };

	switch (in->opcode) {
	case FUSE_INIT:
		answer(fd, in, &init, sizeof(init));
		break;
	case FUSE_GETATTR:
		answer(fd, in, &attr, sizeof(attr));
		break;
	case FUSE_OPEN:
		answer(fd, in, &opened, sizeof(opened));
		break;
	case FUSE_READ:
		shared->asked = true;
		break;
	}
}

static void *server(void *arg)
{
	struct silent_fs *fs = arg;
	struct pollfd ready = { .fd = fs->fd, .events = POLLIN };
	char request[FUSE_MIN_READ_BUFFER + 4096];

	while (!*(volatile bool *)&fs->stop)
		if (poll(&ready, 1, 100) == 1 &&
		    read(fs->fd, request, sizeof(request)) > 0)
			serve(fs->fd, (void *)request);
	return NULL;
}

static bool mount_silent(struct silent_fs *fs)
{
	char options[96];
	int file;

	if (access("/dev/fuse", F_OK) && system("modprobe -q fuse"))
		return false;
	fs->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fs->fd < 0)
		return false;
	snprintf(fs->path, sizeof(fs->path), "/tmp/stuck_test.XXXXXX");
	file = mkstemp(fs->path);
	close(file);
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=100600,user_id=0,group_id=0,allow_other", fs->fd);
	fs->stop = false;
	if (mount("silent", fs->path, "fuse", MS_NOSUID | MS_NODEV, options)) {
		unlink(fs->path);
		return false;
	}
	return !pthread_create(&fs->server, NULL, server, fs);
}

/* Whoever waits for it gets an error. */
static void end_silence(struct silent_fs *fs)
{
	fs->stop = true;
	pthread_join(fs->server, NULL);
	close(fs->fd);
	umount2(fs->path, MNT_DETACH);
	unlink(fs->path);
}

static void *hold_lock(void *word)
{
	/* Without a way to drop the mmap_lock while it waits. */
	syscall(SYS_futex, word, FUTEX_WAKE_OP_PRIVATE, 1, 1, word,
		FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0));
	return NULL;
}

static void *wait_for_lock(void *unused)
{
	while (!shared->asked)
		usleep(1000);
	usleep(100000);
	shared->is_stuck = true;
	mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return NULL;
}

/* Touches its mapping for as long as that lets it. */
static void use_while_stuck(const FIXTURE_DATA(buffer) *self, const struct silent_fs *fs)
{
	int fd = open(fs->path, O_RDWR | O_CLOEXEC);
	char *map = fm_map(self, 0, FM_PAGES), *word;
	volatile char *touched = map + TOUCHED * self->page;
	pthread_t thread;
	struct stat st;
	size_t i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(fs->fd);
	fstat(fd, &st);
	word = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED || word == MAP_FAILED)
		_exit(1);
	for (i = 0; i < FM_PAGES; i++)
		map[i * self->page] = 1;
	pthread_create(&thread, NULL, wait_for_lock, NULL);
	pthread_create(&thread, NULL, hold_lock, word);
	for (;;) {
		*touched = 1;
		shared->touches++;
	}
}

static bool soon(volatile bool *flag)
{
	for (int i = 0; i < PATIENCE * 100 && !*flag; i++)
		usleep(10000);
	return *flag;
}

/* Its status, or -1 if it does not end; then it is killed, as far as it can be. */
static int status_of(pid_t pid)
{
	int status;

	for (int i = 0; i < PATIENCE * 100; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		usleep(10000);
	}
	kill(pid, SIGKILL);
	return -1;
}

static bool is_touched(void)
{
	unsigned long touches = shared->touches;

	usleep(300000);
	return shared->touches != touches;
}

/* Whoever touches may be long without a CPU. */
static bool is_touched_soon(void)
{
	for (int i = 0; i < PATIENCE * 3; i++)
		if (is_touched())
			return true;
	return false;
}

typedef int (*take_fn)(int fd);

static int cut_off(int fd)
{
	return ioctl(fd, FAULTMAP_REVOKE);
}

static int make_small(int fd)
{
	return fm_resize(fd, SHRUNK);
}

static void take_from_stuck(struct __test_metadata *_metadata,
			    FIXTURE_DATA(buffer) *self, take_fn take)
{
	struct silent_fs fs;
	pid_t user, taker;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	if (!mount_silent(&fs))
		SKIP(return, "needs FUSE, and to be root");
	user = fork();
	if (!user)
		use_while_stuck(self, &fs);
	EXPECT_TRUE(soon(&shared->is_stuck));
	EXPECT_TRUE(is_touched_soon());
	taker = fork();
	if (!taker) {
		close(fs.fd);
		_exit(!!take(self->fd));
	}
	EXPECT_EQ(0, status_of(taker));
	EXPECT_FALSE(is_touched());
	end_silence(&fs);
	/* A touch of what is gone. */
	EXPECT_EQ(SIGBUS, status_of(user) & 0x7f);
	munmap((void *)shared, sizeof(*shared));
}

TEST_F(buffer, revoked)
{
	take_from_stuck(_metadata, self, cut_off);
}

TEST_F(buffer, shrunk)
{
	take_from_stuck(_metadata, self, make_small);
}

TEST_HARNESS_MAIN

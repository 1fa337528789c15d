// SPDX-License-Identifier: GPL-2.0-only
/*
 * The descriptor of a private buffer is that of a file, with an inode that no other
 * buffer has: fstat(2), locks, and who keeps what alive. Opening it again is in
 * reopen_test, its size in truncate_test, flushing in msync_test.
 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "private_buffer.h"

static int another(const FIXTURE_VARIANT(buffer) *variant)
{
	return fm_create(variant->memory, variant->strategy, FM_PAGES);
}

static const char *type_of(mode_t mode)
{
	return S_ISREG(mode) ? "regular file" : S_ISCHR(mode) ? "device" : "no type";
}

TEST_F(buffer, fstat)
{
	struct stat st, other, node, again;
	int fd, control;

	NEEDS_PRIVATE_BUFFER();
	fd = another(variant);
	control = open(FM_CONTROL, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fstat(self->fd, &st));
	ASSERT_EQ(0, fstat(fd, &other));
	ASSERT_EQ(0, fstat(control, &node));
	SAW("fstat() of a private buffer", "%s, %s", type_of(st.st_mode),
	    st.st_size == FM_PAGES * self->page ? "its size" :
	    st.st_size ? "another size" : "size 0");
	EXPECT_EQ(S_IFREG | 0600, st.st_mode);
	EXPECT_EQ(FM_PAGES * self->page, st.st_size);
	EXPECT_EQ(geteuid(), st.st_uid);
	EXPECT_EQ(getegid(), st.st_gid);
	SAW("fstat() of two private buffers: st_ino", "%s",
	    st.st_ino == other.st_ino && st.st_dev == other.st_dev ? "the same" :
								      "differ");
	EXPECT_EQ(st.st_dev, other.st_dev);
	EXPECT_NE(st.st_ino, other.st_ino);
	EXPECT_NE(0, st.st_ino);
	EXPECT_TRUE(node.st_dev != st.st_dev || node.st_ino != st.st_ino);

	/* It is the buffer's inode, whatever becomes of its size. */
	ASSERT_EQ(0, fm_resize(self->fd, FM_PAGES / 2));
	ASSERT_EQ(0, fstat(self->fd, &again));
	EXPECT_EQ(FM_PAGES / 2 * self->page, again.st_size);
	EXPECT_EQ(st.st_ino, again.st_ino);
	ASSERT_EQ(0, fm_resize(self->fd, 3 * FM_PAGES));
	ASSERT_EQ(0, fstat(self->fd, &again));
	EXPECT_EQ(3 * FM_PAGES * self->page, again.st_size);
	ASSERT_EQ(0, fstat(fd, &again));
	EXPECT_EQ(FM_PAGES * self->page, again.st_size);
	close(control);
	close(fd);
}

/* Many at once, and after others have gone: no number is given twice. */
TEST_F(buffer, inodes_are_distinct)
{
	int fds[32];
	ino_t seen[32];
	struct stat st;

	NEEDS_PRIVATE_BUFFER();
	for (size_t i = 0; i < 32; i++) {
		fds[i] = fm_create(variant->memory, variant->strategy, 1);
		ASSERT_LE(0, fds[i]);
		ASSERT_EQ(0, fstat(fds[i], &st));
		seen[i] = st.st_ino;
		if (i % 3 == 2) {
			close(fds[i]);
			fds[i] = -1;
			seen[i] = 0;
		}
		for (size_t k = 0; k < i; k++)
			EXPECT_TRUE(!seen[i] || seen[k] != seen[i]);
	}
	for (size_t i = 0; i < 32; i++)
		close(fds[i]);
}

static int flock_errno(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB) ? errno : 0;
}

/* What locking all of @fd meets in another process: 0 or an errno. */
static int fcntl_errno(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(fcntl(fd, F_SETLK, &lock) ? errno : 0);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *blocked(int error)
{
	return error ? "blocks it" : "leaves it alone";
}

TEST_F(buffer, locks_are_the_buffers_own)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd, event = eventfd(0, EFD_CLOEXEC), by_flock, by_fcntl;

	NEEDS_PRIVATE_BUFFER();
	fd = another(variant);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, event);
	ASSERT_EQ(0, flock(self->fd, LOCK_EX));
	ASSERT_EQ(0, fcntl(self->fd, F_SETLK, &lock));
	by_flock = flock_errno(fd);
	by_fcntl = fcntl_errno(fd);
	SAW("flock() of a private buffer, and of another", "%s", blocked(by_flock));
	SAW("fcntl(F_SETLK) of a private buffer, and of another", "%s",
	    blocked(by_fcntl));
	EXPECT_EQ(0, by_flock);
	EXPECT_EQ(0, by_fcntl);
	by_flock = flock_errno(event);
	by_fcntl = fcntl_errno(event);
	SAW("flock() and fcntl() of a private buffer, and of an eventfd", "%s, %s",
	    blocked(by_flock), blocked(by_fcntl));
	EXPECT_EQ(0, by_flock);
	EXPECT_EQ(0, by_fcntl);
	/* Its own are there. */
	EXPECT_EQ(EAGAIN, fcntl_errno(self->fd));
	close(event);
	close(fd);
}

TEST_F(buffer, locks_reach_who_opened_it_again)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	NEEDS_PRIVATE_BUFFER();
	fd = fm_reopen(self->fd, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, flock(self->fd, LOCK_EX));
	EXPECT_EQ(EWOULDBLOCK, flock_errno(fd));
	ASSERT_EQ(0, flock(self->fd, LOCK_UN));
	EXPECT_EQ(0, flock_errno(fd));
	ASSERT_EQ(0, fcntl(self->fd, F_SETLK, &lock));
	EXPECT_EQ(EAGAIN, fcntl_errno(fd));
	close(fd);
}

/* Nothing else that a file may have: no other name, and it is no program. */
TEST_F(buffer, has_no_name)
{
	const char *name = "/tmp/faultmap-link";
	char path[64], *argv[] = { path, NULL };

	NEEDS_PRIVATE_BUFFER();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	EXPECT_EQ(-1, linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW));
	unlink(name);
	EXPECT_EQ(-1, execve(path, argv, NULL));
	EXPECT_EQ(EACCES, errno);
}

static bool send_fd(int to, int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = "";
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(to, &msg, 0) == 1;
}

static int receive_fd(int from)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(from, &msg, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

/* A descriptor that is only in a socket keeps it as well. */
TEST_F(buffer, passed_on)
{
	int sockets[2], fd;
	char *map;

	NEEDS_PRIVATE_BUFFER();
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	fd = fm_reopen(self->fd, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(send_fd(sockets[0], fd));
	close(fd);
	close(self->fd);
	self->fd = -1;
	fd = receive_fd(sockets[1]);
	ASSERT_LE(0, fd);
	fm_expect_read_only(_metadata, self, fd);
	map = mmap(NULL, FM_PAGES * self->page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	close(fd);
	close(sockets[0]);
	close(sockets[1]);
}

/* One that goes in a message that nobody takes. */
TEST_F(buffer, passed_on_to_nobody)
{
	int sockets[2];

	NEEDS_PRIVATE_BUFFER();
	for (int i = 0; i < 20; i++) {
		int fd = another(variant);

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
					sockets));
		ASSERT_TRUE(send_fd(sockets[0], fd));
		close(fd);
		close(sockets[0]);
		close(sockets[1]);
	}
}

struct reader {
	int fd;
	long bytes;
};

static void *read_to_the_end(void *arg)
{
	struct reader *reader = arg;
	char bytes[64];
	ssize_t n;

	while ((n = read(reader->fd, bytes, sizeof(bytes))) > 0)
		reader->bytes += n;
	return NULL;
}

/* Each byte is read by one of them. */
TEST_F(buffer, threads_share_its_position)
{
	size_t size = 256 * self->page;
	struct reader readers[2];
	pthread_t thread;
	int again;

	NEEDS_PRIVATE_BUFFER();
	readers[0].fd = fm_create(variant->memory, variant->strategy, 256);
	again = fm_reopen(readers[0].fd, O_RDONLY);
	for (int i = 0; i < 2; i++) {
		if (i)
			readers[0].fd = again;
		readers[0].bytes = 0;
		readers[1] = readers[0];
		ASSERT_EQ(0, pthread_create(&thread, NULL, read_to_the_end, &readers[0]));
		read_to_the_end(&readers[1]);
		ASSERT_EQ(0, pthread_join(thread, NULL));
		EXPECT_EQ(size, readers[0].bytes + readers[1].bytes);
		close(readers[0].fd);
	}
}

/* Who watches a private buffer does not keep it, nor the end of it from ending. */
TEST_F(buffer, watched_to_its_end)
{
	int fd, watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[64];

	NEEDS_PRIVATE_BUFFER();
	ASSERT_LE(0, watch);
	fd = another(variant);
	ASSERT_LE(0, fd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_LE(0, inotify_add_watch(watch, path, IN_ALL_EVENTS));
	/* The last of all private files takes their mount along. */
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(0, close(fd));
	close(watch);
}

/* Else each page's first write would ask for the time. */
TEST_F(buffer, write_faults_leave_its_times)
{
	struct timespec tick = { .tv_nsec = 50000000 };
	struct stat before, after;
	char *map;

	NEEDS_PRIVATE_BUFFER();
	map = fm_map(self, 0, FM_PAGES);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, fstat(self->fd, &before));
	nanosleep(&tick, NULL);
	for (size_t i = 0; i < FM_PAGES; i++)
		*(volatile char *)(map + i * self->page) = 1;
	ASSERT_EQ(0, fstat(self->fd, &after));
	EXPECT_EQ(0, memcmp(&before.st_mtim, &after.st_mtim, sizeof(after.st_mtim)));
	EXPECT_EQ(0, memcmp(&before.st_ctim, &after.st_ctim, sizeof(after.st_ctim)));
}

#define MANY	3000

/* What is there for each CPU of a buffer, two sets and a domain of SRCU, goes with it. */
TEST(many_leave_nothing)
{
	long long before = fm_field("/proc/meminfo", "Percpu");
	int i, fd;

	if (access(FM_CONTROL, R_OK | W_OK))
		SKIP(return, "faultmap is not loaded");
	for (i = 0; i < MANY; i++) {
		fd = fm_create(FAULTMAP_MEMORY_PAGES, FAULTMAP_STRATEGY_LAZY, 1);
		ASSERT_LE(0, fd);
		close(fd);
	}
	/* In KiB. */
	EXPECT_LE(0, before);
	EXPECT_GT(512, fm_field("/proc/meminfo", "Percpu") - before);
}

TEST_HARNESS_MAIN

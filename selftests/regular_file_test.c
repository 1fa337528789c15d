// SPDX-License-Identifier: GPL-2.0
/*
 * The descriptor of a private buffer is that of a file, with an inode that no other
 * buffer has: fstat(2), locks, opening it again, and who keeps what alive. Its size
 * is in truncate_test, flushing in msync_test.
 */
#include <grp.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "buffer_fixture.h"

#define NOBODY	65534

/* A device has nodes only, and a node is a device's file. */
#define NEEDS_PRIVATE_BUFFER() do { \
	if (fm_is_device(variant)) \
		DOES_NOT_APPLY("a device has no private buffers"); \
} while (0)

/* Opens anew what is behind a descriptor; or -errno. */
static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fm_errno(open(path, flags | O_CLOEXEC));
}

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
	fd = reopen(self->fd, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, flock(self->fd, LOCK_EX));
	EXPECT_EQ(EWOULDBLOCK, flock_errno(fd));
	ASSERT_EQ(0, flock(self->fd, LOCK_UN));
	EXPECT_EQ(0, flock_errno(fd));
	ASSERT_EQ(0, fcntl(self->fd, F_SETLK, &lock));
	EXPECT_EQ(EAGAIN, fcntl_errno(fd));
	close(fd);
}

/* Everything that changes a buffer needs a descriptor that may. */
static void expect_read_only(struct __test_metadata *_metadata,
			     const FIXTURE_DATA(buffer) *self, int fd)
{
	char byte = 0, page[self->page];

	EXPECT_EQ(O_RDONLY, fcntl(fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(self->page, pread(fd, page, self->page, 3 * self->page));
	EXPECT_EQ(3, fm_page_at(page));
	EXPECT_EQ(-1, pwrite(fd, &byte, 1, 0));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, fm_resize(fd, 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, ftruncate(fd, self->page));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(fd, FAULTMAP_REVOKE));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, ioctl(fd, FAULTMAP_STATS_RESET));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(buffer, opened_again_to_read)
{
	size_t size = FM_PAGES * self->page;
	struct faultmap_info info, same;
	char *map, *copy;
	int fd;

	NEEDS_PRIVATE_BUFFER();
	fd = reopen(self->fd, O_RDONLY);
	errno = -fd;
	SAW("open(/proc/self/fd/N, O_RDONLY)", "%s", fm_outcome(fd >= 0));
	ASSERT_LE(0, fd);
	expect_read_only(_metadata, self, fd);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_INFO, &info));
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &same));
	EXPECT_EQ(0, memcmp(&info, &same, sizeof(info)));

	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	EXPECT_EQ(MAP_FAILED, map);
	SAW("open(/proc/self/fd/N, O_RDONLY), map it to write", "%s",
	    fm_outcome(map != MAP_FAILED));
	EXPECT_EQ(EACCES, errno);
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, mprotect(map, size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	EXPECT_EQ(fm_is_by_page(variant), copy != MAP_FAILED);
	close(fd);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

TEST_F(buffer, opened_again_to_write)
{
	size_t size = FM_PAGES * self->page;
	char *map, *mine = fm_map(self, 0, FM_PAGES);
	struct stat st, same;
	int fd;

	NEEDS_PRIVATE_BUFFER();
	ASSERT_NE(MAP_FAILED, mine);
	fd = reopen(self->fd, O_RDWR);
	errno = -fd;
	SAW("open(/proc/self/fd/N, O_RDWR)", "%s", fm_outcome(fd >= 0));
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fstat(self->fd, &st));
	ASSERT_EQ(0, fstat(fd, &same));
	EXPECT_EQ(st.st_ino, same.st_ino);
	EXPECT_EQ(st.st_dev, same.st_dev);
	EXPECT_EQ(0, lseek(fd, 0, SEEK_CUR));

	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	map[5 * self->page] = 'n';
	EXPECT_EQ('n', mine[5 * self->page]);
	ASSERT_EQ(0, fm_resize(fd, 8));
	EXPECT_STAMPS(map, 0, 5);
	EXPECT_SIGNALS(SIGBUS, map + 8 * self->page, FM_PAGES - 8);
	EXPECT_SIGNALS(SIGBUS, mine + 8 * self->page, FM_PAGES - 8);
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(8 * self->page, st.st_size);
	close(fd);
}

/* There is one set of counters, whichever descriptor is asked. */
TEST_F(buffer, opened_again_counts_together)
{
	struct faultmap_stats stats, same;
	char *map;
	int fd;

	NEEDS_PRIVATE_BUFFER();
	fd = reopen(self->fd, O_RDONLY);
	ASSERT_LE(0, fd);
	map = mmap(NULL, FM_PAGES * self->page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	stats = fm_stats(self->fd);
	same = fm_stats(fd);
	EXPECT_EQ(0, memcmp(&stats, &same, sizeof(stats)));
	EXPECT_EQ(1, stats.mmaps);
	EXPECT_EQ(FM_PAGES, stats.pages_installed);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_STATS_RESET));
	EXPECT_EQ(0, fm_stats(fd).mmaps);
	close(fd);
}

TEST_F(buffer, opened_again_to_write_only)
{
	char *map, byte = 'w';
	int fd;

	NEEDS_PRIVATE_BUFFER();
	fd = reopen(self->fd, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, pwrite(fd, &byte, 1, 0));
	EXPECT_EQ(-1, pread(fd, &byte, 1, 0));
	EXPECT_EQ(EBADF, errno);
	map = mmap(NULL, self->page, PROT_WRITE, MAP_SHARED, fd, 0);
	EXPECT_EQ(MAP_FAILED, map);
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(0, fm_resize(fd, 1));
	close(fd);
}

/* It cannot be emptied, so neither by who opens it. */
TEST_F(buffer, opened_again_to_truncate)
{
	struct stat st;
	char *map;

	NEEDS_PRIVATE_BUFFER();
	map = fm_map(self, 0, FM_PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-EINVAL, reopen(self->fd, O_RDWR | O_TRUNC));
	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(FM_PAGES * self->page, st.st_size);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* The buffer is there as long as somebody has it, whoever that is. */
TEST_F(buffer, opened_again_keeps_it)
{
	char *map;
	int fd;

	NEEDS_PRIVATE_BUFFER();
	fd = reopen(self->fd, O_RDONLY);
	ASSERT_LE(0, fd);
	close(self->fd);
	self->fd = reopen(fd, O_RDWR);
	ASSERT_LE(0, self->fd);
	close(fd);
	map = fm_map(self, 0, FM_PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	close(self->fd);
	self->fd = -1;
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

/* Who opens it after REVOKE is not cut off, as with a node. */
TEST_F(buffer, opened_again_after_revoke)
{
	char *map, *old = fm_map(self, 0, FM_PAGES);
	int fd, before;

	NEEDS_PRIVATE_BUFFER();
	ASSERT_NE(MAP_FAILED, old);
	before = reopen(self->fd, O_RDWR);
	ASSERT_LE(0, before);
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_EQ(-1, fm_resize(before, 1));
	EXPECT_EQ(ENODEV, errno);
	fd = reopen(self->fd, O_RDWR);
	errno = -fd;
	SAW("REVOKE, open(/proc/self/fd/N)", "%s", fm_outcome(fd >= 0));
	ASSERT_LE(0, fd);
	map = mmap(NULL, FM_PAGES * self->page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	EXPECT_SIGNALS(SIGBUS, old, FM_PAGES);
	close(fd);
	close(before);
}

/* Whoever it was given to read only cannot open it to write: it is its maker's. */
static int stranger_reopens(int fd, int flags)
{
	int status, ret;
	pid_t pid = fork();

	if (!pid) {
		/* A process that changed its user may not look at its own descriptors. */
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY) || prctl(PR_SET_DUMPABLE, 1))
			_exit(255);
		ret = reopen(fd, flags);
		_exit(ret < 0 ? -ret : 0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

TEST_F(buffer, opened_again_by_its_maker_only)
{
	int fd, memfd = memfd_create("stranger", MFD_CLOEXEC);

	NEEDS_PRIVATE_BUFFER();
	if (geteuid())
		SKIP(return, "needs root, to become somebody else");
	fd = reopen(self->fd, O_RDONLY);
	ASSERT_LE(0, fd);
	/* That of a memfd, with mode 0777, shows that it is the mode that counts. */
	ASSERT_LE(0, memfd);
	EXPECT_EQ(0, stranger_reopens(memfd, O_RDWR));
	EXPECT_EQ(EACCES, stranger_reopens(fd, O_RDWR));
	EXPECT_EQ(EACCES, stranger_reopens(fd, O_RDONLY));
	EXPECT_EQ(EACCES, stranger_reopens(self->fd, O_RDWR));
	close(memfd);
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
	fd = reopen(self->fd, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(send_fd(sockets[0], fd));
	close(fd);
	close(self->fd);
	self->fd = -1;
	fd = receive_fd(sockets[1]);
	ASSERT_LE(0, fd);
	expect_read_only(_metadata, self, fd);
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

/* Behind its end there is no room. */
TEST_F(buffer, opened_again_to_append)
{
	uint64_t word;
	int fd;

	NEEDS_PRIVATE_BUFFER();
	fd = reopen(self->fd, O_WRONLY | O_APPEND);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fm_stamp(self->fd, 0, 1));
	EXPECT_EQ(-1, write(fd, "AB", 2));
	SAW("open(/proc/self/fd/N, O_APPEND), write()", "%s", fm_outcome(false));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(sizeof(word), pread(self->fd, &word, sizeof(word), 0));
	EXPECT_EQ(fm_stamp_word(0, 0), word);
	close(fd);
}

/* Who watches a private buffer does not keep it, nor the end of it from ending. */
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
	again = reopen(readers[0].fd, O_RDONLY);
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

TEST_HARNESS_MAIN

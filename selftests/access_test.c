// SPDX-License-Identifier: GPL-2.0-only
/* Who can reach a buffer, and what user space can learn that it should not. */
#include <ctype.h>
#include <grp.h>
#include <sys/klog.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "buffer_fixture.h"

#define NOBODY	65534

typedef int (*stranger_fn)(const FIXTURE_DATA(buffer) *self, pid_t owner);

/* What @fn returns in another user's process: 0, an errno, or more if it cannot try. */
static int as_stranger(stranger_fn fn, const FIXTURE_DATA(buffer) *self)
{
	pid_t owner = getpid(), pid = fork();
	int status;

	if (!pid) {
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY))
			_exit(255);
		_exit(fn(self, owner));
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

static int open_errno(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* Exits with the worst that a stranger meets. */
static int opens_nodes(const FIXTURE_DATA(buffer) *self, pid_t owner)
{
	glob_t found;
	int refused = EACCES;

	if (glob("/dev/faultmap/*", 0, NULL, &found))
		return 253;
	for (size_t i = 0; i < found.gl_pathc; i++)
		if (open_errno(found.gl_pathv[i]) != EACCES)
			refused = 0;
	return refused;
}

TEST_F(buffer, nodes_are_for_root)
{
	struct stat st;
	glob_t found;

	if (geteuid())
		SKIP(return, "needs root, to become somebody else");
	ASSERT_EQ(0, glob("/dev/faultmap/*", 0, NULL, &found));
	for (size_t i = 0; i < found.gl_pathc; i++) {
		ASSERT_EQ(0, stat(found.gl_pathv[i], &st));
		EXPECT_EQ(S_IFCHR | 0600, st.st_mode)
			TH_LOG("%s", found.gl_pathv[i]);
		EXPECT_EQ(0, st.st_uid);
		EXPECT_EQ(0, st.st_gid);
	}
	EXPECT_EQ(EACCES, as_stranger(opens_nodes, self));
}

static int opens_proc_fd(const FIXTURE_DATA(buffer) *self, pid_t owner)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", owner, self->fd);
	return open_errno(path);
}

static int opens_map_files(const FIXTURE_DATA(buffer) *self, pid_t owner)
{
	char path[64];
	glob_t found;

	snprintf(path, sizeof(path), "/proc/%d/map_files/*", owner);
	return glob(path, 0, NULL, &found) == GLOB_NOMATCH ? ENOENT : 0;
}

/* Who may look at its maker's descriptors may open a private buffer again; no others. */
TEST_F(buffer, opened_again_by_its_owner_only)
{
	char path[64];

	if (fm_is_device(variant))
		SKIP(return, "a device has nodes only");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	EXPECT_EQ(0, open_errno(path));
	EXPECT_EQ(EACCES, as_stranger(opens_proc_fd, self));
	ASSERT_NE(MAP_FAILED, fm_map(self, 0, 1));
	EXPECT_EQ(ENOENT, as_stranger(opens_map_files, self));
}

static int gets_fd(const FIXTURE_DATA(buffer) *self, pid_t owner)
{
	int pidfd = syscall(SYS_pidfd_open, owner, 0);
	int fd = syscall(SYS_pidfd_getfd, pidfd, self->fd, 0);

	return fd < 0 ? errno : 0;
}

static char *stolen_from;

static int reads_memory(const FIXTURE_DATA(buffer) *self, pid_t owner)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { stolen_from, 1 };

	return process_vm_readv(owner, &here, 1, &there, 1, 0) < 0 ? errno : 0;
}

/* Who may trace its owner may have it, and nobody else. */
TEST_F(buffer, taken_by_rights_only)
{
	int pidfd = syscall(SYS_pidfd_open, getpid(), 0), fd;

	EXPECT_EQ(EPERM, as_stranger(gets_fd, self));
	stolen_from = fm_map(self, 0, 1);
	EXPECT_EQ(EPERM, as_stranger(reads_memory, self));
	fd = syscall(SYS_pidfd_getfd, pidfd, self->fd, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(FM_PAGES * self->page, lseek(fd, 0, SEEK_END));
	close(fd);
	close(pidfd);
}

static int sockets[2];

static int receive_fd(int from)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(from, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static bool send_fd(int to, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { { 0 } };
	struct iovec iov = { "x", 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	return sendmsg(to, &msg, 0) == 1;
}

static int uses_what_it_is_given(const FIXTURE_DATA(buffer) *self, pid_t owner)
{
	int fd;
	char *map;

	close(self->fd);
	fd = receive_fd(sockets[1]);
	map = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   self->page);
	if (map == MAP_FAILED)
		return errno;
	if (fm_page_at(map) != 1)
		return 253;
	*map = 0;
	return 0;
}

/* Passing the descriptor passes the buffer, whoever receives it. */
TEST_F(buffer, given_by_descriptor)
{
	char byte = 1;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ASSERT_TRUE(send_fd(sockets[0], self->fd));
	EXPECT_EQ(0, as_stranger(uses_what_it_is_given, self));
	EXPECT_EQ(1, pread(self->fd, &byte, 1, self->page));
	EXPECT_EQ(0, byte);
}

#define FRESH	(4 << 20)

/* Leaves behind pages that are anything but zero. */
static void dirty_memory(size_t bytes)
{
	char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(map, 0xa5, bytes);
	munmap(map, bytes);
}

static bool all_zero(const void *memory, size_t bytes)
{
	const uint64_t *words = memory;
	uint64_t any = 0;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		any |= words[i];
	return !any;
}

static bool reads_zero(int fd, size_t from, size_t bytes)
{
	static char memory[FRESH];

	memset(memory, 0x5a, bytes);
	return pread(fd, memory, bytes, from) == (ssize_t)bytes &&
	       all_zero(memory, bytes);
}

static int create_fresh(const FIXTURE_VARIANT(buffer) *variant, unsigned int order)
{
	return fm_create_as((struct faultmap_create){
		.bytes = FRESH / 2,
		.memory = variant->memory,
		.strategy = variant->strategy,
		.order = order,
	});
}

/* In single pages, or in blocks where memory has them. */
static void check_fresh(struct __test_metadata *_metadata,
			const FIXTURE_VARIANT(buffer) *variant, unsigned int order)
{
	char *map;
	int fd;

	dirty_memory(16 * FRESH);
	fd = create_fresh(variant, order);
	map = mmap(NULL, FRESH / 2, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(all_zero(map, FRESH / 2));
	EXPECT_TRUE(reads_zero(fd, 0, FRESH / 2));
	dirty_memory(16 * FRESH);
	ASSERT_EQ(0, fm_resize(fd, FRESH / fm_page_size()));
	EXPECT_TRUE(reads_zero(fd, FRESH / 2, FRESH / 2));
	munmap(map, FRESH / 2);
	close(fd);
}

TEST_F(buffer, fresh_memory_is_zero)
{
	if (fm_is_device(variant))
		SKIP(return, "what a device has in its memory is its own");
	check_fresh(_metadata, variant, 0);
	if (variant->memory == FAULTMAP_MEMORY_PAGES)
		check_fresh(_metadata, variant, 9);
}

/* So much of @mine is @theirs, then come zeroes, and behind @size nothing is written. */
static bool is_result(const unsigned char *mine, const unsigned char *theirs,
		      size_t known, size_t size, size_t total)
{
	for (size_t i = 0; i < total; i++)
		if (mine[i] != (i >= size ? 0xa5 : i < known ? theirs[i] : 0))
			return false;
	return true;
}

#define LONGEST	4200

static void expect_results(struct __test_metadata *_metadata, int fd,
			   unsigned int nr, const void *known, size_t len)
{
	unsigned char result[LONGEST + 1];

	for (size_t size = 0; size <= LONGEST; size++) {
		memset(result, 0xa5, sizeof(result));
		ASSERT_EQ(0, ioctl(fd, _IOC(_IOC_READ, FAULTMAP_IOC_MAGIC, nr, size),
				   result));
		ASSERT_TRUE(is_result(result, known, len, size, sizeof(result)))
			TH_LOG("ioctl %u of %zu bytes", nr, size);
	}
}

/* Results are what is documented, whatever size is asked for. */
TEST_F(buffer, results_hold_nothing_else)
{
	struct faultmap_info info = {
		.bytes = FM_PAGES * self->page,
		.memory = variant->memory,
		.strategy = variant->strategy,
		.window = self->window,
		.flags = fm_info_memory(variant->memory) |
			 (fm_is_device(variant) ? 0 : FAULTMAP_INFO_PRIVATE),
		.held = fm_is_device(variant) ? 0 : FM_PAGES * self->page,
	}, seen;
	struct faultmap_stats stats = { 0 };

	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_INFO, &seen));
	info.extents = seen.extents;
	expect_results(_metadata, self->fd, _IOC_NR(FAULTMAP_INFO), &info,
		       sizeof(info));
	expect_results(_metadata, self->fd, _IOC_NR(FAULTMAP_STATS), &stats,
		       sizeof(stats));
}

/* Addresses of x86-64's kernel, and of most others': 16 digits from ffff on. */
static bool has_kernel_address(const char *text)
{
	const char *at = text;

	while ((at = strcasestr(at, "ffff"))) {
		if (strspn(at, "0123456789abcdefABCDEF") == 16 &&
		    (at == text || !isxdigit(at[-1])))
			return true;
		at++;
	}
	return false;
}

/* Whether some line of a file with @word, or any with "", has such an address. */
static int file_has_kernel_address(const char *path, const char *word)
{
	FILE *file = fopen(path, "r");
	char line[1024];
	bool found = false;

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		found |= strstr(line, word) && has_kernel_address(line);
	fclose(file);
	return found;
}

#define TRACING	"/sys/kernel/tracing"

static void use_everything(const FIXTURE_DATA(buffer) *self)
{
	char *map = fm_map(self, 0, FM_PAGES);

	fm_write_at(map);
	munmap(map + self->page, self->page);
	map = mremap(map, self->page, 2 * self->page, MREMAP_MAYMOVE);
	fm_map(self, FM_PAGES, 1);
	fm_resize(self->fd, 1);
	ioctl(self->fd, FAULTMAP_REVOKE);
	fm_read_at(map);
}

#define FROM_HERE	"access_test: from here on"

/* What others had the driver say before, of addresses that they gave it, is theirs. */
static char *log_from_here(char *log)
{
	char *at = log, *next;

	while ((next = strstr(at, FROM_HERE)))
		at = next + strlen(FROM_HERE);
	return at;
}

static int log_has_kernel_address(void)
{
	int size = klogctl(10, NULL, 0);	/* SYSLOG_ACTION_SIZE_BUFFER */
	char *log = calloc(1, size + 1), *line;
	bool found = false;

	if (size < 0 || klogctl(3, log, size) < 0)	/* _READ_ALL */
		return -errno;
	for (line = strtok(log_from_here(log), "\n"); line; line = strtok(NULL, "\n"))
		found |= strcasestr(line, "faultmap") && has_kernel_address(line);
	free(log);
	return found;
}

TEST_F(buffer, no_kernel_addresses)
{
	char path[64];

	ASSERT_TRUE(has_kernel_address("at ffff888012345678."));
	ASSERT_TRUE(has_kernel_address("0xFFFFffff81000000"));
	ASSERT_FALSE(has_kernel_address("ffff, 0x7fffffffffffffff"));

	if (fm_put(TRACING "/events/faultmap/enable", "1"))
		SKIP(return, "needs tracefs at " TRACING);
	ASSERT_EQ(0, fm_put("/dev/kmsg", "<6>" FROM_HERE "\n"));
	use_everything(self);
	fm_put(TRACING "/events/faultmap/enable", "0");
	EXPECT_EQ(0, file_has_kernel_address(TRACING "/trace", ""));
	close(open(TRACING "/trace", O_WRONLY | O_TRUNC));

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	EXPECT_EQ(0, file_has_kernel_address(path, ""));
	EXPECT_EQ(0, file_has_kernel_address("/proc/self/maps", "faultmap"));
	EXPECT_EQ(0, log_has_kernel_address());
}

TEST_HARNESS_MAIN

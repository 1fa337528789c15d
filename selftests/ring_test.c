// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring of module/examples: the same pages at two offsets, what of them may be
 * written, and records that get through whole, whatever user space writes to the header.
 */
#include <poll.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "examples/ring.h"
#include "examples.h"

#define NODE		"/dev/ring"
#define PATIENCE	20000	/* milliseconds, for what comes at once */

/* What a consumer has: the header to write, the data twice in a row to read. */
struct ring {
	struct ring_header *header;
	char *data;
	size_t page, bytes;
};

FIXTURE(ring)
{
	struct ring ring;
	size_t largest;		/* what a record may hold */
	bool loaded;
	int fd;
};

static bool map_ring(struct ring *ring, int fd)
{
	ring->page = fm_page_size();
	ring->bytes = RING_PAGES * ring->page;
	ring->header = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ring->data = mmap(NULL, 2 * ring->bytes, PROT_READ, MAP_SHARED, fd, ring->page);
	return ring->header != MAP_FAILED && ring->data != MAP_FAILED;
}

FIXTURE_SETUP(ring)
{
	if (!examples_directory())
		SKIP(return, "no directory of the examples: FAULTMAP_EXAMPLES may name it");
	if (geteuid())
		SKIP(return, "only root loads modules");
	ASSERT_EQ(0, load_example("ring", ""));
	self->loaded = true;
	self->fd = open(NODE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_TRUE(map_ring(&self->ring, self->fd));
	self->largest = self->ring.bytes / 2 - sizeof(struct ring_record);
}

FIXTURE_TEARDOWN(ring)
{
	if (!self->loaded)
		return;
	munmap(self->ring.header, self->ring.page);
	munmap(self->ring.data, 2 * self->ring.bytes);
	close(self->fd);
	EXPECT_EQ(0, unload_example("ring"));
}

/* The harness of 6.1 goes on with a test whose setup has skipped it. */
#define LOADED_OR_RETURN() do { \
	if (!self->loaded) \
		return; \
} while (0)

static uint32_t head_of(const struct ring *ring)
{
	return __atomic_load_n(&ring->header->head, __ATOMIC_ACQUIRE);
}

static void set_tail(const struct ring *ring, uint32_t tail)
{
	__atomic_store_n(&ring->header->tail, tail, __ATOMIC_RELEASE);
}

/* Where the record at the tail lies in one piece, or NULL if there is none. */
static const struct ring_record *first_record(const struct ring *ring)
{
	uint32_t tail = ring->header->tail;

	if (tail == head_of(ring))
		return NULL;
	return (const void *)(ring->data + tail % ring->bytes);
}

static void consume(const struct ring *ring, const struct ring_record *record)
{
	set_tail(ring, ring->header->tail + ring_record_size(record->bytes));
}

static void consume_all(const struct ring *ring)
{
	set_tail(ring, head_of(ring));
}

static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static short ready(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, 0) < 0 ? -1 : pfd.revents;
}

/*
 * When its time is over, poll(2) looks once more, so that a wakeup that was lost shows
 * by the time alone.
 */
static bool comes(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	long start = now();
	int n = poll(&pfd, 1, PATIENCE);

	return n == 1 && pfd.revents == events && now() - start < PATIENCE;
}

/* Appends a record of as many bytes, all alike; 0 or -errno. */
static int append(int fd, size_t bytes, int fill)
{
	char *buf = malloc(bytes + 1);
	long ret;

	memset(buf, fill, bytes);
	ret = fm_errno(write(fd, buf, bytes));
	free(buf);
	return ret == (long)bytes ? 0 : ret < 0 ? ret : -EIO;
}

static bool is_filled(const char *addr, size_t bytes, char fill)
{
	while (bytes && *addr == fill) {
		addr++;
		bytes--;
	}
	return !bytes;
}

/* Whether the first record has as many bytes, all alike. */
static bool first_is(const struct ring *ring, size_t bytes, char fill)
{
	const struct ring_record *record = first_record(ring);

	return record && record->bytes == bytes &&
	       is_filled((const char *)record->data, bytes, fill);
}

/* The child returns @fn's value by its exit status. */
static pid_t spawn(int (*fn)(const struct ring *ring), const struct ring *ring)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(fn(ring));
}

/* The status, or -1 for a child that had to be killed, since it does not come back. */
static int reap(pid_t pid)
{
	long start = now();
	int status;

	while (now() - start < 2 * PATIENCE) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		usleep(1000);
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

static bool is_asleep(pid_t pid)
{
	char path[64], state = 0;
	long start = now();
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (state != 'S' && now() - start < PATIENCE) {
		usleep(1000);
		stat = fopen(path, "r");
		if (!stat)
			return false;
		if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
			state = 0;
		fclose(stat);
	}
	return state == 'S';
}

TEST_F(ring, record_goes_through)
{
	const struct ring *ring = &self->ring;
	const struct ring_record *record;
	struct iovec parts[] = {
		{ .iov_base = "two ", .iov_len = 4 },
		{ .iov_base = "parts", .iov_len = 5 },
	};
	uint32_t head;

	LOADED_OR_RETURN();
	head = head_of(ring);
	EXPECT_EQ(head, ring->header->tail);
	EXPECT_EQ(NULL, first_record(ring));
	EXPECT_EQ(5, write(self->fd, "bytes", 5));
	EXPECT_EQ(9, writev(self->fd, parts, 2));
	EXPECT_EQ(0, write(self->fd, "", 0));
	EXPECT_EQ(head + ring_record_size(5) + ring_record_size(9) + ring_record_size(0),
		  head_of(ring));
	record = first_record(ring);
	ASSERT_NE(NULL, record);
	EXPECT_EQ(5, record->bytes);
	EXPECT_EQ(0, memcmp(record->data, "bytes", 5));
	consume(ring, record);
	record = first_record(ring);
	EXPECT_EQ(9, record->bytes);
	EXPECT_EQ(0, memcmp(record->data, "two parts", 9));
	consume(ring, record);
	record = first_record(ring);
	EXPECT_EQ(0, record->bytes);
	consume(ring, record);
	EXPECT_EQ(NULL, first_record(ring));
}

TEST_F(ring, refuses_other_ways)
{
	const struct ring *ring = &self->ring;
	uint32_t head;
	char *bad;

	LOADED_OR_RETURN();
	head = head_of(ring);
	bad = fm_reserve(1);
	EXPECT_EQ(-1, read(self->fd, bad, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pwrite(self->fd, "x", 1, ring->page));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, write(self->fd, bad, 100));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-EMSGSIZE, append(self->fd, self->largest + 1, 1));
	EXPECT_EQ(head, head_of(ring));
	EXPECT_EQ(0, append(self->fd, self->largest, 1));
	EXPECT_EQ((uint32_t)(head + ring->bytes / 2), head_of(ring));
	munmap(bad, ring->page);
}

/* Once around, and some: what is written lies at both offsets. */
TEST_F(ring, shows_the_data_twice)
{
	const struct ring *ring = &self->ring;

	LOADED_OR_RETURN();
	for (int i = 1; i <= 100; i++) {
		EXPECT_EQ(0, append(self->fd, ring->page / 2 + i, i));
		consume_all(ring);
	}
	EXPECT_EQ(0, memcmp(ring->data, ring->data + ring->bytes, ring->bytes));
	for (size_t i = 0; i < RING_PAGES; i++)
		EXPECT_NE(0, ring->data[i * ring->page + ring->page / 2]);
}

/* The end of the ring comes after each of a record's first bytes once. */
TEST_F(ring, record_over_the_seam_is_whole)
{
	const struct ring *ring = &self->ring;

	LOADED_OR_RETURN();
	for (size_t before = 0; before <= 64; before += 4) {
		size_t at = ring->bytes - before;
		size_t skip = (at + ring->bytes - head_of(ring) % ring->bytes) % ring->bytes;

		for (size_t n; skip; skip -= n) {
			n = skip < ring->bytes / 2 ? skip : ring->bytes / 2;
			ASSERT_EQ(0, append(self->fd, n - sizeof(struct ring_record), 1));
			consume_all(ring);
		}
		ASSERT_EQ(at % ring->bytes, head_of(ring) % ring->bytes);
		EXPECT_EQ(0, append(self->fd, 2 * ring->page, 'a' + before / 4));
		EXPECT_TRUE(first_is(ring, 2 * ring->page, 'a' + before / 4));
		if (before)
			EXPECT_EQ('a' + before / 4, ring->data[0]);
		consume_all(ring);
	}
}

static int map_errno(int fd, size_t first, size_t pages, int prot, int flags)
{
	size_t page = fm_page_size();
	void *map = mmap(NULL, pages * page, prot, flags, fd, first * page);

	if (map == MAP_FAILED)
		return errno;
	munmap(map, pages * page);
	return 0;
}

TEST_F(ring, data_is_not_writable)
{
	const struct ring *ring = &self->ring;
	const int rw = PROT_READ | PROT_WRITE, all = 1 + 2 * RING_PAGES;
	int mem;

	LOADED_OR_RETURN();
	for (int first = 0; first < all; first++)
		EXPECT_EQ(first ? EACCES : 0, map_errno(self->fd, first, 1, rw, MAP_SHARED));
	EXPECT_EQ(EACCES, map_errno(self->fd, 0, 2, rw, MAP_SHARED));
	EXPECT_EQ(EACCES, map_errno(self->fd, 0, all, rw, MAP_SHARED));
	EXPECT_EQ(EACCES, map_errno(self->fd, 1, all - 1, PROT_WRITE, MAP_SHARED));
	EXPECT_EQ(0, map_errno(self->fd, 0, all, PROT_READ, MAP_SHARED));
	EXPECT_EQ(ENXIO, map_errno(self->fd, 0, all + 1, PROT_READ, MAP_SHARED));
	EXPECT_EQ(ENXIO, map_errno(self->fd, all, 1, PROT_READ, MAP_SHARED));

	EXPECT_EQ(-1, mprotect(ring->data, 2 * ring->bytes, rw));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(ring->data + ring->bytes, ring->page, PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(SIGSEGV, fm_write_at(ring->data));
	EXPECT_EQ(0, fm_read_at(ring->data));
	mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, mem);
	EXPECT_EQ(-1, pwrite(mem, "x", 1, (off_t)(uintptr_t)ring->data));
	EXPECT_EQ(1, pwrite(mem, "x", 1, (off_t)(uintptr_t)ring->header->unused));
	EXPECT_EQ('x', *(char *)ring->header->unused);
	EXPECT_EQ(0, ring->data[0]);
	close(mem);
}

TEST_F(ring, mixed_mapping_is_not_writable)
{
	const struct ring *ring = &self->ring;
	char *map;

	LOADED_OR_RETURN();
	map = mmap(NULL, 2 * ring->page, PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, mprotect(map, ring->page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(0, munmap(map + ring->page, ring->page));
	EXPECT_EQ(-1, mprotect(map, ring->page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(head_of(ring), *(uint32_t *)map);
	munmap(map, ring->page);
}

TEST_F(ring, has_no_private_mapping)
{
	int fd;

	LOADED_OR_RETURN();
	for (int first = 0; first < 2; first++) {
		EXPECT_EQ(EINVAL, map_errno(self->fd, first, 1, PROT_READ, MAP_PRIVATE));
		EXPECT_EQ(EINVAL, map_errno(self->fd, first, 1, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE));
	}
	/* Of a file that cannot be written, a shared mapping has lost VM_SHARED. */
	fd = open(NODE, O_RDONLY | O_CLOEXEC);
	EXPECT_EQ(0, map_errno(fd, 0, 1 + 2 * RING_PAGES, PROT_READ, MAP_SHARED));
	EXPECT_EQ(0, map_errno(fd, 0, 1, PROT_READ, MAP_SHARED));
	EXPECT_EQ(EACCES, map_errno(fd, 0, 1, PROT_READ | PROT_WRITE, MAP_SHARED));
	EXPECT_EQ(EINVAL, map_errno(fd, 1, 1, PROT_READ, MAP_PRIVATE));
	close(fd);
}

TEST_F(ring, header_stays_writable)
{
	const struct ring *ring = &self->ring;

	LOADED_OR_RETURN();
	EXPECT_EQ(0, mprotect(ring->header, ring->page, PROT_READ));
	EXPECT_EQ(SIGSEGV, fm_write_at(ring->header));
	EXPECT_EQ(0, mprotect(ring->header, ring->page, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, fm_write_at(ring->header));
	EXPECT_EQ(0, append(self->fd, 100, 7));
	EXPECT_TRUE(first_is(ring, 100, 7));
	consume_all(ring);
	EXPECT_EQ(POLLOUT, ready(self->fd, POLLIN | POLLOUT));
}

/* A header that grew would have the data behind it, and its own protection. */
TEST_F(ring, header_does_not_grow)
{
	const struct ring *ring = &self->ring;
	char *free = fm_reserve(2 + 2 * RING_PAGES);

	LOADED_OR_RETURN();
	EXPECT_EQ(0, munmap(free, (2 + 2 * RING_PAGES) * ring->page));
	EXPECT_EQ(MAP_FAILED, mremap(ring->header, ring->page, 2 * ring->page, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(ring->header, ring->page, ring->page + 2 * ring->bytes,
				     MREMAP_MAYMOVE | MREMAP_FIXED, free));
	EXPECT_EQ(MAP_FAILED, mremap(ring->header, 0, 2 * ring->page, MREMAP_MAYMOVE));
	EXPECT_EQ(0, fm_write_at(ring->header));
	EXPECT_EQ(MAP_FAILED, mremap(ring->data, 2 * ring->bytes, 3 * ring->bytes,
				     MREMAP_MAYMOVE));
	EXPECT_EQ(0, fm_read_at(ring->data));
}

/* The kernel asks mmap again, with the protection that there is. */
TEST_F(ring, header_does_not_become_data)
{
	const struct ring *ring = &self->ring;
	char *map;

	LOADED_OR_RETURN();
	map = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-1, remap_file_pages(map, ring->page, 0, 1, 0));
	EXPECT_EQ(EACCES, errno);
	munmap(map, ring->page);
}

/* Parts of the mappings, moved: the pages are those of the offsets all the same. */
TEST_F(ring, moves_and_goes_in_parts)
{
	struct ring *ring = &self->ring;
	void *header;
	char *second;

	LOADED_OR_RETURN();
	for (int i = 1; i <= 40; i++) {
		EXPECT_EQ(0, append(self->fd, ring->page / 2, i));
		consume_all(ring);
	}
	second = mremap(ring->data + ring->bytes, ring->bytes, ring->bytes,
			MREMAP_MAYMOVE | MREMAP_FIXED, fm_reserve(RING_PAGES));
	ASSERT_NE(MAP_FAILED, second);
	EXPECT_EQ(0, memcmp(ring->data, second, ring->bytes));
	EXPECT_EQ(0, madvise(ring->data, ring->bytes, MADV_DONTNEED));
	EXPECT_EQ(0, memcmp(ring->data, second, ring->bytes));
	EXPECT_EQ(0, munmap(second + ring->page, ring->page));
	EXPECT_EQ(SIGSEGV, fm_read_at(second + ring->page));
	EXPECT_EQ(0, memcmp(ring->data, second, ring->page));
	EXPECT_EQ(0, memcmp(ring->data + 2 * ring->page, second + 2 * ring->page,
			    ring->bytes - 2 * ring->page));
	EXPECT_EQ(-1, mprotect(second, ring->page, PROT_READ | PROT_WRITE));
	munmap(second, ring->bytes);

	header = mremap(ring->header, ring->page, ring->page,
			MREMAP_MAYMOVE | MREMAP_FIXED, fm_reserve(1));
	ASSERT_NE(MAP_FAILED, header);
	ring->header = header;
	EXPECT_EQ(0, append(self->fd, 3, 3));
	consume_all(ring);
	EXPECT_EQ(POLLOUT, ready(self->fd, POLLIN | POLLOUT));
}

/* A child has its parent's mappings: it consumes, and may write no more than that. */
static int consume_one(const struct ring *ring)
{
	const struct ring_record *record = first_record(ring);

	if (!record || record->bytes != 5 || memcmp(record->data, "child", 5))
		return 1;
	if (!mprotect(ring->data, ring->page, PROT_READ | PROT_WRITE))
		return 2;
	consume(ring, record);
	return 0;
}

TEST_F(ring, is_inherited)
{
	const struct ring *ring = &self->ring;

	LOADED_OR_RETURN();
	EXPECT_EQ(5, write(self->fd, "child", 5));
	EXPECT_EQ(6, write(self->fd, "parent", 6));
	EXPECT_EQ(0, reap(spawn(consume_one, ring)));
	ASSERT_NE(NULL, first_record(ring));
	EXPECT_EQ(0, memcmp(first_record(ring)->data, "parent", 6));
}

/* All open files are of one ring, and each may be the last one. */
TEST_F(ring, stays_while_mapped)
{
	int fd;

	LOADED_OR_RETURN();
	EXPECT_EQ(0, append(self->fd, 10, 'k'));
	close(self->fd);
	EXPECT_EQ(-EWOULDBLOCK, unload_example("ring"));
	munmap(self->ring.header, self->ring.page);
	EXPECT_EQ(-EWOULDBLOCK, unload_example("ring"));
	EXPECT_EQ('k', self->ring.data[sizeof(struct ring_record)]);
	fd = open(NODE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	EXPECT_LE(0, fd);
	munmap(self->ring.data, 2 * self->ring.bytes);
	EXPECT_EQ(-EWOULDBLOCK, unload_example("ring"));
	ASSERT_TRUE(map_ring(&self->ring, fd));
	EXPECT_TRUE(first_is(&self->ring, 10, 'k'));
	self->fd = fd;
}

/* Every byte of the ring is used, no more. */
TEST_F(ring, fills_up)
{
	const struct ring *ring = &self->ring;
	uint32_t tail;

	LOADED_OR_RETURN();
	tail = ring->header->tail;
	EXPECT_EQ(POLLOUT, ready(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(0, append(self->fd, self->largest, 1));
	EXPECT_EQ(POLLIN | POLLOUT, ready(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(0, append(self->fd, self->largest - 8, 2));
	EXPECT_EQ(POLLIN, ready(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(-EAGAIN, append(self->fd, 5, 3));
	EXPECT_EQ(0, append(self->fd, 4, 3));
	EXPECT_EQ((uint32_t)(tail + ring->bytes), head_of(ring));
	EXPECT_EQ(-EAGAIN, append(self->fd, 0, 4));
	ASSERT_TRUE(first_is(ring, self->largest, 1));
	consume(ring, first_record(ring));
	EXPECT_EQ(POLLIN | POLLOUT, ready(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(0, append(self->fd, self->largest, 5));
	EXPECT_EQ(POLLIN, ready(self->fd, POLLIN | POLLOUT));
	EXPECT_TRUE(first_is(ring, self->largest - 8, 2));
}

/* Three who wait, each by a file of its own; they return 0 if they were woken in time. */
static int wait_for(short events)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC);

	return !(fd >= 0 && comes(fd, events));
}

static int wait_for_record(const struct ring *ring)
{
	return wait_for(POLLIN);
}

static int wait_for_room(const struct ring *ring)
{
	return wait_for(POLLOUT);
}

static int wait_in_write(const struct ring *ring)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC);

	return append(fd, ring->page, 'w') ? 1 : 0;
}

TEST_F(ring, record_wakes)
{
	pid_t pid;

	LOADED_OR_RETURN();
	pid = spawn(wait_for_record, &self->ring);
	EXPECT_TRUE(is_asleep(pid));
	EXPECT_EQ(0, append(self->fd, 1, 1));
	EXPECT_EQ(0, reap(pid));
}

/* Who waits for room is woken by poll(2) of who has made it. */
TEST_F(ring, room_wakes)
{
	const struct ring *ring = &self->ring;
	pid_t pollers[2], writer;

	LOADED_OR_RETURN();
	EXPECT_EQ(0, append(self->fd, self->largest, 1));
	EXPECT_EQ(0, append(self->fd, self->largest, 2));
	pollers[0] = spawn(wait_for_room, ring);
	pollers[1] = spawn(wait_for_room, ring);
	writer = spawn(wait_in_write, ring);
	EXPECT_TRUE(is_asleep(pollers[0]));
	EXPECT_TRUE(is_asleep(pollers[1]));
	EXPECT_TRUE(is_asleep(writer));
	consume_all(ring);
	ready(self->fd, POLLIN);
	EXPECT_EQ(0, reap(writer));
	EXPECT_EQ(0, reap(pollers[0]));
	EXPECT_EQ(0, reap(pollers[1]));
	EXPECT_TRUE(first_is(ring, ring->page, 'w'));
}

/* Two who wait for room, and ask each other, do not run for ever. */
TEST_F(ring, waiting_costs_nothing)
{
	struct rusage usage;
	pid_t pids[2];
	int status;

	LOADED_OR_RETURN();
	EXPECT_EQ(0, append(self->fd, self->largest, 1));
	EXPECT_EQ(0, append(self->fd, self->largest, 2));
	for (int i = 0; i < 2; i++)
		pids[i] = spawn(wait_for_room, &self->ring);
	sleep(2);
	for (int i = 0; i < 2; i++) {
		EXPECT_TRUE(is_asleep(pids[i]));
		kill(pids[i], SIGKILL);
		EXPECT_EQ(pids[i], wait4(pids[i], &status, 0, &usage));
		EXPECT_GT(1000, usage.ru_nvcsw);
	}
}

static void nothing(int sig)
{
}

static int interrupted_write(const struct ring *ring)
{
	struct sigaction sa = { .sa_handler = nothing };
	int fd = open(NODE, O_RDWR | O_CLOEXEC);

	sigaction(SIGUSR1, &sa, NULL);
	return append(fd, 100, 'i') != -EINTR;
}

TEST_F(ring, waiting_is_interrupted)
{
	pid_t pid;

	LOADED_OR_RETURN();
	EXPECT_EQ(0, append(self->fd, self->largest, 1));
	EXPECT_EQ(0, append(self->fd, self->largest, 2));
	pid = spawn(interrupted_write, &self->ring);
	EXPECT_TRUE(is_asleep(pid));
	kill(pid, SIGUSR1);
	EXPECT_EQ(0, reap(pid));
}

static int write_to_wrong_tail(const struct ring *ring)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC);

	return append(fd, 100, 'x') != -EPROTO;
}

/* A tail from which no record leads to the head: nothing is written, and it can be mended. */
TEST_F(ring, wrong_tail_is_refused)
{
	const struct ring *ring = &self->ring;
	const uint32_t beyond[] = {
		1, 4, ring->page, ring->bytes - 1, ring->bytes, 1U << 31, ~0U - ring->bytes,
		(1U << 31) - 1, 0xdeadbeef,
	};
	char *copy = malloc(ring->bytes);
	uint32_t head;
	pid_t pid;

	LOADED_OR_RETURN();
	EXPECT_EQ(0, append(self->fd, self->largest, 1));
	EXPECT_EQ(0, append(self->fd, self->largest - 100, 2));
	pid = spawn(write_to_wrong_tail, ring);
	EXPECT_TRUE(is_asleep(pid));
	head = head_of(ring);
	memcpy(copy, ring->data, ring->bytes);
	for (size_t i = 0; i < sizeof(beyond) / sizeof(*beyond); i++) {
		set_tail(ring, head + beyond[i]);
		EXPECT_EQ(POLLERR, ready(self->fd, POLLIN | POLLOUT));
		EXPECT_EQ(-EPROTO, append(self->fd, 1, 3));
		EXPECT_EQ(-EPROTO, append(self->fd, 0, 3));
		EXPECT_EQ(-EPROTO, append(self->fd, self->largest, 3));
		EXPECT_EQ(head, head_of(ring));
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, memcmp(copy, ring->data, ring->bytes));
	set_tail(ring, head - ring->bytes);
	EXPECT_EQ(POLLIN, ready(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(-EAGAIN, append(self->fd, 0, 3));
	set_tail(ring, head);
	EXPECT_EQ(POLLOUT, ready(self->fd, POLLIN | POLLOUT));
	EXPECT_EQ(0, append(self->fd, 9, 4));
	EXPECT_TRUE(first_is(ring, 9, 4));
	free(copy);
}

/* The kernel tells where the head is, and never asks. */
TEST_F(ring, wrong_head_is_mended)
{
	const struct ring *ring = &self->ring;
	uint32_t head;

	LOADED_OR_RETURN();
	head = head_of(ring);
	for (int i = 1; i <= 20; i++) {
		ring->header->head = i * 0x3e9c4d5;
		EXPECT_EQ(0, append(self->fd, i, i));
		EXPECT_EQ((uint32_t)(head + ring_record_size(i)), head_of(ring));
		EXPECT_TRUE(first_is(ring, i, i));
		head = head_of(ring);
		consume_all(ring);
	}
}

/* Between records, and not aligned: what is overwritten was given up. */
TEST_F(ring, odd_tail_is_only_a_number)
{
	const struct ring *ring = &self->ring;
	uint32_t head;

	LOADED_OR_RETURN();
	EXPECT_EQ(0, append(self->fd, self->largest, 1));
	EXPECT_EQ(0, append(self->fd, self->largest, 2));
	head = head_of(ring);
	set_tail(ring, head - ring->bytes + 7);
	EXPECT_EQ(-EAGAIN, append(self->fd, 1, 3));
	EXPECT_EQ(0, append(self->fd, 0, 3));
	set_tail(ring, head - 1);
	EXPECT_EQ(0, append(self->fd, self->largest, 4));
	head += ring_record_size(0) + ring->bytes / 2;
	EXPECT_EQ(head, head_of(ring));
	consume_all(ring);
	EXPECT_EQ(0, append(self->fd, 100, 5));
	EXPECT_TRUE(first_is(ring, 100, 5));
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* All of the header, until killed. */
static int scribble(const struct ring *ring)
{
	volatile uint32_t *words = (uint32_t *)ring->header;
	volatile uint32_t *tail = &ring->header->tail;
	uint64_t state = 88172645463325252ULL;
	uint32_t head, some;

	for (unsigned int i = 1; i; i++) {
		some = next_random(&state);
		/* Half of the tails are in the ring, so that writers write. */
		head = words[0];
		*tail = some & 1 ? some : head - some % ring->bytes;
		words[0] = some;
		words[0] = head;
		words[1 + next_random(&state) % (ring->page / 4 - 1)] = some;
	}
	return 0;
}

/* Whatever is in the header, meanwhile too, writers get one of the answers there are. */
TEST_F(ring, scribbled_header_is_survived)
{
	const struct ring *ring = &self->ring;
	unsigned int written = 0, refused = 0, others = 0;
	pid_t pid;

	LOADED_OR_RETURN();
	pid = spawn(scribble, ring);
	for (int i = 0; i < 200000 && (i < 20000 || !written || !refused); i++) {
		int ret = append(self->fd, i * 37 % (self->largest / 8), i);

		written += !ret;
		refused += ret == -EPROTO;
		others += ret && ret != -EPROTO && ret != -EAGAIN;
		ready(self->fd, POLLIN | POLLOUT);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	EXPECT_LT(0, written);
	EXPECT_LT(0, refused);
	EXPECT_EQ(0, others);
}

/*
 * Two processes write records of random sizes and bytes, with a checksum, and one reads
 * them. Each record must come once, whole and in its writer's order.
 */
#define STRESS_BYTES	(6u << 20)
#define STRESS_WRITERS	2

struct message {
	uint32_t writer, number, sum;
	unsigned char bytes[];
};

static uint32_t sum_of(const struct message *message, size_t bytes)
{
	uint32_t sum = message->writer * 31 + message->number;

	for (size_t i = 0; i < bytes; i++)
		sum = sum * 16777619 ^ message->bytes[i];
	return sum;
}

/* Mostly small, some as large as may be. */
static size_t random_size(uint64_t *state, size_t largest)
{
	size_t limit = next_random(state) % 32 ? 600 : largest - sizeof(struct message);

	return next_random(state) % (limit + 1);
}

/* By poll(2) with O_NONBLOCK, where a record of any size must go after POLLOUT. */
static int write_message(int fd, const void *message, size_t bytes)
{
	for (;;) {
		long ret = fm_errno(write(fd, message, bytes));

		if (ret == (long)bytes)
			return 0;
		if (ret != -EAGAIN || !comes(fd, POLLOUT))
			return 1;
	}
}

static int write_stream(const struct ring *ring, uint32_t writer)
{
	size_t largest = ring->bytes / 2 - sizeof(struct ring_record), bytes, sent;
	int fd = open(NODE, O_RDWR | O_CLOEXEC | (writer ? O_NONBLOCK : 0));
	struct message *message = malloc(largest);
	uint64_t state = 0x9e3779b97f4a7c15ULL + writer;

	message->writer = writer;
	message->number = 0;
	for (sent = 0; sent < STRESS_BYTES; sent += bytes) {
		bytes = random_size(&state, largest);
		for (size_t i = 0; i < bytes; i += 8) {
			uint64_t word = next_random(&state);

			memcpy(message->bytes + i, &word, bytes - i < 8 ? bytes - i : 8);
		}
		message->sum = sum_of(message, bytes);
		if (write_message(fd, message, sizeof(*message) + bytes))
			return 1;
		message->number++;
	}
	return 0;
}

static int first_writer(const struct ring *ring)
{
	return write_stream(ring, 0);
}

static int second_writer(const struct ring *ring)
{
	return write_stream(ring, 1);
}

/* What a reader has got so far, of each writer. */
struct stream {
	uint32_t number;
	size_t got;
};

static bool take_message(struct stream *streams, const struct ring_record *record)
{
	const struct message *message = (const void *)record->data;
	size_t bytes = record->bytes - sizeof(*message);
	struct stream *stream;

	if (record->bytes < sizeof(*message) || message->writer >= STRESS_WRITERS)
		return false;
	stream = &streams[message->writer];
	if (message->number != stream->number || message->sum != sum_of(message, bytes))
		return false;
	stream->number++;
	stream->got += bytes;
	return true;
}

/* Returns whether all came as it was sent. */
static bool read_streams(const struct ring *ring, int fd)
{
	struct stream streams[STRESS_WRITERS] = {};
	const struct ring_record *record;

	while (streams[0].got < STRESS_BYTES || streams[1].got < STRESS_BYTES) {
		record = first_record(ring);
		if (record && !take_message(streams, record))
			return false;
		if (record)
			consume(ring, record);
		else if (!comes(fd, POLLIN))
			return false;
	}
	return true;
}

TEST_F(ring, streams_go_through)
{
	const struct ring *ring = &self->ring;
	uint32_t before;
	pid_t pids[2];

	LOADED_OR_RETURN();
	before = head_of(ring);
	pids[0] = spawn(first_writer, ring);
	pids[1] = spawn(second_writer, ring);
	EXPECT_TRUE(read_streams(ring, self->fd));
	EXPECT_EQ(0, reap(pids[0]));
	EXPECT_EQ(0, reap(pids[1]));
	EXPECT_EQ(NULL, first_record(ring));
	EXPECT_LT(100 * ring->bytes, (uint32_t)(head_of(ring) - before));
	/* The positions have wrapped meanwhile. */
	EXPECT_GT(before, head_of(ring));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Futexes that processes share. The kernel knows such a futex by the file that its
 * page belongs to and the page's place there; so they work where pages are mapped,
 * as in a memfd, and not in frames.
 */
#include <pthread.h>
#include <semaphore.h>

#include "buffer_fixture.h"
#include "shared_futex.h"

static long expected(const FIXTURE_VARIANT(buffer) *variant)
{
	return fm_is_by_page(variant) ? 0 : EFAULT;
}

TEST_F(buffer, between_processes)
{
	char *map = fm_map(self, 0, FM_PAGES);
	long woken;
	pid_t pid;
	int ret;

	ASSERT_NE(MAP_FAILED, map);
	pid = waiter(self->fd, 3);
	ASSERT_LE(0, pid);
	woken = wake(map + 3 * self->page, pid);
	ret = exit_code(pid);
	errno = ret;
	SAW("FUTEX_WAIT in one process, FUTEX_WAKE in another", "%s",
	    fm_outcome(!ret));
	EXPECT_EQ(expected(variant), ret);
	EXPECT_EQ(ret ? -EFAULT : 1, woken);
	EXPECT_STAMPS(map, 0, FM_PAGES);
}

static void *wait_privately(void *word)
{
	return (void *)(intptr_t)wait_at(word, FUTEX_WAIT_PRIVATE);
}

/* Between threads it is the address that counts, and not what is there. */
TEST_F(buffer, between_threads)
{
	char *map = fm_map(self, 0, FM_PAGES);
	pthread_t thread;
	void *ret;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_privately, map));
	while (!futex(map, FUTEX_WAKE_PRIVATE, 1, NULL) &&
	       pthread_tryjoin_np(thread, &ret) == EBUSY)
		usleep(100);
	pthread_join(thread, &ret);
	errno = (intptr_t)ret;
	SAW("FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE", "%s", fm_outcome(!ret));
	EXPECT_EQ(NULL, ret);
}

TEST_F(buffer, through_other_strategies)
{
	static const char *const strategies[] = { "lazy", "eager-page" };
	int fds[2];
	pid_t pid;

	if (!fm_is_by_page(variant))
		DOES_NOT_APPLY("futexes are not for frames");
	for (size_t i = 0; i < 2; i++) {
		fds[i] = open(fm_node_by(variant, strategies[i]), O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fds[i]);
	}
	for (size_t i = 0; i < 2; i++) {
		char *map = map_elsewhere(fds[i], FM_PAGES);

		ASSERT_NE(MAP_FAILED, map);
		pid = waiter(fds[!i], 5);
		ASSERT_LE(0, pid);
		EXPECT_EQ(1, wake(map + 5 * self->page, pid));
		EXPECT_EQ(0, exit_code(pid));
		munmap(map, FM_PAGES * self->page);
	}
	close(fds[0]);
	close(fds[1]);
}

/* Of two buffers, the same place is two. */
TEST_F(buffer, buffers_are_told_apart)
{
	char *map = fm_map(self, 0, FM_PAGES);
	pid_t pid;
	int fd;

	if (!fm_is_by_page(variant))
		DOES_NOT_APPLY("futexes are not for frames");
	fd = fm_create(variant->memory, variant->strategy, FM_PAGES);
	ASSERT_LE(0, fd);
	pid = waiter(fd, 2);
	let_sleep(pid);
	EXPECT_EQ(0, futex(map + 2 * self->page, FUTEX_WAKE, INT_MAX, NULL));
	map = map_elsewhere(fd, FM_PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(1, wake(map + 2 * self->page, pid));
	EXPECT_EQ(0, exit_code(pid));
	close(fd);
}

/* Only who waits at page @index is woken there, whatever page else is tried. */
static void expect_apart(struct __test_metadata *_metadata, int fd, char *map,
			 size_t index, size_t pages)
{
	size_t page = fm_page_size(), i, others = 0;
	pid_t pid = waiter(fd, index);

	let_sleep(pid);
	for (i = 0; i < pages; i++)
		if (i != index)
			others += futex(map + i * page, FUTEX_WAKE, INT_MAX, NULL) != 0;
	EXPECT_EQ(0, others) TH_LOG("page %zu of %zu", index, pages);
	EXPECT_EQ(1, wake(map + index * page, pid));
	EXPECT_EQ(0, exit_code(pid));
}

/* However the buffer came by its pages. */
TEST_F(buffer, pages_are_told_apart)
{
	static const size_t sizes[] = { 1, 2, 7, 40, 600, 20, 530 };
	char *map;
	int fd;

	if (!fm_is_by_page(variant))
		DOES_NOT_APPLY("futexes are not for frames");
	fd = fm_create(variant->memory, variant->strategy, 1);
	ASSERT_LE(0, fd);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		ASSERT_EQ(0, fm_resize(fd, sizes[i]));
		map = map_elsewhere(fd, sizes[i]);
		ASSERT_NE(MAP_FAILED, map);
		expect_apart(_metadata, fd, map, 0, sizes[i]);
		expect_apart(_metadata, fd, map, sizes[i] / 2, sizes[i]);
		expect_apart(_metadata, fd, map, sizes[i] - 1, sizes[i]);
		munmap(map, sizes[i] * self->page);
	}
	close(fd);
}

/* What programs make of it, in the first page of a buffer. */
struct tools {
	pthread_mutex_t mutex, robust;
	pthread_cond_t cond;
	sem_t sem;
	int ready, turn;
};

static void make_tools(struct tools *tools)
{
	pthread_mutexattr_t mutex;
	pthread_condattr_t cond;

	memset(tools, 0, sizeof(*tools));
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&tools->mutex, &mutex);
	pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&tools->robust, &mutex);
	pthread_condattr_init(&cond);
	pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&tools->cond, &cond);
	sem_init(&tools->sem, 1, 0);
}

/* Each comes to where it must wait for somebody; 0, or an errno. */
static int wait_for_mutex(struct tools *tools)
{
	return pthread_mutex_lock(&tools->mutex) ?:
	       pthread_mutex_unlock(&tools->mutex);
}

static int wait_for_cond(struct tools *tools)
{
	int ret = pthread_mutex_lock(&tools->mutex);

	while (!ret && !tools->ready)
		ret = pthread_cond_wait(&tools->cond, &tools->mutex);
	return ret ?: pthread_mutex_unlock(&tools->mutex);
}

static int wait_for_sem(struct tools *tools)
{
	return sem_wait(&tools->sem) ? errno : 0;
}

typedef int (*tool_fn)(struct tools *tools);

/* A process of its own, which may be aborted, and does not wait for ever. */
static pid_t with_tools(int fd, tool_fn fn)
{
	pid_t pid = fork();
	char *map;

	if (pid)
		return pid;
	signal(SIGALRM, SIG_DFL);
	alarm(PATIENCE);
	freopen("/dev/null", "w", stderr);
	map = map_elsewhere(fd, 1);
	_exit(map == MAP_FAILED ? errno : fn((struct tools *)map));
}

static const char *fate(int code)
{
	if (code == 128 + SIGABRT)
		return "aborts";
	if (code == 128 + SIGALRM || code == 128 + SIGKILL)
		return "waits for ever";
	errno = code;
	return fm_outcome(!code);
}

TEST_F(buffer, mutex)
{
	struct tools *tools = (void *)fm_map(self, 0, 1);
	pid_t pid;
	int code;

	ASSERT_NE(MAP_FAILED, tools);
	make_tools(tools);
	ASSERT_EQ(0, pthread_mutex_lock(&tools->mutex));
	pid = with_tools(self->fd, wait_for_mutex);
	let_sleep(pid);
	/* Where it has no one to wake, not even this may be done. */
	if (fm_is_by_page(variant))
		EXPECT_EQ(0, pthread_mutex_unlock(&tools->mutex));
	code = exit_code(pid);
	SAW("a process that waits for a shared mutex", "%s", fate(code));
	EXPECT_EQ(fm_is_by_page(variant), !code);
}

TEST_F(buffer, condition)
{
	struct tools *tools = (void *)fm_map(self, 0, 1);
	pid_t pid;
	int code;

	ASSERT_NE(MAP_FAILED, tools);
	make_tools(tools);
	pid = with_tools(self->fd, wait_for_cond);
	let_sleep(pid);
	if (fm_is_by_page(variant)) {
		EXPECT_EQ(0, pthread_mutex_lock(&tools->mutex));
		tools->ready = 1;
		EXPECT_EQ(0, pthread_cond_signal(&tools->cond));
		EXPECT_EQ(0, pthread_mutex_unlock(&tools->mutex));
	}
	code = exit_code(pid);
	SAW("a process that waits for a shared condition", "%s", fate(code));
	EXPECT_EQ(fm_is_by_page(variant), !code);
}

TEST_F(buffer, semaphore)
{
	struct tools *tools = (void *)fm_map(self, 0, 1);
	pid_t pid;
	int code;

	ASSERT_NE(MAP_FAILED, tools);
	make_tools(tools);
	pid = with_tools(self->fd, wait_for_sem);
	let_sleep(pid);
	if (fm_is_by_page(variant))
		EXPECT_EQ(0, sem_post(&tools->sem));
	code = exit_code(pid);
	SAW("a process that waits for a shared semaphore", "%s", fate(code));
	EXPECT_EQ(fm_is_by_page(variant), !code);
}

static int die_holding(struct tools *tools)
{
	return pthread_mutex_lock(&tools->robust);
}

static int wait_for_robust(struct tools *tools)
{
	int ret = pthread_mutex_lock(&tools->robust);

	return ret == EOWNERDEAD ? pthread_mutex_consistent(&tools->robust) ?:
				   pthread_mutex_unlock(&tools->robust) : ret ?: EINVAL;
}

static int hold_and_be_killed(struct tools *tools)
{
	int ret = pthread_mutex_lock(&tools->robust);

	tools->ready = 1;
	while (!ret)
		pause();
	return ret;
}

/* The kernel itself unlocks what a process held that died, and wakes who waits. */
TEST_F(buffer, robust_mutex)
{
	struct tools *tools = (void *)fm_map(self, 0, 1);
	pid_t holder, pid;

	if (!fm_is_by_page(variant))
		DOES_NOT_APPLY("futexes are not for frames");
	ASSERT_NE(MAP_FAILED, tools);
	make_tools(tools);
	EXPECT_EQ(0, exit_code(with_tools(self->fd, die_holding)));
	EXPECT_EQ(0, exit_code(with_tools(self->fd, wait_for_robust)));
	holder = with_tools(self->fd, hold_and_be_killed);
	for (int i = 0; i < PATIENCE * 1000 && !*(volatile int *)&tools->ready; i++)
		usleep(1000);
	pid = with_tools(self->fd, wait_for_robust);
	let_sleep(pid);
	give_up(holder);
	EXPECT_EQ(0, exit_code(pid));
}

#define TURNS	300

/* Each waits for the other, by turns. */
static int take_turns(struct tools *tools, int mine)
{
	int ret = pthread_mutex_lock(&tools->mutex);

	for (int i = 0; !ret && i < TURNS; i++) {
		while (!ret && tools->turn != mine)
			ret = pthread_cond_wait(&tools->cond, &tools->mutex);
		tools->turn = !mine;
		pthread_cond_broadcast(&tools->cond);
	}
	return ret ?: pthread_mutex_unlock(&tools->mutex);
}

static int take_even_turns(struct tools *tools)
{
	return take_turns(tools, 0);
}

static int take_odd_turns(struct tools *tools)
{
	return take_turns(tools, 1);
}

TEST_F(buffer, by_turns)
{
	struct tools *tools = (void *)fm_map(self, 0, 1);
	pid_t one, other;

	if (!fm_is_by_page(variant))
		DOES_NOT_APPLY("futexes are not for frames");
	ASSERT_NE(MAP_FAILED, tools);
	make_tools(tools);
	one = with_tools(self->fd, take_even_turns);
	other = with_tools(self->fd, take_odd_turns);
	EXPECT_EQ(0, exit_code(one));
	EXPECT_EQ(0, exit_code(other));
}

TEST_F(buffer, priority_inheriting)
{
	char *map = fm_map(self, 0, FM_PAGES);
	uint32_t *word = (uint32_t *)map;
	long ret, back;

	ASSERT_NE(MAP_FAILED, map);
	*word = 0;
	ret = futex(word, FUTEX_LOCK_PI, 0, NULL);
	SAW("FUTEX_LOCK_PI", "%s", fm_result(ret, 0));
	EXPECT_EQ(-expected(variant), ret);
	back = futex(word, FUTEX_UNLOCK_PI, 0, NULL);
	EXPECT_EQ(ret ? -EPERM : 0, back);
}

typedef int (*resize_fn)(int fd, size_t pages);

static int resize_memfd(int fd, size_t pages)
{
	return ftruncate(fd, pages * fm_page_size());
}

/* What became of one who slept at a page while that was cut off and came again. */
struct cut_off {
	long gone;		/* FUTEX_WAKE where nothing is */
	bool sleeps;		/* in spite of that */
	long woken;		/* FUTEX_WAKE at what came instead */
	int code;
};

static struct cut_off cut_off_and_back(int fd, resize_fn resize)
{
	char *map = map_elsewhere(fd, FM_PAGES), *word = map + 10 * fm_page_size();
	struct cut_off saw = { 0 };
	pid_t pid = waiter(fd, 10);

	let_sleep(pid);
	if (resize(fd, 5))
		saw.code = -1;
	saw.gone = futex(word, FUTEX_WAKE, INT_MAX, NULL);
	saw.sleeps = is_asleep(pid);
	if (resize(fd, FM_PAGES))
		saw.code = -1;
	saw.woken = saw.sleeps ? wake(word, pid) : 0;
	saw.code = exit_code(pid) ?: saw.code;
	munmap(map, FM_PAGES * fm_page_size());
	return saw;
}

/* It sleeps at a place in a file, whatever page is there: as in a memfd. */
TEST_F(buffer, page_goes_while_one_waits)
{
	int memfd = memfd_create("futex", MFD_CLOEXEC);
	struct cut_off saw, theirs;

	ASSERT_EQ(0, resize_memfd(memfd, FM_PAGES));
	theirs = cut_off_and_back(memfd, resize_memfd);
	EXPECT_EQ(-EFAULT, theirs.gone);
	EXPECT_EQ(1, theirs.woken);
	close(memfd);

	saw = cut_off_and_back(self->fd, fm_resize);
	errno = saw.code;
	SAW("FUTEX_WAIT, shrink and grow the buffer, FUTEX_WAKE", "%s",
	    fm_outcome(!saw.code));
	EXPECT_EQ(expected(variant), saw.code);
	EXPECT_EQ(theirs.gone, saw.gone);
	if (fm_is_by_page(variant)) {
		EXPECT_EQ(theirs.sleeps, saw.sleeps);
		EXPECT_EQ(theirs.woken, saw.woken);
	}
}

/* The buffer goes with a process that waits in it, and is killed. */
TEST_F(buffer, buffer_goes_while_one_waits)
{
	long before = taint();
	pid_t pid;

	if (!fm_is_by_page(variant))
		DOES_NOT_APPLY("futexes are not for frames");
	for (int i = 0; i < 10; i++) {
		int fd = fm_create(variant->memory, variant->strategy, FM_PAGES);

		ASSERT_LE(0, fd);
		pid = waiter(fd, i);
		let_sleep(pid);
		EXPECT_TRUE(is_asleep(pid));
		if (i % 2)
			EXPECT_EQ(0, ioctl(fd, FAULTMAP_REVOKE));
		close(fd);
		give_up(pid);
	}
	EXPECT_EQ(before, taint());
}

TEST_HARNESS_MAIN

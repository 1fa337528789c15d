// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command "faultmap", built beside this program: what each of its commands does, and
 * what it says of input that cannot be followed.
 */
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "module_fixture.h"

#define NOBODY		65534
#define PAGES		16
#define SECONDS		120	/* that no run takes */
#define TOUCHED		3
#define TOUCHER_STATUS	5
#define MAX_WORDS	12
#define SCREEN		22	/* lines below a header, where there is no screen */

/**
 * struct outcome - what became of a run
 * @status: its exit status, 256 plus the signal that killed it
 * @out: its output
 * @err: its errors
 */
struct outcome {
	int status;
	char out[16384];
	char err[4096];
};

/* This program again, as one that is given a buffer: touches some of its pages. */
static void __attribute__((constructor)) touch_if_told(void)
{
	const char *fd = getenv("FAULTMAP_FD");
	char *map;
	int i;

	if (!getenv("FAULTMAP_TOUCH"))
		return;
	map = mmap(NULL, PAGES * fm_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
		   fd ? atoi(fd) : -1, 0);
	if (map == MAP_FAILED)
		_exit(1);
	for (i = 0; i < TOUCHED; i++)
		map[i * fm_page_size()] = 't';
	_exit(TOUCHER_STATUS);
}

static const char *self_path(void)
{
	static char path[PATH_MAX];

	if (!*path && readlink("/proc/self/exe", path, sizeof(path) - 1) < 0)
		abort();
	return path;
}

static const char *tool(void)
{
	static char path[PATH_MAX + 16];
	char own[PATH_MAX];

	snprintf(own, sizeof(own), "%s", self_path());
	snprintf(path, sizeof(path), "%s/faultmap", dirname(own));
	return path;
}

static void become_nobody(void)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		_exit(255);
}

/* Nobody may search the directory of the command, but run it. */
static pid_t start(const char * const *words, int out, int err, bool as_nobody)
{
	int command = open(tool(), O_RDONLY | O_CLOEXEC);
	char *argv[MAX_WORDS + 2] = { (char *)"faultmap" };
	int n = 1;
	pid_t pid;

	while (n <= MAX_WORDS && *words)
		argv[n++] = (char *)*words++;
	fflush(stdout);
	pid = fork();
	if (pid)
		return close(command), pid;
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	alarm(SECONDS);
	if (as_nobody)
		become_nobody();
	fexecve(command, argv, environ);
	_exit(254);
}

static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static void take(int fd, char *text, size_t size)
{
	ssize_t len = pread(fd, text, size - 1, 0);

	text[len < 0 ? 0 : len] = '\0';
	close(fd);
}

static struct outcome run_words(const char * const *words, bool as_nobody)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
	struct outcome outcome = { .status = wait_for(start(words, out, err, as_nobody)) };

	take(out, outcome.out, sizeof(outcome.out));
	take(err, outcome.err, sizeof(outcome.err));
	return outcome;
}

#define RUN(...)	run_words((const char * const []){ __VA_ARGS__, NULL }, false)
#define RUN_AS_NOBODY(...) \
	run_words((const char * const []){ __VA_ARGS__, NULL }, true)

/* Both texts are shown where they are not what was expected. */
#define EXPECT_STATUS(wanted, ran) do { \
	const struct outcome *__run = &(ran); \
	EXPECT_EQ(wanted, __run->status) \
		TH_LOG("output: %s errors: %s", __run->out, __run->err); \
} while (0)

#define EXPECT_IN(piece, text) do { \
	const char *__in = (text); \
	EXPECT_NE(NULL, strstr(__in, piece)) TH_LOG("no \"%s\" in \"%s\"", piece, __in); \
} while (0)

/* One line on standard error. */
#define EXPECT_ONE_ERROR(outcome) do { \
	EXPECT_EQ(0, strncmp((outcome).err, "faultmap: ", 10)); \
	EXPECT_EQ((outcome).err + strlen((outcome).err) - 1, strchr((outcome).err, '\n')) \
		TH_LOG("errors: %s", (outcome).err); \
} while (0)

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	while (text && *text) {
		if (!strncmp(text, line, len) && text[len] == '\n')
			return true;
		text = strchr(text, '\n');
		text += !!text;
	}
	return false;
}

#define EXPECT_LINE(text, ...) do { \
	char __line[128]; \
	snprintf(__line, sizeof(__line), __VA_ARGS__); \
	EXPECT_TRUE(has_line(text, __line)) TH_LOG("no line \"%s\" in \"%s\"", __line, text); \
} while (0)

static unsigned int count_lines(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* Field @i of a line of CSV; the last one may have commas. */
static void csv_field(const char *line, int i, int last, char field[256])
{
	size_t len;

	for (int at = 0; at < i; at++)
		line = strchr(line, ',') ? strchr(line, ',') + 1 : "";
	len = strcspn(line, i == last ? "\n" : ",\n");
	snprintf(field, 256, "%.*s", (int)len, line);
}

static int csv_index(const char *text, const char *column, int *last)
{
	char header[512], *name;
	int found = -1;

	*last = -1;
	snprintf(header, sizeof(header), "%.*s", (int)strcspn(text, "\n"), text);
	for (name = strtok(header, ","); name; name = strtok(NULL, ",")) {
		++*last;
		if (!strcmp(name, column))
			found = *last;
	}
	return found;
}

/* What CSV has in a column of a node's row; "none" if there is no such row. */
static const char *csv(const char *text, const char *node, const char *column)
{
	static char field[256];
	int last, i = csv_index(text, column, &last);

	for (; i >= 0 && text && *text; text = strchr(text, '\n'), text += !!text) {
		csv_field(text, 0, last, field);
		if (strcmp(field, node))
			continue;
		csv_field(text, i, last, field);
		return field;
	}
	return "none";
}

FIXTURE(command)
{
	size_t page;
	int fd;			/* of a private buffer of vmalloc memory, mapped lazily */
	char operand[32];	/* what the command calls it */
};

FIXTURE_SETUP(command)
{
	self->fd = -1;
	self->page = fm_page_size();
	if (access(FM_CONTROL, R_OK | W_OK))
		SKIP(return, "faultmap is not loaded, or not ours");
	ASSERT_EQ(0, access(tool(), X_OK));
	self->fd = fm_create(FAULTMAP_MEMORY_VMALLOC, FAULTMAP_STRATEGY_LAZY, PAGES);
	ASSERT_LE(0, self->fd);
	snprintf(self->operand, sizeof(self->operand), "%d:%d", getpid(), self->fd);
}

FIXTURE_TEARDOWN(command)
{
	if (self->fd >= 0)
		close(self->fd);
}

static char *map_buffer(const FIXTURE_DATA(command) *self)
{
	return mmap(NULL, PAGES * self->page, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
}

static void touch(const FIXTURE_DATA(command) *self, char *map, size_t first, size_t pages)
{
	for (size_t i = first; i < first + pages; i++)
		*(volatile char *)(map + i * self->page) = 't';
}

static __u64 size_of(const FIXTURE_DATA(command) *self)
{
	struct faultmap_info info = { 0 };

	ioctl(self->fd, FAULTMAP_INFO, &info);
	return info.bytes;
}

TEST_F(command, tells_about_itself)
{
	struct outcome help = RUN("--help"), version = RUN("--version");
	struct outcome create = RUN("create", "--help"), list = RUN("list", "--help");

	EXPECT_STATUS(0, help);
	EXPECT_IN("usage: faultmap", help.out);
	EXPECT_IN("watch", help.out);
	EXPECT_STREQ("", help.err);
	EXPECT_STATUS(0, version);
	EXPECT_EQ(0, strncmp(version.out, "faultmap", 8));
	EXPECT_EQ(1, count_lines(version.out));
	EXPECT_STATUS(0, create);
	EXPECT_IN("--on-demand", create.out);
	EXPECT_STATUS(0, list);
	EXPECT_IN("--csv", list.out);
	list = RUN("resize", "--help");
	EXPECT_STATUS(0, list);
	EXPECT_IN("SIZE", list.out);
}

/* What cannot be followed, the status that it costs, and what the message must say. */
static const struct {
	const char *words[5];
	int status;
	const char *says;
} wrong[] = {
	{ { "lst" }, 2, "lst: there is no such command" },
	{ { "--lst" }, 2, "--lst" },
	{ { "list", "pages-lazy" }, 2, "list pages-lazy: " },
	{ { "list", "--json" }, 2, "usage: faultmap list" },
	{ { "info" }, 2, "info: give a node" },
	{ { "info", "pages-lazy", "more" }, 2, "info more: " },
	{ { "info", "--all" }, 2, "info --all: " },
	{ { "stats" }, 2, "stats: give a node" },
	{ { "reset", "" }, 1, ": neither a node" },
	{ { "resize", "pages-lazy" }, 2, "give a SIZE" },
	{ { "resize", "pages-lazy", "0" }, 2, "resize pages-lazy 0: give a multiple" },
	{ { "resize", "pages-lazy", "5000" }, 2, "pages-lazy 5000: give a multiple" },
	{ { "resize", "pages-lazy", "64Q" }, 2, "pages-lazy 64Q: give a multiple" },
	{ { "resize", "pages-lazy", "64MB" }, 2, "64MB: give" },
	{ { "resize", "pages-lazy", "M" }, 2, "pages-lazy M: give" },
	{ { "resize", "pages-lazy", "" }, 2, "pages-lazy : give" },
	{ { "resize", "pages-lazy", "-4K" }, 2, "pages-lazy -4K: give" },
	{ { "resize", "pages-lazy", "99999999999999999999" }, 2, "give a multiple" },
	{ { "resize", "pages-lazy", "8589934592G" }, 2, "give a multiple" },
	{ { "watch" }, 2, "watch: give a node" },
	{ { "watch", "1", "2" }, 2, "watch: give a node" },
	{ { "watch", "0", "pages-lazy" }, 2, "watch 0: give an INTERVAL" },
	{ { "watch", "1.5.2", "pages-lazy" }, 2, "watch 1.5.2: give an INTERVAL" },
	{ { "watch", "1", "0", "pages-lazy" }, 2, "watch 0: give a COUNT" },
	{ { "watch", "1", "0.5", "pages-lazy" }, 2, "watch 0.5: give a COUNT" },
	{ { "watch", "-n", "pages-lazy" }, 2, "watch -n: give a node" },
	{ { "create" }, 125, "create: give a PROGRAM" },
	{ { "create", "--size=1M", "--" }, 125, "create: give a PROGRAM" },
	{ { "create", "--size=5000", "true" }, 125, "--size=5000: give a multiple" },
	{ { "create", "--size=0", "true" }, 125, "--size=0: give a multiple" },
	{ { "create", "--memory=phys", "true" }, 125, "--memory=phys: give pages" },
	{ { "create", "--memory=swap", "true" }, 125, "--memory=swap: give pages" },
	{ { "create", "--strategy=laz", "true" }, 125, "--strategy=laz: give eager" },
	{ { "create", "--order=x", "true" }, 125, "--order=x: give a whole number" },
	{ { "create", "--order=-1", "true" }, 125, "--order=-1: give a whole number" },
	{ { "create", "--window=513", "true" }, 125, "--window=513: give a whole number" },
	{ { "create", "--order=1", "--memory=dma", "true" }, 125, "--order=1: is for" },
	{ { "create", "--window=2", "--strategy=eager", "true" }, 125, "--window=2: is for" },
	{ { "create", "--batched", "true" }, 125, "--batched: is for" },
	{ { "create", "--bached", "true" }, 125, "usage: faultmap create" },
};

TEST_F(command, refuses_words)
{
	struct outcome outcome;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		outcome = run_words(wrong[i].words, false);
		EXPECT_STATUS(wrong[i].status, outcome);
		EXPECT_IN(wrong[i].says, outcome.err);
		EXPECT_STREQ("", outcome.out);
	}
}

TEST_F(command, refuses_operands)
{
	static const struct {
		const char *operand;
		const char *says;
	} operands[] = {
		{ "no-such-node", "no-such-node: No such file or directory: the nodes are" },
		{ "control", "control: neither a node nor" },
		{ "/dev/null", "/dev/null: neither a node nor" },
		{ "/etc/passwd", "/etc/passwd: neither a node nor" },
		{ "/dev/faultmap", "/dev/faultmap: neither a node nor" },
		{ "/tmp/faultmap-fifo", "/tmp/faultmap-fifo: neither a node nor" },
		{ "1:99999", "1:99999: No such file or directory: no such process, or" },
		{ "999999999:1", "999999999:1: No such file or directory: no such process" },
		{ "1:", "1:: No such file or directory" },
	};
	static const char * const commands[] = { "info", "stats", "reset", "revoke", "watch" };
	struct outcome outcome;
	size_t i;

	unlink("/tmp/faultmap-fifo");
	ASSERT_EQ(0, mkfifo("/tmp/faultmap-fifo", 0600));
	for (i = 0; i < sizeof(operands) / sizeof(*operands); i++) {
		outcome = RUN(commands[i % 5], operands[i].operand);
		EXPECT_STATUS(1, outcome);
		EXPECT_IN(operands[i].says, outcome.err);
		EXPECT_ONE_ERROR(outcome);
		EXPECT_STREQ("", outcome.out);
	}
	unlink("/tmp/faultmap-fifo");
}

TEST_F(command, notices_lost_output)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int err = memfd_create("err", MFD_CLOEXEC);
	char text[256];

	ASSERT_LE(0, full);
	EXPECT_EQ(1, wait_for(start((const char * const []){ "info", self->operand, NULL },
				    full, err, false)));
	take(err, text, sizeof(text));
	EXPECT_IN("standard output: No space left on device", text);
	close(full);
}

TEST_F(command, info_of_any_name)
{
	struct outcome outcome, same;
	char path[64];

	outcome = RUN("info", self->operand);
	EXPECT_STATUS(0, outcome);
	EXPECT_LINE(outcome.out, "memory: vmalloc");
	EXPECT_LINE(outcome.out, "strategy: lazy");
	EXPECT_LINE(outcome.out, "bytes: %zu", PAGES * self->page);
	EXPECT_LINE(outcome.out, "held: %zu",
		    fm_on_demand(FAULTMAP_MEMORY_VMALLOC) ? 0 : PAGES * self->page);
	EXPECT_LINE(outcome.out, "window: %u", fm_window(FAULTMAP_STRATEGY_LAZY));
	EXPECT_LINE(outcome.out, "on_demand: %s",
		    fm_on_demand(FAULTMAP_MEMORY_VMALLOC) ? "yes" : "no");
	EXPECT_LINE(outcome.out, "private: yes");
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), self->fd);
	same = RUN("info", path);
	EXPECT_STREQ(outcome.out, same.out);

	outcome = RUN("info", "pages-lazy-pfn");
	EXPECT_STATUS(0, outcome);
	EXPECT_LINE(outcome.out, "memory: pages");
	EXPECT_LINE(outcome.out, "strategy: lazy-pfn");
	EXPECT_LINE(outcome.out, "private: no");
	same = RUN("info", "/dev/faultmap/pages-lazy-pfn");
	EXPECT_STREQ(outcome.out, same.out);
}

TEST_F(command, stats_and_reset)
{
	char *map = map_buffer(self);
	struct outcome outcome;

	ASSERT_NE(MAP_FAILED, map);
	touch(self, map, 0, 5);
	fm_read_at(map + 5 * self->page);
	outcome = RUN("stats", self->operand);
	EXPECT_STATUS(0, outcome);
	EXPECT_LINE(outcome.out, "read_faults: 1");
	EXPECT_LINE(outcome.out, "write_faults: 5");
	EXPECT_LINE(outcome.out, "pages_installed: 6");
	EXPECT_LINE(outcome.out, "mmaps: 1");
	EXPECT_LINE(outcome.out, "zaps: 0");
	EXPECT_EQ(10, count_lines(outcome.out));

	outcome = RUN("reset", self->operand);
	EXPECT_STATUS(0, outcome);
	EXPECT_STREQ("", outcome.out);
	EXPECT_EQ(0, fm_faults(self->fd));
	EXPECT_EQ(0, fm_stats(self->fd).mmaps);
}

TEST_F(command, resizes)
{
	struct outcome outcome;
	char *map = map_buffer(self), size[32];

	ASSERT_NE(MAP_FAILED, map);
	touch(self, map, 0, PAGES);
	snprintf(size, sizeof(size), "%zuK", 2 * self->page / 1024);
	outcome = RUN("resize", self->operand, size);
	EXPECT_STATUS(0, outcome);
	EXPECT_EQ(2 * self->page, size_of(self));
	EXPECT_EQ(0, fm_read_at(map + self->page));
	EXPECT_EQ(SIGBUS, fm_read_at(map + 2 * self->page));
	outcome = RUN("resize", self->operand, "1M");
	EXPECT_STATUS(0, outcome);
	EXPECT_EQ(1 << 20, size_of(self));

	outcome = RUN("resize", self->operand, "8388607G");
	EXPECT_STATUS(1, outcome);
	EXPECT_IN(": 8388607G: File too large: ask for less", outcome.err);
	EXPECT_ONE_ERROR(outcome);
	EXPECT_EQ(1 << 20, size_of(self));
}

TEST_F(command, revokes)
{
	char *map = map_buffer(self), byte;
	struct outcome outcome;

	ASSERT_NE(MAP_FAILED, map);
	touch(self, map, 0, 1);
	outcome = RUN("revoke", self->operand);
	EXPECT_STATUS(0, outcome);
	EXPECT_EQ(SIGBUS, fm_read_at(map));
	EXPECT_EQ(-1, pread(self->fd, &byte, 1, 0));
	EXPECT_EQ(ENODEV, errno);
	/* What is opened now is not cut off, and the buffer is still there. */
	outcome = RUN("info", self->operand);
	EXPECT_STATUS(0, outcome);
}

TEST_F(command, creates_what_is_asked)
{
	struct outcome outcome;

	outcome = RUN("create", tool(), "info", "{}");
	EXPECT_STATUS(0, outcome);
	EXPECT_LINE(outcome.out, "memory: pages");
	EXPECT_LINE(outcome.out, "strategy: lazy");
	EXPECT_LINE(outcome.out, "bytes: %u", 64U << 20);
	EXPECT_LINE(outcome.out, "held: %u", 64U << 20);
	EXPECT_LINE(outcome.out, "order: 9");
	EXPECT_LINE(outcome.out, "window: 0");
	EXPECT_LINE(outcome.out, "on_demand: no");
	EXPECT_LINE(outcome.out, "private: yes");

	outcome = RUN("create", "--size=1M", "--memory=vmalloc", "--strategy=lazy-pfn",
		      "--window=16", "--on-demand", "--", tool(), "info", "{}");
	EXPECT_STATUS(0, outcome);
	EXPECT_LINE(outcome.out, "memory: vmalloc");
	EXPECT_LINE(outcome.out, "strategy: lazy-pfn");
	EXPECT_LINE(outcome.out, "bytes: %u", 1U << 20);
	EXPECT_LINE(outcome.out, "held: 0");
	EXPECT_LINE(outcome.out, "order: 0");
	EXPECT_LINE(outcome.out, "window: 16");
	EXPECT_LINE(outcome.out, "on_demand: yes");

	outcome = RUN("create", "-S", "64K", "-s", "eager", "-o", "2", "-b", tool(), "info", "{}");
	if (fm_batches()) {
		EXPECT_STATUS(0, outcome);
		EXPECT_LINE(outcome.out, "order: 2");
		EXPECT_LINE(outcome.out, "strategy: eager");
		EXPECT_LINE(outcome.out, "window: %u", FAULTMAP_WINDOW_MAX);
	} else {
		EXPECT_STATUS(125, outcome);
		EXPECT_IN("eager --batched: Operation not supported", outcome.err);
	}
}

TEST_F(command, gives_the_descriptor)
{
	struct outcome outcome;

	outcome = RUN("create", "-S", "64K", "sh", "-c",
		      "test \"$1\" = \"a/dev/fd/$FAULTMAP_FD-/dev/fd/$FAULTMAP_FD{\" && wc -c <$2",
		      "{}", "a{}-{}{", "{}");
	EXPECT_STATUS(0, outcome);
	EXPECT_STREQ("65536\n", outcome.out);
	/* Options behind the program are its own, and so are the braces in its name. */
	outcome = RUN("create", "-S", "64K", "echo", "-n", "--size=1");
	EXPECT_STATUS(0, outcome);
	EXPECT_STREQ("--size=1", outcome.out);
	outcome = RUN("create", "-S", "64K", "{}");
	EXPECT_STATUS(127, outcome);
}

TEST_F(command, has_the_status_of_the_program)
{
	struct outcome outcome;

	outcome = RUN("create", "-S", "64K", "sh", "-c", "exit 7");
	EXPECT_STATUS(7, outcome);
	outcome = RUN("create", "-S", "64K", "sh", "-c", "kill -KILL $$");
	EXPECT_STATUS(256 + SIGKILL, outcome);
	outcome = RUN("create", "-S", "64K", "--stats", "sh", "-c", "exit 7");
	EXPECT_STATUS(7, outcome);
	outcome = RUN("create", "-S", "64K", "--stats", "sh", "-c", "kill -KILL $$");
	EXPECT_STATUS(128 + SIGKILL, outcome);
	outcome = RUN("create", "-S", "64K", "no-such-program");
	EXPECT_STATUS(127, outcome);
	EXPECT_IN("no-such-program: No such file or directory", outcome.err);
	EXPECT_ONE_ERROR(outcome);
	outcome = RUN("create", "-S", "64K", "--stats", "no-such-program");
	EXPECT_STATUS(127, outcome);
	outcome = RUN("create", "-S", "64K", "/etc/passwd");
	EXPECT_STATUS(126, outcome);
	EXPECT_IN("/etc/passwd: Permission denied", outcome.err);
}

TEST_F(command, prints_what_the_program_has_counted)
{
	struct outcome outcome;

	setenv("FAULTMAP_TOUCH", "1", 1);
	outcome = RUN("create", "-S", "64K", "-o", "0", "-w", "1", "--stats", self_path());
	unsetenv("FAULTMAP_TOUCH");
	EXPECT_STATUS(TOUCHER_STATUS, outcome);
	EXPECT_STREQ("", outcome.out);
	EXPECT_LINE(outcome.err, "write_faults: %d", TOUCHED);
	EXPECT_LINE(outcome.err, "mmaps: 1");
	EXPECT_LINE(outcome.err, "sigbus: 0");
}

/* What is sent to the command, which waits, is the program's. */
TEST_F(command, passes_signals_on)
{
	static const char * const words[] = {
		"create", "-S", "64K", "--stats", "sh", "-c",
		"trap 'exit 9' TERM; echo; while :; do sleep 0.1; done", NULL
	};
	int pipes[2], err = open("/dev/null", O_WRONLY | O_CLOEXEC);
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	pid = start(words, pipes[1], err, false);
	close(pipes[1]);
	EXPECT_EQ(1, read(pipes[0], &byte, 1));
	EXPECT_EQ(0, kill(pid, SIGTERM));
	EXPECT_EQ(9, wait_for(pid));
	close(pipes[0]);
	close(err);
}

TEST_F(command, explains_what_the_driver_refuses)
{
	struct outcome outcome;

	outcome = RUN("create", "--memory=kmalloc", "--strategy=lazy", "true");
	EXPECT_STATUS(125, outcome);
	EXPECT_IN("kmalloc memory by lazy: Operation not supported: choose", outcome.err);
	EXPECT_ONE_ERROR(outcome);
	outcome = RUN("create", "--memory=dma", "--strategy=eager", "--on-demand", "true");
	EXPECT_STATUS(125, outcome);
	EXPECT_IN("dma memory by eager --on-demand: Operation not", outcome.err);
	outcome = RUN("create", "--size=8388607G", "true");
	EXPECT_STATUS(125, outcome);
	EXPECT_IN("create: --size=8388607G: File too large: ask for less", outcome.err);
	EXPECT_ONE_ERROR(outcome);
	outcome = RUN("create", "--order=30", "true");
	EXPECT_STATUS(125, outcome);
	EXPECT_IN("--order=30: Invalid argument: give a smaller", outcome.err);
}

/* In the columns READ and WRITE of a line of "watch"; a header has none. */
static unsigned int faults_in(const char *line)
{
	unsigned int reads, writes;

	if (!strncmp(line, "NODE", 4))
		return 0;
	return sscanf(line, "%*s %u %u", &reads, &writes) == 2 ? reads + writes : 9999;
}

/* Reads until there are as many as were made, in whatever interval that was. */
static unsigned int sum_faults(FILE *out, unsigned int made)
{
	unsigned int sum = 0, i;
	char line[256];

	for (i = 0; i < 200 && sum < made && fgets(line, sizeof(line), out); i++)
		sum += faults_in(line);
	return sum;
}

TEST_F(command, watches)
{
	const char * const words[] = { "watch", "0.2", self->operand, NULL };
	char *map = map_buffer(self), line[256];
	int pipes[2];
	FILE *out;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, map);
	touch(self, map, 0, 5);
	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	pid = start(words, pipes[1], STDERR_FILENO, false);
	close(pipes[1]);
	out = fdopen(pipes[0], "r");
	ASSERT_NE(NULL, fgets(line, sizeof(line), out));
	EXPECT_EQ(0, strncmp(line, "NODE", 4));
	EXPECT_IN("SIGBUS", line);
	ASSERT_NE(NULL, fgets(line, sizeof(line), out));
	EXPECT_EQ(0, strncmp(line, self->operand, strlen(self->operand)));
	EXPECT_EQ(5, faults_in(line));
	touch(self, map, 5, 4);
	EXPECT_EQ(4, sum_faults(out, 4));
	ASSERT_EQ(0, ioctl(self->fd, FAULTMAP_STATS_RESET));
	touch(self, map, 9, 1);
	EXPECT_EQ(1, sum_faults(out, 1));
	kill(pid, SIGTERM);
	EXPECT_EQ(256 + SIGTERM, wait_for(pid));
	fclose(out);
}

TEST_F(command, watches_with_headers)
{
	struct outcome outcome = RUN("watch", "0.01", "15", self->operand, "pages-lazy");
	const char *line = outcome.out;
	unsigned int i;

	EXPECT_STATUS(0, outcome);
	EXPECT_EQ(30 + 2, count_lines(outcome.out));
	for (i = 0; i < 32; i++) {
		EXPECT_EQ(i % (SCREEN + 1) == 0, !strncmp(line, "NODE", 4));
		line = strchr(line, '\n') + 1;
	}
}

/* The row of a node that is in use has what INFO and STATS say. */
TEST_F(command, lists_figures)
{
	struct faultmap_stats stats;
	struct faultmap_info info;
	struct outcome outcome, table;
	char number[32];
	int fd = open("/dev/faultmap/pages-lazy", O_RDWR | O_CLOEXEC);
	char *map;

	ASSERT_LE(0, fd);
	map = mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	touch(self, map, 0, 1);
	ASSERT_EQ(0, ioctl(fd, FAULTMAP_INFO, &info));
	stats = fm_stats(fd);
	outcome = RUN("list", "--csv");
	EXPECT_STATUS(0, outcome);
	EXPECT_STREQ("pages", csv(outcome.out, "pages-lazy", "memory"));
	EXPECT_STREQ("lazy", csv(outcome.out, "pages-lazy", "strategy"));
	EXPECT_STREQ("", csv(outcome.out, "pages-lazy", "note"));
#define EXPECT_NUMBER(value, column) do { \
	snprintf(number, sizeof(number), "%llu", (unsigned long long)(value)); \
	EXPECT_STREQ(number, csv(outcome.out, "pages-lazy", column)); \
} while (0)
	EXPECT_NUMBER(info.bytes, "bytes");
	EXPECT_NUMBER(info.held, "held");
	EXPECT_NUMBER(info.extents, "extents");
	EXPECT_NUMBER(info.order, "order");
	EXPECT_NUMBER(info.window, "window");
	EXPECT_NUMBER(stats.write_faults, "write_faults");
	EXPECT_NUMBER(stats.pages_installed, "pages_installed");
	EXPECT_NUMBER(stats.mmaps, "mmaps");
	EXPECT_NUMBER(stats.huge_faults, "huge_faults");

	/* No command is this one. */
	table = run_words((const char * const []){ NULL }, false);
	EXPECT_STATUS(0, table);
	EXPECT_IN("NODE", table.out);
	EXPECT_IN("EXTENTS", table.out);
	munmap(map, self->page);
	close(fd);
}

TEST_F(command, lists_every_node)
{
	struct outcome outcome = RUN("list", "--csv");
	size_t i, nodes = 0;
	const char *name;
	glob_t found;

	EXPECT_STATUS(0, outcome);
	ASSERT_EQ(0, glob("/dev/faultmap/*", 0, NULL, &found));
	for (i = 0; i < found.gl_pathc; i++) {
		name = strrchr(found.gl_pathv[i], '/') + 1;
		if (!strcmp(name, "control"))
			continue;
		nodes++;
		EXPECT_STREQ(name, csv(outcome.out, name, "node"));
		EXPECT_STRNE("?", csv(outcome.out, name, "memory"));
		EXPECT_STRNE("?", csv(outcome.out, name, "strategy"));
		/* A device's memory is there, whoever has it open. */
		if (!strncmp(name, "pci-", 4)) {
			EXPECT_STREQ("phys", csv(outcome.out, name, "memory"));
			EXPECT_STRNE("", csv(outcome.out, name, "bytes"));
		}
	}
	EXPECT_EQ(nodes + 1, count_lines(outcome.out));
	globfree(&found);
}

/* Whatever number of descriptors there are of it. */
TEST_F(command, lists_private_buffers)
{
	struct outcome outcome = RUN("list", "--private", "--csv");
	int again = fcntl(self->fd, F_DUPFD_CLOEXEC, self->fd + 1);
	unsigned int lines;
	char *map;

	EXPECT_STATUS(0, outcome);
	lines = count_lines(outcome.out);
	EXPECT_STREQ("vmalloc", csv(outcome.out, self->operand, "memory"));
	EXPECT_STREQ("lazy", csv(outcome.out, self->operand, "strategy"));
	EXPECT_STREQ("65536", csv(outcome.out, self->operand, "bytes"));
	EXPECT_STREQ("0", csv(outcome.out, self->operand, "write_faults"));
	map = map_buffer(self);
	ASSERT_NE(MAP_FAILED, map);
	touch(self, map, 0, 7);
	outcome = RUN("list", "--private", "--csv");
	EXPECT_EQ(lines, count_lines(outcome.out));
	EXPECT_STREQ("7", csv(outcome.out, self->operand, "write_faults"));
	outcome = RUN("list", "--csv");
	EXPECT_STREQ("none", csv(outcome.out, self->operand, "bytes"));
	close(again);
}

TEST_F(command, lists_nothing_to_strangers)
{
	struct outcome outcome;

	if (geteuid())
		SKIP(return, "needs root, to become somebody else");
	outcome = RUN_AS_NOBODY("list");
	EXPECT_STATUS(1, outcome);
	EXPECT_IN("Permission denied: run as root", outcome.out);
	EXPECT_IN("pages-lazy", outcome.out);
	outcome = RUN_AS_NOBODY("info", "pages-lazy");
	EXPECT_STATUS(1, outcome);
	EXPECT_IN("pages-lazy: Permission denied: run as root", outcome.err);
	outcome = RUN_AS_NOBODY("create", "true");
	EXPECT_STATUS(125, outcome);
	EXPECT_IN("/dev/faultmap/control: Permission denied: run as root", outcome.err);
}

static bool is_left_alone(const char *text, const char *node)
{
	return !*csv(text, node, "bytes") && strstr(csv(text, node, "note"), "--open");
}

/* There is memory for one buffer: who takes it is the one who opens it. */
TEST_F(module, list_takes_no_memory)
{
	struct outcome outcome;
	void *map;
	int fd;

	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load("size=4M max_total=4M"));
	outcome = RUN("list", "--csv");
	EXPECT_STATUS(0, outcome);
	EXPECT_TRUE(is_left_alone(outcome.out, "vmalloc-lazy"));
	EXPECT_TRUE(is_left_alone(outcome.out, "pages-lazy"));
	fd = open("/dev/faultmap/vmalloc-lazy", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);

	outcome = RUN("list", "--csv");
	EXPECT_STATUS(0, outcome);
	EXPECT_STREQ("4194304", csv(outcome.out, "vmalloc-lazy", "held"));
	EXPECT_STREQ("4194304", csv(outcome.out, "vmalloc-eager", "held"));
	EXPECT_TRUE(is_left_alone(outcome.out, "pages-lazy"));
	map = mmap(NULL, fm_page_size(), PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	close(fd);
	outcome = RUN("list", "--csv");
	EXPECT_STREQ("4194304", csv(outcome.out, "vmalloc-lazy", "held"));
	munmap(map, fm_page_size());
	outcome = RUN("list", "--csv");
	EXPECT_TRUE(is_left_alone(outcome.out, "vmalloc-lazy"));

	outcome = RUN("list", "--open", "--csv");
	EXPECT_STATUS(0, outcome);
	EXPECT_STREQ("4194304", csv(outcome.out, "vmalloc-lazy", "held"));
	EXPECT_IN("No space left on device: ", csv(outcome.out, "pages-lazy", "note"));
}

TEST_F(module, list_opens_what_comes_on_demand)
{
	struct outcome outcome;

	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load("size=4M on_demand=1"));
	outcome = RUN("list", "--csv");
	EXPECT_STATUS(0, outcome);
	EXPECT_STREQ("0", csv(outcome.out, "pages-lazy", "held"));
	EXPECT_STREQ("4194304", csv(outcome.out, "pages-lazy", "bytes"));
	EXPECT_TRUE(is_left_alone(outcome.out, "kmalloc-eager"));
}

TEST_F(module, needs_the_module)
{
	struct outcome outcome;

	ASSERT_EQ(0, unload());
	outcome = RUN("list");
	EXPECT_STATUS(1, outcome);
	EXPECT_IN("/dev/faultmap: No such file or directory: load the module", outcome.err);
	EXPECT_ONE_ERROR(outcome);
	outcome = RUN("create", "true");
	EXPECT_STATUS(125, outcome);
	EXPECT_IN("control: No such file or directory: load the module", outcome.err);
	outcome = RUN("info", "pages-lazy");
	EXPECT_STATUS(1, outcome);
	EXPECT_IN("pages-lazy: No such file or directory: load the module", outcome.err);
}

TEST_HARNESS_MAIN

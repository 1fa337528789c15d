// SPDX-License-Identifier: GPL-2.0-only
/*
 * gdb attaches to a process and looks into its mappings: of every pair of memory
 * and strategy, in one session, since gdb takes seconds to start in a guest.
 */
#include <sys/wait.h>

/* Of the fixture, only its variants are wanted. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "buffer_fixture.h"

#define MAX_PAIRS	32
#define SHRUNK		12	/* pages left to the buffer under the mapping */
#define POKED		0x1234000

/* What gdb is asked to do, in this order, with the word at a page. */
enum ask { TOUCHED, UNTOUCHED, WRITTEN, PAST_THE_END, NR_ASKS };

static const size_t pages[] = { 0, 3, 5, SHRUNK };

struct pair {
	const FIXTURE_VARIANT(buffer) *variant;
	char *map;
	int fd;
	unsigned long seen[NR_ASKS];
	bool answered[NR_ASKS];
};

FIXTURE(gdb)
{
	struct pair pairs[MAX_PAIRS];
	size_t count, page;
};

static bool has_gdb(void)
{
	return !system("command -v gdb >/dev/null");
}

/* Each pair has a word of its own, for two may show the same memory. */
static size_t offset(const FIXTURE_DATA(gdb) *self, size_t i, int ask)
{
	return pages[ask] * self->page + i * sizeof(long);
}

static unsigned long address(const FIXTURE_DATA(gdb) *self, size_t i, int ask)
{
	return (unsigned long)self->pairs[i].map + offset(self, i, ask);
}

/* Touched once before gdb comes is the first page, and no other. */
static bool add_pair(FIXTURE_DATA(gdb) *self,
		     const FIXTURE_VARIANT(buffer) *variant)
{
	struct pair *pair = &self->pairs[self->count];

	pair->variant = variant;
	pair->fd = fm_open_buffer(variant);
	if (pair->fd == -ENODEV)
		return true;
	if (pair->fd < 0 || fm_stamp(pair->fd, 0, FM_PAGES))
		return false;
	pair->map = mmap(NULL, FM_PAGES * self->page, PROT_READ | PROT_WRITE,
			 MAP_SHARED, pair->fd, 0);
	self->count++;
	return pair->map != MAP_FAILED && !fm_read_at(pair->map) &&
		!fm_resize(pair->fd, SHRUNK);
}

FIXTURE_SETUP(gdb)
{
	struct __fixture_variant_metadata *each;

	self->page = fm_page_size();
	if (access(FM_CONTROL, F_OK))
		SKIP(return, "faultmap is not loaded");
	if (!has_gdb())
		SKIP(return, "no gdb");
	for (each = _buffer_fixture_object.variant; each;
	     each = each->next) {
		ASSERT_LT(self->count, MAX_PAIRS);
		ASSERT_TRUE(add_pair(self, each->data));
	}
	ASSERT_LT(0, self->count);
}

FIXTURE_TEARDOWN(gdb)
{
	for (size_t i = 0; i < self->count; i++)
		close(self->pairs[i].fd);
}

/* Sees after gdb has gone what it wrote. */
static int debuggee(const FIXTURE_DATA(gdb) *self, int wake)
{
	char byte;

	if (read(wake, &byte, 1) != 1)
		return 1;
	for (size_t i = 0; i < self->count; i++)
		if (*(volatile long *)address(self, i, WRITTEN) !=
		    POKED + (long)i)
			return 2;
	return 0;
}

/* An error ends a script of gdb's, but not a row of -ex. */
static void write_commands(const FIXTURE_DATA(gdb) *self, FILE *script)
{
	unsigned long at;

	fputs("exec gdb -nx -q -batch -iex 'set auto-solib-add off' -p $1", script);
	for (size_t i = 0; i < self->count; i++) {
		for (int ask = 0; ask < NR_ASKS; ask++) {
			at = address(self, i, ask);
			if (ask == WRITTEN)
				fprintf(script, " -ex 'set {long}%#lx = %#lx'",
					at, POKED + i);
			fprintf(script, " -ex 'x/gx %#lx'", at);
		}
	}
	fputs(" 2>&1\n", script);
}

static void note_answer(FIXTURE_DATA(gdb) *self, unsigned long at,
			unsigned long word)
{
	for (size_t i = 0; i < self->count; i++) {
		for (int ask = 0; ask < NR_ASKS; ask++) {
			if (address(self, i, ask) == at) {
				self->pairs[i].seen[ask] = word;
				self->pairs[i].answered[ask] = true;
			}
		}
	}
}

static void read_answers(FIXTURE_DATA(gdb) *self, FILE *output)
{
	unsigned long at, word;
	char line[256];

	while (fgets(line, sizeof(line), output))
		if (sscanf(line, "%lx: 0x%lx", &at, &word) == 2)
			note_answer(self, at, word);
}

/* Returns gdb's exit status. */
static int run_gdb(FIXTURE_DATA(gdb) *self, pid_t pid)
{
	char path[] = "/tmp/faultmap-gdb.XXXXXX", command[64];
	FILE *script = fdopen(mkstemp(path), "w"), *output;
	int status = -1;

	if (!script)
		return -1;
	write_commands(self, script);
	fclose(script);
	snprintf(command, sizeof(command), "sh %s %d", path, pid);
	output = popen(command, "r");
	if (output) {
		read_answers(self, output);
		status = pclose(output);
	}
	unlink(path);
	return status;
}

static void check_pair(struct __test_metadata *_metadata,
		       const FIXTURE_DATA(gdb) *self, size_t i,
		       const FIXTURE_VARIANT(buffer) *variant)
{
	const struct pair *pair = &self->pairs[i];
	unsigned long word = 0;
	bool reads, writes;

	reads = pair->answered[TOUCHED] && pair->answered[UNTOUCHED] &&
		pair->seen[TOUCHED] == fm_stamp_word(pages[TOUCHED], i) &&
		pair->seen[UNTOUCHED] == fm_stamp_word(pages[UNTOUCHED], i);
	EXPECT_EQ(sizeof(word), pread(pair->fd, &word, sizeof(word),
				      offset(self, i, WRITTEN)));
	writes = word == POKED + i && pair->seen[WRITTEN] == word;

	SAW("gdb reads", "%s", reads ? "works" : "fails");
	SAW("gdb writes", "%s", writes ? "works" : "fails");
	SAW("gdb reads past the end", "%s",
	    pair->answered[PAST_THE_END] ? "works" : "fails");
	EXPECT_TRUE(reads) TH_LOG("%s", variant->node);
	EXPECT_TRUE(writes) TH_LOG("%s", variant->node);
	EXPECT_FALSE(pair->answered[PAST_THE_END]) TH_LOG("%s", variant->node);
}

TEST_F_TIMEOUT(gdb, reads_and_writes, 100)
{
	int pipes[2], status = -1;
	pid_t pid;

	ASSERT_EQ(0, pipe(pipes));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(debuggee(self, pipes[0]));
	EXPECT_NE(-1, run_gdb(self, pid));
	for (size_t i = 0; i < self->count; i++)
		check_pair(_metadata, self, i, self->pairs[i].variant);
	ASSERT_EQ(1, write(pipes[1], "", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN

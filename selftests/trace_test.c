// SPDX-License-Identifier: GPL-2.0-only
/* The tracepoints: what they tell, and of what. */
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "buffer_fixture.h"

/* Of our own, so that others who trace do not hear of it. */
#define INSTANCE	"/sys/kernel/tracing/instances/faultmap_test"
#define LINE		256

static char told_text[LINE], meant_text[LINE], self_name[FM_NAME_SIZE];

/* What the last of these events said, or "", since told() was last called. */
static const char *told(const char *event)
{
	FILE *trace = fopen(INSTANCE "/trace", "r");
	char line[LINE], name[40], *at;

	snprintf(name, sizeof(name), ": faultmap_%s: ", event);
	told_text[0] = '\0';
	while (trace && fgets(line, sizeof(line), trace)) {
		at = strstr(line, name);
		if (at)
			snprintf(told_text, sizeof(told_text), "%.*s",
				 (int)strcspn(at + strlen(name), "\n"), at + strlen(name));
	}
	if (trace)
		fclose(trace);
	/* To open it so is to clear it. */
	close(open(INSTANCE "/trace", O_WRONLY | O_TRUNC));
	return told_text;
}

static const char *meant(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(meant_text, sizeof(meant_text), format, args);
	va_end(args);
	return meant_text;
}

static bool trace_only(const char *name)
{
	char filter[60];

	rmdir(INSTANCE);
	snprintf(filter, sizeof(filter), "name == \"%s\"", name);
	return !mkdir(INSTANCE, 0700) &&
	       !fm_put(INSTANCE "/events/faultmap/filter", filter) &&
	       !fm_put(INSTANCE "/events/faultmap/enable", "1");
}

static void trace_no_more(void)
{
	fm_put(INSTANCE "/events/faultmap/enable", "0");
	rmdir(INSTANCE);
}

#define TRACE_OR_SKIP() do { \
	if (!trace_only(fm_name(self->fd, self_name))) \
		SKIP(return, "needs tracefs, and to be root"); \
} while (0)

TEST_F(buffer, mmap_and_its_end)
{
	char *map, *room = fm_reserve(1);

	TRACE_OR_SKIP();
	map = fm_map(self, 2, 8);
	EXPECT_STREQ(meant("name=%s addr=0x%lx pgoff=2 pages=8 ret=0", self_name,
			   (unsigned long)map), told("mmap"));
	EXPECT_EQ(MAP_FAILED, fm_map_at(self, room, FM_PAGES, 1));
	EXPECT_STREQ(meant("name=%s addr=0x%lx pgoff=%d pages=1 ret=%d", self_name,
			   (unsigned long)room, FM_PAGES, -errno), told("mmap"));
	munmap(map, 8 * self->page);
	meant("name=%s addr=0x%lx pgoff=2 pages=8", self_name, (unsigned long)map);
	EXPECT_STREQ(fm_counts_mappings(variant) ? meant_text : "", told("close"));
	trace_no_more();
}

/* Of eager-page too, once it has been told to forget a page. */
TEST_F(buffer, faults)
{
	char *map = fm_map(self, 2, 8), *at;
	uint64_t before, pages;

	TRACE_OR_SKIP();
	if (variant->strategy == FAULTMAP_STRATEGY_EAGER_PAGE)
		madvise(map, 8 * self->page, MADV_DONTNEED);
	for (int i = 0; i < 2; i++) {
		at = map + 5 * i * self->page;
		before = fm_stats(self->fd).pages_installed;
		told("fault");
		if (i)
			*(volatile char *)(at + 7) = 1;
		else
			*(volatile char *)(at + 7);
		pages = fm_stats(self->fd).pages_installed - before;
		meant("name=%s addr=0x%lx pgoff=%d %s pages=%" PRIu64, self_name,
		      (unsigned long)at, 2 + 5 * i, i ? "write" : "read", pages);
		EXPECT_STREQ(pages ? meant_text : "", told("fault"));
		/* The window of the first may hold the other. */
		EXPECT_TRUE(pages || !fm_comes_back(variant) || (i && self->window != 1));
	}
	trace_no_more();
}

static void exit_at_once(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

TEST_F(buffer, fork_and_move)
{
	char *map = fm_map(self, 3, 4), *room = fm_reserve(4);

	TRACE_OR_SKIP();
	exit_at_once();
	meant("name=%s addr=0x%lx pgoff=3 pages=4", self_name, (unsigned long)map);
	EXPECT_STREQ(fm_counts_mappings(variant) ? meant_text : "", told("open"));
	map = mremap(map, 4 * self->page, 4 * self->page,
		     MREMAP_MAYMOVE | MREMAP_FIXED, room);
	ASSERT_EQ(room, map);
	EXPECT_STREQ(meant("name=%s addr=0x%lx pgoff=3 pages=4", self_name,
			   (unsigned long)room), told("move"));
	trace_no_more();
}

TEST_F(buffer, zap_and_refusal)
{
	char *map = fm_map(self, 1, FM_PAGES - 1);

	TRACE_OR_SKIP();
	EXPECT_EQ(0, fm_resize(self->fd, 7));
	EXPECT_STREQ(meant("name=%s from=7", self_name), told("zap"));
	EXPECT_EQ(SIGBUS, fm_read_at(map + 6 * self->page));
	EXPECT_STREQ(meant("name=%s addr=0x%lx pgoff=7 read", self_name,
			   (unsigned long)map + 6 * self->page), told("sigbus"));
	EXPECT_EQ(SIGBUS, fm_guarded(fm_do_write, map + 8 * self->page));
	EXPECT_EQ(0, ioctl(self->fd, FAULTMAP_REVOKE));
	EXPECT_STREQ(meant("name=%s from=0", self_name), told("zap"));
	trace_no_more();
}

/* How often @fd's mmap(2) calls remap_pfn_range(), which @probe tells; -1 if unknown. */
static int remaps(const FIXTURE_DATA(buffer) *self, int fd, const char *probe)
{
	FILE *trace;
	char line[LINE];
	int n = 0;

	close(open(INSTANCE "/trace", O_WRONLY | O_TRUNC));
	munmap(mmap(NULL, FM_PAGES * self->page, PROT_READ, MAP_SHARED, fd, 0),
	       FM_PAGES * self->page);
	trace = fopen(INSTANCE "/trace", "r");
	if (!trace)
		return -1;
	while (fgets(line, sizeof(line), trace))
		n += !!strstr(line, probe);
	fclose(trace);
	return n;
}

#define KPROBES	"/sys/kernel/tracing/kprobe_events"
#define PROBE	"faultmap_test_remap"

/* Batched eager mapping shows the same, but comes about in another way. */
TEST_F(buffer, batched_does_not_remap)
{
	char filter[40];
	int fd;

	if (variant->strategy != FAULTMAP_STRATEGY_EAGER || fm_is_device(variant))
		SKIP(return, "only private eager buffers are batched");
	fd = fm_create_batched(variant->memory, FM_PAGES);
	if (fd == -EOPNOTSUPP)
		SKIP(return, "this memory, or this kernel, has no batches");
	ASSERT_LE(0, fd);
	TRACE_OR_SKIP();
	snprintf(filter, sizeof(filter), "common_pid == %d", getpid());
	if (fm_put(KPROBES, "p:" PROBE " remap_pfn_range") ||
	    fm_put(INSTANCE "/events/kprobes/" PROBE "/filter", filter) ||
	    fm_put(INSTANCE "/events/kprobes/" PROBE "/enable", "1"))
		SKIP(return, "needs kprobe events");
	EXPECT_LT(0, remaps(self, self->fd, PROBE));
	EXPECT_EQ(0, remaps(self, fd, PROBE));
	fm_put(INSTANCE "/events/kprobes/" PROBE "/enable", "0");
	trace_no_more();
	EXPECT_EQ(0, fm_put(KPROBES, "-:" PROBE));
	close(fd);
}

TEST_HARNESS_MAIN

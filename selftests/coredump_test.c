// SPDX-License-Identifier: GPL-2.0-only
/*
 * Core dumps of a process with a mapping: pages are dumped, and faulted in for
 * that if need be; frames are marked as not to be dumped.
 */
#include <sys/wait.h>

#include "buffer_fixture.h"

#define CORE_PATTERN	"/proc/sys/kernel/core_pattern"
#define CORE_DIR	"/tmp/faultmap-core.XXXXXX"

/* Values of coredump_filter */
#define DUMP_ANONYMOUS	"0x3"
#define DUMP_SHARED	"0x8"	/* of files, which is not dumped by default */

static bool read_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "r");
	bool ok = file && fgets(line, size, file);

	if (file)
		fclose(file);
	return ok;
}

static bool write_line(const char *path, const char *line)
{
	FILE *file = fopen(path, "w");
	bool ok = file && fputs(line, file) >= 0;

	return file && !fclose(file) && ok;
}

/* A child aborts: its PID if it dumped core, or -1. */
static pid_t abort_child(const char *filter)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (setrlimit(RLIMIT_CORE, &limit) ||
		    !write_line("/proc/self/coredump_filter", filter))
			_exit(1);
		abort();
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) && WCOREDUMP(status) ? pid : -1;
}

/* How many pages of the buffer, from the first on, are in a file. */
static int stamped_pages(int fd)
{
	size_t size = fm_page_size();
	char page[size];
	int n = 0;

	/* The segments of a core file are aligned to pages. */
	for (off_t at = 0; pread(fd, page, size, at) > 0; at += size)
		if (fm_page_at(page) == n)
			n++;
	return n;
}

/* How many pages of the buffer a child dumps, or -1 if it does not dump core. */
static int dumped_pages(const char *filter)
{
	char dir[] = CORE_DIR, path[sizeof(dir) + 16], old[256];
	int fd, n = -1;
	pid_t pid;

	if (!read_line(CORE_PATTERN, old, sizeof(old)) || !mkdtemp(dir))
		return -1;
	/* Without %p, core_uses_pid would decide about the name. */
	snprintf(path, sizeof(path), "%s/%%p", dir);
	if (write_line(CORE_PATTERN, path)) {
		pid = abort_child(filter);
		write_line(CORE_PATTERN, old);
		snprintf(path, sizeof(path), "%s/%d", dir, pid);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) {
			n = stamped_pages(fd);
			close(fd);
		}
		unlink(path);
	}
	rmdir(dir);
	return n;
}

TEST_F(buffer, touched)
{
	char *map = fm_map(self, 0, FM_PAGES);
	int dumped;

	if (access(CORE_PATTERN, W_OK))
		SKIP(return, "only root sets core_pattern");
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STAMPS(map, 0, FM_PAGES);
	dumped = dumped_pages(DUMP_SHARED);
	SAW("touch 16 pages, dump core", "%d pages dumped", dumped);
	EXPECT_EQ(fm_is_by_page(variant) ? FM_PAGES : 0, dumped);
}

TEST_F(buffer, untouched)
{
	bool faults = variant->strategy == FAULTMAP_STRATEGY_LAZY;
	char *map = fm_map(self, 0, FM_PAGES);
	int dumped;

	if (access(CORE_PATTERN, W_OK))
		SKIP(return, "only root sets core_pattern");
	ASSERT_NE(MAP_FAILED, map);
	dumped = dumped_pages(DUMP_SHARED);
	SAW("dump core with 16 untouched pages",
	    "%d pages dumped, %" PRIu64 " faults", dumped,
	    fm_faults(self->fd));
	EXPECT_EQ(fm_is_by_page(variant) ? FM_PAGES : 0, dumped);
	EXPECT_FAULTS(faults ? FM_PAGES : 0, fm_faults(self->fd));
}

/* What coredump_filter leaves out is not touched, either. */
TEST_F(buffer, filtered)
{
	char *map = fm_map(self, 0, FM_PAGES);
	int dumped;

	if (access(CORE_PATTERN, W_OK))
		SKIP(return, "only root sets core_pattern");
	ASSERT_NE(MAP_FAILED, map);
	dumped = dumped_pages(DUMP_ANONYMOUS);
	SAW("the same without shared files in coredump_filter",
	    "%d pages dumped, %" PRIu64 " faults", dumped,
	    fm_faults(self->fd));
	EXPECT_EQ(0, dumped);
	EXPECT_EQ(0, fm_faults(self->fd));
}

TEST_HARNESS_MAIN

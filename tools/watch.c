// SPDX-License-Identifier: GPL-2.0-only
/*
 * "watch": what is counted in each interval, a line for each buffer, as vmstat(8) does it.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "operand.h"
#include "tool.h"

#define NSEC_PER_SEC	1000000000LL
#define MAX_SECONDS	1000000
#define USUAL_ROWS	24	/* of a screen, where there is none */

/**
 * struct watched - a buffer
 * @operand: what the user calls it
 * @fd: its descriptor
 * @before: its counters as they were last printed
 */
struct watched {
	const char *operand;
	int fd;
	struct faultmap_stats before;
};

/**
 * struct watch - what is printed
 * @interval: nanoseconds from one print to the next
 * @count: how many there are; 0: until the end of time
 * @watched: the buffers
 * @n: how many
 * @width: of the longest name
 * @lines: printed since the last header
 */
struct watch {
	long long interval;
	unsigned long count;
	struct watched *watched;
	int n;
	int width;
	int lines;
};

static const struct {
	const char *name;
	int width;
	size_t offset;
} columns[] = {
	{ "READ",	9,	offsetof(struct faultmap_stats, read_faults) },
	{ "WRITE",	9,	offsetof(struct faultmap_stats, write_faults) },
	{ "HUGE",	6,	offsetof(struct faultmap_stats, huge_faults) },
	{ "INSTALLED",	10,	offsetof(struct faultmap_stats, pages_installed) },
	{ "SIGBUS",	7,	offsetof(struct faultmap_stats, sigbus) },
	{ "MMAPS",	6,	offsetof(struct faultmap_stats, mmaps) },
	{ "OPENS",	6,	offsetof(struct faultmap_stats, opens) },
	{ "CLOSES",	7,	offsetof(struct faultmap_stats, closes) },
	{ "MOVES",	6,	offsetof(struct faultmap_stats, moves) },
	{ "ZAPS",	5,	offsetof(struct faultmap_stats, zaps) },
};

static void print_usage(FILE *out)
{
	fputs("usage: faultmap watch [INTERVAL [COUNT]] NODE|PATH|PID:FD...\n", out);
}

/* Neither a node nor PID:FD is a number. */
static bool is_number(const char *word)
{
	return word && *word && !word[strspn(word, "0123456789.")];
}

static void parse_interval(struct watch *watch, const char *word)
{
	double seconds;
	char *end;

	seconds = strtod(word, &end);
	if (*end || !(seconds >= 0.001 && seconds <= MAX_SECONDS))
		fm_die(FM_USAGE, "watch %s: give an INTERVAL of 0.001 to %d seconds", word,
		       MAX_SECONDS);
	watch->interval = llround(seconds * NSEC_PER_SEC);
}

static void parse_count(struct watch *watch, const char *word)
{
	char *end;

	errno = 0;
	watch->count = strtoul(word, &end, 10);
	if (errno || *end || !watch->count)
		fm_die(FM_USAGE, "watch %s: give a COUNT that is a whole number above 0", word);
}

/* Returns the first operand. */
static char **parse_words(struct watch *watch, int argc, char **argv)
{
	char **word = argv + 1;

	if (*word && (!strcmp(*word, "--help") || !strcmp(*word, "-h"))) {
		print_usage(stdout);
		exit(0);
	}
	if (is_number(*word))
		parse_interval(watch, *word++);
	if (word != argv + 1 && is_number(*word))
		parse_count(watch, *word++);
	watch->n = argc - (word - argv);
	if (!watch->n || **word == '-') {
		fm_warn("watch%s%s: give a node or a buffer to watch", watch->n ? " " : "",
			watch->n ? *word : "");
		print_usage(stderr);
		exit(FM_USAGE);
	}
	return word;
}

static void open_all(struct watch *watch, char **operands)
{
	struct watched *watched;
	int i;

	watch->watched = calloc(watch->n, sizeof(*watch->watched));
	if (!watch->watched)
		fm_die(FM_FAILED, "%s", strerror(errno));
	watch->width = strlen("NODE");
	for (i = 0; i < watch->n; i++) {
		watched = &watch->watched[i];
		watched->operand = operands[i];
		watched->fd = fm_open_operand(operands[i], O_RDONLY);
		if (watched->fd < 0)
			exit(FM_FAILED);
		if ((int)strlen(operands[i]) > watch->width)
			watch->width = strlen(operands[i]);
	}
}

static int screen_rows(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row < 3)
		return USUAL_ROWS;
	return size.ws_row;
}

static void print_header(const struct watch *watch)
{
	size_t i;

	printf("%-*s", watch->width, "NODE");
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		printf("%*s", columns[i].width, columns[i].name);
	putchar('\n');
}

static __u64 column_of(const struct faultmap_stats *stats, size_t i)
{
	return *(const __u64 *)((const char *)stats + columns[i].offset);
}

/* Somebody may have had them count from zero again meanwhile. */
static __u64 since(__u64 before, __u64 now)
{
	return now < before ? now : now - before;
}

static void print_line(const struct watch *watch, struct watched *watched)
{
	struct faultmap_stats now;
	size_t i;

	if (!fm_read_stats(watched->fd, watched->operand, &now))
		exit(FM_FAILED);
	printf("%-*s", watch->width, watched->operand);
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		printf("%*llu", columns[i].width,
		       since(column_of(&watched->before, i), column_of(&now, i)));
	putchar('\n');
	watched->before = now;
}

static void print_all(struct watch *watch)
{
	int i;

	for (i = 0; i < watch->n; i++) {
		if (watch->lines % (screen_rows() - 2) == 0) {
			print_header(watch);
			watch->lines = 0;
		}
		print_line(watch, &watch->watched[i]);
		watch->lines++;
	}
	/* For who reads it by a pipe. */
	if (fflush(stdout))
		fm_die(FM_FAILED, "standard output: %s", strerror(errno));
}

static void sleep_until(struct timespec *next, long long interval)
{
	long long ns = next->tv_nsec + interval;

	next->tv_sec += ns / NSEC_PER_SEC;
	next->tv_nsec = ns % NSEC_PER_SEC;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) == EINTR)
		;
}

/**
 * fm_watch() - show what buffers count, again and again
 * @argc: of the command's words, its name first
 * @argv: those
 *
 * The first lines are of all that was counted before.
 *
 * Return: the exit status
 */
int fm_watch(int argc, char **argv)
{
	struct watch watch = { .interval = NSEC_PER_SEC };
	struct timespec next;
	unsigned long i;

	open_all(&watch, parse_words(&watch, argc, argv));
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (i = 0; !watch.count || i < watch.count; i++) {
		if (i)
			sleep_until(&next, watch.interval);
		print_all(&watch);
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is done to one node or buffer: "info", "stats", "reset", "resize" and "revoke".
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "counters.h"
#include "names.h"
#include "operand.h"
#include "size.h"
#include "tool.h"

static void print_usage(FILE *out, const char *command)
{
	fprintf(out, "usage: faultmap %s NODE|PATH|PID:FD%s\n", command,
		strcmp(command, "resize") ? "" : " SIZE");
}

/* Exits unless there are the operands that the usage names. */
static void check_operands(int argc, char **argv, int operands)
{
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		print_usage(stdout, argv[0]);
		exit(0);
	}
	if (argc > 1 && *argv[1] == '-')
		fm_warn("%s %s: there is no such option", argv[0], argv[1]);
	else if (argc == operands + 1)
		return;
	else if (argc > operands + 1)
		fm_warn("%s %s: is one too many", argv[0], argv[operands + 1]);
	else
		fm_warn("%s: give %s", argv[0], argc == 1 ? "a node or a buffer" : "a SIZE");
	print_usage(stderr, argv[0]);
	exit(FM_USAGE);
}

static const char *yes_no(__u32 flag)
{
	return flag ? "yes" : "no";
}

static void print_info(const struct faultmap_info *info)
{
	printf("memory: %s\n", fm_memory_name(info->memory));
	printf("strategy: %s\n", fm_strategy_name(info->strategy));
	printf("bytes: %llu\n", info->bytes);
	printf("held: %llu\n", info->held);
	printf("extents: %llu\n", info->extents);
	printf("order: %u\n", info->order);
	printf("window: %u\n", info->window);
	printf("on_demand: %s\n", yes_no(info->flags & FAULTMAP_INFO_ON_DEMAND));
	printf("private: %s\n", yes_no(info->flags & FAULTMAP_INFO_PRIVATE));
}

/**
 * fm_info() - show what a buffer is
 * @argc: of the command's words, its name first
 * @argv: those
 *
 * Return: the exit status
 */
int fm_info(int argc, char **argv)
{
	struct faultmap_info info;
	int fd;

	check_operands(argc, argv, 1);
	fd = fm_open_operand(argv[1], O_RDONLY);
	if (fd < 0 || !fm_read_info(fd, argv[1], &info))
		return FM_FAILED;
	print_info(&info);
	return 0;
}

/**
 * fm_stats() - show the counters of a buffer
 * @argc: of the command's words, its name first
 * @argv: those
 *
 * Return: the exit status
 */
int fm_stats(int argc, char **argv)
{
	struct faultmap_stats stats;
	int fd;

	check_operands(argc, argv, 1);
	fd = fm_open_operand(argv[1], O_RDONLY);
	if (fd < 0 || !fm_read_stats(fd, argv[1], &stats))
		return FM_FAILED;
	fm_print_counters(stdout, &stats);
	return 0;
}

/* One ioctl on an operand that may be written; @arg says what of it is refused. */
static int change(const char *operand, unsigned long ioctl_number, void *arg, const char *word)
{
	int fd = fm_open_operand(operand, O_RDWR);

	if (fd < 0)
		return FM_FAILED;
	if (!ioctl(fd, ioctl_number, arg))
		return 0;
	fm_warn("%s%s: %s%s", operand, word, strerror(errno), fm_remedy(errno));
	return FM_FAILED;
}

/**
 * fm_reset() - let a buffer count from zero again
 * @argc: of the command's words, its name first
 * @argv: those
 *
 * Return: the exit status
 */
int fm_reset(int argc, char **argv)
{
	check_operands(argc, argv, 1);
	return change(argv[1], FAULTMAP_STATS_RESET, NULL, "");
}

/**
 * fm_revoke() - cut off all who use a buffer
 * @argc: of the command's words, its name first
 * @argv: those
 *
 * Return: the exit status
 */
int fm_revoke(int argc, char **argv)
{
	check_operands(argc, argv, 1);
	return change(argv[1], FAULTMAP_REVOKE, NULL, "");
}

/**
 * fm_resize() - change the size of a buffer
 * @argc: of the command's words, its name first
 * @argv: those
 *
 * Return: the exit status
 */
int fm_resize(int argc, char **argv)
{
	struct faultmap_resize resize = { };
	char word[64];
	size_t bytes;

	check_operands(argc, argv, 2);
	if (!fm_parse_size(argv[2], &bytes) || !bytes || bytes % fm_page_size())
		fm_die(FM_USAGE, "resize %s %s: " FM_SIZE_REMEDY, argv[1], argv[2],
		       fm_page_size());
	resize.bytes = bytes;
	snprintf(word, sizeof(word), ": %s", argv[2]);
	return change(argv[1], FAULTMAP_RESIZE, &resize, word);
}

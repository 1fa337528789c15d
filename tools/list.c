// SPDX-License-Identifier: GPL-2.0-only
/*
 * "list": all nodes in a table, or as CSV.
 */
#include <getopt.h>
#include <string.h>

#include "counters.h"
#include "rows.h"
#include "tool.h"

static void print_usage(FILE *out)
{
	fputs("usage: faultmap list [--open] [--private] [--csv]\n", out);
}

/* In the largest unit that leaves nothing over, as sizes are given. */
static const char *size_text(__u64 bytes, char text[24])
{
	static const char units[] = "KMG";
	const char *unit = "";
	size_t i;

	for (i = 0; units[i] && bytes && bytes % 1024 == 0; i++) {
		bytes /= 1024;
		unit = &units[i];
	}
	snprintf(text, 24, "%llu%.1s", bytes, unit);
	return text;
}

static const char *window_text(const struct faultmap_info *info, char text[24])
{
	if (!info->window)
		return "auto";
	snprintf(text, 24, "%u", info->window);
	return text;
}

static int longest_name(const struct rows *rows)
{
	int len = strlen("NODE");
	size_t i;

	for (i = 0; i < rows->n; i++)
		if ((int)strlen(rows->row[i].name) > len)
			len = strlen(rows->row[i].name);
	return len;
}

static void print_figures(const struct row *row)
{
	const struct faultmap_stats *stats = &row->stats;
	char size[24], held[24], window[24];

	printf(" %6s %6s %7llu %6s %9llu %9llu %6llu %5llu", size_text(row->info.bytes, size),
	       size_text(row->info.held, held), row->info.extents,
	       window_text(&row->info, window), stats->read_faults + stats->write_faults,
	       stats->pages_installed, stats->sigbus, stats->mmaps);
}

static void print_table(const struct rows *rows)
{
	int width = longest_name(rows);
	const struct row *row;
	size_t i;

	printf("%-*s %-8s %-10s %6s %6s %7s %6s %9s %9s %6s %5s\n", width, "NODE", "MEMORY",
	       "STRATEGY", "SIZE", "HELD", "EXTENTS", "WINDOW", "FAULTS", "INSTALLED",
	       "SIGBUS", "MMAPS");
	for (i = 0; i < rows->n; i++) {
		row = &rows->row[i];
		printf("%-*s %-8s %-10s", width, row->name, fm_memory_name(row->read.memory),
		       fm_strategy_name(row->read.strategy));
		if (row->looked)
			print_figures(row);
		else
			printf(" %s", row->note);
		putchar('\n');
	}
}

static void print_csv_figures(const struct row *row)
{
	const struct faultmap_info *info = &row->info;
	unsigned int i;

	printf(",%llu,%llu,%llu,%u,%u", info->bytes, info->held, info->extents, info->order,
	       info->window);
	for (i = 0; i < FM_NR_COUNTERS; i++)
		printf(",%llu", fm_counter(&row->stats, i));
}

static void print_csv_gap(void)
{
	unsigned int i;

	for (i = 0; i < FM_NR_COUNTERS + 5; i++)
		putchar(',');
}

/* What the note quotes has no quotation mark, but may have a comma. */
static void print_csv(const struct rows *rows)
{
	const struct row *row;
	size_t i;

	printf("node,memory,strategy,bytes,held,extents,order,window");
	for (i = 0; i < FM_NR_COUNTERS; i++)
		printf(",%s", fm_counter_name(i));
	puts(",note");
	for (i = 0; i < rows->n; i++) {
		row = &rows->row[i];
		printf("%s,%s,%s", row->name, fm_memory_name(row->read.memory),
		       fm_strategy_name(row->read.strategy));
		if (row->looked)
			print_csv_figures(row);
		else
			print_csv_gap();
		printf(*row->note ? ",\"%s\"\n" : ",%s\n", row->note);
	}
}

static const struct option options[] = {
	{ "open",	no_argument, NULL, 'o' },
	{ "private",	no_argument, NULL, 'p' },
	{ "csv",	no_argument, NULL, 'c' },
	{ "help",	no_argument, NULL, 'h' },
	{ }
};

struct list_options {
	bool allocate;
	bool private;
	bool csv;
};

static void parse_options(struct list_options *config, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "opch", options, NULL)) != -1) {
		switch (option) {
		case 'o':
			config->allocate = true;
			break;
		case 'p':
			config->private = true;
			break;
		case 'c':
			config->csv = true;
			break;
		case 'h':
			print_usage(stdout);
			exit(0);
		default:
			print_usage(stderr);
			exit(FM_USAGE);
		}
	}
	if (optind < argc)
		fm_die(FM_USAGE, "list %s: takes no operand: see \"faultmap info\"",
		       argv[optind]);
}

/**
 * fm_list() - show all nodes
 * @argc: of the command's words, its name first
 * @argv: those
 *
 * Return: the exit status, FM_FAILED only if no node could be shown
 */
int fm_list(int argc, char **argv)
{
	struct list_options config = { false };
	struct rows rows = { };
	size_t i, failed = 0;

	parse_options(&config, argc, argv);
	fm_find_rows(&rows, config.allocate);
	if (config.private)
		fm_find_private(&rows);
	if (config.csv)
		print_csv(&rows);
	else
		print_table(&rows);
	for (i = 0; i < rows.n; i++)
		failed += rows.row[i].failed;
	free(rows.row);
	return failed == rows.n ? FM_FAILED : 0;
}

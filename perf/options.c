// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line: what it may say, and what is made of it.
 */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "common.h"
#include "options.h"
#include "size.h"

#define MAX_RUNS		1000000

static void print_usage(FILE *out)
{
	fputs("usage: fmbench [OPTION]... MEMORY...\n"
	      "       fmbench [--settle=PPM] [--repeats=N] --plan=FILE\n"
	      "       fmbench [OPTION]... --first\n"
	      "Maps each MEMORY, touches a share of its pages and unmaps it; prints CSV with\n"
	      "the faults, and the time of each phase in nanoseconds of CLOCK_MONOTONIC.\n"
	      "MEMORY is the path of a faultmap node, pages-eager-batched or vmalloc-eager-batched (a\n"
	      "buffer that is mapped eagerly by PMDs where they fit, else by whole page tables), memfd\n"
	      "or anon.  All but anon have their memory before the measurement; that is allocated and\n"
	      "zeroed by the touch.\n"
	      "\n"
	      "  -S, --size=BYTES       size of the mapping; K, M, G may follow (64M)\n"
	      "  -s, --share=PERCENT,.. shares of the pages to touch (100)\n"
	      "  -o, --order=ORDER      sequential: the first pages; reverse: the same from the\n"
	      "                         last to the first; spread: evenly over the buffer,\n"
	      "                         ascending; random: the same ones each time (sequential)\n"
	      "  -a, --access=ACCESS    read, write, or read-write: each page is read, then written;\n"
	      "                         a write changes no contents (write)\n"
	      "  -w, --warmups=N        runs before those that are measured (1)\n"
	      "  -r, --repeats=N        measured runs, of which the quickest is printed (5)\n"
	      "  -b, --budget=MS        no more than 3 runs of a share after so many ms (no\n"
	      "                         limit)\n"
	      "  -t, --settle=PPM       first wait until a fixed piece of work repeats within\n"
	      "                         so many millionths; 0: to the digit; or off (0)\n"
	      "  -c, --control=CTL,ACK  enable perf stat --control fifo:CTL,ACK in measured runs\n"
	      "  -P, --phase=PHASE      enable it in one part of them: mmap, touch, munmap, or empty,\n"
	      "                         to see what that costs (all)\n"
	      "  -x, --scatter          let nodes that have no memory yet get it in blocks of\n"
	      "                         2 MiB that do not touch, as after long use; else it is\n"
	      "                         for each boot to say how scattered it is\n"
	      "  -p, --plan=FILE        measure the cells that perf/bench.plan, or another such\n"
	      "                         FILE, names; needs the driver unless it says otherwise\n"
	      "  -f, --first            make a new buffer for each run, map, touch and unmap it,\n"
	      "                         and give it back: what all that costs, and what memory\n"
	      "                         it held; eager, lazy, lazy on demand, and a memfd\n"
	      "  -n, --no-header        no line with the names of the columns\n"
	      "  -v, --verbose          tell on stderr what is being measured\n"
	      "  -h, --help             this text\n", out);
}

static int find_name(const char * const *names, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

static enum order parse_order(const char *arg)
{
	int order = find_name(fm_order_names, NR_ORDERS, arg);

	if (order < 0)
		exit_err("--order=%s: give sequential, reverse, spread or random",
			 arg);
	return order;
}

static enum access parse_access(const char *arg)
{
	int access = find_name(fm_access_names, NR_ACCESSES, arg);

	if (access < 0)
		exit_err("--access=%s: give read, write or read-write", arg);
	return access;
}

static enum phase parse_phase(const char *arg)
{
	static const char * const names[NR_PHASES] = {
		"all", "mmap", "touch", "munmap", "empty"
	};
	int phase = find_name(names, NR_PHASES, arg);

	if (phase < 0)
		exit_err("--phase=%s: give all, mmap, touch, munmap or empty", arg);
	return phase;
}

static unsigned long parse_number(const char *option, const char *arg,
				  unsigned long least, unsigned long most)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(arg, &end, 10);
	if (errno || end == arg || *end || *arg == '-' || value < least ||
	    value > most)
		exit_err("--%s=%s: give a whole number from %lu to %lu", option, arg,
			 least, most);
	return value;
}

static size_t parse_size(const char *arg)
{
	size_t value;

	if (!fm_parse_size(arg, &value))
		exit_err("--size=%s: give bytes, such as 64M", arg);
	if (!value || value % fm_page_size())
		exit_err("--size=%s: give a multiple of the page size, %zu bytes", arg,
			 fm_page_size());
	return value;
}

static void parse_shares(struct config *config, const char *arg)
{
	const char *at = arg;
	double share;
	char *end;

	config->nr_shares = 0;
	do {
		share = strtod(at, &end);
		if (end == at || (*end && *end != ',') ||
		    !(share > 0 && share <= 100))
			exit_err("--share=%s: give percentages above 0 and up to 100, separated by commas",
				 arg);
		if (config->nr_shares == MAX_SHARES)
			exit_err("--share=%s: give at most %d shares",
				 arg, MAX_SHARES);
		config->shares[config->nr_shares++] = share;
		at = end + 1;
	} while (*end);
}

static void parse_settle(struct config *config, const char *arg)
{
	config->settle = strcmp(arg, "off");
	if (config->settle)
		config->tolerance_ppm = parse_number("settle", arg, 0, 1000000);
}

static const struct option options[] = {
	{ "size",	required_argument, NULL, 'S' },
	{ "share",	required_argument, NULL, 's' },
	{ "order",	required_argument, NULL, 'o' },
	{ "access",	required_argument, NULL, 'a' },
	{ "warmups",	required_argument, NULL, 'w' },
	{ "repeats",	required_argument, NULL, 'r' },
	{ "budget",	required_argument, NULL, 'b' },
	{ "settle",	required_argument, NULL, 't' },
	{ "control",	required_argument, NULL, 'c' },
	{ "phase",	required_argument, NULL, 'P' },
	{ "scatter",	no_argument,	   NULL, 'x' },
	{ "plan",	required_argument, NULL, 'p' },
	{ "first",	no_argument,	   NULL, 'f' },
	{ "no-header",	no_argument,	   NULL, 'n' },
	{ "verbose",	no_argument,	   NULL, 'v' },
	{ "help",	no_argument,	   NULL, 'h' },
	{ }
};

static void parse_option(struct config *config, int option, const char *arg)
{
	switch (option) {
	case 'S':
		config->bytes = parse_size(arg);
		break;
	case 's':
		parse_shares(config, arg);
		break;
	case 'o':
		config->order = parse_order(arg);
		break;
	case 'a':
		config->access = parse_access(arg);
		break;
	case 'w':
		config->warmups = parse_number("warmups", arg, 0, MAX_RUNS);
		break;
	case 'r':
		config->repeats = parse_number("repeats", arg, 1, MAX_RUNS);
		break;
	case 'b':
		config->budget_ns = parse_number("budget", arg, 1, MAX_RUNS) *
				    (NSEC_PER_SEC / 1000);
		break;
	case 't':
		parse_settle(config, arg);
		break;
	case 'c':
		config->control = arg;
		break;
	case 'P':
		config->phase = parse_phase(arg);
		break;
	case 'x':
		config->scatter = true;
		break;
	case 'p':
		config->plan = arg;
		break;
	case 'f':
		config->first = true;
		break;
	case 'n':
		config->header = false;
		break;
	case 'v':
		config->verbose = true;
		break;
	case 'h':
		print_usage(stdout);
		exit(0);
	default:
		print_usage(stderr);
		exit(2);
	}
}

/**
 * fm_parse_options() - read the command line; exits if it cannot be followed
 * @config: holds the defaults; what options say replaces them
 * @argc: as main() got it
 * @argv: likewise
 *
 * Leaves optind at the first MEMORY. There is one at least, or a plan, or @first of it.
 */
void fm_parse_options(struct config *config, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "S:s:o:a:w:r:b:t:c:P:xp:fnvh",
				     options, NULL)) != -1)
		parse_option(config, option, optarg);
	if (optind == argc && !config->plan && !config->first) {
		print_info("give a MEMORY: the path of a faultmap node, memfd or anon");
		print_usage(stderr);
		exit(2);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The options of "create", and which of them go together.
 */
#include <errno.h>
#include <getopt.h>

#include "create.h"
#include "names.h"
#include "size.h"
#include "tool.h"

#define USUAL_BYTES	(64U << 20)	/* "64M" */
#define USUAL_ORDER	9
#define MAX_ORDER	30	/* the kernel's is lower, and is the kernel's to say */

static void print_usage(FILE *out)
{
	fputs("usage: faultmap create [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
	      "Makes a private buffer and runs PROGRAM, which finds the number of its descriptor in\n"
	      "the variable FAULTMAP_FD, and /dev/fd/NUMBER in the place of {} in an ARGUMENT.\n"
	      "\n"
	      "  -S, --size=BYTES         size of the buffer; K, M, G may follow (64M)\n"
	      "  -m, --memory=MEMORY      pages, vmalloc, kmalloc, dma or coherent (pages)\n"
	      "  -s, --strategy=STRATEGY  eager, eager-page, lazy or lazy-pfn (lazy)\n"
	      "  -o, --order=ORDER        largest block of pages memory, as a power of two of\n"
	      "                           pages (9)\n"
	      "  -w, --window=PAGES       pages to map around a lazy fault, 1 to 512; 0 to\n"
	      "                           learn it from the faults (0)\n"
	      "  -b, --batched            with --strategy=eager: map 2 MiB at once where that fits\n"
	      "  -d, --on-demand          pages or vmalloc memory comes at the first touch\n"
	      "  -t, --stats              print on standard error what was counted, at the end\n"
	      "  -h, --help               this text\n", out);
}

static size_t parse_bytes(const char *arg)
{
	size_t bytes;

	if (!fm_parse_size(arg, &bytes) || !bytes || bytes % fm_page_size())
		fm_die(FM_CREATE_FAILED, "--size=%s: " FM_SIZE_REMEDY, arg, fm_page_size());
	return bytes;
}

static int parse_memory(const char *arg)
{
	int memory = fm_find_memory(arg);

	if (memory < 0 || memory == FAULTMAP_MEMORY_PHYS)
		fm_die(FM_CREATE_FAILED,
		       "--memory=%s: give pages, vmalloc, kmalloc, dma or coherent", arg);
	return memory;
}

static int parse_strategy(const char *arg)
{
	int strategy = fm_find_strategy(arg);

	if (strategy < 0)
		fm_die(FM_CREATE_FAILED, "--strategy=%s: give eager, eager-page, lazy or lazy-pfn",
		       arg);
	return strategy;
}

static unsigned int parse_number(const char *option, const char *arg, unsigned long most)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(arg, &end, 10);
	if (errno || end == arg || *end || *arg == '-' || value > most)
		fm_die(FM_CREATE_FAILED, "--%s=%s: give a whole number from 0 to %lu", option,
		       arg, most);
	return value;
}

static const struct option options[] = {
	{ "size",	required_argument, NULL, 'S' },
	{ "memory",	required_argument, NULL, 'm' },
	{ "strategy",	required_argument, NULL, 's' },
	{ "order",	required_argument, NULL, 'o' },
	{ "window",	required_argument, NULL, 'w' },
	{ "batched",	no_argument,	   NULL, 'b' },
	{ "on-demand",	no_argument,	   NULL, 'd' },
	{ "stats",	no_argument,	   NULL, 't' },
	{ "help",	no_argument,	   NULL, 'h' },
	{ }
};

static void parse_option(struct creation *creation, int option, const char *arg)
{
	struct faultmap_create *create = &creation->create;

	switch (option) {
	case 'S':
		create->bytes = parse_bytes(arg);
		creation->size = arg;
		break;
	case 'm':
		create->memory = parse_memory(arg);
		break;
	case 's':
		create->strategy = parse_strategy(arg);
		break;
	case 'o':
		create->order = parse_number("order", arg, MAX_ORDER);
		creation->has_order = true;
		break;
	case 'w':
		create->window = parse_number("window", arg, FAULTMAP_WINDOW_MAX);
		break;
	case 'b':
		create->flags |= FAULTMAP_CREATE_BATCHED;
		break;
	case 'd':
		create->flags |= FAULTMAP_CREATE_ON_DEMAND;
		break;
	case 't':
		creation->stats = true;
		break;
	case 'h':
		print_usage(stdout);
		exit(0);
	default:
		print_usage(stderr);
		exit(FM_CREATE_FAILED);
	}
}

/* The driver says EINVAL for each of these. */
static void check_pairs(const struct creation *creation)
{
	const struct faultmap_create *create = &creation->create;

	if (create->order && create->memory != FAULTMAP_MEMORY_PAGES)
		fm_die(FM_CREATE_FAILED, "--order=%u: is for --memory=pages, not %s", create->order,
		       fm_memory_name(create->memory));
	if (create->window > 1 && create->strategy != FAULTMAP_STRATEGY_LAZY &&
	    create->strategy != FAULTMAP_STRATEGY_LAZY_PFN)
		fm_die(FM_CREATE_FAILED, "--window=%u: is for --strategy=lazy or lazy-pfn, not %s",
		       create->window, fm_strategy_name(create->strategy));
	if (create->flags & FAULTMAP_CREATE_BATCHED &&
	    create->strategy != FAULTMAP_STRATEGY_EAGER)
		fm_die(FM_CREATE_FAILED, "--batched: is for --strategy=eager, not %s",
		       fm_strategy_name(create->strategy));
}

/**
 * fm_parse_creation() - read the words of "create"; exits if they cannot be followed
 * @creation: filled in
 * @argc: of the command's words, its name first
 * @argv: those
 */
void fm_parse_creation(struct creation *creation, int argc, char **argv)
{
	int option;

	*creation = (struct creation) {
		.create = {
			.bytes = USUAL_BYTES,
			.memory = FAULTMAP_MEMORY_PAGES,
			.strategy = FAULTMAP_STRATEGY_LAZY,
		},
		.size = "64M",
	};
	/* The options of the program are its own. */
	while ((option = getopt_long(argc, argv, "+S:m:s:o:w:bdth", options, NULL)) != -1)
		parse_option(creation, option, optarg);
	if (optind == argc) {
		fm_warn("create: give a PROGRAM to run");
		print_usage(stderr);
		exit(FM_CREATE_FAILED);
	}
	check_pairs(creation);
	if (!creation->has_order && creation->create.memory == FAULTMAP_MEMORY_PAGES)
		creation->create.order = USUAL_ORDER;
	creation->program = argv + optind;
}

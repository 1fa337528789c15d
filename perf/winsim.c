// SPDX-License-Identifier: GPL-2.0-only
/*
 * winsim: what the windows of module/base/window.c cost, compared with the best that
 * could have been chosen in advance.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "window_sim.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MAX_PATTERNS	64
#define PAGES_OF_MIB	256UL
#define MIN_MIB		2UL
#define MAX_MIB		8192UL

static const char * const mode_names[] = {
	[FM_COLD] = "cold, no hint",
	[FM_RIGHT_HINT] = "right hint",
	[FM_WRONG_HINT] = "wrong hint",
	[FM_REPEATED] = "repeated",
};

static struct fm_cells cells[MAX_PATTERNS];

static void print_usage(FILE *out)
{
	fputs("usage: winsim [OPTION]... [MIB]...\n"
	      "Replays access patterns on mappings of the sizes given (2 64 1024) and prints,\n"
	      "for each share of pages touched, what the adaptive window costs over what the\n"
	      "best fixed window or batched mapping at mmap() would have cost; in the last lines\n"
	      "also over what the best window at each fault would have, with all touches known.\n"
	      "\n"
	      "  -d, --draws=N        draws of each pattern and share (as many as make up\n"
	      "                       1 GiB, from 2 to 32)\n"
	      "  -x, --exact          touch just that share of the pages, instead of from a\n"
	      "                       fifth less to a quarter more\n"
	      "  -p, --pages=HOW      of struct pages that are read or written, not of frames;\n"
	      "                       before any --cost\n"
	      "  -c, --cost=NAME=N    fault, batch, page, skip, glance, look, decide, unmap,\n"
	      "                       table, eager or insert:\n"
	      "                       instructions (2290 150 48 17 110 10 200 128 8834 5000 568)\n"
	      "  -a, --ablate         leave out one part of the policy after the other\n"
	      "  -b, --bound          what short streams cost at best, their length unknown\n"
	      "  -h, --help           this text\n", out);
}

static void die(const char *what, const char *arg)
{
	fprintf(stderr, "winsim: %s: %s\n", what, arg);
	exit(2);
}

static unsigned long parse_number(const char *arg, unsigned long least,
				  unsigned long most)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (end == arg || *end || *arg == '-' || n < least || n > most)
		die("not a number, or out of range", arg);
	return n;
}

static void set_cost(struct fm_costs *costs, const char *arg)
{
	const struct {
		const char *name;
		double *cost;
	} names[] = {
		{ "fault", &costs->fault }, { "page", &costs->page },
		{ "look", &costs->look }, { "decide", &costs->decide },
		{ "unmap", &costs->unmap }, { "table", &costs->table },
		{ "eager", &costs->eager }, { "insert", &costs->insert },
		{ "batch", &costs->batch }, { "glance", &costs->glance }, { "skip", &costs->skip },
	};
	const char *value = strchr(arg, '=');
	size_t i, len = value ? value - arg : 0;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (len != strlen(names[i].name) ||
		    strncmp(arg, names[i].name, len))
			continue;
		*names[i].cost = parse_number(value + 1, 0, 1000000);
		return;
	}
	die("not a cost", arg);
}

static enum fm_kind parse_pages(const char *arg)
{
	if (!strcmp(arg, "read"))
		return FM_PAGE_READ;
	if (strcmp(arg, "written"))
		die("neither read nor written", arg);
	return FM_PAGE_WRITTEN;
}

static void set_kind(struct fm_sim *sim, enum fm_kind kind)
{
	sim->kind = kind;
	sim->costs = fm_measured_costs[kind];
}

static void simulate_set(const struct fm_sim *sim, const struct fm_pattern_set *set)
{
	size_t i, j;

	for (i = set->first; i < set->end; i++)
		for (j = 0; j < FM_SHARES; j++)
			cells[i].at[j] = fm_simulate(sim, &fm_patterns[i], fm_shares[j],
						     set->seed);
}

static void simulate_all(const struct fm_sim *sim)
{
	enum fm_set set;

	for (set = 0; set < FM_NR_SETS; set++)
		simulate_set(sim, &fm_pattern_sets[set]);
}

static void print_heading(void)
{
	enum fm_mode mode;
	size_t j;

	printf("%-18s", "");
	for (mode = 0; mode < FM_NR_MODES; mode++)
		printf(" | %-29s", mode_names[mode]);
	printf("\n%-18s", "percent of pages");
	for (mode = 0; mode < FM_NR_MODES; mode++) {
		printf(" |");
		for (j = 0; j < FM_SHARES; j++)
			printf("%5g", fm_shares[j]);
	}
	printf("\n");
}

static void print_row(size_t i)
{
	enum fm_mode mode;
	double ratio;
	size_t j;

	printf("%-18s", fm_patterns[i].name);
	for (mode = 0; mode < FM_NR_MODES; mode++) {
		printf(" |");
		for (j = 0; j < FM_SHARES; j++) {
			ratio = cells[i].at[j].ratio[FM_FIXED][mode];
			if (ratio > 0)
				printf("%5.2f", ratio);
			else
				printf("    -");
		}
	}
	printf("\n");
}

static void print_table(void)
{
	enum fm_set set;
	size_t i;

	print_heading();
	for (set = 0; set < FM_NR_SETS; set++) {
		printf("%s:\n", fm_pattern_sets[set].name);
		for (i = fm_pattern_sets[set].first; i < fm_pattern_sets[set].end; i++)
			print_row(i);
	}
}

static void print_ratio(const struct fm_pattern_set *set, enum fm_yardstick yardstick,
			enum fm_mode mode)
{
	struct fm_summary s = fm_summarise(cells, set, yardstick, mode);

	printf(" | mean %.3f worst %.2f (%s, %g %%)", s.mean, s.worst,
	       s.pattern ? s.pattern->name : "none", s.share);
}

static void print_summary(const struct fm_pattern_set *set)
{
	enum fm_mode mode;

	printf("%s: over the best fixed window | over the optimum\n", set->name);
	for (mode = 0; mode < FM_NR_MODES; mode++) {
		printf("%-13s", mode_names[mode]);
		print_ratio(set, FM_FIXED, mode);
		print_ratio(set, FM_OPTIMUM, mode);
		printf("\n");
	}
}

static void print_against_eager(const struct fm_sim *sim, size_t share)
{
	struct fm_walk walk = { .pages = sim->pages };
	struct fm_best best = fm_find_best(&walk, &sim->costs);
	double cold = cells[0].at[share].cold;

	printf("sequential, %g %%: %.3f of eager by pages, %.3f in batches\n",
	       fm_shares[share], cold / best.insert, cold / best.eager);
}

static unsigned int default_draws(size_t pages)
{
	size_t draws = 1024 * PAGES_OF_MIB / pages;

	return draws < 2 ? 2 : draws > 32 ? 32 : draws;
}

static void simulate_size(struct fm_sim *sim, unsigned long mib, bool ablate)
{
	unsigned int draws = sim->draws;

	sim->pages = mib * PAGES_OF_MIB;
	if (!draws)
		sim->draws = default_draws(sim->pages);
	simulate_all(sim);
	if (!ablate) {
		printf("%lu MiB, %u draws\n", mib, sim->draws);
		print_table();
	}
	print_summary(&fm_pattern_sets[FM_TUNED]);
	print_summary(&fm_pattern_sets[FM_JUDGED]);
	if (!ablate) {
		print_against_eager(sim, 0);
		print_against_eager(sim, FM_SHARES - 1);
	}
	printf("\n");
	sim->draws = draws;
}

static void ablate(struct fm_sim *sim, unsigned long mib)
{
	static const struct {
		const char *name;
		unsigned int part;
	} parts[] = {
		{ "runs", FM_PART_RUNS },
		{ "the sample of the table", FM_PART_SAMPLE },
		{ "strides", FM_PART_STRIDE },
		{ "starts as long as runs", FM_PART_START },
		{ "tables filled the last time", FM_PART_FILLED },
		{ "all of these", -1U },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		printf("%lu MiB without %s\n", mib, parts[i].name);
		sim->without = parts[i].part;
		simulate_size(sim, mib, true);
	}
	sim->without = 0;
}

/*
 * What a stream from the begin of a table costs at best, if nothing is known of
 * its length but that it is one of @least to @most, each as likely: for each
 * number of pages mapped, the window with the least cost of all that follows.
 */
static double best_stream(const struct fm_costs *costs, size_t least, size_t most)
{
	double each = costs->page + costs->unmap;
	double cost[FM_TABLE_PAGES + 1] = { 0 }, best, try;
	size_t from, to, longer, lengths = most - least + 1;

	for (from = most; from-- > 0; ) {
		longer = from < least ? lengths : most - from;
		best = 0;
		for (to = from + 1; to <= most; to++) {
			try = cost[to] + (costs->fault - costs->page +
					  (to - from) * each) * longer / lengths;
			if (!(best > 0) || try < best)
				best = try;
		}
		cost[from] = best;
	}
	return cost[0] + costs->table;
}

static double best_hindsight(const struct fm_costs *costs, size_t least,
			     size_t most)
{
	size_t page[FM_TABLE_PAGES], n;
	struct fm_walk walk = { .pages = FM_TABLE_PAGES, .touch = page };
	double sum = 0;

	for (n = 0; n < most; n++)
		page[n] = n;
	for (n = least; n <= most; n++) {
		walk.n = n;
		sum += fm_find_best(&walk, costs).cost[FM_FIXED];
	}
	return sum / (most - least + 1);
}

static void print_bounds(const struct fm_costs *costs)
{
	static const struct {
		size_t least, most;
	} spans[] = { { 26, 41 }, { 131, 205 }, { 26, 205 }, { 1, 512 } };
	double ratio;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(spans); i++) {
		ratio = best_stream(costs, spans[i].least, spans[i].most) /
			best_hindsight(costs, spans[i].least, spans[i].most);
		printf("A stream of %zu to %zu pages, its length unknown: %.2f at best\n",
		       spans[i].least, spans[i].most, ratio);
	}
}

struct config {
	struct fm_sim sim;
	bool ablate;
	bool bound;
};

static void parse_option(struct config *config, int option)
{
	switch (option) {
	case 'd':
		config->sim.draws = parse_number(optarg, 1, 10000);
		break;
	case 'x':
		config->sim.exact = true;
		break;
	case 'p':
		set_kind(&config->sim, parse_pages(optarg));
		break;
	case 'c':
		set_cost(&config->sim.costs, optarg);
		break;
	case 'a':
		config->ablate = true;
		break;
	case 'b':
		config->bound = true;
		break;
	case 'h':
		print_usage(stdout);
		exit(0);
	default:
		print_usage(stderr);
		exit(2);
	}
}

static void parse_options(struct config *config, int argc, char **argv)
{
	static const struct option options[] = {
		{ "draws",	required_argument, NULL, 'd' },
		{ "exact",	no_argument,	   NULL, 'x' },
		{ "pages",	required_argument, NULL, 'p' },
		{ "cost",	required_argument, NULL, 'c' },
		{ "ablate",	no_argument,	   NULL, 'a' },
		{ "bound",	no_argument,	   NULL, 'b' },
		{ "help",	no_argument,	   NULL, 'h' },
		{ }
	};
	int option;

	while ((option = getopt_long(argc, argv, "d:xp:c:abh", options,
				     NULL)) != -1)
		parse_option(config, option);
}

static void simulate(struct config *config, unsigned long mib)
{
	if (config->ablate)
		ablate(&config->sim, mib);
	else
		simulate_size(&config->sim, mib, false);
}

int main(int argc, char **argv)
{
	static const unsigned long sizes[] = { 2, 64, 1024 };
	struct config config = { .sim.costs = fm_measured_costs[FM_FRAME] };
	size_t i;

	parse_options(&config, argc, argv);
	if (config.bound) {
		print_bounds(&config.sim.costs);
		return 0;
	}
	for (i = 0; optind == argc && i < ARRAY_SIZE(sizes); i++)
		simulate(&config, sizes[i]);
	for (; optind < argc; optind++)
		simulate(&config, parse_number(argv[optind], MIN_MIB, MAX_MIB));
	return 0;
}

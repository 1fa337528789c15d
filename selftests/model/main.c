// SPDX-License-Identifier: GPL-2.0-only
/*
 * model: does operations drawn by chance to faultmap, in several processes, and
 * compares what becomes of each with a model of it.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../machine.h"
#include "host.h"
#include "predict.h"
#include "random.h"
#include "run.h"

unsigned long m_page;

#define EPISODE		1000		/* operations with the same processes */

struct options {
	uint64_t seed, ops;
	const char *pair, *replay;
	unsigned int seconds, progress, shrink;
	bool seeded;
};

static void show_usage(void)
{
	fputs("usage: model_run [--pair MEMORY-STRATEGY | --pair all | --pair large |\n"
	      "              --pair phys]\n"
	      "             [--ops N] [--seconds N] [--seed N] [--progress SECONDS]\n"
	      "             [--shrink SECONDS] [--print]\n"
	      "       model_run --replay FILE\n"
	      "\n"
	      "Does N operations, 10000 unless told, or as many as there is time for, in\n"
	      "episodes with processes of their own, and compares each with the model.  A\n"
	      "failure is shrunk to a short script, which --replay takes back (- is the\n"
	      "standard input).  The seed of an episode repeats it: --seed N --ops 1 of the\n"
	      "same pair starts with it.  Exit status: 0, 1 for a failure, 2 for bad usage,\n"
	      "4 if faultmap is not loaded, or has no device's memory for --pair phys.\n",
	      stderr);
	exit(2);
}

static uint64_t to_number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (!*text || *end) {
		fprintf(stderr, "model: %s is not a number\n", text);
		exit(2);
	}
	return value;
}

static void parse(int argc, char **argv, struct options *o,
		  struct m_config *config)
{
	static const struct option options[] = {
		{ "pair", 1, NULL, 'p' }, { "ops", 1, NULL, 'n' },
		{ "seconds", 1, NULL, 't' }, { "seed", 1, NULL, 's' },
		{ "progress", 1, NULL, 'g' }, { "replay", 1, NULL, 'r' },
		{ "shrink", 1, NULL, 'k' }, { "print", 0, NULL, 'v' }, { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'p':
			o->pair = optarg;
			break;
		case 'n':
			o->ops = to_number(optarg);
			break;
		case 't':
			o->seconds = to_number(optarg);
			break;
		case 's':
			o->seed = to_number(optarg);
			o->seeded = true;
			break;
		case 'g':
			o->progress = to_number(optarg);
			break;
		case 'r':
			o->replay = optarg;
			break;
		case 'k':
			o->shrink = to_number(optarg);
			break;
		case 'v':
			config->print = true;
			break;
		default:
			show_usage();
		}
	}
	if (optind != argc)
		show_usage();
}

static bool choose_pair(const char *pair, struct m_config *config)
{
	char node[64];
	uint32_t i, j;

	config->memory = M_ANY;
	config->strategy = M_ANY;
	config->large = !strcmp(pair, "large");
	if (config->large || !strcmp(pair, "all"))
		return true;
	if (!strcmp(pair, "phys")) {
		config->memory = FAULTMAP_MEMORY_PHYS;
		return true;
	}
	for (i = 0; i < M_MEMORIES; i++)
		for (j = 0; j < M_STRATEGIES; j++) {
			m_node_path(node, sizeof(node), i, j);
			if (!strcmp(pair, strrchr(node, '/') + 1) && m_supported(i, j)) {
				config->memory = i;
				config->strategy = j;
				return true;
			}
		}
	return false;
}

static void show_failure(const struct m_failure *failure, const struct m_op *ops)
{
	printf("# operation %zu: ", failure->at);
	m_print_op(stdout, &ops[failure->at]);
	printf("# %s", failure->text);
	fflush(stdout);
}

static void report(const struct m_host *host, const struct m_config *config,
		   struct m_op *ops, struct m_failure *failure, uint64_t done,
		   const struct options *o)
{
	size_t n = failure->at + 1, i;

	printf("# FAILED after %" PRIu64 " operations, with --seed %" PRIu64 " --pair %s\n",
	       done, config->seed, o->pair);
	show_failure(failure, ops);
	printf("# shrinking, %u seconds at most\n", o->shrink);
	fflush(stdout);
	n = m_shrink(host, config, ops, n, failure, o->shrink);
	printf("# a script of %zu operations, for --replay:\n", n);
	m_print_config(stdout, config);
	for (i = 0; i < n; i++)
		m_print_op(stdout, &ops[i]);
	if (failure->at < n)
		show_failure(failure, ops);
}

/* What an episode needs; without it, most of what it does cannot be done. */
static bool has_device(const struct m_host *host, const struct m_config *config)
{
	if (config->memory != FAULTMAP_MEMORY_PHYS || host->device_pages)
		return true;
	fputs("model: no device's memory of a window of 1, and at most 64 MiB\n", stderr);
	return false;
}

static int replay(const struct m_host *host, const struct options *o)
{
	FILE *file = strcmp(o->replay, "-") ? fopen(o->replay, "r") : stdin;
	struct m_config config = { .memory = M_ANY, .strategy = M_ANY };
	struct m_failure failure = { 0 };
	struct m_tally tally = { 0 };
	struct m_op *ops;
	size_t n;

	if (!file) {
		perror(o->replay);
		return 2;
	}
	if (!m_read_script(file, &config, &ops, &n) || !config.arena)
		return 2;
	if (!has_device(host, &config))
		return 4;
	if (m_run(host, &config, ops, &n, false, &tally, &failure)) {
		printf("# %" PRIu64 " operations of %zu as expected\n", tally.done, n);
		return 0;
	}
	show_failure(&failure, ops);
	return 1;
}

static void show_progress(const struct m_tally *tally, time_t started, uint64_t seed)
{
	printf("# %ld s: %" PRIu64 " operations in %" PRIu64 " episodes, next seed %"
	       PRIu64 "\n", (long)(time(NULL) - started), tally->done, tally->episodes,
	       seed);
	fflush(stdout);
}

static void show_tally(const struct m_tally *tally, time_t started)
{
	uint32_t i;

	printf("# %" PRIu64 " operations (%" PRIu64 " at the same time as others) in %"
	       PRIu64 " episodes, %ld s, all as expected:", tally->done, tally->together,
	       tally->episodes, (long)(time(NULL) - started));
	for (i = 0; i < M_KINDS; i++)
		if (tally->kind[i])
			printf(" %s %" PRIu64 " (%" PRIu64 " us)", m_kind_name(i),
			       tally->kind[i],
			       tally->nanoseconds[i] / tally->kind[i] / 1000);
	printf("\n");
}

static int explore(const struct m_host *host, struct m_config *config,
		   const struct options *o)
{
	struct m_failure failure = { 0 };
	struct m_tally tally = { 0 };
	time_t started = time(NULL), shown = started;
	uint64_t seed = o->seed;
	struct m_random random;
	struct m_op *ops;
	size_t n;

	if (!has_device(host, config))
		return 4;
	ops = calloc(EPISODE, sizeof(*ops));
	config->until = o->seconds ? started + o->seconds : 0;
	while (tally.done < o->ops && (!config->until || time(NULL) < config->until)) {
		config->seed = seed++;
		m_seed(&random, ~config->seed);
		m_draw_config(&random, config);
		n = o->ops - tally.done < EPISODE ? o->ops - tally.done : EPISODE;
		if (!m_run(host, config, ops, &n, true, &tally, &failure)) {
			report(host, config, ops, &failure, tally.done, o);
			return 1;
		}
		if (o->progress && time(NULL) - shown >= o->progress) {
			shown = time(NULL);
			show_progress(&tally, started, seed);
		}
	}
	show_tally(&tally, started);
	free(ops);
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .ops = 10000, .pair = "all", .shrink = 60 };
	const struct rlimit no_core = { 0, 0 };
	struct m_config config = { 0 };
	struct m_host host;
	int ret;

	m_page = fm_page_size();
	parse(argc, argv, &o, &config);
	if (!choose_pair(o.pair, &config)) {
		fprintf(stderr, "model: no pair %s, such as pages-lazy\n", o.pair);
		return 2;
	}
	setrlimit(RLIMIT_CORE, &no_core);
	if (!m_open_host(&host)) {
		perror("model: /dev/faultmap/control");
		return 4;
	}
	if (!o.seeded && getrandom(&o.seed, 4, 0) != 4)
		o.seed = time(NULL);
	printf("# model --pair %s --seed %" PRIu64 " --ops %" PRIu64 "%s%s%s\n", o.pair,
	       o.seed, o.ops, host.disk < 0 ? ", no loop device: no O_DIRECT" : "",
	       host.node_order < 0 ? ", window not 1: no nodes" : "",
	       host.device_pages ? "" : ", no device's memory");
	fflush(stdout);
	ret = o.replay ? replay(&host, &o) : explore(&host, &config, &o);
	m_close_host(&host);
	return ret;
}

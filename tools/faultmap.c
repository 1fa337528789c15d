// SPDX-License-Identifier: GPL-2.0-only
/*
 * faultmap: the driver's ioctls for users of a shell.
 */
#include <errno.h>
#include <string.h>

#include "tool.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "list",	fm_list },
	{ "create",	fm_create },
	{ "info",	fm_info },
	{ "stats",	fm_stats },
	{ "reset",	fm_reset },
	{ "resize",	fm_resize },
	{ "revoke",	fm_revoke },
	{ "watch",	fm_watch },
};

static void print_usage(FILE *out)
{
	fputs("usage: faultmap [list [--open] [--private] [--csv]]\n"
	      "       faultmap create [OPTION]... [--] PROGRAM [ARGUMENT]...\n"
	      "       faultmap info|stats|reset|revoke BUFFER\n"
	      "       faultmap resize BUFFER SIZE\n"
	      "       faultmap watch [INTERVAL [COUNT]] BUFFER...\n"
	      "       faultmap --help|--version\n"
	      "BUFFER is the name of a node, as pages-lazy; a path; or PID:FD, a descriptor of a\n"
	      "process.  SIZE is in bytes; K, M or G may follow.\n"
	      "\n"
	      "  list    all nodes; --open: also those that nobody has open, whose buffers get\n"
	      "          their memory by that; --private: also the private buffers of processes\n"
	      "  create  run PROGRAM with a private buffer; create --help lists the options\n"
	      "  info    size, memory held, kind, strategy and so on\n"
	      "  stats   the counters\n"
	      "  reset   count from zero again\n"
	      "  resize  grow it, or shrink it under every mapping there is\n"
	      "  revoke  cut off every descriptor and mapping there is\n"
	      "  watch   the counters again and again, as vmstat(8) does it\n", out);
}

static void print_version(void)
{
	puts("faultmap " FAULTMAP_VERSION);
}

/* What did not reach its reader is no success. */
static int finish(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		fm_warn("standard output: %s", strerror(errno));
		return status ? status : FM_FAILED;
	}
	return status;
}

static int run(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(argv[0], commands[i].name))
			return commands[i].run(argc, argv);
	fm_warn("%s: there is no such command: see faultmap --help", argv[0]);
	return FM_USAGE;
}

int main(int argc, char **argv)
{
	char list[] = "list";

	if (argc < 2)
		return finish(run(1, (char *[]){ list, NULL }));
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		print_usage(stdout);
	else if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		print_version();
	else
		return finish(run(argc - 1, argv + 1));
	return finish(0);
}

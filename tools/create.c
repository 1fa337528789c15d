// SPDX-License-Identifier: GPL-2.0-only
/*
 * "create": a private buffer for a program.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "counters.h"
#include "create.h"
#include "names.h"
#include "operand.h"
#include "tool.h"

static int open_control(void)
{
	int control = open(FM_NODES "/control", O_RDWR | O_CLOEXEC);

	if (control < 0)
		fm_die(FM_CREATE_FAILED, FM_NODES "/control: %s%s", strerror(errno),
		       errno == ENOENT ? ": load the module faultmap first" : fm_remedy(errno));
	return control;
}

/* What is to blame for an error, and what helps. */
static void refuse(const struct creation *creation, int error)
{
	const struct faultmap_create *create = &creation->create;

	if (error == EOPNOTSUPP)
		fm_warn("create: %s memory by %s%s%s: %s: choose a pair that has a node%s",
			fm_memory_name(create->memory), fm_strategy_name(create->strategy),
			create->flags & FAULTMAP_CREATE_BATCHED ? " --batched" : "",
			create->flags & FAULTMAP_CREATE_ON_DEMAND ? " --on-demand" : "",
			strerror(error), create->flags ? ", and no such option" : "");
	else if (error == EINVAL)
		fm_warn("create: --order=%u: %s: give a smaller one", create->order,
			strerror(error));
	else
		fm_warn("create: --size=%s: %s%s", creation->size, strerror(error),
			fm_remedy(error));
	exit(FM_CREATE_FAILED);
}

static int make_buffer(const struct creation *creation)
{
	int control = open_control();
	int fd = ioctl(control, FAULTMAP_CREATE, &creation->create);

	if (fd < 0)
		refuse(creation, errno);
	close(control);
	return fd;
}

/**
 * fm_create() - run a program that has a private buffer
 * @argc: of the command's words, its name first
 * @argv: those
 *
 * Return: the exit status, which is the program's
 */
int fm_create(int argc, char **argv)
{
	struct faultmap_stats stats;
	struct creation creation;
	int fd, status;

	fm_parse_creation(&creation, argc, argv);
	fd = make_buffer(&creation);
	if (!creation.stats)
		fm_run_program(creation.program, fd);
	status = fm_run_and_wait(creation.program, fd);
	if (fm_read_stats(fd, "create", &stats))
		fm_print_counters(stderr, &stats);
	return status;
}

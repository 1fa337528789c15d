/* SPDX-License-Identifier: GPL-2.0-only */
/* "create": the buffer that a program gets, and the program. */
#ifndef _CREATE_H
#define _CREATE_H

#include <stdbool.h>

#include "faultmap_uapi.h"

/**
 * struct creation - what the user asked for
 * @create: the buffer
 * @has_order: an order was given; else memory that has one gets the largest
 * @size: the word that gave the size
 * @stats: print what was counted at the end
 * @program: the program and its arguments, up to NULL
 */
struct creation {
	struct faultmap_create create;
	bool has_order;
	const char *size;
	bool stats;
	char **program;
};

/* create_options.c */
void fm_parse_creation(struct creation *creation, int argc, char **argv);

/* run.c */
void fm_run_program(char **program, int fd);
int fm_run_and_wait(char **program, int fd);

#endif /* _CREATE_H */

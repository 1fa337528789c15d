// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sizes on a command line, as the module's parameters take them.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "size.h"

/* log2 of what a suffix stands for, -1 if it is none */
static int suffix_shift(const char *suffix)
{
	static const char letters[] = "KMG";
	const char *letter;

	if (!*suffix)
		return 0;
	letter = strchr(letters, *suffix);
	return !letter || suffix[1] ? -1 : (int)(letter - letters + 1) * 10;
}

/**
 * fm_parse_size() - read a size
 * @arg: digits, with K, M, G or nothing behind them
 * @bytes: where it goes
 *
 * Return: false if @arg is no size, or more than a file may have
 */
bool fm_parse_size(const char *arg, size_t *bytes)
{
	unsigned long long value;
	char *end;
	int shift;

	if (!isdigit((unsigned char)*arg))
		return false;
	errno = 0;
	value = strtoull(arg, &end, 10);
	shift = suffix_shift(end);
	if (errno || shift < 0 || value > (unsigned long long)SSIZE_MAX >> shift)
		return false;
	*bytes = value << shift;
	return true;
}

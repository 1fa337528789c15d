/* SPDX-License-Identifier: GPL-2.0-only */
/* The memory of a cell, made as a plan says. */
#ifndef _BUFFER_H
#define _BUFFER_H

#include "source.h"

/* What is not the driver's has a layout of its own. */
enum layout { CONTIGUOUS, SCATTERED, OWN };

/**
 * struct subject - memory, and how it gets into page tables
 * @strategy: by name, with "/WINDOW" behind it; see fm_make_source()
 * @layout: of the physical memory
 * @bytes: size of the buffer and of the mapping
 */
struct subject {
	const char *strategy;
	enum layout layout;
	size_t bytes;
};

int fm_control(void);
bool fm_make_source(struct source *source, const struct subject *subject);

#endif /* _BUFFER_H */

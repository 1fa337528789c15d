// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free memory in single pages, so that a buffer of single pages gets no two
 * neighbours in consecutive frames. A fresh machine would hand it long runs.
 *
 * Pages of pipes come from where the driver's come from (unmovable, and by the
 * same lists), one for each packet. Two sets of pipes are filled by turns; then
 * one set is closed. A freed page cannot merge, its neighbours being held.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common.h"
#include "scatter.h"

#define PIPE_PAGES	8192
/* Single pages that were free before would come first. */
#define STRAY_PAGES	8192
/* Some go to others, and to what describes the buffer. */
#define SPARE(pages)	((pages) / 16 + 1024)

struct pages {
	int (*pipes)[2];
	size_t nr_pipes;
	size_t n;
};

static struct pages held;

static void add_pipe(struct pages *pages)
{
	int *ends;

	pages->pipes = realloc(pages->pipes,
			       (pages->nr_pipes + 1) * sizeof(*pages->pipes));
	if (!pages->pipes)
		exit_err("no memory for pipes");
	ends = pages->pipes[pages->nr_pipes++];
	if (pipe2(ends, O_DIRECT | O_CLOEXEC | O_NONBLOCK) ||
	    fcntl(ends[1], F_SETPIPE_SZ, PIPE_PAGES * fm_page_size()) < 0)
		exit_err("no pipe of %d pages to scatter memory with: %s",
			 PIPE_PAGES, strerror(errno));
}

static void take_page(struct pages *pages)
{
	if (pages->n == pages->nr_pipes * PIPE_PAGES)
		add_pipe(pages);
	if (write(pages->pipes[pages->nr_pipes - 1][1], "", 1) != 1)
		exit_err("no page to scatter memory with: %s", strerror(errno));
	pages->n++;
}

static void give_back(struct pages *pages)
{
	size_t i;

	for (i = 0; i < pages->nr_pipes; i++) {
		close(pages->pipes[i][0]);
		close(pages->pipes[i][1]);
	}
	free(pages->pipes);
	*pages = (struct pages) { };
}

/**
 * fm_scatter() - see that the next free pages have no free neighbours
 * @pages: how many of them; 0: let all memory merge again
 *
 * Exits if there is not enough memory.
 */
void fm_scatter(size_t pages)
{
	struct pages go = { };
	size_t i;

	give_back(&held);
	if (!pages)
		return;
	for (i = 0; i < STRAY_PAGES; i++)
		take_page(&held);
	for (i = 0; i < pages + SPARE(pages); i++) {
		take_page(&held);
		take_page(&go);
	}
	give_back(&go);
}

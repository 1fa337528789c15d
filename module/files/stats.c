// SPDX-License-Identifier: GPL-2.0-only
/*
 * The counters, and where they can be read: STATS and fdinfo. A reset remembers
 * the sums instead of clearing them, so that no increment is lost to it.
 */
#include <linux/build_bug.h>
#include <linux/seq_file.h>

#include "files.h"

struct faultmap_stats_field {
	const char *name;
	size_t offset;
};

#define FIELD(member) { #member, offsetof(struct faultmap_stats, member) }

static const struct faultmap_stats_field faultmap_fields[] = {
	[FM_READ_FAULTS]	= FIELD(read_faults),
	[FM_WRITE_FAULTS]	= FIELD(write_faults),
	[FM_PAGES_INSTALLED]	= FIELD(pages_installed),
	[FM_SIGBUS]		= FIELD(sigbus),
	[FM_MMAPS]		= FIELD(mmaps),
	[FM_OPENS]		= FIELD(opens),
	[FM_CLOSES]		= FIELD(closes),
	[FM_MOVES]		= FIELD(moves),
	[FM_ZAPS]		= FIELD(zaps),
	[FM_HUGE_FAULTS]	= FIELD(huge_faults),
};

static_assert(ARRAY_SIZE(faultmap_fields) == FM_NR_COUNTERS);
static_assert(sizeof(struct faultmap_stats) == FM_NR_COUNTERS * sizeof(__u64));

static __u64 *faultmap_field(struct faultmap_stats *stats,
			     enum fm_counter counter)
{
	return (void *)stats + faultmap_fields[counter].offset;
}

/**
 * faultmap_stats_read() - take a snapshot of the counters
 * @view: whose
 * @stats: where they go
 */
void faultmap_stats_read(struct faultmap_view *view, struct faultmap_stats *stats)
{
	struct fm_counters sum;
	unsigned int i;

	spin_lock(&view->base_lock);
	fm_view_count(&view->view, &sum);
	for (i = 0; i < FM_NR_COUNTERS; i++)
		*faultmap_field(stats, i) = sum.count[i] - view->base.count[i];
	spin_unlock(&view->base_lock);
}

/**
 * faultmap_stats_reset() - count from zero again
 * @view: whose counters
 */
void faultmap_stats_reset(struct faultmap_view *view)
{
	spin_lock(&view->base_lock);
	fm_view_count(&view->view, &view->base);
	spin_unlock(&view->base_lock);
}

/**
 * faultmap_stats_show() - print a view and its counters, one to a line
 * @m: where
 * @view: whose
 */
void faultmap_stats_show(struct seq_file *m, struct faultmap_view *view)
{
	const struct faultmap_buffer *buf = view->buffer;
	struct faultmap_stats stats;
	unsigned int i;

	faultmap_stats_read(view, &stats);
	seq_printf(m, "name:\t%s\n", view->view.name);
	seq_printf(m, "memory:\t%s\n", buf->memory->name);
	seq_printf(m, "strategy:\t%s\n", view->view.strategy->name);
	seq_printf(m, "bytes:\t%lld\n", i_size_read(buf->obj.inode));
	seq_printf(m, "held:\t%llu\n", faultmap_buffer_held(buf));
	for (i = 0; i < FM_NR_COUNTERS; i++)
		seq_printf(m, "%s:\t%llu\n", faultmap_fields[i].name,
			   *faultmap_field(&stats, i));
}

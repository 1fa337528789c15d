// SPDX-License-Identifier: GPL-2.0
/*
 * The counters, and where they can be read: STATS, fdinfo and debugfs.
 *
 * A CPU only ever adds to its own set, without a lock. A reset remembers the
 * sums instead of clearing them, so that no increment is lost to it.
 */
#include <linux/build_bug.h>
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "faultmap.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

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
			     enum faultmap_counter counter)
{
	return (void *)stats + faultmap_fields[counter].offset;
}

static void faultmap_stats_sum(const struct faultmap_view *view,
			       struct faultmap_counters *sum)
{
	unsigned int i;
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct faultmap_counters *counters =
			per_cpu_ptr(view->counters, cpu);

		for (i = 0; i < FM_NR_COUNTERS; i++)
			sum->count[i] += READ_ONCE(counters->count[i]);
	}
}

/**
 * faultmap_stats_read() - take a snapshot of the counters
 * @view: whose
 * @stats: where they go
 *
 * They are exact up to the range of an unsigned long, where they begin anew.
 */
void faultmap_stats_read(struct faultmap_view *view, struct faultmap_stats *stats)
{
	struct faultmap_counters sum;
	unsigned int i;

	spin_lock(&view->base_lock);
	faultmap_stats_sum(view, &sum);
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
	faultmap_stats_sum(view, &view->base);
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
	seq_printf(m, "view:\t%u\n", view->id);
	seq_printf(m, "memory:\t%s\n", buf->memory->name);
	seq_printf(m, "strategy:\t%s\n", view->strategy->name);
	seq_printf(m, "bytes:\t%lld\n", i_size_read(buf->inode));
	for (i = 0; i < FM_NR_COUNTERS; i++)
		seq_printf(m, "%s:\t%llu\n", faultmap_fields[i].name,
			   *faultmap_field(&stats, i));
}

static int faultmap_counters_show(struct seq_file *m, void *unused)
{
	faultmap_stats_show(m, m->private);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(faultmap_counters);

static struct dentry *faultmap_debugfs;

/**
 * faultmap_debugfs_init() - make the directory faultmap in debugfs
 *
 * Debugfs is an extra: where it is missing, nothing else is.
 */
void faultmap_debugfs_init(void)
{
	faultmap_debugfs = debugfs_create_dir("faultmap", NULL);
}

/**
 * faultmap_debugfs_exit() - remove the directory
 */
void faultmap_debugfs_exit(void)
{
	debugfs_remove(faultmap_debugfs);
}

/**
 * faultmap_debugfs_add() - show a view's counters in debugfs
 * @view: the view, which keeps the file for faultmap_debugfs_remove()
 * @name: the name of the file, or NULL for "private-<view>"
 */
void faultmap_debugfs_add(struct faultmap_view *view, const char *name)
{
	char private[24];

	snprintf(private, sizeof(private), "private-%u", view->id);
	view->debugfs = debugfs_create_file(name ?: private, 0400,
					    faultmap_debugfs, view,
					    &faultmap_counters_fops);
}

/**
 * faultmap_debugfs_remove() - no longer show a view's counters in debugfs
 * @view: the view; nothing happens the second time
 */
void faultmap_debugfs_remove(struct faultmap_view *view)
{
	debugfs_remove(view->debugfs);
	view->debugfs = NULL;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Views, and what they count. A CPU only ever adds to its own set, without a lock.
 */
#include <linux/bitmap.h>
#include <linux/export.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/**
 * fm_view_init() - show an object under a strategy
 * @view: the view, zeroed
 * @obj: the object, which has to outlive it
 * @strategy: how it is mapped
 *
 * Return: 0, until fm_view_destroy(); -EOPNOTSUPP for a strategy that the object's
 * memory does not allow; -ENOMEM.
 */
int fm_view_init(struct fm_view *view, struct fm_object *obj,
		 enum fm_strategy_id strategy)
{
	if (!fm_supported(obj->ops, strategy))
		return -EOPNOTSUPP;
	view->counters = alloc_percpu_gfp(struct fm_counters, FM_GFP);
	view->histories = alloc_percpu_gfp(struct fm_history, FM_GFP);
	view->filled = bitmap_zalloc(FM_TABLES_KNOWN, FM_GFP);
	if (!view->counters || !view->histories || !view->filled) {
		fm_view_destroy(view);
		return -ENOMEM;
	}
	view->obj = obj;
	view->strategy = fm_strategies[strategy];
	view->window = 1;
	strscpy(view->name, view->strategy->name, FM_NAME_SIZE);
	return 0;
}
EXPORT_SYMBOL_GPL(fm_view_init);

/**
 * fm_view_destroy() - undo fm_view_init(), whether that succeeded or not
 * @view: the view, of which no file is left
 */
void fm_view_destroy(struct fm_view *view)
{
	bitmap_free(view->filled);
	free_percpu(view->histories);
	free_percpu(view->counters);
	view->filled = NULL;
	view->histories = NULL;
	view->counters = NULL;
}
EXPORT_SYMBOL_GPL(fm_view_destroy);

/**
 * fm_view_count() - add up the counters of all CPUs
 * @view: whose
 * @sum: where they go
 *
 * They are exact up to the range of an unsigned long, where they begin anew.
 */
void fm_view_count(const struct fm_view *view, struct fm_counters *sum)
{
	unsigned int i;
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		const struct fm_counters *counters = per_cpu_ptr(view->counters, cpu);

		for (i = 0; i < FM_NR_COUNTERS; i++)
			sum->count[i] += READ_ONCE(counters->count[i]);
	}
}
EXPORT_SYMBOL_GPL(fm_view_count);

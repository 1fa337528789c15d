// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one question asked of memory: which frame lies at an offset.
 *
 * Whoever asks is in a read section of the object's SRCU domain from the question
 * until the answer is used up: until the page is referenced and locked, the
 * translations are installed, or the bytes are copied. Readers write no cache line
 * that is shared between CPUs.
 */
#include <linux/export.h>
#include <linux/memcontrol.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "internal.h"

/*
 * Returns how many pages there are from @pgoff on, and the table that they all are
 * in; of memory without one there is none.
 */
static __always_inline unsigned long
fm_find(const struct fm_object *obj, pgoff_t pgoff, const struct fm_table **table)
{
	/* Pairs with fm_set_size(): the table is filled that far by now. */
	unsigned long npages = smp_load_acquire(&obj->npages);

	*table = READ_ONCE(obj->table);
	return pgoff < npages ? npages - pgoff : 0;
}

static __always_inline unsigned long fm_load(const struct fm_table *table,
					     pgoff_t pgoff)
{
	return READ_ONCE(*fm_entry(table, pgoff));
}

/* Where memory comes bit by bit, no run is noted across what came at different times. */
static __always_inline bool fm_may_go_on(const struct fm_object *obj, unsigned long run)
{
	return run == FM_RUN_MAX || obj->ops->frames;
}

static __always_inline unsigned long
fm_resolve_in_table(const struct fm_object *obj, const struct fm_table *table,
		    pgoff_t pgoff, unsigned long max, unsigned long *pfn)
{
	enum fm_addresses addresses = obj->ops->addresses;
	unsigned long entry = fm_load(table, pgoff), run = fm_run(entry), more;

	if (addresses == FM_OPAQUE || !run)
		return min(run, max);
	*pfn = fm_entry_pfn(addresses, entry);
	/* The longest run that can be told may go on behind its end; or what came later. */
	for (more = run; fm_may_go_on(obj, more) && run < max; run += more) {
		entry = fm_load(table, pgoff + run);
		if (!fm_run(entry) || fm_entry_pfn(addresses, entry) != *pfn + run)
			break;
		more = fm_run(entry);
	}
	return min(run, max);
}

/*
 * A kernel thread that has borrowed an mm, as vhost's workers do, is in no memory cgroup:
 * whose mm it is, is charged for what it allocates.
 */
static unsigned long fm_ask_for_mm(struct fm_object *obj, pgoff_t pgoff,
				   unsigned long max, unsigned long *pfn)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(current->mm);
	struct mem_cgroup *before = set_active_memcg(memcg);
	unsigned long run = obj->ops->frames(obj, pgoff, max, true, pfn);

	set_active_memcg(before);
	mem_cgroup_put(memcg);
	return run;
}

/* Of what the owner answers, no more is believed than was asked for. */
static noinline unsigned long fm_ask(struct fm_object *obj, pgoff_t pgoff,
				     unsigned long max, bool touch,
				     unsigned long *pfn)
{
	unsigned long run;

	if (touch && current->flags & PF_KTHREAD && current->mm)
		run = fm_ask_for_mm(obj, pgoff, max, pfn);
	else
		run = obj->ops->frames(obj, pgoff, max, touch, pfn);
	if (!run || WARN_ON_ONCE(obj->ops->has_pages && !pfn_valid(*pfn)))
		return 0;
	return min(run, max);
}

/* Inline as far as that goes: each fault comes here. */
static __always_inline unsigned long
fm_resolve_run(struct fm_object *obj, pgoff_t pgoff, unsigned long max, bool touch,
	       unsigned long *pfn)
{
	const struct fm_table *table;
	unsigned long left = fm_find(obj, pgoff, &table), run = 0;

	max = min(max, left);
	if (!max)
		return 0;
	if (table)
		run = fm_resolve_in_table(obj, table, pgoff, max, pfn);
	if (run)
		return run;
	if (obj->ops->frames)
		return fm_ask(obj, pgoff, max, touch, pfn);
	if (!obj->ops->is_linear)
		return 0;
	*pfn = obj->first_pfn + pgoff;
	return max;
}

/**
 * fm_resolve() - the one question asked of memory: what lies at an offset
 * @file: the file through which it is asked
 * @pgoff: offset into the object
 * @max: how many pages are of interest, at least 1
 * @touch: memory that is not there yet is to be allocated; then this may sleep
 * @pfn: where the page frame number at @pgoff goes, unless the memory is opaque
 *
 * Context: in a read section, and for as long as the answer is used.
 * Return: how many pages from @pgoff on, at most @max, lie in consecutive
 * frames; 0 if @pgoff is beyond the object, nothing is there, or the file is revoked.
 */
unsigned long fm_resolve(const struct fm_file *file, pgoff_t pgoff,
			 unsigned long max, bool touch, unsigned long *pfn)
{
	if (fm_revoked(file))
		return 0;
	return fm_resolve_run(file->obj, pgoff, max, touch, pfn);
}

/* One after the other. Returns how many there are. */
static unsigned long fm_resolve_singly(struct fm_object *obj, pgoff_t pgoff,
				       unsigned long max, bool touch,
				       unsigned long *pfn)
{
	unsigned long i = 0;

	while (i < max && fm_resolve_run(obj, pgoff + i, 1, touch, pfn + i))
		i++;
	return i;
}

/* Two loops, since to ask of each entry what it is would cost two instructions. */
static void fm_entry_pfns(enum fm_addresses addresses, const unsigned long *entry,
			  unsigned long n, unsigned long *pfn)
{
	unsigned long i;

	if (addresses == FM_DIRECT)
		for (i = 0; i < n; i++)
			pfn[i] = fm_entry_pfn(FM_DIRECT, READ_ONCE(entry[i]));
	else
		for (i = 0; i < n; i++)
			pfn[i] = fm_entry_pfn(FM_VMALLOC, READ_ONCE(entry[i]));
}

/**
 * fm_resolve_array() - ask the same of each of several pages
 * @file: the file through which it is asked
 * @pgoff: offset into the object
 * @max: how many pages are of interest
 * @touch: as for fm_resolve()
 * @pfn: where their page frame numbers go
 *
 * For memory that is not contiguous, at less than half the cost.
 *
 * Context: in a read section, and for as long as the answer is used.
 * Return: how many pages from @pgoff on there are inside the object, at most @max, and
 * fewer at the end of a leaf; 0 if the file is revoked.
 */
unsigned long fm_resolve_array(const struct fm_file *file, pgoff_t pgoff,
			       unsigned long max, bool touch, unsigned long *pfn)
{
	const struct fm_table *table;
	unsigned long left = fm_find(file->obj, pgoff, &table);

	if (!left || fm_revoked(file))
		return 0;
	max = min(max, left);
	if (!table || file->obj->ops->frames)
		return fm_resolve_singly(file->obj, pgoff, max, touch, pfn);
	max = min(max, FM_LEAF_ENTRIES - (pgoff & (FM_LEAF_ENTRIES - 1)));
	fm_entry_pfns(file->obj->ops->addresses, fm_entry(table, pgoff), max, pfn);
	return max;
}

/**
 * fm_resolve_page() - ask the same of a single page, of memory that has them
 * @file: the file through which it is asked
 * @pgoff: offset into the object
 *
 * What is not there yet is allocated.
 *
 * Context: in a read section, and for as long as the answer is used. May sleep.
 * Return: the page, without a reference of its own, or NULL if @pgoff is beyond the
 * object or the file is revoked.
 */
struct page *fm_resolve_page(const struct fm_file *file, pgoff_t pgoff)
{
	const struct fm_table *table;
	unsigned long pfn, entry;

	if (fm_revoked(file) || !fm_find(file->obj, pgoff, &table))
		return NULL;
	entry = table ? fm_load(table, pgoff) : 0;
	if (fm_run(entry))
		return fm_entry_page(file->obj->ops->addresses, entry);
	if (!fm_resolve_run(file->obj, pgoff, 1, true, &pfn))
		return NULL;
	return pfn_to_page(pfn);
}

static int fm_get_page(struct fm_file *file, pgoff_t pgoff, struct page **page)
{
	int ret = 0, idx = fm_read_lock(file);

	*page = fm_resolve_page(file, pgoff);
	if (!*page)
		ret = fm_revoked(file) ? -ENODEV : -ENOMEM;
	else if (fm_has_failed(file->obj->ops, page_to_pfn(*page)))
		ret = -EIO;
	else if (folio_ref_count(page_folio(*page)) <= 0)	/* more than can be counted */
		ret = -ENOMEM;
	else
		get_page(*page);
	fm_read_unlock(file, idx);
	return ret;
}

/**
 * fm_put_pages() - undo fm_get_pages()
 * @pages: the pages
 * @npages: how many
 */
void fm_put_pages(struct page **pages, unsigned long npages)
{
	while (npages)
		put_page(pages[--npages]);
}
EXPORT_SYMBOL_GPL(fm_put_pages);

/**
 * fm_get_pages() - take references of an object's first pages, as get_user_pages() does
 * @file: the file through which they are asked for, of memory that has them
 * @npages: how many, not more than the object has
 * @pages: filled in, for fm_put_pages()
 *
 * What is not there yet is allocated. The pages stay what they are until they are put,
 * also if the object loses them, which then can free them only later.
 *
 * Each has a read section of its own: nobody who takes memory back waits for all of them.
 *
 * Context: may sleep; the inode lock is held, so that the object does not become shorter.
 * Return: 0, or, with no reference taken, -ENODEV if the file is revoked, -EIO if memory
 * has failed, -ENOMEM if there is none to be had, or no reference more, -EINTR if the caller is
 * being killed.
 */
int fm_get_pages(struct fm_file *file, unsigned long npages, struct page **pages)
{
	unsigned long i;
	int ret = 0;

	for (i = 0; i < npages; i++) {
		ret = fatal_signal_pending(current) ? -EINTR :
			fm_get_page(file, i, &pages[i]);
		if (ret)
			break;
		cond_resched();
	}
	if (ret)
		fm_put_pages(pages, i);
	return ret;
}
EXPORT_SYMBOL_GPL(fm_get_pages);

/**
 * fm_object_page() - a page of an object that has pages, whatever its size is now
 * @obj: the object, which has a file
 * @pgoff: offset into it
 *
 * Context: the memory is still there.
 * Return: the page, or NULL if there is none.
 */
struct page *fm_object_page(struct fm_object *obj, pgoff_t pgoff)
{
	unsigned long pfn, run, entry;
	int idx;

	if (obj->table) {
		entry = fm_load(obj->table, pgoff);
		return entry ? fm_entry_page(obj->ops->addresses, entry) : NULL;
	}
	idx = srcu_read_lock(&obj->srcu);
	run = fm_ask(obj, pgoff, 1, false, &pfn);
	srcu_read_unlock(&obj->srcu, idx);
	return run ? pfn_to_page(pfn) : NULL;
}

/**
 * fm_kernel_addr() - tell where the kernel sees a page of an object
 * @obj: the object, of opaque or linear memory
 * @pgoff: offset into it, for which fm_resolve() has just given an answer
 *
 * Context: in the read section of that fm_resolve().
 * Return: the address; of linear memory, one for memcpy_fromio().
 */
void *fm_kernel_addr(const struct fm_object *obj, pgoff_t pgoff)
{
	if (obj->ops->is_linear)
		return (__force void *)obj->io + (pgoff << PAGE_SHIFT);
	return fm_entry_addr(fm_load(READ_ONCE(obj->table), pgoff));
}

/**
 * fm_object_extents() - count the contiguous pieces of an object, of what is there
 * @obj: the object
 *
 * Context: may sleep.
 * Return: the number of pieces; 0 if it was killed.
 */
unsigned long fm_object_extents(struct fm_object *obj)
{
	unsigned long run, pfn, extents = 0;
	pgoff_t pgoff;
	int idx;

	idx = srcu_read_lock(&obj->srcu);
	for (pgoff = 0; pgoff < READ_ONCE(obj->npages); pgoff += run ?: 1) {
		run = fm_resolve_run(obj, pgoff, ULONG_MAX, false, &pfn);
		extents += !!run;
		cond_resched();
	}
	srcu_read_unlock(&obj->srcu, idx);
	return extents;
}
EXPORT_SYMBOL_GPL(fm_object_extents);

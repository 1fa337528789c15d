// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waits inside the driver's functions, between two of their instructions: where they
 * read one thing and then another without a call in between. There are too many such
 * places for all to be probed at once, so they are dealt in hands, each for a while, of
 * the functions that have just been met; no place comes twice before all have come.
 */
#include <linux/gcd.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "delays.h"

static unsigned int inside = 100;
module_param(inside, uint, 0444);
MODULE_PARM_DESC(inside, "places inside the driver's functions that are waited at, at a time (default 100, none if 0)");

static unsigned int every_inside = 2;
module_param(every_inside, uint, 0444);
MODULE_PARM_DESC(every_inside, "of so many times that such a place is met, it is waited at once (default 2)");

static char *only = "";
module_param(only, charp, 0444);
MODULE_PARM_DESC(only, "functions that such places are chosen in are those whose name begins so (default all)");

static unsigned int deal_ms = 1000;
module_param(deal_ms, uint, 0444);
MODULE_PARM_DESC(deal_ms, "after how many milliseconds other such places are chosen (default 1000)");

static DEFINE_PER_CPU(struct delays_count, places_count);

/* Guards the following. */
static DEFINE_MUTEX(places_lock);
static struct delays_function *places_functions;
static unsigned int places_nr_functions;
static unsigned long places_bytes;	/* of all those functions */
static unsigned long places_next, places_step;
static struct kprobe *places;
static struct kprobe **places_probed;
static unsigned int places_nr;
static unsigned int places_hands;

static int __kprobes places_at(struct kprobe *probe, struct pt_regs *regs)
{
	delays_wait(&places_count, every_inside);
	return 0;
}

/*
 * With one, the kernel makes no jump of the probe, which it would do, and undo, one by
 * one and slowly.
 */
static void __kprobes places_behind(struct kprobe *probe, struct pt_regs *regs,
				    unsigned long flags)
{
}

#ifdef CONFIG_X86
/* Reads, writes or compares memory that is not the stack's: MOV and CMP of a word. */
static bool places_is_access(const u8 *code)
{
	if ((*code & 0xf0) == 0x40)	/* REX */
		code++;
	if (code[0] != 0x8b && code[0] != 0x89 && code[0] != 0x3b && code[0] != 0x39)
		return false;
	return code[1] >> 6 != 3 && (code[1] & 7) != 4;
}
#else
static bool places_is_access(const u8 *code)
{
	return true;
}
#endif

/* Every other hand is of functions that are met so often. */
#define PLACES_HOT	100

/* Whether it was met since places were dealt last. */
static bool places_wants(const struct delays_function *function)
{
	unsigned long hits;

	if (function->error || !strstarts(function->name, only))
		return false;
	hits = delays_sum(function).hits - function->met;
	return places_hands % 2 && !*only ? hits >= PLACES_HOT : hits;
}

/* The byte at @at of all that the driver's functions are made of, if it is of use now. */
static kprobe_opcode_t *places_find(unsigned long at)
{
	const struct delays_function *function = places_functions;
	kprobe_opcode_t *addr;

	for (; at >= function->size; function++)
		at -= function->size;
	addr = function->probe.kp.addr + at;
	if (!places_wants(function) || at + sizeof(u32) > function->size ||
	    !places_is_access(addr))
		return NULL;
	return addr;
}

/* What looks like an instruction, and begins inside one, is refused. */
static bool places_probe(struct kprobe *probe, kprobe_opcode_t *addr)
{
	memset(probe, 0, sizeof(*probe));
	probe->addr = addr;
	probe->pre_handler = places_at;
	probe->post_handler = places_behind;
	return !register_kprobe(probe);
}

static void places_deal(void)
{
	unsigned long tries = places_bytes;
	kprobe_opcode_t *addr;
	unsigned int i;

	while (places_nr < inside && tries--) {
		addr = places_find(places_next);
		places_next = (places_next + places_step) % places_bytes;
		if (addr && places_probe(&places[places_nr], addr)) {
			places_probed[places_nr] = &places[places_nr];
			places_nr++;
		}
		cond_resched();
	}
	for (i = 0; i < places_nr_functions; i++)
		if (!places_functions[i].error)
			places_functions[i].met = delays_sum(&places_functions[i]).hits;
	places_hands++;
}

static void places_collect(void)
{
	if (places_nr)
		unregister_kprobes(places_probed, places_nr);
	places_nr = 0;
}

static void places_work_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(places_work, places_work_fn);

static void places_work_fn(struct work_struct *work)
{
	mutex_lock(&places_lock);
	places_collect();
	places_deal();
	mutex_unlock(&places_lock);
	queue_delayed_work(system_long_wq, &places_work, msecs_to_jiffies(deal_ms));
}

/* Steps that meet every byte before one comes again. */
static void places_shuffle(struct rnd_state *random)
{
	places_next = prandom_u32_state(random) % places_bytes;
	do
		places_step = prandom_u32_state(random) % places_bytes;
	while (gcd(places_step, places_bytes) != 1);
}

/**
 * delays_places_start() - wait inside the driver's functions, too
 * @functions: all that is waited at, until delays_places_stop()
 * @nr: how many
 * @random: where the order comes from
 */
void delays_places_start(struct delays_function *functions, unsigned int nr,
			 struct rnd_state *random)
{
	unsigned int i;

	places_bytes = 0;
	for (i = 0; i < nr; i++)
		places_bytes += functions[i].size;
	places = kvcalloc(inside, sizeof(*places), GFP_KERNEL);
	places_probed = kvcalloc(inside, sizeof(*places_probed), GFP_KERNEL);
	if (!inside || !every_inside || !places_bytes || !places || !places_probed)
		return;
	places_functions = functions;
	places_nr_functions = nr;
	places_shuffle(random);
	queue_delayed_work(system_long_wq, &places_work, 0);
}

/**
 * delays_places_stop() - have nothing probed there any more
 */
void delays_places_stop(void)
{
	cancel_delayed_work_sync(&places_work);
	places_collect();
	kvfree(places);
	kvfree(places_probed);
	places = NULL;
	places_probed = NULL;
}

/**
 * delays_places_show() - tell of the places, in one line
 * @m: where to
 */
void delays_places_show(struct seq_file *m)
{
	unsigned long hits = 0, waits = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		hits += per_cpu(places_count, cpu).hits;
		waits += per_cpu(places_count, cpu).waits;
	}
	mutex_lock(&places_lock);
	seq_printf(m, "%u places in hand %u of %lu bytes, %lu hits, %lu waits\n",
		   places_nr, places_hands, places_bytes, hits, waits);
	mutex_unlock(&places_lock);
}

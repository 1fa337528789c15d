// SPDX-License-Identifier: GPL-2.0-only
/*
 * Short waits, by chance, at the entry and the return of every function of the modules
 * faultmap_engine and faultmap, and of every function of the kernel that they call: what
 * is rare between two CPUs becomes common. The driver is what it always is; the waits
 * are kretprobes.
 *
 * They are set when these modules are loaded, which therefore have to come after this
 * one: while a module is coming, its symbol table still has what it takes from the kernel.
 *
 * A probe's handler may not sleep, so to wait is to be busy, with preemption off, and
 * never for longer than two milliseconds.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/elf.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "delays.h"

/* More than the symbols of both modules. */
#define DELAYS_FUNCTIONS	2048
#define DELAYS_MAX_US	2000
/* Calls of one function that may be going on at once, and be waited at on return. */
#define DELAYS_ACTIVE	64
/* So often in a jiffy a function may be met and be waited at as often as others. */
#define DELAYS_BURST	32

static unsigned int seed;
module_param(seed, uint, 0444);
MODULE_PARM_DESC(seed, "where the waits are drawn from; logged, and one by chance if it is 0 (default)");

static unsigned int every = 8;
module_param(every, uint, 0444);
MODULE_PARM_DESC(every, "of so many times that a function is met, it is waited at once (default 8)");

static unsigned int max_us = 1000;
module_param(max_us, uint, 0444);
MODULE_PARM_DESC(max_us, "the longest wait in microseconds, at most 2000; half as long a wait is as likely (default 1000)");

static DEFINE_PER_CPU(struct rnd_state, delays_random);
static struct rnd_state delays_dealer;		/* under delays_lock */

/* Guards the following, and what is probed. */
static DEFINE_MUTEX(delays_lock);
static struct delays_function *delays_functions;
static unsigned int delays_nr;

/* In the order in which they come; the last one goes first. */
static struct delays_module {
	const char *name;
	struct module *module;
	unsigned int first;	/* of its functions */
} delays_modules[] = {
	{ "faultmap_engine" },
	{ "faultmap" },
};

static struct dentry *delays_dir;

/* As likely between 1 and 2 as between 500 and 1000. */
static unsigned int delays_draw_us(u32 chance)
{
	unsigned int longest = max_us >> (chance % (ilog2(max_us) + 1));

	return longest - (chance >> 8) % (longest / 2 + 1);
}

/* What is met in a loop, thousands of times on end, must not make up the whole test. */
static unsigned int __kprobes delays_factor(struct delays_count *count)
{
	unsigned long passed = jiffies - count->since;

	count->since += passed;
	count->burst = passed < BITS_PER_TYPE(count->burst) ? count->burst >> passed : 0;
	return 1 + count->burst++ / DELAYS_BURST;
}

/**
 * delays_wait() - wait, or do not
 * @counts: each CPU's, of what is met
 * @one_in: of so many times, it waits at once
 *
 * Context: a probe's handler, so that the CPU stays the same.
 */
void __kprobes delays_wait(struct delays_count __percpu *counts, unsigned int one_in)
{
	struct rnd_state *random = this_cpu_ptr(&delays_random);
	struct delays_count *count = this_cpu_ptr(counts);

	count->hits++;
	if (prandom_u32_state(random) % (one_in * delays_factor(count)))
		return;
	count->waits++;
	udelay(delays_draw_us(prandom_u32_state(random)));
}

static struct delays_function __kprobes *delays_function_of(struct kretprobe_instance *ri)
{
	return container_of(get_kretprobe(ri), struct delays_function, probe);
}

/* Where a function will return to, asked at its first instruction. */
static unsigned long __kprobes delays_caller(struct pt_regs *regs)
{
#ifdef CONFIG_X86
	return *(unsigned long *)kernel_stack_pointer(regs);
#else
	return procedure_link_pointer(regs);
#endif
}

static bool __kprobes delays_is_ours(unsigned long addr)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(delays_modules); i++) {
		struct module *module = READ_ONCE(delays_modules[i].module);

		if (module && within_module(addr, module))
			return true;
	}
	return false;
}

/* Of the kernel's functions, only our modules' calls are of interest. */
static int __kprobes delays_at_entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct delays_function *function = delays_function_of(ri);

	if (!function->size && !delays_is_ours(delays_caller(regs)))
		return 1;
	delays_wait(function->count, every);
	return 0;
}

static int __kprobes delays_at_return(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	delays_wait(delays_function_of(ri)->count, every);
	return 0;
}

/*
 * What is no function that returns, what the compiler or the tracepoints' macros put
 * in, and what the probes themselves, or a kernel that patches its code, rely on.
 */
static bool delays_leaves_out(const char *name)
{
	static const char *const prefix[] = {
		"__pfx_", "__cfi_", "__SC", "__fentry__", "__x86_", "BUG_func",
		"__stack_chk_fail", "__asan", "__kasan", "__ubsan", "__sanitizer",
		"__tsan", "__kcsan", "gcov", "__gcov", "_sub_I_", "_sub_D_",
		"__probestub_", "__traceiter_", "__bpf_trace_", "perf_trace_",
		"trace_event_raw_event_", "trace_raw_output_",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(prefix); i++)
		if (strstarts(name, prefix[i]))
			return true;
	return strstr(name, ".cold");
}

/**
 * delays_sum() - add up what all CPUs did at a function
 * @function: the function, which can be probed
 *
 * Return: its hits and waits.
 */
struct delays_count delays_sum(const struct delays_function *function)
{
	struct delays_count sum = { };
	int cpu;

	for_each_possible_cpu(cpu) {
		sum.hits += per_cpu_ptr(function->count, cpu)->hits;
		sum.waits += per_cpu_ptr(function->count, cpu)->waits;
	}
	return sum;
}

static void delays_probe(struct delays_function *function, const Elf_Sym *sym,
			 const char *name, struct module *module)
{
	function->name = kstrdup(name, GFP_KERNEL);
	function->count = alloc_percpu(struct delays_count);
	if (!function->name || !function->count) {
		function->error = -ENOMEM;
		return;
	}
	/* What runs once only, and is freed, is not looked into. */
	if (sym->st_shndx != SHN_UNDEF)
		function->size = within_module_init(sym->st_value, module) ?
					 1 : max_t(unsigned long, sym->st_size, 1);
	function->probe.kp.addr = (kprobe_opcode_t *)sym->st_value;
	function->probe.entry_handler = delays_at_entry;
	function->probe.handler = delays_at_return;
	function->probe.maxactive = DELAYS_ACTIVE;
	function->error = register_kretprobe(&function->probe);
}

static bool delays_wants(const Elf_Sym *sym, const char *name,
			 const struct module *module)
{
	unsigned int i;

	/*
	 * It is the last one in the module's code, and of a function that ftrace does not
	 * know, arch_prepare_optimized_kprobe() decodes on behind the end, maybe to oops.
	 */
	if (sym->st_value == (unsigned long)module->exit)
		return false;
	if (!sym->st_value || delays_leaves_out(name) ||
	    (sym->st_shndx != SHN_UNDEF && ELF_ST_TYPE(sym->st_info) != STT_FUNC))
		return false;
	/* One function may have two names. */
	for (i = 0; i < delays_nr; i++)
		if (delays_functions[i].probe.kp.addr == (void *)sym->st_value)
			return false;
	return true;
}

/* Nobody else has the symbols yet. */
static void delays_begin(struct delays_module *ours, struct module *module)
{
	const struct mod_kallsyms *all = rcu_dereference_protected(module->kallsyms, true);
	unsigned int i, refused = 0;
	const Elf_Sym *sym;

	ours->first = delays_nr;
	WRITE_ONCE(ours->module, module);
	for (i = 1; i < all->num_symtab && delays_nr < DELAYS_FUNCTIONS; i++) {
		sym = &all->symtab[i];
		if (!delays_wants(sym, all->strtab + sym->st_name, module))
			continue;
		delays_probe(&delays_functions[delays_nr], sym,
			     all->strtab + sym->st_name, module);
		refused += delays_functions[delays_nr++].error != 0;
	}
	pr_info("%s: waiting at %u functions, not at %u symbols\n", ours->name,
		delays_nr - ours->first - refused, refused);
}

/* From the first function of a module on: those of a later one are gone by now. */
static void delays_end(unsigned int first)
{
	struct kretprobe **probes;
	unsigned int i, n = 0;

	delays_places_stop();
	probes = kvcalloc(delays_nr, sizeof(*probes), GFP_KERNEL | __GFP_NOFAIL);
	for (i = first; i < delays_nr; i++)
		if (!delays_functions[i].error)
			probes[n++] = &delays_functions[i].probe;
	unregister_kretprobes(probes, n);
	kvfree(probes);
	for (i = first; i < delays_nr; i++) {
		free_percpu(delays_functions[i].count);
		kfree(delays_functions[i].name);
		memset(&delays_functions[i], 0, sizeof(delays_functions[i]));
	}
	delays_nr = first;
}

static void delays_follow(struct delays_module *ours, struct module *module,
			  unsigned long state)
{
	bool is_last = ours == &delays_modules[ARRAY_SIZE(delays_modules) - 1];

	if (state == MODULE_STATE_COMING) {
		delays_begin(ours, module);
	} else if (state == MODULE_STATE_LIVE && ours->module && is_last) {
		delays_places_start(delays_functions, delays_nr, &delays_dealer);
	} else if (state == MODULE_STATE_GOING && ours->module) {
		delays_end(ours->first);
		WRITE_ONCE(ours->module, NULL);
	}
}

static int delays_notify(struct notifier_block *block, unsigned long state, void *data)
{
	struct module *module = data;
	unsigned int i;

	mutex_lock(&delays_lock);
	for (i = 0; i < ARRAY_SIZE(delays_modules); i++)
		if (!strcmp(module->name, delays_modules[i].name))
			delays_follow(&delays_modules[i], module, state);
	mutex_unlock(&delays_lock);
	return NOTIFY_OK;
}

static struct notifier_block delays_notifier = {
	.notifier_call = delays_notify,
};

/* "NAME HITS WAITS MISSED" of each function that is probed */
static int functions_show(struct seq_file *m, void *unused)
{
	struct delays_count sum;
	unsigned int i;

	mutex_lock(&delays_lock);
	for (i = 0; i < delays_nr; i++) {
		if (delays_functions[i].error)
			continue;
		sum = delays_sum(&delays_functions[i]);
		seq_printf(m, "%s %lu %lu %lu\n", delays_functions[i].name, sum.hits,
			   sum.waits, delays_functions[i].probe.kp.nmissed +
			   delays_functions[i].probe.nmissed);
	}
	mutex_unlock(&delays_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(functions);

/* "NAME ERRNO" of each symbol that is not */
static int refused_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	mutex_lock(&delays_lock);
	for (i = 0; i < delays_nr; i++)
		if (delays_functions[i].error)
			seq_printf(m, "%s %d\n", delays_functions[i].name,
				   -delays_functions[i].error);
	mutex_unlock(&delays_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(refused);

static int places_show(struct seq_file *m, void *unused)
{
	delays_places_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(places);

static int __init delays_init(void)
{
	int cpu, ret;

	if (!every || !max_us || max_us > DELAYS_MAX_US)
		return -EINVAL;
	if (!seed)
		seed = get_random_u32();
	prandom_seed_state(&delays_dealer, seed);
	for_each_possible_cpu(cpu)
		prandom_seed_state(per_cpu_ptr(&delays_random, cpu),
				   ((u64)cpu + 1) << 32 | seed);
	delays_functions = kvcalloc(DELAYS_FUNCTIONS, sizeof(*delays_functions),
				    GFP_KERNEL);
	if (!delays_functions)
		return -ENOMEM;
	pr_info("seed=%u every=%u max_us=%u\n", seed, every, max_us);
	ret = register_module_notifier(&delays_notifier);
	if (ret) {
		kvfree(delays_functions);
		return ret;
	}
	delays_dir = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_file("functions", 0444, delays_dir, NULL, &functions_fops);
	debugfs_create_file("refused", 0444, delays_dir, NULL, &refused_fops);
	debugfs_create_file("places", 0444, delays_dir, NULL, &places_fops);
	return 0;
}
module_init(delays_init);

static void __exit delays_exit(void)
{
	unregister_module_notifier(&delays_notifier);
	debugfs_remove(delays_dir);
	delays_end(0);
	kvfree(delays_functions);
}
module_exit(delays_exit);

MODULE_DESCRIPTION("Waits by chance at every function of faultmap, for its tests");
MODULE_LICENSE("GPL");

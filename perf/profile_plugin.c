// SPDX-License-Identifier: GPL-2.0-only
/*
 * For QEMU's -plugin: counts the instructions between the marks of a program in the
 * guest (mark.h), by function of the kernel and its callers.
 *
 * Arguments: symbols=FILE, the guest's /proc/kallsyms, which is read at the first mark;
 * out=FILE, which gets "RUN PHASE;CALLER;FUNCTION COUNT" for whatever ran, after each
 * run. The guest has one CPU. What ran before the first mark pays nothing: only from
 * then on is what QEMU translates given callbacks.
 *
 * The stack is followed by what runs, not read: after a call, the function that runs is
 * one level up; one that begins without a call took the place of the last, by a jump; one
 * that runs on in its midst has been returned to. An interrupt or a fault is
 * a call to the kernel's entry code. A task has a stack of its own. What faults is
 * counted each time that it is tried; the guest's clock counts what was done.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"
#include "qemu_plugin.h"

#define MARK_BYTES	8
#define MAX_PATH	4096

static enum fm_mark mark_of_x86(const uint8_t *byte, size_t n)
{
	static const uint8_t nop[] = { 0x0f, 0x1f, 0x84, 0x00 };
	uint32_t displacement;

	if (n != MARK_BYTES || memcmp(byte, nop, sizeof(nop)))
		return FM_NR_MARKS;
	memcpy(&displacement, byte + sizeof(nop), sizeof(displacement));
	displacement -= FM_MARK_BASE;
	return displacement < FM_NR_MARKS ? displacement : FM_NR_MARKS;
}

static bool is_prefix(uint8_t byte)
{
	switch (byte) {
	case 0x2e: /* cs */
	case 0x3e: /* ds, or notrack */
	case 0x66:
	case 0xf2: /* bnd */
		return true;
	}
	return (byte & 0xf0) == 0x40; /* rex */
}

static bool calls_on_x86(const uint8_t *byte, size_t n)
{
	size_t i = 0;

	while (i + 2 < n && is_prefix(byte[i]))
		i++;
	return byte[i] == 0xe8 || (i + 1 < n && byte[i] == 0xff && (byte[i + 1] >> 3 & 7) == 2);
}

static uint32_t word_of(const uint8_t *byte, size_t n)
{
	uint32_t word = 0;

	if (n == sizeof(word))
		memcpy(&word, byte, sizeof(word));
	return word;
}

static enum fm_mark mark_of_arm64(const uint8_t *byte, size_t n)
{
	uint32_t word = word_of(byte, n), hint = word >> 5 & 0x7f;

	if ((word & ~(0x7fU << 5)) != 0xd503201f || hint < FM_MARK_HINT)
		return FM_NR_MARKS;
	return hint - FM_MARK_HINT;
}

/* bl; blr, and what authenticates the pointer, too. */
static bool calls_on_arm64(const uint8_t *byte, size_t n)
{
	uint32_t word = word_of(byte, n);

	return (word & 0xfc000000) == 0x94000000 || (word & 0xfefff000) == 0xd63f0000;
}

/**
 * struct arch - what differs between processors
 * @target: what QEMU calls them
 * @mark_of: the mark that an instruction is; FM_NR_MARKS if it is none
 * @calls: whether it is a call
 * @switches: the function that goes from one task to another, its arguments
 * @from: the register that has the one
 * @to: the register that has the other
 */
static const struct arch {
	const char *target;
	enum fm_mark (*mark_of)(const uint8_t *byte, size_t n);
	bool (*calls)(const uint8_t *byte, size_t n);
	const char *switches;
	const char *from;
	const char *to;
} archs[] = {
	{ "x86_64", mark_of_x86, calls_on_x86, "__switch_to_asm", "rdi", "rsi" },
	{ "aarch64", mark_of_arm64, calls_on_arm64, "cpu_switch_to", "x0", "x1" },
}, *arch;

/* What user space runs is one function, the first. */
struct function {
	uint64_t start;
	char *name;
};

/* What is known of an instruction beside its function, in that one's address. */
#define BEGINS		1UL	/* is the first of the function */
#define CALLS		2UL
#define WHAT		(BEGINS | CALLS)

/**
 * struct node - a function that was reached by one way
 * @function: the function
 * @label: what to call it; the name of @function, but for the root of a tree
 * @caller: NULL in the root of a tree, which is user space
 * @callees: those that it called, by @next
 * @next: another that @caller called
 * @count: instructions in this run
 */
struct node {
	const struct function *function;
	const char *label;
	struct node *caller;
	struct node *callees;
	struct node *next;
	uint64_t count;
};

int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static const char *symbols_path;
static FILE *out;
static qemu_plugin_id_t plugin;

static struct function *functions;
static size_t nr_functions;
static uint64_t entry_start, entry_end, switch_start;

static struct node ours[FM_NR_MARKS] = {
	[FM_MARK_MMAP].label = "mmap",
	[FM_MARK_TOUCH].label = "touch",
	[FM_MARK_MUNMAP].label = "munmap",
};

static struct node others[FM_NR_MARKS] = {
	[FM_MARK_MMAP].label = "mmap;other tasks",
	[FM_MARK_TOUCH].label = "touch;other tasks",
	[FM_MARK_MUNMAP].label = "munmap;other tasks",
};

static enum fm_mark phase = FM_MARK_NONE;
static unsigned int run;
static struct node *at;		/* what runs */
static bool after_call;
static struct node *left;	/* what ran of our task, while others do */
static uint64_t our_task;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "profile: cannot read or write %s\n", what);
	exit(1);
}

static void *checked(void *memory)
{
	if (!memory)
		fail("memory");
	return memory;
}

static void add_function(uint64_t start, const char *name, const char *module)
{
	size_t size = strlen(name) + strlen(module) + 1;
	char *text = checked(malloc(size));

	snprintf(text, size, "%s%s", name, module);
	if (!(nr_functions & (nr_functions - 1)))
		functions = checked(realloc(functions, (nr_functions ? 2 * nr_functions : 1) *
					    sizeof(*functions)));
	functions[nr_functions++] = (struct function){ start, text };
}

/* The bounds of a section, as __entry_text_start, are no functions. */
static bool is_bound(const char *name)
{
	const char *text = strstr(name, "_text_");

	return text && (!strcmp(text, "_text_start") || !strcmp(text, "_text_end"));
}

static void add_symbol(uint64_t start, const char *name, const char *module)
{
	if (!strcmp(name, "__entry_text_start"))
		entry_start = start;
	else if (!strcmp(name, "__entry_text_end"))
		entry_end = start;
	else if (!strcmp(name, arch->switches))
		switch_start = start;
	if (!is_bound(name))
		add_function(start, name, module);
}

/* Of two names for an address, the first in the alphabet, whatever order they come in. */
static int compare_functions(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void read_functions(void)
{
	FILE *file = fopen(symbols_path, "r");
	char line[512], name[256], module[128];
	unsigned long long start;
	char type;

	add_function(0, "user", "");
	while (file && fgets(line, sizeof(line), file)) {
		*module = '\0';
		if (sscanf(line, "%llx %c %255s %127s", &start, &type, name, module) >= 3 &&
		    start && strchr("tTwW", type))
			add_symbol(start, name, module);
	}
	if (!file || !entry_start || !entry_end || !switch_start)
		fail(symbols_path);
	fclose(file);
	qsort(functions, nr_functions, sizeof(*functions), compare_functions);
}

/* The last that begins at @pc or before; of several names, the first. */
static const struct function *find_function(uint64_t pc)
{
	size_t low = 0, high = nr_functions, middle;

	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (functions[middle].start <= pc)
			low = middle;
		else
			high = middle;
	}
	while (low && functions[low - 1].start == functions[low].start)
		low--;
	return &functions[low];
}

static bool is_entry_code(const struct function *function)
{
	return function->start >= entry_start && function->start < entry_end;
}

static struct node *callee(struct node *caller, const struct function *function)
{
	struct node *node = caller->callees;

	while (node && node->function != function)
		node = node->next;
	if (node)
		return node;
	node = checked(calloc(1, sizeof(*node)));
	node->function = function;
	node->label = function->name;
	node->caller = caller;
	node->next = caller->callees;
	caller->callees = node;
	return node;
}

/* Where on the stack @function is, from the top; NULL if nowhere. */
static struct node *find_on_stack(struct node *node, const struct function *function)
{
	while (node && node->function != function)
		node = node->caller;
	return node;
}

static bool is_called(const struct function *function, bool begins)
{
	if (after_call && (begins || function != at->function))
		return true;
	return begins && is_entry_code(function) && !is_entry_code(at->function);
}

static struct node *follow(const struct function *function, bool begins)
{
	struct node *node;

	if (is_called(function, begins))
		return callee(at, function);
	if (function == at->function)
		return at;
	node = begins ? NULL : find_on_stack(at, function);
	if (!node)
		node = callee(at->caller ? at->caller : at, function);
	return node;
}

/* Before each instruction. */
static void ran(unsigned int vcpu, void *data)
{
	unsigned long what = (unsigned long)data & WHAT;

	if (phase == FM_MARK_NONE)
		return;
	at = follow((void *)((unsigned long)data & ~WHAT), what & BEGINS);
	at->count++;
	after_call = what & CALLS;
}

static uint64_t read_register(const char *name)
{
	struct glib_array *all = qemu_plugin_get_registers();
	const struct qemu_plugin_reg_descriptor *reg = (void *)all->data;
	struct glib_array *bytes = g_byte_array_new();
	uint64_t value = 0;
	unsigned int i;

	for (i = 0; i < all->len && strcmp(reg[i].name, name); i++)
		;
	if (i == all->len || qemu_plugin_read_register(reg[i].handle, bytes) != sizeof(value))
		fail(name);
	memcpy(&value, bytes->data, sizeof(value));
	g_byte_array_free(bytes, true);
	g_array_free(all, true);
	return value;
}

/* Before arch->switches(prev, next). Of others, the stack is not known. */
static void switches(unsigned int vcpu, void *data)
{
	if (phase == FM_MARK_NONE)
		return;
	if (!left) {
		left = at;
		our_task = read_register(arch->from);
		at = &others[phase];
	} else if (read_register(arch->to) == our_task) {
		at = left;
		left = NULL;
	} else {
		at = &others[phase];
	}
}

static void write_node(struct node *node, char *path, size_t len)
{
	struct node *child;
	int n = snprintf(path + len, MAX_PATH - len, "%s%s", len ? ";" : "", node->label);

	if (n < 0 || (size_t)n >= MAX_PATH - len)
		fail("a stack so deep");
	if (node->count)
		fprintf(out, "%u %s%s %llu\n", run, path, node->caller ? "" : ";user",
			(unsigned long long)node->count);
	node->count = 0;
	for (child = node->callees; child; child = child->next)
		write_node(child, path, len + n);
	path[len] = '\0';
}

static void end_run(void)
{
	char path[MAX_PATH] = "";
	enum fm_mark mark;

	for (mark = 0; mark < FM_MARK_NONE; mark++) {
		write_node(&ours[mark], path, 0);
		write_node(&others[mark], path, 0);
	}
	if (fflush(out) || ferror(out))
		fail("the counts");
	run++;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);

static void start_over(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
}

static void start(void)
{
	enum fm_mark mark;

	read_functions();
	for (mark = 0; mark < FM_NR_MARKS; mark++) {
		ours[mark].function = functions;
		others[mark].function = functions;
	}
	qemu_plugin_reset(plugin, start_over);
}

static void marked(unsigned int vcpu, void *data)
{
	if (!functions)
		start();
	if (phase == FM_MARK_MUNMAP)
		end_run();
	phase = (unsigned long)data;
	at = &ours[phase];
	left = NULL;
	after_call = false;
}

static void watch(struct qemu_plugin_insn *insn, const uint8_t *bytes, size_t n)
{
	uint64_t pc = qemu_plugin_insn_vaddr(insn);
	const struct function *function = find_function(pc);
	unsigned long what = (unsigned long)function;

	if (pc == switch_start)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, switches, QEMU_PLUGIN_CB_R_REGS,
						       NULL);
	if (pc == function->start)
		what |= BEGINS;
	if (arch->calls(bytes, n))
		what |= CALLS;
	qemu_plugin_register_vcpu_insn_exec_cb(insn, ran, QEMU_PLUGIN_CB_NO_REGS, (void *)what);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint8_t bytes[MARK_BYTES];
		size_t len = qemu_plugin_insn_data(insn, bytes, sizeof(bytes));
		enum fm_mark mark = arch->mark_of(bytes, qemu_plugin_insn_size(insn));

		if (mark != FM_NR_MARKS)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)mark);
		if (functions && len)
			watch(insn, bytes, len);
	}
}

static const struct arch *find_arch(const char *target)
{
	size_t i;

	for (i = 0; i < sizeof(archs) / sizeof(*archs); i++)
		if (!strcmp(archs[i].target, target))
			return &archs[i];
	return NULL;
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_plugin_info *info, int argc,
			char **argv)
{
	int i;

	arch = find_arch(info->target_name);
	if (!arch) {
		fprintf(stderr, "profile: knows no calls of %s\n", info->target_name);
		return 1;
	}

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "symbols=", 8))
			symbols_path = argv[i] + 8;
		else if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	}
	if (!symbols_path || !out) {
		fputs("profile: give symbols=FILE and out=FILE, which can be written\n", stderr);
		return 1;
	}
	symbols_path = strdup(symbols_path);
	plugin = id;
	start_over(id);
	return 0;
}

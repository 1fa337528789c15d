// SPDX-License-Identifier: GPL-2.0-only
/*
 * For QEMU's -plugin: no CPU of the guest runs into a breakpoint that is gone.
 *
 * Linux patches its running code by way of int3.  Where one CPU writes to code, QEMU
 * first drops what was translated of it and then stores: another CPU may in between
 * translate what was there before, and run that from then on.  If it was an int3,
 * the patching is over when it is hit, and a kernel that does not know of it dies
 * (6.12) or returns to it for ever (6.1): once in some thousands of writes to
 * sched_schedstats with a busy CPU, with QEMU 10.0 as with 11.1.
 */
#include <stdbool.h>

#include "qemu_plugin.h"

#define INT3 0xcc

int qemu_plugin_version = QEMU_PLUGIN_VERSION;

static uint8_t read_now(const void *byte)
{
	return __atomic_load_n((const uint8_t *)byte, __ATOMIC_RELAXED);
}

/*
 * What is of one byte, and begins like this now, was an int3 when it was translated:
 * none of the others is an instruction alone.  They begin the jumps, the calls and
 * the no-ops that the kernel patches in; its one other, a return that takes the place
 * of a static call, would need a look at every return of the guest.
 */
static bool was_int3(uint8_t byte)
{
	switch (byte) {
	case INT3:
	case 0x0f: /* nopl, jcc */
	case 0x2e: /* a prefix: xor of a static call */
	case 0x66: /* a prefix: xchg %ax,%ax */
	case 0xe8: /* call */
	case 0xe9: /* jmp */
	case 0xeb: /* jmp, short */
		return true;
	}
	return false;
}

/* While the int3 is there, who put it there waits for this CPU. */
static void before_int3(unsigned int vcpu, void *byte)
{
	struct CPUState *cpu;

	if (read_now(byte) == INT3)
		return;
	cpu = qemu_get_cpu(vcpu);
	tb_flush(cpu);
	cpu_loop_exit_restore(cpu, (uintptr_t)__builtin_return_address(0));
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		void *byte = qemu_plugin_insn_haddr(insn);

		if (byte && qemu_plugin_insn_size(insn) == 1 && was_int3(read_now(byte)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, before_int3,
							       QEMU_PLUGIN_CB_NO_REGS, byte);
	}
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_plugin_info *info, int argc,
			char **argv)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}

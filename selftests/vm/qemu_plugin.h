/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a plugin here uses of QEMU 10.0: Debian has no package with QEMU's header.
 * What the program lacks, it says when it loads the plugin, and ends.
 */
#ifndef _FAULTMAP_QEMU_PLUGIN_H
#define _FAULTMAP_QEMU_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

/* The plugin interface, of version 4. */
#define QEMU_PLUGIN_VERSION 4

/* Whether a callback reads registers. */
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_CB_R_REGS };

typedef uint64_t qemu_plugin_id_t;

/* Of the emulator; there is more behind this member: "x86_64", "aarch64". */
struct qemu_plugin_info {
	const char *target_name;
};

struct qemu_plugin_tb;
struct qemu_plugin_insn;

/* What QEMU looks for in a plugin: the second is called once, returns 0 to stay. */
extern int qemu_plugin_version;
int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_plugin_info *info, int argc,
			char **argv);

/*
 * Takes back all callbacks and forgets all translations, soon, then calls @again, which
 * may ask for callbacks anew.
 */
void qemu_plugin_reset(qemu_plugin_id_t id, void (*again)(qemu_plugin_id_t id));

/* A block was translated, and will run as it is now. */
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*translated)(qemu_plugin_id_t id,
							      struct qemu_plugin_tb *tb));
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
/* Its address in the guest. */
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
/* Copies at most @len of its bytes, returns how many. */
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t len);
/* Bytes of the instruction, as it was translated. */
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
/* Where it is in QEMU's memory; NULL if it is not in the guest's RAM. */
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);
/* Before each time that it runs. */
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*run)(unsigned int vcpu, void *data),
					    enum qemu_plugin_cb_flags flags, void *data);

/* GLib's arrays, those of bytes, too; there is more behind these members. */
struct glib_array {
	char *data;
	unsigned int len;
};

struct glib_array *g_byte_array_new(void);
uint8_t *g_byte_array_free(struct glib_array *bytes, int and_data);
char *g_array_free(struct glib_array *array, int and_data);

struct qemu_plugin_register;

struct qemu_plugin_reg_descriptor {
	struct qemu_plugin_register *handle;
	const char *name;
	const char *feature;
};

/* Of the CPU that runs, an array of descriptors. */
struct glib_array *qemu_plugin_get_registers(void);
/* Adds its value to @bytes, returns its size. */
int qemu_plugin_read_register(struct qemu_plugin_register *handle, struct glib_array *bytes);

/* No part of that interface, but QEMU exports them to its modules. */
struct CPUState;

struct CPUState *qemu_get_cpu(int index);
/* Forgets all translations, before a CPU next looks for one. */
void tb_flush(struct CPUState *cpu);
/* Leaves the block: the instruction that called out of it at pc has not run. */
_Noreturn void cpu_loop_exit_restore(struct CPUState *cpu, uintptr_t pc);

#endif /* _FAULTMAP_QEMU_PLUGIN_H */
